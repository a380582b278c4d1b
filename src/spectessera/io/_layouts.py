"""Layouts of known programs, recognised by their groups and arrays: one function each.

A function gets the tree of a file and, if the user has chosen one, an array of it. It returns all
cubes that it recognises; an array that it does not know is not its business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from ._choice import AxisValues, Choice, polynomial
from ._layoutparts import scalar, times_in
from ._layouts_earth import prisma
from ._layouts_microscopy import berkeley, delmic, hyperspy, ome, oxford
from ._layouts_nexus import nxdata
from ._scan import grid_of, grid_of_motors, shape_in_title
from ._tree import Entry, Tree, text_of, unit_in

PYXRF_STEP = 0.01  # keV a channel, of all files of PyXRF


def layouts(tree: Tree, entry: Entry | None) -> Iterator[Choice]:
    """Yield the cubes that known layouts make of a file, those of the most specific first."""
    for layout in LAYOUTS:
        for choice in layout(tree):
            if entry is None or entry in choice.entries:
                if entry is not None:
                    choice.entries = [entry]
                yield choice


def _energy(entry: Entry | None, channels: int, unit: str = "keV") -> AxisValues | None:
    """Return an axis of energies that an array holds, if it has the length for it."""
    if entry is None or not entry.has_numbers or int(np.prod(entry.shape)) != channels:
        return None
    values = entry.values().ravel().astype(np.float64)
    return AxisValues(values, unit_in(entry.attrs) or unit, "energy", "energy", entry.name)


def _calibrated(entry: Entry | None, channels: int) -> AxisValues | None:
    """Return an axis of energies in keV that an array of two or three coefficients gives."""
    if entry is None or not entry.has_numbers:
        return None
    values = polynomial(entry.values(), channels)
    if values is None:
        return None
    return AxisValues(values, unit_in(entry.attrs) or "keV", "energy", "energy", entry.name)


def maps(tree: Tree) -> Iterator[Choice]:
    """XRF-Maps of the APS: channel first, in MAPS/Spectra or, of old files, in MAPS."""
    for group in ("MAPS/Spectra", "MAPS"):
        entry = tree.named(group, "mca_arr")
        if entry is None or entry.array.ndim != 3:
            continue
        channels = entry.shape[0]
        axis = _energy(tree.named(group, "Energy"), channels) or _calibrated(
            tree.named(group, "Energy_Calibration", "energy_calib"), channels
        )
        companions = times_in(tree, group, "MAPS/Spectra")
        for role in ("x", "y"):
            position = tree.named("MAPS/Scan", f"{role}_axis") or tree.named("MAPS", f"{role}_axis")
            companions |= {role: position} if position is not None else {}
        yield Choice([entry], "XRF-Maps (APS)", (1, 2, 0), axis=axis, companions=companions)
        return


def pymca(tree: Tree) -> Iterator[Choice]:
    """PyMca, ESRF: groups mca_0, mca_det0 ... with data, channels, calibration and times."""
    for group in tree.groups():
        if not re.fullmatch(r"mca([_-]?(det)?_?\d+)?", group.rpartition("/")[2].lower()):
            continue
        entry = tree.named(group, "data", "counts", "spectrum")
        if entry is None or entry.array.ndim < 2 or not entry.has_numbers:
            continue
        channels = entry.shape[-1]
        axis = _calibrated(tree.named(group, "calibration"), channels)
        axis = axis or _energy(tree.named(group, "energy"), channels)
        companions = times_in(tree, group)
        layout = (0, 1, 2) if entry.array.ndim == 3 else None
        yield Choice([entry], "PyMca", layout, axis=axis, companions=companions)


def pyxrf(tree: Tree) -> Iterator[Choice]:
    """PyXRF: xrfmap/detsum/counts is the sum of the detectors, 10 eV a channel."""
    total = tree.named("xrfmap/detsum", "counts")
    single = [tree.named(group, "counts") for group in tree.groups()
              if re.fullmatch(r"xrfmap/det\d+", group)]  # fmt: skip
    for entry in (total, *single):
        if entry is None or entry.array.ndim != 3:
            continue
        axis = AxisValues(
            PYXRF_STEP * np.arange(entry.shape[2]), "keV", "energy", "energy",
            "the layout of PyXRF (10 eV a channel)",
        )  # fmt: skip
        yield Choice([entry], "PyXRF", (0, 1, 2), axis=axis)


def crono(tree: Tree) -> Iterator[Choice]:
    """Bruker CRONO: one spectrum a row in XRF/Spectra, with the column and row of each pixel."""
    for group in tree.groups():
        entry = tree.named(group, "Spectra") if group.rpartition("/")[2].upper() == "XRF" else None
        if entry is None or entry.array.ndim not in (2, 3):
            continue
        axis = _energy(tree.named(group, "EnergyVector"), entry.shape[-1])
        choice = Choice([entry], "Bruker CRONO", axis=axis, companions=times_in(tree, group))
        if entry.array.ndim == 2:
            places = [tree.named(group, f"{letter}ComputedMapsCoordinate") for letter in "YX"]
            if None not in places:
                y, x = (each.values().ravel() for each in places if each is not None)
                choice.place, choice.place_source = _place(y, x), "XComputedMapsCoordinate"
        else:
            choice.layout = (0, 1, 2)
        yield choice


def _place(y: np.ndarray, x: np.ndarray) -> np.ndarray | None:
    """Return the number of the point at every pixel, from whole numbers of rows and columns."""
    if y.shape != x.shape or not (np.isfinite(y).all() and np.isfinite(x).all()):
        return None
    rows, columns = np.rint(y - y.min()).astype(np.int64), np.rint(x - x.min()).astype(np.int64)
    height, width = int(rows.max()) + 1, int(columns.max()) + 1
    if height * width > 16 * len(y):  # no indices but positions
        return grid_of(y, x)
    place = np.full((height, width), -1, dtype=np.int64)
    place[rows, columns] = np.arange(len(y))
    return place if (place >= 0).sum() == len(y) else grid_of(y, x)


def bliss(tree: Tree) -> Iterator[Choice]:
    """BLISS scans of the ESRF: one spectrum a point; motors or the title give the image."""
    for entry in tree.entries.values():
        match = re.match(r"(\d+\.\d+)/instrument/.*data$", entry.name)
        if not match or entry.base != "data" or entry.array.ndim != 2:
            continue
        if entry.has_numbers and entry.shape[1] > 1:
            choice = Choice([entry], "BLISS (ESRF)", companions=times_in(tree, entry.group))
            _scan_grid(tree, match[1], choice)
            yield choice


def _scan_grid(tree: Tree, group: str, choice: Choice) -> None:
    """Give the place of every point: by the positions of motors, else by the title of the scan."""
    points = choice.entry.shape[0]
    folders = [f"{group}/measurement", f"{group}/instrument/positioners", f"{group}/scan_data"]
    motors: dict[str, Entry] = {}
    for folder in folders:
        for each in tree.inside(folder):
            if each.shape == (points,) and each.has_numbers:
                motors.setdefault(each.name, each)
    names = {name: name.rpartition("/")[2] for name in motors}
    for alias, name in tree.aliases.items():  # measurement/sampy may be a link
        if name in names and alias.startswith(folders[0]):
            names[name] = alias.rpartition("/")[2]
    title = text_of(scalar(tree, f"{group}/title"))
    in_title = [name for name, base in names.items() if re.search(rf"\b{re.escape(base)}\b", title)]
    chosen = in_title if len(in_title) >= 2 else list(names)
    result = grid_of_motors({names[name]: motors[name].values() for name in chosen})
    if result is not None:
        choice.place, y, x = result
        choice.place_source = f"the positions of {y} (y) and {x} (x)"
        return
    shape = shape_in_title(title)
    if shape is not None and points <= shape[0] * shape[1]:
        place = np.full(shape[0] * shape[1], -1, dtype=np.int64)
        place[:points] = np.arange(points)
        choice.place, choice.place_source = place.reshape(shape), f"the title of the scan ({title})"


LAYOUTS: tuple[Callable[[Tree], Iterator[Choice]], ...] = (
    maps, pymca, pyxrf, crono, bliss, hyperspy, berkeley, delmic, oxford, prisma, ome, nxdata,
)  # fmt: skip
