"""Rare groups: common directions, far spectra, groups of like ones."""

import numpy as np
import pytest

from spectessera.evidence import split_noise, thin_counts
from spectessera.evidence.rare import (
    Distance,
    distance_of,
    fit_ordinary,
    histogram_of,
    like_groups,
    limit_of,
    noise_limit,
    predicted,
)

CHANNELS = 120


def values(seed: int, n: int = 1500, rare: int = 0) -> np.ndarray:
    """Return mixtures of three spectra in noise of 1; the first few have a further line."""
    generator = np.random.default_rng(seed)
    spectra = 3 * generator.normal(size=(3, CHANNELS))
    found = generator.dirichlet(np.ones(3), n) @ spectra
    found += generator.standard_normal(found.shape)
    found[:rare, 50:53] += 15
    return found.astype(np.float32)


def counts(seed: int, n: int = 1500, rare: int = 0) -> np.ndarray:
    """Return counts of three spectra of any brightness; the first few have a further line."""
    generator = np.random.default_rng(seed)
    expected = generator.gamma(2, 2, (3, CHANNELS))[generator.integers(0, 3, n)]
    expected *= generator.uniform(0.5, 2, (n, 1))
    expected[:rare, 50:53] += 40
    return generator.poisson(expected).astype(np.float32)


@pytest.mark.parametrize("make", [values, counts])
def test_a_rare_line_is_far_and_no_common_direction(make):
    spectra = make(1, rare=12)
    variance = np.ones_like(spectra) if make is values else None
    ordinary = fit_ordinary(spectra, variance)
    assert len(ordinary.directions) == 3
    assert ordinary.directions @ ordinary.directions.T == pytest.approx(np.eye(3), abs=1e-5)
    distance = distance_of(ordinary.residual(spectra, variance), ordinary.free)
    noise = noise_limit(len(spectra), ordinary.free)
    far = distance.over(limit_of(histogram_of(distance), noise)) > 1
    assert np.flatnonzero(far).tolist() == list(range(12))


def test_a_common_line_is_a_direction():
    """Where five in a hundred have it, no spectrum is far."""
    spectra = values(1, rare=75)
    ordinary = fit_ordinary(spectra, np.ones_like(spectra))
    assert len(ordinary.directions) == 4
    distance = distance_of(ordinary.residual(spectra, np.ones_like(spectra)), ordinary.free)
    assert (distance.over(noise_limit(len(spectra), ordinary.free)) < 1).all()


def test_noise_has_no_common_direction_and_distances_of_a_normal_distribution():
    noise = np.random.default_rng(0).standard_normal((4000, CHANNELS), np.float32)
    variance = np.full_like(noise, 4)
    ordinary = fit_ordinary(2 * noise, variance)
    assert ordinary.directions.shape == (0, CHANNELS)
    distance = distance_of(ordinary.residual(2 * noise, variance), ordinary.free)
    assert abs(distance.whole.mean()) < 0.05
    assert abs(distance.whole.std() - 1) < 0.05
    assert distance.over(noise_limit(4000, CHANNELS)).max() < 1


@pytest.mark.parametrize("variance", [0.0, 1e-44, 1e38])
def test_values_and_variances_of_any_size_have_finite_residuals(variance):
    spectra = np.float32(1e25) * np.random.default_rng(0).standard_normal((200, 20), np.float32)
    noise = np.full_like(spectra, variance)
    ordinary = fit_ordinary(spectra, noise)
    residual = ordinary.residual(spectra, noise)
    assert np.isfinite(residual).all()
    assert np.isfinite(distance_of(residual, ordinary.free)).all()
    like_groups(residual, ordinary.free)


def test_the_limit_is_beyond_the_tail_of_common_spectra():
    tail = Distance(np.linspace(-9, 40, 1000), np.linspace(0, 3, 1000))
    halves = [histogram_of(Distance(*(each[part::2] for each in tail))) for part in (0, 1)]
    both = Distance(*(sum(each) for each in zip(*halves, strict=True)))
    limit = limit_of(both, Distance(np.array(5.0), np.array(6.0)))
    assert limit.whole == pytest.approx(2 * (0.98 * 49 - 9), rel=0.01)
    assert limit.channel == pytest.approx(6.0)


