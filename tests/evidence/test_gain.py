import numpy as np
import pytest

from spectessera.evidence import Parts, gain_of, split_noise, thin_counts
from spectessera.evidence.gain import _WEIGHTS, binned

SHAPE = (600, 40)


def two_groups(scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return expected counts of two groups that differ in four channels, and their labels."""
    labels = np.arange(SHAPE[0]) % 2
    expected = np.full(SHAPE, 2.0)
    expected[labels == 1, 5:9] *= scale
    return expected, labels


def test_true_groups_of_counts_are_predicted_and_random_ones_are_not():
    expected, labels = two_groups(3.0)
    generator = np.random.default_rng(1)
    parts = thin_counts(generator.poisson(expected), generator)
    true, chance = gain_of(parts, labels, 2), gain_of(parts, generator.permutation(labels), 2)
    assert true.mean > 8 * true.error
    assert chance.mean <= 3 * chance.error


def test_the_gain_of_counts_is_the_log_likelihood_ratio_per_spectrum():
    """By hand: means (3, 1) and (1, 3), overall (2, 2); all of the held-out counts agree."""
    made = np.array([[3, 1], [1, 3]], np.float32)
    judged = np.array([[2, 0], [0, 1]], np.float32)
    found = gain_of(Parts(made, judged, 0.75), np.array([0, 1]), 2)
    ratio = np.log(0.01 + 0.99 * 0.75 / 0.5) / 0.25  # per spectrum with all of its counts
    np.testing.assert_allclose(found.each, [2 * ratio, ratio])
    assert found.mean == pytest.approx(1.5 * ratio)
    assert found.error == pytest.approx(0.5 * ratio)


def test_the_number_of_counts_is_no_gain():
    """Two groups of one spectrum, ten times as bright."""
    generator = np.random.default_rng(2)
    labels = np.arange(SHAPE[0]) % 2
    counts = generator.poisson(np.where(labels == 1, 20.0, 2.0)[:, None], SHAPE)
    found = gain_of(thin_counts(counts, generator), labels, 2)
    assert found.mean <= 3 * found.error


def test_a_count_where_the_other_part_has_none_has_no_say():
    made = np.array([[4, 0], [4, 0]], np.float32)
    found = gain_of(Parts(made, np.array([[1, 7], [1, 0]], np.float32), 0.5), np.array([0, 1]), 2)
    np.testing.assert_array_equal(found.each, 0)


def test_misleading_means_get_no_weight():
    """The held-out part says the opposite of what labels were made from."""
    made = np.array([[9, 1], [1, 9]], np.float32)
    found = gain_of(Parts(made, made[::-1], 0.5), np.array([0, 1]), 2)
    np.testing.assert_array_equal(found.each, 0)
    level = np.ones(2)
    assert gain_of(Parts(made, made[::-1], 0.5, level), np.array([0, 1]), 2).mean == 0


def test_the_gain_of_values_is_half_of_chi_squared():
    expected, labels = two_groups(2.0)
    generator = np.random.default_rng(3)
    noise = generator.normal(size=(2, *SHAPE)) / 2
    parts = split_noise(expected + noise[0], noise[1])
    found = gain_of(parts, labels, 2)
    # Four channels differ by 2, so a spectrum is 1 from the mean of all; the variance is 0.25.
    assert found.mean == pytest.approx(4 * 1 / (2 * 0.25), rel=0.1)


def test_a_cluster_without_spectra_and_one_alone():
    counts = np.random.default_rng(4).poisson(5.0, (20, 6))
    parts = thin_counts(counts, np.random.default_rng(5))
    labels = np.zeros(20, np.int64)
    labels[0] = 3
    assert np.isfinite(gain_of(parts, labels, 5).mean)


def test_few_counts_are_compared_in_bins_that_they_can_carry():
    """Two groups differ in one half of 2,000 channels; a mean of so few counts is mostly noise."""
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], 300)
    expected = np.full((2, 2000), 0.004)
    expected[0, :1000] *= 3
    parts = thin_counts(generator.poisson(expected[labels]), generator)
    made, judged = binned(parts.made, parts.judged)
    assert made.shape == judged.shape == (600, 32)
    assert (made.sum(), judged.sum()) == (parts.made.sum(), parts.judged.sum())
    found = gain_of(parts, labels, 2)
    assert found.mean > 4 * found.error
    many = np.full((600, 20), 100, np.float32)
    assert binned(many, many)[0] is many  # enough in every channel


@pytest.mark.parametrize("counted", [True, False])
def test_the_gain_of_a_spectrum_is_the_same_beside_many(counted):
    """Spectra are compared few at a time; none is left out, and none is mixed up with another."""
    generator = np.random.default_rng(3)
    labels = generator.integers(3, size=201)
    expected = generator.uniform(1, 9, size=(3, 50))[labels]
    expected[:, 7] = 0  # a channel without counts
    if counted:
        parts = thin_counts(generator.poisson(expected), generator)
    else:
        noise = generator.normal(size=(2, 201, 50))
        parts = split_noise(expected + noise[0], noise[1])
    whole = gain_of(parts, labels, 3)
    order = generator.permutation(201)
    moved = parts._replace(
        made=parts.made[order],
        judged=parts.judged[order],
        level=None if parts.level is None else parts.level[order],
    )
    assert np.allclose(gain_of(moved, labels[order], 3).each, whole.each[order], rtol=1e-9)
    assert len(np.unique(whole.each)) == 201
    if not counted:
        return
    means = np.stack([parts.made[labels == k].sum(axis=0, dtype=np.float64) for k in range(3)])
    share = means.sum(axis=0) / means.sum()
    seen = share > 0
    ratio = (means / means.sum(axis=1, keepdims=True))[:, seen] / share[seen]
    for weight in _WEIGHTS:
        logs = np.log(1 - weight + weight * ratio)[labels]
        each = (parts.judged[:, seen] * logs).sum(axis=1) / (1 - parts.share)
        if np.allclose(each, whole.each, atol=1e-6):
            return
    pytest.fail("the gain is that of no weight")
