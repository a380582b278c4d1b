"""What belongs to a cube that is stored in a group: its axis, variance, mask, reference, y and x.

HDF5 and Zarr have the same idea of a group of named arrays with attributes, so that things beside
the cube are recognised by name and shape in the same way.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera.axis import KINDS

from ._common import Lazy, Parts, blank, load, native, plain, same_shape, told_axis

DEFAULT = "img"  # what a cube is called inside LABEC, ganX and our own files
CREATOR = "spectessera"
# Names of an axis, the surest first. "x" may also be the position of columns: see own_axis.
AXES = ("axis", "energy", "energies", "wavelength", "wavelengths", "wavenumber", "x")
HYPERSPY = "axis-2"  # the group that tells of the third axis in a HyperSpy file
WANTED = {*AXES, *KINDS, "variance", "mask", "reference", "y", HYPERSPY}
# Attributes that belong to the machinery of HDF5, NetCDF and xarray, not to the cube.
INTERNAL = {
    "CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS", "_Netcdf4Dimid",
    "_Netcdf4Coordinates", "_NCProperties", "_FillValue", "missing_value", "scale_factor",
    "add_offset", "coordinates", "dtype", "_ARRAY_DIMENSIONS",
}  # fmt: skip
NO_VALUES = "This is a netCDF dimension but not a netCDF variable"


class Beside(NamedTuple):
    """Something in the same group as the cube, with its attributes; a group has no array."""

    array: Lazy | None
    attrs: dict[str, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return () if self.array is None else self.array.shape

    def values(self) -> np.ndarray:
        """Read the array."""
        assert self.array is not None
        return native(self.array[()])

    @property
    def has_values(self) -> bool:
        """Tell numbers from a group, and from the mere length of a NetCDF dimension."""
        if self.array is None or self.array.dtype.kind not in "biuf":
            return False
        return not str(self.attrs.get("NAME") or "").startswith(NO_VALUES)


def unpack(values: Any, attrs: dict[str, Any]) -> Any:
    """Apply what NetCDF attributes say of packed and of missing values."""
    bad: Any = False
    for name in ("_FillValue", "missing_value"):
        fill = plain(attrs.get(name))
        if fill is not None and not isinstance(fill, str) and fill == fill:
            bad = bad | (values == fill)
    if bad is not False:
        values = blank(values, bad)
    scale, offset = (plain(attrs.get(name)) for name in ("scale_factor", "add_offset"))
    if isinstance(scale, (int, float)) or isinstance(offset, (int, float)):
        factor = 1.0 if scale is None else float(scale)
        return (values * factor + (0.0 if offset is None else float(offset))).astype(np.float32)
    return values


def kept(attrs: dict[str, Any]) -> dict[str, str | int | float]:
    """Return the attributes that are strings or numbers and mean something to a user."""
    kept = {name: plain(value) for name, value in attrs.items() if name not in INTERNAL}
    return {name: value for name, value in kept.items() if value is not None}


def own_axis(
    shape: tuple[int, ...], beside: dict[str, Beside]
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return the spectral axis, and attributes to keep."""
    channels, width = shape[2], shape[1]
    fitting = {
        name: one for name, one in beside.items() if one.has_values and one.shape == (channels,)
    }
    ours = [name for name, one in fitting.items() if "axis_kind" in one.attrs]
    named = {name.lower(): name for name in fitting if name != "x" or channels != width}
    names = ours or [named[name] for name in AXES if name in named]
    if not names:
        return _hyperspy_axis(beside, channels)
    one = fitting[names[0]]
    return told_axis(
        one.values().astype(np.float64),
        one.attrs.get("units", one.attrs.get("unit")),
        name=names[0],
        kind=str(one.attrs.get("axis_kind") or ""),
        medium=str(one.attrs.get("medium") or ""),
    )


def _hyperspy_axis(
    beside: dict[str, Beside], channels: int
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return the axis of a HyperSpy file, which has a group of attributes per axis."""
    told = beside[HYPERSPY].attrs if HYPERSPY in beside else {}
    scale, offset = told.get("scale"), told.get("offset")
    if not isinstance(scale, (int, float)) or not isinstance(offset, (int, float)):
        return None, {}
    kind = "energy_loss" if "loss" in str(told.get("name")).lower() else ""
    return told_axis(offset + scale * np.arange(channels), told.get("units"), kind=kind)


def add_beside(
    parts: Parts, path: Path, beside: dict[str, Beside], shape: tuple[int, ...], chunks: Any
) -> None:
    """Add the arrays beside the cube that go with it."""
    image = shape[:2]
    wanted = {"variance": shape, "mask": image, "reference": image, "y": shape[:1], "x": shape[1:2]}
    for name, size in wanted.items():
        one = beside.get(name)
        if one is None or not one.has_values:
            continue
        if name in ("y", "x") and (one.shape != size or "axis_kind" in one.attrs):
            continue
        same_shape(path, name, one.shape, size)
        if name == "variance":
            assert one.array is not None
            parts.variance = load(one.array, chunks)
        elif name == "mask":
            parts.mask = one.values().astype(bool)
        else:
            dims = {"reference": ("y", "x"), "y": ("y",), "x": ("x",)}[name]
            parts.coords[name] = (dims, one.values(), kept(one.attrs))
