"""Scores against reference labels: worked by hand, and scikit-learn's where it has them."""

import json

import numpy as np
import pytest
from sklearn import metrics

from spectessera.evaluate import MAX_CLASSES, compare, match_labels


def test_a_tversky_index_worked_by_hand():
    """Class 1: TP 3, FP 1, FN 2; class 2: TP 4, FP 2, FN 1."""
    reference = np.array([1, 1, 1, 1, 1, 2, 2, 2, 2, 2])
    label = np.array([7, 7, 7, 3, 3, 3, 3, 3, 3, 7])
    found = compare(label, reference)
    assert found.cluster_of.tolist() == [7, 3]
    assert [found.tp.tolist(), found.fp.tolist()] == [[3, 4], [1, 2]]
    assert [found.fn.tolist(), found.tn.tolist()] == [[2, 1], [4, 3]]
    np.testing.assert_allclose(
        found.class_tversky, [3 / (3 + 0.3 + 1.4), 4 / (4 + 0.6 + 0.7)], rtol=1e-12
    )
    np.testing.assert_allclose(found.class_accuracy, [0.7, 0.7])
    np.testing.assert_allclose(found.class_f1, [6 / 9, 8 / 11])
    assert found.agreement == 0.7
    np.testing.assert_allclose(found.confusion, [[0.3, 0.2, 0], [0.1, 0.4, 0]])


def test_permuted_labels_are_perfect():
    reference = np.repeat([1, 2, 3], [5, 9, 2]).reshape(2, 8)
    label = np.array([0, 9, 4, 6])[reference]
    found = compare(label, reference, names=["a", "b", "c"])
    for name in ("accuracy", "precision", "recall", "f1", "tversky", "agreement", "ari", "nmi"):
        assert getattr(found, name) == pytest.approx(1)
    np.testing.assert_allclose(found.confusion[:, :3], np.diag([5, 9, 2]) / 16)
    assert found.names == ("a", "b", "c")


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_scikit_learn(seed):
    generator = np.random.default_rng(seed)
    reference = generator.integers(1, 6, 400)
    right = generator.random(400) < 0.6
    label = np.where(right, 6 - reference, generator.integers(1, 6, 400))
    found = compare(label, reference)
    relabelled = np.zeros(7, dtype=int)
    relabelled[found.cluster_of] = found.classes
    predicted = relabelled[label]
    assert found.agreement == metrics.accuracy_score(reference, predicted)
    for average, prefix in (("macro", ""), ("weighted", "weighted_")):
        expected = metrics.precision_recall_fscore_support(
            reference, predicted, average=average, zero_division=0
        )
        for value, name in zip(expected, ("precision", "recall", "f1"), strict=False):
            assert getattr(found, prefix + name) == pytest.approx(value)
    one_against_rest = [
        metrics.accuracy_score(reference == number, predicted == number) for number in range(1, 6)
    ]
    np.testing.assert_allclose(found.class_accuracy, one_against_rest)
    support = np.bincount(reference)[1:]
    assert found.weighted_accuracy == pytest.approx(np.average(one_against_rest, weights=support))
    assert found.ari == pytest.approx(metrics.adjusted_rand_score(reference, label))
    assert found.nmi == pytest.approx(metrics.normalized_mutual_info_score(reference, label))
    matrix = metrics.confusion_matrix(reference, predicted, normalize="all")
    np.testing.assert_allclose(found.confusion[:, :5], matrix)
    assert (found.confusion[:, 5] == 0).all()


def test_a_class_without_a_cluster_scores_0_and_stays_in_the_mean():
    """Three classes, two clusters: the smallest overlap is left without one."""
    reference = np.repeat([1, 2, 3], [6, 6, 2])
    label = np.repeat([1, 2], [6, 8])
    found = compare(label, reference)
    assert found.cluster_of.tolist() == [1, 2, 0]
    assert found.class_accuracy[2] == 0
    assert found.class_f1[2] == 0
    assert found.f1 == pytest.approx((1 + 12 / 14) / 3)
    np.testing.assert_allclose(found.confusion.sum(), 1)
    assert found.confusion[2, 1] == pytest.approx(2 / 14)
    assert "none" in str(found)


def test_a_class_and_a_cluster_that_share_no_pixel_are_no_match():
    """Class 2 lies in cluster 1, which is matched to class 1; cluster 2 has no pixel of class 2.

    The best assignment pairs class 2 with cluster 2 all the same. As a match it would give class 2
    an accuracy of 5 / 7.
    """
    reference = np.array([[1, 1, 1, 1], [1, 1, 2, 0]])
    label = np.array([[1, 1, 1, 1], [1, 2, 1, 2]])
    matched = match_labels(label, reference)
    assert matched.counts.tolist() == [[5, 1], [1, 0]]
    assert matched.cluster_of.tolist() == [1, 0]
    scores = compare(label, reference)
    assert scores.cluster_of.tolist() == [1, 0]
    assert (scores.class_accuracy[1], scores.class_tversky[1]) == (0, 0)
    assert [scores.tp[1], scores.fp[1], scores.fn[1]] == [0, 0, 1]
    np.testing.assert_allclose(scores.confusion, [[5 / 7, 0, 1 / 7], [1 / 7, 0, 0]])


