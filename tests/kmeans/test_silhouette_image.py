"""The silhouette of a whole image, exact or estimated, against that of scikit-learn."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics import silhouette_samples

from spectessera.kmeans import (
    EXACT_POINTS,
    Clusters,
    choose_k,
    silhouette_estimate,
    silhouette_image,
)
from spectessera.kmeans._silhouette_estimate import silhouette_estimates
from spectessera.kmeans._silhouette_image import _rounds

# Across the borders of the parts that are worked on: rows of a tile, blocks, three blocks.
NUMBERS = [3, 5, 255, 257, 2047, 2048, 2049, 5000]


# The sums over a block of 2048 distances are products in float32. How many columns a product has
# changes the order of its additions, and with it the last bits, differently on every processor:
# the rounding errors of 2048 additions add up to about the root of 2048 times half an epsilon.
ROUNDING = 2048**0.5 * torch.finfo(torch.float32).eps / 2


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def groups_of_points(n, d, *, k=4, dtype=torch.float64, seed=0, offset=0.0):
    """Return points (n, d) of k groups that overlap, and their groups (n,)."""
    truth = torch.arange(n) % k
    centers = 2 * torch.randn(k, d, generator=seeded(seed), dtype=torch.float64)
    points = centers[truth] + torch.randn(n, d, generator=seeded(seed + 1), dtype=torch.float64)
    return (points + offset).to(dtype), truth


def truth_of(points, labels):
    """Return the silhouettes (n,) that scikit-learn computes from exact distances."""
    exact = points.double().numpy()
    return silhouette_samples(cdist(exact, exact), labels.numpy(), metric="precomputed")


def with_one_and_two_threads(function):
    """Return the answers with one thread and with two."""
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(function())
    finally:
        torch.set_num_threads(before)
    return found


# --- exact -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "digits"), [(torch.float32, 1e-6), (torch.float64, 1e-10)])
@pytest.mark.parametrize("d", [1, 3, 24])
@pytest.mark.parametrize("n", NUMBERS)
def test_every_silhouette_is_scikit_learns_whatever_the_blocks(n, d, dtype, digits):
    points, labels = groups_of_points(n, d, k=min(4, n - 1), dtype=dtype)
    expected = truth_of(points, labels)
    found = silhouette_image(points, labels, per_point=True)
    assert abs(float(found.score) - expected.mean()) < digits
    # They are float32; a single one that is near 0 by two large sums has a few digits fewer.
    np.testing.assert_allclose(found.per_point, expected, rtol=0, atol=max(5 * digits, 1e-7))


def test_answers_have_the_shapes_and_kinds_that_are_documented():
    points, labels = groups_of_points(60, 3, dtype=torch.float32)
    one = silhouette_image(points, labels)
    assert one.per_point is None
    assert one.score.shape == ()
    assert one.score.dtype == torch.float64
    several = silhouette_image(points, torch.stack([labels, labels % 2]), per_point=True)
    assert several.score.shape == (2,)
    assert several.per_point.shape == (2, 60)
    assert silhouette_image(points, labels, per_point=True).per_point.shape == (60,)
    double = silhouette_image(points.double(), labels, per_point=True)
    assert several.per_point.dtype == double.per_point.dtype == torch.float32


def test_an_answer_has_no_gradient():
    points, labels = groups_of_points(60, 3)
    assert not silhouette_image(points.requires_grad_(), labels).score.requires_grad


@pytest.mark.parametrize("d", [3, 24])
def test_several_clusterings_are_judged_as_each_one_alone(d):
    points, truth = groups_of_points(2500, d, dtype=torch.float32)
    labels = torch.stack([truth, truth % 2, torch.randint(7, (2500,), generator=seeded(3))])
    found = silhouette_image(points, labels, per_point=True)
    for row, score, per_point in zip(labels, found.score, found.per_point, strict=True):
        alone = silhouette_image(points, row, per_point=True)
        assert abs(float(score - alone.score)) < 1e-7
        torch.testing.assert_close(per_point, alone.per_point, rtol=0, atol=ROUNDING)
        assert abs(float(score) - truth_of(points, row).mean()) < 1e-6


def test_a_cluster_of_one_point_has_silhouette_0():
    points, labels = groups_of_points(2100, 3)
    labels[[7, 2090]] = torch.tensor([8, 9])
    found = silhouette_image(points, labels, per_point=True)
    assert found.per_point[[7, 2090]].tolist() == [0, 0]
    assert abs(float(found.score) - truth_of(points, labels).mean()) < 1e-10


@pytest.mark.parametrize("d", [3, 24])
def test_points_far_from_the_origin_lose_no_digits(d):
    points, labels = groups_of_points(2100, d, dtype=torch.float32, offset=100.0)
    found = silhouette_image(points, labels)
    assert abs(float(found.score) - truth_of(points, labels).mean()) < 1e-6


@pytest.mark.parametrize("d", [3, 24])
@pytest.mark.parametrize("value", [0.0, 100.3])
def test_equal_points_have_silhouette_0(d, value):
    found = silhouette_image(torch.full((300, d), value), torch.arange(300) % 3, per_point=True)
    assert float(found.score) == 0
    assert torch.equal(found.per_point, torch.zeros(300))


def test_points_that_coincide_in_pairs_are_those_of_scikit_learn():
    points, labels = groups_of_points(500, 2)
    doubled, both = points.repeat(2, 1), labels.repeat(2)
    found = silhouette_image(doubled, both, per_point=True)
    np.testing.assert_allclose(found.per_point, truth_of(doubled, both), atol=1e-7)


@pytest.mark.parametrize("labels", [[-7, 900, -7, 900, 3, 3], [2**40, 5, 2**40, 5, -1, -1]])
def test_labels_are_any_integers(labels):
    points = torch.randn(6, 2, generator=seeded(), dtype=torch.float64)
    plain = silhouette_image(points, torch.tensor([0, 1, 0, 1, 2, 2]), per_point=True)
    found = silhouette_image(points, torch.tensor(labels), per_point=True)
    torch.testing.assert_close(found.per_point, plain.per_point)


@pytest.mark.parametrize("d", [3, 24])
def test_number_of_threads_does_not_change_a_bit(d):
    points, labels = groups_of_points(9000, d, dtype=torch.float32)
    one, two = with_one_and_two_threads(lambda: silhouette_image(points, labels, per_point=True))
    assert torch.equal(one.score, two.score)
    assert torch.equal(one.per_point, two.per_point)


def test_less_memory_means_more_passes_and_the_same_silhouettes():
    points, truth = groups_of_points(4000, 3, dtype=torch.float32)
    labels = torch.stack([truth % k for k in (2, 3, 4)])
    smallest = needed_memory(points, labels[-1:])
    rounds = {}

    def silhouettes_with(memory):
        steps = []
        found = silhouette_image(
            points, labels, memory=memory, per_point=True, progress=lambda *step: steps.append(step)
        )
        assert steps == [(done, len(steps)) for done in range(1, len(steps) + 1)]
        rounds[memory] = len(steps)
        return found

    much, little = silhouettes_with(2**30), silhouettes_with(smallest)
    assert rounds[smallest] > rounds[2**30]
    torch.testing.assert_close(much.per_point, little.per_point, rtol=0, atol=ROUNDING)
    alone = silhouette_image(points, labels[-1], per_point=True)
    assert torch.equal(little.per_point[-1], alone.per_point)


def needed_memory(points, labels):
    """Return the bytes that an answer asks for where it gets too few."""
    with pytest.raises(ValueError, match=r"need \d+ bytes") as raised:
        silhouette_image(points, labels, memory=1)
    return int(str(raised.value).split("need ")[1].split(" bytes")[0])


def test_too_little_memory_is_stated_in_bytes_that_are_enough():
    points, labels = groups_of_points(3000, 2)
    with pytest.raises(ValueError, match=r"3000 points in 4 clusters need \d+ bytes; .*=1000"):
        silhouette_image(points, labels, memory=1000)
    enough = needed_memory(points, labels)
    assert torch.isfinite(silhouette_image(points, labels, memory=enough).score)
    with pytest.raises(ValueError, match=f"need {enough} bytes"):
        silhouette_image(points, labels, memory=enough - 1)
    for wrong, error in ((0, ValueError), (1.5, TypeError)):
        with pytest.raises(error, match="memory"):
            silhouette_image(points, labels, memory=wrong)


@pytest.mark.parametrize("n", [100, 2049, 5000])
def test_progress_reaches_its_total_round_by_round(n):
    points, labels = groups_of_points(n, 2, dtype=torch.float32)
    steps = []
    silhouette_image(points, labels, progress=lambda *step: steps.append(step))
    assert len(steps) == (1 if n <= 2048 else 2 * -(-n // 4096))
    assert steps == [(done, len(steps)) for done in range(1, len(steps) + 1)]


@pytest.mark.parametrize("blocks", range(1, 9))
def test_every_block_meets_every_other_once_and_no_two_tasks_share_one(blocks):
    met = []
    for pairs in _rounds(blocks):
        busy = [block for pair in pairs for block in set(pair)]
        assert len(busy) == len(set(busy))
        met += pairs
    every = [(a, b) for a in range(blocks) for b in range(a, blocks)]
    assert sorted(met) == every


@pytest.mark.parametrize(
    ("points", "labels", "error", "words"),
    [
        (torch.tensor([[1.0], [torch.nan], [2.0]]), torch.tensor([0, 1, 1]), ValueError, "finite"),
        (torch.tensor([[1.0], [torch.inf], [2.0]]), torch.tensor([0, 1, 1]), ValueError, "finite"),
        (torch.ones(1, 2), torch.zeros(1).long(), ValueError, "between 2 and n - 1 = 0"),
        (torch.ones(5, 2), torch.zeros(5).long(), ValueError, "got 1"),
        (torch.ones(5, 2), torch.arange(5), ValueError, "got 5"),
        (torch.ones(5, 2), torch.arange(4), ValueError, "5 points need as many labels"),
        (torch.ones(5), torch.arange(5), ValueError, r"2 axes \(n, d\)"),
        (torch.ones(5, 2).long(), torch.arange(5), TypeError, "float32 or float64"),
    ],
)
def test_what_has_no_silhouette_is_refused_in_words(points, labels, error, words):
    with pytest.raises(error, match=words):
        silhouette_image(points, labels)


# --- estimated ---------------------------------------------------------------------------------


def uneven(rare, n=4000):
    """Return points (n, 2) that overlap, and labels, of which the last is of ``rare`` points."""
    points, labels = groups_of_points(n, 2, dtype=torch.float32, seed=5)
    points[:rare] += torch.tensor([6.0, -6.0])
    labels[:rare] = 4
    return points, labels


@pytest.mark.parametrize("rare", [0, 4, 20])  # none, 0.1 % and 0.5 %
def test_two_standard_errors_cover_the_truth_as_often_as_they_say(rare):
    points, labels = uneven(rare)
    truth = float(silhouette_image(points, labels).score)
    inside = 0
    for seed in range(200):
        found = silhouette_estimate(points, labels, samples=200, generator=seeded(seed))
        assert found.error > 0
        inside += abs(float(found.score) - truth) <= 2 * float(found.error)
    assert 0.90 <= inside / 200 <= 0.99


def test_the_standard_error_is_the_spread_of_the_estimates():
    points, labels = uneven(20)
    found = [
        silhouette_estimate(points, labels, samples=200, generator=seeded(s)) for s in range(200)
    ]
    spread = float(torch.stack([each.score for each in found]).std())
    assert 0.85 < spread / float(torch.stack([each.error for each in found]).mean()) < 1.15


# Of few kinds of points, sixteen of a kind are added at once; of many they are not.
CLUSTERINGS = {"few kinds": (2, 3), "many kinds": (5, 7, 8), "one clustering": (4,)}


def clusterings(kind, n=1003):
    """Return labels (m, n) whose kinds of points have no multiples of sixteen members."""
    ks = CLUSTERINGS[kind]
    rows = [torch.randint(k, (n,), generator=seeded(10 + k)) for k in ks]
    joint = torch.stack(rows).unique(dim=1, return_counts=True)[1]
    assert (joint % 16 != 0).any()
    return torch.stack(rows)


@pytest.mark.parametrize("d", [2, 24])
@pytest.mark.parametrize("kind", CLUSTERINGS)
def test_an_estimate_from_all_points_is_exact(kind, d):
    labels = clusterings(kind)
    points, _ = groups_of_points(1003, d, dtype=torch.float64, offset=20.0)
    found = silhouette_estimates(points, labels, 10**6, seeded())
    exact = silhouette_image(points, labels).score
    torch.testing.assert_close(found.score, exact, rtol=0, atol=1e-6)
    assert found.error.tolist() == [0] * len(labels)


def test_clusterings_together_are_estimated_as_alone_from_the_same_points():
    labels = clusterings("many kinds", n=3001)
    points, _ = groups_of_points(3001, 3, dtype=torch.float64)
    found = silhouette_estimates(points, labels, 300, seeded(1))
    assert (found.error > 0).all()
    # The clusters of the last one are drawn from.
    alone = silhouette_estimate(points, labels[-1], samples=300, generator=seeded(1))
    torch.testing.assert_close(found.score[-1], alone.score, rtol=0, atol=1e-9)
    torch.testing.assert_close(found.error[-1], alone.error, rtol=0, atol=1e-9)
    for row in range(2):
        pair = silhouette_estimates(points, labels[[row, 2]], 300, seeded(1))
        torch.testing.assert_close(found.score[row], pair.score[0], rtol=0, atol=1e-9)
        torch.testing.assert_close(found.error[row], pair.error[0], rtol=0, atol=1e-9)


def test_number_of_threads_does_not_change_an_estimate():
    points, labels = uneven(20)
    one, two = with_one_and_two_threads(
        lambda: silhouette_estimate(points, labels, samples=1000, generator=seeded())
    )
    assert torch.equal(one.score, two.score)
    assert torch.equal(one.error, two.error)


def test_spectra_of_many_channels_are_estimated_in_pieces_of_a_few_points():
    points, labels = groups_of_points(1100, 1100, dtype=torch.float32)
    found = silhouette_estimate(points, labels, samples=10**6, generator=seeded())
    assert abs(float(found.score) - truth_of(points, labels).mean()) < 1e-5


# --- k by exact silhouettes --------------------------------------------------------------------


def test_k_of_many_points_is_chosen_by_exact_silhouettes_where_they_are_asked_for():
    n = EXACT_POINTS + 700
    points, _ = groups_of_points(n, 2, dtype=torch.float32, seed=3)
    settings = {"k_min": 2, "k_max": 5, "restarts": 2, "metric": "euclidean"}
    settings["criterion"] = "silhouette"
    exact = choose_k(points, Clusters(**settings, silhouette="exact"), generator=seeded())
    assert exact.errors.tolist() == [0, 0, 0, 0]
    expected = truth_of(points, exact.labels).mean()
    assert abs(float(exact.scores.max()) - expected) < 1e-6
    assert float(exact.score) == float(exact.scores.max())
    guess = choose_k(points, Clusters(**settings), generator=seeded())
    assert (guess.errors > 0).all()
    assert (guess.scores != exact.scores).all()
    assert ((guess.scores - exact.scores).abs() < 5 * guess.errors).all()


def test_few_points_have_exact_silhouettes_either_way():
    points, _ = groups_of_points(500, 2, dtype=torch.float32)
    found = [
        choose_k(points, Clusters(2, 4, restarts=2, silhouette=way), generator=seeded())
        for way in ("auto", "exact")
    ]
    assert torch.equal(found[0].scores, found[1].scores)
    assert found[0].errors.tolist() == [0, 0, 0]


def test_a_wrong_way_to_the_silhouette_is_refused_by_name():
    with pytest.raises(ValueError, match="silhouette must be one of 'auto"):
        Clusters(silhouette="guess")
