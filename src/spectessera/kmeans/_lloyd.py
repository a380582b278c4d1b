"""Lloyd's k-means for many numbers of clusters and many restarts at once.

All runs (every k, every restart) of one call are computed together as one batch. A run is a row of
a padded array of centers, and a run that has converged leaves the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ._seeding import ELEMENTS, seed_centers
from ._silhouette import MANY_DIMENSIONS

# The runs of all k are one batch where they have fewer points than this together.
_ONE_BATCH = 8192
# The numbers of this many centers need six bits, which leaves four digits for a squared distance.
_MAX_PACKED = 64
# Up to this many squares, one call that tracks positions is faster than the calls around packing.
_FEW_SQUARES = 2**13
# Up to this many points in all runs, the points are copied for each run: one call then sums all.
_ONE_COPY = 2**17
# Up to this many summands in all runs, all sums are computed again by one call: with few points
# the calls take most of the time.
_ONE_CALL = 2**17
# Number of points whose distances are added together.
_IN_CACHE = 8192
# Where fewer than one label in this many changes, sums are updated instead of computed again.
_UPDATE_SHARE = 8


class KMeansSettings(NamedTuple):
    """How the clustering of least inertia is searched; see :class:`spectessera.Clusters`."""

    restarts: int
    seeding: str
    max_iter: int


class KMeansRun(NamedTuple):
    """One clustering: ``labels (n,)`` int64, ``centers (k, d)``, ``inertia ()``."""

    labels: Tensor
    centers: Tensor
    inertia: Tensor
    converged: bool


# --- Lloyd -------------------------------------------------------------------------------------


class CenterSearch:
    """Search for the nearest centers of points, of many runs at once; assumes centred points.

    Squared distances come from one matrix product for all runs. A label that is wrong by rounding
    is corrected by the next iteration. (The labels of a segmentation are those of
    :func:`spectessera.kmeans.assign`.)
    """

    def __init__(self, points: Tensor) -> None:
        self.points = points  # (n, d)
        ones = points.new_ones(len(points), 1)
        self.wide = torch.cat([points, ones], 1).T.contiguous()  # (d + 1, n)
        self.norms = points.square().sum(1)
        self.bits = {4: torch.int32, 8: torch.int64}[points.element_size()]
        # The summands of the centers: in float64 where that does not take too long.
        few = points.shape[1] <= MANY_DIMENSIONS
        self.columns = (points.double() if few else points).T.contiguous()  # (d, n)

    def nearest(self, centers: Tensor, padding: Tensor) -> Tensor:
        """Return labels (runs, n), int64, of centers (runs, k, d).

        ``padding`` (runs, k) is infinite where a run has no such center, else 0.
        """
        runs, k, d = centers.shape
        norms = centers.square().sum(2) + padding
        flat = torch.cat([-2 * centers, norms[..., None]], 2).view(runs * k, d + 1)
        rows = max(1, ELEMENTS // (runs * k))
        if rows >= len(self.norms):
            return self._nearest((flat @ self.wide).view(runs, k, -1), self.norms)
        labels = torch.empty(runs, len(self.norms), dtype=torch.int64, device=centers.device)
        for first in range(0, len(self.norms), rows):
            part = slice(first, first + rows)
            squares = (flat @ self.wide[:, part]).view(runs, k, -1)
            labels[:, part] = self._nearest(squares, self.norms[part])
        return labels

    def _nearest(self, squares: Tensor, norms: Tensor) -> Tensor:
        """Return the labels of squares (runs, k, n), to which the norms are to be added."""
        if squares.shape[1] > _MAX_PACKED or squares.numel() <= _FEW_SQUARES:
            return squares.min(1).indices  # faster than argmin
        squares.add_(norms).clamp_(min=0)
        return self._smallest(squares.view(self.bits)).long()

    @staticmethod
    def _smallest(bits: Tensor) -> Tensor:
        """Return the position in k of the smallest of (runs, k, n), by the bits of numbers >= 0.

        The bits have the same order as the numbers. The last bits are replaced by the number of
        the center, so that the smallest value contains its position: this takes a fifth of the
        time of a search that also tracks positions.
        """
        k = bits.shape[1]
        mask = (1 << (k - 1).bit_length()) - 1
        number = torch.arange(k, dtype=bits.dtype, device=bits.device)[:, None]
        return bits.bitwise_and_(~mask).bitwise_or_(number).amin(1).bitwise_and_(mask)


class _Moments(NamedTuple):
    """Sums (runs, k, d), float64, and counts (runs, k), whole, of every cluster of every run."""

    sums: Tensor
    counts: Tensor


def _sums(columns: Tensor, labels: Tensor, shift: Tensor, k: int) -> _Moments:
    """Return the sums and counts of the points of each cluster.

    ``columns`` (d, n or runs * n) holds the coordinates of the points, of few points once for every
    run, and ``shift`` (runs, 1) the number of clusters in all runs before. ``bincount`` adds in the
    order of the points, so the sums are the same for any number of threads; a matrix product does
    not guarantee that.
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


