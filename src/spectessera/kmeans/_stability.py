"""Stability of a clustering: do its clusters come back when only half of the points are seen?

The points are halved at random, each half is clustered on its own, and its centers label all
points. (One of the starts are the centers of all points: a half in which nothing better is found
is no evidence against them.) Every cluster of the clustering of all points then looks for the
cluster most like it, by the Jaccard index: shared points over the points of either. k clusters are
as stable as the worst of them (Hennig 2007, Computational Statistics & Data Analysis 52, 258-271),
and the number of clusters is the largest k whose worst cluster is stable, as by the prediction
strength of Tibshirani & Walther (2005, Journal of Computational and Graphical Statistics 14,
511-528).

The worst cluster, not the mean over pairs of points: where one cluster of ten is cut at will, the
adjusted Rand index still says 0.95, and a few far-apart groups of clusters beat the clusters.
What this cannot tell from clusters is a gradient: halves cut a long line at the same places. The
noise of many equal pixels is such a line, too; where it is known,
:class:`spectessera.kmeans.rule.SplitCheck` finds it out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ._lloyd import Run, Search, best_runs, padded
from ._seeding import assign
from ._silhouette import MANY_DIMENSIONS

# A k is stable whose worst cluster comes back by this share, give or take half a standard error. Of
# overlapping clusters the borders alone move by some per cent between halves; an oblong cluster
# that halves cut alike reaches 0.9.
STABLE = 0.97
DOUBT = 0.5
# A silhouette below this share of another's is far below it.
FAR_BELOW = 0.7
# Of more points, a sample of this size is halved: a matter of seconds for any number of points.
SAMPLE_POINTS = 4096
# The same for points of many dimensions, whole spectra, of which each iteration costs far more.
SAMPLE_SPECTRA = 2048
# Each gives two clusterings. The standard error is then a tenth at worst.
SPLITS = 8
# Beside the centers of all points; fewer would let those win too easily.
RESTARTS = 4
# Without clusters Lloyd creeps on for hundreds of iterations, to no more stable an end.
MAX_ITER = 25


class Stability(NamedTuple):
    """How well every k is found again; all (number of k,) float64.

    Attributes
    ----------
    scores : tensor
        Mean over all halves of the Jaccard index of the worst cluster, from 0 to 1.
    errors : tensor
        Standard error of every score. Halves of one split are counted as independent.
    agreement : tensor
        Mean over all halves of the adjusted Rand index with the clustering of all points.
    """

    scores: Tensor
    errors: Tensor
    agreement: Tensor


def stability(
    points: Tensor, partitions: Sequence[Run], search: Search, generator: torch.Generator
) -> Stability:
    """Cluster halves of the points with every k and compare; assumes checked input.

    A k that is more than half of the points has all 0. A cluster that is too rare to be in the
    sample of many points is not judged.

    Parameters
    ----------
    points : tensor (n, d)
        In the space of the metric, without gradient; at least 2.
    partitions : sequence of Run
        The clusterings of all points, one per k, in ascending order of k.
    search : Search
        Of which the seeding counts, and the iterations up to 25.
    generator : torch.Generator
    """
    labels = torch.stack([part.labels for part in partitions])  # (m, n)
    points, labels, shift = _sample(points, labels, generator)
    ks = tuple(len(part.centers) for part in partitions if len(part.centers) <= len(points) // 2)
    found = points.new_zeros(2, 2 * SPLITS, len(partitions), dtype=torch.float64)
    if ks:
        search = Search(RESTARTS, search.seeding, min(search.max_iter, MAX_ITER))
        known = padded(partitions[: len(ks)]) - shift
        for row, half in enumerate(_halves(points, generator)):
            for position, run in enumerate(best_runs(half, ks, search, generator, known)):
                table = contingency(labels[position], assign(points, run.centers), ks[position])
                found[0, row, position] = worst_jaccard(table)
                found[1, row, position] = adjusted_rand(table)
    (scores, agreement), spread = found.mean(1), found[0].std(0)
    return Stability(scores, spread / len(found[0]) ** 0.5, agreement)


def largest_stable(
    scores: Tensor,
    errors: Tensor,
    silhouettes: Tensor,
    splits_noise: Callable[[int], bool] | None = None,
) -> int | None:
    """Return the position of the largest k that is stable; None where none is.

    A k whose silhouette is far below that of another stable k does not count: it cuts an oblong
    group, which halves of many points cut at the same place. Nor does a k that splits the noise of
    one cluster into two.

    Parameters
    ----------
    scores, errors : tensor (number of k,)
        As of :func:`stability`, in ascending order of k.
    silhouettes : tensor (number of k,)
    splits_noise : callable, optional
        Whether the k at a position splits noise; called for the largest stable k first, and for no
        more than needed.
    """
    stable = scores + DOUBT * errors >= STABLE
    if not stable.any():
        return None
    good = stable & (silhouettes >= FAR_BELOW * silhouettes[stable].max())
    for position in reversed(good.nonzero()[:, 0].tolist()):
        if splits_noise is None or not splits_noise(position):
            return int(position)
    return None


# --- halves ------------------------------------------------------------------------------------


def _order(points: Tensor, generator: torch.Generator) -> Tensor:
    order = torch.randperm(len(points), generator=generator, device=generator.device)
    return order.to(points.device)


def _sample(
    points: Tensor, labels: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Return points (s, d), all or as many as serve, centred; labels (m, s); what they lost."""
    most = SAMPLE_POINTS if points.shape[1] <= MANY_DIMENSIONS else SAMPLE_SPECTRA
    if len(points) > most:
        rows = _order(points, generator)[:most].sort().values
        points, labels = points[rows], labels[:, rows]
    shift = points.mean(0, dtype=torch.float64).to(points.dtype)
    return points - shift, labels, shift


def _halves(points: Tensor, generator: torch.Generator) -> list[Tensor]:
    """Return both halves of every split of the points (n, d), n // 2 and the rest."""
    halves = []
    for _ in range(SPLITS):
        order = _order(points, generator)
        middle = len(points) // 2
        halves += [points[part.sort().values] for part in (order[:middle], order[middle:])]
    return halves


# --- agreement ---------------------------------------------------------------------------------


def contingency(a: Tensor, b: Tensor, k: int) -> Tensor:
    """Return how many points have label i in ``a`` (n,) and j in ``b`` (n,), (k, k) float64."""
    return torch.bincount(a * k + b, minlength=k * k).view(k, k).double()


def worst_jaccard(table: Tensor) -> Tensor:
    """Return the least Jaccard index of any row of a contingency table with its best column."""
    rows, columns = table.sum(1, keepdim=True), table.sum(0)
    shared = table / (rows + columns - table).clamp(min=1)  # (k, k)
    return shared.max(1).values[rows[:, 0] > 0].min()


def adjusted_rand(table: Tensor) -> Tensor:
    """Return the adjusted Rand index of a contingency table (Hubert & Arabie 1985)."""

    def pairs(counts: Tensor) -> Tensor:
        return (counts * (counts - 1) / 2).sum()

    together, rows, columns = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    expected = rows * columns / pairs(table.sum()).clamp(min=1)
    largest = (rows + columns) / 2
    if largest == expected:  # both are one cluster, or both all clusters of one point
        return torch.ones_like(largest)
    return (together - expected) / (largest - expected)
