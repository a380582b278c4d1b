"""Confidence is a probability: labels must repeat as often as it says."""

import numpy as np
import pytest

from spectessera.inference.confidence import (
    Mixture,
    _posterior,
    fit_mixture,
    noise_covariance,
    normal_draws,
    same_label_probability,
    simulate_measurement,
)


def nearest(points, centers):
    return ((points[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)


def gaussian(rng, covariance, n):
    return rng.multivariate_normal(np.zeros(len(covariance)), covariance, n)


MEANS = np.array([[0.0, 0.0], [4.0, 0.0], [1.0, 4.0]])
TRUE = np.array([[[1.0, 0.3], [0.3, 0.5]], [[0.4, 0.0], [0.0, 0.8]], [[0.6, -0.2], [-0.2, 0.3]]])
SHARES = np.array([0.5, 0.3, 0.2])


def drawn(points, seed):
    """Return the draws of a repeated measurement of points."""
    return normal_draws(points.shape[1], np.random.default_rng(seed))


def measured_twice(noise, n=40_000, seed=0):
    """Return two measurements (n, 2) of the same latents of three clusters of unequal shares."""
    rng = np.random.default_rng(seed)
    cluster = rng.choice(3, n, p=SHARES)
    true = (
        MEANS[cluster]
        + np.stack([gaussian(rng, each, n) for each in TRUE], 1)[np.arange(n), cluster]
    )
    first, second = (true + gaussian(rng, noise, n) for _ in range(2))
    return first, second


@pytest.mark.parametrize("size", [0.05, 0.3, 1.0])
def test_probability_is_how_often_a_second_measurement_has_the_same_label(size):
    """In ten bins of the probability, the frequency agrees within 0.03."""
    noise = size * np.array([[1.0, 0.2], [0.2, 0.7]])
    first, second = measured_twice(noise)
    labels, again = nearest(first, MEANS), nearest(second, MEANS)
    mixture = fit_mixture(first, labels, np.stack([noise] * 3))
    confidence = same_label_probability(first, labels, MEANS, mixture, drawn(first, 1))
    assert confidence.dtype == np.float32
    assert ((confidence >= 0) & (confidence <= 1)).all()
    same = labels == again
    assert abs(confidence.mean() - same.mean()) < 0.01
    assert 0.5 < same.mean() < 0.99
    for rows in np.array_split(np.argsort(confidence, kind="stable"), 10):
        assert abs(confidence[rows].mean() - same[rows].mean()) < 0.03


def test_probability_with_the_true_mixture_is_that_of_bayes():
    """With the true mixture, only the finite number of draws limits the accuracy."""
    noise = 0.4 * np.eye(2)
    first, second = measured_twice(noise, seed=3)
    mixture = Mixture(SHARES, MEANS, TRUE + noise, np.stack([noise] * 3))
    labels = nearest(first, MEANS)
    confidence = same_label_probability(first, labels, MEANS, mixture, drawn(first, 0))
    same = labels == nearest(second, MEANS)
    for rows in np.array_split(np.argsort(confidence, kind="stable"), 10):
        assert abs(confidence[rows].mean() - same[rows].mean()) < 0.025


def test_confidence_is_one_half_between_two_equal_clusters_and_one_inside_a_cluster():
    centers = np.array([[-3.0], [3.0]])
    noise = np.full((2, 1, 1), 0.25)
    mixture = Mixture(np.array([0.5, 0.5]), centers, noise + 2.0, noise)
    points = np.array([[0.0], [-3.0], [3.5]])
    labels = np.array([0, 0, 1])
    confidence = same_label_probability(points, labels, centers, mixture, drawn(points, 0))
    assert abs(confidence[0] - 0.5) < 0.1
    assert (confidence[1:] > 0.99).all()


def test_the_confidence_of_a_point_does_not_depend_on_the_others():
    noise = 0.3 * np.eye(2)
    first, _ = measured_twice(noise, n=3000)
    labels = nearest(first, MEANS)
    mixture = fit_mixture(first, labels, np.stack([noise] * 3))
    confidence = same_label_probability(first, labels, MEANS, mixture, drawn(first, 5))
    rows = np.arange(7, 3000, 211)
    few = same_label_probability(first[rows], labels[rows], MEANS, mixture, drawn(first, 5))
    np.testing.assert_allclose(few, confidence[rows], atol=1e-6)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_without_noise_and_without_spread_confidence_is_one(offset):
    points = np.repeat(np.eye(3, 2), 5, axis=0).astype(np.float32) + np.float32(offset)
    labels = np.repeat(np.arange(3), 5)
    centers = points[::5]
    mixture = fit_mixture(points, labels, np.zeros((3, 2, 2)))
    confidence = same_label_probability(points, labels, centers, mixture, drawn(points, 0))
    np.testing.assert_array_equal(confidence, 1)


def test_all_points_equal_and_no_noise_is_finite():
    points = np.full((6, 2), 100.25, dtype=np.float32)
    labels = np.array([0, 0, 0, 0, 0, 1])
    centers = points[:2].copy()
    mixture = fit_mixture(points, labels, np.zeros((2, 2, 2)))
    confidence = same_label_probability(points, labels, centers, mixture, drawn(points, 0))
    assert np.isfinite(confidence).all()


def test_empty_clusters_of_a_trained_numbering_do_not_matter():
    """Cluster 2 has no pixel in this cube; its center could still be the nearest one."""
    noise = np.stack([0.3 * np.eye(2)] * 4)
    first, _ = measured_twice(noise[0], n=3000)
    centers = np.concatenate([MEANS[:2], [[50.0, 50.0]], MEANS[2:]])
    labels = nearest(first, centers)
    mixture = fit_mixture(first, labels, noise)
    assert mixture.weight[2] == 0
    confidence = same_label_probability(first, labels, centers, mixture, drawn(first, 0))
    without = same_label_probability(
        first, nearest(first, MEANS), MEANS,
        Mixture(*(each[[0, 1, 3]] for each in mixture)), drawn(first, 0),
    )  # fmt: skip
    np.testing.assert_allclose(confidence, without, atol=1e-6)


@pytest.mark.parametrize("d", [1, 3])
def test_a_mixture_is_fitted_in_one_dimension_and_to_clusters_of_one_point(d):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(40, d))
    points[39] += 20
    labels = (np.arange(40) == 39).astype(int)
    noise = np.stack([0.1 * np.eye(d)] * 2)
    mixture = fit_mixture(points, labels, noise)
    assert mixture.spread.shape == (2, d, d)
    np.testing.assert_allclose(mixture.spread[1], noise[1])
    centers = np.stack([points[:39].mean(axis=0), points[39]])
    confidence = same_label_probability(points, labels, centers, mixture, drawn(points, 0))
    assert (confidence > 0.99).all()


@pytest.mark.parametrize("d", [1, 2, 3])
def test_a_covariance_is_measured_from_d_plus_2_points_on_and_is_the_noise_below(d):
    """The covariance of d + 1 points is invertible, but has no degree of freedom left."""
    rng = np.random.default_rng(d)
    large = rng.normal(size=(200, d))
    noise = np.stack([1e-6 * np.eye(d)] * 2)
    for few in (1, d, d + 1, d + 2):
        small = 40 + rng.normal(size=(few, d))
        points, labels = np.concatenate([large, small]), np.repeat([0, 1], [200, few])
        expected = noise[1] if few < d + 2 else np.cov(small.T, bias=True)
        np.testing.assert_allclose(
            fit_mixture(points, labels, noise).spread[1],
            expected,
            rtol=1e-9,
            err_msg=f"{few} points",
        )


def test_no_cluster_is_narrower_than_its_noise():
    """Noise that was cut into four slices is one cluster: all of them have its width."""
    points = np.random.default_rng(0).normal(size=(4000, 2)) * (1.0, 3.0)
    labels = np.digitize(points[:, 1], (-2, 0, 2))
    noise = np.stack([np.diag([1.0, 9.0])] * 4)
    mixture = fit_mixture(points, labels, noise)
    for spread in mixture.spread:
        assert np.linalg.eigvalsh(spread - noise[0]).min() > -1e-9
    narrow = fit_mixture(points, labels, noise / 100)
    assert narrow.spread[:, 1, 1].min() < 4


def test_points_with_weights_are_as_many_points():
    points = np.random.default_rng(1).normal(size=(300, 2)) + np.repeat([[0], [3]], 150, axis=0)
    labels, noise = np.repeat([0, 1], 150), np.stack([0.01 * np.eye(2)] * 2)
    twice = fit_mixture(
        np.concatenate([points, points[150:]]), np.append(labels, labels[150:]), noise
    )
    weighted = fit_mixture(points, labels, noise, np.where(labels == 1, 2.0, 1.0))
    for one, other in zip(twice, weighted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


def test_a_cluster_that_loses_too_many_points_keeps_its_covariance():
    """Four labelled points, two of them inside the large cluster, which takes most of their weight.

    A weight of 2.3 points is left: more than the two dimensions, but too little to estimate a
    covariance. It must not become that of the noise; it stays that of the four points.
    """
    x, y = np.meshgrid(np.linspace(-2, 2, 16), np.linspace(-1.5, 1.5, 12))
    large = np.stack([x.ravel(), y.ravel()], axis=1)  # (192, 2)
    small = np.array([[1.5, -0.02], [1.5, 0.02], [12.0, -0.02], [12.0, 0.02]])
    points, labels = np.concatenate([large, small]), np.repeat([0, 1], [192, 4])
    mixture = fit_mixture(points, labels, np.stack([1e-4 * np.eye(2)] * 2))
    np.testing.assert_allclose(mixture.spread[1], np.cov(small.T, bias=True), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(mixture.weight, [192 / 196, 4 / 196])


def test_a_cluster_of_d_plus_2_points_does_not_change_the_others():
    """Two overlapping clusters of variance 1; separated at their border they have 0.73."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(4000, 2))
    points[:2000, 0] += 2.5
    labels = (points[:, 0] < 1.25).astype(int)
    noise = np.stack([0.1 * np.eye(2)] * 3)
    alone = fit_mixture(points, labels, noise[:2])
    np.testing.assert_allclose(alone.spread, np.stack([np.eye(2)] * 2), atol=0.05)
    few = np.array([[60.0, 60.0], [61.0, 60.0], [60.0, 62.0], [62.0, 63.0]])
    more = fit_mixture(np.concatenate([points, few]), np.append(labels, [2] * 4), noise)
    np.testing.assert_allclose(more.spread[:2], alone.spread, atol=1e-3)
    np.testing.assert_allclose(more.mean[:2], alone.mean, atol=1e-3)


def test_the_mixture_of_well_separated_clusters_is_the_one_that_was_drawn():
    noise = 0.05 * np.eye(2)
    rng = np.random.default_rng(0)
    cluster = rng.choice(3, 20_000, p=SHARES)
    spread = TRUE + noise
    points = (
        8 * MEANS[cluster]
        + np.stack([gaussian(rng, each, 20_000) for each in spread], 1)[np.arange(20_000), cluster]
    )
    mixture = fit_mixture(points, cluster, np.stack([noise] * 3))
    np.testing.assert_allclose(mixture.weight, SHARES, atol=0.01)
    np.testing.assert_allclose(mixture.mean, 8 * MEANS, atol=0.05)
    np.testing.assert_allclose(mixture.spread, spread, atol=0.06)


# --- noise -------------------------------------------------------------------------------------


def test_noise_covariance_is_that_of_the_repeats_in_each_cluster():
    rng = np.random.default_rng(0)
    truth = np.array([[[1.0, 0.5], [0.5, 2.0]], [[0.2, 0.0], [0.0, 0.1]]])
    labels = np.repeat([0, 1], 1500)
    own = 30 * rng.normal(size=(3000, 1, 2))  # differences between pixels are no noise
    repeats = np.stack([gaussian(rng, truth[label], 16) for label in labels])
    found = noise_covariance(own + repeats, labels, 3)
    np.testing.assert_allclose(found[:2], truth, atol=0.05)
    np.testing.assert_allclose(found[2], truth.mean(axis=0), atol=0.05)


def test_simulated_counts_have_the_rate_of_the_measured_ones():
    values = np.array([[0.0, 4.0, 100.0, -3.0]], dtype=np.float32).repeat(20_000, axis=0)
    drawn = simulate_measurement(values, None, np.random.default_rng(0))
    assert drawn.dtype == np.float32
    assert (drawn == np.round(drawn)).all()
    np.testing.assert_allclose(drawn.mean(axis=0), [0, 4, 100, 0], rtol=0.01)
    np.testing.assert_allclose(drawn.var(axis=0), [0, 4, 100, 0], rtol=0.05)


def test_noise_of_a_known_variance_is_added_and_none_where_it_is_not_known():
    values = np.array([[5.0, 5.0, 5.0, 5.0, 5.0]], dtype=np.float32).repeat(20_000, axis=0)
    variance = np.array([0.0, 4.0, np.nan, np.inf, -1.0], dtype=np.float32)
    drawn = simulate_measurement(
        values, np.broadcast_to(variance, values.shape), np.random.default_rng(0)
    )
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.mean(axis=0), 5, atol=0.06)
    np.testing.assert_allclose(drawn.var(axis=0), [0, 4, 0, 0, 0], rtol=0.05, atol=1e-9)


def test_the_covariance_of_a_repeated_measurement_is_one_also_where_noise_is_tiny():
    """Noise 1e12 times below the spread: as a difference it would not be positive definite."""
    generator = np.random.default_rng(0)
    for _ in range(3000):
        factor, line = generator.normal(size=(3, 3)), generator.normal(size=(3, 1)) * 1e-7
        spread = factor @ factor.T
        _, covariance = _posterior(spread, line @ line.T, 1e-12 * np.trace(spread))
        np.linalg.cholesky(covariance)  # raises


def test_equal_points_with_noise_have_a_probability():
    """All pixels of a cube have one latent, as without signal, but new measurements have others."""
    line = np.array([[2.0], [-0.7], [-0.9]])
    mixture = Mixture(
        np.ones(1), np.zeros((1, 3)), np.zeros((1, 3, 3)), 1e-6 * (line @ line.T)[None]
    )
    centers, latent = np.array([[0.0, 0, 0], [1, 0, 0]]), np.zeros((5, 3))
    draws = np.random.default_rng(1).standard_normal((64, 3))
    found = same_label_probability(latent, np.zeros(5, int), centers, mixture, draws)
    np.testing.assert_array_equal(found, 1)


def test_gain_and_covariance_of_a_repeated_measurement_are_those_of_kalman():
    """In one dimension: T = 3, N = 1: gain 3/4, covariance 3/4 + 1."""
    gain, covariance = _posterior(np.array([[4.0]]), np.array([[1.0]]), 0.0)
    assert gain[0, 0] == pytest.approx(0.75)
    assert covariance[0, 0] == pytest.approx(1.75)