def test_one_common_pixel_is_a_match():
    reference = np.array([[1, 1, 1], [1, 1, 2]])
    label = np.array([[4, 4, 4], [4, 4, 9]])
    assert match_labels(label, reference).cluster_of.tolist() == [4, 9]


def test_a_cluster_without_a_class_is_a_column_of_its_own():
    reference = np.repeat([1, 2], [6, 6])
    label = np.repeat([1, 3, 2], [4, 2, 6])
    found = compare(label, reference)
    np.testing.assert_allclose(found.confusion, [[4 / 12, 0, 2 / 12], [0, 6 / 12, 0]])
    assert found.fn.tolist() == [2, 0]
    assert found.clusters == 3


def test_masked_and_unlabelled_pixels_are_left_out():
    reference = np.array([[1, 1, 0, 2], [2, 2, 1, 0]])
    label = np.array([[1, 1, 1, 2], [2, 0, 1, 2]])
    found = compare(label, reference)
    assert found.pixels == 5
    assert found.agreement == 1
    assert found.ari == 1


def test_the_hungarian_match_is_the_best_of_all():
    """Greedy matching would take 5, then 1; the best sum is 4 + 4."""
    reference = np.repeat([1, 1, 2, 2], [5, 4, 4, 1])
    label = np.repeat([1, 2, 1, 2], [5, 4, 4, 1])
    matched = match_labels(label, reference)
    assert matched.counts.tolist() == [[5, 4], [4, 1]]
    assert matched.cluster_of.tolist() == [2, 1]


def test_one_class_and_one_cluster_agree_without_warnings():
    found = compare(np.ones((3, 4), int), np.ones((3, 4), int))
    assert (found.ari, found.nmi, found.f1) == (1, 1, 1)
    split = compare(np.arange(1, 13).reshape(3, 4), np.ones((3, 4), int))
    assert split.ari == metrics.adjusted_rand_score(np.ones(12), np.arange(12))
    assert split.nmi == pytest.approx(
        metrics.normalized_mutual_info_score(np.ones(12), np.arange(12))
    )


def test_the_table_and_the_json_have_the_same_scores():
    found = compare(np.array([1, 1, 2, 2]), np.array([1, 1, 2, 1]), names=["ochre", "azurite"])
    loaded = json.loads(found.to_json())
    assert loaded["f1"] == found.f1
    assert loaded["tp"] == [2, 1]
    assert "azurite" in str(found)
    assert f"{found.weighted_tversky:.4f}" in str(found)


@pytest.mark.parametrize(
    ("label", "reference", "error", "words"),
    [
        ([1, 2], [1, 2, 3], ValueError, "shape"),
        ([0, 0], [1, 2], ValueError, "no pixel has both"),
        ([1.0, 2.0], [1, 2], TypeError, "integers"),
        ([-1, 1], [1, 2], ValueError, "add 1"),
        ([], [], (ValueError, TypeError), "one pixel|integers"),
    ],
)
def test_what_is_no_pair_of_label_maps_is_refused(label, reference, error, words):
    with pytest.raises(error, match=words):
        compare(np.array(label), np.array(reference))


def test_the_table_says_none_where_a_class_has_no_cluster_and_else_its_number():
    rows = str(compare(np.array([7, 7, 7]), np.array([1, 1, 2]))).splitlines()
    assert [row.split()[1] for row in rows[2:4]] == ["7", "none"]


def test_a_map_of_one_pixel_is_compared_and_one_of_none_is_refused():
    assert compare(np.array([1]), np.array([1])).pixels == 1
    with pytest.raises(ValueError, match="one pixel"):
        compare(np.zeros(0, int), np.zeros(0, int))


def test_as_many_numbers_are_compared_as_the_message_says():
    most = np.arange(1, MAX_CLASSES + 1)
    assert compare(most, most).agreement == 1
    with pytest.raises(ValueError, match=f"at most {MAX_CLASSES} .*got {MAX_CLASSES + 1}"):
        compare(np.arange(1, MAX_CLASSES + 2), np.ones(MAX_CLASSES + 1, int))


def test_too_few_names_are_refused():
    with pytest.raises(ValueError, match="names"):
        compare(np.array([1, 2]), np.array([1, 2]), names=["one"])
