"""The silhouette of a batch of points: exact, with a closed-form gradient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

# Points of the side of a square tile of distances: two tiles stay in the cache of a core.
_SIDE = 256
# Of points of more dimensions than this, as whole spectra have, one product is the faster way by
# far; a latent space has fewer.
MANY_DIMENSIONS = 64
# From so many on, an estimate takes the product already: it is three times as fast there.
SOME_DIMENSIONS = 8
# Up to so many points their distances are kept for the backward pass (4 MiB in float32); of more
# points it takes less time to compute them anew.
_KEPT_POINTS = 1024


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return (n, m) squared distances, exact for equal points; assumes checked input.

    The direct form, not |a|^2 + |b|^2 - 2ab: that one loses its digits far from the origin. For
    the few dimensions of a latent space one pass per dimension is also the faster way, and each
    element is computed alike whatever its neighbours (so labels do not depend on blocks).
    """
    total = a.new_empty(len(a), len(b))
    return squares_into(a.T, b.T.contiguous(), total, torch.empty_like(total))


def product_squares(a: Tensor, b: Tensor) -> Tensor:
    """Return (n, m) squared distances by one product, of centred points of many dimensions.

    The digits that |a|^2 + |b|^2 - 2ab loses do not count among so many dimensions.
    """
    norms = a.square().sum(1)[:, None] + b.square().sum(1)
    return norms.addmm_(a, b.T, alpha=-2).clamp_(min=0)


def squares_into(a: Tensor, b: Tensor, total: Tensor, spare: Tensor) -> Tensor:
    """Write squared distances of (d, n) and (d, m) into ``total`` (n, m).

    New memory for every tile would take longer; so do coordinates that are not side by side.
    """
    torch.sub(a[0, :, None], b[0], out=total)
    total.mul_(total)
    for mine, other in zip(a[1:], b[1:], strict=True):
        torch.sub(mine[:, None], other, out=spare)
        total.addcmul_(spare, spare)
    return total


class Parts(NamedTuple):
    """What a silhouette is made of, for one or several clusterings; all (..., n)."""

    within: Tensor
    between: Tensor
    nearest: Tensor
    score: Tensor


def silhouette_parts(sums: Tensor, labels: Tensor, counts: Tensor) -> Parts:
    """Return the parts of sums of distances (..., n, k), labels (..., n), counts (..., k)."""
    own = counts.gather(-1, labels)
    within = sums.gather(-1, labels[..., None])[..., 0] / (own - 1).clamp(min=1)
    # An empty column (a label that no point has) is no neighbour.
    mean = sums / counts.clamp(min=1)[..., None, :]
    mean = mean.masked_fill_((counts == 0)[..., None, :], torch.inf)
    between, nearest = mean.scatter_(-1, labels[..., None], torch.inf).min(-1)
    largest = torch.maximum(within, between)
    usable = (own > 1) & (largest > 0)
    score = torch.where(usable, (between - within) / torch.where(usable, largest, 1.0), 0.0)
    return Parts(within, between, nearest, score)


class _Tile(NamedTuple):
    """A tile of the matrix of distances: where it is, and two buffers of its shape.

    Attributes
    ----------
    rows, columns : slice
    mirrored : bool
        Whether it also stands for the tile on the other side of the diagonal.
    squares : tensor (rows, columns)
        Squared distances; may be overwritten.
    spare : tensor (rows, columns)
    """

    rows: slice
    columns: slice
    mirrored: bool
    squares: Tensor
    spare: Tensor


def half_tiles(points: Tensor, *, keep: bool = False) -> Iterator[_Tile]:
    """Yield the tiles of one half of the symmetric matrix of squared distances, the diagonal too.

    One after the other in the same two buffers: a tile is done with before the next is asked for.
    With ``keep`` the squares of every tile have memory of their own.
    """
    n = len(points)
    many = points.shape[1] > MANY_DIMENSIONS
    centred = points - points.mean(0) if many else points
    coordinates = points.T.contiguous()  # (d, n)
    buffers = points.new_empty(2, min(_SIDE, n) ** 2)
    spans = [slice(start, min(start + _SIDE, n)) for start in range(0, n, _SIDE)]
    for position, rows in enumerate(spans):
        for columns in spans[position:]:
            shape = (rows.stop - rows.start, columns.stop - columns.start)
            squares, spare = (each[: shape[0] * shape[1]].view(shape) for each in buffers)
            if keep:
                squares = torch.empty_like(squares)
            if many:
                squares.copy_(product_squares(centred[rows], centred[columns]))
                if rows is columns:
                    squares.fill_diagonal_(0)
            else:
                squares_into(coordinates[:, rows], coordinates[:, columns], squares, spare)
            yield _Tile(rows, columns, columns is not rows, squares, spare)


class Distances:
    """The distances of points (n, d) from each other, as the tiles of one half of their matrix.

    Kept for a second pass where they are few, else computed anew.
    """

    def __init__(self, points: Tensor) -> None:
        self.points = points.detach()
        few = points.requires_grad and len(points) <= _KEPT_POINTS
        self.kept = list(self._compute(keep=True)) if few else None

    def _compute(self, *, keep: bool) -> Iterator[_Tile]:
        for tile in half_tiles(self.points, keep=keep):
            tile.squares.sqrt_()
            yield tile

    def __iter__(self) -> Iterator[_Tile]:
        """Yield tiles whose ``squares`` are distances."""
        return self._compute(keep=False) if self.kept is None else iter(self.kept)

    def sums(self, onehot: Tensor) -> Tensor:
        """Return the sum of distances of every point to every cluster, (n, k) -> (n, k)."""
        sums = self.points.new_zeros(onehot.shape)
        for rows, columns, mirrored, distances, _ in self:
            sums[rows].addmm_(distances, onehot[columns])
            if mirrored:
                sums[columns].addmm_(distances.T, onehot[rows])
        return sums


