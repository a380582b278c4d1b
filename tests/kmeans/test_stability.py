"""Stability of a clustering, against points whose clusters are known."""

import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from spectessera.kmeans import (
    STABLE_FROM,
    Clusters,
    _stability,
    adjusted_rand,
    choose_k,
    silhouette,
)
from spectessera.kmeans._lloyd import KMeansSettings
from spectessera.kmeans._samples import best_runs_for
from spectessera.kmeans._stability import (
    TOLERATED_ERRORS,
    contingency,
    largest_stable,
    stability_curves,
    worst_jaccard,
)

SETTINGS = KMeansSettings(restarts=10, seeding="k-means++", max_iter=300)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def blobs(centers, each=60, seed=0, spread=1.0):
    """Return points (k * each, d) around the centers (k, d)."""
    centers = torch.as_tensor(centers, dtype=torch.float32)
    points = centers.repeat_interleave(each, 0)
    return points + spread * torch.randn(points.shape, generator=seeded(seed))


def stability_of(points, ks, seed=0):
    """Return the clusterings of all points and their stability."""
    partitions = best_runs_for(points, tuple(ks), SETTINGS, seeded(seed))
    return partitions, stability_curves(points, partitions, SETTINGS, seeded(seed + 1))


def test_a_k_that_splits_noise_is_left_out_and_no_more_are_checked_than_needed():
    none, alike = torch.zeros(4), torch.ones(4)
    checked = []

    def splits_noise(position):
        checked.append(position)
        return position >= 2

    assert largest_stable(torch.tensor([1.0, 1.0, 1.0, 0.5]), none, alike, splits_noise) == 1
    assert checked == [2, 1]
    assert largest_stable(torch.tensor([0.5, 0.5, 1.0, 1.0]), none, alike, splits_noise) is None


def chosen_position(found):
    return largest_stable(found.scores, found.errors, torch.ones_like(found.scores))


def stable(found):
    return found.scores + TOLERATED_ERRORS * found.errors >= STABLE_FROM


def chosen(points, ks, seed=0):
    return ks[chosen_position(stability_of(points, ks, seed)[1])]


SQUARE = [[0, 0], [10, 0], [0, 10], [10, 10]]


# --- the choice --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("k", [2, 3, 5, 8])
def test_well_separated_blobs_are_counted(k, seed):
    centers = 12 * torch.eye(8)[:k]
    assert chosen(blobs(centers, seed=seed), range(2, 12), seed) == k


def test_four_blobs_are_recovered_and_five_are_not():
    _, found = stability_of(blobs(SQUARE), range(2, 8))
    assert found.scores[2] > 0.98
    assert found.agreement[2] > 0.98
    assert stable(found).tolist()[2:] == [True, False, False, False]
    assert found.scores.shape == found.errors.shape == found.agreement.shape == (6,)
    assert ((found.scores >= 0) & (found.scores <= 1)).all()


def test_worst_cluster_shows_what_the_rand_index_hardly_does():
    """Of nine clusters for eight blobs one blob is cut at will, and nearly all pairs agree."""
    _, found = stability_of(blobs(12 * torch.eye(8)), range(2, 12))
    eight, nine = 6, 7
    assert found.agreement[nine] > 0.9
    assert found.scores[nine] < 0.9 < STABLE_FROM < found.scores[eight]
    assert chosen_position(found) == eight


def test_pairs_of_near_blobs_are_four_clusters_where_the_silhouette_sees_two():
    """Two far pairs are perfectly stable as two clusters; the largest stable k counts."""
    points = blobs([[0, 0], [6, 0], [100, 0], [106, 0]], each=100)
    partitions, found = stability_of(points, range(2, 8))
    silhouettes = [float(silhouette(points, part.labels)) for part in partitions]
    assert silhouettes.index(max(silhouettes)) == 0
    assert found.scores[0] == 1
    assert chosen_position(found) == 2


def test_overlapping_blobs_are_still_counted():
    """Three standard deviations apart: one point in fifteen is nearer to another center."""
    points = blobs([[0, 0], [3, 0], [1.5, 2.6]], each=600)
    assert chosen(points, range(2, 8)) == 3


def test_blobs_that_coincide_are_counted_once():
    """What no clustering can see is not counted: of four centers two are the same."""
    centers = 12 * torch.eye(4)[[0, 1, 2, 2]]
    assert chosen(blobs(centers, each=200), range(2, 8)) == 3


