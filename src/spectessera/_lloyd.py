"""Lloyd's k-means for many numbers of clusters and many restarts at once.

All runs (every k, every restart) of one call are computed together, as one batch: a run is a row
of a padded array of centers, and a run that has converged leaves the batch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ._silhouette import MANY_DIMENSIONS, squared_distances

# Of more than twice as many points, the restarts compete on a sample of this size.
RESTART_POINTS = 8192
# The same for points of many dimensions, whole spectra, of which each iteration costs far more.
RESTART_SPECTRA = 2048
# Elements of the largest temporary (64 MiB in float32), whatever the number of points.
_ELEMENTS = 16 * 1024 * 1024


class Search(NamedTuple):
    """How the clustering of least inertia is looked for; see :class:`spectessera.Clusters`."""

    restarts: int
    seeding: str
    max_iter: int


class Run(NamedTuple):
    """One clustering: ``labels (n,)`` int64, ``centers (k, d)``, ``inertia ()``."""

    labels: Tensor
    centers: Tensor
    inertia: Tensor
    converged: bool


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
    """Return seeds (restarts, k, d); the first j of them are a seeding for j search."""
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


def best_runs(
    points: Tensor, ks: tuple[int, ...], search: Search, generator: torch.Generator
) -> list[Run]:
    """Return the best of all restarts for every k; assumes centred points."""
    seeds = seed_centers(
        points, ks[-1], restarts=search.restarts, seeding=search.seeding, generator=generator
    )
    runs = seeds.repeat(len(ks), 1, 1)  # run = position of k * restarts + restart
    sizes = torch.tensor(ks, device=points.device).repeat_interleave(search.restarts)
    labels, centers, converged = _lloyd(points, runs, sizes, search.max_iter)
    best = []
    for position, k in enumerate(ks):
        first = position * search.restarts
        mine = range(first, first + search.restarts)
        costs = [_inertia(points, labels[run], centers[run]) for run in mine]
        run = first + (int(torch.stack(costs).argmin()) if len(costs) > 1 else 0)
        best.append(Run(labels[run], centers[run, :k], costs[run - first], bool(converged[run])))
    return best


def k_means_all(
    points: Tensor, ks: tuple[int, ...], search: Search, generator: torch.Generator
) -> list[Run]:
    """Return the best clustering for every k; assumes checked input without gradient.

    Of many points, the restarts compete on a sample and the best one of every k is then carried
    to convergence on all points: ten times the restarts for little more than the time of one.
    """
    shift = points.mean(0, dtype=torch.float64).to(points.dtype)
    points = points - shift
    few = RESTART_POINTS if points.shape[1] <= MANY_DIMENSIONS else RESTART_SPECTRA
    if len(points) > 2 * few and search.restarts > 1:
        order = torch.randperm(len(points), generator=generator, device=generator.device)
        sample = points[order[:few].sort().values.to(points.device)]
        seeds = points.new_zeros(len(ks), ks[-1], points.shape[1])
        for row, part in zip(seeds, best_runs(sample, ks, search, generator), strict=True):
            row[: len(part.centers)] = part.centers
        sizes = torch.tensor(ks, device=points.device)
        labels, centers, converged = _lloyd(points, seeds, sizes, search.max_iter)
        best = [
            Run(each, center[:k], _inertia(points, each, center), bool(done))
            for each, center, k, done in zip(labels, centers, ks, converged, strict=True)
        ]
    else:
        best = best_runs(points, ks, search, generator)
    return [part._replace(centers=part.centers + shift) for part in best]
