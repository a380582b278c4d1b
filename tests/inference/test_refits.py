"""Confidence of clusters that follow noise, against measurements that are repeated."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from spectessera import Clusters, SpectralSegmenter, Training, make_cube, segment
from spectessera.cube import spectral_axis
from spectessera.inference import Neighbours, averaged_spectra, intake_before_training
from spectessera.inference.patches import patches_of
from spectessera.inference.refits import Agreement, together
from spectessera.kmeans.points import rule_near
from spectessera.preprocess import Preprocess
from spectessera.preprocess.intake import intake_of

NEIGHBOURS = Neighbours(3, 1.0, "counts")
FIXED = Training(gamma=0.0, epochs=1, train_encoder=False)


def measured(seed: int):
    """Return a map of two groups of 8 counts a pixel in 200 channels."""
    generator = np.random.default_rng(7)
    label = (gaussian_filter(generator.standard_normal((40, 50)), 5) > 0).astype(int)
    peaks = np.exp(-np.square((np.arange(200) - [[60], [140]]) / 4))
    spectra = 0.2 + peaks
    expected = 8 * (spectra / spectra.sum(axis=1, keepdims=True))[label]
    counts = np.random.default_rng(seed).poisson(expected)
    return make_cube(counts.astype(np.uint16), energy=(1.0, 20.0))


@pytest.fixture(scope="module")
def model():
    cube = measured(1)
    intake = intake_before_training(cube, Preprocess())
    return SpectralSegmenter(training=FIXED).fit(averaged_spectra(cube, NEIGHBOURS, intake))


def test_clusters_that_follow_noise_are_as_sure_as_a_new_measurement_agrees(model, monkeypatch):
    """Without the check the confidence of five clusters of two groups is .2 and more too high."""
    cube, k = measured(1), 5
    result = segment(cube, model, k, neighbours=NEIGHBOURS, keep=["latent"])
    label, sure = (result[name].values.ravel() for name in ("label", "confidence"))
    latent = result["latent_cube"].values.reshape(label.size, -1)[label > 0]
    settings = replace(model.config("clusters"), k_min=k, k_max=k)
    found = model.cluster(latent, settings, seed=0)
    np.testing.assert_array_equal(found.labels + 1, label[label > 0])
    monkeypatch.setattr(model, "rule_", found.rule)
    monkeypatch.setattr(model, "cluster_centers_", found.centers)
    again = [segment(measured(n), model, "trained", neighbours=NEIGHBOURS) for n in (2, 3)]
    again = np.stack([each["label"].values.ravel() for each in again])
    seen = (label > 0) & (again > 0)
    same = (again == label)[seen].mean()
    monkeypatch.setattr(Agreement, "kept", lambda self, _: np.ones(len(self.pixels)))
    unchecked = segment(cube, model, k, neighbours=NEIGHBOURS)
    np.testing.assert_array_equal(unchecked["label"].values.ravel(), label)
    assert np.nanmean(unchecked["confidence"].values) - same > 0.12
    assert np.nanmean(sure) == pytest.approx(same, abs=0.06)


def test_a_chunked_cube_has_the_same_confidence(model):
    cube = measured(1)
    whole, parts = (
        segment(each, model, 4, neighbours=NEIGHBOURS) for each in (cube, cube.chunk(y=17, x=23))
    )
    for name in ("label", "confidence"):
        np.testing.assert_array_equal(whole[name].values, parts[name].values)


@pytest.mark.parametrize(
    ("clusters", "neighbours", "checked"),
    [
        (3, NEIGHBOURS, True),
        (3, 0, True),
        ("cube", NEIGHBOURS, False),
        ("trained", NEIGHBOURS, False),
    ],
)
def test_only_a_given_number_of_clusters_is_checked(model, clusters, neighbours, checked):
    steps = set()
    segment(
        measured(1),
        model,
        clusters,
        neighbours=neighbours,
        progress=lambda step, done, total: steps.add(step),
    )
    assert ("refits" in steps) == checked


@pytest.mark.parametrize("known", ["counts", "variance"])
def test_many_clusters_of_few_pixels_that_are_all_alike_are_not_sure(known):
    """They were taken for sure (0.87): their components and centers are made of their noise."""
    spectrum = 20_000 * np.random.default_rng(5).dirichlet(np.full(300, 0.5))

    def film(*seed: int):
        generator = np.random.default_rng(seed)
        if known == "counts":
            counts = generator.poisson(spectrum, (11, 11, 300)).astype(np.uint16)
            return make_cube(counts, energy=(1.0, 20.0))
        variance = np.broadcast_to(spectrum + 1, (11, 11, 300))
        values = spectrum + np.sqrt(variance) * generator.standard_normal(variance.shape)
        return make_cube(values.astype(np.float32), energy=(1.0, 20.0), variance=variance.copy())

    sure, same = [], []
    for seed in (1, 2, 3):
        model = SpectralSegmenter(training=FIXED).fit(film(seed, 0))
        result = segment(film(seed, 0), model, 6, keep=["latent"])
        latent = result["latent_cube"].values.reshape(121, -1)
        found = model.cluster(latent, replace(model.config("clusters"), k_min=6, k_max=6), seed=0)
        sure.append(float(result["confidence"].mean()))
        for number in (1, 2):
            again = found.rule.label(model.transform(film(seed, number)))
            same.append((again == found.labels).mean())
    assert np.mean(sure) == pytest.approx(np.mean(same), abs=0.12)


@pytest.mark.parametrize("known", [True, False])
def test_quarters_together_are_the_measurement(known):
    cube = measured(1)
    if known:
        cube = make_cube(
            cube.values.astype(np.float32), energy=(1.0, 20.0), variance=np.full(cube.shape, 2.0)
        )
    pieces = patches_of(cube, intake_of(cube, Preprocess(), spectral_axis(cube)), 0)
    if not known:
        pieces = pieces._replace(variance=None)
    generator = np.random.default_rng(0)
    halves = pieces.split(generator, 0.5)
    quarters = [part for half in halves for part in half.split(generator, 0.5)]
    found = together(quarters)
    np.testing.assert_allclose(found.values, pieces.values, atol=1e-4)
    if known:
        np.testing.assert_allclose(together(quarters[:2]).variance, 2 * pieces.variance)


def test_agreement_that_is_chance_keeps_nothing_and_equal_agreement_all():
    pixels = np.array([1000.0, 1000.0, 0.0])
    inside, outside = np.array([800.0, 700.0, 0.0]), np.array([300.0, 700.0, 0.0])
    kept = Agreement(pixels, inside, outside, 0.3 * pixels).kept()
    assert kept[0] == pytest.approx(0, abs=0.02)
    assert kept[1] == pytest.approx(1, abs=0.02)
    assert 0 < kept[2] < 1  # as all others


def test_clusters_near_labels_keep_their_numbers():
    generator = np.random.default_rng(0)
    truth = np.repeat([2, 0, 1], 200)
    points = generator.normal(10 * truth[:, None], 1, (600, 2)).astype(np.float32)
    wrong = np.where(generator.random(600) < 0.2, 1, truth)
    rule = rule_near(points, wrong, Clusters(3, 3, metric="euclidean"), k=3)
    np.testing.assert_array_equal(rule.label(points), truth)
    empty = rule_near(points, np.where(truth == 2, 0, truth), Clusters(3, 3), k=3)
    assert np.isfinite(empty.centers).all()
