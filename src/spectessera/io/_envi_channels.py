"""What an ENVI header says of its channels: wavelengths, widths, names, and which are bad."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from spectessera.conventions.units import guessed_unit

from ._channels import bad_channels_of, mark_bad
from ._common import StoredCube, axis_of_file
from ._envi_header import numbers_in
from ._wavelengths import without_gaps, without_repeats

UNITS = {"wavenumber": "cm-1", "millimeters": "mm", "meters": "m", "index": ""}
NO_UNIT = {"", "unknown", "none", "n/a"}
# A wavelength with its unit in the name of a band, such as "Band 12 (456.7 Nanometers)".
IN_NAME = re.compile(
    r"(\d+(?:\.\d+)?)\s*(nanomet(?:er|re)s?|nm|micromet(?:er|re)s?|microns?|um|µm)\b", re.I
)
# One without a unit, in parentheses at the end: "Resize (Band 12) (456.70)".
LAST_IN_NAME = re.compile(r"\((\d+\.\d+)\)\s*$")


def add_channels(cube: StoredCube, header: Path, found: dict[str, Any]) -> None:
    """Add the axis, the widths and the marks of the channels of a header to a cube."""
    channels = cube.values.shape[2]
    _add_marks(cube, found, channels)
    values, unit = _wavelengths(cube, found, channels)
    _add_widths(cube, found, channels, unit)
    if values is None:
        return
    values = without_gaps(cube, values)
    if values is not None:
        values = without_repeats(cube, values)
        cube.axis, note = axis_of_file(values, unit, name="wavelength")
        cube.attrs |= note
        cube.origin["axis"] = cube.origin.get("axis", f"wavelength in {header.name}")


def _wavelengths(
    cube: StoredCube, found: dict[str, Any], channels: int
) -> tuple[np.ndarray | None, str | None]:
    """Return the wavelengths as the header gives them, and their unit; None if there are none."""
    try:
        values = numbers_in(found.get("wavelength"))
    except ValueError:
        cube.axis_error = "the header has wavelengths that are not numbers"
        return None, None
    if values is None:
        return _of_names(cube, found, channels)
    if len(values) != channels:
        cube.axis_error = f"the header has {len(values)} wavelengths for {channels} bands"
        return None, None
    given = str(found.get("wavelength units") or "").strip()
    if given.lower() in NO_UNIT:
        known = values[np.isfinite(values) & (values > 0)]
        unit, _, note = guessed_unit("wavelength", known)
        cube.notes += [note] if note else []
        return values, unit or None
    return values, UNITS.get(given.lower(), given)


def _of_names(
    cube: StoredCube, found: dict[str, Any], channels: int
) -> tuple[np.ndarray | None, str | None]:
    """Return the wavelengths in the names of the bands, if each name has one."""
    names = found.get("band names")
    if not isinstance(names, list) or len(names) != channels:
        return None, None
    for pattern in (IN_NAME, LAST_IN_NAME):
        known = [match for match in map(pattern.search, names) if match is not None]
        values = np.array([float(match[1]) for match in known])
        units = {"nm" if match[2].lower().startswith("n") else "um" for match in known
                 if pattern is IN_NAME}  # fmt: skip
        if len(np.unique(values)) != channels or len(units) > 1:
            continue
        unit = units.pop() if units else str(found.get("wavelength units") or "").strip()
        if unit.lower() in NO_UNIT:
            unit, _, note = guessed_unit("wavelength", values)
            cube.notes += [note] if note else []
        cube.notes.append(
            "the header gives no wavelengths: those in the names of the bands are taken"
        )
        cube.origin["axis"] = "band names"
        return values, UNITS.get(unit.lower(), unit)
    return None, None


def _add_marks(cube: StoredCube, found: dict[str, Any], channels: int) -> None:
    """Add ``bad_channel`` where the list of bad bands has one number for each band."""
    try:
        numbers = numbers_in(found.get("bbl"))
    except ValueError:
        cube.notes.append("the list of bad bands (bbl) holds other things than numbers: not used")
        return
    if numbers is None:
        return
    if len(numbers) != channels:
        cube.notes.append(
            f"the list of bad bands (bbl) has {len(numbers)} numbers for {channels} bands: not used"
        )
        return
    marks = bad_channels_of("bbl", numbers)
    if marks is not None:
        cube.notes += [marks.note] if marks.note else []
        mark_bad(cube, marks.bad)


def _add_widths(cube: StoredCube, found: dict[str, Any], channels: int, unit: str | None) -> None:
    """Keep the widths of the bands as a coordinate."""
    try:
        widths = numbers_in(found.get("fwhm"))
    except ValueError:
        return
    if widths is not None and len(widths) == channels:
        attrs = {"units": unit} if unit else {}
        cube.coords["fwhm"] = (("channel",), widths, attrs)
