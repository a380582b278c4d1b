"""Arrays of xarray with dimensions of any names, in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from spectessera.axis import KINDS, UNITS, Axis
from spectessera.conventions.dims import CHANNEL, Axes, Dim, Evidence, find_axes, role_of
from spectessera.conventions.units import guessed_unit

from ._parts import Parts, arranged, check_axes, known_unit, listing, plain_attributes

DIMS = ("y", "x", "channel")
MISSING = ("_FillValue", "missing_value", "nodata")  # attributes: numbers that are no values
PACKING = ("scale_factor", "add_offset")


def of_dataset(data: xr.Dataset) -> Parts:
    """Raise ValueError: a Dataset is no cube, but its variables may be."""
    shapes = {str(name): each.shape for name, each in data.data_vars.items()}
    first = next(iter(shapes), "name")
    raise ValueError(
        f"a Dataset is not a cube; choose one of its variables, such as data[{first!r}]; there is: "
        f"{listing(shapes)}"
    )


def of_dataarray(array: xr.DataArray) -> Parts:
    """Take a DataArray apart."""
    name = repr(str(array.name)) if array.name is not None else "the DataArray"
    check_axes("DataArray", array.shape)
    axes = _axes(array, name)
    dims = [str(array.dims[n]) for n in (*axes.order, *axes.drop)]
    attrs = plain_attributes(array.attrs)
    if "units" in attrs:
        attrs.setdefault("unit", attrs.pop("units"))
    parts = Parts(arranged(array.variable.data, axes), attrs=attrs)
    parts.notes += [axes.note] if axes.note else []
    _unpack(parts)
    _take_axis(parts, array, dims[2])
    _take_coords(parts, array, dict(zip(dims, DIMS, strict=False)))
    return parts


def _axes(array: xr.DataArray, what: str) -> Axes:
    """Decide which dimensions are y, x and channel."""
    if set(array.dims) == set(DIMS):
        order = [array.dims.index(name) for name in DIMS]
        return Axes((order[0], order[1], order[2]), (), "", "")
    dims, spectral, images = [], {}, {}
    for name in array.dims:
        along = _along(array, str(name))
        dims.append(_described(array, str(name), along))
    for label, each in array.coords.items():
        if each.ndim == 1 and each.dims[0] != label and role_of(_dim(str(label), each)) == CHANNEL:
            spectral[str(label)] = each.size
        elif each.ndim == 2:
            images[str(label)] = each.shape
    return find_axes(what, Evidence(array.shape, dims, spectral, images))


def _along(array: xr.DataArray, dim: str) -> list[str]:
    """Return the coordinates along a dimension, that with its own name first."""
    names = [str(name) for name, each in array.coords.items() if each.dims == (dim,)]
    return sorted(names, key=lambda name: name != dim)


def _dim(name: str, coordinate: Any) -> Dim:
    """Return what a coordinate says of its dimension."""
    unit = coordinate.attrs.get("units", coordinate.attrs.get("unit", ""))
    return Dim(name, str(unit), coordinate.attrs)


def _described(array: xr.DataArray, name: str, along: list[str]) -> Dim:
    """Return what is known of a dimension, by its own name or else by coordinates along it."""
    candidates = [_dim(each, array.coords[each]) for each in along]
    if not along or along[0] != name:
        candidates.insert(0, Dim(name))
    return next((each for each in candidates if role_of(each)), candidates[0])


def _take_axis(parts: Parts, array: xr.DataArray, dim: str) -> None:
    """Find the spectral axis among the coordinates along its dimension."""
    numbers = [name for name in _along(array, dim) if array.coords[name].dtype.kind in "iuf"]
    described = {name: _dim(name, array.coords[name]) for name in numbers}
    with_unit = [name for name, each in described.items() if known_unit(each.unit)]
    for name in with_unit or numbers:
        coordinate, unit = array.coords[name], known_unit(described[name].unit)
        kind, note = str(coordinate.attrs.get("axis_kind", "")), ""
        if not unit:
            if described[name].unit:
                parts.attrs["axis_note"] = f"{name!r} is in {described[name].unit!r}"
                continue
            unit, kind, note = guessed_unit(name, coordinate.values)
        elif "loss" in name.lower() and UNITS[unit][0] == "energy":
            kind = "energy_loss"
        if not unit and name not in KINDS:
            continue
        medium = str(coordinate.attrs.get("medium", ""))
        parts.axis = Axis(coordinate.values, unit=unit, kind=kind, medium=medium)
        parts.notes += [note] if note else []
        parts.attrs.pop("axis_note", None)
        return


def _take_coords(parts: Parts, array: xr.DataArray, names: dict[str, str]) -> None:
    """Keep the coordinates of the image and of the values: variance, mask, positions and others."""
    for label, each in array.coords.items():
        name = names.get(str(label), str(label))
        known = all(str(dim) in names for dim in each.dims)
        if not each.ndim or not known or each.dtype.kind not in "biuf" or name in KINDS:
            continue
        dims = tuple(names[str(dim)] for dim in each.dims)
        if dims == ("channel",) and parts.axis is not None and each.dims[0] == label:
            continue
        order = [dims.index(dim) for dim in DIMS if dim in dims]
        values = each.variable.data.transpose(*order)
        dims = tuple(dims[n] for n in order)
        if name == "variance" and dims == DIMS:
            parts.variance = values
        elif name == "mask" and dims == DIMS[:2]:
            parts.mask = values
        elif name not in names.values() or dims == (name,):
            parts.coords[name] = (dims, values, dict(each.attrs))


def _unpack(parts: Parts) -> None:
    """Apply attributes about packed and missing values, which xarray left there."""
    marks = [parts.attrs.pop(name, None) for name in MISSING]
    scale, offset = (parts.attrs.pop(name, None) for name in PACKING)
    for mark in dict.fromkeys(mark for mark in marks if isinstance(mark, (int, float))):
        if mark == mark:
            parts.take_missing(parts.values == mark)
            parts.notes.append(f"values of {mark:g} are missing ones, as an attribute says")
    factor = scale if isinstance(scale, (int, float)) else 1
    summand = offset if isinstance(offset, (int, float)) else 0
    if factor != 1 or summand != 0:
        parts.values = (parts.values * factor + summand).astype(np.float32)
