"""The silhouette of a whole image, exact, in bounded memory: from all pairs of points.

The points are divided into blocks. A task computes the distances between two blocks once, tile by
tile in the cache of a core, and adds them to the sums of both. Tasks that run at the same time have
no block in common: they follow the rounds of a tournament in which every block meets every other
one once. So the sums of a block are added in the same order for any number of threads.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from spectessera._util.check import check_number
from spectessera._util.threads import parallel, threads_for

from ._silhouette import (
    SOME_DIMENSIONS,
    check_labels,
    check_points,
    onehot_of,
    product_squares,
    silhouette_terms,
    write_squares,
)

# Points of a block, and the sides of a tile: two tiles of float32 stay in the cache of a core.
_BLOCK = 2048
_ROWS, _COLUMNS = 256, 512
# Rows of sums that are converted to silhouettes at once.
_PART = 16_384
MEMORY = 2**28

PairProgress = Callable[[int, int], None]


class ImageSilhouette(NamedTuple):
    """The exact silhouettes of one clustering, or of several.

    Attributes
    ----------
    score : tensor () or (m,), float64
        Mean silhouette of each clustering.
    per_point : tensor (n,) or (m, n), float32, or None
    """

    score: Tensor
    per_point: Tensor | None


def silhouette_image(
    points: Tensor,
    labels: Tensor,
    *,
    memory: int = MEMORY,
    per_point: bool = False,
    progress: PairProgress | None = None,
) -> ImageSilhouette:
    """Return the exact silhouettes (Rousseeuw 1987) of all points of an image, without gradient.

    One pass over the n (n - 1) / 2 distances, each computed once, serves all clusterings. The
    result is the same for any number of threads. The time grows with the square of n: for a few
    hundred thousand points :func:`silhouette_estimate` needs a hundredth of it.

    Parameters
    ----------
    points : tensor (n, d), float32 or float64
    labels : tensor (n,) or (m, n), integer
        Of one clustering, or of several; any integers.
    memory : int
        Bytes that may be used in addition to points, labels and the result; by default 256 MiB.
        Clusterings that do not fit together are computed in several passes.
    per_point : bool
        Also return the silhouette of every point.
    progress : callable, optional
        Called with the number of rounds done and of all rounds.

    Returns
    -------
    ImageSilhouette

    Raises
    ------
    ValueError
        If there are not between 2 and n - 1 different labels, values are not finite, or the
        memory is too small for one clustering.

    Examples
    --------
    >>> import torch
    >>> points = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
    >>> round(float(silhouette_image(points, torch.tensor([0, 0, 1, 1])).score), 3)
    0.9
    """
    points = check_points(points).detach()
    check_number("memory", memory, low=1, integer=True)
    rows = labels if labels.ndim == 2 else labels[None]
    checked = [check_labels(points, each) for each in rows]
    ks = [k for _, k in checked]
    passes = _passes(len(points), ks, points, memory)
    rounds = _RoundCounter(progress, len(passes), len(points))
    score = points.new_zeros(len(ks), dtype=torch.float64)
    values = points.new_empty((len(ks), len(points)), dtype=torch.float32) if per_point else None
    for group in passes:
        indices = [checked[each][0] for each in group]
        sums = _sums(points, indices, [ks[each] for each in group], rounds)
        for each, index, part in zip(group, indices, sums, strict=True):
            counts = torch.bincount(index, minlength=ks[each]).double()
            for first in range(0, len(points), _PART):
                some = slice(first, first + _PART)
                silhouettes = silhouette_terms(part[some], index[some], counts).score
                score[each] += silhouettes.sum()
                if values is not None:
                    values[each, some] = silhouettes.float()
    score /= len(points)
    if labels.ndim == 1:
        return ImageSilhouette(score[0], None if values is None else values[0])
    return ImageSilhouette(score, values)


def _passes(n: int, ks: Sequence[int], points: Tensor, memory: int) -> list[list[int]]:
    """Return the clusterings of each pass, by number."""
    workers = threads_for(points)
    width = points.element_size()
    # Sums and one-hot labels of every point; for every task its sums and two or three tiles; and
    # the terms of the silhouettes of a part of the points.
    each = n * (8 + width) + workers * 2 * min(n, _BLOCK) * width + 4 * min(n, _PART) * 8
    fixed = workers * 3 * _ROWS * _COLUMNS * 8 + 2 * points.numel() * width
    room = (memory - fixed) // each
    if room < max(ks):
        raise ValueError(
            f"{n} points in {max(ks)} clusters need {fixed + each * max(ks)} bytes; got "
            f"memory={memory}"
        )
    passes: list[list[int]] = [[]]
    for number, k in enumerate(ks):
        if sum(ks[one] for one in passes[-1]) + k > room:
            passes.append([])
        passes[-1].append(number)
    return passes


class _RoundCounter:
    """Counts the rounds of all passes and reports them."""

    def __init__(self, progress: PairProgress | None, passes: int, n: int) -> None:
        self.progress, self.done = progress, 0
        self.total = passes * len(list(_rounds(math.ceil(n / _BLOCK))))

    def __call__(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)


def _rounds(blocks: int) -> Iterator[list[tuple[int, int]]]:
    """Yield rounds of pairs of blocks: no block is twice in a round, and every pair is in one.

    The first round pairs every block with itself; the others are those of the circle method
    (Kirkman 1850; Anderson 1997, Combinatorial designs and tournaments).
    """
    yield [(block, block) for block in range(blocks)]
    if blocks == 1:
        return
    ring = list(range(blocks + blocks % 2))
    for _ in range(len(ring) - 1):
        pairs = [tuple(sorted((ring[i], ring[-1 - i]))) for i in range(len(ring) // 2)]
        yield [(a, b) for a, b in pairs if b < blocks]
        ring[1:] = ring[-1:] + ring[1:-1]


def _sums(
    points: Tensor, labels: Sequence[Tensor], ks: Sequence[int], rounds: _RoundCounter
) -> tuple[Tensor, ...]:
    """Return the sums of distances (n, k), float64, of every point to the clusters of each k."""
    blocks = _BlockSums(points, onehot_of(labels, ks, points.dtype))
    with parallel(points) as for_each:
        for pairs in _rounds(math.ceil(len(points) / _BLOCK)):
            for_each(blocks.add, pairs)
            rounds()
    return blocks.sums.split(list(ks), dim=1)


class _BlockSums:
    """Sums of distances between blocks of points, over their clusters."""

    def __init__(self, points: Tensor, onehot: Tensor) -> None:
        self.onehot = onehot  # (n, columns)
        self.tiles = _DistanceTiles(points)
        self.sums = points.new_zeros(onehot.shape, dtype=torch.float64)

    def add(self, pair: tuple[int, int]) -> None:
        """Add the distances between two blocks, or inside one, to the sums of their points."""
        n = len(self.onehot)
        one, other = (range(b * _BLOCK, min(n, (b + 1) * _BLOCK)) for b in pair)
        same = one == other
        sums_one = self.onehot.new_zeros(len(one), self.onehot.shape[1])
        sums_other = sums_one if same else self.onehot.new_zeros(len(other), self.onehot.shape[1])
        for first in range(one.start, one.stop, _ROWS):
            rows = slice(first, min(first + _ROWS, one.stop))
            # Inside one block the tiles begin at the diagonal, and the half below it is left out.
            for start in range(first if same else other.start, other.stop, _COLUMNS):
                columns = slice(start, min(start + _COLUMNS, other.stop))
                distances = self.tiles.distances(rows, columns)
                if same and start == first:
                    distances.triu_()
                here = slice(rows.start - one.start, rows.stop - one.start)
                there = slice(columns.start - other.start, columns.stop - other.start)
                sums_one[here].addmm_(distances, self.onehot[columns])
                sums_other[there].addmm_(distances.T, self.onehot[rows])
        self.sums[one.start : one.stop] += sums_one
        if not same:
            self.sums[other.start : other.stop] += sums_other


class _DistanceTiles:
    """Distances between points, computed in buffers that each thread has for itself."""

    def __init__(self, points: Tensor) -> None:
        self.by_product = points.shape[1] > SOME_DIMENSIONS
        if self.by_product:
            # One pass for each dimension would take longer than a product in float64.
            self.points = points.double() - points.mean(0, dtype=torch.float64)
        else:
            self.coordinates = points.T.contiguous()
        self.like, self.own = points, threading.local()

    def distances(self, rows: slice, columns: slice) -> Tensor:
        """Return distances (rows, columns); the next call in this thread overwrites them."""
        if not hasattr(self.own, "buffers"):
            self.own.buffers = self.like.new_empty(2, _ROWS * _COLUMNS)
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        total, spare = (each[: shape[0] * shape[1]].view(shape) for each in self.own.buffers)
        if self.by_product:
            total.copy_(product_squares(self.points[rows], self.points[columns]).sqrt_())
            if rows.start == columns.start:  # the distance of each point from itself
                total.fill_diagonal_(0)
            return total
        ours, theirs = self.coordinates[:, rows], self.coordinates[:, columns]
        return write_squares(ours, theirs, total, spare).sqrt_()
