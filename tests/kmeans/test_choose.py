"""k-means, silhouette and the choice of k, against points whose clusters are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics import silhouette_score
from torch.utils._python_dispatch import TorchDispatchMode

from spectessera.kmeans import (
    EXACT_POINTS,
    Clusters,
    _choose,
    _samples,
    assign,
    choose_k,
    k_means,
    seed_centers,
    silhouette,
    silhouette_estimate,
    silhouette_image,
)

CORNERS = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def four_blobs(seed=0, each=50, offset=0.0):
    """Return points (4 * each, 2) around the corners of a square, and their corners (n,)."""
    truth = torch.arange(4).repeat_interleave(each)
    return CORNERS[truth] + torch.randn(4 * each, 2, generator=seeded(seed)) + offset, truth


def same_partition(a, b):
    """Return whether two labellings are the same partition, with any numbers."""
    pairs = torch.unique(torch.stack([a, b]), dim=1).shape[1]
    return pairs == len(torch.unique(a)) == len(torch.unique(b))


def grid_points(seed=0):
    """Return float64 points (12, 3), of which many coincide."""
    return torch.randint(0, 2, (12, 3), generator=seeded(seed)).double()


# --- silhouette --------------------------------------------------------------------------------


def silhouette_cases():
    points = torch.randn(40, 3, generator=seeded(1), dtype=torch.float64)
    labels = torch.randint(0, 4, (40,), generator=seeded(2))
    alone = labels.clone()
    alone[7] = 9
    doubled = torch.cat([points[:20], points[:20]])
    return {
        "random labels": (points, labels),
        "a point alone": (points, alone),
        "two points alone": (points, torch.cat([alone[:-1], torch.tensor([10])])),
        "every point twice": (doubled, labels),
        "every point twice in its own cluster": (doubled, labels[:20].repeat(2)),
        "all points equal": (torch.full((40, 3), 0.3, dtype=torch.float64), labels),
        "far from the origin": (points + 100, labels),
        "well separated": (points + 50 * labels[:, None], labels),
        "n - 1 clusters": (points, torch.arange(40).clamp(max=38)),
        "labels with holes": (points, 7 * labels - 5),
    }


@pytest.mark.parametrize("case", silhouette_cases())
def test_silhouette_is_scikit_learns_of_the_same_distances_to_1e_12(case):
    points, labels = silhouette_cases()[case]
    distances = cdist(points.numpy(), points.numpy())
    expected = silhouette_score(distances, labels.numpy(), metric="precomputed")
    assert abs(float(silhouette(points, labels)) - expected) < 1e-12


def test_silhouette_of_two_pairs_worked_by_hand():
    """Pairs at 0, 1 and 4, 5: a = 1; b = 4.5 for the outer points and 3.5 for the inner ones."""
    points = torch.tensor([[0.0], [1.0], [4.0], [5.0]], dtype=torch.float64)
    expected = (3.5 / 4.5 + 2.5 / 3.5) / 2
    score = silhouette(points, torch.tensor([0, 0, 1, 1]))
    torch.testing.assert_close(score, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("seed", range(4))
def test_gradient_of_silhouette_is_the_numerical_one(seed):
    points = torch.randn(14, 3, generator=seeded(seed), dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 3, (14,), generator=seeded(seed + 100))
    labels[5] = 7  # alone
    assert torch.autograd.gradcheck(lambda free: silhouette(free, labels), points)


def test_gradient_is_the_numerical_one_beside_duplicates():
    """Distances have a kink where points coincide; the duplicates are held, the others move."""
    held = torch.randn(3, 2, generator=seeded(3), dtype=torch.float64).repeat(2, 1)
    free = torch.randn(8, 2, generator=seeded(4), dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1])
    assert torch.autograd.gradcheck(lambda z: silhouette(torch.cat([held, z]), labels), free)


def test_gradient_of_the_chosen_score_is_the_numerical_one():
    points, _ = four_blobs(each=5)
    points = points.double().requires_grad_()

    def score(z):
        return choose_k(z, Clusters(2, 6), generator=seeded()).score

    assert torch.autograd.gradcheck(score, points)


def test_gradient_is_scaled_by_what_comes_from_above(two_blobs):
    labels = (torch.arange(60) >= 40).long()
    points = two_blobs.clone().requires_grad_()
    (plain,) = torch.autograd.grad(silhouette(points, labels), points)
    (scaled,) = torch.autograd.grad(-3 * silhouette(points, labels), points)
    torch.testing.assert_close(scaled, -3 * plain)


def test_float32_gradient_far_from_the_origin_is_that_of_float64():
    base = torch.randn(500, 3, generator=seeded(5), dtype=torch.float64)
    base[:200] += 4
    labels = (torch.arange(500) < 200).long()
    # The float32 points themselves are the truth: what is compared is the arithmetic alone.
    single = (base + 100).float().requires_grad_()
    double = single.detach().double().requires_grad_()
    (coarse,) = torch.autograd.grad(silhouette(single, labels), single)
    (fine,) = torch.autograd.grad(silhouette(double, labels), double)
    assert (coarse - fine).norm() / fine.norm() < 1e-5
    apart = silhouette(single.detach(), labels) - silhouette(double.detach(), labels)
    assert abs(float(apart)) < 1e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["many coincide", "all equal", "all equal, far away"])
def test_values_and_gradients_are_finite_where_points_coincide(kind, dtype):
    points = {
        "many coincide": grid_points(),
        "all equal": torch.zeros(12, 3),
        "all equal, far away": torch.full((12, 3), 100.3),
    }[kind]
    points = points.to(dtype).requires_grad_()
    labels = torch.arange(12) % 3
    score = silhouette(points, labels)
    (grad,) = torch.autograd.grad(score, points)
    assert torch.isfinite(score)
    assert torch.isfinite(grad).all()
    if kind != "many coincide":
        assert score == 0
        assert (grad == 0).all()
    found = choose_k(points, Clusters(2, 5), generator=seeded())
    (grad,) = torch.autograd.grad(found.score, points)
    assert torch.isfinite(found.scores).all()
    assert torch.isfinite(grad).all()


def test_cluster_term_moves_the_encoder(two_blobs):
    """Eq. 3: the silhouette term must pull on the weights, not only be printed."""
    weight = torch.randn(two_blobs.shape[1], 2, generator=seeded(1), requires_grad=True)
    found = choose_k(two_blobs @ weight, Clusters(2, 4), generator=seeded())
    (grad,) = torch.autograd.grad(1 - found.score, weight)
    assert grad.abs().max() > 0


def test_a_step_along_the_gradient_separates_the_clusters_better(two_blobs):
    labels = (torch.arange(60) >= 40).long()
    points = two_blobs.clone().requires_grad_()
    before = silhouette(points, labels)
    (grad,) = torch.autograd.grad(before, points)
    assert silhouette(points.detach() + grad, labels) > before


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (torch.zeros(6, dtype=torch.int64), "between 2 and n - 1 = 5 clusters; got 1"),
        (torch.arange(6), "got 6"),
        (torch.zeros(5, dtype=torch.int64), "6 points need as many labels"),
    ],
)
def test_labels_that_have_no_silhouette_are_refused_in_words(labels, words):
    with pytest.raises(ValueError, match=words):
        silhouette(torch.randn(6, 2), labels)
    with pytest.raises(ValueError, match=words):
        silhouette_estimate(torch.randn(6, 2), labels, generator=seeded())


# --- the estimate ------------------------------------------------------------------------------


@pytest.fixture
def overlapping():
    """Return 3000 points of four overlapping clusters, one of 3 points (0.1 %), and labels."""
    sizes = torch.tensor([1800, 900, 297, 3])
    labels = torch.arange(4).repeat_interleave(sizes)
    centers = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0], [6.0, 6.0]])
    points = centers[labels] + torch.randn(3000, 2, generator=seeded(8))
    order = torch.randperm(3000, generator=seeded(9))
    return points[order], labels[order]


def test_estimate_is_within_two_of_its_errors_as_often_as_it_says(overlapping):
    """Of 200 draws about 95 % lie within 2 standard errors of the exact score, unbiased."""
    points, labels = overlapping
    exact = float(silhouette(points.double(), labels))
    found = [
        silhouette_estimate(points, labels, samples=160, generator=seeded(s)) for s in range(200)
    ]
    apart = np.array([float(each.score) - exact for each in found])
    errors = np.array([float(each.error) for each in found])
    covered = (np.abs(apart) < 2 * errors).mean()
    assert 0.88 < covered < 0.995
    assert abs(apart.mean()) < 4 * errors.mean() / np.sqrt(len(apart))
    assert 0.8 < errors.mean() / apart.std() < 1.25


def test_estimate_of_all_points_is_exact_and_says_so(overlapping):
    points, labels = overlapping
    found = silhouette_estimate(points, labels, samples=10**6, generator=seeded())
    assert found.error == 0
    assert abs(float(found.score) - float(silhouette(points.double(), labels))) < 1e-6


def test_estimate_far_from_the_origin_is_that_of_the_same_points_at_it():
    points, truth = four_blobs(each=300)
    near = silhouette_estimate(points, truth, samples=100, generator=seeded())
    far = silhouette_estimate(points + 100, truth, samples=100, generator=seeded())
    assert abs(float(near.score - far.score)) < 1e-4


def test_more_points_than_can_be_compared_are_estimated_without_a_gradient():
    points, truth = four_blobs(each=EXACT_POINTS // 4 + 1)
    quick = Clusters(3, 5, restarts=2, samples=200)
    found = choose_k(points, quick, generator=seeded())
    assert found.k == 4
    assert same_partition(found.labels, truth)
    assert (found.errors > 0).all()
    assert not found.score.requires_grad
    with pytest.raises(ValueError, match=f"batches of at most {EXACT_POINTS}"):
        choose_k(points.requires_grad_(), quick, generator=seeded())


class _Largest(TorchDispatchMode):
    """Remember the number of elements of the largest tensor that any operation made."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for each in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(each, torch.Tensor) and 0 not in each.stride():
                self.elements = max(self.elements, each.numel())
        return out


