"""Clusters of two pigments: pairs of templates, where one pigment alone does not fit.

Assumes checked input.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

from spectessera._util.text import per_cent
from spectessera.naming.candidates import Candidate
from spectessera.synth.paint.palettes import Palette
from spectessera.synth.paint.pigments import SUPPORT

from .evidence import PigmentLines
from .templates import FLOOR, Columns, MixtureFit, fit_mixture


class Pair(NamedTuple):
    """Two pigments that fit a cluster together; the one with more counts first.

    ``shares`` are those of the counts of all columns; ``gain`` is the decrease of the divergence
    (nats per count) by the pigment that is needed less; ``first`` and ``second`` are the pigments
    that fit as well in the place of each, the likeliest first.
    """

    fit: MixtureFit
    shares: tuple[float, float]
    gain: float
    first: tuple[int, ...]
    second: tuple[int, ...]


class PairSettings(NamedTuple):
    """Least share of the counts, and least gain in nats per count, of each of two pigments."""

    least: float
    gain: float


def best_pair(
    data: np.ndarray,
    columns: Columns,
    paint: Palette,
    able: dict[int, str],
    settings: PairSettings,
) -> Pair | None:
    """Return the two pigments, and bare support, that fit the shares of counts (c,) best.

    ``able`` are the pigments whose characteristic lines are detected, with the element of the
    strongest. None if there is no pair of which both are needed, or if pigments of several elements
    fit as well as one of them. Where the bare support does, it is what is named.
    """
    bare = [at for at, name in enumerate(paint.pigments) if name == SUPPORT]

    def fitted(pigments: tuple[int, ...], pair: tuple[int, ...]) -> MixtureFit:
        support = [each for each in bare if each not in pair]
        free = [columns.pigments[each] for each in (*pigments, *support)]
        return fit_mixture(data, np.concatenate([*free, columns.smooth]), FLOOR)

    fits = {pair: fitted(pair, pair) for pair in combinations(able, 2)}
    gains: dict[tuple[int, int], float] = {}
    for pair, fit in sorted(fits.items(), key=lambda each: each[1].divergence):
        if gains and fit.divergence > fits[next(iter(gains))].divergence + settings.gain:
            break
        alone = min(fitted((one,), pair).divergence for one in pair)
        gain = alone - fit.divergence
        if min(_shares(fit, columns)) >= settings.least and gain >= settings.gain:
            gains[pair] = gain
    if not gains:
        return None
    pair = next((each for each in gains if set(bare) & set(each)), next(iter(gains)))
    shares = _shares(fits[pair], columns)
    first, second = pair if shares[0] >= shares[1] else pair[::-1]
    slots = []
    for one, other in ((first, second), (second, first)):
        near = tuple(sum(each) - other for each in gains if other in each)
        slots.append((one,) if one in bare else near)
        if len({able[each] for each in slots[-1]}) > 1:
            return None
    return Pair(fits[pair], (max(shares), min(shares)), gains[pair], slots[0], slots[1])


def _shares(fit: MixtureFit, columns: Columns) -> tuple[float, float]:
    """Return the share of the counts of each of the two pigments that were fitted."""
    steps, whole = columns.pigments.shape[1], max(float(fit.shares.sum()), 1e-300)
    one, other = fit.shares[:steps].sum(), fit.shares[steps : 2 * steps].sum()
    return float(one) / whole, float(other) / whole


def mixture_candidate(pair: Pair, score: float, known: PigmentLines) -> Candidate:
    """Return two pigments as a candidate, the one with more counts first."""
    groups = [known.best(group) for group in (pair.first, pair.second)]
    names = [" or ".join(known.paint.pigments[each] for each in group) for group in groups]
    detected = [line for group in groups for line in known.detected(group[0])]
    lines = {line.name: line for line in detected if line.peak}
    shares = [per_cent(share) for share in pair.shares]
    evidence = (
        f"{', '.join(lines)} detected; a mixture, or pixels of both: {shares[0]} of the "
        f"counts are {names[0]}, {shares[1]} {names[1]}; without one of them the fit is "
        f"worse by {pair.gain:.2g} logarithmic units per count"
    )
    return Candidate(" with ".join(names), "pigment", score, tuple(lines.values()), evidence)