class _Summation:
    """The moments of the clusters of all runs."""

    def __init__(self, search: CenterSearch, runs: int, k: int) -> None:
        self.points, self.columns, self.k = search.points, search.columns, k
        n, d = self.points.shape
        self.shift = k * torch.arange(runs, device=self.points.device)[:, None]
        self.summands, few = None, d <= MANY_DIMENSIONS
        if few and runs * n * (d + 1) <= _ONE_CALL:
            one = self.columns.new_ones(1, n)
            self.summands = torch.cat([self.columns, one]).T.repeat(runs, 1).view(-1)
            dimension = torch.arange(d + 1, device=self.points.device)
            self.place = self.shift[..., None] * (d + 1) + dimension  # (runs, 1, d + 1)
        elif few and runs * n <= _ONE_COPY:
            self.columns = self.columns.repeat(1, runs)  # (d, runs * n)

    def moments(self, labels: Tensor) -> _Moments:
        """Return the moments of labels (runs, n), of as many runs as are left."""
        runs = len(labels)
        if self.summands is None:
            return _sums(self.columns, labels, self.shift[:runs], self.k)
        width = self.place.shape[2]
        places = torch.add(self.place[:runs], labels[..., None], alpha=width).view(-1)
        sums = self.summands.new_zeros(runs * self.k * width)
        sums.scatter_add_(0, places, self.summands[: len(places)])  # in the order of the points
        sums = sums.view(runs, self.k, width)
        return _Moments(sums[..., :-1], sums[..., -1])

    def updated(self, before: _Moments | None, old: Tensor, new: Tensor) -> _Moments:
        """Return the moments of new labels, by those of the old ones where this is faster."""
        if before is None or self.summands is not None:
            return self.moments(new)
        shift = self.shift[: len(new)]
        return _updated_moments(self.columns, self.points, before, old, new, shift, self.k)


def _updated_moments(
    columns: Tensor,
    rows: Tensor,
    before: _Moments,
    old: Tensor,
    new: Tensor,
    shift: Tensor,
    k: int,
) -> _Moments:
    """Return the moments of the new labels, from those of the old ones where few have changed.

    ``rows`` (n, d) are the points, ``columns`` their coordinates as in :func:`_sums`.
    """
    changed = (new != old).view(-1).nonzero()[:, 0]
    n, d = rows.shape
    if len(changed) * _UPDATE_SHARE > new.numel() or d > MANY_DIMENSIONS:
        return _sums(columns, new, shift, k)
    size = len(new) * k
    runs = changed.div(n, rounding_mode="floor")
    left, joined = (each.view(-1)[changed] + shift[runs, 0] for each in (old, new))
    counts = torch.bincount(joined, minlength=size) - torch.bincount(left, minlength=size)
    # One call for all dimensions: with few points the calls take most of the time.
    values = rows[changed % n].to(columns.dtype).view(-1)
    dimension = torch.arange(d, device=rows.device)
    plus, minus = (
        torch.bincount((each[:, None] * d + dimension).view(-1), values, minlength=size * d)
        for each in (joined, left)
    )
    change = (plus - minus).view(len(new), k, d)
    return _Moments(before.sums + change, before.counts + counts.view(-1, k))


def _sums_by_product(columns: Tensor, labels: Tensor, k: int) -> Tensor:
    """Return sums (runs, k, d) of points of many dimensions, run by run.

    One bincount for every dimension would take much longer. The price is that another number of
    threads may add in another order.
    """
    return torch.stack(
        [(columns @ torch.nn.functional.one_hot(each, k).to(columns)).T for each in labels]
    )


def _fill_empty(points: Tensor, centers: Tensor, labels: Tensor, counts: Tensor, k: int) -> None:
    """Give every empty cluster of one run the point farthest from its own center, in place.

    A point that is alone in its cluster is not taken, so this empties no cluster; there are at
    least k points, so there are always enough.
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
    search: CenterSearch, seeds: Tensor, sizes: Tensor, max_iter: int, tolerance: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Run Lloyd's iterations for all runs at once; assumes checked, centred points.

    ``seeds`` is (runs, k, d), of which run r uses the first ``sizes[r]``. A run has converged when
    no label changes, or when the sum of the squared moves of its centers is at most ``tolerance``.
    Returns labels (runs, n), centers (runs, k, d) and whether each run converged (runs,).
    """
    runs, k, _ = seeds.shape
    absent = torch.arange(k, device=seeds.device) >= sizes[:, None]
    padding = seeds.new_zeros(runs, k).masked_fill_(absent, torch.inf)
    points, summation = search.points, _Summation(search, runs, k)
    labels = torch.full((runs, len(points)), -1, dtype=torch.int64, device=points.device)
    centers = seeds.clone()
    converged = torch.zeros(runs, dtype=torch.bool, device=points.device)
    # The runs that have not converged, and their state: written back only when one converges.
    active = torch.arange(runs, device=points.device)
    old, now = labels, centers
    moments, clusters = None, int(sizes.sum())
    for _ in range(max_iter):
        new = search.nearest(now, padding)
        moments = summation.updated(moments, old, new)
        if int(moments.counts.count_nonzero()) < clusters:
            for row in ((moments.counts > 0).sum(1) < sizes).nonzero()[:, 0].tolist():
                _fill_empty(points, now[row], new[row], moments.counts[row], int(sizes[row]))
            moments = summation.moments(new)
        changed = (new != old).any(1)
        means = (moments.sums / moments.counts.clamp(min=1)[..., None]).to(points.dtype)
        if tolerance > 0:
            changed &= (means - now).square().sum((1, 2), dtype=torch.float64) > tolerance
        old, now = new, means
        if not changed.all():
            labels[active], centers[active], converged[active] = old, now, ~changed
            active, old, now = active[changed], old[changed], now[changed]
            moments = _Moments(moments.sums[changed], moments.counts[changed])
            padding, sizes = padding[changed], sizes[changed]
            clusters = int(sizes.sum())
            if len(active) == 0:
                break
    labels[active], centers[active] = old, now
    return labels, centers, converged


