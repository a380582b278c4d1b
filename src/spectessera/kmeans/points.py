"""Clusters of points in numpy arrays: how many, which, and how a new point gets its label.

A door between numpy and torch: the points of an autoencoder and of any other method are clustered
by the same code, in memory or part by part.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from spectessera.evidence import Gain
from spectessera.result import KCurves, silhouette_curves

from ._choose import Candidates, Choice, choose_k, k_means
from ._samples import CENTER_TOLERANCE
from ._seeding import assign
from ._silhouette_image import PairProgress, silhouette_image
from ._stability import adjusted_rand, contingency
from .metric import fit_metric
from .parts import PART, ArrayPoints, ClusterSums, Points
from .rule import Evidence, Rule, SplitCheck, rule_of
from .settings import Clusters

# Number of other seeds that are tried, each on a sample of this size.
SEEDS = 3
SEED_POINTS = 8192
# What chose k where only one was to be tried.
GIVEN = "given"
# Of up to so many points the clusterings with every k are kept (some MB).
_KEPT = 65_536


class Tried(NamedTuple):
    """The clusterings with every k, and the fingerprint of what they depend on."""

    fingerprint: str
    candidates: Candidates

    def of(self, fingerprint: str) -> Candidates | None:
        """Return the clusterings if they are those of a fingerprint."""
        return self.candidates if fingerprint == self.fingerprint else None


class Clustering(NamedTuple):
    """Clusters of points, numbered by size from 0.

    Attributes
    ----------
    labels : array (n,), int64; int16 for points that are given part by part
    centers : array (k, d), float32
        In the space of the points, not of the metric, so that they can be decoded.
    curves : KCurves
        The criteria for every k that was tried.
    rule : Rule
    criterion : "evidence", "stability", "silhouette", "equal" or "given"
        What chose k; "given" where no other k was to be tried.
    excess : array (number of k,), float64, or None
        :meth:`spectessera.kmeans.rule.SplitCheck.separation` of each k, NaN where it was not
        computed; None without a split check.
    gains : tuple of Gain, or None
        Of every k that was tried, where evidence chose.
    tried : Tried or None
        For another choice from the same points; None of more than 65,536.
    """

    labels: np.ndarray
    centers: np.ndarray
    curves: KCurves
    rule: Rule
    criterion: str
    excess: np.ndarray | None = None
    gains: tuple[Gain, ...] | None = None
    tried: Tried | None = None


def cluster_points(
    points: np.ndarray | Points,
    clusters: Clusters,
    *,
    seed: int = 0,
    device: str | None = None,
    split_check: SplitCheck | None = None,
    evidence: Evidence | None = None,
    tried: Tried | None = None,
) -> Clustering:
    """Cluster points of any origin with the best k.

    With more than ``clusters.max_points`` points, k and the centers are found on a random sample of
    that size, which does not depend on how the points are stored; with ``clusters.refine`` Lloyd's
    iterations continue from there over all points. Each point then gets the label of the nearest
    center.

    Parameters
    ----------
    points : array (n, d), float32, or Points
    clusters : Clusters
    seed : int
    device : str, optional
        By default the CPU.
    split_check : SplitCheck, optional
        Rules out a k that splits the noise of one cluster; see
        :func:`spectessera.kmeans.choose_k`.
    evidence : Evidence, optional
        Judges every k, see there.
    tried : Tried, optional
        Of an earlier clustering. If it is of the same points, settings and seed, only the choice of
        k is made again: the result is the same, in a fraction of the time.

    Returns
    -------
    Clustering

    Raises
    ------
    ValueError
        If the points are not finite, or fewer than k_min + 1.
    """
    rows = ArrayPoints(points) if isinstance(points, np.ndarray) else points
    n = len(rows)
    ranks = np.arange(n)
    if n > clusters.max_points:
        generator = np.random.default_rng([seed, 5])
        ranks = np.sort(generator.choice(n, clusters.max_points, replace=False))
    sample = torch.from_numpy(np.ascontiguousarray(rows.take(ranks))).to(device)
    fingerprint = _fingerprint(sample, clusters, seed) if n <= _KEPT else ""
    known = None if tried is None else tried.of(fingerprint)
    choice, several = _choose(sample, clusters, seed, split_check, evidence, known)
    rule = rule_of(choice.centers, choice.metric)
    if n > len(ranks) and clusters.refine:
        variance = float(choice.metric.move(sample).var(0).mean())
        rule = _refined(rows, rule, clusters.max_iter, CENTER_TOLERANCE * variance, device)
    labels, centers = by_size(_label(rows, rule, device), rule.centers)
    rule = rule._replace(centers=centers)
    criteria = [choice.scores, choice.errors, *(choice.stability or ())]
    columns = [each.double().cpu().numpy() for each in criteria]
    ks = np.array(choice.ks)
    curves = KCurves(ks, *columns) if several else silhouette_curves(ks, *columns)
    if isinstance(points, np.ndarray):
        labels = labels.astype(np.int64)
    excess = None if choice.excess is None else choice.excess.numpy()
    centers = centers_of(rows, labels, rule)
    criterion = choice.criterion if several else GIVEN
    tried = None
    if fingerprint and choice.candidates is not None:
        tried = Tried(fingerprint, choice.candidates._replace(silhouettes=None))
    return Clustering(labels, centers, curves, rule, criterion, excess, choice.gains, tried)


def _fingerprint(sample: torch.Tensor, clusters: Clusters, seed: int) -> str:
    """Return a fingerprint of what the clusterings with every k depend on: not of what chooses."""
    settings = repr((replace(clusters, criterion="silhouette"), seed, sample.shape, sample.device))
    digest = hashlib.sha256(settings.encode())
    digest.update(sample.numpy(force=True).tobytes())
    return digest.hexdigest()


def criterion_of_points(clusters: Clusters) -> str:
    """Return what chooses k of points without spectra, such as those of a fit.

    Examples
    --------
    >>> criterion_of_points(Clusters(criterion="evidence"))
    'stability'
    """
    if clusters.k_max == clusters.k_min:
        return GIVEN
    return "stability" if clusters.criterion == "evidence" else clusters.criterion


def _choose(
    sample: torch.Tensor,
    clusters: Clusters,
    seed: int,
    split_check: SplitCheck | None,
    evidence: Evidence | None,
    candidates: Candidates | None,
) -> tuple[Choice, bool]:
    """Return the chosen clustering of a sample, and whether there were several k."""
    generator = torch.Generator(sample.device).manual_seed(seed)
    # With one k there is nothing to choose, so its stability is not computed.
    several = clusters.k_max > clusters.k_min
    settings = clusters if several else replace(clusters, criterion="silhouette")
    choice = choose_k(
        sample,
        settings,
        generator=generator,
        with_stability=several,
        split_check=split_check,
        evidence=evidence,
        candidates=candidates,
    )
    return choice, several


def _label(rows: Points, rule: Rule, device: str | None) -> np.ndarray:
    """Return the labels (n,), int16, of all points."""
    labels = np.empty(len(rows), np.int16)
    first = 0
    for part in rows.parts():
        labels[first : first + len(part)] = rule.label(part, device)
        first += len(part)
    return labels


def by_size(labels: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Renumber clusters (n,), (k, d) by size, the largest first, ties by their first point.

    Computed part by part, because an index into all labels would be four times as large as they.
    """
    k = len(centers)
    counts, first = np.zeros(k, np.int64), np.full(k, len(labels))
    parts = [slice(start, start + PART) for start in range(0, len(labels), PART)]
    for part in parts:
        counts += np.bincount(labels[part], minlength=k)
        present, where = np.unique(labels[part], return_index=True)
        first[present] = np.minimum(first[present], part.start + where)
    order = np.lexsort((first, -counts))
    rank = np.empty(k, labels.dtype)
    rank[order] = np.arange(k)
    renumbered = np.empty_like(labels)
    for part in parts:
        renumbered[part] = rank[labels[part]]
    return renumbered, centers[order]


