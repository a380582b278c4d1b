"""k-means with one k, and the choice of k (IKMeans).

The clustering of arXiv 2401.17695, section 2: k-means for every k of a range, of which one is
chosen by a criterion. The silhouette of that clustering is a differentiable function of the points;
the labels are constants of the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from spectessera._util.check import check_number
from spectessera.evidence import Gain

from ._lloyd import KMeansRun, KMeansSettings
from ._samples import best_runs_for, converge
from ._selection import Judges, groups_of_equal, one_cluster, select
from ._silhouette import ExactSilhouettes, check_points
from ._silhouette_estimate import silhouette_estimates
from ._silhouette_image import silhouette_image
from ._stability import StabilityCurves, stability_curves
from .metric import Metric, fit_metric
from .rule import Evidence, SplitCheck
from .settings import EXACT_POINTS, Clusters

# Seedings per k, unless their number is given.
RESTARTS = 10


class Partition(NamedTuple):
    """One clustering of points, of :func:`k_means`.

    Attributes
    ----------
    labels : tensor (n,), int64
    centers : tensor (k, d)
        In the space of ``metric``.
    inertia : tensor ()
        In the space of ``metric``.
    converged : bool
        Whether Lloyd's iterations ended before ``max_iter``.
    metric : Metric
        Its statistics are those of the points.
    """

    labels: Tensor
    centers: Tensor
    inertia: Tensor
    converged: bool
    metric: Metric


class Choice(NamedTuple):
    """The chosen clustering, and the criteria for all k that were tried.

    Attributes
    ----------
    labels : tensor (n,), int64
    centers : tensor (k, d)
        In the space of ``metric``.
    score : tensor ()
        Silhouette of ``labels``, 0 for one cluster (of more than 131,072 points, before the last
        iterations over all of them); differentiable with respect to the points where it is exact.
    scores : tensor (number of k,)
        Silhouette of the best clustering of every k, constant.
    errors : tensor (number of k,)
        Standard error of every score; 0 where it is exact.
    k : int
    ks : tuple of int
        The k of each of ``scores``.
    criterion : "evidence", "stability", "silhouette" or "equal"
        What chose k; "equal" where the points are so many groups of equal ones.
    inertia : tensor ()
        In the space of ``metric``.
    converged : tuple of bool
        Whether Lloyd's iterations ended before ``max_iter``, for each of ``ks``.
    metric : Metric
        Its statistics are those of the points.
    stability : StabilityCurves or None
        Of the best clustering of every k, constant; None where it was not computed.
    excess : tensor (number of k,), float64, or None
        :meth:`spectessera.kmeans.rule.SplitCheck.separation` of each k, NaN where it was not
        computed; None without a split check.
    gains : tuple of Gain, or None
        Of each of ``ks``, where evidence chose.
    candidates : Candidates or None
        What it was chosen from.
    """

    labels: Tensor
    centers: Tensor
    score: Tensor
    scores: Tensor
    errors: Tensor
    k: int
    ks: tuple[int, ...]
    criterion: str
    inertia: Tensor
    converged: tuple[bool, ...]
    metric: Metric
    stability: StabilityCurves | None = None
    excess: Tensor | None = None
    gains: tuple[Gain, ...] | None = None
    candidates: Candidates | None = None


class Candidates(NamedTuple):
    """The best clustering of every k, and the criteria of all; see :class:`Choice`.

    Attributes
    ----------
    runs : list of KMeansRun
    scores, errors : tensor (number of k,)
    silhouettes : ExactSilhouettes or None
        What has the gradient of the scores, of few points.
    stability : StabilityCurves or None
    """

    runs: list[KMeansRun]
    scores: Tensor
    errors: Tensor
    silhouettes: ExactSilhouettes | None
    stability: StabilityCurves | None


def k_means(
    points: Tensor, k: int, clusters: Clusters | None = None, *, generator: torch.Generator
) -> Partition:
    """Cluster points into exactly k groups by Lloyd's k-means.

    Parameters
    ----------
    points : tensor (n, d)
    k : int
        1 <= k <= n. No cluster is ever empty: one that would be is given the farthest point.
    clusters : Clusters, optional
        Restarts, seeding, iterations and metric.
    generator : torch.Generator
        Source of the seeding.

    Returns
    -------
    Partition

    Raises
    ------
    ValueError
        If points are not finite, not two-dimensional, or fewer than k.

    Examples
    --------
    >>> import torch
    >>> points = torch.tensor([[0.0], [1.0], [8.0], [9.0]])
    >>> k_means(points, 2, generator=torch.Generator().manual_seed(0)).centers.sort(0).values
    tensor([[0.5000],
            [8.5000]])
    """
    points = check_points(points).detach()
    check_number("k", k, low=1, integer=True)
    if k > len(points):
        raise ValueError(f"{k} clusters need at least {k} points; got {len(points)}")
    clusters = clusters or Clusters()
    metric = fit_metric(points, clusters.metric)
    (run,) = best_runs_for(metric.move(points), (k,), _k_means_settings(clusters), generator)
    return Partition(*run, metric)


def _k_means_settings(clusters: Clusters) -> KMeansSettings:
    return KMeansSettings(clusters.restarts or RESTARTS, clusters.seeding, clusters.max_iter)


# --- choice of k -------------------------------------------------------------------------------


def choose_k(
    points: Tensor,
    clusters: Clusters,
    *,
    generator: torch.Generator,
    with_stability: bool = False,
    split_check: SplitCheck | None = None,
    evidence: Evidence | None = None,
    candidates: Candidates | None = None,
) -> Choice:
    """Cluster with every k of a range and choose one by a criterion (IKMeans).

    All computations are in the metric of ``clusters``, whose statistics are those of the points and
    constants of the gradient. Up to 4096 points the silhouettes are exact, and ``score`` is
    differentiable with respect to the points. Of more points they are constant, and estimated
    (:func:`silhouette_estimate`) unless ``clusters.silhouette`` is "exact". Of more than 131,072
    points, the curves belong to the centers that were found on half of that number; only the chosen
    clustering converges on all points.

    Parameters
    ----------
    points : tensor (n, d)
        At least 3 points. Where n <= k_max, the largest k is n - 1.
    clusters : Clusters
    generator : torch.Generator
    with_stability : bool
        Also compute the stability where the silhouette chooses (which is always computed); and
        where it does not, take a few groups of equal points for the clusters, as whose number k is
        chosen, unless noise can be why they are few.
    split_check : SplitCheck, optional
        Where stability chooses: excludes every k, except the smallest, that splits the noise of
        one cluster into two (:class:`spectessera.kmeans.rule.SplitCheck`). Only those k are checked
        that would be chosen otherwise, the largest first.
    evidence : Evidence, optional
        What judges every k where evidence chooses; without it stability chooses.
    candidates : Candidates, optional
        Those of an earlier choice from the same points with the same settings and seed: then only
        the choice is made again.

    Returns
    -------
    Choice

    Raises
    ------
    ValueError
        If points are not finite, fewer than k_min + 1, or too many to be differentiated.

    Examples
    --------
    >>> import torch
    >>> generator = torch.Generator().manual_seed(0)
    >>> centers = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]]).repeat_interleave(40, 0)
    >>> points = centers + torch.randn(120, 2, generator=generator)
    >>> choose_k(points, Clusters(2, 5), generator=generator).k
    3
    """
    points = check_points(points)
    ks, metric = _ks_for(points, clusters), fit_metric(points, clusters.metric)
    equal = groups_of_equal(points, ks[-1], split_check, evidence) if with_stability else None
    points = metric.move(points)
    halves = with_stability or clusters.criterion != "silhouette"
    candidates = candidates or _candidates(points, ks, clusters, generator, halves)
    runs, scores, errors, silhouettes, stability = candidates
    judges = Judges(clusters.criterion, clusters.k_min == 2, split_check, evidence, equal)
    found = select(runs, metric, scores, stability, judges)
    constant = points.detach()
    run = one_cluster(constant) if found.position is None else runs[found.position]
    if found.position is not None and not _is_exact(points, clusters):
        run = converge(constant, run, clusters.max_iter)
    return Choice(
        labels=run.labels,
        centers=run.centers,
        score=_score(found.position, scores, silhouettes),
        scores=scores,
        errors=errors,
        k=len(run.centers),
        ks=ks,
        criterion=found.criterion,
        inertia=run.inertia,
        converged=tuple(each.converged for each in runs),
        metric=metric,
        stability=stability,
        excess=found.excess,
        gains=found.gains,
        candidates=candidates,
    )


def _candidates(
    points: Tensor,
    ks: tuple[int, ...],
    clusters: Clusters,
    generator: torch.Generator,
    halves: bool,
) -> Candidates:
    """Cluster with every k; ``halves``: compute the stability too."""
    constant, settings = points.detach(), _k_means_settings(clusters)
    exact = _is_exact(points, clusters)
    runs = best_runs_for(constant, ks, settings, generator, on_all_points=exact)
    scores, errors, silhouettes = _silhouettes(points, runs, ks, clusters, generator)
    stability = stability_curves(constant, runs, settings, generator) if halves else None
    return Candidates(runs, scores, errors, silhouettes, stability)


def _is_exact(points: Tensor, clusters: Clusters) -> bool:
    return len(points) <= EXACT_POINTS or clusters.silhouette == "exact"


def _score(best: int | None, scores: Tensor, silhouettes: ExactSilhouettes | None) -> Tensor:
    """Return the silhouette of the chosen clustering, with its gradient if that is known."""
    if best is None:
        return scores.new_zeros(())
    return scores[best] if silhouettes is None else silhouettes.score(best)


def _ks_for(points: Tensor, clusters: Clusters) -> tuple[int, ...]:
    """Return the k to be tried, after a check that the points (n, d) suffice."""
    n = len(points)
    if n <= clusters.k_min:
        raise ValueError(
            f"{n} points cannot be divided into {clusters.k_min} or more clusters; "
            f"at least {clusters.k_min + 1} are needed"
        )
    if n > EXACT_POINTS and points.requires_grad:
        raise ValueError(
            f"the silhouette of {n} points is only estimated, without a gradient; "
            f"use batches of at most {EXACT_POINTS}"
        )
    return tuple(range(clusters.k_min, min(clusters.k_max, n - 1) + 1))


def _silhouettes(
    points: Tensor,
    runs: Sequence[KMeansRun],
    ks: tuple[int, ...],
    clusters: Clusters,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, ExactSilhouettes | None]:
    """Return scores and errors (number of k,); of few points also what has their gradients."""
    labels = [run.labels for run in runs]
    if len(points) <= EXACT_POINTS:
        silhouettes = ExactSilhouettes(points, labels, ks)
        return silhouettes.scores, torch.zeros_like(silhouettes.scores), silhouettes
    if clusters.silhouette == "exact":
        scores = silhouette_image(points, torch.stack(labels)).score
        return scores, torch.zeros_like(scores), None
    estimate = silhouette_estimates(points, torch.stack(labels), clusters.samples, generator)
    return estimate.score, estimate.error, None
