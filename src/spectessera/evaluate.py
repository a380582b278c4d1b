"""Evaluation against reference labels: matching, confusion, Tversky index, scores.

In label maps 0 = masked or unlabelled; these pixels are left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ._util.check import check_number, check_same_shape

FP_WEIGHT, FN_WEIGHT = 0.3, 0.7  # of the Tversky index, as in arXiv 2401.17695
MAX_CLASSES = 4096  # classes or clusters; their table of counts is in memory


class Matching(NamedTuple):
    """Clusters and the reference classes that are matched to them.

    Attributes
    ----------
    clusters : array (k,)
        Numbers of all clusters, ascending.
    classes : array (c,)
        Numbers of all reference classes, ascending.
    cluster_of : array (c,)
        Cluster matched to each class; 0 = none.
    counts : array (c, k), int64
        Pixels of every class in every cluster.
    """

    clusters: np.ndarray
    classes: np.ndarray
    cluster_of: np.ndarray
    counts: np.ndarray


def match_labels(label: Any, reference: Any) -> Matching:
    """Match clusters to reference classes so that as many pixels as possible agree.

    By the Hungarian method (Kuhn 1955) on the table of counts. There may be more clusters than
    classes, or fewer. A class and a cluster without a common pixel are not matched.

    Parameters
    ----------
    label, reference : array (...) of integers
        0 = masked or unlabelled.

    Returns
    -------
    Matching

    Raises
    ------
    ValueError, TypeError
        If the shapes differ, the values are not labels, or no pixel has both.

    Examples
    --------
    >>> match_labels([1, 1, 2, 2, 2], [5, 5, 5, 3, 3]).cluster_of.tolist()  # of classes 3 and 5
    [2, 1]
    """
    from scipy.optimize import linear_sum_assignment

    labels, truth = _pixels_with_both(label, reference)
    clusters, cluster_index = np.unique(labels, return_inverse=True)
    classes, class_index = np.unique(truth, return_inverse=True)
    most = max(len(clusters), len(classes))
    if most > MAX_CLASSES:
        raise ValueError(
            f"a label map has at most {MAX_CLASSES} different numbers here; got {most}; is one of "
            "the two an image of intensities?"
        )
    flat = class_index.ravel() * len(clusters) + cluster_index.ravel()
    size = len(classes) * len(clusters)
    counts = np.bincount(flat, minlength=size).reshape(len(classes), len(clusters))
    rows, columns = linear_sum_assignment(counts, maximize=True)
    cluster_of = np.zeros(len(classes), dtype=clusters.dtype)
    for row, column in zip(rows, columns, strict=True):
        if counts[row, column] > 0:
            cluster_of[row] = clusters[column]
    return Matching(clusters, classes, cluster_of, counts)


def _pixels_with_both(label: Any, reference: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return label and reference, (n,) each, of the pixels that have both."""
    labels, truth = _labels("label", label), _labels("reference", reference)
    check_same_shape("the label map", labels.shape, truth.shape, "the reference")
    good = (labels > 0) & (truth > 0)
    if not good.any():
        raise ValueError("no pixel has both a label and a reference (0 = masked or unlabelled)")
    return labels[good], truth[good]


