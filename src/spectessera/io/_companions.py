"""What belongs to a cube that is stored in a group: its axis, variance, mask, reference, y and x.

HDF5 and Zarr both have groups of named arrays with attributes, so the companions of a cube are
recognised by name and shape in the same way.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera.axis import KINDS

from ._common import (
    StoredCube,
    axis_of_file,
    check_companion_shape,
    native,
    plain_attribute,
    with_missing,
)
from ._lazy import LazyArray, load

DEFAULT = "img"  # name of the cube in the files of LABEC, of ganX and of this package
CREATOR = "spectessera"
# Names of an axis, the most specific first. "x" may also be the position of columns: see
# stored_axis.
AXES = ("axis", "energy", "energies", "wavelength", "wavelengths", "wavenumber", "x")
HYPERSPY = "axis-2"  # the group that describes the third axis in a HyperSpy file
COMPANIONS = {*AXES, *KINDS, "variance", "mask", "reference", "y", HYPERSPY}
# Attributes that HDF5, NetCDF and xarray need internally; they do not describe the cube.
INTERNAL = {
    "CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS", "_Netcdf4Dimid",
    "_Netcdf4Coordinates", "_NCProperties", "_FillValue", "missing_value", "scale_factor",
    "add_offset", "coordinates", "dtype", "_ARRAY_DIMENSIONS",
}  # fmt: skip
NO_VALUES = "This is a netCDF dimension but not a netCDF variable"


class Companion(NamedTuple):
    """Something in the same group as the cube, with its attributes; a group has no array."""

    array: LazyArray | None
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
        """Whether it is an array of numbers, not a group or a NetCDF dimension without values."""
        if self.array is None or self.array.dtype.kind not in "biuf":
            return False
        return not str(self.attrs.get("NAME") or "").startswith(NO_VALUES)


def unpack(values: Any, attrs: dict[str, Any]) -> Any:
    """Apply the NetCDF attributes about packed and missing values."""
    missing: Any = False
    for name in ("_FillValue", "missing_value"):
        fill = plain_attribute(attrs.get(name))
        if fill is not None and not isinstance(fill, str) and fill == fill:
            missing = missing | (values == fill)
    if missing is not False:
        values = with_missing(values, missing)
    scale, offset = (plain_attribute(attrs.get(name)) for name in ("scale_factor", "add_offset"))
    if isinstance(scale, (int, float)) or isinstance(offset, (int, float)):
        factor = 1.0 if scale is None else float(scale)
        return (values * factor + (0.0 if offset is None else float(offset))).astype(np.float32)
    return values


def user_attributes(attrs: dict[str, Any]) -> dict[str, str | int | float]:
    """Return the attributes that are strings or numbers and are of interest to a user."""
    plain = {name: plain_attribute(value) for name, value in attrs.items() if name not in INTERNAL}
    return {name: value for name, value in plain.items() if value is not None}


def stored_axis(
    shape: tuple[int, ...], companions: dict[str, Companion]
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return the spectral axis, and attributes to keep."""
    channels, width = shape[2], shape[1]
    fitting = {
        name: one for name, one in companions.items() if one.has_values and one.shape == (channels,)
    }
    own = [name for name, one in fitting.items() if "axis_kind" in one.attrs]
    named = {name.lower(): name for name in fitting if name != "x" or channels != width}
    names = own or [named[name] for name in AXES if name in named]
    if not names:
        return _hyperspy_axis(companions, channels)
    one = fitting[names[0]]
    return axis_of_file(
        one.values().astype(np.float64),
        one.attrs.get("units", one.attrs.get("unit")),
        name=names[0],
        kind=str(one.attrs.get("axis_kind") or ""),
        medium=str(one.attrs.get("medium") or ""),
    )


def _hyperspy_axis(
    companions: dict[str, Companion], channels: int
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return the axis of a HyperSpy file, which has a group of attributes per axis."""
    attrs = companions[HYPERSPY].attrs if HYPERSPY in companions else {}
    scale, offset = attrs.get("scale"), attrs.get("offset")
    if not isinstance(scale, (int, float)) or not isinstance(offset, (int, float)):
        return None, {}
    kind = "energy_loss" if "loss" in str(attrs.get("name")).lower() else ""
    return axis_of_file(offset + scale * np.arange(channels), attrs.get("units"), kind=kind)


def add_companions(
    cube: StoredCube,
    path: Path,
    companions: dict[str, Companion],
    shape: tuple[int, ...],
    chunks: Any,
) -> None:
    """Add variance, mask, reference and positions to a cube, if they are there."""
    image = shape[:2]
    expected = {
        "variance": shape,
        "mask": image,
        "reference": image,
        "y": shape[:1],
        "x": shape[1:2],
    }
    for name, size in expected.items():
        one = companions.get(name)
        if one is None or not one.has_values:
            continue
        if name in ("y", "x") and (one.shape != size or "axis_kind" in one.attrs):
            continue
        check_companion_shape(path, name, one.shape, size)
        if name == "variance":
            assert one.array is not None
            cube.variance = load(one.array, chunks)
        elif name == "mask":
            cube.mask = one.values().astype(bool)
        else:
            dims = {"reference": ("y", "x"), "y": ("y",), "x": ("x",)}[name]
            cube.coords[name] = (dims, one.values(), user_attributes(one.attrs))