def groups_and_noise(sizes: tuple[int, ...], alone: int, seed: int) -> np.ndarray:
    """Return residuals: groups along their own directions, others each along one of its own."""
    generator = np.random.default_rng(seed)
    directions = generator.normal(size=(len(sizes) + alone, CHANNELS))
    directions *= 25 / np.linalg.norm(directions, axis=1, keepdims=True)
    labels = np.repeat(np.arange(len(directions)), (*sizes, *(1,) * alone))
    return directions[labels] + generator.standard_normal((len(labels), CHANNELS))


def test_like_residuals_are_groups_and_unlike_ones_are_none():
    found = like_groups(groups_and_noise((4, 9, 2), 30, 3), CHANNELS)
    assert [each.tolist() for each in found] == [list(range(4, 13)), list(range(4))]
    assert like_groups(groups_and_noise((), 60, 3), CHANNELS) == []
    assert like_groups(np.empty((0, CHANNELS)), CHANNELS) == []


def spikes(channels: np.ndarray) -> np.ndarray:
    residual = np.random.default_rng(5).standard_normal((len(channels), CHANNELS))
    residual[np.arange(len(channels)), channels] += 40
    return residual


def test_cosmic_rays_that_meet_by_chance_are_no_group():
    """A hundred in 120 channels: some channels have three or four; a hot channel has many."""
    hit = np.random.default_rng(4).integers(0, CHANNELS, 100)
    assert np.bincount(hit).max() >= 3
    assert like_groups(spikes(hit), CHANNELS) == []
    hot = np.concatenate([hit, np.full(12, 7)])
    (group,) = like_groups(spikes(hot), CHANNELS)
    assert set(hot[group].tolist()) == {7}


def test_noise_predicts_nothing_whatever_it_is_selected_by():
    """The first parts were made alike; the second ones, independent of them, are not."""
    errors = []
    for seed in range(200):
        made, judged = np.random.default_rng(seed).standard_normal((2, 6, CHANNELS))
        errors.append(predicted(made + 5, judged))
    assert abs(np.mean(errors)) < 0.25
    assert abs(np.std(errors) - 1) < 0.15


@pytest.mark.parametrize("make", [values, counts])
def test_the_second_part_of_a_group_is_predicted_that_of_others_is_not(make):
    spectra, plain = make(1, rare=12), make(1)
    variance = np.ones_like(spectra) if make is values else None
    ordinary, generator = fit_ordinary(spectra, variance), np.random.default_rng(2)

    def significance(some: np.ndarray) -> float:
        if variance is None:
            parts = thin_counts(some, generator)
        else:
            parts = split_noise(some, generator.standard_normal(some.shape, np.float32))
        noise = None if variance is None else variance[: len(some)]
        return predicted(*ordinary.residuals(parts, noise))

    assert significance(spectra[:12]) > 15
    others = [significance(plain[first : first + 12]) for first in range(12, 1200, 12)]
    assert max(others) < 4.5
    assert abs(np.mean(others)) < 0.5


def test_the_second_part_of_few_counts_is_expected_without_a_bias():
    """Roots of one count are smaller on average than the root of the mean."""
    spectra = np.random.default_rng(6).poisson(1.3, (3000, CHANNELS)).astype(np.float32)
    ordinary = fit_ordinary(spectra, None)
    parts = thin_counts(spectra, np.random.default_rng(7))
    _, judged = ordinary.residuals(parts, None)
    assert abs(judged.mean()) < 0.02
    assert judged.std() == pytest.approx(1, abs=0.1)


def test_counts_of_zero_with_a_variance_of_zero_are_not_far():
    """The usual error of counts is their root."""
    counts = np.random.default_rng(0).poisson(3, (900, 60)).astype(np.float32)
    ordinary = fit_ordinary(counts, counts)
    limit = noise_limit(900, ordinary.free)
    residual = ordinary.residual(counts, counts)
    assert (residual[counts == 0] == 0).all()
    assert distance_of(residual, ordinary.free).over(limit).max() < 3