def _labels(name: str, given: Any) -> np.ndarray:
    """Return labels as int64, after a check."""
    labels = np.asarray(given)
    if labels.dtype.kind not in "biu":
        raise TypeError(f"{name} holds integers (0 = masked, 1..K); got dtype {labels.dtype}")
    if labels.size == 0 or int(labels.min()) < 0:
        raise ValueError(
            f"{name} holds 0 (masked) or 1..K, for at least one pixel; add 1 to labels that count "
            "from 0"
        )
    return labels.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Scores:
    """How well clusters agree with reference classes; all scores except ``ari`` are in [0, 1].

    A class without a cluster has 0 in every score and is part of the means.

    Attributes
    ----------
    classes : array (c,)
        Reference classes.
    cluster_of : array (c,)
        Cluster matched to each class; 0 = none.
    names : tuple of str
        Of the classes.
    tp, fp, fn, tn : array (c,), int64
        Pixels of the 2 x 2 confusion of each class: a matched cluster against all others.
    class_accuracy, class_precision, class_recall, class_f1, class_tversky : array (c,)
        (TP + TN) / n; TP / (TP + FP); TP / (TP + FN); their harmonic mean; and
        TP / (TP + 0.3 FP + 0.7 FN) (Abraham & Khan 2018).
    accuracy, precision, recall, f1, tversky : float
        Means over the classes (macro).
    weighted_accuracy, weighted_precision, weighted_recall, weighted_f1, weighted_tversky : float
        Means over the classes, each weighted by its pixels.
    agreement : float
        Share of the pixels whose cluster is the one that is matched to their class.
    confusion : array (c, c + 1)
        Share of all pixels of class i (rows) in the cluster matched to class j (columns); the last
        column has the pixels in clusters that are not matched to a class. The sum is 1.
    ari, nmi : float
        Adjusted Rand index and normalised mutual information, which do not use the matching.
    clusters, pixels : int
        Numbers of clusters and of compared pixels.
    """

    classes: np.ndarray
    cluster_of: np.ndarray
    names: tuple[str, ...]
    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    tn: np.ndarray
    class_accuracy: np.ndarray
    class_precision: np.ndarray
    class_recall: np.ndarray
    class_f1: np.ndarray
    class_tversky: np.ndarray
    accuracy: float
    precision: float
    recall: float
    f1: float
    tversky: float
    weighted_accuracy: float
    weighted_precision: float
    weighted_recall: float
    weighted_f1: float
    weighted_tversky: float
    agreement: float
    confusion: np.ndarray
    ari: float
    nmi: float
    clusters: int
    pixels: int

    def __str__(self) -> str:
        """Return a table: one row per class, then the means."""
        wide = max(8, *(len(name) for name in self.names))
        head = f"{'class':<{wide}} cluster  pixels  accuracy precision  recall      f1 tversky"
        lines = [head, "-" * len(head)]
        for row, name in enumerate(self.names):
            cluster = str(self.cluster_of[row]) if self.cluster_of[row] else "none"
            values = (
                getattr(self, f"class_{each}")[row]
                for each in ("accuracy", "precision", "recall", "f1", "tversky")
            )
            size = self.tp[row] + self.fn[row]
            lines.append(f"{name:<{wide}} {cluster:>7} {size:>7}" + _cells(values))
        for prefix, word in (("", "mean"), ("weighted_", "weighted")):
            values = (
                getattr(self, prefix + each)
                for each in ("accuracy", "precision", "recall", "f1", "tversky")
            )
            size = self.pixels if prefix else ""
            lines.append(
                f"{word:<{wide}} {self.clusters if prefix else '':>7} {size:>7}" + _cells(values)
            )
        lines.append(
            f"agreement {self.agreement:.4f}, adjusted Rand index {self.ari:.4f}, "
            f"normalised mutual information {self.nmi:.4f}"
        )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as plain values."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }

    def to_json(self) -> str:
        """Return all fields as JSON text."""
        return json.dumps(self.to_dict(), indent=2)


def _cells(values: Any) -> str:
    """Return five numbers as the columns of the table."""
    widths = (10, 10, 8, 8, 8)
    return "".join(f"{value:>{wide}.4f}" for value, wide in zip(values, widths, strict=True))


