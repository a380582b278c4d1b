"""Which elements of a fit may be claimed: those that nothing better known explains as well.

The fit of a spectrum is never perfect: a real peak has a tail, a calibration an error, a table of
lines omissions, and absorption edges are steps of the background. What is left over is fitted by
lines of elements that are not there, all the more significantly the more counts there are. An
element that is rarely met is therefore claimed only by lines that stand alone.

Assumes checked input; energies are in keV.
"""

from __future__ import annotations

import numpy as np

from spectessera._util.constants import SILICON_KALPHA

from .components import family_components
from .decomposition import Decomposition, missing_line, without
from .families import ESCAPE_EDGE, EVERYDAY, HARD_ANODES, USUAL_ANODE, Family, compton, table
from .groups import Fitted, Group, channels_near, fitted_to_peaks, groups_of
from .solver import PENALTY, UNCOMMON, Solver

OWN = 0.6  # least share of a peak that a line has as its main contribution
NEAR = 0.5  # distance of lines, in full widths, within which one may be taken for the other
# Least counts of a better known line, or of all lines of its element where the line is not in the
# fit, as a share of those of the line that may be taken for it: where its element is the stronger
# one in the spectrum, and where it is not.
STRONGER, WEAKER = 0.1, 0.3
# Share of the decrease of chi2 by an element with which another one explains its line as well: that
# much of it may be due to tails, ratios of lines and a calibration that are not quite right.
ALIKE = 0.9
SAME = 0.15  # distance in full widths within which no calibration separates lines


def with_claims(decomposition: Decomposition, tubes: set[str]) -> Fitted:
    """Return the fit without the elements that may not be claimed.

    ``tubes`` are the anodes that are known or recognised.
    """
    fitted = fitted_to_peaks(decomposition)
    while refused := _refused(fitted, tubes):
        # The strongest may have been refused because of one that is refused, too.
        refused = refused[:-1] or refused
        keys = {each.key for each in fitted.decomposition.solver.components if each.name in refused}
        fitted = fitted_to_peaks(without(fitted.decomposition, keys))
    return fitted


def _refused(fitted: Fitted, tubes: set[str]) -> list[str]:
    """Return the less known elements without lines that stand alone, the faintest first.

    Needed are the strongest line, or two others.
    """
    refused = []
    for name in {each.name for each in fitted.fit.components if each.kind == "element"}:
        if not _rank(name) or name in tubes | {USUAL_ANODE}:
            continue
        groups = [group for i in members_of(fitted, name) for group in groups_of(fitted, i)]
        alone = [group for group in groups if not shared_with(fitted, name, group, tubes)]
        strongest = max(groups, key=lambda group: group.area, default=None)
        if strongest not in alone and len({group.peak for group in alone}) < 2:
            refused.append(name)
    return sorted(refused, key=lambda name: (_counts(fitted, name), name))


def members_of(fitted: Fitted, name: str) -> list[int]:
    """Return the components of an element in the fit."""
    components = enumerate(fitted.fit.components)
    return [i for i, each in components if each.kind == "element" and each.name == name]


def shared_with(fitted: Fitted, name: str, group: Group, tubes: set[str]) -> str:
    """Return what explains the place of a line as well as its element; "" if it stands alone."""
    if group.peak is None or group.share < OWN:
        return "others"
    near = NEAR * float(fitted.decomposition.response.width(group.observed))
    if _scattered(fitted, group, near):
        return "scattered light"
    own = _counts(fitted, name)
    for other in sorted({e.name for e in fitted.fit.components if e.kind == "element"} | tubes):
        better = other in tubes or _rank(other) < _rank(name) or _counts(fitted, other) > own
        if other != name and better and _explains(fitted, name, other, group, near):
            return other
    return _replaceable(fitted, name, group, tubes)


def _replaceable(fitted: Fitted, name: str, group: Group, tubes: set[str]) -> str:
    """Return a better known element that is not in the fit and explains a line as well, or "".

    Where two lines are nearer than any calibration is sure of, only their shapes are compared.
    """
    parts = fitted.decomposition
    present = {each.name for each in fitted.fit.components}
    width = float(parts.response.width(group.observed))
    own = [i for i in parts.used if parts.solver.components[i].name == name]
    rest = [parts.solver.components[i] for i in parts.used if i not in own]
    base, decrease = parts.solver.solve(parts.used)[0], parts.solver.increase(parts.used, own)
    least = max(PENALTY / UNCOMMON, (1 - ALIKE) * decrease)
    for rival in parts.solver.components:
        if rival.family is None or rival.name in present:
            continue
        if rival.name not in tubes and _rank(rival.name) >= _rank(name):
            continue
        away = group.energy - rival.family.main
        if abs(away) > NEAR * width or missing_line(parts, rival, group.area):
            continue
        shift = away if abs(away) < SAME * width else 0.0
        response = parts.response._replace(offset=parts.response.offset + shift)
        instead = family_components([rival.family], parts.data.energy, response)
        components = [*rest, *instead]
        chi2, _ = Solver(parts.data, components).solve(list(range(len(components))))
        if chi2 - base < least:
            return rival.name
    return ""


def _rank(name: str) -> int:
    return int(table().symbols.index(name) not in EVERYDAY)


def _counts(fitted: Fitted, name: str) -> float:
    return sum(float(fitted.fit.counts(i).sum()) for i in members_of(fitted, name))


def _explains(fitted: Fitted, name: str, other: str, group: Group, near: float) -> bool:
    """Return whether another element has a line, an escape peak or an edge at the place of a line.

    Of lines that are in the fit their counts are compared, of others those of the whole element.
    """
    total = _counts(fitted, other)
    least = (STRONGER if total > _counts(fitted, name) else WEAKER) * group.area
    inside = {each.family.shell: i for i, each in enumerate(fitted.fit.components)
              if each.kind == "element" and each.name == other and each.family}  # fmt: skip
    for family in table().families:
        if family.symbol != other or family.edge > fitted.decomposition.data.energy[-1]:
            continue
        index = inside.get(family.shell)
        strength = total if index is None else float(fitted.fit.counts(index).sum())
        if abs(family.edge - group.energy) < near and total > least:
            return True
        for line, share in _lines(family):
            if abs(line - group.energy) < near and strength * share > least:
                return True
    return False


def _lines(family: Family) -> list[tuple[float, float]]:
    """Return energies and shares of the lines of a family, and of their escape peaks."""
    lines = [(float(e), float(s)) for e, s in zip(family.energy, family.share, strict=True)]
    known = table()
    for energy, share in list(lines):
        if energy > ESCAPE_EDGE:
            lost = float(np.interp(energy, known.escape_energy, known.escape_share))
            lines.append((energy - SILICON_KALPHA, share * lost))
    return lines


def _scattered(fitted: Fitted, group: Group, near: float) -> bool:
    """Return whether scattered light explains the place of a line.

    That of a tube in the fit, or of an anode whose K lines are there without it.
    """
    parts, tubes = fitted.decomposition, set()
    for i, each in enumerate(fitted.fit.components):
        if each.kind in ("compton", "beam"):
            tubes.add(each.name)
            inside = fitted.fit.counts(i)[channels_near(parts, group.observed)].sum()
            if inside > WEAKER * group.area:
                return True
    present = {e.name for e in fitted.fit.components if e.family and e.family.shell == "K"}
    for family in table().families:
        if family.symbol in present.intersection(HARD_ANODES) - tubes and family.shell == "K":
            for _, energy, _ in family.groups:
                lowest = float(compton(np.array([energy]), np.pi)[0])
                if lowest - near < group.energy < energy:
                    return True
    return False
