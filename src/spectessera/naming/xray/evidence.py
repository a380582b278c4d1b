"""Turn the fit of an X-ray spectrum into candidates: lines, peaks, score and words.

Assumes checked input; energies are in keV.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera._util.constants import SILICON_KALPHA
from spectessera.naming.candidates import Candidate, Line, Peak

from . import fit as fits
from .families import AIR, ANODES, COMMON, TUBE, part_of, table
from .study import Study, missing, without_contradictions

OWN = 0.6  # a peak is a line's own if it has this share of it
PART = 0.2  # and is seen as the line, among others, with this share
UNDECIDED = 9.0  # two fits whose chi2 differ by less are as good as each other
SURE = 8.0  # standard errors at which the score has 1 - 1/e of what it can have
FAINT = 0.15  # less sure, and nothing is said


class _Group(NamedTuple):
    """A group of lines of a unit: where it is seen, its counts, its peak and its share of that.

    ``hidden`` tells the peak whose flank it may be lost in; ``also`` what else is in its peak.
    """

    name: str
    energy: float
    seen: float
    area: float
    visible: bool
    peak: int | None
    hidden: str
    share: float
    also: tuple[str, ...]


class _Fitted(NamedTuple):
    """The last fit, and what every unit adds to every peak (unit, peak)."""

    study: Study
    fit: fits.Fit
    at_peak: np.ndarray


def candidates_of(
    study: Study, anode: str | None
) -> tuple[tuple[Candidate, ...], tuple[Peak, ...]]:
    """Return all candidates, of every kind the best first, and the peaks that none explains."""
    study = without_contradictions(study)
    fitted = _fitted(study)
    tubes = {unit.name for unit in fitted.fit.units if unit.kind == "compton"}
    tubes |= {anode} if anode else set()
    names = dict.fromkeys(unit.name for unit in fitted.fit.units if unit.kind == "element")
    elements: list[Candidate] = []
    instrument: list[Candidate] = []
    for name in names:
        own = name in tubes or name in (TUBE, table().symbols[AIR])
        found = _element(fitted, name, own, unsure=not tubes)
        if found is not None and found.score >= FAINT:
            (instrument if own else elements).append(found)
    instrument += _scattered(fitted)
    explained = _explained(fitted)
    escapes = _escapes(fitted)
    instrument += escapes
    explained |= {line.peak for each in escapes for line in each.lines if line.peak}
    left = tuple(peak for peak in study.peaks if peak not in explained)

    def best(some: list[Candidate]) -> list[Candidate]:
        return sorted(some, key=lambda each: (-each.score, each.name))

    return (*best(elements), *best(instrument)), left


def _fitted(study: Study) -> _Fitted:
    fit = study.solver.fit(study.use)
    at_peak = np.zeros((len(fit.units), len(study.peaks)))
    for index in range(len(fit.units)):
        shape = fit.counts(index)
        for place, peak in enumerate(study.peaks):
            at_peak[index, place] = shape[_near(study, peak.position)].sum()
    return _Fitted(study, fit, at_peak)


def _near(study: Study, position: float) -> slice:
    half = float(study.response.width(position)) / 2
    low, high = np.searchsorted(study.data.at, [position - half, position + half])
    return slice(int(low), max(int(high), int(low) + 1))


# --- elements ----------------------------------------------------------------------------------


def _element(fitted: _Fitted, name: str, own: bool, unsure: bool) -> Candidate | None:
    """Return an element with its evidence, None if there is too little."""
    study, fit = fitted.study, fitted.fit
    mine = [i for i, unit in enumerate(fit.units) if unit.kind == "element" and unit.name == name]
    groups = [group for i in mine for group in _groups(fitted, i)]
    seen = [group for group in groups if group.peak is not None and group.share >= PART]
    if not seen:
        return None
    lost = study.solver.lost(study.use, [study.use[i] for i in mine])
    sigma = float(np.sqrt(max(lost, 0.0)))
    clear = [group for group in seen if group.share >= OWN]
    expected = [group for group in groups if group.visible and (group in seen or not group.hidden)]
    total = sum(group.area for group in expected) or 1.0
    share = sum(group.area for group in expected if group in seen) / total
    family = fit.units[mine[0]].family
    assert family is not None
    score = (1 - np.exp(-sigma / SURE)) * share * (0.45 + 0.55 * bool(clear))
    score *= 1.0 if family.z in COMMON or len(clear) > 1 else 0.7
    if fits.higher_excited(family, study.reached):
        score *= 0.5  # where the harder lines should be first to be seen
    undecided, decided = _rivals(fitted, mine, seen)
    if undecided:
        score *= 0.5
    words = _words(name, seen, sigma, undecided, decided)
    if name == table().symbols[AIR]:
        words = f"argon of the air: {words}"
    elif own:
        words = f"anode of the tube: {words}"
    elif unsure and name in ANODES:
        words += f"; {name}: sample or tube, if the tube has such an anode"
    lines = tuple(
        Line(
            f"{name} {group.name}",
            group.seen,
            study.peaks[group.peak] if group.peak is not None and group.share >= PART else None,
            _note(group),
        )
        for group in groups
        if group.visible or group in seen
    )
    return Candidate(name, "instrument" if own else "element", float(score), lines, words)


def _note(group: _Group) -> str:
    if group.also:
        return f"also {', '.join(group.also)}"
    return f"hidden by the peak at {group.hidden}" if group.hidden else ""


def _groups(fitted: _Fitted, index: int) -> list[_Group]:
    """Return the groups of lines of a unit that are inside, the strongest first."""
    study, fit = fitted.study, fitted.fit
    unit, weight = fit.units[index], fit.weights[index]
    assert unit.family is not None
    assert unit.factors is not None
    found = []
    for name, energy, share in unit.family.groups:
        seen = float(study.response.seen(energy))
        if not study.data.at[0] < seen < study.data.at[-1]:
            continue
        area = float(weight @ unit.factors[:, part_of(name)]) * share
        near = _near(study, seen)
        noise = float(np.sqrt((study.data.error[near] ** 2).sum()))
        # What else is there hides a line: by a share of it the fit is not to be believed.
        hidden = 0.03 * float(study.data.counts[near].sum())
        visible = 0.76 * area > 5 * np.hypot(noise, hidden)
        peak = _match(study, seen)
        mine: float = 0.0
        also: tuple[str, ...] = ()
        if peak is not None:
            mine, also = _shares(fitted, index, peak)
            # A weak line of the unit is not seen as the peak of its stronger neighbour.
            if 0.76 * area < PART * fitted.at_peak[index, peak]:
                peak = None
        shadow = "" if peak is not None else _shadow(study, seen)
        found.append(_Group(name, energy, seen, area, visible, peak, shadow, mine, also))
    return sorted(found, key=lambda group: -group.area)


def _match(study: Study, seen: float) -> int | None:
    """Return the peak nearest to where a line is seen, if it is near enough."""
    if not study.peaks:
        return None
    away = [abs(peak.position - seen) for peak in study.peaks]
    nearest = int(np.argmin(away))
    return nearest if away[nearest] < 0.45 * float(study.response.width(seen)) else None


def _shadow(study: Study, seen: float) -> str:
    """Return which peak is so near that a line could not be told from its flank, or ""."""
    near = min(study.peaks, key=lambda peak: abs(peak.position - seen), default=None)
    if near is None or abs(near.position - seen) > float(study.response.width(seen)):
        return ""
    return f"{near.position:.2f} keV"


def _shares(fitted: _Fitted, index: int, peak: int) -> tuple[float, tuple[str, ...]]:
    """Return an element's share of a peak, and the names of what else is in it."""
    name = fitted.fit.units[index].name
    parts: dict[str, float] = {}
    for unit, area in zip(fitted.fit.units, fitted.at_peak[:, peak], strict=True):
        words = unit.name if unit.kind == "element" else f"{unit.kind} ({unit.name})"
        parts[words] = parts.get(words, 0.0) + float(area)
    near = _near(fitted.study, fitted.study.peaks[peak].position)
    above = float((fitted.study.data.counts - fitted.study.data.under)[near].sum())
    total = max(sum(parts.values()), above, 1e-300)
    also = tuple(word for word, area in parts.items() if word != name and area > PART * total)
    return parts[name] / total, also


