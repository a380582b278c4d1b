import numpy as np
import pytest

from spectessera.evidence import Parts, explained, gain_of, split_noise, thin_counts

SHAPE = (600, 40)


def two_groups(scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return expected counts of two groups that differ in four channels, and their labels."""
    labels = np.arange(SHAPE[0]) % 2
    expected = np.full(SHAPE, 2.0)
    expected[labels == 1, 5:9] *= scale
    return expected, labels


def test_true_groups_of_counts_are_foretold_and_random_ones_are_not():
    expected, labels = two_groups(3.0)
    generator = np.random.default_rng(1)
    parts = thin_counts(generator.poisson(expected), generator)
    true, chance = gain_of(parts, labels, 2), gain_of(parts, generator.permutation(labels), 2)
    assert true.mean > 10 * true.error
    assert chance.mean < 2 * chance.error


def test_the_gain_of_counts_is_the_log_likelihood_ratio_per_spectrum():
    """By hand: means (3, 1) and (1, 3), overall (2, 2), one hundredth of the overall mean."""
    made = np.array([[3, 1], [1, 3]], np.float32)
    found = gain_of(Parts(made, np.array([[2, 0], [0, 1]], np.float32)), np.array([0, 1]), 2)
    ratio = np.log((0.99 * 0.75 + 0.01 * 0.5) / 0.5)
    np.testing.assert_allclose(found.each, [2 * ratio, ratio])
    assert found.mean == pytest.approx(1.5 * ratio)
    assert found.error == pytest.approx(0.5 * ratio)


def test_a_count_where_the_other_part_has_none_has_no_say():
    made = np.array([[4, 0], [4, 0]], np.float32)
    found = gain_of(Parts(made, np.array([[1, 7], [1, 0]], np.float32)), np.array([0, 1]), 2)
    np.testing.assert_array_equal(found.each, 0)


@pytest.mark.parametrize("k", [2, 5])
def test_clusters_of_noise_alone_lose(k):
    """k-means on noise finds clusters in one part, and they foretell the other worse than none."""
    from sklearn.cluster import KMeans

    generator = np.random.default_rng(k)
    parts = thin_counts(generator.poisson(np.full(SHAPE, 10.0)), generator)
    labels = KMeans(k, n_init=2, random_state=0).fit_predict(np.sqrt(parts.made))
    found = gain_of(parts, labels, k)
    assert found.mean < -found.error


def test_known_variance_gives_half_of_chi_squared_less():
    expected, labels = two_groups(2.0)
    generator = np.random.default_rng(3)
    variance = np.full(SHAPE, 0.25)
    parts = split_noise(generator.normal(expected, 0.5), variance, generator)
    found = gain_of(parts, labels, 2)
    # Four channels differ by 2, so a spectrum is 1 from the mean of all; the variance is 0.5.
    assert found.mean == pytest.approx(4 * 1 / (2 * 0.5), rel=0.05)
    assert gain_of(parts, generator.permutation(labels), 2).mean < 0


def test_values_without_variance_have_no_say():
    values = np.array([[1.0, 5.0], [3.0, 5.0]], np.float32)
    parts = split_noise(values, np.array([[0.0, 1.0], [0.0, 1.0]]), np.random.default_rng(0))
    np.testing.assert_array_equal(parts.made[:, 0], parts.judged[:, 0])
    assert np.isfinite(gain_of(parts, np.array([0, 1]), 2).mean)


def test_explained_leaves_out_the_spectrum_itself():
    """Clusters of one or two spectra fit themselves; left out, noise explains nothing."""
    generator = np.random.default_rng(4)
    noise = generator.normal(size=SHAPE)
    pairs = np.arange(SHAPE[0]) // 2
    assert explained(noise, pairs, SHAPE[0] // 2).mean < -0.5
    assert explained(noise, np.arange(SHAPE[0]), SHAPE[0]).mean == 0


def test_explained_is_the_share_of_the_variance():
    expected, labels = two_groups(2.0)
    generator = np.random.default_rng(5)
    found = explained(generator.normal(expected, 0.5), labels, 2)
    # 4 channels x 1 of 4 + 40 x 0.25
    assert found.mean == pytest.approx(4 / (4 + 10), rel=0.05)
