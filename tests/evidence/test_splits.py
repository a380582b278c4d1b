import numpy as np
import pytest

from spectessera.evidence import estimate_noise, noise_like, split_noise, thin_counts


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(8)


def test_the_parts_of_poisson_counts_add_up_and_are_independent(generator):
    counts = generator.poisson(6.0, (4000, 10))
    parts = thin_counts(counts, generator, share=0.3)
    np.testing.assert_array_equal(parts.made + parts.judged, counts)
    assert parts.made.mean() == pytest.approx(1.8, rel=0.02)
    assert np.var(parts.made) == pytest.approx(1.8, rel=0.05)  # Poisson
    assert abs(np.corrcoef(parts.made.ravel(), parts.judged.ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_the_parts_of_gaussian_noise_are_independent(share, generator):
    sigma = np.sqrt(np.linspace(0.5, 4, 10))
    values, noise = 7 + sigma * generator.normal(size=(4000, 10)), generator.normal(size=(4000, 10))
    parts = split_noise(values, sigma * noise, share=share)
    np.testing.assert_allclose(share * parts.made + (1 - share) * parts.judged, values, rtol=1e-5)
    np.testing.assert_allclose(parts.made.var(axis=0), sigma**2 / share, rtol=0.15)
    np.testing.assert_allclose(parts.judged.var(axis=0), sigma**2 / (1 - share), rtol=0.15)
    assert parts.level.mean() == pytest.approx(np.mean(sigma**2), rel=0.05)
    standard = [(each - 7) / sigma for each in (parts.made, parts.judged)]
    assert abs(np.corrcoef(standard[0].ravel(), standard[1].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("wrong", [-1.0, 0.5, np.nan, np.inf])
def test_what_is_no_count_is_not_thinned(wrong, generator):
    with pytest.raises(ValueError, match="only counts"):
        thin_counts(np.array([[1.0, wrong]]), generator)


def test_noise_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        split_noise(np.ones((1, 2)), np.array([[1.0, np.nan]]))


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="noise"):
        split_noise(np.ones((2, 3)), np.ones((2, 2)))


def test_drawn_noise_has_the_variances_and_the_correlation_of_the_residual(generator):
    rows, columns = np.linspace(1, 3, 2000)[:, None], np.linspace(1, 2, 60)
    white = generator.normal(size=(2000, 61))
    residual = rows * columns * (white[:, 1:] + white[:, :-1]) / np.sqrt(2)
    drawn = noise_like(residual, generator)
    np.testing.assert_allclose(drawn.std(axis=0), residual.std(axis=0), rtol=0.1)
    assert drawn[-200:].std() / drawn[:200].std() == pytest.approx(2.8, rel=0.1)
    standard = drawn / (rows * columns)
    assert np.corrcoef(standard[:, 1:].ravel(), standard[:, :-1].ravel())[0, 1] == pytest.approx(
        0.5, abs=0.05
    )
    assert abs(np.corrcoef(drawn.ravel(), residual.ravel())[0, 1]) < 0.02


def test_noise_is_found_beside_a_signal(generator):
    """Principal components take signal and noise; only the noise is drawn."""
    noise = generator.normal(size=(2000, 100))
    signal = 5 * generator.normal(size=(2000, 3)) @ generator.normal(size=(3, 100))
    for values in (noise, noise + signal):
        assert estimate_noise(values, generator).var() == pytest.approx(1.0, abs=0.05)


def test_a_residual_of_zeros_gives_zeros(generator):
    assert not noise_like(np.zeros((3, 8)), generator).any()
