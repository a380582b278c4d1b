"""Which of several clusterings is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from spectessera.evidence import BEYOND, Gain, best_number
from spectessera.evidence.choice import WORSE
from spectessera.result import SPLIT_BELOW

from ._lloyd import KMeansRun
from ._stability import StabilityCurves, is_stable, largest_stable
from .metric import Metric
from .rule import Evidence, SplitCheck, rule_of

# Points are equal that differ by no more than rounding: this share of the largest coordinate of
# the two, or of a point of the middle size. (That of all points may be that of one outlier.)
# Coordinates are those about the middle of the points; what all have in common is no difference,
# but of the whole coordinates single precision has lost a share of _LOST.
_ROUNDING, _LOST = 4e-6, 5e-7
# So many points are looked at first: of most measurements no two are equal.
_FIRST = 64
# Groups of equal points have at least so many points on average.
_REPEATED = 4


class Judges(NamedTuple):
    """What chooses: a criterion, whether one cluster may be the answer, and what both ask.

    ``equal`` is the number of groups of equal points, if they are few. See
    :func:`spectessera.kmeans.choose_k`.
    """

    criterion: str
    may_be_one: bool
    split_check: SplitCheck | None
    evidence: Evidence | None
    equal: int | None = None


class Selected(NamedTuple):
    """What was chosen, and what it was chosen by; see :class:`spectessera.kmeans.Choice`.

    ``position`` is that among the clusterings; None: all points are one cluster.
    """

    position: int | None
    criterion: str
    excess: Tensor | None = None
    gains: tuple[Gain, ...] | None = None


def select(
    runs: Sequence[KMeansRun],
    metric: Metric,
    scores: Tensor,
    stability: StabilityCurves | None,
    judges: Judges,
) -> Selected:
    """Choose one of the clusterings by a criterion.

    Parameters
    ----------
    runs : sequence of KMeansRun
        In ascending order of k.
    metric : Metric
    scores : tensor (number of k,)
        Their silhouettes.
    stability : StabilityCurves or None
        None where it was not computed.
    judges : Judges
    """
    criterion, may_be_one, split_check, evidence, equal = judges
    if stability is None or criterion == "silhouette":
        return Selected(int(scores.argmax()), "silhouette")
    if equal == 1 and may_be_one:
        return Selected(None, "equal")
    ks = [len(run.centers) for run in runs]
    if equal in ks and _apart(runs[ks.index(equal)].centers):
        return Selected(ks.index(equal), "equal")
    if criterion == "evidence" and evidence is not None:
        gains = tuple(evidence.gain(rule_of(run.centers, metric)) for run in runs)
        nothing = may_be_one and _nothing(evidence, gains)
        stable = is_stable(stability.scores, stability.errors).numpy(force=True)
        best = None if nothing else best_number(gains, stable)
        return Selected(best, "evidence", gains=gains)
    splits = None if split_check is None else _NoiseSplits(split_check, runs, metric)
    best = _best_stable(stability, scores, splits)
    return Selected(best, "stability", None if splits is None else splits.separations)


def _nothing(evidence: Evidence, gains: Sequence[Gain]) -> bool:
    """Return whether there are no groups.

    What neighbours have in common may be a slow change over the map, in which no clusters are: then
    none of them explains anything.
    """
    if evidence.structure <= BEYOND:
        return True
    by_neighbours = evidence.judged_by == "neighbours"
    return by_neighbours and all(gain.mean <= WORSE * gain.error for gain in gains)


def _apart(centers: Tensor) -> bool:
    """Return whether no two centers (k, d) are one: groups may be one point on the unit sphere."""
    size = (centers - _middle(centers)).abs().max()
    least = torch.maximum(_ROUNDING * size, _LOST * centers.abs().max())
    return bool(torch.pdist(centers).min() > least)


def _middle(points: Tensor) -> Tensor:
    """Return the medians (d,) of points (n, d)."""
    return points.sort(dim=0).values[len(points) // 2]


def groups_of_equal(
    points: Tensor, most: int, split_check: SplitCheck | None, evidence: Evidence | None
) -> int | None:
    """Return the number of groups of equal points (n, d); None if there are more than so many.

    None too where the noise is known and may be all that is unlike: see
    :attr:`spectessera.kmeans.rule.SplitCheck.most_equal`.
    """
    if evidence is not None and evidence.judged_by == "noise":
        return None
    most = min(most, len(points) // _REPEATED)
    if split_check is not None:
        most = min(most, split_check.most_equal)
    lost = _LOST * points.abs().amax(1)
    largest = (points - _middle(points[:_FIRST])).abs().amax(1)
    largest, number = torch.maximum(largest, largest.median()), 0
    for count in (_FIRST, len(points)):
        number, rest = 0, points[:count]
        sizes = torch.maximum(largest, lost / _ROUNDING)[:count]
        while len(rest):
            number += 1
            if number > most:
                return None
            tolerance = _ROUNDING * torch.maximum(sizes, sizes[0])
            others = (rest - rest[0]).abs().amax(1) > tolerance
            rest, sizes = rest[others], sizes[others]
    return number


def one_cluster(points: Tensor) -> KMeansRun:
    """Return the clustering of points (n, d) in which all are one cluster."""
    center = points.mean(0, dtype=torch.float64)
    inertia = (points - center).square().sum()
    labels = torch.zeros(len(points), dtype=torch.int64, device=points.device)
    return KMeansRun(labels, center[None].to(points.dtype), inertia.to(points.dtype), True)


def _best_stable(stability: StabilityCurves, scores: Tensor, splits: _NoiseSplits | None) -> int:
    """Return the position of the largest stable k, or of the best silhouette if there is none."""
    stable = largest_stable(stability.scores, stability.errors, scores, splits)
    # Not the most stable k: of many clusters the worst is seldom stable, so that would be 2.
    return _best_silhouette(scores, splits) if stable is None else stable


def _best_silhouette(scores: Tensor, splits: _NoiseSplits | None) -> int:
    """Return the position of the best silhouette among the k that do not split noise.

    Where all of them do, the position of the smallest k.
    """
    best = int(scores.argmax())
    if splits is None:
        return best
    known = (splits.separations < SPLIT_BELOW).nonzero()
    if len(known):  # only a smaller k can be free of splits
        best = int(scores[: max(1, int(known[0]))].argmax())
    while splits(best) and best > 0:
        best = int(scores[:best].argmax())
    return best


class _NoiseSplits:
    """Whether the k at a position splits noise; keeps every separation that was computed."""

    def __init__(self, check: SplitCheck, runs: Sequence[KMeansRun], metric: Metric) -> None:
        self.check, self.runs, self.metric = check, runs, metric
        self.separations = torch.full((len(runs),), torch.nan, dtype=torch.float64)

    def __call__(self, position: int) -> bool:
        separation = self.check.separation(rule_of(self.runs[position].centers, self.metric))
        self.separations[position] = separation
        return separation < SPLIT_BELOW
