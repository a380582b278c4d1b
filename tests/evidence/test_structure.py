import numpy as np
import pytest

from spectessera.evidence import BEYOND, split_noise, structure_of, thin_counts


def poisson(expected: np.ndarray, seed: int) -> float:
    generator = np.random.default_rng(seed)
    return structure_of(thin_counts(generator.poisson(expected), generator))


@pytest.mark.parametrize("counts", [0.02, 1.0, 30.0])
def test_noise_of_counts_is_no_structure(counts):
    found = [poisson(np.full((800, 60), counts), seed) for seed in range(20)]
    assert max(found) < BEYOND
    assert np.mean(found) == pytest.approx(1.5, abs=0.5)  # the largest of ten


def test_brightness_is_no_structure():
    bright = np.random.default_rng(0).lognormal(sigma=1.0, size=(800, 1))
    assert max(poisson(bright * np.linspace(0.1, 3, 60), seed) for seed in range(10)) < BEYOND


def test_noise_of_unequal_size_is_no_structure():
    generator = np.random.default_rng(1)
    sigma = generator.lognormal(sigma=1.0, size=(800, 1))
    for _ in range(10):
        noise = sigma * generator.standard_normal((2, 800, 60))
        assert structure_of(split_noise(noise[0], noise[1])) < BEYOND


@pytest.mark.parametrize("channels", [100, 400])
def test_a_tenth_of_the_spectra_at_a_distance_of_four_is_seen(channels):
    generator = np.random.default_rng(2)
    noise = generator.standard_normal((2, 4000, channels))
    noise[0, :400, :16] += 1.0  # 16 channels by one standard deviation: a distance of four
    assert structure_of(split_noise(noise[0], noise[1])) > BEYOND


def test_a_group_of_few_counts_is_seen():
    expected = np.full((2000, 100), 0.2)
    expected[:600, 20:23] = 1.5
    assert poisson(expected, 3) > BEYOND


@pytest.mark.parametrize("shape", [(2, 5), (1, 1), (40, 1)])
def test_too_little_is_no_structure(shape):
    assert poisson(np.full(shape, 4.0), 4) < BEYOND


def test_spectra_of_zeros_are_no_structure():
    assert poisson(np.zeros((50, 6)), 5) == 0


def test_noise_that_is_too_large_is_no_answer():
    generator = np.random.default_rng(6)
    noise = generator.standard_normal((2, 800, 60))
    assert structure_of(split_noise(noise[0], 2 * noise[1])) < -BEYOND


@pytest.mark.parametrize("shape", [(1500, 400), (400, 1500)])
def test_exact_components_are_those_of_the_decomposition_where_a_group_is_plain(shape):
    generator = np.random.default_rng(7)
    noise = generator.standard_normal((2, *shape))
    noise[0, : shape[0] // 2, :100] += 1.0
    parts = split_noise(noise[0], noise[1])
    assert structure_of(parts, exact=True) == pytest.approx(structure_of(parts), rel=1e-3)


def test_exact_components_see_a_group_whose_variance_is_hardly_above_that_of_noise():
    """Distance 3, a tenth of the spectra: the group has 0.81 times the variance of the noise."""
    near, exact = [], []
    for seed in range(4):
        noise = np.random.default_rng(seed).standard_normal((2, 2000, 500), dtype=np.float32)
        noise[0, :200, :25] += 0.6
        parts = split_noise(noise[0], noise[1], share=0.9)
        near.append(structure_of(parts))
        exact.append(structure_of(parts, exact=True))
    assert np.mean(exact) > max(BEYOND, np.mean(near) + 0.5)
