"""The estimator: the rules of scikit-learn, cubes and arrays."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from segmentercases import four_line_cube, quick, same_partition
from spectessera import Network, SpectralSegmenter, Training, make_cube
from spectessera.segmenter.defaults import DEFAULTS


@parametrize_with_checks([quick(training=Training(epochs=3))])
def test_estimator_follows_the_rules_of_scikit_learn(estimator, check):
    """No check is left out."""
    check(estimator)


def test_fit_finds_the_four_stripes_of_a_cube():
    cube, truth = four_line_cube()
    segmenter = quick().fit(cube)
    assert segmenter.n_clusters_ == 4
    assert same_partition(segmenter.labels_, truth)
    assert segmenter.cluster_centers_.shape == (4, 2)
    assert np.array_equal(segmenter.predict(cube), segmenter.labels_)


def test_clusters_are_numbered_by_size():
    cube, _ = four_line_cube()
    labels = quick().fit(cube).labels_
    sizes = np.bincount(labels)
    assert (np.diff(sizes) <= 0).all()


def test_an_array_and_a_cube_of_the_same_spectra_give_the_same_labels():
    cube, _ = four_line_cube()
    array = cube.values.reshape(-1, cube.sizes["channel"])
    assert np.array_equal(quick().fit(cube).labels_, quick().fit_predict(array))


def test_masked_and_unusable_pixels_are_minus_one():
    mask = np.zeros((12, 17), dtype=bool)
    mask[3, 5] = True
    cube, _ = four_line_cube(mask=mask)
    cube.values[7, 2] = np.nan
    cube.values[0, 0] = 0
    labels = quick().fit(cube).labels_.reshape(12, 17)
    assert {tuple(each) for each in np.argwhere(labels == -1)} == {(3, 5), (7, 2), (0, 0)}


def test_an_array_with_nan_is_refused_by_name():
    with pytest.raises(ValueError, match="NaN"):
        quick().fit(np.full((50, 4), np.nan))


def test_several_cubes_train_one_model_and_their_axes_must_agree():
    first, truth = four_line_cube(seed=0)
    second, _ = four_line_cube(height=5, seed=1)
    segmenter = quick().fit([first, second])
    assert len(segmenter.labels_) == 12 * 17 + 5 * 17
    assert same_partition(segmenter.labels_[: truth.size], truth)
    other = make_cube(second.values, energy=(1.0, 25.0))
    with pytest.raises(ValueError, match="one spectral axis"):
        quick().fit([first, other])


def test_a_sample_is_trained_on_when_there_are_too_many_spectra():
    cube, _ = four_line_cube()
    training = Training(epochs=2, max_spectra=50)
    segmenter = quick(training=training).fit(cube)
    assert (segmenter.labels_ >= 0).sum() == 50
    array = cube.values.reshape(-1, 40)
    assert (quick(training=training).fit(array).labels_ >= 0).all()


def test_chunks_do_not_change_the_training():
    cube, _ = four_line_cube()
    chunked = cube.chunk({"y": 5, "x": 4})
    training = Training(epochs=2, max_spectra=100)
    whole, parts = (quick(training=training).fit(each) for each in (cube, chunked))
    for a, b in zip(
        whole.model_.state_dict().values(), parts.model_.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)
    assert np.array_equal(whole.labels_, parts.labels_)


def test_latents_do_not_depend_on_neighbours_or_number_of_rows():
    cube, _ = four_line_cube(height=150, width=30)
    array = cube.values.reshape(-1, 40)
    segmenter = quick(training=Training(epochs=1)).fit(array)
    whole = segmenter.transform(array)
    order = np.random.default_rng(0).permutation(len(array))
    assert np.array_equal(segmenter.transform(array[order]), whole[order])
    assert np.array_equal(segmenter.transform(array[7:8]), whole[7:8])


def test_decoded_latents_resemble_the_spectra():
    cube, _ = four_line_cube()
    segmenter = quick(training=Training(epochs=80, batch_size=128, learning_rate=3e-3)).fit(cube)
    decoded = segmenter.inverse_transform(segmenter.cluster_centers_)
    assert decoded.shape == (4, 40)
    peaks = {int(p) for p in decoded.argmax(axis=1)}
    assert peaks == {6, 15, 24, 33}
    with pytest.raises(ValueError, match="2"):
        segmenter.inverse_transform(np.zeros((3, 5)))


def test_spectra_sampled_around_a_cluster_are_labelled_as_that_cluster():
    cube, _ = four_line_cube()
    segmenter = quick().fit(cube)
    for cluster in range(4):
        spectra = segmenter.sample(50, cluster, seed=1)
        assert spectra.shape == (50, 40)
        assert (segmenter.predict(spectra) == cluster).mean() > 0.9
    shares = np.bincount(segmenter.predict(segmenter.sample(2000)), minlength=4) / 2000
    np.testing.assert_allclose(shares, np.bincount(segmenter.labels_) / 204, atol=0.05)
    with pytest.raises(ValueError, match="cluster"):
        segmenter.sample(3, 4)


def test_nested_settings_are_read_changed_and_cloned():
    segmenter = SpectralSegmenter()
    assert segmenter.get_params()["network__latent"] == DEFAULTS["network"].latent
    segmenter.set_params(network__latent=7, clusters__k_max=4, training=Training(epochs=2))
    assert segmenter.network == replace(DEFAULTS["network"], latent=7)
    assert segmenter.clusters.k_max == 4
    assert clone(segmenter).get_params() == segmenter.get_params()
    with pytest.raises(ValueError, match="latnt"):
        segmenter.set_params(network__latnt=3)
    with pytest.raises(ValueError, match="networks"):
        segmenter.set_params(networks__latent=3)


def test_a_cube_on_another_axis_is_resampled_by_energy():
    cube, _ = four_line_cube()
    segmenter = quick(training=Training(epochs=40, gamma=0.0)).fit(cube)
    finer = np.repeat(cube.values / 2, 2, axis=2)  # each channel cut into two halves
    edge = 19.0 / 39 / 4
    again = make_cube(finer, energy=(1.0 - edge, 20.0 + edge))
    np.testing.assert_allclose(
        segmenter.transform(again), segmenter.transform(cube), rtol=1e-3, atol=1e-3
    )
    np.testing.assert_array_equal(
        segmenter.transform(again.isel(channel=slice(None, None, -1))), segmenter.transform(again)
    )


def test_a_cube_without_the_energies_of_the_model_is_refused():
    cube, _ = four_line_cube()
    segmenter = quick(training=Training(epochs=1)).fit(cube)
    with pytest.raises(ValueError, match=r"energy 1 to 20 keV; the cube goes from 30 to 40 keV"):
        segmenter.transform(make_cube(cube.values, energy=(30.0, 40.0)))
    with pytest.raises(ValueError, match="only 18 %"):
        segmenter.transform(make_cube(cube.values, energy=(17.0, 40.0)))
    with pytest.raises(ValueError, match="the cube has plain channels: give its axis"):
        segmenter.transform(make_cube(cube.values[..., :30]))
    with pytest.raises(ValueError, match="the cube has wavelength in nm"):
        segmenter.transform(make_cube(cube.values, wavelength=(400.0, 800.0), unit="nm"))


@pytest.mark.parametrize("shape", [(1, 1, 40), (1, 2, 40)])
def test_too_few_pixels_are_refused(shape):
    with pytest.raises(ValueError, match="at least 3 are needed"):
        quick().fit(make_cube(np.random.default_rng(0).random(shape)))


def test_one_channel_is_enough():
    values = np.repeat([1.0, 5.0], 40).reshape(8, 10, 1) + np.random.default_rng(0).normal(
        scale=0.1, size=(8, 10, 1)
    )
    segmenter = quick(network=Network(latent=1, encoder=(4,))).fit(make_cube(values))
    assert segmenter.n_clusters_ == 2
