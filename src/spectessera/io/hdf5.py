"""Read cubes from HDF5 files (and NetCDF 4, which is HDF5 inside).

The dataset ``img`` (y, x, channel) of LABEC and ganX files is taken by default, or the only
dataset of three axes, or the one that ``key`` names. Things beside it that belong to it (its axis,
``variance``, ``mask``, ``reference``, ``y``, ``x``) are recognised by name and shape.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera.axis import KINDS

from ._parts import (
    MOST_PACKED,
    SMALL,
    Lazy,
    Parts,
    blank,
    check_stored,
    check_three,
    choose,
    listing,
    load,
    native,
    plain,
    same_shape,
    telling,
    told_axis,
)

DEFAULT = "img"
CREATOR = "spectessera"
# Names of an axis, the surest first. "x" may also be the position of columns: see _axis.
AXES = ("axis", "energy", "energies", "wavelength", "wavelengths", "wavenumber", "x")
HYPERSPY = "axis-2"  # the group that tells of the third axis in a HyperSpy file
WANTED = {*AXES, *KINDS, "variance", "mask", "reference", "y", HYPERSPY}
# Attributes that belong to the machinery of HDF5 and NetCDF, not to the cube.
INTERNAL = {
    "CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS", "_Netcdf4Dimid",
    "_Netcdf4Coordinates", "_NCProperties", "_FillValue", "missing_value", "scale_factor",
    "add_offset", "coordinates", "dtype",
}  # fmt: skip
NO_VALUES = "This is a netCDF dimension but not a netCDF variable"


def read_hdf5(path: Path, key: str | None = None, chunks: Any = None) -> Parts:
    """Read a cube from an HDF5 file.

    Parameters
    ----------
    path : Path
    key : str, optional
        Path of the dataset inside the file, such as ``"/entry/data"``.
    chunks : dict, int or "auto", optional
        Leave the data in the file and give a dask array.

    Returns
    -------
    Parts
        Values (y, x, channel) and what belongs to them.

    Raises
    ------
    ValueError
        If the file is broken, there is no such dataset, or it is not clear which one is meant.
    """
    import h5py

    with telling(path, "HDF5"):
        file = h5py.File(path, "r")
    with file:
        with telling(path, "HDF5"):
            found = _datasets(file)
        name = _pick(path, file, found, key)
        with telling(path, "HDF5"):
            dataset = file[name]
            attrs = dict(dataset.attrs)
            beside = _beside(dataset.parent)
            own = plain(file.attrs.get("creator")) == CREATOR
            source = _lazy(path, dataset)
        _check_size(path, dataset, chunks)
        axis, note, trouble = _axis(path, source.shape, beside)
        parts = Parts(
            _unpack(load(source, chunks), attrs), axis=axis, axis_trouble=trouble, attrs=note
        )
        parts.attrs |= _kept(attrs)
        _add_beside(parts, path, beside, source.shape, chunks)
    if not own:  # what this package wrote comes back as it was
        parts.attrs.setdefault("source", path.name)
    return parts


class _Beside(NamedTuple):
    """Something in the same group as the cube, with its attributes."""

    thing: Any
    attrs: dict[str, Any]

    @property
    def has_values(self) -> bool:
        """Tell numbers from a group, and from the mere length of a NetCDF dimension."""
        if getattr(self.thing, "dtype", np.dtype("V")).kind not in "biuf":
            return False
        return not str(self.attrs.get("NAME") or "").startswith(NO_VALUES)


def _beside(group: Any) -> dict[str, _Beside]:
    """Return what may belong to the cube, of all that is in its group."""
    import h5py

    found = {}
    for name in group:
        link = group.get(name, getlink=True)
        if name.lower() in WANTED and not isinstance(link, h5py.ExternalLink):
            thing = group[name]
            found[name] = _Beside(thing, {k: plain(v) for k, v in thing.attrs.items()})
    return found


def _datasets(file: Any) -> dict[str, Any]:
    """Return all datasets of a file by their path."""
    import h5py

    found: dict[str, Any] = {}

    def note(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset):
            found[name] = thing

    file.visititems(note)
    return found


def _pick(path: Path, file: Any, found: dict[str, Any], key: str | None) -> str:
    """Return the path of the dataset to read."""
    shapes = {name: thing.shape for name, thing in found.items()}
    if key is None and DEFAULT in found and len(found[DEFAULT].shape or ()) == 3:
        key = DEFAULT
    if key is None:
        numeric = {n: found[n].shape for n in found if found[n].dtype.kind in "iuf"}
        return choose(path, numeric, "dataset")
    name = str(key).strip("/")
    with telling(path, "HDF5"):
        thing = file.get(name) if name else None
    if thing is None or not hasattr(thing, "shape"):
        what = "has no" if thing is None else "has a group, not a"
        raise ValueError(f"{path} {what} dataset {key!r}; there is: {listing(shapes)}")
    check_three(path, name, tuple(thing.shape or ()))
    check_stored(path, name, thing.shape, thing.dtype)
    return name


def _check_size(path: Path, dataset: Any, chunks: Any) -> None:
    """Refuse what cannot be in this file, before memory is asked for it."""
    if dataset.external is not None:
        raise ValueError(f"{path}: the values of {dataset.name!r} are in other files; join them")
    room = max(path.stat().st_size * MOST_PACKED, SMALL)
    if chunks is None and dataset.nbytes > room and not dataset.is_virtual:
        raise ValueError(
            f"{path}: {dataset.name!r} claims {dataset.nbytes:.3g} bytes (shape {dataset.shape}), "
            f"more than a file of {path.stat().st_size} bytes can hold; if it is mostly empty, "
            "give chunks="
        )


def _lazy(path: Path, dataset: Any) -> Lazy:
    """Return the dataset as a lazy array."""
    dtype = dataset.dtype.newbyteorder("=")
    return Lazy(path, dataset.name, dataset.shape, dtype, _fetch, dataset.chunks)


def _fetch(path: Path, name: str, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of a dataset."""
    import h5py

    with telling(path, "HDF5"), h5py.File(path, "r") as file:
        return native(np.asarray(file[name][index]))


