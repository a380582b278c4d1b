"""Confidence against measurements that are repeated."""

import numpy as np
import pytest

from spectessera import Clusters, SpectralSegmenter, Training, make_cube, segment
from spectessera.inference.calibration import fitted
from spectessera.inference.confidence import Calibration

COUNTS, GROUPS = 25, 4


def expected() -> np.ndarray:
    """Return spectra (48, 48, 60) of four groups whose lines overlap, of unequal brightness."""
    generator = np.random.default_rng(0)
    lines = np.exp(-np.square((np.arange(60) - 12 * (1 + np.arange(GROUPS)[:, None])) / 5))
    spectra = (0.4 + lines)[generator.integers(0, GROUPS, (48, 48))]
    bright = COUNTS * generator.uniform(0.5, 2, (48, 48, 1))
    return bright * spectra / spectra.sum(axis=2, keepdims=True)


def measured(seed: int, kind: str):
    generator = np.random.default_rng(seed)
    if kind == "counts":
        return make_cube(generator.poisson(expected()).astype(np.uint16), energy=(1.0, 20.0))
    noise = 0.6 * generator.standard_normal((48, 48, 62)).astype(np.float32)
    smooth = (noise[..., :-2] + noise[..., 1:-1] + noise[..., 2:]) / np.sqrt(3)
    return make_cube(expected() + smooth, variance=np.full((48, 48, 60), 0.36))


@pytest.mark.parametrize(
    ("kind", "k", "most"), [("counts", 4, 0.05), ("counts", 8, 0.1), ("variance", 4, 0.05)]
)
def test_repeated_measurements_agree_as_often_as_the_confidence_says(kind, k, most):
    """Without calibration the errors are 0.08, 0.28 and 0.15.

    (Of more clusters than groups and a network trained on these pixels it is not at most 0.05.)
    """
    cube = measured(1, kind)
    segmenter = SpectralSegmenter(
        clusters=Clusters(k, k), training=Training(gamma=0.0, epochs=5)
    ).fit(cube)
    result = segment(cube, segmenter, k, neighbours=0, keep=["latent"])
    label, sure = (result[name].values.ravel() for name in ("label", "confidence"))
    latent = result["latent_cube"].values.reshape(label.size, -1)
    rule = segmenter.cluster(
        latent, Clusters(k, k, metric=segmenter.config("clusters").metric), seed=0
    ).rule
    np.testing.assert_array_equal(rule.label(latent) + 1, label)
    same = np.mean(
        [rule.label(segmenter.transform(measured(seed, kind))) + 1 == label for seed in (2, 3, 4)],
        axis=0,
    )
    place = np.minimum((10 * sure).astype(int), 9)
    error = sum(
        abs(sure[place == each].mean() - same[place == each].mean()) * (place == each).mean()
        for each in np.unique(place)
    )
    assert same.mean() < 0.9  # there is something to be unsure of
    assert error <= most


def test_few_labels_that_differ_change_nothing():
    sure, same = np.full(500, 0.7, np.float32), np.arange(500) >= 19
    assert fitted(sure, same, np.ones(500)) == Calibration()
    assert Calibration().apply(sure) is sure


def test_a_line_raises_and_lowers_probabilities_without_changing_their_order():
    generator = np.random.default_rng(1)
    sure = generator.uniform(0.4, 1, 20_000)
    for power in (0.5, 2.0):
        same = generator.uniform(size=len(sure)) < sure**power
        found = fitted(sure, same, np.ones(len(sure))).apply(np.linspace(0.4, 0.95, 12))
        assert (np.diff(found) > 0).all()
        np.testing.assert_allclose(found, np.linspace(0.4, 0.95, 12) ** power, atol=0.05)


def test_the_weights_are_those_of_pixels():
    """A cluster of which a tenth is drawn counts ten times."""
    sure, same = np.full(2000, 0.9), np.arange(2000) % 2 == 0
    same[1000:] = np.arange(1000) % 10 > 0
    weight = np.repeat([10.0, 1.0], 1000)
    assert fitted(sure, same, weight).apply(sure[:1])[0] == pytest.approx(59 / 110, abs=0.02)