def compare(
    label: Any,
    reference: Any,
    *,
    names: Any = None,
    fp_weight: float = FP_WEIGHT,
    fn_weight: float = FN_WEIGHT,
) -> Scores:
    """Compare a label map with a reference: true labels, or a clustering of the RGB image.

    Parameters
    ----------
    label, reference : array (y, x) of integers, or any other shape
        0 = masked or unlabelled; such pixels are left out.
    names : sequence of str, optional
        Of the reference classes 1, 2, 3 ...; by default their numbers.
    fp_weight, fn_weight : float
        Of the Tversky index.

    Returns
    -------
    Scores
        ``print`` shows them as a table.

    Raises
    ------
    ValueError, TypeError
        If the shapes differ, the values are not labels, or no pixel has both.

    Examples
    --------
    >>> scores = compare([1, 1, 2, 2, 2], [1, 1, 1, 2, 2], names=["ochre", "azurite"])
    >>> scores.agreement
    0.8
    """
    from sklearn.metrics import normalized_mutual_info_score

    check_number("fp_weight", fp_weight, low=0.0)
    check_number("fn_weight", fn_weight, low=0.0)
    matching = match_labels(label, reference)
    confusion = _confusion_of(matching)
    by_class = _scores_of(confusion, matching.cluster_of > 0, fp_weight, fn_weight)
    support = confusion.tp + confusion.fn
    means: dict[str, Any] = {name: float(values.mean()) for name, values in by_class.items()}
    weighted: dict[str, Any] = {
        f"weighted_{name}": float(np.average(values, weights=support))
        for name, values in by_class.items()
    }
    return Scores(
        classes=matching.classes,
        cluster_of=matching.cluster_of,
        names=_names(names, matching.classes),
        tp=confusion.tp,
        fp=confusion.fp,
        fn=confusion.fn,
        tn=confusion.tn,
        **{f"class_{name}": values for name, values in by_class.items()},
        **means,
        **weighted,
        agreement=float(confusion.tp.sum() / confusion.pixels),
        confusion=confusion.shares,
        ari=adjusted_rand_index(label, reference),
        nmi=float(normalized_mutual_info_score(*_pixels_with_both(label, reference))),
        clusters=len(matching.clusters),
        pixels=confusion.pixels,
    )


class _Confusion(NamedTuple):
    """Pixels of every class inside and outside its cluster: see :class:`Scores`."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    tn: np.ndarray
    shares: np.ndarray  # (c, c + 1) of all pixels
    pixels: int


def _confusion_of(matching: Matching) -> _Confusion:
    counts, pixels = matching.counts, int(matching.counts.sum())
    support = counts.sum(axis=1)
    rows = np.flatnonzero(matching.cluster_of > 0)
    columns = np.searchsorted(matching.clusters, matching.cluster_of[rows])
    tp, inside = np.zeros_like(support), np.zeros_like(support)
    tp[rows] = counts[rows, columns]
    inside[rows] = counts.sum(axis=0)[columns]
    fp, fn = inside - tp, support - tp
    table = np.zeros((len(support), len(support) + 1))
    table[:, rows] = counts[:, columns]
    table[:, -1] = support - table.sum(axis=1)
    return _Confusion(tp, fp, fn, pixels - tp - fp - fn, table / pixels, pixels)


def _scores_of(
    confusion: _Confusion, has_cluster: np.ndarray, fp_weight: float, fn_weight: float
) -> dict[str, Any]:
    """Return the scores (c,) of every class by name."""
    tp, fp, fn, tn, _, pixels = confusion
    return {
        "accuracy": np.where(has_cluster, (tp + tn) / pixels, 0.0),
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
        "tversky": _ratio(tp, tp + fp_weight * fp + fn_weight * fn),
    }


def _names(names: Any, classes: np.ndarray) -> tuple[str, ...]:
    """Return the names of the classes that occur."""
    if names is None:
        return tuple(str(number) for number in classes)
    given = [str(name) for name in names]
    if len(given) < classes.max():
        raise ValueError(
            f"{len(given)} names are too few for classes up to {classes.max()}; give one for each "
            "number from 1 on"
        )
    return tuple(given[number - 1] for number in classes)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, 0 where whole is 0."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=np.asarray(whole) > 0)


def adjusted_rand_index(label: Any, reference: Any) -> float:
    """Return the adjusted Rand index (Hubert & Arabie 1985), over the pixels that have both labels.

    Parameters
    ----------
    label, reference : array (...) of integers
        0 = masked or unlabelled.

    Raises
    ------
    ValueError, TypeError
        As :func:`match_labels`.

    Examples
    --------
    >>> adjusted_rand_index([1, 1, 2, 2], [7, 7, 4, 4])  # the numbers do not matter
    1.0
    """
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(*_pixels_with_both(label, reference)))