def _unpack(values: Any, attrs: dict[str, Any]) -> Any:
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


def _kept(attrs: dict[str, Any]) -> dict[str, str | int | float]:
    """Return the attributes that are strings or numbers and mean something to a user."""
    kept = {name: plain(value) for name, value in attrs.items() if name not in INTERNAL}
    return {name: value for name, value in kept.items() if value is not None}


def _axis(
    path: Path, shape: tuple[int, ...], beside: dict[str, _Beside]
) -> tuple[dict[str, Any] | None, dict[str, Any], str]:
    """Return the spectral axis, attributes to keep, and what is wrong with it if anything is."""
    channels, width = shape[2], shape[1]
    fitting = {
        name: one
        for name, one in beside.items()
        if one.has_values and one.thing.shape == (channels,)
    }
    ours = [name for name, one in fitting.items() if "axis_kind" in one.attrs]
    named = {name.lower(): name for name in fitting if name != "x" or channels != width}
    names = ours or [named[name] for name in AXES if name in named]
    if not names:
        return *_hyperspy_axis(beside, channels), ""
    one = fitting[names[0]]
    with telling(path, "HDF5"):
        values = one.thing[()].astype(np.float64)
    axis, note = told_axis(
        values,
        one.attrs.get("units", one.attrs.get("unit")),
        name=names[0],
        kind=str(one.attrs.get("axis_kind") or ""),
        medium=str(one.attrs.get("medium") or ""),
    )
    return axis, note, ""


def _hyperspy_axis(
    beside: dict[str, _Beside], channels: int
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return the axis of a HyperSpy file, which has a group of attributes per axis."""
    told = beside[HYPERSPY].attrs if HYPERSPY in beside else {}
    scale, offset = told.get("scale"), told.get("offset")
    if not isinstance(scale, (int, float)) or not isinstance(offset, (int, float)):
        return None, {}
    kind = "energy_loss" if "loss" in str(told.get("name")).lower() else ""
    return told_axis(offset + scale * np.arange(channels), told.get("units"), kind=kind)


def _add_beside(
    parts: Parts, path: Path, beside: dict[str, _Beside], shape: tuple[int, ...], chunks: Any
) -> None:
    """Add the datasets beside the cube that go with it."""
    image = shape[:2]
    wanted = {"variance": shape, "mask": image, "reference": image, "y": shape[:1], "x": shape[1:2]}
    for name, size in wanted.items():
        one = beside.get(name)
        if one is None or not one.has_values:
            continue
        if name in ("y", "x") and (one.thing.shape != size or "axis_kind" in one.attrs):
            continue
        same_shape(path, name, one.thing.shape, size)
        if name == "variance":
            parts.variance = load(_lazy(path, one.thing), chunks)
            continue
        with telling(path, "HDF5"):
            values = native(one.thing[()])
        if name == "mask":
            parts.mask = values.astype(bool)
        else:
            dims = {"reference": ("y", "x"), "y": ("y",), "x": ("x",)}[name]
            parts.coords[name] = (dims, values, _kept(one.attrs))