def test_one_blob_is_stable_with_no_k():
    """Round, in four dimensions: there is no direction in which it would be cut again."""
    _, found = stability_of(torch.randn(1500, 4, generator=seeded(2)), range(2, 8))
    assert not stable(found).any()


def test_a_rare_cluster_counts():
    points = torch.cat([blobs(SQUARE, each=400), blobs([[40, 40]], each=40, seed=3)])
    assert chosen(points, range(2, 9)) == 5


def test_the_largest_stable_k_is_picked_and_none_where_none_is():
    none, alike = torch.zeros(4), torch.ones(4)
    assert (
        largest_stable(
            torch.tensor([0.99, 0.3, STABLE_FROM + 0.01, STABLE_FROM - 0.01]), none, alike
        )
        == 2
    )
    assert largest_stable(torch.tensor([0.5, 0.7, 0.6, 0.2]), none, alike) is None


def test_a_stable_split_of_one_group_is_excluded_by_its_silhouette():
    stable, none = torch.tensor([0.99, 1.0, 0.98, 0.2]), torch.zeros(4)
    assert largest_stable(stable, none, torch.tensor([0.58, 0.57, 0.38, 0.9])) == 1
    assert largest_stable(stable, none, torch.tensor([0.58, 0.57, 0.45, 0.9])) == 2


def test_where_no_k_is_stable_the_silhouette_chooses():
    points = torch.randn(900, 4, generator=seeded(2))
    by_stability, by_silhouette = (
        choose_k(points, Clusters(2, 6, criterion=each), generator=seeded(), with_stability=True)
        for each in ("stability", "silhouette")
    )
    assert not stable(by_stability.stability).any()
    assert by_stability.k == by_silhouette.k == by_stability.ks[int(by_stability.scores.argmax())]


def test_the_criterion_decides_where_they_differ():
    points = blobs([[0, 0], [6, 0], [100, 0], [106, 0]], each=100)
    found = {
        each: choose_k(points, Clusters(2, 7, criterion=each), generator=seeded())
        for each in ("stability", "silhouette")
    }
    assert found["stability"].k == 4
    assert found["silhouette"].k == 2
    assert found["silhouette"].stability is None


class AllSplitNoise:
    """A split check for which every clustering splits noise."""

    def separation(self, rule):
        return 0.0


@pytest.mark.parametrize("n", [300, 1200])
def test_where_every_k_splits_noise_the_smallest_is_chosen(n):
    points = torch.randn(n, 4, generator=seeded(2))
    found = choose_k(points, Clusters(3, 6), generator=seeded(), split_check=AllSplitNoise())
    assert found.k == 3
    assert found.excess[0] == 0


def test_a_k_that_is_stable_but_for_chance_is_picked():
    scores = torch.tensor([0.99, STABLE_FROM - 0.02, STABLE_FROM - 0.02])
    errors = torch.tensor([0.0, 0.021 / TOLERATED_ERRORS, 0.019 / TOLERATED_ERRORS])
    assert largest_stable(scores, errors, torch.ones(3)) == 1


def test_unequal_clusters_are_found_with_every_seed():
    """Seeds drawn by distance fall into the large cluster; the greedy ones find the small ones."""
    centers = 8 * torch.eye(8)
    sizes = (3000, 1500, 1000, 600, 400, 300, 200, 150)
    points = torch.cat(
        [
            center + torch.randn(size, 8, generator=seeded(position))
            for position, (center, size) in enumerate(zip(centers, sizes, strict=True))
        ]
    )
    for seed in range(3):
        found = choose_k(points, Clusters(2, 12), generator=seeded(seed))
        assert found.k == 8
        assert sorted(found.labels.bincount().tolist(), reverse=True) == list(sizes)


# --- the edges ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 5, 200])
def test_equal_points_have_finite_scores_and_no_stable_k(n):
    ks = tuple(range(1, min(n, 6)))[-4:]
    _, found = stability_of(torch.full((n, 3), 100.3), ks)
    assert all(torch.isfinite(each).all() for each in found)
    assert all(k == 1 or not good for k, good in zip(ks, stable(found), strict=True))


def test_points_that_coincide_have_no_more_clusters_than_places():
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).repeat(100, 1)
    _, found = stability_of(points, range(2, 7))
    assert found.scores[1] == 1
    assert chosen_position(found) == 1


def test_more_clusters_than_half_of_the_points_are_never_stable():
    points = torch.randn(9, 2, generator=seeded())
    _, found = stability_of(points, range(2, 9))
    for each in found:
        assert (each[3:] == 0).all()  # k = 5 to 8: a half may have but four points
    assert (found.scores[:3] > 0).all()


