"""k-means and silhouette on tensors: k-means++ seeding, Lloyd, choice of k (IKMeans).

The clustering of arXiv 2401.17695, section 2: k-means for every k in a range, the k with the
best silhouette is kept, and that silhouette is a differentiable function of the points. Labels
are constants of the gradient.

All runs (every k, every restart) of one call are computed together, as one batch: a run is a row
of a padded array of centers, and a run that has converged leaves the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ._check import check_choice, check_number
from ._silhouette import (
    MANY_DIMENSIONS,
    Distances,
    Estimate,
    Parts,
    SilhouetteScore,
    check_points,
    silhouette,
    silhouette_estimate,
    silhouette_parts,
    squared_distances,
)
from .metric import METRICS, Metric, fit_metric

__all__ = [
    "Choice",
    "Clusters",
    "Estimate",
    "Partition",
    "assign",
    "choose_k",
    "k_means",
    "order_by_size",
    "seed_centers",
    "silhouette",
    "silhouette_estimate",
]

# Up to this many points the silhouette is computed from the whole matrix of distances (64 MiB).
EXACT_POINTS = 4096
# Of more than twice as many points, the restarts compete on a sample of this size.
RESTART_POINTS = 8192
# The same for points of many dimensions, whole spectra, of which each iteration costs far more.
RESTART_SPECTRA = 2048
# Elements of the largest temporary (64 MiB in float32), whatever the number of points.
_ELEMENTS = 16 * 1024 * 1024


@dataclass(frozen=True)
class Clusters:
    """How points are clustered and how their number of clusters k is chosen.

    Parameters
    ----------
    k_min, k_max : int
        Every k in this range is tried; the one with the best silhouette is kept.
    restarts : int
        Seedings per k; the one with the smallest inertia is kept. (Training uses one.)
    seeding : "k-means++" or "random"
        k-means++ draws seeds with probability proportional to the squared distance to the
        nearest seed so far (Arthur & Vassilvitskii 2007).
    max_iter : int
        Lloyd iterations at most; fewer when the labels stop changing.
    samples : int
        Points whose silhouette is computed for the estimate, per k, when there are too many for
        the whole matrix of distances.
    metric : "euclidean", "half-whitened", "whitened" or "whitened-sphere"
        In which points are clustered and compared, see :mod:`spectessera.metric`: as they are; with
        the covariance of all points made less uneven, or unit; unit and then on the unit sphere.
    """

    k_min: int = 2
    k_max: int = 10
    restarts: int = 10
    seeding: str = "k-means++"
    max_iter: int = 300
    samples: int = 2000
    metric: str = "euclidean"

    def __post_init__(self) -> None:
        check_number("k_min", self.k_min, low=2, integer=True)
        check_number("k_max", self.k_max, low=2, high=1000, integer=True)
        if self.k_max < self.k_min:
            raise ValueError(f"k_max must be at least k_min; got {self.k_min} to {self.k_max}")
        check_number("restarts", self.restarts, low=1, high=1000, integer=True)
        check_choice("seeding", self.seeding, ("k-means++", "random"))
        check_number("max_iter", self.max_iter, low=1, integer=True)
        check_number("samples", self.samples, low=10, integer=True)
        check_choice("metric", self.metric, METRICS)


class Partition(NamedTuple):
    """One clustering: ``labels (n,)`` int64, ``centers (k, d)``, ``inertia ()``.

    Centers and inertia are in the space of ``metric``, whose statistics are those of the points.
    """

    labels: Tensor
    centers: Tensor
    inertia: Tensor
    converged: bool
    metric: Metric


class _Run(NamedTuple):
    """As :class:`Partition`, of points that are in the space of the metric already."""

    labels: Tensor
    centers: Tensor
    inertia: Tensor
    converged: bool


class Choice(NamedTuple):
    """The clustering with the best silhouette among all k that were tried.

    Attributes
    ----------
    labels : tensor (n,), int64
    centers : tensor (k, d)
    score : tensor ()
        Silhouette of ``labels``; differentiable with respect to the points where it is exact.
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


# --- assignment -----------------------------------------------------------------------------------


