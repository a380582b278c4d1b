"""What a network is trained on, from arrays and cubes, with counts of any type."""

from dataclasses import replace

import numpy as np
import pytest

from segmentercases import four_line_cube, quick, same_partition
from spectessera import Network, SpectralSegmenter, Training, make_cube, segment
from spectessera.segmenter._training_inputs import gather
from spectessera.segmenter.defaults import DEFAULTS


def settings(**training):
    return DEFAULTS | {"training": Training(**training)}


def test_an_array_and_a_cube_of_the_same_spectra_give_the_same_inputs():
    cube, _ = four_line_cube()
    array = cube.values.reshape(-1, cube.sizes["channel"])
    for few in (100, 1000):
        one, other = (gather(each, settings(max_spectra=few), None) for each in (array, [cube]))
        np.testing.assert_array_equal(one.spectra.inputs, other.spectra.inputs)
        np.testing.assert_array_equal(one.spectra.rows, other.spectra.rows)
        assert one.pixels == other.pixels == 12 * 17
        assert one.chosen == other.chosen
        assert one.configs["clusters"].metric == one.chosen["clusters"]["metric"] != "auto"


def test_settings_are_chosen_for_a_new_model_only():
    cube, _ = four_line_cube()
    new = gather([cube], settings(), None)
    assert new.chosen
    trained = gather([cube], new.configs, new.axis)
    assert not trained.chosen
    assert trained.configs == new.configs


def test_inputs_are_in_the_order_of_the_image_whatever_the_chunks():
    cube, _ = four_line_cube()
    whole, parts = (
        gather([each], settings(max_spectra=90), None)
        for each in (cube, cube.chunk({"y": 5, "x": 4}))
    )
    assert (np.diff(parts.spectra.rows) > 0).all()
    np.testing.assert_array_equal(whole.spectra.inputs, parts.spectra.inputs)


def test_the_loss_variance_needs_a_variance():
    cube, _ = four_line_cube()
    array = cube.values.reshape(-1, cube.sizes["channel"])
    for data in (cube, array):
        with pytest.raises(ValueError, match='the loss "variance" needs cubes with a variance'):
            quick(training=Training(loss="variance")).fit(data)


# --- counts in files of floating-point numbers -------------------------------------------------


def weights_of(cube, thinning, start=None):
    training = Training(epochs=2, batch_size=64, thinning=thinning)
    settings = {} if start else {"network": Network(latent=3, encoder=(16,))}
    return SpectralSegmenter(training=training, **settings).fit(cube, start=start).weights()


@pytest.mark.parametrize("chunks", [None, {"y": 4, "x": 5}])
def test_counts_stored_as_floating_point_numbers_are_halved_like_integers(line_cube, chunks):
    cube = line_cube.cube if chunks is None else line_cube.cube.chunk(chunks)
    assert cube.dtype == np.float32
    whole, floats = weights_of(line_cube.cube.astype(np.uint16), True), weights_of(cube, True)
    assert all(np.array_equal(whole[name], floats[name]) for name in whole)
    plain = weights_of(cube, None)
    assert not all(np.array_equal(whole[name], plain[name]) for name in whole)


def test_training_and_confidence_agree_on_what_the_noise_is(line_cube):
    cube, half = line_cube.cube, line_cube.cube + 0.5
    thin = SpectralSegmenter(training=Training(epochs=2, batch_size=64, thinning=True))
    result = segment(cube, thin.fit(cube))
    assert result.attrs["confidence_noise"] == "counts"
    assert segment(half, thin).attrs["confidence_noise"] == "residual"
    with pytest.raises(ValueError, match="cube 2 holds none"):
        thin.fit([cube, half])


def test_fine_tuning_halves_counts_of_any_type(line_cube):
    cube = line_cube.cube
    start = SpectralSegmenter(training=Training(epochs=1, batch_size=64)).fit(cube)
    whole = weights_of(cube.astype(np.uint16), None, start)
    floats, plain = weights_of(cube, None, start), weights_of(cube, False, start)
    assert all(np.array_equal(whole[name], floats[name]) for name in whole)
    assert not all(np.array_equal(whole[name], plain[name]) for name in whole)


def test_a_missing_value_does_not_keep_counts_from_being_halved(line_cube):
    cube = line_cube.cube.copy(deep=True)
    cube[3, 5, 40] = np.nan
    weights_of(cube, True)


# --- an encoder that is not trained ------------------------------------------------------------


def counts_and_others():
    generator = np.random.default_rng(0)
    counts = make_cube(generator.poisson(3, (9, 9, 30)), energy=(1.0, 10.0))
    values = generator.normal(3, 0.5, (9, 9, 30))
    return counts, make_cube(values, energy=(1.0, 10.0), variance=np.full(values.shape, 0.25))


@pytest.mark.parametrize("gamma", [0.0, 0.01])
def test_components_of_counts_are_half_whitened_whatever_the_loss(gamma):
    configs = settings(gamma=gamma, train_encoder=False, denoise=None)
    chosen = gather([counts_and_others()[0]], configs, None).chosen
    assert chosen["clusters"] == {"metric": "half-whitened", "restarts": 30}


def test_cubes_of_unlike_noise_have_one_metric():
    """That of counts, or the other, depended on the hashes of words."""
    both_orders = counts_and_others(), counts_and_others()[::-1]
    some = [gather(list(each), DEFAULTS, None).chosen for each in both_orders]
    assert [each["clusters"]["metric"] for each in some] == ["whitened-sphere"] * 2


@pytest.mark.parametrize("word", ["other", np.array([1, 2]), 3])
def test_an_attribute_of_a_stranger_is_not_taken_for_the_noise_of_averages(word):
    cube, _ = counts_and_others()
    chosen = gather([cube.assign_attrs(averaged_noise=word)], DEFAULTS, None).chosen
    assert chosen == gather([cube], DEFAULTS, None).chosen
    assert chosen["clusters"]["metric"] == "half-whitened"


@pytest.mark.parametrize("variance", [None, 0.01])
def test_one_channel_is_not_clustered_on_the_sphere(variance):
    """On a sphere of one dimension there are two points, and here are three kinds of pixels."""
    truth = np.arange(12)[:, None] // 4 * np.ones((1, 12), int)
    values = np.array([2.0, 5, 9])[truth][..., None]
    values = values + np.random.default_rng(0).normal(0, 0.1, values.shape)
    given = None if variance is None else np.full(values.shape, variance)
    cube = make_cube(values, variance=given)
    training = replace(DEFAULTS["training"], epochs=1)
    result = segment(cube, SpectralSegmenter(training=training).fit(cube), 3)
    assert same_partition(result["label"].values, truth)