class SilhouetteScore(torch.autograd.Function):
    """Mean silhouette with its closed-form gradient with respect to the points.

    With C (n, k) = d score / d sums (non-zero only in the own and in the nearest other column)
    and H the one-hot labels, the pair weight is W = (C H^T + H C^T) / D, 0 where D = 0, and
    d score / d z = rowsum(W) z - W z. It is computed tile by tile.
    """

    @staticmethod
    def forward(
        ctx: Any,
        points: Tensor,
        labels: Tensor,
        onehot: Tensor,
        parts: Parts,
        distances: Distances,
    ) -> Tensor:
        ctx.save_for_backward(points, labels, onehot, parts.within, parts.between, parts.nearest)
        ctx.distances = distances
        return parts.score.mean()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        points, labels, onehot, within, between, nearest = ctx.saved_tensors
        counts = onehot.sum(0)
        own = counts[labels]
        usable = (own > 1) & (torch.maximum(within, between) > 0)
        # s = 1 - a/b where a <= b, b/a - 1 where a > b.
        inner = within <= between
        a = torch.where(within > 0, within, 1.0)
        b = torch.where(between > 0, between, 1.0)
        slope_a = torch.where(inner, -1 / b, -between / a**2)
        slope_b = torch.where(inner, within / b**2, 1 / a)
        n = len(points)
        column_a = torch.where(usable, slope_a / ((own - 1).clamp(min=1) * n), 0.0)
        column_b = torch.where(usable, slope_b / (counts[nearest] * n), 0.0)
        slope = torch.zeros_like(onehot)
        slope.scatter_(1, nearest[:, None], column_b[:, None])
        slope.scatter_(1, labels[:, None], column_a[:, None])
        left = torch.cat([slope, onehot], 1)  # (n, 2k)
        right = torch.cat([onehot, slope], 1).T  # (2k, n)
        # Relative to the mean, so that points far from the origin lose no digits; the column of
        # ones makes the same product give the sum of the row.
        centred = points - points.mean(0)
        wide = torch.cat([centred, centred.new_ones(n, 1)], 1)
        pull = points.new_zeros(n, wide.shape[1])  # (n, d + 1)
        for rows, columns, mirrored, distances, spare in ctx.distances:
            weight = torch.mm(left[rows], right[:, columns], out=spare).div_(distances)
            weight.masked_fill_(distances == 0, 0.0)
            pull[rows].addmm_(weight, wide[columns])
            if mirrored:
                pull[columns].addmm_(weight.T, wide[rows])
        return grad * (pull[:, -1:] * centred - pull[:, :-1]), None, None, None, None


def silhouette(points: Tensor, labels: Tensor) -> Tensor:
    """Return the mean silhouette of a clustering, differentiable with respect to the points.

    s_i = (b_i - a_i) / max(a_i, b_i) (Rousseeuw 1987), 0 for a point alone in its cluster; a_i is
    the mean distance to the other points of the own cluster, b_i the smallest mean distance to
    another cluster. Needs the whole (n, n) matrix of distances: for many points see
    :func:`silhouette_image` and :func:`silhouette_estimate`.

    Parameters
    ----------
    points : tensor (n, d), float32 or float64
    labels : tensor (n,), integer
        Any integers; constants of the gradient.

    Returns
    -------
    tensor (), of the type of ``points``

    Raises
    ------
    ValueError
        If there are not between 2 and n - 1 different labels, or values are not finite.
    """
    points = check_points(points)
    index, k = check_labels(points, labels)
    onehot = torch.nn.functional.one_hot(index, k).to(points.dtype)
    distances = Distances(points)
    parts = silhouette_parts(distances.sums(onehot), index, onehot.sum(0))
    return SilhouetteScore.apply(points, index, onehot, parts, distances)  # type: ignore[no-untyped-call]


def onehot_of(labels: Iterable[Tensor], ks: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Return the one-hot labels of all clusterings side by side, (n, sum of k)."""
    each = zip(labels, ks, strict=True)
    return torch.cat([torch.nn.functional.one_hot(row, k).to(dtype) for row, k in each], 1)


def check_points(points: Tensor) -> Tensor:
    if points.ndim != 2 or points.shape[1] == 0:
        raise ValueError(f"points must have 2 axes (n, d); got shape {tuple(points.shape)}")
    if points.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"points must be float32 or float64; got {points.dtype}")
    if not torch.isfinite(points.detach()).all():
        raise ValueError("points must be finite; some are NaN or infinite")
    return points


def check_labels(points: Tensor, labels: Tensor) -> tuple[Tensor, int]:
    """Return labels as 0..k-1 and k."""
    if labels.shape != points.shape[:1]:
        raise ValueError(f"{len(points)} points need as many labels; got {tuple(labels.shape)}")
    values, index = torch.unique(labels, return_inverse=True)
    k = len(values)
    if not 2 <= k <= len(points) - 1:
        raise ValueError(
            f"a silhouette needs between 2 and n - 1 = {len(points) - 1} clusters; got {k}"
        )
    return index, k
