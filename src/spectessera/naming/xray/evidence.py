"""Turn the decomposition of an X-ray spectrum into candidates: lines, peaks, score and evidence.

Assumes checked input; energies are in keV.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera._util.constants import SILICON_KALPHA
from spectessera.naming.candidates import Candidate, Line, Peak

from .components import Component, XrayFit
from .decomposition import Decomposition, missing_line, without_contradictions
from .families import AIR, ANODES, COMMON, ESCAPE_EDGE, USUAL_ANODE, part_of, table
from .solver import harder_shell_excited

OWN = 0.6  # least share of a peak that a line has as its main contribution
PART = 0.2  # least share of a peak with which a line is detected in it
UNDECIDED = 9.0  # fits whose chi2 differ by less are equally good
SATURATION = 8.0  # standard errors at which the score reaches 1 - 1/e of its maximum
FAINT = 0.15  # candidates with a lower score are left out


class _Group(NamedTuple):
    """A group of lines of a component.

    ``observed`` is its energy on the axis, ``area`` its counts; ``visible``: it should be detected;
    ``peak``: its peak, and ``share`` its share of it; ``hidden``: a peak so close that its flank
    may hide the group; ``also``: other contributions to its peak.
    """

    name: str
    energy: float
    observed: float
    area: float
    visible: bool
    peak: int | None
    hidden: str
    share: float
    also: tuple[str, ...]


class _Fitted(NamedTuple):
    """The final fit, and the counts of every component in every peak (component, peak)."""

    decomposition: Decomposition
    fit: XrayFit
    at_peak: np.ndarray


def candidates_of(
    decomposition: Decomposition, anode: str | None
) -> tuple[tuple[Candidate, ...], tuple[Peak, ...]]:
    """Return all candidates, the best of every kind first, and the unexplained peaks."""
    decomposition = without_contradictions(decomposition)
    fitted = _fitted(decomposition)
    tubes = {each.name for each in fitted.fit.components if each.kind == "compton"}
    tubes |= {anode} if anode else set()
    names = dict.fromkeys(each.name for each in fitted.fit.components if each.kind == "element")
    elements: list[Candidate] = []
    instrument: list[Candidate] = []
    for name in names:
        own = name in tubes or name in (USUAL_ANODE, table().symbols[AIR])
        candidate = _element(fitted, name, own, unsure=not tubes)
        if candidate is not None and candidate.score >= FAINT:
            (instrument if own else elements).append(candidate)
    instrument += _scattered(fitted)
    explained = _explained(fitted)
    escapes = _escapes(fitted)
    instrument += escapes
    explained |= {line.peak for each in escapes for line in each.lines if line.peak}
    left = tuple(peak for peak in decomposition.peaks if peak not in explained)

    def ranked(some: list[Candidate]) -> list[Candidate]:
        return sorted(some, key=lambda each: (-each.score, each.name))

    return (*ranked(elements), *ranked(instrument)), left


def _fitted(decomposition: Decomposition) -> _Fitted:
    fit = decomposition.solver.fit(decomposition.used)
    at_peak = np.zeros((len(fit.components), len(decomposition.peaks)))
    for index in range(len(fit.components)):
        shape = fit.counts(index)
        for place, peak in enumerate(decomposition.peaks):
            at_peak[index, place] = shape[_near(decomposition, peak.position)].sum()
    return _Fitted(decomposition, fit, at_peak)


def _near(decomposition: Decomposition, position: float) -> slice:
    """Return the channels within half a width of a position, at least one."""
    half = float(decomposition.response.width(position)) / 2
    energy = decomposition.data.energy
    low, high = np.searchsorted(energy, [position - half, position + half])
    return slice(int(low), max(int(high), int(low) + 1))


# --- elements ----------------------------------------------------------------------------------


def _element(fitted: _Fitted, name: str, own: bool, unsure: bool) -> Candidate | None:
    """Return an element with its evidence, None if no line is detected.

    ``own``: it belongs to the instrument; ``unsure``: the tube is not known.
    """
    parts = fitted.decomposition
    members = [
        i
        for i, each in enumerate(fitted.fit.components)
        if each.kind == "element" and each.name == name
    ]
    groups = [group for i in members for group in _groups(fitted, i)]
    detected = [group for group in groups if group.peak is not None and group.share >= PART]
    if not detected:
        return None
    increase = parts.solver.increase(parts.used, [parts.used[i] for i in members])
    sigma = float(np.sqrt(max(increase, 0.0)))
    undecided, decided = _rivals(fitted, members, detected)
    score = _element_score(fitted, members[0], groups, detected, sigma)
    if undecided:
        score *= 0.5
    evidence = _element_evidence(name, detected, sigma, undecided, decided)
    if name == table().symbols[AIR]:
        evidence = f"argon of the air: {evidence}"
    elif own:
        evidence = f"anode of the tube: {evidence}"
    elif unsure and name in ANODES:
        evidence += f"; {name}: sample or tube, if the tube has such an anode"
    lines = tuple(
        Line(
            f"{name} {group.name}",
            group.observed,
            parts.peaks[group.peak] if group.peak is not None and group.share >= PART else None,
            _note(group),
        )
        for group in groups
        if group.visible or group in detected
    )
    return Candidate(name, "instrument" if own else "element", float(score), lines, evidence)


def _element_score(
    fitted: _Fitted, index: int, groups: list[_Group], detected: list[_Group], sigma: float
) -> float:
    """Return the score of an element whose first component is at ``index``."""
    clear = [group for group in detected if group.share >= OWN]
    expected = [g for g in groups if g.visible and (g in detected or not g.hidden)]
    total = sum(group.area for group in expected) or 1.0
    share = sum(group.area for group in expected if group in detected) / total
    family = fitted.fit.components[index].family
    assert family is not None
    score = (1 - np.exp(-sigma / SATURATION)) * share * (0.45 + 0.55 * bool(clear))
    score *= 1.0 if family.z in COMMON or len(clear) > 1 else 0.7
    if harder_shell_excited(family, fitted.decomposition.excitation):
        score *= 0.5  # lines of the harder shell should be detected first
    return float(score)


def _note(group: _Group) -> str:
    if group.also:
        return f"also {', '.join(group.also)}"
    return f"hidden by the peak at {group.hidden}" if group.hidden else ""


def _groups(fitted: _Fitted, index: int) -> list[_Group]:
    """Return the groups of lines of a component that are on the axis, the strongest first."""
    parts, fit = fitted.decomposition, fitted.fit
    component, weight = fit.components[index], fit.weights[index]
    assert component.family is not None
    assert component.factors is not None
    groups = []
    for name, energy, share in component.family.groups:
        observed = float(parts.response.observed(energy))
        if not parts.data.energy[0] < observed < parts.data.energy[-1]:
            continue
        area = float(weight @ component.factors[:, part_of(name)]) * share
        near = _near(parts, observed)
        noise = float(np.sqrt((parts.data.error[near] ** 2).sum()))
        # Other counts at its place hide a line: the fit is uncertain by a share of them.
        hidden = 0.03 * float(parts.data.counts[near].sum())
        visible = 0.76 * area > 5 * np.hypot(noise, hidden)
        peak = _matching_peak(parts, observed)
        own: float = 0.0
        also: tuple[str, ...] = ()
        if peak is not None:
            own, also = _shares(fitted, index, peak)
            # The peak of a much stronger line of the component is not that of a weak neighbour.
            if 0.76 * area < PART * fitted.at_peak[index, peak]:
                peak = None
        flank = "" if peak is not None else _hiding_peak(parts, observed)
        groups.append(_Group(name, energy, observed, area, visible, peak, flank, own, also))
    return sorted(groups, key=lambda group: -group.area)


def _matching_peak(decomposition: Decomposition, observed: float) -> int | None:
    """Return the nearest peak to the observed energy of a line, None if it is too far away."""
    if not decomposition.peaks:
        return None
    away = [abs(peak.position - observed) for peak in decomposition.peaks]
    nearest = int(np.argmin(away))
    width = float(decomposition.response.width(observed))
    return nearest if away[nearest] < 0.45 * width else None


def _hiding_peak(decomposition: Decomposition, observed: float) -> str:
    """Return the position of a peak so close that a line would be hidden by its flank, or ""."""
    near = min(decomposition.peaks, key=lambda peak: abs(peak.position - observed), default=None)
    width = float(decomposition.response.width(observed))
    if near is None or abs(near.position - observed) > width:
        return ""
    return f"{near.position:.2f} keV"


def _shares(fitted: _Fitted, index: int, peak: int) -> tuple[float, tuple[str, ...]]:
    """Return an element's share of a peak, and the names of its other contributions."""
    name = fitted.fit.components[index].name
    areas: dict[str, float] = {}
    for each, area in zip(fitted.fit.components, fitted.at_peak[:, peak], strict=True):
        label = each.name if each.kind == "element" else f"{each.kind} ({each.name})"
        areas[label] = areas.get(label, 0.0) + float(area)
    data = fitted.decomposition.data
    near = _near(fitted.decomposition, fitted.decomposition.peaks[peak].position)
    above = float((data.counts - data.background)[near].sum())
    total = max(sum(areas.values()), above, 1e-300)
    also = tuple(label for label, area in areas.items() if label != name and area > PART * total)
    return areas[name] / total, also


