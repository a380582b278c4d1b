"""The groups of lines of a fitted X-ray spectrum: their counts, their peaks, and what hides them.

Assumes checked input; energies are in keV.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .components import XrayFit
from .decomposition import Decomposition
from .families import part_of

VISIBLE, CERTAIN = 5.0, 10.0  # standard errors of a line, from which it should be detected
REACH = 2.0  # widths, within which a stronger line of the same element may hide one
PART = 0.2  # least share of a peak with which a line is detected in it


class Group(NamedTuple):
    """A group of lines of a component.

    ``observed`` is its energy on the axis, ``area`` its counts; ``visible``: it should be detected,
    ``certain``: even by chance it cannot be missed; ``peak``: its peak, and ``share`` its share of
    it; ``hidden``: a peak so close that its flank may hide the group, or in which it is lost;
    ``also``: other contributions to its peak.
    """

    name: str
    energy: float
    observed: float
    area: float
    visible: bool
    certain: bool
    peak: int | None
    hidden: str
    share: float
    also: tuple[str, ...]


class Fitted(NamedTuple):
    """The final fit, and the counts of every component in every peak (component, peak)."""

    decomposition: Decomposition
    fit: XrayFit
    at_peak: np.ndarray


def fitted_to_peaks(decomposition: Decomposition) -> Fitted:
    """Return the fit, and the counts of its components in every peak."""
    fit = decomposition.solver.fit(decomposition.used)
    at_peak = np.zeros((len(fit.components), len(decomposition.peaks)))
    for index in range(len(fit.components)):
        shape = fit.counts(index)
        for place, peak in enumerate(decomposition.peaks):
            at_peak[index, place] = shape[channels_near(decomposition, peak.position)].sum()
    return Fitted(decomposition, fit, at_peak)


def channels_near(decomposition: Decomposition, position: float) -> slice:
    """Return the channels within half a width of a position, at least one."""
    half = float(decomposition.response.width(position)) / 2
    energy = decomposition.data.energy
    low, high = np.searchsorted(energy, [position - half, position + half])
    return slice(int(low), max(int(high), int(low) + 1))


def groups_of(fitted: Fitted, index: int) -> list[Group]:
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
        near = channels_near(parts, observed)
        noise = float(np.sqrt((parts.data.error[near] ** 2).sum()))
        # Other counts at its place hide a line: the fit is uncertain by a share of them.
        hidden = 0.03 * float(parts.data.counts[near].sum())
        strength = 0.76 * area / max(float(np.hypot(noise, hidden)), 1e-300)
        peak = matching_peak(parts, observed)
        own: float = 0.0
        also: tuple[str, ...] = ()
        if peak is not None:
            own, also = _shares(fitted, index, peak)
            # The peak of a much stronger line of the component is not that of a weak neighbour.
            if 0.76 * area < PART * fitted.at_peak[index, peak]:
                peak = None
        flank = "" if peak is not None else _hiding_peak(parts, observed)
        if peak is None and not flank:
            flank = _blended_with(fitted, index, observed)
        visible = (strength > VISIBLE, strength > CERTAIN)
        groups.append(Group(name, energy, observed, area, *visible, peak, flank, own, also))
    return sorted(groups, key=lambda group: -group.area)


def matching_peak(decomposition: Decomposition, observed: float) -> int | None:
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


def _blended_with(fitted: Fitted, index: int, observed: float) -> str:
    """Return the position of the peak of a component's own stronger line that a line is lost in.

    At the resolution of the detector, the fitted lines of the component have no maximum of their
    own at the place of the line, or none that rises above the valley by more than its errors: the
    flank of a line of 30 times the counts reaches further than one width. "" if there is one.
    """
    parts = fitted.decomposition
    energy, shape = parts.data.energy, fitted.fit.counts(index)
    width = float(parts.response.width(observed))
    near = channels_near(parts, observed)
    reach = np.flatnonzero(np.abs(energy - observed) < REACH * width)
    stronger = reach[np.argmax(shape[reach])] if reach.size else None
    if stronger is None or abs(energy[stronger] - observed) < width / 2:
        return ""  # no stronger line of the component is near
    # From the stronger line across this one: by how much the shape is above its least so far.
    rising = energy[stronger] < observed
    across = np.arange(stronger, near.stop) if rising else np.arange(stronger, near.start - 1, -1)
    rise = (shape[across] - np.minimum.accumulate(shape[across]))[-(near.stop - near.start) :].sum()
    noise = float(np.sqrt((parts.data.error[near] ** 2).sum()))
    return "" if rise > VISIBLE * noise else f"{energy[stronger]:.2f} keV"


def _shares(fitted: Fitted, index: int, peak: int) -> tuple[float, tuple[str, ...]]:
    """Return an element's share of a peak, and the names of its other contributions."""
    name = fitted.fit.components[index].name
    areas: dict[str, float] = {}
    for each, area in zip(fitted.fit.components, fitted.at_peak[:, peak], strict=True):
        label = each.name if each.kind == "element" else f"{each.kind} ({each.name})"
        areas[label] = areas.get(label, 0.0) + float(area)
    data = fitted.decomposition.data
    near = channels_near(fitted.decomposition, fitted.decomposition.peaks[peak].position)
    above = float((data.counts - data.background)[near].sum())
    total = max(sum(areas.values()), above, 1e-300)
    also = tuple(label for label, area in areas.items() if label != name and area > PART * total)
    return areas[name] / total, also
