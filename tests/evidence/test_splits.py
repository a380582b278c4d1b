import numpy as np
import pytest

from spectessera.evidence import split_noise, thin_counts


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


def test_parts_of_counts_do_not_depend_on_their_layout_in_memory():
    counts = np.random.default_rng(0).poisson(0.7, (30, 20)).astype(np.float32)
    one, other = (
        thin_counts(each, np.random.default_rng(1)) for each in (counts, np.asfortranarray(counts))
    )
    assert np.array_equal(one.made, other.made)
    assert np.array_equal(one.made + one.judged, counts)
    assert np.array_equal(other.made + other.judged, counts)
