"""The characteristic lines of pigments, and those that are detected in a spectrum."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from spectessera.axis import Axis
from spectessera.naming.candidates import Line, Naming, Peak
from spectessera.naming.peaks import find_peaks
from spectessera.naming.xray.families import table
from spectessera.synth.paint.palettes import Palette
from spectessera.synth.paint.pigments import PIGMENTS, SUPPORT, Pigment
from spectessera.synth.xrf.detector import Detector, width
from spectessera.synth.xrf.templates import shipped

LEAST_FRACTION = 0.05  # least mass fraction of a compound whose elements are used
LEAST_SHARE = 0.003  # least share of the counts of a characteristic line
STRONGER = 1.5  # least ratio of a characteristic line to the same line of the support
EXPOSURE = 100.0  # of the templates whose peaks are detected: about 1e5 to 1e6 counts
CLEAR = 10.0  # standard errors with which a line is expected, from which it must be detected
LIGHT = {"H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne"}  # their lines do not pass air

# Elements by which pigments are identified, by the name of their first line.
FIRST_LINES = {
    "Ka": "Na Mg Al Si P S Cl K Ca Ti Cr Mn Fe Co Ni Cu Zn As Se Sr Ag Cd Sn Sb Ba",
    "La": "Ag Cd Sn Sb Ba Au Hg Pb Bi",
}


@cache
def _energies() -> dict[str, dict[str, float]]:
    """Return the energies in keV of the first lines, by series and element."""
    known = {
        (family.symbol, group.name): group.energy
        for family in table().families
        for group in family.groups
    }
    return {
        series: {element: known[element, series] for element in elements.split()}
        for series, elements in FIRST_LINES.items()
    }


def line_elements(pigment: Pigment) -> tuple[str, ...]:
    """Return the elements from sodium on in the main compounds of a pigment."""
    formulas = [formula for share, formula in pigment.mixture if share >= LEAST_FRACTION]
    symbols = [each for formula in formulas for each in re.findall(r"[A-Z][a-z]?", formula)]
    return tuple(dict.fromkeys(each for each in symbols if each not in LIGHT))


def own_lines(palette: Palette, index: int, last: float) -> tuple[Line, ...]:
    """Return the lines that distinguish a pigment from the bare support, the strongest first.

    Parameters
    ----------
    palette : Palette
    index : int
        Of the pigment in the palette.
    last : float
        Energy in keV where the spectrum ends.

    Returns
    -------
    tuple of Line
        With the peaks of the template. For the support itself, all of its lines. Empty if the
        formula is unknown, or no line can be detected.
    """
    return tuple(line for line in _own_lines(palette, index) if line.position <= last)


@lru_cache(maxsize=128)
def _own_lines(palette: Palette, index: int) -> tuple[Line, ...]:
    recipe = palette.recipes[index]
    if recipe is None:
        return ()
    expected = palette.nominal[index] * EXPOSURE
    peaks = xray_peaks(expected, palette.axis.to("keV"))
    bare = () if recipe == PIGMENTS[SUPPORT] else _support_peaks()
    own = []
    for line in first_lines(line_elements(recipe), peaks):
        if line.peak is None:
            continue
        same = first_lines((element_of(line),), bare)
        area = max((each.peak.area for each in same if each.name == line.name and each.peak),
                   default=0.0)  # fmt: skip
        if line.peak.area > max(STRONGER * area, LEAST_SHARE * expected.sum()):
            own.append(line)
    return tuple(sorted(own, key=lambda line: -line.peak.area if line.peak else 0.0))


@cache
def _support_peaks() -> tuple[Peak, ...]:
    """Return the peaks of the bare support, in the templates that ship with the package."""
    stored = shipped()
    support = stored.spectra[stored.pigments.index(SUPPORT), stored.factors == 1.0][0]
    return xray_peaks(support * EXPOSURE, stored.axis)


def first_lines(elements: Sequence[str], peaks: Sequence[Peak]) -> tuple[Line, ...]:
    """Return the first K and L lines of elements, each with its nearest peak, if there is one."""
    lines = []
    for element in elements:
        for series, energies in _energies().items():
            if element in energies:
                energy = energies[element]
                near = [each for each in peaks if abs(each.position - energy) < _reach(energy)]
                peak = min(near, key=lambda each: abs(each.position - energy), default=None)
                lines.append(Line(f"{element} {series}", energy, peak))
    return tuple(lines)


def detected_lines(own: Sequence[Line], naming: Naming, named: bool) -> tuple[Line, ...]:
    """Return the detected lines of a pigment, and those that are missing.

    Parameters
    ----------
    own : sequence of Line
        As of :func:`own_lines`.
    naming : Naming
        Of the spectrum: elements with their lines, or only peaks.
    named : bool
        Whether it contains elements.

    Returns
    -------
    tuple of Line
        First the detected lines of the elements of ``own``; then, without a peak, one line of each
        element without a detected line.
    """
    elements = tuple(dict.fromkeys(element_of(line) for line in own))
    if named:
        by_name = {each.name: each.lines for each in naming.of_kind("element")}
        lines = tuple(line for each in elements for line in by_name.get(each, ()))
    else:
        names = {line.name for line in own}
        lines = tuple(each for each in first_lines(elements, naming.peaks) if each.name in names)
    result = [line for line in lines if line.peak is not None]
    present = {element_of(line) for line in result}
    for line in own:
        element = element_of(line)
        if element not in present:
            result.append(Line(line.name, line.position, None))
            present.add(element)
    return tuple(result)


def lacking(own: Sequence[Line], present: Collection[str], naming: Naming, expected: float) -> bool:
    """Return whether an element is missing whose lines should be seen.

    Parameters
    ----------
    own : sequence of Line
        As of :func:`own_lines`.
    present : collection of str
        Elements that are detected.
    naming : Naming
        Of the spectrum, with the elements whose lines may hide others.
    expected : float
        Counts of the pigment, relative to those of its template.
    """
    taken = [
        line.position for each in naming.candidates for line in each.lines if line.peak is not None
    ]
    taken += [
        group.energy
        for family in table().families
        if family.symbol in present
        for group in family.groups
        if group.share > 0.1
    ]
    for line in own:
        if line.peak is None or element_of(line) in present:
            continue
        strength = line.peak.significance * np.sqrt(expected / EXPOSURE)
        hidden = any(abs(line.position - each) < 2 * _reach(line.position) for each in taken)
        if strength > CLEAR and not hidden:
            return True
    return False


class PigmentLines(NamedTuple):
    """What is needed to see whether the lines of a pigment are there.

    ``named``: whether ``naming`` has elements, or only peaks; ``last``: energy in keV where the
    spectrum ends; ``total``: its counts.
    """

    paint: Palette
    naming: Naming
    named: bool
    last: float
    total: float

    def own(self, pigment: int) -> tuple[Line, ...]:
        """Return the lines that distinguish a pigment from the bare support."""
        return own_lines(self.paint, pigment, self.last)

    def detected(self, pigment: int) -> tuple[Line, ...]:
        """Return the detected lines of a pigment, and those that are missing."""
        return detected_lines(self.own(pigment), self.naming, self.named)

    def lacks(self, pigment: int, share: float = 1.0) -> bool:
        """Return whether a pigment with a share of the counts should have lines that are missing.

        Its strongest line must be detected, and the other elements if their lines are expected.
        """
        own, detected = self.own(pigment), self.detected(pigment)
        present = {element_of(line) for line in detected if line.peak}
        if own and element_of(own[0]) not in present:
            return True
        expected = share * self.total / self.paint.nominal[pigment].sum()
        return self.named and lacking(own, present, self.naming, expected)

    def best(self, group: Sequence[int]) -> list[int]:
        """Return the pigments of which no element is missing; all, if there are none."""
        return [each for each in group if not self.lacks(each, np.inf)] or list(group)


def element_of(line: Line) -> str:
    """Return the element of a line, such as "Pb" of "Pb La"."""
    return line.name.split()[0]


def xray_peaks(counts: np.ndarray, axis: Axis) -> tuple[Peak, ...]:
    """Return the peaks of counts (channel,) on an axis in keV."""
    return find_peaks(counts, np.sqrt(np.maximum(counts, 1.0)), axis, width=_width)


def _width(energy: np.ndarray) -> np.ndarray:
    return width(Detector(), np.maximum(energy, 0.1))


@lru_cache(maxsize=256)
def _reach(energy: float) -> float:
    """Return the largest distance in keV of a peak from its line: half its width."""
    return float(_width(np.array([energy]))[0]) / 2
