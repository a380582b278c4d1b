"""Segmenting a cube: labels, means, confidence, chunks."""

import json

import numpy as np
import pytest

from spectessera import (
    Clusters,
    Network,
    Preprocess,
    SpectralSegmenter,
    Training,
    make_cube,
    segment,
)
from spectessera.inference import pipeline
from spectessera.kmeans.points import SeedAgreement

HEIGHT, WIDTH, CHANNELS = 20, 26, 48


def stripes(sigma=0.05, seed=0, **kwargs):
    """Three stripes (the first is the widest) with a line each, and their truth from 1."""
    generator = np.random.default_rng(seed)
    truth = np.broadcast_to(np.searchsorted([13, 20], np.arange(WIDTH), "right"), (HEIGHT, WIDTH))
    x = np.arange(CHANNELS)
    lines = 5 * np.exp(-0.5 * ((x - np.array([8, 20, 36])[:, None]) / 1.5) ** 2)
    values = lines[truth] + sigma * generator.standard_normal((HEIGHT, WIDTH, CHANNELS))
    return make_cube(values.astype(np.float32), wavelength=(5000, 6000), **kwargs), truth + 1


@pytest.fixture(scope="module")
def segmenter():
    cube, _ = stripes()
    return SpectralSegmenter(
        Preprocess(rebin_to=24),
        Network(latent=2, encoder=(16,)),
        Clusters(2, 6, restarts=3),
        Training(epochs=60, batch_size=128, learning_rate=3e-3),
    ).fit(cube)


def test_stripes_are_labelled_by_size_from_one(segmenter):
    cube, truth = stripes()
    result = segment(cube, segmenter)
    assert result["label"].dims == ("y", "x")
    assert np.array_equal(result["label"].values, truth)
    assert result["size"].values.tolist() == [260, 140, 120]
    assert result.attrs["n_clusters"] == 3
    assert result["cluster"].values.tolist() == [1, 2, 3]


