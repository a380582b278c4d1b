"""Simulated measurements of some pixels: what noise alone does to clusters."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

import spectessera as spt
from conftest import line_spectra
from spectessera import Clusters, Network, Preprocess, SpectralSegmenter, Training, make_cube
from spectessera.htmlreport.text import how_chosen
from spectessera.inference.corridor import context_of
from spectessera.inference.job import Job
from spectessera.inference.noise import MIN_SAMPLED, SeparationOverNoise, draw_pixels
from spectessera.inference.passes import encode_block
from spectessera.kmeans import k_means
from spectessera.kmeans.rule import Rule
from spectessera.result import SPLIT_BELOW
from spectessera.synth import cube_from_rgb, miniature

SIDE = 40


def counts_of(expected, seed=0):
    """Return a cube of Poisson counts and a segmenter that was trained on it."""
    counts = np.random.default_rng(seed).poisson(expected).astype(np.uint16)
    cube = make_cube(counts, energy=(1.0, 20.0))
    return cube, trained(cube, stabilise="sqrt", normalise="l2")


def trained(cube, **steps):
    return SpectralSegmenter(
        Preprocess(**steps),
        Network(latent=3, encoder=(16,)),
        Clusters(2, 4, restarts=3, metric="euclidean", criterion="stability"),
        Training(epochs=20, batch_size=256, learning_rate=5e-3),
    ).fit(cube)


def maxrf(criterion):
    model = spt.load("maxrf")
    return model.set_params(clusters=replace(model.config("clusters"), criterion=criterion))


def sampled(cube, segmenter):
    """Return the split check of a cube, with all pixels in its sample."""
    context = context_of(cube, segmenter)
    every = np.arange(cube.sizes["y"] * cube.sizes["x"])
    sample = encode_block(context, cube, every).sample
    job = Job(cube, segmenter, "cube", 0, (), True)
    return SeparationOverNoise(job, context.intake, sample)


def rule_of(centers):
    d = centers.shape[1]
    return Rule("euclidean", np.zeros(d, "f4"), np.eye(d, dtype="f4"), centers)


def excess_of(cube, segmenter, *ks):
    """Return the excess of so many clusters as k-means finds them."""
    check = sampled(cube, segmenter)
    points, settings = torch.from_numpy(check.latent), Clusters(metric="euclidean")
    parts = [k_means(points, k, settings, generator=torch.Generator()) for k in ks]
    return [check.separation(rule_of(part.centers.numpy())) for part in parts]


def two_regions(few):
    """Return which pixels are in the second of two regions, which has ``few`` pixels."""
    other = np.zeros((SIDE, SIDE), dtype=int)
    other.ravel()[:few] = 1
    return other


@pytest.mark.parametrize("few", [30, 320])
def test_clusters_split_by_noise_have_an_excess_of_one_and_true_clusters_far_more(few):
    spectra = 300 * line_spectra()[[0, 3]]
    cube, segmenter = counts_of(spectra[two_regions(few)])
    true, more = excess_of(cube, segmenter, 2, 3)
    assert true > 2
    assert 0.85 < more < SPLIT_BELOW


def test_pixels_with_more_counts_are_no_difference():
    bright = np.where(two_regions(600) > 0, 900, 150)[..., None]
    cube, segmenter = counts_of(bright * line_spectra()[0])
    found = excess_of(cube, segmenter, 2, 3)
    assert max(found) < SPLIT_BELOW


def test_a_line_differs_from_noise_alone():
    """A spectrum without a line has no brightness: that difference must not count as noise."""
    shape = (SIDE, SIDE, 48)
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    values[:, : SIDE // 2, 20:23] += 8
    cube = make_cube(values, wavelength=(5000, 6000), variance=np.ones(shape, np.float32))
    true, more = excess_of(cube, trained(cube, normalise="l2"), 2, 3)
    assert true > 1.5
    assert more < SPLIT_BELOW


@pytest.mark.parametrize(("few", "compared"), [(MIN_SAMPLED - 1, False), (MIN_SAMPLED, True)])
def test_clusters_with_too_few_sampled_pixels_are_not_compared(few, compared):
    regions = two_regions(few)
    cube, segmenter = counts_of(300 * line_spectra()[[0, 3]][regions])
    check = sampled(cube, segmenter)
    centers = np.stack([check.latent[regions.ravel() == each].mean(axis=0) for each in (0, 1)])
    assert np.isfinite(check.separation(rule_of(centers))) == compared


def test_a_homogeneous_page_has_one_cluster_per_pigment_by_evidence():
    cube, truth = cube_from_rgb(miniature(2, (64, 64)), counts=1000, seed=0)
    result = spt.segment(cube, maxrf("evidence"))
    assert (result.attrs["n_clusters"], result.attrs["criterion"]) == (5, "evidence")
    assert adjusted_rand_score(truth["label"].values.ravel(), result["label"].values.ravel()) > 0.99
    assert "excess" not in result


def test_a_homogeneous_page_has_one_cluster_per_pigment_and_the_report_says_why():
    """Stability alone finds one more: the largest area, split by noise."""
    cube, truth = cube_from_rgb(miniature(2, (64, 64)), counts=1000, seed=0)
    truth = truth["label"].values
    model = maxrf("stability")
    result = spt.segment(cube, model)
    assert result.attrs["n_clusters"] == len(np.unique(truth)) == 5
    assert adjusted_rand_score(truth.ravel(), result["label"].values.ravel()) > 0.99
    excess = result["excess"].sel(k=[5, 6]).values
    assert excess[0] > 3
    assert 0.85 < excess[1] < SPLIT_BELOW
    assert np.isnan(result["excess"].sel(k=4))  # it was not computed
    assert "; with k = 6, two of the clusters differ" in how_chosen(result)
    unchecked = spt.segment(cube.assign_attrs(noise="residual"), model)
    assert unchecked.attrs["n_clusters"] == 6
    assert "excess" not in unchecked
    assert "differ by no more" not in how_chosen(unchecked)


@pytest.mark.parametrize(("criterion", "curve"), [("stability", "excess"), ("evidence", "gain")])
def test_the_same_is_chosen_in_any_chunks_with_and_without_means(criterion, curve):
    cube, _ = cube_from_rgb(miniature(2, (32, 40)), counts=1000, seed=0)
    model = maxrf(criterion)
    one = spt.segment(cube, model)
    for other in (cube, cube.chunk({"y": 12, "x": 25})):
        found = spt.segment(other, model, means=False)
        assert np.array_equal(one["label"], found["label"])
        np.testing.assert_array_equal(one[curve], found[curve])
    assert np.isfinite(one[curve]).any()


def test_one_spectrum_alone_gives_two_clusters_by_stability_and_the_report_says_they_are_noise():
    cube, segmenter = counts_of(np.broadcast_to(300 * line_spectra()[0], (SIDE, SIDE, 96)))
    result = spt.segment(cube, segmenter)
    assert result.attrs["n_clusters"] == 2  # stability knows no k = 1
    assert result["excess"].sel(k=2) < SPLIT_BELOW
    assert how_chosen(result).endswith("; two of these clusters differ by no more than the noise")


def test_only_pixels_that_are_not_masked_are_sampled():
    mask = np.ones((SIDE, SIDE), bool)
    mask[3, 5:9] = False
    cube = make_cube(np.ones((SIDE, SIDE, 8), np.float32), energy=(1.0, 2.0), mask=mask)
    assert draw_pixels(cube, 0).tolist() == [3 * SIDE + x for x in range(5, 9)]


def test_a_variance_that_is_not_finite_is_as_large_as_the_others():
    shape = (SIDE, SIDE, 48)
    generator = np.random.default_rng(0)
    values = generator.standard_normal(shape).astype(np.float32)
    values[..., 20:23] += 8
    variance = np.ones(shape, np.float32)
    bad = generator.random(shape) < 0.1
    variance[bad] = np.inf
    cube = make_cube(values, wavelength=(5000, 6000), variance=variance)
    (found,) = excess_of(cube, trained(cube, normalise="l2"), 2)
    assert found < SPLIT_BELOW


def test_clusters_are_not_compared_with_noise_where_k_is_given(line_cube):
    cube = line_cube.cube.astype(np.uint16)
    segmenter = trained(cube, stabilise="sqrt", normalise="l2")
    assert "excess" not in spt.segment(cube, segmenter, 3)
    assert "excess" not in spt.segment(cube, segmenter, "trained")
