"""Turn the decomposition of an X-ray spectrum into candidates: lines, peaks, score and evidence.

Assumes checked input; energies are in keV.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera._util.constants import SILICON_KALPHA
from spectessera.naming.candidates import HIDDEN, Candidate, Line, Peak

from .claims import members_of, shared_with, with_claims
from .components import Component
from .decomposition import Decomposition, missing_line, without_contradictions
from .families import AIR, ANODES, COMMON, ESCAPE_EDGE, USUAL_ANODE, table
from .groups import PART, Fitted, Group, channels_near, groups_of, matching_peak
from .solver import harder_shell_excited

UNDECIDED = 9.0  # fits whose chi2 differ by less are equally good
SATURATION = 8.0  # standard errors at which the score reaches 1 - 1/e of its maximum
FAINT = 0.15  # candidates with a lower score are left out


class Judged(NamedTuple):
    """The final fit, all candidates, the best of every kind first, and the unexplained peaks."""

    fitted: Fitted
    candidates: tuple[Candidate, ...]
    unexplained: tuple[Peak, ...]


def judge(decomposition: Decomposition, anode: str | None) -> Judged:
    """Return the fit by what may be claimed, and what that is evidence for."""
    decomposition = without_contradictions(decomposition)
    used = (decomposition.solver.components[i] for i in decomposition.used)
    tubes = {each.name for each in used if each.kind == "compton"} | ({anode} if anode else set())
    fitted = with_claims(decomposition, tubes)
    decomposition = fitted.decomposition
    names = dict.fromkeys(each.name for each in fitted.fit.components if each.kind == "element")
    elements: list[Candidate] = []
    instrument: list[Candidate] = []
    for name in names:
        own = name in tubes or name in (USUAL_ANODE, table().symbols[AIR])
        candidate = _element(fitted, name, own, tubes)
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

    return Judged(fitted, (*ranked(elements), *ranked(instrument)), left)


# --- elements ----------------------------------------------------------------------------------


def _element(fitted: Fitted, name: str, own: bool, tubes: set[str]) -> Candidate | None:
    """Return an element with its evidence, None if no line is detected.

    ``own``: it belongs to the instrument; ``tubes``: anodes that are known.
    """
    parts = fitted.decomposition
    members = members_of(fitted, name)
    groups = [group for i in members for group in groups_of(fitted, i)]
    detected = [group for group in groups if group.peak is not None and group.share >= PART]
    if not detected:
        return None
    increase = parts.solver.increase(parts.used, [parts.used[i] for i in members])
    sigma = float(np.sqrt(max(increase, 0.0)))
    undecided, decided = _rivals(fitted, members, detected)
    shared = [shared_with(fitted, name, group, tubes - {name}) for group in detected]
    clear = [group for group, others in zip(detected, shared, strict=True) if not others]
    score = _element_score(fitted, members[0], groups, detected, clear, sigma)
    if undecided:
        score *= 0.5
    evidence = _element_evidence(name, detected, sigma, undecided, decided)
    if not clear and shared[0] != "others" and not undecided:
        evidence += f"; {shared[0]} has a line there, too"
    if name == table().symbols[AIR]:
        evidence = f"argon of the air: {evidence}"
    elif own:
        evidence = f"anode of the tube: {evidence}"
    elif not tubes and name in ANODES:
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
    fitted: Fitted,
    index: int,
    groups: list[Group],
    detected: list[Group],
    clear: list[Group],
    sigma: float,
) -> float:
    """Return the score of an element whose first component is at ``index``.

    ``clear`` are its lines that stand alone.
    """
    expected = [g for g in groups if g.visible and (g in detected or not g.hidden)]
    total = sum(group.area for group in expected) or 1.0
    share = sum(group.area for group in expected if group in detected) / total
    family = fitted.fit.components[index].family
    assert family is not None
    score = (1 - np.exp(-sigma / SATURATION)) * share * (0.45 + 0.55 * bool(clear))
    score *= 1.0 if family.z in COMMON or len(clear) > 1 else 0.7
    missing = [each for each in expected if each.certain and each not in detected]
    if len(clear) < 2 and any(_is_free(fitted.decomposition, each) for each in missing):
        score *= 0.5  # another line of the element should be seen
    strongest = {
        max((g for g in groups if g.name[0] == shell), key=lambda group: group.area)
        for shell in {group.name[0] for group in groups}
    }
    if strongest.isdisjoint(detected):
        score *= 0.5  # a weaker line is more likely to be that of another element
    if harder_shell_excited(family, fitted.decomposition.excitation):
        score *= 0.5  # lines of the harder shell should be detected first
    return float(score)


def _is_free(decomposition: Decomposition, group: Group) -> bool:
    """Return whether a line would be a peak of its own, not the shoulder of one."""
    width = float(decomposition.response.width(group.observed))
    return all(abs(peak.position - group.observed) > 2 * width for peak in decomposition.peaks)


def _note(group: Group) -> str:
    if group.also:
        return f"also {', '.join(group.also)}"
    return f"{HIDDEN} the peak at {group.hidden}" if group.hidden else ""


def _rivals(
    fitted: Fitted, members: list[int], detected: list[Group]
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
    detected: list[Group],
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


def _scattered(fitted: Fitted) -> list[Candidate]:
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


def _explained(fitted: Fitted) -> set[Peak]:
    """Return the peaks of which the fit explains at least half."""
    data = fitted.decomposition.data
    explained = set()
    areas = fitted.at_peak.sum(axis=0)
    for peak, area in zip(fitted.decomposition.peaks, areas, strict=True):
        near = channels_near(fitted.decomposition, peak.position)
        above = float((data.counts - data.background)[near].sum())
        if area >= 0.5 * above:
            explained.add(peak)
    return explained


def _escapes(fitted: Fitted) -> list[Candidate]:
    """Return a candidate for the peaks that are mostly escape peaks of stronger lines, if any."""
    parts, known, lines = fitted.decomposition, table(), []
    for index, component in enumerate(fitted.fit.components):
        if component.family is None:
            continue
        for group in groups_of(fitted, index)[:2]:
            position = float(parts.response.observed(group.energy - SILICON_KALPHA))
            peak = matching_peak(parts, position) if group.energy > ESCAPE_EDGE else None
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
