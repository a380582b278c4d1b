"""Noise of a known correlation between channels and between pixels."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d

from spectessera.evidence import BEYOND, gain_of, split_noise, structure_of
from spectessera.evidence.correlation import INDEPENDENT, measured_correlation
from spectessera.evidence.groups import pool

SHAPE = (1, 22, 31, 48)


def noise(axes: tuple[int, ...], seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Return noise of variance 1 that is averaged over three channels or pixels along axes."""
    found = np.random.default_rng(seed).standard_normal(shape)
    for axis in axes:
        found = uniform_filter1d(found, 3, axis=axis, mode="wrap") * np.sqrt(3)
    return found.astype(np.float32)


def measured(images: np.ndarray):
    return measured_correlation(images, np.ones_like(images), np.ones(images.shape[:3], bool))


def places() -> np.ndarray:
    return np.argwhere(np.ones(SHAPE[1:3], bool))


@pytest.mark.parametrize("axes", [(), (3,), (1, 2), (1, 2, 3)])
def test_noise_is_drawn_with_the_correlation_that_was_measured(axes):
    correlation = measured(noise(axes, 0))
    assert (correlation is INDEPENDENT) == (not axes)
    drawn = np.concatenate(
        [
            correlation.draw(np.random.default_rng(seed), (len(places()), 48), places())
            for seed in range(8)
        ]
    ).reshape(8, *SHAPE[1:])
    assert drawn.var() == pytest.approx(1, abs=0.02)
    for axis in (1, 2, 3):
        for step, expected in ((1, 2 / 3), (2, 1 / 3), (3, 0)):
            one, other = (np.moveaxis(drawn, axis, 0)[cut] for cut in (np.s_[step:], np.s_[:-step]))
            wanted = expected if axis in axes else 0
            assert (one * other).mean() == pytest.approx(wanted, abs=0.12)


def test_lines_and_gradients_of_brightness_are_no_noise():
    line = 9 * np.exp(-np.square((np.arange(48) - 20) / 2))
    bright = 1 + np.sin(np.arange(31) / 4)
    assert measured(noise((), 1) + bright[:, None] * (line + 1)) is INDEPENDENT


def test_what_differs_by_more_than_noise_is_not_measured():
    spectra = np.cumsum(np.random.default_rng(2).standard_normal(SHAPE), axis=3)
    assert measured(spectra.astype(np.float32)) is INDEPENDENT


def test_pixels_of_one_bin_are_not_compared():
    bins = np.repeat(np.repeat(noise((), 3)[:, ::2, ::2], 2, axis=1), 2, axis=2)[:, :22, :31]
    assert measured(bins).pixels.size == 1


@pytest.mark.parametrize("axes", [(3,), (1, 2)])
def test_correlated_noise_is_structure_only_if_independent_noise_is_drawn(axes):
    right, wrong = [], []
    for seed in range(5):
        images = noise(axes, seed)
        correlation, generator = measured(images), np.random.default_rng(seed)
        spectra = images.reshape(-1, 48)
        drawn = correlation.draw(generator, spectra.shape, places())
        parts = split_noise(spectra, drawn)._replace(alike=correlation.alike(places()))
        right.append(structure_of(parts))
        wrong.append(structure_of(split_noise(spectra, generator.standard_normal(spectra.shape))))
    assert max(right) < BEYOND < min(wrong)


def test_the_errors_of_a_gain_are_those_of_as_many_pixels_as_are_independent():
    """Nine pixels that share their noise: four ninths squared and so on, (19 / 9)^2 together."""
    alike = measured(noise((1, 2), 4, (1, 40, 40, 64))).alike(np.argwhere(np.ones((40, 40), bool)))
    assert alike == pytest.approx((19 / 9) ** 2, rel=0.15)
    values = np.random.default_rng(5).standard_normal((2, 90, 7))
    parts, labels = split_noise(*values), np.repeat([0, 1], 45)
    once, again = (gain_of(parts._replace(alike=each), labels, 2) for each in (1.0, 4.0))
    assert (again.mean, again.error) == pytest.approx((once.mean, 2 * once.error))
    assert again.each.std(ddof=1) / np.sqrt(90) == pytest.approx(again.error)


def test_averages_of_correlated_noise_have_the_variance_that_they_are_given():
    images, one = noise((1, 2), 6, (1, 60, 60, 30)), np.ones((1, 60, 60, 1), np.float32)
    between = measured(images).between_pixels
    pooled = pool(images, np.ones_like(images), one, 3, 1.0, between)
    inner = np.s_[:, 1:-1, 1:-1]
    assert pooled.variance[inner].mean() == pytest.approx(pooled.values[inner].var(), rel=0.1)
    assert pooled.repeats[inner].mean() == pytest.approx(1 / pooled.values[inner].var(), rel=0.1)
    assert pool(images, None, one, 3, 1.0).repeats[inner].mean() == pytest.approx(9)


def test_where_most_neighbours_are_equal_noise_is_independent():
    """Faint counts: most differences are 0."""
    counts = np.random.default_rng(0).poisson(0.1, (1, 20, 20, 30)).astype(np.float32)
    usable = np.ones((1, 20, 20), bool)
    found = measured_correlation(counts, np.maximum(counts, 1), usable)
    assert found.channels.size == found.pixels.size == 1
