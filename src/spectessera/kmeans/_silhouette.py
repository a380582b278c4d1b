"""The silhouette of a batch of points: exact, with a closed-form gradient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

# Side of a square tile of distances, in points: two tiles stay in the cache of a core.
_SIDE = 256
# With more dimensions than this, as whole spectra have, distances from one matrix product are much
# faster; a latent space has fewer.
MANY_DIMENSIONS = 64
# With more dimensions than this, an image takes the product already: it is three times as fast.
SOME_DIMENSIONS = 8
# Up to this many points their distances are stored for the backward pass (4 MiB in float32); of
# more points it takes less time to compute them again.
_STORED_POINTS = 1024


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return (n, m) squared distances, exact for equal points; assumes checked input.

    The direct form, because |a|^2 + |b|^2 - 2ab loses digits far from the origin. For the few
    dimensions of a latent space one pass per dimension is also faster, and each element is computed
    in the same way whatever its neighbours are (so labels do not depend on blocks).
    """
    total = a.new_empty(len(a), len(b))
    return write_squares(a.T, b.T.contiguous(), total, torch.empty_like(total))


def product_squares(a: Tensor, b: Tensor) -> Tensor:
    """Return (n, m) squared distances by one product, of centred points of many dimensions.

    With so many dimensions, the digits that |a|^2 + |b|^2 - 2ab loses are negligible.
    """
    norms = a.square().sum(1)[:, None] + b.square().sum(1)
    return norms.addmm_(a, b.T, alpha=-2).clamp_(min=0)


def write_squares(a: Tensor, b: Tensor, total: Tensor, spare: Tensor) -> Tensor:
    """Write squared distances of (d, n) and (d, m) into ``total`` (n, m).

    ``spare`` (n, m) is overwritten. New memory for every tile would take longer, and so would
    coordinates that are not contiguous.
    """
    torch.sub(a[0, :, None], b[0], out=total)
    total.mul_(total)
    for ours, theirs in zip(a[1:], b[1:], strict=True):
        torch.sub(ours[:, None], theirs, out=spare)
        total.addcmul_(spare, spare)
    return total


class SilhouetteTerms(NamedTuple):
    """The terms of the silhouette of every point, for one or several clusterings.

    Attributes
    ----------
    within : tensor (..., n)
        Mean distance to the other points of the own cluster, a.
    between : tensor (..., n)
        Mean distance to the points of the nearest other cluster, b.
    nearest : tensor (..., n), int64
        That cluster.
    score : tensor (..., n)
        (b - a) / max(a, b).
    """

    within: Tensor
    between: Tensor
    nearest: Tensor
    score: Tensor


def silhouette_terms(sums: Tensor, labels: Tensor, counts: Tensor) -> SilhouetteTerms:
    """Return the terms from sums of distances (..., n, k), labels (..., n), counts (..., k)."""
    own = counts.gather(-1, labels)
    within = sums.gather(-1, labels[..., None])[..., 0] / (own - 1).clamp(min=1)
    # An empty column (a label that no point has) is not a neighbouring cluster.
    mean = sums / counts.clamp(min=1)[..., None, :]
    mean = mean.masked_fill_((counts == 0)[..., None, :], torch.inf)
    between, nearest = mean.scatter_(-1, labels[..., None], torch.inf).min(-1)
    largest = torch.maximum(within, between)
    usable = (own > 1) & (largest > 0)
    score = torch.where(usable, (between - within) / torch.where(usable, largest, 1.0), 0.0)
    return SilhouetteTerms(within, between, nearest, score)


class _Tile(NamedTuple):
    """A tile of the matrix of distances: its place, and two buffers of its shape.

    Attributes
    ----------
    rows, columns : slice
    mirrored : bool
        Whether it also represents the tile on the other side of the diagonal.
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
    """Yield the tiles of one half of the symmetric matrix of squared distances, with the diagonal.

    All tiles use the same two buffers: a tile must be used before the next one is requested. With
    ``keep`` the squares of every tile have their own memory.
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
                write_squares(coordinates[:, rows], coordinates[:, columns], squares, spare)
            yield _Tile(rows, columns, columns is not rows, squares, spare)