def test_many_points_never_make_a_matrix_of_all_pairs():
    """20,000 points: all pairs are 4e8 elements, 1.6 GB; nothing comes near that."""
    points = torch.randn(20_000, 2, generator=seeded())
    with _Largest() as largest:
        choose_k(points, Clusters(2, 3, restarts=2, samples=50), generator=seeded())
    assert 20_000 <= largest.elements < 4e6


# --- the choice of k ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_four_blobs_are_found_with_every_seed_and_in_every_order(seed):
    points, truth = four_blobs(seed=seed)
    order = torch.randperm(len(points), generator=seeded(seed + 50))
    for rows in (torch.arange(len(points)), order):
        found = choose_k(points[rows], Clusters(2, 8), generator=seeded(seed))
        assert found.k == 4
        assert same_partition(found.labels, truth[rows])


@pytest.mark.parametrize("seeding", ["k-means++", "random"])
def test_an_image_whose_first_rows_are_identical_has_its_four_quadrants(seeding):
    """The published code took the first k pixels as seeds: all of one colour here."""
    image = torch.zeros(16, 22, 3)
    image[:6, 9:] = torch.tensor([1.0, 0.0, 0.0])
    image[6:, :9] = torch.tensor([0.0, 1.0, 0.0])
    image[6:, 9:] = torch.tensor([0.0, 0.0, 1.0])
    image[:3] = 0.0
    pixels = image.reshape(-1, 3)
    found = choose_k(pixels, Clusters(2, 7, seeding=seeding), generator=seeded())
    assert found.k == 4
    assert found.score == 1
    assert same_partition(found.labels, torch.unique(pixels, dim=0, return_inverse=True)[1])


