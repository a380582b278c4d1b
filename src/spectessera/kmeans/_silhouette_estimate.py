"""The silhouette of many points, estimated from a sample whose points are compared with all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from spectessera._util.threads import parallel

from ._silhouette import check_labels, check_points, onehot_of, silhouette_terms

# Sides of a tile of distances: it stays in the cache of a core.
_ROWS, _COLUMNS = 256, 512
# Points of a group, whose distances are added first, and coordinates that are moved at once.
_GROUP = 16
_PIECE = 2**20


class Estimate(NamedTuple):
    """An estimated silhouette and its standard error: ``()``, or ``(m,)`` of m clusterings."""

    score: Tensor
    error: Tensor


def silhouette_estimate(
    points: Tensor, labels: Tensor, *, samples: int = 2000, generator: torch.Generator
) -> Estimate:
    """Estimate the mean silhouette of many points, with its standard error, in bounded memory.

    From every cluster ``samples / k`` points are drawn (all points of a cluster that has fewer).
    Each is compared with ALL points, so its silhouette is exact, and the means of the clusters are
    averaged with their sizes as weights (stratified sampling, e.g. Cochran 1977, eq. 5.6, with the
    finite population correction). A silhouette inside a sub-sample would be biased.

    Parameters
    ----------
    points : tensor (n, d)
    labels : tensor (n,), integer
    samples : int
        Points whose silhouette is computed.
    generator : torch.Generator

    Returns
    -------
    Estimate

    Raises
    ------
    ValueError
        As :func:`silhouette`.

    Examples
    --------
    >>> import torch
    >>> points = torch.tensor([[0.0], [1.0], [8.0], [9.0]])
    >>> seeded = torch.Generator().manual_seed(0)
    >>> estimate = silhouette_estimate(points, torch.tensor([0, 0, 1, 1]), generator=seeded)
    >>> round(float(estimate.score), 3), float(estimate.error)  # of all points, so exact
    (0.875, 0.0)
    """
    points = check_points(points).detach()
    index, _ = check_labels(points, labels)
    scores, errors = silhouette_estimates(points, index[None], samples, generator)
    return Estimate(scores[0], errors[0])


def silhouette_estimates(
    points: Tensor, labels: Tensor, samples: int, generator: torch.Generator
) -> Estimate:
    """Estimate the silhouettes of several clusterings by one pass over distances.

    Assumes checked input. The points are drawn from the clusters of the last clustering: with any
    strata the estimates have no bias, and with the same points they are comparable.

    Parameters
    ----------
    points : tensor (n, d)
    labels : tensor (m, n), int64
        From 0; the number of clusters of each clustering is its largest label plus one.
    samples : int
    generator : torch.Generator

    Returns
    -------
    Estimate
        Of (m,) each, float64.
    """
    strata = labels[-1]
    sizes = torch.bincount(strata)
    chosen = _draw_strata(strata, sizes, max(2, samples // len(sizes)), generator)
    values = _sampled_silhouettes(points, labels, chosen)  # (m, s)
    score = values.new_zeros(len(labels))
    variance = values.new_zeros(len(labels))
    n = len(points)
    for stratum, size in enumerate(sizes.tolist()):
        part = values[:, strata[chosen] == stratum]
        drawn, share = part.shape[1], size / n
        if drawn == 0:
            continue
        score = score + share * part.mean(1)
        if drawn < size:
            variance = variance + share**2 * (1 - drawn / size) * part.var(1) / drawn
    return Estimate(score, variance.sqrt())


def _draw_strata(
    index: Tensor, counts: Tensor, per_cluster: int, generator: torch.Generator
) -> Tensor:
    """Return the positions of ``per_cluster`` points of each cluster, drawn without replacement."""
    chosen = []
    for cluster, size in enumerate(counts.tolist()):
        members = (index == cluster).nonzero()[:, 0]
        if size > per_cluster:
            order = torch.randperm(size, generator=generator, device=generator.device)
            members = members[order[:per_cluster].to(members.device)]
        chosen.append(members)
    return torch.cat(chosen)


def _sampled_silhouettes(points: Tensor, labels: Tensor, chosen: Tensor) -> Tensor:
    """Return the silhouettes (m, s), float64, of chosen points, each against all points.

    ``chosen`` is ordered by strata, so that consecutive points are mostly near each other.
    """
    ks = [int(each) + 1 for each in labels.max(1).values]
    columns = _GroupedPoints(points, labels, ks)
    sums = points.new_zeros(len(chosen), sum(ks), dtype=torch.float64)

    def add(first: int) -> None:
        band = slice(first, first + _ROWS)
        sums[band] = columns.sums(points[chosen[band]])

    with parallel(points) as for_each:
        for_each(add, range(0, len(chosen), _ROWS))
    silhouettes = []
    for row, part in zip(labels, sums.split(ks, dim=1), strict=True):
        counts = torch.bincount(row, minlength=part.shape[1]).double()
        silhouettes.append(silhouette_terms(part, row[chosen], counts).score)
    return torch.stack(silhouettes)


class _GroupedPoints:
    """All points, in an order that makes sums of distances over the clusters of all k cheap.

    Points with the same labels in all clusterings (of one kind) stand together in groups of equal
    size, over which distances are added first; the last group of each kind is padded. The number of
    sums that are then distributed to the clusters is sixteen times smaller.
    """

    def __init__(self, points: Tensor, labels: Tensor, ks: Sequence[int]) -> None:
        kind, first, counts = _kinds(labels, ks)
        self.group = _GROUP if len(counts) * 2 * _GROUP < len(points) else 1
        self.wide = _COLUMNS // self.group  # groups of a tile
        groups = (counts + self.group - 1) // self.group
        total = -(-int(groups.sum()) // self.wide) * self.wide
        # The place of each point: after all groups of the kinds before it.
        order = kind.argsort(stable=True)
        rank = (
            torch.arange(len(kind), device=kind.device) - (counts.cumsum(0) - counts)[kind[order]]
        )
        place = self.group * (groups.cumsum(0) - groups)[kind[order]] + rank
        # The members of a group are one row of groups apart, which is the fastest way to add them.
        tile, inside = place // _COLUMNS, place % _COLUMNS
        place = tile * _COLUMNS + inside % self.group * self.wide + inside // self.group
        self.coordinates = points.new_zeros(points.shape[1], total * self.group)
        self.coordinates[:, place] = points[order].T
        self.present = points.new_zeros(1, total * self.group)
        self.present[0, place] = 1
        self.onehot = points.new_zeros(total, sum(ks))
        kind_of = torch.arange(len(counts), device=kind.device).repeat_interleave(groups)
        self.onehot[: len(kind_of)] = onehot_of(labels[:, first], ks, points.dtype)[kind_of]
        self.piece = max(1, _PIECE // len(self.coordinates) // _COLUMNS) * _COLUMNS

    def sums(self, points: Tensor) -> Tensor:
        """Return the sums (s, all clusters), float64, of the distances of some points to all.

        Squared distances come from products, relative to the mean of those points. The products
        lose digits of distances much smaller than the spread of those points; the loss is far below
        the error of the estimate.
        """
        origin = points.mean(0, dtype=torch.float64).to(points.dtype)
        near = points - origin
        ones = near.new_ones(len(near), 1)
        left = torch.cat([-2 * near, near.square().sum(1)[:, None], ones], 1)
        tile = near.new_empty(len(near), _COLUMNS)
        sums = near.new_zeros(len(near), self.onehot.shape[1], dtype=torch.float64)
        for start in range(0, self.coordinates.shape[1], self.piece):
            part = slice(start, start + self.piece)
            apart = (self.coordinates[:, part] - origin[:, None]).mul_(self.present[:, part])
            right = torch.cat([apart, self.present[:, part], apart.square().sum(0)[None]])
            total = near.new_zeros(sums.shape)
            for begin in range(0, right.shape[1], _COLUMNS):
                torch.mm(left, right[:, begin : begin + _COLUMNS], out=tile)
                tile.clamp_(min=0).sqrt_()
                first = (start + begin) // self.group
                added = tile.view(len(near), self.group, self.wide).sum(1)
                total.addmm_(added, self.onehot[first : first + self.wide])
            sums += total
        return sums


def _kinds(labels: Tensor, ks: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the kinds of points, those with the same labels in all clusterings (m, n).

    The number of the kind of each point (n,), one point of each kind, and the size of each kind.
    """
    kind = labels[0]
    for row, k in zip(labels[1:], ks[1:], strict=True):
        kind = kind * k + row
        if int(kind.max()) > 2**40:  # before the products overflow
            kind = torch.unique(kind, return_inverse=True)[1]
    _, kind, counts = torch.unique(kind, return_inverse=True, return_counts=True)
    first = torch.empty_like(counts).scatter_(0, kind, torch.arange(len(kind), device=kind.device))
    return kind, first, counts