def test_means_are_those_of_the_labelled_pixels(segmenter):
    """mean_spectrum in the cube's axis and unit; the others in network-input units (eqs. 8-10)."""
    cube, truth = stripes()
    result = segment(cube, segmenter)
    for cluster in (1, 2, 3):
        mine = cube.values[truth == cluster]
        found = result.sel(cluster=cluster)
        np.testing.assert_allclose(found["mean_spectrum"], mine.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(found["std_spectrum"], mine.std(axis=0), atol=1e-4)
        inputs = segmenter.preprocess.apply(mine, segmenter.axis_).values
        np.testing.assert_allclose(found["input_mean"], inputs.mean(axis=0), atol=1e-5)
        decoded = segmenter.inverse_transform(segmenter.transform(cube)[(truth == cluster).ravel()])
        np.testing.assert_allclose(found["reconstructed_mean"], decoded.mean(axis=0), atol=1e-5)
        center = found["center"].values[None]
        np.testing.assert_array_equal(found["decoded_mean"], segmenter.inverse_transform(center)[0])
    assert result["mean_spectrum"].coords["wavelength"].attrs["units"] == "angstrom"
    assert result.sizes["input_channel"] == 24


@pytest.mark.parametrize("chunks", [{"y": 7, "x": 9}, {"y": 20, "x": 26, "channel": 10}])
def test_a_chunked_cube_gives_bit_identical_labels(segmenter, chunks):
    cube, _ = stripes(sigma=1.5)  # overlapping: labels would differ at the least difference
    whole = segment(cube, segmenter, keep=["latent"])
    parts = segment(cube.chunk(chunks), segmenter, keep=["latent"])
    for name in ("label", "latent_cube", "confidence", "score", "center"):
        assert np.array_equal(whole[name].values, parts[name].values, equal_nan=True), name


def test_masked_nan_and_empty_pixels_are_zero_and_counted(segmenter):
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[2, :3] = True
    cube, truth = stripes(mask=mask)
    cube.values[5, 6] = np.nan
    cube.values[6, 7] = 0
    cube.values[9, 9, 3] = np.nan
    result = segment(cube, segmenter)
    expected = truth.copy()
    expected[2, :3] = expected[5, 6] = expected[6, 7] = 0
    assert np.array_equal(result["label"].values, expected)
    assert np.isnan(result["confidence"].values).sum() == 5
    counts = json.loads(result.attrs["quality_counts"])
    assert counts["masked"] == 3
    assert counts["not_finite"] == counts["empty"] == counts["repaired"] == 1


def test_trained_numbering_is_kept_with_empty_clusters(segmenter):
    cube, truth = stripes()
    only = cube.isel(x=slice(14, 26))  # the widest stripe is not there
    result = segment(only, segmenter, "trained")
    assert result["size"].values.tolist() == [0, 120, 120]
    assert np.array_equal(result["label"].values, truth[:, 14:])
    own = segment(only, segmenter, "cube")
    assert own["size"].values.min() > 0


def test_a_number_of_clusters_can_be_given(segmenter):
    cube, _ = stripes()
    result = segment(cube, segmenter, 5)
    assert set(np.unique(result["label"])) == {1, 2, 3, 4, 5}
    assert result["k"].values.tolist() == [5]


def test_kept_cubes_are_latent_and_decoded(segmenter):
    cube, _ = stripes()
    result = segment(cube, segmenter, keep=("latent", "decoded"))
    assert result["latent_cube"].dims == ("y", "x", "latent")
    decoded = segmenter.inverse_transform(result["latent_cube"].values.reshape(-1, 2))
    assert np.array_equal(result["decoded_cube"].values.reshape(-1, 24), decoded)
    assert "latent_cube" not in segment(cube, segmenter)


def test_integrated_images_are_sums_over_channels(segmenter):
    cube, _ = stripes()
    result = segment(cube, segmenter, keep=("latent", "decoded"))
    np.testing.assert_allclose(
        result["integrated_decoded"], result["decoded_cube"].sum("input_channel"), rtol=1e-5
    )
    np.testing.assert_allclose(
        result["integrated_latent"], result["latent_cube"].sum("latent"), rtol=1e-4, atol=1e-5
    )


def test_confidence_is_the_frequency_of_the_same_label_measured_again(segmenter):
    """In repeated measurements of the truth, labels repeat as often as the confidence says."""
    sigma = 1.5
    variance = np.full((HEIGHT, WIDTH, CHANNELS), sigma**2, np.float32)
    first, _ = stripes(sigma=sigma, seed=1, variance=variance)
    result = segment(first, segmenter, "trained")
    assert result.attrs["confidence_noise"] == "variance"
    same = np.mean(
        [
            segment(stripes(sigma=sigma, seed=s)[0], segmenter, "trained")["label"].values
            == result["label"].values
            for s in range(2, 14)
        ],
        axis=0,
    )
    confidence = result["confidence"].values
    assert 0.5 < same.mean() < 0.99  # a case in which confidence matters
    assert abs(confidence.mean() - same.mean()) < 0.06
    sure, unsure = confidence > 0.9, confidence < 0.7
    assert same[sure].mean() > same[unsure].mean() + 0.1


def test_attributes_are_strings_and_numbers_with_provenance(segmenter):
    cube, _ = stripes(attrs={"source": "made up", "wcs": "header"})
    result = segment(cube, segmenter, seed=7)
    assert all(isinstance(each, (str, int, float)) for each in result.attrs.values())
    provenance = json.loads(result.attrs["provenance"])
    assert provenance["seed"] == 7
    assert provenance["settings"]["network"]["latent"] == 2
    assert result.attrs["source"] == "made up"


def test_wrong_arguments_are_named(segmenter):
    cube, _ = stripes()
    for wrong, words in (("best", "clusters"), (1, "at least 2"), (2.5, "integer")):
        with pytest.raises((ValueError, TypeError), match=words):
            segment(cube, segmenter, wrong)
    with pytest.raises(ValueError, match="keep"):
        segment(cube, segmenter, keep=["latents"])
    with pytest.raises(TypeError, match="list"):
        segment(cube, segmenter, keep="latent")
    with pytest.raises(ValueError, match="0 usable spectra of 520"):
        segment(cube * np.nan, segmenter)
    with pytest.raises(ValueError, match="1 usable spectrum of"):
        segment(cube.isel(y=[0], x=[0]), segmenter)


def test_progress_counts_the_blocks_of_each_step(segmenter):
    cube, _ = stripes()
    seen = []
    segment(cube.chunk({"y": 10}), segmenter, progress=lambda *args: seen.append(args))
    both = [(name, done, 2) for name in ("encode", "describe", "confidence") for done in (1, 2)]
    judged, clustered = ([(name, done, 1) for done in (0, 1)] for name in ("neighbours", "cluster"))
    assert seen == [*judged, *both[:2], *clustered, *both[2:]]


def test_where_the_noise_is_not_known_no_label_is_surer_than_its_cluster(segmenter, monkeypatch):
    """What other seeds find again of a cluster bounds it; a known noise is calibrated instead."""
    share = np.array([0.5, 0.6, 1.0])

    def confidence(cube):
        return segment(cube, segmenter, 3)["confidence"].values

    unknown, variance = stripes()[0], np.full((HEIGHT, WIDTH, CHANNELS), 0.05**2, np.float32)
    known = stripes(variance=variance)[0]
    before = confidence(unknown), confidence(known)
    found = SeedAgreement(0.3, share)
    monkeypatch.setattr(pipeline, "agreement_of_seeds", lambda *_, **__: found)
    label = segment(unknown, segmenter, 3)["label"].values
    np.testing.assert_allclose(confidence(unknown), np.minimum(before[0], share[label - 1]))
    np.testing.assert_array_equal(confidence(known), before[1])
    assert confidence(unknown).max() > 0.9  # of the cluster that is found again
