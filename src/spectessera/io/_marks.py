"""What a file with many arrays says of its channels: which are bad, and how wide they are."""

from __future__ import annotations

import numpy as np

from spectessera.axis import UNITS

from ._channels import bad_channels_of, bad_windows_of, mark_bad, marks_channels
from ._common import StoredCube
from ._tree import Entry, Tree, unit_in

WIDTHS = ("fwhm", "fwhms", "bandwidth", "bandwidths")


def add_marks(cube: StoredCube, tree: Tree, entry: Entry) -> None:
    """Add ``bad_channel`` and ``fwhm`` to the cube that was made of an array.

    Arrays with one number for each channel are recognised by name, those in the group of the cube
    before all others.
    """
    channels = cube.values.shape[2]
    fitting = [
        each
        for each in tree.entries.values()
        if each.shape == (channels,) and each.has_numbers and each is not entry
    ]
    marks = _nearest(entry, [each for each in fitting if marks_channels(each.base)])
    bad = np.zeros(channels, bool)
    for each in marks:
        found = bad_channels_of(each.base, each.values())
        if found is not None:
            bad |= found.bad
            cube.notes += [found.note] if found.note else []
    windows = _windows(cube, entry)
    bad = bad if windows is None else bad | windows
    if not bad.all():
        mark_bad(cube, bad)
    for each in _nearest(entry, [each for each in fitting if each.base.lower() in WIDTHS])[:1]:
        unit = unit_in(each.attrs)
        attrs = {"units": unit} if unit else {}
        cube.coords["fwhm"] = (("channel",), each.values().astype(np.float64), attrs)


def _nearest(entry: Entry, arrays: list[Entry]) -> list[Entry]:
    """Return the arrays in the group of the cube, or all if none is there."""
    return [each for each in arrays if each.group == entry.group] or arrays


def _windows(cube: StoredCube, entry: Entry) -> np.ndarray | None:
    """Return the channels in windows that the attributes of the cube mark as bad."""
    axis = cube.axis or {}
    unit = str(axis.get("unit", ""))
    if UNITS.get(unit, ("", 0.0))[0] != "wavelength":
        return None
    scale = UNITS[unit][1] / UNITS["nm"][1]
    return bad_windows_of(entry.attrs, np.asarray(axis["values"], np.float64) * scale)