def inertia_of(points: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """Return the sum of the squared distances from the centers, float64; parts fit the cache."""
    total = points.new_zeros((), dtype=torch.float64)
    for part, own in zip(points.split(_IN_CACHE), labels.split(_IN_CACHE), strict=True):
        total += (part - centers[own]).square_().sum(dtype=torch.float64)
    return total


def best_runs(
    points: Tensor,
    ks: tuple[int, ...],
    settings: KMeansSettings,
    generator: torch.Generator,
    start_centers: Tensor | None = None,
    tolerance: float = 0.0,
) -> list[KMeansRun]:
    """Return the best of all restarts for every k; assumes centred points.

    ``start_centers`` (number of k, largest k, d) are the start of one more run of every k; for
    ``tolerance`` see :func:`_lloyd`.
    """
    seeds = seed_centers(
        points, ks[-1], restarts=settings.restarts, seeding=settings.seeding, generator=generator
    )
    starts = seeds.expand(len(ks), *seeds.shape)  # (number of k, restarts, k, d)
    if start_centers is not None:
        starts = torch.cat([start_centers[:, None], starts], 1)
    best, search = [], CenterSearch(points)
    for batch in _batches(ks, len(points) * starts.shape[1]):
        part = starts[batch, :, : ks[batch][-1]]
        best += _best_of(search, part, ks[batch], settings.max_iter, tolerance)
    return best


def _batches(ks: tuple[int, ...], points: int) -> list[slice]:
    """Return the k that run in one batch: all, or for many points those that differ by a third.

    In a batch every run takes the time of the largest k; with few points, calls cost more than
    that.
    """
    if points < _ONE_BATCH:
        return [slice(0, len(ks))]
    batches, first = [], 0
    for position, k in enumerate(ks):
        if 3 * k > 4 * ks[first]:
            batches.append(slice(first, position))
            first = position
    return [*batches, slice(first, len(ks))]


def _best_of(
    search: CenterSearch, starts: Tensor, ks: tuple[int, ...], max_iter: int, tolerance: float
) -> list[KMeansRun]:
    """Run Lloyd from starts (number of k, runs each, k, d); return the best for every k."""
    each = starts.shape[1]
    sizes = torch.tensor(ks, device=starts.device).repeat_interleave(each)
    labels, centers, converged = _lloyd(search, starts.flatten(0, 1), sizes, max_iter, tolerance)
    costs = _inertias(search.points, labels, centers)
    best, ended = [], converged.tolist()
    for position, k in enumerate(ks):
        first = position * each
        run = first + (int(costs[first : first + each].argmin()) if each > 1 else 0)
        best.append(KMeansRun(labels[run], centers[run, :k], costs[run], ended[run]))
    return best


def _inertias(points: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """Return :func:`inertia_of` all runs (runs,); of few points by one call."""
    n, d = points.shape
    if len(labels) * n > _IN_CACHE or d > MANY_DIMENSIONS:
        runs = zip(labels, centers, strict=True)
        return torch.stack([inertia_of(points, each, own) for each, own in runs])
    own = centers.gather(1, labels[..., None].expand(-1, -1, d))  # (runs, n, d)
    return own.sub_(points).square_().sum((1, 2), dtype=torch.float64)


def padded_centers(runs: Sequence[KMeansRun]) -> Tensor:
    """Return the centers of runs in one tensor (runs, largest k, d), padded with 0."""
    most = max(len(run.centers) for run in runs)
    return torch.stack(
        [torch.nn.functional.pad(run.centers, (0, 0, 0, most - len(run.centers))) for run in runs]
    )


def continued(
    points: Tensor, runs: list[KMeansRun], ks: tuple[int, ...], max_iter: int, tolerance: float
) -> list[KMeansRun]:
    """Return the runs after Lloyd's iterations over points, from the centers that they have."""
    starts = padded_centers(runs)[:, None]
    best, search = [], CenterSearch(points)
    for batch in _batches(ks, len(points)):
        part = starts[batch, :, : ks[batch][-1]]
        best += _best_of(search, part, ks[batch], max_iter, tolerance)
    return best
