"""Lloyd's k-means for many numbers of clusters and many restarts at once.

All runs (every k, every restart) of one call are computed together, as one batch: a run is a row
of a padded array of centers, and a run that has converged leaves the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ._seeding import ELEMENTS, seed_centers
from ._silhouette import MANY_DIMENSIONS

# Of more than twice as many points, the restarts compete on a sample of this size.
RESTART_POINTS = 8192
# Of more than twice as many points, the best of them comes to rest on a sample of this size first.
_SETTLE_POINTS = 65_536
# Of so many points, Lloyd ends where the centers move by less: the sum of the squares of their
# moves, in units of the mean variance of the points. (scikit-learn's default is 1e-4.)
STILL = 1e-5
# Restarts compete on so many points of many dimensions, whole spectra: each iteration costs more.
RESTART_SPECTRA = 2048
# Runs of all k are one batch where all have fewer points than this.
_ONE_BATCH = 8192
# Numbers of so many centers need six bits, which leaves four digits to a squared distance.
_MOST_PACKED = 64
# Points of all runs, up to which they are repeated for each run: one call then sums them all.
_ONE_COPY = 2**17
# Points whose distances are added up together.
_IN_CACHE = 8192
# Where fewer than one label in so many changes, sums are mended, not summed anew.
_FEW_MOVE = 8


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


# --- Lloyd -------------------------------------------------------------------------------------


class _Space:
    """Points as their nearest centers are looked for, of many runs at once; assumes centred points.

    Here the product form of squared distances serves: one matrix product for all runs, and a label
    that is wrong by rounding is mended by the next iteration. (The labels of a segmentation are
    :func:`assign`'s.)
    """

    def __init__(self, points: Tensor) -> None:
        self.points = points  # (n, d)
        ones = points.new_ones(len(points), 1)
        self.wide = torch.cat([points, ones], 1).T.contiguous()  # (d + 1, n)
        self.norms = points.square().sum(1)
        self.whole = {4: torch.int32, 8: torch.int64}[points.element_size()]
        # What sums are made of: with more digits, where that does not take too long.
        few = points.shape[1] <= MANY_DIMENSIONS
        self.columns = (points.double() if few else points).T.contiguous()  # (d, n)

    def nearest(self, centers: Tensor, padding: Tensor) -> Tensor:
        """Return labels (runs, n), int64, of centers (runs, k, d).

        ``padding`` (runs, k) is infinite where a run has no such center, else 0.
        """
        runs, k, d = centers.shape
        norms = centers.square().sum(2) + padding
        flat = torch.cat([-2 * centers, norms[..., None]], 2).view(runs * k, d + 1)
        found = torch.empty(runs, len(self.norms), dtype=torch.int64, device=centers.device)
        rows = max(1, ELEMENTS // (runs * k))
        for first in range(0, len(self.norms), rows):
            part = slice(first, first + rows)
            squares = (flat @ self.wide[:, part]).view(runs, k, -1)
            if k > _MOST_PACKED:
                torch.argmin(squares, 1, out=found[:, part])
            else:
                squares.add_(self.norms[part]).clamp_(min=0)
                found[:, part] = self._first_of(squares.view(self.whole))
        return found

    @staticmethod
    def _first_of(bits: Tensor) -> Tensor:
        """Return which of (runs, k, n) is the smallest, by the bits of numbers not below 0.

        Those bits are ordered as the numbers are. With the number of the center in place of the
        last ones, the smallest value tells where it is: that takes a fifth of the time of a search
        that keeps account of positions.
        """
        k = bits.shape[1]
        mask = (1 << (k - 1).bit_length()) - 1
        number = torch.arange(k, dtype=bits.dtype, device=bits.device)[:, None]
        return bits.bitwise_and_(~mask).bitwise_or_(number).amin(1).bitwise_and_(mask)


class _Moments(NamedTuple):
    """Of every cluster of every run: sums (runs, k, d), float64, and counts (runs, k)."""

    sums: Tensor
    counts: Tensor


def _sums(columns: Tensor, labels: Tensor, shift: Tensor, k: int) -> _Moments:
    """Return the sums and counts of the points of each cluster.

    ``columns`` (d, n or runs * n) holds the coordinates of the points, of few points once for every
    run, and ``shift`` (runs, 1) the number of clusters in all runs before. Counting additions go
    in the order of the points, so the sums are the same for any number of threads; a matrix product
    would not promise that.
    """
    runs, n = labels.shape
    flat = (labels + shift).view(-1)
    counts = torch.bincount(flat, minlength=runs * k).view(-1, k)
    if len(columns) > MANY_DIMENSIONS:
        return _Moments(_sums_by_product(columns, labels, k), counts)
    if columns.shape[1] == n < len(flat):
        each = [[torch.bincount(row, column, minlength=k) for column in columns] for row in labels]
        return _Moments(torch.stack([torch.stack(sums, 1) for sums in each]), counts)
    sums = [torch.bincount(flat, column[: len(flat)], minlength=runs * k) for column in columns]
    return _Moments(torch.stack(sums, 1).view(runs, k, -1), counts)


def _moved(
    columns: Tensor,
    rows: Tensor,
    before: _Moments,
    old: Tensor,
    new: Tensor,
    shift: Tensor,
    k: int,
) -> _Moments:
    """Return the moments of the new labels, from those of the old ones where few have changed.

    ``rows`` (n, d) are the points, of which ``columns`` are the coordinates.
    """
    gone = (new != old).view(-1).nonzero()[:, 0]
    n, d = rows.shape
    if len(gone) * _FEW_MOVE > new.numel() or d > MANY_DIMENSIONS:
        return _sums(columns, new, shift, k)
    size = len(new) * k
    left, joined = ((each + shift).view(-1)[gone] for each in (old, new))
    counts = torch.bincount(joined, minlength=size) - torch.bincount(left, minlength=size)
    # One call for all dimensions: of few points the calls are what takes time.
    mine = rows[gone % n].to(columns.dtype).view(-1)
    dimension = torch.arange(d, device=rows.device)
    plus, minus = (
        torch.bincount((each[:, None] * d + dimension).view(-1), mine, minlength=size * d)
        for each in (joined, left)
    )
    change = (plus - minus).view(len(new), k, d)
    return _Moments(before.sums + change, before.counts + counts.view(-1, k))


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
    space: _Space, seeds: Tensor, sizes: Tensor, max_iter: int, still: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Run Lloyd's iterations for all runs at once; assumes checked, centred points.

    ``seeds`` is (runs, k, d), of which run r uses the first ``sizes[r]``. A run has converged when
    no label changes, or the squared moves of its centers add up to no more than ``still``. Returns
    labels (runs, n), centers (runs, k, d) and whether each run converged (runs,).
    """
    runs, k, _ = seeds.shape
    absent = torch.arange(k, device=seeds.device) >= sizes[:, None]
    padding = seeds.new_zeros(runs, k).masked_fill_(absent, torch.inf)
    points, columns = space.points, space.columns
    if points.shape[1] <= MANY_DIMENSIONS and runs * len(points) <= _ONE_COPY:
        columns = columns.repeat(1, runs)  # (d, runs * n)
    shift = k * torch.arange(runs, device=points.device)[:, None]
    labels = torch.full((runs, len(points)), -1, dtype=torch.int64, device=points.device)
    centers = seeds.clone()
    converged = torch.zeros(runs, dtype=torch.bool, device=points.device)
    # The runs that go on, and their state: written back only when one of them has converged.
    active = torch.arange(runs, device=points.device)
    old, now = labels, centers
    moments = _Moments(points.new_zeros(0), counts=points.new_zeros(0))
    for _ in range(max_iter):
        new = space.nearest(now, padding)
        moments = _moved(columns, points, moments, old, new, shift[: len(active)], k)
        if int(moments.counts.count_nonzero()) < int(sizes.sum()):
            for row in ((moments.counts > 0).sum(1) < sizes).nonzero()[:, 0].tolist():
                _fill_empty(points, now[row], new[row], moments.counts[row], int(sizes[row]))
            moments = _sums(columns, new, shift[: len(active)], k)
        changed = (new != old).any(1)
        means = (moments.sums / moments.counts.clamp(min=1)[..., None]).to(points.dtype)
        if still > 0:
            changed &= (means - now).square().sum((1, 2), dtype=torch.float64) > still
        old, now = new, means
        if not changed.all():
            labels[active], centers[active], converged[active] = old, now, ~changed
            active, old, now = active[changed], old[changed], now[changed]
            moments = _Moments(moments.sums[changed], moments.counts[changed])
            padding, sizes = padding[changed], sizes[changed]
            if len(active) == 0:
                break
    labels[active], centers[active] = old, now
    return labels, centers, converged


def _inertia(points: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """Return the sum of the squared distances, float64; parts stay in the cache."""
    total = points.new_zeros((), dtype=torch.float64)
    for part, mine in zip(points.split(_IN_CACHE), labels.split(_IN_CACHE), strict=True):
        total += (part - centers[mine]).square_().sum(dtype=torch.float64)
    return total


def best_runs(
    points: Tensor,
    ks: tuple[int, ...],
    search: Search,
    generator: torch.Generator,
    known: Tensor | None = None,
    still: float = 0.0,
) -> list[Run]:
    """Return the best of all restarts for every k; assumes centred points.

    ``known`` (number of k, largest k, d) are centers that one more run of every k starts from; for
    ``still`` see :func:`_lloyd`.
    """
    seeds = seed_centers(
        points, ks[-1], restarts=search.restarts, seeding=search.seeding, generator=generator
    )
    starts = seeds.expand(len(ks), *seeds.shape)  # (number of k, restarts, k, d)
    if known is not None:
        starts = torch.cat([known[:, None], starts], 1)
    best, space = [], _Space(points)
    for part in _alike(ks, len(points) * starts.shape[1]):
        mine = starts[part, :, : ks[part][-1]]
        best += _best_of(space, mine, ks[part], search.max_iter, still)
    return best


def _alike(ks: tuple[int, ...], points: int) -> list[slice]:
    """Return the k that run in one batch: all, or of many points those that differ by a third.

    In a batch every run takes the time of the largest k; of few points, calls cost more than that.
    """
    if points < _ONE_BATCH:
        return [slice(0, len(ks))]
    parts, first = [], 0
    for position, k in enumerate(ks):
        if 3 * k > 4 * ks[first]:
            parts.append(slice(first, position))
            first = position
    return [*parts, slice(first, len(ks))]


def _best_of(
    space: _Space, starts: Tensor, ks: tuple[int, ...], max_iter: int, still: float = 0.0
) -> list[Run]:
    """Run from all starts (number of k, starts, k, d) and return the best for every k."""
    each = starts.shape[1]
    sizes = torch.tensor(ks, device=starts.device).repeat_interleave(each)
    labels, centers, converged = _lloyd(space, starts.flatten(0, 1), sizes, max_iter, still)
    best = []
    for position, k in enumerate(ks):
        first = position * each
        mine = range(first, first + each)
        costs = [_inertia(space.points, labels[run], centers[run]) for run in mine]
        run = first + (int(torch.stack(costs).argmin()) if len(costs) > 1 else 0)
        best.append(Run(labels[run], centers[run, :k], costs[run - first], bool(converged[run])))
    return best


def padded(runs: Sequence[Run]) -> Tensor:
    """Return the centers of runs in one tensor (runs, largest k, d), the rest 0."""
    most = max(len(run.centers) for run in runs)
    return torch.stack(
        [torch.nn.functional.pad(run.centers, (0, 0, 0, most - len(run.centers))) for run in runs]
    )


def k_means_all(
    points: Tensor,
    ks: tuple[int, ...],
    search: Search,
    generator: torch.Generator,
    *,
    settled: bool = True,
) -> list[Run]:
    """Return the best clustering for every k; assumes checked input without gradient.

    Of many points, the restarts compete on a sample and the best one of every k is then carried
    on with all points: ten times the restarts for little more than the time of one. Of very many,
    it converges on a larger sample in between, and on all points until the centers hardly move;
    or, not ``settled``, all points only get the labels of the nearest centers: see :func:`settle`.
    """
    shift = points.mean(0, dtype=torch.float64).to(points.dtype)
    points = points - shift
    many = points.shape[1] <= MANY_DIMENSIONS
    few = RESTART_POINTS if many else RESTART_SPECTRA
    if len(points) <= 2 * few:
        best = best_runs(points, ks, search, generator)
    else:
        order = torch.randperm(len(points), generator=generator, device=generator.device)
        order = order.to(points.device)
        very = many and _are_very_many(points)
        still = _still(points) if very else 0.0
        best = best_runs(points[order[:few].sort().values], ks, search, generator, still=still)
        if very:
            sample = points[order[:_SETTLE_POINTS].sort().values]
            best = _carried_on(sample, best, ks, search.max_iter, still / 10 if settled else still)
        if very and not settled:
            best = _labelled(points, best)
        else:
            best = _carried_on(points, best, ks, search.max_iter, still)
    return [part._replace(centers=part.centers + shift) for part in best]


def settle(points: Tensor, run: Run, max_iter: int) -> Run:
    """Let a clustering of very many points that only had the nearest centers come to rest."""
    if points.shape[1] > MANY_DIMENSIONS or not _are_very_many(points):
        return run
    shift = points.mean(0, dtype=torch.float64).to(points.dtype)
    points, begun = points - shift, run._replace(centers=run.centers - shift)
    (run,) = _carried_on(points, [begun], (len(run.centers),), max_iter, _still(points))
    return run._replace(centers=run.centers + shift)


def _are_very_many(points: Tensor) -> bool:
    return len(points) > 2 * _SETTLE_POINTS


def _still(points: Tensor) -> float:
    return STILL * float(points.var(0).mean())


def _labelled(points: Tensor, runs: list[Run]) -> list[Run]:
    """Return the clusterings of points by the centers of others."""
    space, found = _Space(points), []
    for run in runs:
        centers = run.centers[None]
        (labels,) = space.nearest(centers, centers.new_zeros(centers.shape[:2]))
        cost = _inertia(points, labels, run.centers)
        found.append(Run(labels, run.centers, cost, run.converged))
    return found


def _carried_on(
    points: Tensor, runs: list[Run], ks: tuple[int, ...], max_iter: int, still: float
) -> list[Run]:
    """Return the clusterings of points that begin at the centers of others."""
    starts = padded(runs)[:, None]
    best, space = [], _Space(points)
    for part in _alike(ks, len(points)):
        best += _best_of(space, starts[part, :, : ks[part][-1]], ks[part], max_iter, still)
    return best