class Distances:
    """The distances of points (n, d) from each other, as the tiles of one half of their matrix.

    Stored for a second pass where there are few, otherwise computed again.
    """

    def __init__(self, points: Tensor) -> None:
        self.points = points.detach()
        few = points.requires_grad and len(points) <= _STORED_POINTS
        self.stored = list(self._compute(keep=True)) if few else None

    def _compute(self, *, keep: bool) -> Iterator[_Tile]:
        for tile in half_tiles(self.points, keep=keep):
            tile.squares.sqrt_()
            yield tile

    def __iter__(self) -> Iterator[_Tile]:
        """Yield tiles whose ``squares`` are distances."""
        return self._compute(keep=False) if self.stored is None else iter(self.stored)

    def sums(self, onehot: Tensor) -> Tensor:
        """Return the sum of distances of every point to every cluster, (n, k) -> (n, k)."""
        # With few columns, a product is up to four times as fast with each of them contiguous.
        columns_of = onehot.T.contiguous()  # (k, n)
        sums = torch.zeros_like(columns_of)
        for rows, columns, mirrored, distances, _ in self:
            sums[:, rows].addmm_(columns_of[:, columns], distances.T)
            if mirrored:
                sums[:, columns].addmm_(columns_of[:, rows], distances)
        return sums.T


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
        terms: SilhouetteTerms,
        distances: Distances,
    ) -> Tensor:
        ctx.save_for_backward(points, labels, onehot, terms.within, terms.between, terms.nearest)
        ctx.distances = distances
        return terms.score.mean()

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
        # Relative to the mean, so that points far from the origin lose no digits; with the row of
        # ones the same product also gives the sum of each row of W.
        centred = points - points.mean(0)
        wide = torch.cat([centred.T, centred.new_ones(1, n)])
        pull = torch.zeros_like(wide)  # (d + 1, n)
        for rows, columns, mirrored, distances, spare in ctx.distances:
            weight = torch.mm(left[rows], right[:, columns], out=spare).div_(distances)
            # Where the distance is 0: one pass, a tenth of the time of a mask.
            weight.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
            pull[:, rows].addmm_(wide[:, columns], weight.T)
            if mirrored:
                pull[:, columns].addmm_(wide[:, rows], weight)
        return grad * (pull[-1:] * centred.T - pull[:-1]).T, None, None, None, None


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

    Examples
    --------
    >>> import torch
    >>> points = torch.tensor([[0.0], [1.0], [8.0], [9.0]])
    >>> round(float(silhouette(points, torch.tensor([0, 0, 1, 1]))), 3)
    0.875
    """
    points = check_points(points)
    index, k = check_labels(points, labels)
    onehot = torch.nn.functional.one_hot(index, k).to(points.dtype)
    distances = Distances(points)
    terms = silhouette_terms(distances.sums(onehot), index, onehot.sum(0))
    return SilhouetteScore.apply(points, index, onehot, terms, distances)  # type: ignore[no-untyped-call]


class ExactSilhouettes:
    """Exact silhouettes of all k (``scores``), one of which can be returned with its gradient.

    One pass over the distances and one matrix product (all one-hot labels side by side) serve
    all k.
    """

    def __init__(self, points: Tensor, labels: Sequence[Tensor], ks: tuple[int, ...]) -> None:
        n, widest = len(points), ks[-1]
        self.points, self.ks = points, ks
        self.labels = torch.stack(list(labels))  # (m, n)
        sizes = torch.tensor(ks, device=points.device)
        self.starts = sizes.cumsum(0) - sizes  # first column of every k
        self.onehot = points.new_zeros(n, sum(ks), requires_grad=False)
        self.onehot.scatter_(1, (self.labels + self.starts[:, None]).T, 1.0)
        self.distances = Distances(points)
        sums = self.distances.sums(self.onehot)  # (n, sum k)
        # Padded to the widest k, all k are computed together; padding has no points.
        columns = torch.arange(widest, device=points.device) + self.starts[:, None]  # (m, widest)
        padding = torch.arange(widest, device=points.device) >= sizes[:, None]
        columns = columns.masked_fill(padding, 0)
        counts = self.onehot.sum(0)[columns].masked_fill(padding, 0.0)
        self.terms = silhouette_terms(sums.T[columns].transpose(1, 2), self.labels, counts)
        self.scores = self.terms.score.mean(1)

    def score(self, position: int) -> Tensor:
        """Return the silhouette of one k, differentiable with respect to the points."""
        first = int(self.starts[position])
        onehot = self.onehot[:, first : first + self.ks[position]]
        terms = SilhouetteTerms(*(each[position] for each in self.terms))
        labels = self.labels[position]
        return SilhouetteScore.apply(self.points, labels, onehot, terms, self.distances)  # type: ignore[no-untyped-call]


def onehot_of(labels: Iterable[Tensor], ks: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Return the one-hot labels of all clusterings side by side, (n, sum of k)."""
    each = zip(labels, ks, strict=True)
    return torch.cat([torch.nn.functional.one_hot(row, k).to(dtype) for row, k in each], 1)


def check_points(points: Tensor) -> Tensor:
    """Return points (n, d) that are finite numbers of a float type."""
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
