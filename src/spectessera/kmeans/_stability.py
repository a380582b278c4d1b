"""Stability of a clustering: are its clusters recovered from half of the points?

The points are halved at random, each half is clustered alone, and its centers label all points.
(One of the starts is the centers of all points: a half in which nothing better is found is no
evidence against them.) For every cluster of the clustering of all points, the most similar cluster
is found by the Jaccard index: shared points over the points of either. The stability of k clusters
is that of the worst of them (Hennig 2007, Computational Statistics & Data Analysis 52, 258-271),
and the number of clusters is the largest k whose worst cluster is stable, as with the prediction
strength of Tibshirani & Walther (2005, Journal of Computational and Graphical Statistics 14,
511-528).

The worst cluster is used instead of the mean over pairs of points: where one cluster of ten is
split at random, the adjusted Rand index is still 0.95, and a few groups of clusters that are far
apart would win over the clusters. Stability cannot distinguish clusters from a gradient, because
all halves split a long line at the same places. The noise of many equal pixels is such a line, too;
where it is known, :class:`spectessera.kmeans.rule.SplitCheck` finds such splits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ._lloyd import KMeansRun, KMeansSettings, best_runs, padded_centers
from ._seeding import assign
from ._silhouette import MANY_DIMENSIONS

# A k is stable if the Jaccard index of its worst cluster is at least this, within half a standard
# error. Between halves, the borders of overlapping clusters move by some per cent; an oblong
# cluster that all halves split in the same way reaches 0.9.
STABLE_FROM = 0.97
TOLERATED_ERRORS = 0.5
# A silhouette below this share of another one is far below it.
FAR_BELOW = 0.7
# With more points, a sample of this size is halved: a matter of seconds for any number of points.
SAMPLE_POINTS = 4096
# The same for points of many dimensions, whole spectra, of which each iteration costs more.
SAMPLE_SPECTRA = 2048
# Each split gives two clusterings. The standard error is then at most a tenth.
SPLITS = 8
# In addition to the centers of all points; with fewer, those would win too easily.
RESTARTS = 4
# Without clusters Lloyd needs hundreds of iterations, for a result that is no more stable.
MAX_ITER = 25


class StabilityCurves(NamedTuple):
    """How well the clusters of every k are recovered; all (number of k,) float64.

    Attributes
    ----------
    scores : tensor
        Mean over all halves of the Jaccard index of the worst cluster, from 0 to 1.
    errors : tensor
        Standard error of every score. The halves of one split are counted as independent.
    agreement : tensor
        Mean over all halves of the adjusted Rand index with the clustering of all points.
    """

    scores: Tensor
    errors: Tensor
    agreement: Tensor


def stability_curves(
    points: Tensor,
    runs: Sequence[KMeansRun],
    settings: KMeansSettings,
    generator: torch.Generator,
) -> StabilityCurves:
    """Cluster halves of the points with every k and compare; assumes checked input.

    A k that is more than half of the number of points has 0 everywhere. A cluster that is too rare
    to be in the sample of many points is not compared.

    Parameters
    ----------
    points : tensor (n, d)
        In the space of the metric, without gradient; at least 2.
    runs : sequence of KMeansRun
        The clusterings of all points, one per k, in ascending order of k.
    settings : KMeansSettings
        Of which the seeding is used, and the iterations up to 25.
    generator : torch.Generator
    """
    labels = torch.stack([run.labels for run in runs])  # (number of k, n)
    points, labels, shift = _sample(points, labels, generator)
    ks = tuple(len(run.centers) for run in runs if len(run.centers) <= len(points) // 2)
    jaccard, rand = points.new_zeros(2, 2 * SPLITS, len(runs), dtype=torch.float64)
    if ks:
        settings = KMeansSettings(RESTARTS, settings.seeding, min(settings.max_iter, MAX_ITER))
        starts = padded_centers(runs[: len(ks)]) - shift
        for row, half in enumerate(_halves(points, generator)):
            for position, run in enumerate(best_runs(half, ks, settings, generator, starts)):
                table = contingency(labels[position], assign(points, run.centers), ks[position])
                jaccard[row, position] = worst_jaccard(table)
                rand[row, position] = adjusted_rand(table)
    return StabilityCurves(jaccard.mean(0), jaccard.std(0) / len(jaccard) ** 0.5, rand.mean(0))


def is_stable(scores: Tensor, errors: Tensor) -> Tensor:
    """Return which k are stable (number of k,), bool."""
    return scores + TOLERATED_ERRORS * errors >= STABLE_FROM


def largest_stable(
    scores: Tensor,
    errors: Tensor,
    silhouettes: Tensor,
    splits_noise: Callable[[int], bool] | None = None,
) -> int | None:
    """Return the position of the largest k that is stable; None where none is.

    A k whose silhouette is far below that of another stable k is excluded: it splits an oblong
    group, which halves of many points split at the same place. So is a k that splits the noise of
    one cluster into two.

    Parameters
    ----------
    scores, errors : tensor (number of k,)
        As in :class:`StabilityCurves`, in ascending order of k.
    silhouettes : tensor (number of k,)
    splits_noise : callable, optional
        Whether the k at a position splits noise; called for the largest stable k first, and for no
        more than needed.
    """
    stable = is_stable(scores, errors)
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
    """Return points (s, d), all or a sample, centred; their labels (m, s); and the shift (d,)."""
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
    """Return how many points have label i in ``a`` (n,) and j in ``b`` (n,), (k, k) float64.

    >>> import torch
    >>> contingency(torch.tensor([0, 0, 1]), torch.tensor([1, 1, 1]), 2).tolist()
    [[0.0, 2.0], [0.0, 1.0]]
    """
    return torch.bincount(a * k + b, minlength=k * k).view(k, k).double()


def worst_jaccard(table: Tensor) -> Tensor:
    """Return the smallest Jaccard index of a row of a contingency table with its best column."""
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
