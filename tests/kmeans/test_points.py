"""Clustering of points of any origin, and how far other seeds agree."""

from dataclasses import fields

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from spectessera.kmeans import Clusters
from spectessera.kmeans._choose import RESTARTS
from spectessera.kmeans.parts import ArrayPoints
from spectessera.kmeans.points import (
    agreement_of_seeds,
    cluster_points,
    exact_silhouettes,
)

SQUARE = np.array([[0, 0], [10, 0], [0, 10], [10, 10]], np.float32)


def blobs(centers, each, seed=0):
    """Return points (k * each, 2), float32, around the centers (k, 2)."""
    noise = np.random.default_rng(seed).normal(size=(len(centers) * each, 2))
    return (np.repeat(centers, each, axis=0) + noise).astype(np.float32)


def means_of(points, labels):
    return np.stack([points[labels == each].mean(axis=0) for each in range(labels.max() + 1)])


@pytest.mark.parametrize("refine", [False, True])
def test_centers_of_a_sample_move_to_the_means_of_all_points_only_where_asked(refine):
    points = blobs(SQUARE, 800)
    clusters = Clusters(4, 4, max_points=1000, refine=refine, metric="euclidean")
    found = cluster_points(points, clusters)
    away = np.abs(found.centers - means_of(points, found.labels)).max()
    assert (away < 1e-4) == refine
    assert away < 0.3


def test_few_points_are_not_refined():
    """All of them are the sample already, so that there is nothing to continue over."""
    points = blobs(SQUARE, 100)
    plain, refined = (
        cluster_points(points, Clusters(4, 4, refine=refine)) for refine in (False, True)
    )
    np.testing.assert_array_equal(plain.centers, refined.centers)


def test_seeds_agree_on_blobs_and_not_on_slices_of_one():
    four = Clusters(4, 4, restarts=1)
    apart, one = blobs(SQUARE, 100), blobs(SQUARE[:1], 400)
    agreement = [
        agreement_of_seeds(points, cluster_points(points, four), four, seed=0)
        for points in (apart, ArrayPoints(apart), one)
    ]
    assert agreement[0].score == agreement[1].score == 1
    assert agreement[0].again.tolist() == [1, 1, 1, 1]
    assert 0 < agreement[2].score < 0.95
    assert (agreement[2].again < 0.99).any()


def test_seeds_cannot_differ_where_every_point_is_a_cluster():
    points = blobs(SQUARE, 2)
    found = cluster_points(points, Clusters(4, 4))
    few = found._replace(centers=np.zeros((8, 2), np.float32))
    agreement = agreement_of_seeds(points, few, Clusters(4, 4), seed=0)
    assert np.isnan(agreement.score)
    assert agreement.again.tolist() == 8 * [1]


def test_from_two_to_ten_clusters_are_tried_unless_others_are_asked_for():
    defaults = {each.name: each.default for each in fields(Clusters)}
    assert (defaults["k_min"], defaults["k_max"], defaults["restarts"], RESTARTS) == (
        2,
        10,
        None,
        10,
    )
    curves = cluster_points(blobs(SQUARE, 20), Clusters()).curves
    assert curves.k.tolist() == list(range(2, 11))


def test_stability_is_computed_only_where_there_is_a_choice():
    points = blobs(SQUARE, 20)
    one = cluster_points(points, Clusters(4, 4)).curves
    assert np.isnan([one.stability, one.stability_error, one.agreement]).all()
    assert np.isfinite(cluster_points(points, Clusters(4, 5)).curves.stability).all()


def test_a_sample_holds_no_point_twice():
    points = ArrayPoints(blobs(SQUARE, 300))
    taken = []
    take = points.take
    points.take = lambda ranks: taken.append(ranks) or take(ranks)
    cluster_points(points, Clusters(2, 3, max_points=1000))
    assert len(np.unique(taken[0])) == 1000


def test_exact_silhouettes_are_those_of_scikit_learn():
    points = blobs(SQUARE[:2], 30)
    labels = np.repeat([0, 1], 30)
    labels[0] = 1  # a point in the wrong cluster has a negative one
    found = exact_silhouettes(points, labels)
    assert found[0] < 0
    np.testing.assert_allclose(found, silhouette_samples(points, labels), atol=1e-5)
