"""Which lines a pigment has of its own, and which of them a spectrum shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np

from spectessera.axis import Axis
from spectessera.naming.candidates import Line, Naming, Peak
from spectessera.naming.peaks import find_peaks
from spectessera.naming.xray.families import table
from spectessera.synth.paint.palettes import Palette
from spectessera.synth.paint.pigments import PIGMENTS, SUPPORT, Pigment
from spectessera.synth.xrf.detector import Detector, width
from spectessera.synth.xrf.templates import shipped

LEAST_FRACTION = 0.05  # of the mass, of a compound whose elements are looked for
LEAST_SHARE = 0.003  # of the counts, of a line that is looked for
STRONGER = 1.5  # a line is a pigment's own that is so much stronger than that of the support
EXPOSURE = 100.0  # of the templates whose peaks are found: some 1e5 to 1e6 counts
LIGHT = {"H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne"}  # no lines that pass air

# The elements that pigments are told by, by their first lines.
TOLD_BY = {
    "Ka": "Na Mg Al Si P S Cl K Ca Ti Cr Mn Fe Co Ni Cu Zn As Se Sr Ag Cd Sn Sb Ba",
    "La": "Ag Cd Sn Sb Ba Au Hg Pb Bi",
}


@cache
def _energies() -> dict[str, dict[str, float]]:
    """Return the energies in keV of those lines, by series and element."""
    known = {
        (family.symbol, group.name): group.energy
        for family in table().families
        for group in family.groups
    }
    return {
        series: {element: known[element, series] for element in elements.split()}
        for series, elements in TOLD_BY.items()
    }


def line_elements(pigment: Pigment) -> tuple[str, ...]:
    """Return the elements from sodium up of the main compounds of a pigment."""
    formulas = [formula for share, formula in pigment.mixture if share >= LEAST_FRACTION]
    found = [each for formula in formulas for each in re.findall(r"[A-Z][a-z]?", formula)]
    return tuple(dict.fromkeys(each for each in found if each not in LIGHT))


def own_lines(palette: Palette, index: int, last: float) -> tuple[Line, ...]:
    """Return the lines that tell a pigment from the bare support, the strongest first.

    Parameters
    ----------
    palette : Palette
    index : int
        Of the pigment.
    last : float
        Energy in keV where the spectrum ends.

    Returns
    -------
    tuple of Line
        With the peaks that the template has. Of the support itself, its own lines. Empty if the
        formula is not known, or there is nothing that could be seen.
    """
    recipe = palette.recipes[index]
    if recipe is None:
        return ()
    expected = palette.nominal[index] * EXPOSURE
    axis = palette.axis.to("keV")
    peaks = xray_peaks(expected, axis)
    if recipe == PIGMENTS[SUPPORT]:
        bare: tuple[Peak, ...] = ()
    else:
        stored = shipped()
        support = stored.spectra[stored.pigments.index(SUPPORT), stored.factors == 1.0][0]
        bare = xray_peaks(support * EXPOSURE, stored.axis)
    found = []
    for line in first_lines(line_elements(recipe), peaks):
        if line.peak is None or line.position > last:
            continue
        under = first_lines((line.name.split()[0],), bare)
        before = max((each.peak.area for each in under if each.name == line.name and each.peak),
                     default=0.0)  # fmt: skip
        if line.peak.area > max(STRONGER * before, LEAST_SHARE * expected.sum()):
            found.append(line)
    return tuple(sorted(found, key=lambda line: -line.peak.area if line.peak else 0.0))


def first_lines(elements: Sequence[str], peaks: Sequence[Peak]) -> tuple[Line, ...]:
    """Return the first K and L lines of elements, with the peaks that they may be."""
    found = []
    for element in elements:
        for series, energies in _energies().items():
            if element in energies:
                energy = energies[element]
                near = [each for each in peaks if abs(each.position - energy) < _reach(energy)]
                peak = min(near, key=lambda each: abs(each.position - energy), default=None)
                found.append(Line(f"{element} {series}", energy, peak))
    return tuple(found)


def seen_lines(own: Sequence[Line], seen: Naming, named: bool) -> tuple[Line, ...]:
    """Return what is seen of the lines of a pigment.

    Parameters
    ----------
    own : sequence of Line
        As of :func:`own_lines`.
    seen : Naming
        Its elements with their lines, or only peaks.
    named : bool
        Whether it has elements.

    Returns
    -------
    tuple of Line
        First the lines that are found, of the elements that have the lines told; then, without a
        peak, a line of each of the elements that none is found of.
    """
    elements = tuple(dict.fromkeys(line.name.split()[0] for line in own))
    if named:
        by_name = {each.name: each.lines for each in seen.of_kind("element")}
        lines = tuple(line for each in elements for line in by_name.get(each, ()))
    else:
        names = {line.name for line in own}
        lines = tuple(each for each in first_lines(elements, seen.peaks) if each.name in names)
    found = [line for line in lines if line.peak is not None]
    shown = {line.name.split()[0] for line in found}
    for line in own:
        element = line.name.split()[0]
        if element not in shown:
            found.append(Line(line.name, line.position, None))
            shown.add(element)
    return tuple(found)


def xray_peaks(counts: np.ndarray, axis: Axis) -> tuple[Peak, ...]:
    """Return the peaks of counts (channel,) on an axis in keV."""
    return find_peaks(counts, np.sqrt(np.maximum(counts, 1.0)), axis, width=_width)


def _width(energy: np.ndarray) -> np.ndarray:
    return width(Detector(), np.maximum(energy, 0.1))


def _reach(energy: float) -> float:
    """Return how far from its line a peak may lie, in keV: half its width."""
    return float(_width(np.array([energy]))[0]) / 2