def assign(points: Tensor, centers: Tensor) -> Tensor:
    """Return the index of the nearest center of every point, (n, d), (k, d) -> (n,).

    The first center wins a tie. Every row is computed on its own: the answer does not depend on
    the other rows, on blocks or on threads.
    """
    rows = max(1, _ELEMENTS // len(centers))
    return torch.cat([squared_distances(part, centers).argmin(1) for part in points.split(rows)])


# --- seeding -----------------------------------------------------------------------------------


def seed_centers(
    points: Tensor, k: int, *, restarts: int, seeding: str, generator: torch.Generator
) -> Tensor:
    """Return seeds (restarts, k, d); the first j of them are a seeding for j clusters."""
    n = len(points)
    if seeding == "random":
        order = torch.stack(
            [
                torch.randperm(n, generator=generator, device=generator.device)[:k]
                for _ in range(restarts)
            ]
        )
        return points[order.to(points.device)]
    draws = torch.rand(
        (k, restarts), generator=generator, device=generator.device, dtype=torch.float64
    ).to(points.device)
    index = (draws[0] * n).long().clamp_(max=n - 1)  # (restarts,)
    chosen = [points[index]]
    nearest = squared_distances(chosen[0], points)  # (restarts, n)
    for j in range(1, k):
        cumulated = nearest.double().cumsum(1)
        total = cumulated[:, -1:]
        if not (total > 0).all():  # all points coincide with a seed: any is as good as another
            flat = torch.arange(1, n + 1, device=points.device, dtype=cumulated.dtype)
            cumulated = torch.where(total > 0, cumulated, flat.expand_as(cumulated))
        target = draws[j, :, None] * cumulated[:, -1:]
        index = torch.searchsorted(cumulated, target, right=True)[:, 0].clamp_(max=n - 1)
        chosen.append(points[index])
        nearest = torch.minimum(nearest, squared_distances(chosen[-1], points))
    return torch.stack(chosen, 1)  # (restarts, k, d)


# --- Lloyd -------------------------------------------------------------------------------------


def _nearest(points: Tensor, centers: Tensor, padding: Tensor) -> Tensor:
    """Return labels (runs, n) of all runs at once; assumes centred points.

    ``padding`` (runs, k) is infinite where a run has no such center, else 0. Here the product form
    serves: one matrix product for all runs, and a label that is wrong by rounding is mended by the
    next iteration. (The labels of a segmentation are :func:`assign`'s.)
    """
    runs, k, d = centers.shape
    norms = centers.square().sum(2).add_(padding).view(-1)  # (runs * k,)
    flat = centers.view(runs * k, d).T
    rows = max(1, _ELEMENTS // (runs * k))
    found = [
        # The last axis is the fast one to search: a middle axis takes six times as long.
        torch.addmm(norms, part, flat, alpha=-2).view(-1, runs, k).argmin(2)
        for part in points.split(rows)
    ]
    return (found[0] if len(found) == 1 else torch.cat(found)).T.contiguous()


def _sums(columns: Tensor, labels: Tensor, shift: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return sums (runs, k, d) in float64 and counts (runs, k) of the points of each cluster.

    ``columns`` (d, runs * n or more) holds the coordinates of the points, once for every run, and
    ``shift`` (runs, 1) the number of clusters in all runs before. Counting additions go in the
    order of the points, so the sums are the same for any number of threads; a matrix product
    would not promise that.
    """
    flat = (labels + shift).view(-1)
    size = len(labels) * k
    counts = torch.bincount(flat, minlength=size).view(-1, k)
    if len(columns) > MANY_DIMENSIONS:
        return _sums_by_product(columns[:, : labels.shape[1]], labels, k), counts
    sums = [torch.bincount(flat, column[: len(flat)], minlength=size) for column in columns]
    return torch.stack(sums, 1).view(len(labels), k, -1), counts


def _sums_by_product(columns: Tensor, labels: Tensor, k: int) -> Tensor:
    """Return sums (runs, k, d) of points of many dimensions, run by run.

    One bincount for every dimension would take far longer; the price is that other numbers of
    threads may add in another order.
    """
    return torch.stack(
        [(columns @ torch.nn.functional.one_hot(each, k).to(columns)).T for each in labels]
    )


def _fill_empty(points: Tensor, centers: Tensor, labels: Tensor, counts: Tensor, k: int) -> None:
    """Give every empty cluster of one run the point farthest from its own center, in place.

    A point that is alone in its cluster is not taken, so no cluster is emptied by this; there are
    at least k points, so it always ends.
    """
    distance = (points - centers[labels]).square().sum(1)
    order = iter(distance.argsort(descending=True, stable=True).tolist())
    for empty in (counts[:k] == 0).nonzero()[:, 0].tolist():
        for point in order:
            if counts[labels[point]] > 1:
                counts[labels[point]] -= 1
                labels[point] = empty
                counts[empty] = 1
                break


def _lloyd(
    points: Tensor, seeds: Tensor, sizes: Tensor, max_iter: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Run Lloyd's iterations for all runs at once; assumes checked, centred points.

    ``seeds`` is (runs, k, d), of which run r uses the first ``sizes[r]``. Returns labels
    (runs, n), centers (runs, k, d) and whether each run converged (runs,).
    """
    runs, k, _ = seeds.shape
    absent = torch.arange(k, device=points.device) >= sizes[:, None]
    padding = seeds.new_zeros(runs, k).masked_fill_(absent, torch.inf)
    columns = points.T.contiguous()  # (d, n)
    if points.shape[1] <= MANY_DIMENSIONS:
        columns = columns.double().repeat(1, runs)  # (d, runs * n)
    shift = k * torch.arange(runs, device=points.device)[:, None]
    labels = torch.full((runs, len(points)), -1, dtype=torch.int64, device=points.device)
    centers = seeds.clone()
    converged = torch.zeros(runs, dtype=torch.bool, device=points.device)
    # The runs that go on, and their state: written back only when one of them has converged.
    active = torch.arange(runs, device=points.device)
    old, now = labels, centers
    for _ in range(max_iter):
        new = _nearest(points, now, padding)
        sums, counts = _sums(columns, new, shift[: len(active)], k)
        if int(counts.count_nonzero()) < int(sizes.sum()):
            for row in ((counts > 0).sum(1) < sizes).nonzero()[:, 0].tolist():
                _fill_empty(points, now[row], new[row], counts[row], int(sizes[row]))
            sums, counts = _sums(columns, new, shift[: len(active)], k)
        changed = (new != old).any(1)
        old, now = new, (sums / counts.clamp(min=1)[..., None]).to(points.dtype)
        if not changed.all():
            labels[active], centers[active], converged[active] = old, now, ~changed
            active, old, now = active[changed], old[changed], now[changed]
            padding, sizes = padding[changed], sizes[changed]
            if len(active) == 0:
                break
    labels[active], centers[active] = old, now
    return labels, centers, converged


def _inertia(points: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    return (points - centers[labels]).square().sum(dtype=torch.float64)


def _best_runs(
    points: Tensor, ks: tuple[int, ...], clusters: Clusters, generator: torch.Generator
) -> list[_Run]:
    """Return the best of all restarts for every k; assumes centred points."""
    seeds = seed_centers(
        points, ks[-1], restarts=clusters.restarts, seeding=clusters.seeding, generator=generator
    )
    runs = seeds.repeat(len(ks), 1, 1)  # run = position of k * restarts + restart
    sizes = torch.tensor(ks, device=points.device).repeat_interleave(clusters.restarts)
    labels, centers, converged = _lloyd(points, runs, sizes, clusters.max_iter)
    best = []
    for position, k in enumerate(ks):
        first = position * clusters.restarts
        mine = range(first, first + clusters.restarts)
        costs = [_inertia(points, labels[run], centers[run]) for run in mine]
        run = first + (int(torch.stack(costs).argmin()) if len(costs) > 1 else 0)
        best.append(_Run(labels[run], centers[run, :k], costs[run - first], bool(converged[run])))
    return best


def _k_means_all(
    points: Tensor, ks: tuple[int, ...], clusters: Clusters, generator: torch.Generator
) -> list[_Run]:
    """Return the best clustering for every k; assumes checked input without gradient.

    Of many points, the restarts compete on a sample and the best one of every k is then carried
    to convergence on all points: ten times the restarts for little more than the time of one.
    """
    shift = points.mean(0, dtype=torch.float64).to(points.dtype)
    points = points - shift
    few = RESTART_POINTS if points.shape[1] <= MANY_DIMENSIONS else RESTART_SPECTRA
    if len(points) > 2 * few and clusters.restarts > 1:
        order = torch.randperm(len(points), generator=generator, device=generator.device)
        sample = points[order[:few].sort().values.to(points.device)]
        seeds = points.new_zeros(len(ks), ks[-1], points.shape[1])
        for row, part in zip(seeds, _best_runs(sample, ks, clusters, generator), strict=True):
            row[: len(part.centers)] = part.centers
        sizes = torch.tensor(ks, device=points.device)
        labels, centers, converged = _lloyd(points, seeds, sizes, clusters.max_iter)
        best = [
            _Run(each, center[:k], _inertia(points, each, center), bool(done))
            for each, center, k, done in zip(labels, centers, ks, converged, strict=True)
        ]
    else:
        best = _best_runs(points, ks, clusters, generator)
    return [part._replace(centers=part.centers + shift) for part in best]


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
    return Partition(*_k_means_all(metric.move(points), (k,), clusters, generator)[0], metric)


# --- choice of k -------------------------------------------------------------------------------


def choose_k(points: Tensor, clusters: Clusters, *, generator: torch.Generator) -> Choice:
    """Cluster with every k of a range and keep the k with the best silhouette (IKMeans).

    All of it happens in the metric of ``clusters``, whose statistics are those of the points and
    constants of the gradient. Up to 4096 points the silhouettes are exact and ``score`` is
    differentiable with respect to the points; beyond, they are estimated
    (:func:`silhouette_estimate`) and constant.

    Parameters
    ----------
    points : tensor (n, d)
        At least 3 points. Where n <= k_max, k runs up to n - 1 only.
    clusters : Clusters
    generator : torch.Generator

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
    partitions = _k_means_all(constant, ks, clusters, generator)
    if n > EXACT_POINTS:
        if points.requires_grad:
            raise ValueError(
                f"the silhouette of {n} points is only estimated, without a gradient; "
                f"use batches of at most {EXACT_POINTS}"
            )
        estimates = [
            silhouette_estimate(
                constant, part.labels, samples=clusters.samples, generator=generator
            )
            for part in partitions
        ]
        scores = torch.stack([each.score for each in estimates])
        errors = torch.stack([each.error for each in estimates])
        best = int(scores.argmax())
        score = scores[best]
    else:
        scores, score, best = _exact_scores(points, partitions, ks)
        errors = torch.zeros_like(scores)
    return Choice(
        labels=partitions[best].labels,
        centers=partitions[best].centers,
        score=score,
        scores=scores,
        errors=errors,
        k=ks[best],
        ks=ks,
        inertia=partitions[best].inertia,
        converged=tuple(each.converged for each in partitions),
        metric=metric,
    )


def _exact_scores(
    points: Tensor, partitions: list[_Run], ks: tuple[int, ...]
) -> tuple[Tensor, Tensor, int]:
    """Return all silhouettes, the differentiable best one and its position.

    One pass over the distances and one matrix product (all one-hot labels side by side) serve
    all k.
    """
    n, widest = len(points), ks[-1]
    labels = torch.stack([part.labels for part in partitions])  # (m, n)
    sizes = torch.tensor(ks, device=points.device)
    starts = sizes.cumsum(0) - sizes  # first column of every k
    onehot = points.new_zeros(n, sum(ks), requires_grad=False)
    onehot.scatter_(1, (labels + starts[:, None]).T, 1.0)
    distances = Distances(points)
    sums = distances.sums(onehot)  # (n, sum k)
    # Padded to the widest k, all k are judged together; padding has no points and no neighbours.
    columns = torch.arange(widest, device=points.device) + starts[:, None]  # (m, widest)
    padding = torch.arange(widest, device=points.device) >= sizes[:, None]
    columns = columns.masked_fill(padding, 0)
    counts = onehot.sum(0)[columns].masked_fill(padding, 0.0)
    parts = silhouette_parts(sums[:, columns].transpose(0, 1), labels, counts)
    scores = parts.score.mean(1)
    best = int(scores.argmax())
    mine = slice(int(starts[best]), int(starts[best]) + ks[best])
    chosen = Parts(*(part[best] for part in parts))
    score = SilhouetteScore.apply(points, labels[best], onehot[:, mine], chosen, distances)
    return scores, score, best


def order_by_size(labels: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Renumber clusters by size, the largest first, ties by their first point."""
    k = len(centers)
    counts = torch.bincount(labels, minlength=k)
    n = len(labels)
    positions = torch.arange(n, device=labels.device)
    first = torch.full((k,), n, device=labels.device).scatter_reduce(0, labels, positions, "amin")
    order = sorted(range(k), key=lambda each: (-int(counts[each]), int(first[each])))
    rank = torch.empty(k, dtype=torch.int64, device=labels.device)
    rank[torch.tensor(order, device=labels.device)] = torch.arange(k, device=labels.device)
    return rank[labels], centers[torch.tensor(order, device=labels.device)]