def _rivals(
    fitted: _Fitted, mine: list[int], seen: list[_Group]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Return what fits as well in place of an element, and what does not (with its reason)."""
    study = fitted.study
    used = {unit.name for unit in fitted.fit.units}
    strongest = max(seen, key=lambda group: group.area)
    half = 0.4 * float(study.response.width(strongest.seen))
    undecided: list[str] = []
    decided: list[tuple[str, str]] = []
    own = fitted.fit.units[mine[0]]
    assert own.family is not None
    rest = [i for k, i in enumerate(study.use) if k not in mine]
    base = study.solver.solve(study.use)[0]
    for unit in study.solver.units:
        if unit.family is None or unit.name in used:
            continue
        group, energy, _ = unit.family.groups[0]
        if abs(study.response.seen(energy) - strongest.seen) > half:
            continue
        if unit.family.z not in COMMON and own.family.z in COMMON:
            continue
        instead = [i for i, other in enumerate(study.solver.units) if other.name == unit.name]
        chi2 = study.solver.solve([*rest, *instead])[0]
        without = missing(study, unit, strongest.area)
        if chi2 - base < UNDECIDED and not without:
            undecided.append(f"{unit.name} {group}")
        else:
            decided.append((f"{unit.name} {group}", f"{without} is not there" if without else ""))
    return undecided, decided


def _words(
    name: str,
    seen: list[_Group],
    sigma: float,
    undecided: list[str],
    decided: list[tuple[str, str]],
) -> str:
    """Return the evidence in a sentence."""
    first = max(seen, key=lambda group: group.area)
    others = [group for group in seen if group is not first and group.peak != first.peak]
    told = f"{name} {first.name} ({first.energy:.2f})"
    there = " and ".join(f"{name} {each.name} {each.energy:.2f}" for each in others[:2])
    if undecided:
        return f"{told} or {' or '.join(undecided)}: not separable"
    also = f"; together with {', '.join(first.also)}" if first.also else ""
    if decided:
        rival, reason = decided[0]
        why = f"{there} {'are' if len(others) > 1 else 'is'} there" if there else reason
        why = why or "it fits far better"
        return f"{told} rather than {rival}: {why}{also}"
    if there:
        return f"{told}, with {there}, {sigma:.0f} sigma{also}"
    return f"{told}, its only line in sight, {sigma:.0f} sigma{also}"


# --- the instrument ----------------------------------------------------------------------------


def _scattered(fitted: _Fitted) -> list[Candidate]:
    """Return what is no line of an element: scattered light and sums of two photons."""
    found = []
    for index, unit in enumerate(fitted.fit.units):
        if unit.kind == "element":
            continue
        largest = fitted.at_peak.max(axis=0, initial=0.0)
        mine = np.flatnonzero(
            (fitted.at_peak[index] > 0) & (fitted.at_peak[index] >= 0.5 * largest)
        )
        peaks = [fitted.study.peaks[i] for i in mine]
        if not peaks:
            continue
        lost = fitted.study.solver.lost(fitted.study.use, [fitted.study.use[index]])
        score = float(1 - np.exp(-np.sqrt(max(lost, 0.0)) / SURE))
        name, words = _told(unit)
        lines = tuple(
            Line(_sum_name(fitted.study, peak) if unit.kind == "sum" else name, peak.position, peak)
            for peak in peaks
        )
        found.append(Candidate(name, "instrument", score, lines, words))
    return found


def _told(unit: fits.Unit) -> tuple[str, str]:
    if unit.kind == "compton":
        return f"{unit.name} Compton", f"lines of the tube ({unit.name}), scattered inelastically"
    if unit.kind == "beam":
        return f"beam {unit.name} keV", "light of the beam, scattered elastically and inelastically"
    return "sum peaks", "two photons counted as one"


def _sum_name(study: Study, peak: Peak) -> str:
    near = [each for each in study.sums if abs(each[1] - peak.position) < peak.width]
    return max(near, key=lambda each: each[2])[0] if near else "sum"


def _explained(fitted: _Fitted) -> set[Peak]:
    """Return the peaks of which the fit has at least half."""
    data = fitted.study.data
    found = set()
    for peak, area in zip(fitted.study.peaks, fitted.at_peak.sum(axis=0), strict=True):
        near = _near(fitted.study, peak.position)
        above = float((data.counts - data.under)[near].sum())
        if area >= 0.5 * above:
            found.add(peak)
    return found


def _escapes(fitted: _Fitted) -> list[Candidate]:
    """Return the peaks that are mostly escape peaks of stronger lines."""
    study, lines = fitted.study, []
    for index, unit in enumerate(fitted.fit.units):
        if unit.family is None:
            continue
        for group in _groups(fitted, index)[:2]:
            position = float(study.response.seen(group.energy - SILICON_KALPHA))
            peak = _match(study, position) if group.energy > 1.84 else None
            if peak is None or group.peak is None:
                continue
            known = table()
            share = float(np.interp(group.energy, known.escape_energy, known.escape_share))
            if share * group.area < 0.4 * study.peaks[peak].area:
                continue
            name = f"escape of {unit.name} {group.name}"
            lines.append(Line(name, position, study.peaks[peak]))
    if not lines:
        return []
    words = "silicon fluorescence escapes from the detector: 1.74 keV below a strong line"
    return [Candidate("escape peaks", "instrument", 0.9, tuple(lines), words)]
