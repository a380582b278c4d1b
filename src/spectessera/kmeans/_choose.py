"""k-means with one k, and the choice of k (IKMeans).

The clustering of arXiv 2401.17695, section 2: k-means for every k of a range, of which one is
chosen by a criterion. The silhouette of that clustering is a differentiable function of the points;
the labels are constants of the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from spectessera._util.check import check_choice, check_number
from spectessera.evidence import Gain

from ._lloyd import KMeansRun, KMeansSettings
from ._samples import best_runs_for, converge
from ._selection import Judges, groups_of_equal, one_cluster, select
from ._silhouette import ExactSilhouettes, check_points
from ._silhouette_estimate import silhouette_estimates
from ._silhouette_image import silhouette_image
from ._stability import StabilityCurves, stability_curves
from .metric import METRICS, Metric, fit_metric
from .rule import Evidence, SplitCheck

# Up to this many points the silhouette is computed from the whole matrix of distances (64 MiB).
EXACT_POINTS = 4096
# Seedings per k, unless their number is given.
RESTARTS = 10


@dataclass(frozen=True)
class Clusters:
    """How points are clustered and how their number of clusters k is chosen.

    Parameters
    ----------
    k_min, k_max : int
        Every k in this range is tried, and one is chosen by ``criterion``.
    restarts : int, optional
        Seedings per k, of which the one with the smallest inertia is used; by default 10, or 30 of
        the latents of an encoder that is not trained. (Training uses one.)
    seeding : "greedy", "k-means++" or "random"
        k-means++ draws seeds with probability proportional to the squared distance to the
        nearest seed so far (Arthur & Vassilvitskii 2007); the greedy one takes the best of a few
        such draws each time, which helps where clusters are of unequal size. (Training takes
        one draw.)
    max_iter : int
        Largest number of Lloyd iterations; they end earlier when no label changes.
    samples : int
        Number of points whose silhouettes are computed where the score is estimated; the same
        points for every k.
    silhouette : "auto" or "exact"
        "auto": estimated for more than 4096 points. "exact": of all points, in a time that grows
        with the square of their number.
    max_points : int
        With more points than this, k and the centers are found on a sample of this size, and the
        other points get the label of the nearest center.
    refine : bool
        Continue Lloyd's iterations over all points from the centers of the sample.
    metric : "auto", "euclidean", "half-whitened", "whitened", "half-whitened-sphere" or \
            "whitened-sphere"
        Space in which points are clustered and compared, see :mod:`spectessera.kmeans.metric`: as
        they are; with the covariance of all points made half or wholly unit; either of these on the
        unit sphere. "auto" is what suits the noise of the spectra
        (:mod:`spectessera.preprocess.auto`); for points without spectra, "euclidean".
    criterion : "evidence", "stability" or "silhouette"
        What chooses k. "evidence": how well clusters that were made from one part of the
        measurement foretell the other part, whose noise is independent, together with stability
        (:mod:`spectessera.evidence`); one cluster if ``k_min`` is 2 and the spectra differ by no
        more than noise. Of maps whose noise is not known, labels of the neighbours of a pixel are
        judged by the pixel. As "stability" in lists of spectra of unknown noise (neither counts
        nor a variance), for fewer than 32 pixels, of points without spectra, and in the fit.
        "stability": the largest k whose clusters are all recovered when half of the points are
        clustered (:mod:`spectessera.kmeans._stability`), except a k whose silhouette is far below
        that of another such k, or that splits the noise of one cluster into two, where the noise is
        known (:class:`spectessera.inference.noise.SeparationOverNoise`); the largest silhouette
        where there is no such k. "silhouette": the largest silhouette (as in the paper). In the
        batches of a training always the silhouette, which has a gradient.

    Examples
    --------
    >>> Clusters(k_min=4, k_max=4).k_max  # exactly four clusters
    4
    """

    k_min: int = 2
    k_max: int = 10
    restarts: int | None = None
    seeding: str = "greedy"
    max_iter: int = 300
    samples: int = 2000
    silhouette: str = "auto"
    max_points: int = 262_144
    refine: bool = False
    metric: str = "auto"
    criterion: str = "evidence"

    def __post_init__(self) -> None:
        check_number("k_min", self.k_min, low=2, integer=True)
        check_number("k_max", self.k_max, low=2, high=1000, integer=True)
        if self.k_max < self.k_min:
            raise ValueError(f"k_max must be at least k_min; got {self.k_min} to {self.k_max}")
        if self.restarts is not None:
            check_number("restarts", self.restarts, low=1, high=1000, integer=True)
        check_choice("seeding", self.seeding, ("greedy", "k-means++", "random"))
        check_number("max_iter", self.max_iter, low=1, integer=True)
        check_number("samples", self.samples, low=10, integer=True)
        check_choice("silhouette", self.silhouette, ("auto", "exact"))
        check_number("max_points", self.max_points, low=1000, integer=True)
        check_choice("refine", self.refine, (False, True))
        check_choice("metric", self.metric, ("auto", *METRICS))
        check_choice("criterion", self.criterion, ("evidence", "stability", "silhouette"))


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
    constant, settings = points.detach(), _k_means_settings(clusters)
    exact = len(points) <= EXACT_POINTS or clusters.silhouette == "exact"
    runs = best_runs_for(constant, ks, settings, generator, on_all_points=exact)
    scores, errors, silhouettes = _silhouettes(points, runs, ks, clusters, generator)
    halves = with_stability or clusters.criterion != "silhouette"
    stability = stability_curves(constant, runs, settings, generator) if halves else None
    judges = Judges(clusters.criterion, clusters.k_min == 2, split_check, evidence, equal)
    found = select(runs, metric, scores, stability, judges)
    run = one_cluster(constant) if found.position is None else runs[found.position]
    if found.position is not None and not exact:
        run = converge(constant, run, settings.max_iter)
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
    )


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