def _rivals(
    fitted: _Fitted, members: list[int], detected: list[_Group]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Return lines of elements that fit as well as this one, and those that do not, with reason."""
    parts = fitted.decomposition
    present = {component.name for component in fitted.fit.components}
    strongest = max(detected, key=lambda group: group.area)
    half = 0.4 * float(parts.response.width(strongest.observed))
    undecided: list[str] = []
    decided: list[tuple[str, str]] = []
    own = fitted.fit.components[members[0]]
    assert own.family is not None
    rest = [i for k, i in enumerate(parts.used) if k not in members]
    base = parts.solver.solve(parts.used)[0]
    for component in parts.solver.components:
        if component.family is None or component.name in present:
            continue
        group, energy, _ = component.family.groups[0]
        if abs(parts.response.observed(energy) - strongest.observed) > half:
            continue
        if component.family.z not in COMMON and own.family.z in COMMON:
            continue
        instead = [
            i for i, each in enumerate(parts.solver.components) if each.name == component.name
        ]
        chi2 = parts.solver.solve([*rest, *instead])[0]
        absent = missing_line(parts, component, strongest.area)
        if chi2 - base < UNDECIDED and not absent:
            undecided.append(f"{component.name} {group}")
        else:
            reason = f"{absent} is not there" if absent else ""
            decided.append((f"{component.name} {group}", reason))
    return undecided, decided


def _element_evidence(
    name: str,
    detected: list[_Group],
    sigma: float,
    undecided: list[str],
    decided: list[tuple[str, str]],
) -> str:
    """Return the evidence in a sentence."""
    first = max(detected, key=lambda group: group.area)
    others = [group for group in detected if group is not first and group.peak != first.peak]
    main = f"{name} {first.name} ({first.energy:.2f})"
    further = " and ".join(f"{name} {each.name} {each.energy:.2f}" for each in others[:2])
    if undecided:
        return f"{main} or {' or '.join(undecided)}: not separable"
    also = f"; together with {', '.join(first.also)}" if first.also else ""
    if decided:
        rival, reason = decided[0]
        why = f"{further} {'are' if len(others) > 1 else 'is'} there" if further else reason
        why = why or "it fits far better"
        return f"{main} rather than {rival}: {why}{also}"
    if further:
        return f"{main}, with {further}, {sigma:.0f} sigma{also}"
    return f"{main}, its only detected line, {sigma:.0f} sigma{also}"


# --- the instrument ----------------------------------------------------------------------------


def _scattered(fitted: _Fitted) -> list[Candidate]:
    """Return candidates for scattered light and for sum peaks."""
    parts, candidates = fitted.decomposition, []
    for index, component in enumerate(fitted.fit.components):
        if component.kind == "element":
            continue
        largest = fitted.at_peak.max(axis=0, initial=0.0)
        own = np.flatnonzero((fitted.at_peak[index] > 0) & (fitted.at_peak[index] >= 0.5 * largest))
        peaks = [parts.peaks[i] for i in own]
        if not peaks:
            continue
        increase = parts.solver.increase(parts.used, [parts.used[index]])
        score = float(1 - np.exp(-np.sqrt(max(increase, 0.0)) / SATURATION))
        name, evidence = _instrument_evidence(component)
        lines = tuple(
            Line(_sum_name(parts, peak) if component.kind == "sum" else name, peak.position, peak)
            for peak in peaks
        )
        candidates.append(Candidate(name, "instrument", score, lines, evidence))
    return candidates


def _instrument_evidence(component: Component) -> tuple[str, str]:
    """Return the name of a component of the instrument, and its explanation."""
    name = component.name
    if component.kind == "compton":
        return f"{name} Compton", f"lines of the tube ({name}), scattered inelastically"
    if component.kind == "beam":
        return f"beam {name} keV", "light of the beam, scattered elastically and inelastically"
    return "sum peaks", "two photons counted as one"


def _sum_name(decomposition: Decomposition, peak: Peak) -> str:
    near = [each for each in decomposition.sums if abs(each[1] - peak.position) < peak.width]
    return max(near, key=lambda each: each[2])[0] if near else "sum"


def _explained(fitted: _Fitted) -> set[Peak]:
    """Return the peaks of which the fit explains at least half."""
    data = fitted.decomposition.data
    explained = set()
    areas = fitted.at_peak.sum(axis=0)
    for peak, area in zip(fitted.decomposition.peaks, areas, strict=True):
        near = _near(fitted.decomposition, peak.position)
        above = float((data.counts - data.background)[near].sum())
        if area >= 0.5 * above:
            explained.add(peak)
    return explained


def _escapes(fitted: _Fitted) -> list[Candidate]:
    """Return a candidate for the peaks that are mostly escape peaks of stronger lines, if any."""
    parts, known, lines = fitted.decomposition, table(), []
    for index, component in enumerate(fitted.fit.components):
        if component.family is None:
            continue
        for group in _groups(fitted, index)[:2]:
            position = float(parts.response.observed(group.energy - SILICON_KALPHA))
            peak = _matching_peak(parts, position) if group.energy > ESCAPE_EDGE else None
            if peak is None or group.peak is None:
                continue
            share = float(np.interp(group.energy, known.escape_energy, known.escape_share))
            if share * group.area < 0.4 * parts.peaks[peak].area:
                continue
            name = f"escape of {component.name} {group.name}"
            lines.append(Line(name, position, parts.peaks[peak]))
    if not lines:
        return []
    evidence = f"silicon fluorescence leaves the detector: {SILICON_KALPHA} keV below a strong line"
    return [Candidate("escape peaks", "instrument", 0.9, tuple(lines), evidence)]
