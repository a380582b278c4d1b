"""The shortcuts for the few points of a batch find what the ways for many points find."""

import pytest
import torch

from spectessera.kmeans import Clusters, _lloyd, _seeding, choose_k, k_means


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def groups(seed, d=3, dtype=torch.float32):
    """Return points (500, d) about five places."""
    generator = seeded(seed)
    places = 6 * torch.randn(5, d, generator=generator, dtype=dtype)
    points = places.repeat_interleave(100, 0)
    return points + torch.randn(500, d, generator=generator, dtype=dtype)


@pytest.fixture
def without_shortcuts(monkeypatch):
    def take_away():
        for module, name in (
            (_lloyd, "_ONE_CALL"),
            (_lloyd, "_FEW_SQUARES"),
            (_lloyd, "_IN_CACHE"),
            (_seeding, "_FEW"),
        ):
            assert getattr(module, name) > 1
            monkeypatch.setattr(module, name, 1)

    return take_away


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("restarts", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_shortcuts_find_the_same_clusters(without_shortcuts, seed, restarts, dtype):
    points = groups(seed, dtype=dtype)
    clusters = Clusters(2, 7, restarts=restarts, seeding="k-means++", criterion="silhouette")
    short = choose_k(points, clusters, generator=seeded())
    without_shortcuts()
    long = choose_k(points, clusters, generator=seeded())
    # Of restarts that end equally well, rounding decides: the numbers of clusters may differ.
    pairs = torch.stack([short.labels, long.labels]).unique(dim=1)
    assert short.k == long.k == pairs.shape[1]
    assert short.converged == long.converged or restarts > 1
    torch.testing.assert_close(short.centers[pairs[0]], long.centers[pairs[1]])
    torch.testing.assert_close(short.inertia, long.inertia)
    torch.testing.assert_close(short.scores, long.scores)


def test_shortcuts_fill_empty_clusters_too(without_shortcuts):
    """Three places, seeds drawn from them at random, five clusters: some begin empty."""
    points = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 9.0]]).repeat(4, 1)
    clusters = Clusters(restarts=1, seeding="random")
    short = k_means(points, 5, clusters, generator=seeded(3))
    assert torch.bincount(short.labels, minlength=5).min() > 0
    without_shortcuts()
    long = k_means(points, 5, clusters, generator=seeded(3))
    assert torch.equal(short.labels, long.labels)
    torch.testing.assert_close(short.centers, long.centers)


def test_more_centers_than_can_be_packed_have_the_nearest_points():
    points = torch.randn(300, 2, generator=seeded(5))
    found = k_means(points, 80, Clusters(restarts=1), generator=seeded(6))
    nearest = torch.cdist(points, found.centers).argmin(1)
    assert found.converged
    assert torch.equal(found.labels, nearest)