def _refined(rows: Points, rule: Rule, max_iter: int, tolerance: float, device: str | None) -> Rule:
    """Continue Lloyd's iterations over all points, read part by part; sums are float64."""
    centers = rule.centers
    for _ in range(max_iter):
        sums = ClusterSums(*centers.shape)
        for part in rows.parts():
            moved = rule.move(part, device)
            labels = assign(*(torch.from_numpy(each).to(device) for each in (moved, centers)))
            sums.add(moved, labels.cpu().numpy())
        before, centers = centers, sums.means(centers)
        if np.square(centers - before, dtype=np.float64).sum() <= tolerance:
            break
    return rule._replace(centers=centers)


def rule_near(
    points: np.ndarray, labels: np.ndarray, clusters: Clusters, *, k: int, device: str | None = None
) -> Rule:
    """Return the rule of clusters that Lloyd's iterations end in from labels of the points.

    Parameters
    ----------
    points, labels : array (n, d), float32; array (n,), from 0
        A cluster without points starts at their mean.
    clusters, k, device
        See :func:`cluster_points`; ``k`` is that of the labels.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(points)).to(device)
    metric = fit_metric(tensor, clusters.metric)
    moved = metric.move(tensor).numpy(force=True)
    sums = ClusterSums(k, points.shape[1])
    sums.add(moved, labels)
    rule = rule_of(torch.from_numpy(sums.means(moved.mean(axis=0))), metric)
    tolerance = CENTER_TOLERANCE * float(moved.var(axis=0).mean())
    return _refined(ArrayPoints(points), rule, clusters.max_iter, tolerance, device)


class SeedAgreement(NamedTuple):
    """How well the clusters that other seeds find agree with those of a clustering.

    Attributes
    ----------
    score : float
        Mean adjusted Rand index; NaN where there are too few points for other clusters.
    again : array (k,), float64
        Share of the points of a cluster that are in the one that takes its place, on average.
    """

    score: float
    again: np.ndarray


def agreement_of_seeds(
    points: np.ndarray | Points,
    clustering: Clustering,
    clusters: Clusters,
    *,
    seed: int,
    device: str | None = None,
) -> SeedAgreement:
    """Return how well the clusters that other seeds find agree.

    The mean over three other seeds, each of which clusters a sample of the points (n, d) into the
    same number of clusters.
    """
    from scipy.optimize import linear_sum_assignment

    all_points = ArrayPoints(points) if isinstance(points, np.ndarray) else points
    k, n = len(clustering.centers), len(all_points)
    order = np.random.default_rng([seed, 4])
    ranks = np.sort(order.choice(n, min(n, SEED_POINTS), replace=False))
    if len(ranks) <= k:
        return SeedAgreement(float("nan"), np.ones(k))
    sample = torch.from_numpy(np.ascontiguousarray(all_points.take(ranks))).to(device)
    labels = torch.from_numpy(clustering.labels[ranks].astype(np.int64)).to(device)
    scores, again = [], np.zeros(k)
    for other in range(seed + 1, seed + 1 + SEEDS):
        generator = torch.Generator(sample.device).manual_seed(other % 2**63)
        partition = k_means(sample, k, clusters, generator=generator)
        table = contingency(labels, partition.labels, k)
        scores.append(float(adjusted_rand(table)))
        counts = table.numpy(force=True)
        _, place = linear_sum_assignment(counts, maximize=True)
        sizes, same = counts.sum(axis=1), counts[np.arange(k), place]
        again += np.where(sizes > 0, same / np.maximum(sizes, 1), 1.0) / SEEDS
    return SeedAgreement(float(np.mean(scores)), again)


def exact_silhouettes(
    points: np.ndarray,
    labels: np.ndarray,
    *,
    device: str | None = None,
    progress: PairProgress | None = None,
) -> np.ndarray:
    """Return the exact silhouettes (n,), float32, of points (n, d) with labels (n,).

    They are 0 where all points are one cluster.
    """
    if (labels == labels[0]).all():
        return np.zeros(len(labels), np.float32)
    tensors = (torch.from_numpy(each).to(device) for each in (points, labels))
    per_point = silhouette_image(*tensors, per_point=True, progress=progress).per_point
    assert per_point is not None
    return per_point.numpy(force=True)


def centers_of(rows: Points, labels: np.ndarray, rule: Rule) -> np.ndarray:
    """Return the centers (k, d) of clusters in the space of the points.

    They are the rule's where its metric is Euclidean; else the means of the members, because a mean
    of points on a sphere is not on the sphere. (A cluster without points, which can occur among
    equal points, has the mean of all.)
    """
    if rule.metric == "euclidean":
        return rule.centers
    sums, first = ClusterSums(*rule.centers.shape), 0
    for part in rows.parts():
        sums.add(part, labels[first : first + len(part)])
        first += len(part)
    return sums.means(sums.sums.sum(axis=0) / len(rows))
