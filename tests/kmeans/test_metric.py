"""The metric of clustering: what it does to points, and that nothing else changes."""

import numpy as np
import pytest
import torch

from spectessera import Clusters
from spectessera.kmeans import choose_k, k_means
from spectessera.kmeans.metric import fit_metric
from spectessera.kmeans.points import by_size, cluster_points
from spectessera.kmeans.settings import METRICS

SEED = 3


def blobs(n=600, d=5, seed=SEED):
    """Two groups that differ along a direction of little variance, and their labels."""
    generator = np.random.default_rng(seed)
    truth = np.arange(n) % 2
    points = generator.normal(size=(n, d)) * np.array([30.0, 10.0, 0.02, 0.02, 0.02])[:d]
    points[:, 2] += 0.5 * truth
    return points.astype(np.float32), truth


def cpu(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_whitened_points_have_unit_covariance(dtype):
    points = torch.from_numpy(blobs()[0]).to(dtype) + 100
    moved = fit_metric(points, "whitened").move(points).double()
    np.testing.assert_allclose(np.cov(moved.numpy().T, bias=True), np.eye(5), atol=2e-3)
    np.testing.assert_allclose(moved.mean(0), 0, atol=2e-3)


def test_half_whitening_takes_the_root_of_the_spread():
    points = torch.from_numpy(blobs()[0]).double()
    values = np.linalg.eigvalsh(np.cov(points.numpy().T, bias=True))
    moved = fit_metric(points, "half-whitened").move(points)
    found = np.linalg.eigvalsh(np.cov(moved.numpy().T, bias=True))
    np.testing.assert_allclose(found, np.sqrt(values), rtol=1e-9)


@pytest.mark.parametrize("name", ["half-whitened-sphere", "whitened-sphere"])
def test_on_the_sphere_every_point_has_length_one_but_the_middle(name):
    points = torch.from_numpy(blobs()[0])
    metric = fit_metric(points, name)
    np.testing.assert_allclose(metric.move(points).square().sum(1), 1, rtol=1e-5)
    assert torch.equal(metric.move(metric.mean[None]), torch.zeros(1, 5))


@pytest.mark.parametrize("name", ["half-whitened", "whitened"])
def test_the_sphere_has_the_directions_of_the_whitened_points(name):
    points = torch.from_numpy(blobs()[0]).double()
    whitened = fit_metric(points, name).move(points)
    sphere = fit_metric(points, f"{name}-sphere").move(points)
    np.testing.assert_allclose(sphere, whitened / whitened.norm(dim=1, keepdim=True), atol=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_an_answer_does_not_depend_on_other_points_or_on_threads(name):
    points = torch.from_numpy(blobs(5000)[0])
    metric = fit_metric(points, name)
    whole = metric.move(points)
    parts = torch.cat(
        [metric.move(points[:7]), metric.move(points[7:4100]), metric.move(points[4100:])]
    )
    assert torch.equal(whole, parts)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            again = fit_metric(points, name)
            assert torch.equal(again.matrix, metric.matrix)
            assert torch.equal(again.move(points), whole)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("d", [3, 5, 9, 10, 11, 16, 33])
def test_where_a_point_is_among_others_does_not_matter_in_any_number_of_dimensions(d):
    """With 10, odd and even rows of a block were summed in different orders."""
    points = torch.randn(3000, d, generator=torch.Generator().manual_seed(0))
    metric = fit_metric(points, "half-whitened-sphere")
    for first in (1, 2, 3, 7, 1201):
        assert torch.equal(metric.move(points[first:]), metric.move(points)[first:])


def test_the_covariance_of_many_dimensions_is_the_same_for_any_number_of_threads():
    points = torch.randn(70_000, 24, generator=torch.Generator().manual_seed(0))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(fit_metric(points, "whitened").matrix)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("name", METRICS)
def test_dead_and_equal_dimensions_stay_finite(name):
    points = torch.from_numpy(blobs()[0])
    points[:, 4] = 7.0
    assert torch.isfinite(fit_metric(points, name).move(points)).all()
    equal = torch.full((50, 3), 2.5)
    moved = fit_metric(equal, name).move(equal)
    assert torch.isfinite(moved).all()
    found = k_means(equal, 2, Clusters(metric=name), generator=cpu())
    assert torch.isfinite(found.centers).all()


@pytest.mark.parametrize(("name", "finds"), [("euclidean", False), ("whitened", True)])
def test_whitening_finds_groups_along_a_direction_of_little_variance(name, finds):
    points, truth = blobs()
    found = cluster_points(points, Clusters(2, 2, metric=name))
    alike = all(len(set(found.labels[truth == each])) == 1 for each in range(2))
    assert alike == finds


@pytest.mark.parametrize("name", METRICS)
def test_the_rule_gives_the_labels_of_the_clustering(name):
    points, _ = blobs()
    found = cluster_points(points, Clusters(2, 4, metric=name))
    assert np.array_equal(found.rule.label(points), found.labels)
    assert np.array_equal(found.rule.label(points[::-1]), found.labels[::-1])
    for each in range(len(found.centers)):
        mean = points[found.labels == each].astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(found.centers[each], mean, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", METRICS)
def test_the_silhouette_has_a_gradient_in_every_metric(name):
    """Statistics are constants: the gradient is that of the moved points."""
    points = torch.from_numpy(blobs(60)[0]).double().requires_grad_()
    settings = Clusters(2, 4, metric=name, criterion="silhouette", restarts=2)
    found = choose_k(points, settings, generator=cpu())
    (grad,) = torch.autograd.grad(1 - found.score, points)
    assert torch.isfinite(grad).all()
    assert grad.abs().max() > 0
    step = 1e-6 * grad / grad.abs().max()
    metric = found.metric

    def score(moved):
        from spectessera.kmeans import silhouette

        return silhouette(metric.move(moved.detach()), found.labels)

    change = score(points - step) - score(points + step)
    assert float(change) == pytest.approx(float(2 * (grad * step).sum()), rel=1e-3)


def test_an_unknown_metric_is_refused():
    with pytest.raises(ValueError, match="metric must be one of"):
        Clusters(metric="mahalanobis")


def test_clusters_are_renumbered_by_size_and_ties_by_the_first_point():
    labels = np.array([2, 0, 1, 1, 0, 1, 3, 3])
    centers = np.array([[0.0], [1.0], [2.0], [3.0]])
    renumbered, moved = by_size(labels, centers)
    assert renumbered.tolist() == [3, 1, 0, 0, 1, 0, 2, 2]
    assert moved[:, 0].tolist() == [1.0, 0.0, 3.0, 2.0]
