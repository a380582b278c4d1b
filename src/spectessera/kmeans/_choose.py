"""k-means and silhouette on tensors, and the choice of k (IKMeans).

The clustering of arXiv 2401.17695, section 2: k-means for every k in a range, the k with the
best silhouette is kept, and that silhouette is a differentiable function of the points. Labels
are constants of the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from spectessera._util.check import check_choice, check_number
from spectessera.result import SPLIT_BELOW

from ._lloyd import STILL, Run, Search, k_means_all, settle
from ._seeding import assign, seed_centers
from ._silhouette import (
    Distances,
    Parts,
    SilhouetteScore,
    check_points,
    silhouette,
    silhouette_parts,
)
from ._silhouette_estimate import Estimate, silhouette_estimate, silhouette_estimates
from ._silhouette_image import ImageSilhouette, PairProgress, silhouette_image
from ._stability import STABLE, Stability, largest_stable, stability
from .metric import METRICS, Metric, fit_metric
from .rule import SplitCheck, rule_of

__all__ = [
    "STABLE",
    "STILL",
    "Choice",
    "Clusters",
    "Estimate",
    "ImageSilhouette",
    "PairProgress",
    "Partition",
    "assign",
    "choose_k",
    "k_means",
    "seed_centers",
    "silhouette",
    "silhouette_estimate",
    "silhouette_image",
]

# Up to this many points the silhouette is computed from the whole matrix of distances (64 MiB).
EXACT_POINTS = 4096


@dataclass(frozen=True)
class Clusters:
    """How points are clustered and how their number of clusters k is chosen.

    Parameters
    ----------
    k_min, k_max : int
        Every k in this range is tried; the one with the best silhouette is kept.
    restarts : int
        Seedings per k; the one with the smallest inertia is kept. (Training uses one.)
    seeding : "greedy", "k-means++" or "random"
        k-means++ draws seeds with probability proportional to the squared distance to the
        nearest seed so far (Arthur & Vassilvitskii 2007); the greedy one takes the best of a few
        such draws each time, which counts where clusters are of unequal size. (Training takes
        one draw.)
    max_iter : int
        Lloyd iterations at most; fewer when the labels stop changing.
    samples : int
        Points whose silhouettes are computed for the estimates, the same for every k, when there
        are too many for the whole matrix of distances.
    silhouette : "auto" or "exact"
        "auto": estimated of more than 4096 points. "exact": of all points, however many; the time
        grows with their square.
    max_points : int
        Of more points, k and the centers are found on a sample of so many, and the others get the
        label of the nearest center.
    refine : bool
        Let Lloyd go on from there over all points.
    metric : "auto", "euclidean", "half-whitened", "whitened", "half-whitened-sphere" or \
            "whitened-sphere"
        In which points are clustered and compared, see :mod:`spectessera.kmeans.metric`: as they
        are; with
        the covariance of all points made less uneven, or unit; either on the unit sphere. "auto" is
        what suits the noise of the spectra (:mod:`spectessera.preprocess.auto`); of points alone,
        as they are.
    criterion : "stability" or "silhouette"
        What chooses k. "silhouette": the largest one (as in the paper). "stability": the largest k
        all of whose clusters come back when half of the points are clustered alone, unless its
        silhouette is far below that of another such k (:mod:`spectessera.kmeans._stability`), or
        it splits the noise of one cluster into two, where the noise is known
        (:class:`spectessera.inference.noise.SeparationOverNoise`); that of the largest silhouette
        where there is no such k. Training takes the silhouette, which has a gradient.
    """

    k_min: int = 2
    k_max: int = 10
    restarts: int = 10
    seeding: str = "greedy"
    max_iter: int = 300
    samples: int = 2000
    silhouette: str = "auto"
    max_points: int = 262_144
    refine: bool = False
    metric: str = "auto"
    criterion: str = "stability"

    def __post_init__(self) -> None:
        check_number("k_min", self.k_min, low=2, integer=True)
        check_number("k_max", self.k_max, low=2, high=1000, integer=True)
        if self.k_max < self.k_min:
            raise ValueError(f"k_max must be at least k_min; got {self.k_min} to {self.k_max}")
        check_number("restarts", self.restarts, low=1, high=1000, integer=True)
        check_choice("seeding", self.seeding, ("greedy", "k-means++", "random"))
        check_number("max_iter", self.max_iter, low=1, integer=True)
        check_number("samples", self.samples, low=10, integer=True)
        check_choice("silhouette", self.silhouette, ("auto", "exact"))
        check_number("max_points", self.max_points, low=1000, integer=True)
        check_choice("refine", self.refine, (False, True))
        check_choice("metric", self.metric, ("auto", *METRICS))
        check_choice("criterion", self.criterion, ("stability", "silhouette"))


class Partition(NamedTuple):
    """One clustering: ``labels (n,)`` int64, ``centers (k, d)``, ``inertia ()``.

    Centers and inertia are in the space of ``metric``, whose statistics are those of the points.
    """

    labels: Tensor
    centers: Tensor
    inertia: Tensor
    converged: bool
    metric: Metric


class Choice(NamedTuple):
    """The best clustering among all k that were tried.

    Attributes
    ----------
    labels : tensor (n,), int64
    centers : tensor (k, d)
    score : tensor ()
        Silhouette of ``labels`` (of more than 131,072 points, before they came to rest on all of
        them); differentiable with respect to the points where it is exact.
    scores : tensor (number of k,)
        Silhouette of the best clustering of every k, constant.
    errors : tensor (number of k,)
        Standard error of every score; 0 where it is exact.
    k : int
    ks : tuple of int
        The k behind each of ``scores``.
    inertia : tensor ()
    converged : tuple of bool
        Whether Lloyd converged for each of ``ks``.
    metric : Metric
        In whose space ``centers`` and ``inertia`` are; its statistics are those of the points.
    stability : Stability or None
        Of the best clustering of every k, constant; None where it was not asked for.
    excess : tensor (number of k,), float64, or None
        :meth:`spectessera.kmeans.rule.SplitCheck.separation` of each k, NaN where it was not
        computed; None without a split check.
    """

    labels: Tensor
    centers: Tensor
    score: Tensor
    scores: Tensor
    errors: Tensor
    k: int
    ks: tuple[int, ...]
    inertia: Tensor
    converged: tuple[bool, ...]
    metric: Metric
    stability: Stability | None = None
    excess: Tensor | None = None


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
        Restarts, seeding and iterations.
    generator : torch.Generator
        Source of the seeding.

    Returns
    -------
    Partition

    Raises
    ------
    ValueError
        If points are not finite, not two-dimensional, or fewer than k.
    """
    points = check_points(points).detach()
    check_number("k", k, low=1, integer=True)
    if k > len(points):
        raise ValueError(f"{k} clusters need at least {k} points; got {len(points)}")
    clusters = clusters or Clusters()
    metric = fit_metric(points, clusters.metric)
    (found,) = k_means_all(metric.move(points), (k,), _search(clusters), generator)
    return Partition(*found, metric)


