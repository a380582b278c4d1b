"""Neighbours: how far they are used, what they change, and what they leave alone."""

import json

import numpy as np
import pytest

import spectessera as spt
from spectessera import Clusters
from spectessera.cube import Block
from spectessera.inference import (
    Neighbours,
    averaged_spectra,
    choose_neighbours,
    intake_before_training,
    segment,
)
from spectessera.inference.confidence import simulate_measurement
from spectessera.inference.neighbours import averaged, weights_in
from spectessera.inference.patches import patches_of, screened

CHANNELS = 32


def patchwork(counts, seed=0, side=40, cell=10):
    """Return a map of counts of three materials in square cells, and the truth (y, x) from 1."""
    generator = np.random.default_rng(seed)
    cells = generator.integers(3, size=(side // cell + 1,) * 2)
    truth = cells.repeat(cell, 0).repeat(cell, 1)[:side, :side]
    place = np.arange(CHANNELS)
    expected = np.stack([np.exp(-((place - at) ** 2) / 18) + 0.1 for at in (6, 16, 25)])
    expected *= counts / expected.sum(axis=1, keepdims=True)
    drawn = generator.poisson(expected[truth]).astype(np.uint16)
    return spt.make_cube(drawn, energy=(1.0, 10.0)), truth + 1


def trained(cube):
    training = spt.Training(epochs=3, batch_size=256)
    return spt.SpectralSegmenter(training=training, clusters=Clusters(3, 3)).fit(cube)


@pytest.fixture(scope="module")
def sparse():
    """A map of five counts a pixel, its truth, and a network that was trained on it."""
    cube, truth = patchwork(5)
    return cube, truth, trained(patchwork(200, seed=1)[0])


@pytest.fixture(scope="module")
def whole(sparse):
    """The result of the sparse map in memory."""
    cube, _, segmenter = sparse
    return segment(cube, segmenter, 3, neighbours="auto")


def ari(result, truth):
    return float(spt.compare(result["label"].values.ravel(), truth.ravel()).ari)


def test_neighbours_help_where_counts_are_few(sparse):
    cube, truth, segmenter = sparse
    alone, together = (segment(cube, segmenter, 3, neighbours=each) for each in (0, "auto"))
    assert ari(alone, truth) < 0.6
    assert ari(together, truth) > 0.9
    assert together.attrs["neighbours"] >= 1
    assert together.attrs["neighbour_weight"] == 1
    assert together["measurements"].mean() > 4
    assert together["confidence"].mean() > alone["confidence"].mean()
    assert alone.attrs["neighbours"] == 0
    assert "measurements" not in alone


def test_labels_are_the_same_for_any_chunks(sparse, whole):
    cube, _, segmenter = sparse
    for chunks in ({"y": 40, "x": 7}, {"y": 9, "x": 40}, {"y": 13, "x": 11}):
        parts = segment(cube.chunk(chunks), segmenter, 3, neighbours="auto")
        for name in ("label", "measurements", "quality", "integrated_input"):
            assert np.array_equal(parts[name], whole[name], equal_nan=True), (chunks, name)
        for name in ("confidence", "novelty"):
            assert np.allclose(parts[name], whole[name], atol=1e-4, equal_nan=True), (chunks, name)


def test_the_weights_of_neighbours_may_be_in_a_file(sparse, whole):
    """The second pass takes those of the first from where they are kept."""
    cube, _, segmenter = sparse
    filed = segment(cube, segmenter, 3, neighbours="auto", memory=0)
    for name in whole.data_vars:
        assert np.array_equal(filed[name], whole[name], equal_nan=whole[name].dtype.kind == "f")


def test_known_weights_average_as_those_that_are_found(sparse):
    """Known weights need only the neighbours themselves, not all pixels that say what they are."""
    cube, _, segmenter = sparse
    intake = segmenter.intake(cube)
    used = choose_neighbours(cube, intake)
    inner = Block(slice(12, 20), slice(9, 25))
    found = averaged(cube, inner, used, intake)
    weights = weights_in(screened(cube, intake), inner, used)
    assert weights.shape == (8, 16, used.window**2)
    near = used.window // 2
    part = cube.isel(y=slice(12 - near, 20 + near), x=slice(9 - near, 25 + near))
    there = Block(slice(near, 8 + near), slice(near, 16 + near))
    again = averaged(part, there, used, intake, weights=weights)
    assert near > 0
    assert np.array_equal(again.values, found.values)
    assert np.array_equal(again["repeats"], found["repeats"])
    unlike = averaged(part, there, used, intake)
    assert not np.array_equal(unlike.values, found.values)


def test_workers_of_a_cluster_read_the_neighbours_too(sparse, whole, client):
    cube, _, segmenter = sparse
    parts = segment(cube.chunk({"y": 17, "x": 23}), segmenter, 3, neighbours="auto")
    assert np.array_equal(parts["label"], whole["label"])
    assert np.array_equal(parts["measurements"], whole["measurements"], equal_nan=True)


@pytest.mark.parametrize("seed", range(6))
def test_noise_has_no_neighbours(seed):
    drawn = np.random.default_rng(seed).poisson(np.linspace(0.1, 2, CHANNELS), (40, 40, CHANNELS))
    cube = spt.make_cube(drawn.astype(np.uint16), energy=(1.0, 10.0))
    assert choose_neighbours(cube, seed=seed).window == 1


def test_neighbours_in_any_order_have_nothing_to_say():
    cube, truth = patchwork(30)
    order = np.random.default_rng(0).permutation(truth.size)
    shuffled = cube.copy(data=cube.values.reshape(-1, CHANNELS)[order].reshape(cube.shape))
    segmenter = trained(patchwork(200, seed=1)[0])
    alone, together = (segment(shuffled, segmenter, 3, neighbours=each) for each in (0, "auto"))
    mixed = truth.ravel()[order]
    assert ari(together, mixed) > ari(alone, mixed) - 0.01


@pytest.mark.parametrize("seed", [2103, 2105])
def test_overlapping_groups_in_any_order_have_no_neighbours(seed):
    """Averages of like pixels predict them better wherever these are; with that, windows of 5."""
    generator = np.random.default_rng([seed, 5])
    label = generator.integers(1, 7, size=4000)
    directions = np.linalg.qr(generator.standard_normal((100, 6)))[0].T
    white = generator.standard_normal((4000, 100)) + 5 / np.sqrt(2) * directions[label - 1]
    colour = np.diag(np.exp(generator.normal(0, 0.2, 100))) + 0.3 * np.eye(100, k=1)
    values = (10 + white @ colour).astype(np.float32).reshape(50, 80, 100)
    variance = np.broadcast_to(np.square(colour).sum(axis=0), values.shape).copy()
    assert choose_neighbours(spt.make_cube(values, variance=variance)).window == 1


def test_details_finer_than_the_window_stay():
    cube, truth = patchwork(60, cell=1)
    segmenter = trained(patchwork(200, seed=1)[0])
    alone, together = (segment(cube, segmenter, 3, neighbours=each) for each in (0, "auto"))
    assert ari(together, truth) > ari(alone, truth) - 0.01


def test_pixels_that_are_not_usable_stay_so_and_nothing_is_taken_from_them(sparse):
    cube, _, segmenter = sparse
    values = cube.values.astype(np.float32)
    values[5, 5] = np.nan
    values[8, 8, 3] = np.nan
    values[12, 12] = 0
    values[20, 20, 9] = 5000
    mask = np.zeros(cube.shape[:2], bool)
    mask[30, 30] = True
    broken = spt.make_cube(values, energy=(1.0, 10.0), mask=mask, attrs={"saturation": 4000})
    alone, together = (segment(broken, segmenter, 3, neighbours=each) for each in (0, 1.0))
    assert np.array_equal(alone["quality"], together["quality"])
    for y, x in ((5, 5), (12, 12), (20, 20), (30, 30)):
        assert together["label"][y, x] == 0
        assert np.isnan(together["measurements"][y, x])
    assert together["label"][8, 8] > 0
    around = averaged(
        broken,
        Block(slice(0, 40), slice(0, 40)),
        choose_neighbours(broken, segmenter.intake(broken), 1.0),
        segmenter.intake(broken),
    )
    usable = together["label"].values > 0
    assert np.nanmax(around.values[usable]) < 100  # the hot pixel is in no average
    assert np.isnan(around.values[8, 8, 3])


def test_mean_spectra_are_those_of_the_measurement(sparse):
    cube, _, segmenter = sparse
    result = segment(cube, segmenter, 3, neighbours="auto")
    label = result["label"].values
    for number in (1, 2, 3):
        members = cube.values[label == number].astype(float)
        assert np.allclose(result["mean_spectrum"][number - 1], members.mean(0), rtol=1e-5)
        assert np.allclose(result["std_spectrum"][number - 1], members.std(0), rtol=1e-3)


def test_a_weight_can_be_given_where_the_noise_is_not_known():
    values = np.random.default_rng(0).normal(5, 1, (12, 12, 8)).astype(np.float32)
    cube = spt.make_cube(values, wavelength=(400, 700), unit="nm")
    assert choose_neighbours(cube).window == 1
    given = choose_neighbours(cube, neighbours=0.5)
    assert (given.window, given.weight, given.groups) == (3, 0.5, None)
    intake = intake_before_training(cube, spt.Preprocess())
    found = averaged(cube, Block(slice(0, 12), slice(0, 12)), given, intake)
    window = values[3:6, 3:6].sum(axis=(0, 1))
    assert np.allclose(found.values[4, 4], (0.5 * window + 0.5 * values[4, 4]) / 5, rtol=1e-5)


def test_a_variance_is_that_of_the_average():
    truth = np.repeat([0, 1], 20)[None].repeat(40, 0)
    expected = np.stack([np.linspace(4, 6, 20), np.linspace(6, 4, 20)])[truth]
    generator = np.random.default_rng(0)
    values = expected + generator.normal(size=expected.shape)
    cube = spt.make_cube(values, wavelength=(400, 700), unit="nm", variance=np.ones(values.shape))
    intake = intake_before_training(cube, spt.Preprocess(stabilise=None, normalise="l2"))
    chosen = choose_neighbours(cube, intake)
    assert chosen.noise == "variance"
    assert chosen.window > 1
    found = averaged(cube, Block(slice(0, 40), slice(0, 40)), chosen, intake)
    assert np.allclose(found["variance"].values[..., 0], 1 / found["repeats"].values, rtol=1e-4)
    apart = np.square(found.values - expected).mean(axis=2)
    assert np.median(apart * found["repeats"].values) == pytest.approx(1, abs=0.35)


def test_spectra_to_train_on_are_the_same_for_any_chunks(sparse):
    cube, _, segmenter = sparse
    intake = segmenter.intake(cube)
    chosen = choose_neighbours(cube, intake)
    whole = averaged_spectra(cube, chosen, intake, most=700, seed=3)
    parts = averaged_spectra(cube.chunk({"y": 11, "x": 9}), chosen, intake, most=700, seed=3)
    assert np.array_equal(whole.values, parts.values)
    assert 600 < len(whole) <= 700  # pixels without counts are not usable
    assert spt.SpectralSegmenter(training=spt.Training(epochs=1)).fit(whole).n_clusters_ > 1


def test_repeated_measurements_of_an_average_have_less_noise():
    values, generator = np.full((4000, 1), 3.0), np.random.default_rng(0)
    drawn = simulate_measurement(values, None, generator, np.full(4000, 5.0))
    assert drawn.mean() == pytest.approx(3, rel=0.02)
    assert drawn.var() == pytest.approx(3 / 5, rel=0.1)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [("much", 'must be "auto" or a number from 0 to 1'), (1.5, "neighbours"), (-1, "neighbours")],
)
def test_wrong_neighbours_are_refused(sparse, wrong, words):
    with pytest.raises(ValueError, match=words):
        choose_neighbours(sparse[0], neighbours=wrong)


def test_a_line_of_pixels_has_no_neighbours():
    cube, _ = patchwork(5)
    assert choose_neighbours(cube.isel(y=slice(0, 2))) == Neighbours()


def test_evidence_judges_averages_by_the_pixel_alone(sparse):
    cube, _, segmenter = sparse
    many = segmenter.set_params(clusters=Clusters(2, 5, criterion="evidence"))
    result = segment(cube, many, neighbours="auto")
    assert result.attrs["n_clusters"] == 3
    assert float(result["gain"][1]) > 10 * float(result["gain_error"][1])
    many.set_params(clusters=Clusters(3, 3))
    assert json.loads(result.attrs["findings"]) is not None


def test_pieces_of_a_large_map_are_those_with_the_fewest_masked_pixels():
    cube, _ = patchwork(20, side=120)
    mask = np.zeros(cube.shape[:2], bool)
    mask[:, 48:] = True  # two columns of pieces of 24 pixels are left
    intake = intake_before_training(cube, spt.Preprocess())
    free = patches_of(cube, intake, seed=0)
    assert free.values.shape == (8, 24, 24, CHANNELS)
    some = patches_of(cube.assign_coords(mask=(("y", "x"), mask)), intake, seed=0)
    assert some.usable.mean() > 0.95
    again = patches_of(cube.chunk({"y": 31, "x": 17}), intake, seed=0)
    assert np.array_equal(again.values, free.values)
    other = patches_of(cube, intake, seed=1)
    assert not np.array_equal(other.values, free.values)


@pytest.mark.parametrize("zeros", ["all", "a row", "a channel"])
def test_a_variance_of_zero_is_no_error(zeros):
    generator = np.random.default_rng(0)
    values = 5 + generator.normal(size=(24, 24, 12))
    variance = np.ones(values.shape)
    variance[{"all": ..., "a row": 3, "a channel": np.s_[..., 4]}[zeros]] = 0
    cube = spt.make_cube(values, wavelength=(400, 700), unit="nm", variance=variance)
    segmenter = trained(cube)
    for neighbours in ("auto", 1.0):
        result = segment(cube, segmenter, 3, neighbours=neighbours)
        assert np.isfinite(result["confidence"]).all()
    assert result.attrs["neighbours"] >= 1


def test_as_many_pixels_are_drawn_however_the_mask_lies_in_memory():
    counts = np.random.default_rng(0).poisson(5, (24, 30, 20)).astype(np.uint16)
    mask = np.zeros((24, 30), bool)
    mask[:3] = True
    drawn = []
    for given in (mask, np.asfortranarray(mask)):
        cube = spt.make_cube(counts, energy=(1.0, 10.0)).assign_coords(mask=(("y", "x"), given))
        around = choose_neighbours(cube, neighbours=1.0)
        some = averaged_spectra(
            cube, around, intake_before_training(cube, spt.Preprocess()), most=100, seed=3
        )
        drawn.append(some.values)
    assert 70 < len(drawn[0]) <= 100
    np.testing.assert_array_equal(*drawn)