def test_far_from_the_origin_the_same_is_stable():
    near, far = (stability_of(blobs(SQUARE) + shift, range(2, 7))[1] for shift in (0, 1000))
    torch.testing.assert_close(near.scores, far.scores, atol=0.05, rtol=0)
    assert chosen_position(near) == chosen_position(far) == 2


def test_same_seed_gives_the_same_scores_bit_for_bit():
    points = torch.randn(500, 3, generator=seeded())
    first, again = (stability_of(points, range(2, 7))[1] for _ in range(2))
    other = stability_of(points, range(2, 7), seed=5)[1]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.scores, other.scores)


def test_callers_global_random_numbers_are_left_alone():
    before = torch.random.get_rng_state()
    stability_of(blobs(SQUARE), range(2, 5))
    assert torch.equal(before, torch.random.get_rng_state())


def test_standard_error_is_about_the_spread_over_seeds():
    points = torch.randn(400, 2, generator=seeded(1))
    partitions = best_runs_for(points, (3, 4, 5), SETTINGS, seeded())
    runs = [stability_curves(points, partitions, SETTINGS, seeded(s)) for s in range(40)]
    stated = torch.stack([each.errors for each in runs]).mean(0)
    spread = torch.stack([each.scores for each in runs]).std(0)
    assert ((stated / spread > 0.5) & (stated / spread < 2)).all()


# --- many points -------------------------------------------------------------------------------


@pytest.mark.parametrize(("d", "most"), [(3, "SAMPLE_POINTS"), (65, "SAMPLE_SPECTRA")])
def test_of_many_points_only_a_sample_is_clustered(monkeypatch, d, most):
    monkeypatch.setattr(_stability, most, 300)
    sizes_of_halves = []
    real = _stability.best_runs

    def spy(points, *rest):
        sizes_of_halves.append(len(points))
        return real(points, *rest)

    monkeypatch.setattr(_stability, "best_runs", spy)
    points = blobs(12 * torch.eye(4, d), each=501)
    assert chosen(points, range(2, 7)) == 4
    assert set(sizes_of_halves) == {150}


def test_a_cluster_that_the_sample_misses_is_not_compared(monkeypatch):
    """One point of 2001 far away: a fifth cluster, which a sample of 200 rarely holds."""
    monkeypatch.setattr(_stability, "SAMPLE_POINTS", 200)
    points = torch.cat([blobs(SQUARE, each=500), torch.tensor([[1000.0, 1000.0]])])
    partitions = best_runs_for(points, (4, 5), SETTINGS, seeded())
    assert min(torch.bincount(partitions[1].labels)) == 1
    scores = stability_curves(points, partitions, SETTINGS, seeded(1)).scores
    assert torch.isfinite(scores).all()


# --- agreement of two labellings ---------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_rand_index_is_scikit_learns(seed):
    truth = torch.randint(0, 5, (300,), generator=seeded(seed))
    noisy = torch.where(torch.rand(300, generator=seeded(seed + 9)) < 0.3, 4 - truth, truth)
    for a, b in ((truth, noisy), (truth, truth.flip(0)), (truth, truth), (truth, 0 * truth)):
        found = float(adjusted_rand(contingency(a, b, 5)))
        assert abs(found - adjusted_rand_score(a.numpy(), b.numpy())) < 1e-12


def test_rand_index_of_labels_without_pairs_is_scikit_learns():
    for labels in (torch.zeros(4, dtype=torch.int64), torch.arange(4)):
        found = float(adjusted_rand(contingency(labels, labels, 4)))
        assert found == adjusted_rand_score(labels.numpy(), labels.numpy()) == 1


def test_worst_jaccard_worked_by_hand():
    """Clusters of 4, 4 and 2; the second finds 3 of 4 again, in a cluster of 3 + 2 = 5."""
    a = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
    b = torch.tensor([2, 2, 2, 2, 1, 1, 1, 0, 1, 1])
    table = contingency(a, b, 3)
    assert table.tolist() == [[0, 0, 4], [1, 3, 0], [0, 2, 0]]
    # 4/4, 3/(4 + 5 - 3) and 2/(2 + 5 - 2)
    assert float(worst_jaccard(table)) == 2 / 5
    assert float(worst_jaccard(contingency(a, a, 5))) == 1  # empty clusters are not compared