def _search(clusters: Clusters) -> Search:
    return Search(clusters.restarts, clusters.seeding, clusters.max_iter)


# --- choice of k -------------------------------------------------------------------------------


def choose_k(
    points: Tensor,
    clusters: Clusters,
    *,
    generator: torch.Generator,
    with_stability: bool = False,
    split_check: SplitCheck | None = None,
) -> Choice:
    """Cluster with every k of a range and keep the best k by a criterion (IKMeans).

    All of it happens in the metric of ``clusters``, whose statistics are those of the points and
    constants of the gradient. Up to 4096 points the silhouettes are exact and ``score`` is
    differentiable with respect to the points; beyond, they are constant, and estimated
    (:func:`silhouette_estimate`) unless ``clusters.silhouette`` is "exact". Of more than 131,072
    points, the curves are then those of the centers that were found on half of so many; those that
    are chosen come to rest on all points.

    Parameters
    ----------
    points : tensor (n, d)
        At least 3 points. Where n <= k_max, k runs up to n - 1 only.
    clusters : Clusters
    generator : torch.Generator
    with_stability : bool
        Also compute the stability where the silhouette chooses. (The silhouette is always
        computed.)
    split_check : SplitCheck, optional
        Where stability chooses: rules out every k, except the smallest, that splits the noise of
        one cluster into two (:class:`spectessera.kmeans.rule.SplitCheck`). It is asked only about
        those k that would be chosen otherwise, the largest first.

    Returns
    -------
    Choice

    Raises
    ------
    ValueError
        If points are not finite, fewer than k_min + 1, or too many to be differentiated.
    """
    points = check_points(points)
    n = len(points)
    if n <= clusters.k_min:
        raise ValueError(
            f"{n} points cannot be parted into {clusters.k_min} or more clusters; "
            f"at least {clusters.k_min + 1} are needed"
        )
    ks = tuple(range(clusters.k_min, min(clusters.k_max, n - 1) + 1))
    metric = fit_metric(points, clusters.metric)
    points = metric.move(points)
    constant = points.detach()
    search = _search(clusters)
    exact = n <= EXACT_POINTS or clusters.silhouette == "exact"
    partitions = k_means_all(constant, ks, search, generator, settled=exact)
    if n > EXACT_POINTS:
        if points.requires_grad:
            raise ValueError(
                f"the silhouette of {n} points is only estimated, without a gradient; "
                f"use batches of at most {EXACT_POINTS}"
            )
        judged = None
        labels = torch.stack([part.labels for part in partitions])
        if exact:
            scores = silhouette_image(constant, labels).score
            errors = torch.zeros_like(scores)
        else:
            scores, errors = silhouette_estimates(constant, labels, clusters.samples, generator)
    else:
        judged = _Exact(points, partitions, ks)
        scores = judged.scores
        errors = torch.zeros_like(scores)
    stable = None
    if with_stability or clusters.criterion == "stability":
        stable = stability(constant, partitions, search, generator)
    best, splits = int(scores.argmax()), None
    if stable is not None and clusters.criterion == "stability":
        if split_check is not None:
            splits = _NoiseSplits(split_check, partitions, metric)
        stable_best = largest_stable(stable.scores, stable.errors, scores, splits)
        # Of many clusters the worst is seldom stable; the most stable k would be 2 then.
        best = _best_silhouette(scores, splits) if stable_best is None else stable_best
    if not exact:
        partitions[best] = settle(constant, partitions[best], search.max_iter)
    return Choice(
        labels=partitions[best].labels,
        centers=partitions[best].centers,
        score=scores[best] if judged is None else judged.differentiable(best),
        scores=scores,
        errors=errors,
        k=ks[best],
        ks=ks,
        inertia=partitions[best].inertia,
        converged=tuple(each.converged for each in partitions),
        metric=metric,
        stability=stable,
        excess=None if splits is None else splits.separations,
    )