def test_all_scores_are_returned_and_k_has_the_best():
    points, _ = four_blobs()
    found = choose_k(points, Clusters(2, 9), generator=seeded())
    assert found.ks == tuple(range(2, 10))
    assert found.scores.shape == found.errors.shape == (8,)
    assert len(found.converged) == 8
    assert found.k == found.ks[int(found.scores.argmax())]
    assert found.centers.shape == (found.k, 2)
    assert (found.errors == 0).all()
    torch.testing.assert_close(found.score, silhouette(points, found.labels))
    torch.testing.assert_close(found.score, found.scores.max())


def test_k_goes_up_to_one_less_than_there_are_points():
    points = torch.randn(6, 2, generator=seeded())
    found = choose_k(points, Clusters(2, 50), generator=seeded())
    assert found.ks == (2, 3, 4, 5)
    with pytest.raises(ValueError, match=r"2 points cannot be divided.*at least 3 are needed"):
        choose_k(points[:2], Clusters(2, 50), generator=seeded())


def test_same_seed_gives_the_same_clusters_bit_for_bit():
    points = torch.randn(400, 3, generator=seeded())
    first, second = (choose_k(points, Clusters(2, 6), generator=seeded(4)) for _ in range(2))
    assert torch.equal(first.labels, second.labels)
    assert torch.equal(first.centers, second.centers)
    assert torch.equal(first.scores, second.scores)


def test_callers_global_random_numbers_are_left_alone():
    before = torch.random.get_rng_state()
    choose_k(four_blobs()[0], Clusters(2, 4), generator=seeded())
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("n", [700, 5000])
def test_number_of_threads_does_not_change_the_clusters(n):
    points = torch.randn(n, 4, generator=seeded())
    threads = torch.get_num_threads()
    found = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            quick = Clusters(2, 4, restarts=2, samples=100)
            found.append(choose_k(points, quick, generator=seeded(1)))
    finally:
        torch.set_num_threads(threads)
    assert found[0].k == found[1].k
    assert torch.equal(found[0].labels, found[1].labels)
    assert torch.equal(found[0].centers, found[1].centers)


