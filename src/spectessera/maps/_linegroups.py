"""Which lines are fitted to every pixel, and in which channels.

A column of the fit is one line, or several whose ratio is fixed: the two lines of a doublet of one
upper level, or lines of an ion that are not resolved. A window is a run of channels around lines
that are near each other; it has a straight line of continuum of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from spectessera._util.constants import FWHM, SPEED_OF_LIGHT
from spectessera.axis import Axis, channel_edges
from spectessera.naming.optical.fluxes import BLENDED
from spectessera.optical.linefits import LEAST_CHANNELS, observed_vacuum
from spectessera.optical.linetable import (
    EMISSION,
    SKY,
    STRONG_SKY,
    OpticalLine,
    rest_vacuum,
    vacuum_wavelengths,
)

# Line ratios of one upper level: [OIII] and [NII] of Storey & Zeippen 2000, MNRAS 312, 813, [OI] of
# the transition probabilities in Osterbrock & Ferland 2006.
FIXED = {
    "[OIII] 5007": ("[OIII] 4959", 2.98),
    "[NII] 6583": ("[NII] 6548", 3.05),
    "[OI] 6300": ("[OI] 6364", 3.13),
}
# km/s around the searched velocities that belong to a window: half of a broad line, and continuum.
MARGIN = 900.0
EQUAL = "equal shares"  # of lines that are not resolved
SKY_HALF = 4.0  # angstrom around the strongest lines of the night sky that are not fitted


class Column(NamedTuple):
    """One line, or lines of a fixed ratio.

    Attributes
    ----------
    name, ion : str
        Such as "[OIII] 5007", or "[OII] 3726+3729" of lines that are not resolved.
    rest : tuple of float
        Vacuum wavelengths at rest, angstrom.
    share : tuple of float
        Flux of each line for a flux of 1: 1 and 1 / 2.98 of a doublet (the flux is that of the
        stronger line), 1/2 and 1/2 of lines that are not resolved.
    tied : str
        What is fixed: the fainter line and the ratio, such as "[OIII] 4959 / 2.98", or "equal
        shares"; "" for a single line.
    """

    name: str
    ion: str
    rest: tuple[float, ...]
    share: tuple[float, ...]
    tied: str = ""


class Window(NamedTuple):
    """Channels around some lines.

    Attributes
    ----------
    channels : slice
        Of the spectrum by rising wavelength.
    stored : slice
        Where the window is in the spectra that are kept, which are all windows in a row.
    low, high : array (channel,)
        Edges of the channels in vacuum, angstrom.
    width : array (channel,)
        Of the channels, in the unit of the axis.
    columns : tuple of int
        Which columns are in this window.
    base : array (channel, 2)
        The straight line: 1, and a slope from -1 to 1.
    """

    channels: slice
    stored: slice
    low: np.ndarray
    high: np.ndarray
    width: np.ndarray
    columns: tuple[int, ...]
    base: np.ndarray


class Grid(NamedTuple):
    """The channels of an axis by rising wavelength.

    Attributes
    ----------
    order : array (channel,)
        Positions on the axis.
    low, high : array (channel,)
        Edges in vacuum, angstrom.
    width : array (channel,)
        In the unit of the axis.
    """

    order: np.ndarray
    low: np.ndarray
    high: np.ndarray
    width: np.ndarray


def grid_of(axis: Axis) -> Grid:
    """Return the channels of an axis of wavelengths by rising wavelength."""
    order = np.argsort(axis.values)
    low, high = (edge[order] for edge in channel_edges(axis))
    return Grid(order, observed_vacuum(low, axis), observed_vacuum(high, axis), high - low)


def columns_of(
    names: Iterable[str], grid: Grid, redshift: float, speed: float, reach: float
) -> tuple[Column, ...]:
    """Return the columns of some lines that are on the axis, by wavelength.

    Parameters
    ----------
    names : iterable of str
        Of lines of the table.
    grid : Grid
    redshift : float
    speed : float
        Standard deviation of the lines, km/s: lines of an ion closer than 0.9 of their full widths
        are one column.
    reach : float
        Largest velocity, km/s: lines that may leave the axis are left out, and those that coincide
        with the strongest lines of the night sky.
    """
    wanted = set(names)
    wanted |= {FIXED[name][0] for name in wanted if name in FIXED}
    wanted |= {strong for strong, (faint, _) in FIXED.items() if faint in wanted}
    lines = [line for line in EMISSION if line.name in wanted]
    places = dict(zip((line.name for line in lines), rest_vacuum(tuple(lines)), strict=True))
    usable = [line for line in lines if _on_axis(places[line.name], grid, redshift, reach)]
    names_left = {line.name for line in usable}
    columns: list[Column] = []
    for line in usable:
        if any(line.name == faint and strong in names_left for strong, (faint, _) in FIXED.items()):
            continue
        faint, ratio = FIXED.get(line.name, ("", 0.0))
        place = float(places[line.name])
        if faint in names_left:
            rest, share = (place, float(places[faint])), (1.0, 1.0 / ratio)
            columns.append(Column(line.name, line.ion, rest, share, f"{faint} / {ratio:g}"))
        elif columns and _not_resolved(columns[-1], line, place, speed):
            columns[-1] = _blend(columns[-1], line, place)
        else:
            columns.append(Column(line.name, line.ion, (place,), (1.0,)))
    return tuple(columns)


def _on_axis(rest: float, grid: Grid, redshift: float, reach: float) -> bool:
    """Return whether a line stays on the axis and away from bright lines of the night sky."""
    place = rest * (1 + redshift)
    far = place * (reach + MARGIN / 3) / SPEED_OF_LIGHT
    near = bool((np.abs(_sky() - place) < SKY_HALF).any())
    channels = ((grid.low < place + far) & (grid.high > place - far)).sum()
    wanted = 2 * far / float(np.median(grid.high - grid.low))
    inside = grid.low[0] < place - far and place + far < grid.high[-1]
    return bool(inside and not near and channels > 0.9 * wanted)


def _sky() -> np.ndarray:
    return vacuum_wavelengths(np.array([line.air for line in SKY if line.name in STRONG_SKY]))


def sky_channels(grid: Grid) -> np.ndarray:
    """Return which channels (channel,) are at the strongest lines of the night sky."""
    middle = (grid.low + grid.high) / 2
    return (np.abs(middle[:, None] - _sky()) < SKY_HALF).any(axis=1)


def _not_resolved(last: Column, line: OpticalLine, place: float, speed: float) -> bool:
    near = place - last.rest[-1] < BLENDED * FWHM * speed / SPEED_OF_LIGHT * place
    return near and last.ion == line.ion and last.tied in ("", EQUAL)


def _blend(last: Column, line: OpticalLine, place: float) -> Column:
    rest = (*last.rest, place)
    name = f"{last.name}+{line.name.split()[-1]}"
    return Column(name, last.ion, rest, (1 / len(rest),) * len(rest), EQUAL)


def windows_of(
    columns: tuple[Column, ...], grid: Grid, redshift: float, reach: float
) -> tuple[Window, ...]:
    """Return the windows of all columns; those that overlap are one."""
    factor = (1 + redshift) * np.array([1 - (reach + MARGIN) / SPEED_OF_LIGHT,
                                        1 + (reach + MARGIN) / SPEED_OF_LIGHT])  # fmt: skip
    ends = [(min(c.rest) * factor[0], max(c.rest) * factor[1], i) for i, c in enumerate(columns)]
    runs: list[list[tuple[float, float, int]]] = []
    for one in sorted(ends):
        if runs and one[0] < max(end for _, end, _ in runs[-1]):
            runs[-1].append(one)
        else:
            runs.append([one])
    windows, place = [], 0
    for run in runs:
        start = int(np.searchsorted(grid.high, min(low for low, _, _ in run)))
        stop = int(np.searchsorted(grid.low, max(high for _, high, _ in run)))
        own = slice(start, stop)
        slope = np.linspace(-1.0, 1.0, stop - start)
        base = np.stack([np.ones(stop - start), slope], axis=1)
        stored = slice(place, place + stop - start)
        numbers = tuple(sorted(number for *_, number in run))
        windows.append(
            Window(own, stored, grid.low[own], grid.high[own], grid.width[own], numbers, base)
        )
        place = stored.stop
    return tuple(windows)


def enough_channels(axis: Axis) -> bool:
    """Return whether an axis has channels enough for a continuum and lines."""
    return len(axis) >= LEAST_CHANNELS and bool((axis.values > 0).all())