def _best_silhouette(scores: Tensor, splits: _NoiseSplits | None) -> int:
    """Return the position of the best silhouette among the k that do not split noise.

    Where all of them do, the position of the smallest k.
    """
    best = int(scores.argmax())
    if splits is None:
        return best
    known = (splits.separations < SPLIT_BELOW).nonzero()
    if len(known):  # only a smaller k can be free of splits
        best = int(scores[: max(1, int(known[0]))].argmax())
    while splits(best) and best > 0:
        best = int(scores[:best].argmax())
    return best


class _NoiseSplits:
    """Whether the k at a position splits noise; keeps every separation that was computed."""

    def __init__(self, check: SplitCheck, partitions: Sequence[Run], metric: Metric) -> None:
        self.check, self.partitions, self.metric = check, partitions, metric
        self.separations = torch.full((len(partitions),), torch.nan, dtype=torch.float64)

    def __call__(self, position: int) -> bool:
        rule = rule_of(self.partitions[position].centers, self.metric)
        separation = self.check.separation(rule)
        self.separations[position] = separation
        return separation < SPLIT_BELOW


class _Exact:
    """Exact silhouettes of all k (``scores``), of which one can be had with its gradient.

    One pass over the distances and one matrix product (all one-hot labels side by side) serve
    all k.
    """

    def __init__(self, points: Tensor, partitions: list[Run], ks: tuple[int, ...]) -> None:
        n, widest = len(points), ks[-1]
        self.points, self.ks = points, ks
        self.labels = torch.stack([part.labels for part in partitions])  # (m, n)
        sizes = torch.tensor(ks, device=points.device)
        self.starts = sizes.cumsum(0) - sizes  # first column of every k
        self.onehot = points.new_zeros(n, sum(ks), requires_grad=False)
        self.onehot.scatter_(1, (self.labels + self.starts[:, None]).T, 1.0)
        self.distances = Distances(points)
        sums = self.distances.sums(self.onehot)  # (n, sum k)
        # Padded to the widest k, all k are judged together; padding has no points, no neighbours.
        columns = torch.arange(widest, device=points.device) + self.starts[:, None]  # (m, widest)
        padding = torch.arange(widest, device=points.device) >= sizes[:, None]
        columns = columns.masked_fill(padding, 0)
        counts = self.onehot.sum(0)[columns].masked_fill(padding, 0.0)
        self.parts = silhouette_parts(sums[:, columns].transpose(0, 1), self.labels, counts)
        self.scores = self.parts.score.mean(1)

    def differentiable(self, best: int) -> Tensor:
        """Return the silhouette of one k, differentiable with respect to the points."""
        first = int(self.starts[best])
        mine = self.onehot[:, first : first + self.ks[best]]
        chosen = Parts(*(part[best] for part in self.parts))
        return SilhouetteScore.apply(self.points, self.labels[best], mine, chosen, self.distances)  # type: ignore[no-untyped-call]