# --- seeding and Lloyd -------------------------------------------------------------------------


def test_an_outlier_is_seeded_second_as_often_as_squared_distances_say():
    """One point of 2001 far away: 46 % by D^2 (what is wanted), 100 % by D^4."""
    points = torch.randn(2001, 2, generator=seeded(0), dtype=torch.float64)
    points[700] = torch.tensor([78.0, 0.0])
    squared = torch.cdist(points, points).square()
    expected = float((squared[:, 700] / squared.sum(1)).mean())
    assert 0.44 < expected < 0.48
    generator, draws = seeded(3), 0
    hits = 0
    for _ in range(8):
        seeds = seed_centers(points, 2, restarts=500, seeding="k-means++", generator=generator)
        hits += int((seeds[:, 1] == points[700]).all(1).sum())
        draws += len(seeds)
    error = (expected * (1 - expected) / draws) ** 0.5
    assert abs(hits / draws - expected) < 4 * error


def test_first_seed_is_any_point_and_no_seed_is_taken_twice():
    points = torch.arange(8.0)[:, None]
    seeds = seed_centers(points, 8, restarts=2000, seeding="k-means++", generator=seeded())
    share = torch.bincount(seeds[:, 0, 0].long(), minlength=8) / 2000
    assert (share - 1 / 8).abs().max() < 4 * (1 / 8 * 7 / 8 / 2000) ** 0.5
    assert torch.equal(seeds[..., 0].sort(1).values, points.T.expand(2000, 8))


@pytest.mark.parametrize("seeding", ["k-means++", "random"])
@pytest.mark.parametrize("kind", ["random", "many coincide", "all equal", "one far away"])
def test_no_cluster_is_ever_empty(kind, seeding):
    points = {
        "random": torch.randn(12, 3, generator=seeded()),
        "many coincide": grid_points(),
        "all equal": torch.full((12, 3), 100.3),
        "one far away": torch.cat([torch.zeros(11, 3), torch.full((1, 3), 1e6)]),
    }[kind]
    for k in range(1, 13):
        clusters = Clusters(restarts=3, seeding=seeding)
        found = k_means(points, k, clusters, generator=seeded(k))
        assert (torch.bincount(found.labels, minlength=k) > 0).all(), k
        assert found.labels.max() == k - 1
        assert torch.isfinite(found.centers).all()


def test_centers_are_means_and_inertia_is_what_is_left():
    points = torch.randn(300, 3, generator=seeded(), dtype=torch.float64)
    found = k_means(points, 5, generator=seeded())
    for label, center in enumerate(found.centers):
        torch.testing.assert_close(center, points[found.labels == label].mean(0))
    inertia = (points - found.centers[found.labels]).square().sum()
    torch.testing.assert_close(found.inertia, inertia)
    assert found.converged


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_labels_are_those_of_the_nearest_center(offset):
    for seed in range(5):
        points = torch.randn(1500, 3, generator=seeded(seed)) + offset
        found = k_means(points, 6, Clusters(restarts=2), generator=seeded(seed))
        assert found.converged
        assert torch.equal(found.labels, assign(points, found.centers))


def test_nearest_center_is_that_of_scipy_and_the_first_wins_a_tie():
    points = torch.randn(200, 4, generator=seeded(), dtype=torch.float64)
    centers = torch.randn(7, 4, generator=seeded(1), dtype=torch.float64)
    expected = cdist(points.numpy(), centers.numpy()).argmin(axis=1)
    np.testing.assert_array_equal(assign(points, centers), expected)
    tie = assign(torch.zeros(1, 2), torch.tensor([[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]]))
    assert tie.tolist() == [0]


def test_more_restarts_never_leave_more_inertia():
    points = torch.randn(200, 2, generator=seeded())
    one = [k_means(points, 7, Clusters(restarts=1), generator=seeded(s)) for s in range(8)]
    many = k_means(points, 7, Clusters(restarts=30), generator=seeded())
    assert many.inertia <= min(each.inertia for each in one) * 1.02
    assert many.inertia < max(each.inertia for each in one)


def test_restarts_on_a_sample_still_find_the_blobs_of_all_points():
    """Beyond 16,384 points the restarts compete on a sample; a cluster of 0.5 % is not lost."""
    points, truth = four_blobs(each=5000)
    rare = torch.tensor([30.0, -20.0]) + torch.randn(100, 2, generator=seeded(7))
    found = k_means(torch.cat([points, rare]), 5, Clusters(restarts=5), generator=seeded())
    assert same_partition(found.labels, torch.cat([truth, torch.full((100,), 4)]))


