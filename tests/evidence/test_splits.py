import numpy as np
import pytest

from spectessera.evidence import alternate_blocks, correlation_length, split_noise, thin_counts


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


def test_the_parts_of_gaussian_noise_are_independent_and_have_twice_its_variance(generator):
    variance = np.broadcast_to(np.linspace(0.5, 4, 10), (4000, 10))
    values = generator.normal(7.0, np.sqrt(variance))
    parts = split_noise(values, variance, generator)
    np.testing.assert_allclose((parts.made + parts.judged) / 2, values, rtol=1e-5)
    np.testing.assert_allclose(parts.made.var(axis=0), 2 * variance[0], rtol=0.15)
    np.testing.assert_array_equal(parts.variance, np.float32(2 * variance))
    standard = [(each - 7) / np.sqrt(variance) for each in (parts.made, parts.judged)]
    assert abs(np.corrcoef(standard[0].ravel(), standard[1].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("wrong", [-1.0, 0.5, np.nan, np.inf])
def test_what_is_no_count_is_not_thinned(wrong, generator):
    with pytest.raises(ValueError, match="only counts"):
        thin_counts(np.array([[1.0, wrong]]), generator)


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_a_variance_that_is_none_is_refused(wrong, generator):
    with pytest.raises(ValueError, match="variances must be finite"):
        split_noise(np.ones((1, 2)), np.array([[1.0, wrong]]), generator)


def test_shapes_must_agree(generator):
    with pytest.raises(ValueError, match="variance"):
        split_noise(np.ones((2, 3)), np.ones((2, 2)), generator)


def test_blocks_alternate_and_fit_into_the_axis():
    assert alternate_blocks(5).tolist() == [False, True, False, True, False]
    assert alternate_blocks(7, 3).tolist() == [False] * 3 + [True] * 3 + [False]
    with pytest.raises(ValueError, match="length"):
        alternate_blocks(6, 4)


@pytest.mark.parametrize("width", [1, 3, 6])
def test_the_correlation_of_smoothed_noise_ends_at_the_width_of_the_box(width, generator):
    noise = generator.normal(size=(500, 120))
    kernel = np.ones(width) / width
    smooth = np.apply_along_axis(np.convolve, 1, noise, kernel, "valid")
    assert correlation_length(smooth) == width