@pytest.mark.parametrize(
    ("points", "error", "words"),
    [
        (torch.full((5, 2), torch.nan), ValueError, "NaN or infinite"),
        (torch.randn(5), ValueError, r"2 axes \(n, d\); got shape \(5,\)"),
        (torch.randn(5, 0), ValueError, r"got shape \(5, 0\)"),
        (torch.ones(5, 2, dtype=torch.int64), TypeError, "float32 or float64; got torch.int64"),
        (torch.randn(2, 2), ValueError, "3 clusters need at least 3 points; got 2"),
    ],
)
def test_wrong_points_are_refused_in_words(points, error, words):
    with pytest.raises(error, match=words):
        k_means(points, 3, generator=seeded())


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"k_min": 1}, ValueError, "k_min must be at least 2; got 1"),
        ({"k_min": 5, "k_max": 4}, ValueError, "got 5 to 4"),
        ({"k_max": 3.0}, TypeError, "k_max must be an integer"),
        ({"restarts": 0}, ValueError, "restarts"),
        ({"restarts": True}, TypeError, "restarts"),
        ({"seeding": "first"}, ValueError, "seeding must be one of 'greedy"),
        ({"samples": 9}, ValueError, "samples"),
        ({"max_iter": 0}, ValueError, "max_iter"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings, error, words):
    with pytest.raises(error, match=words):
        Clusters(**settings)


@pytest.mark.parametrize("many", [300, 5000])  # exact, and estimated
def test_spectra_of_many_channels_have_the_same_silhouette_as_by_scikit_learn(many):
    """Beyond 64 dimensions distances and sums of clusters come from products."""
    from sklearn.metrics import silhouette_score

    generator = np.random.default_rng(0)
    truth = generator.integers(3, size=many)
    spectra = generator.standard_normal((3, 90))[truth] + 0.7 * generator.standard_normal(
        (many, 90)
    )
    points = torch.from_numpy(spectra + 20)
    found = choose_k(points, Clusters(2, 4, restarts=3), generator=seeded())
    assert found.k == 3
    expected = silhouette_score(spectra, found.labels.numpy())
    slack = 3 * float(found.errors.max()) + 1e-9
    assert abs(float(found.score) - expected) <= slack
    means = [points[found.labels == label].mean(0) for label in range(3)]
    torch.testing.assert_close(found.centers, torch.stack(means))


# --- very many points --------------------------------------------------------------------------


@pytest.fixture
def few_are_very_many(monkeypatch):
    """Let 3,000 points be more than twice the size of the second sample."""
    monkeypatch.setattr(_samples, "RESTART_POINTS", 300)
    monkeypatch.setattr(_samples, "_CONVERGE_POINTS", 1000)


def three_groups(offset=0.0):
    """Return 5,000 points of three groups that overlap, (n, 4)."""
    generator = torch.Generator().manual_seed(1)
    points = torch.randn(5000, 4, generator=generator)
    points[1000:] += torch.tensor([2.5, 0.0, 0.0, 0.0])
    points[3000:] += torch.tensor([0.0, 3.0, 0.0, 0.0])
    return points + offset


CHOICE = Clusters(2, 4, restarts=4, metric="euclidean", criterion="silhouette", samples=500)


def chosen(points, settings=CHOICE):
    return choose_k(points, settings, generator=torch.Generator().manual_seed(0))


@pytest.mark.usefixtures("few_are_very_many")
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_what_is_chosen_of_very_many_points_converges_on_all_of_them(offset, monkeypatch):
    points = three_groups(offset)
    found = chosen(points)
    means = torch.stack([points[found.labels == c].mean(0) for c in range(found.k)])
    assert float((means - found.centers).abs().max()) < 0.02
    monkeypatch.setattr(_choose, "converge", lambda _points, run, _steps: run)
    assert float(found.inertia) < float(chosen(points).inertia)


@pytest.mark.usefixtures("few_are_very_many")
def test_very_many_points_have_the_same_labels_with_any_number_of_threads():
    points, before, found = three_groups(), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(chosen(points).labels)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.usefixtures("few_are_very_many")
def test_exact_silhouettes_of_very_many_points_are_those_of_the_labels():
    points = three_groups()
    found = chosen(points, replace(CHOICE, silhouette="exact"))
    exact = silhouette_image(points, found.labels[None]).score[0]
    assert float(found.score) == pytest.approx(float(exact), abs=1e-6)
