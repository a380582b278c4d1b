"""What belongs to a cube of a file with many arrays: noise, mask, labels, times and positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from spectessera.conventions.dims import COLUMN, ROW, Axes, role_of

from ._candidates import plain_attributes
from ._choice import AxisValues, Choice
from ._common import Request, StoredCube, check_companion_shape, with_missing
from ._lazy import load
from ._noise import FORMS, variance_of
from ._tree import Entry, Tree
from ._views import placed, transposed

# Attributes that HDF5, NetCDF and xarray need internally; they do not describe the cube.
INTERNAL = {
    "CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS", "_Netcdf4Dimid",
    "_Netcdf4Coordinates", "_NCProperties", "_FillValue", "missing_value", "scale_factor",
    "add_offset", "coordinates", "dtype", "_ARRAY_DIMENSIONS",
}  # fmt: skip
# Arrays beside the cube, by names without case; {} is the name of the cube.
BESIDE = {
    "variance": ("variance", "var", "{}_variance", "{}_var", "stat"),
    "error": ("error", "errors", "err", "{}_error", "{}_errors", "{}_err", "sigma", "std",
              "uncertainty", "uncertainties", "uncert", "{}_uncertainty", "{}_uncert", "{}_unc",
              "{}_std"),
    "ivar": ("ivar", "{}_ivar", "inverse_variance"),
    "mask": ("mask", "{}_mask", "masks"),
    "reference": ("reference",),
    "live_time": ("live_time", "livetime"),
    "real_time": ("real_time", "realtime"),
    "dead_time": ("dead_time", "deadtime"),
    "y": ("y",),
    "x": ("x",),
}  # fmt: skip
IMAGES = ("mask", "reference", "live_time", "real_time", "dead_time")


def user_attributes(attrs: dict[str, Any]) -> dict[str, str | int | float]:
    """Return the attributes that are strings or numbers and are of interest to a user."""
    return {n: v for n, v in plain_attributes(attrs).items() if n not in INTERNAL}


def beside_of(tree: Tree, choice: Choice, request: Request) -> dict[str, Entry]:
    """Return the arrays that belong to the cube, by what they are."""
    beside: dict[str, Entry] = dict(choice.companions)
    base = choice.entry.base
    for role, names in BESIDE.items():
        entry = tree.named(choice.entry.group, *(name.format(base) for name in names))
        usable = entry is not None and entry.has_numbers and not entry.is_dimension_only
        if usable and entry is not None and entry not in choice.entries:
            beside.setdefault(role, entry)
    asked = {role: getattr(request, role) for role in (*FORMS, "mask")}
    for role, name in asked.items():
        if name is None:
            continue
        entry = tree.get(name) or tree.named(choice.entry.group, name)
        if entry is None:
            raise ValueError(
                f"{tree.path} has no {tree.word} {name!r} for {role}= (--{role}); there is: "
                + ", ".join(
                    f"{each.name} {each.shape}" for each in list(tree.entries.values())[:20]
                )
            )
        for other in FORMS if role in FORMS else ():
            beside.pop(other, None)
        beside[role] = entry
    return beside


def add_beside(
    cube: StoredCube,
    tree: Tree,
    beside: dict[str, Entry],
    axes: Axes,
    place: np.ndarray | None,
    request: Request,
) -> None:
    """Add noise, mask, reference and times to a cube."""
    for form in FORMS:
        if form in beside:
            entry = beside[form]
            noise = _like_cube(cube, tree, entry, axes, place, request)
            unchanged = tree.own and form == "variance"
            cube.variance = noise if unchanged else variance_of(cube, noise, form)
            cube.origin |= {} if tree.own else {"variance": f"{entry.name} ({form})"}
            break
    if "mask" in beside:
        _add_mask(cube, tree, beside["mask"], axes, place, request)
    for name in ("reference", "live_time", "real_time", "dead_time"):
        image = _as_image(cube, tree, name, beside[name], place) if name in beside else None
        if image is not None:
            cube.coords[name] = (("y", "x"), image, user_attributes(beside[name].attrs))


def _like_cube(
    cube: StoredCube,
    tree: Tree,
    entry: Entry,
    axes: Axes,
    place: np.ndarray | None,
    request: Request,
) -> Any:
    """Return an array beside the cube as (y, x, channel)."""
    if place is None and entry.shape == cube.values.shape[2:]:  # one number for each channel
        return np.broadcast_to(entry.values(), cube.values.shape)
    if place is None and entry.shape == cube.values.shape[:2]:
        return np.broadcast_to(entry.values()[..., None], cube.values.shape)
    source, note = tree.prepare(entry)
    cube.notes += [note] if note else []
    if place is not None and source.ndim == 2:
        source = placed(source, place)
    elif source.ndim == len(axes.order) + len(axes.drop):
        source = transposed(source, axes.order, dict.fromkeys(axes.drop, 0))
    check_companion_shape(tree.path, entry.name, source.shape, cube.values.shape)
    return load(source, request.chunks)


def _add_mask(
    cube: StoredCube,
    tree: Tree,
    entry: Entry,
    axes: Axes,
    place: np.ndarray | None,
    request: Request,
) -> None:
    """Add a mask of pixels, or of single values, which become NaN."""
    if not tree.own:
        cube.origin["mask"] = entry.name
    if len(entry.shape) >= 3 or (place is not None and len(entry.shape) == 2):
        flags = _like_cube(cube, tree, entry, axes, place, request)
        cube.values = with_missing(cube.values, flags != 0)
        return
    image = _as_image(cube, tree, "mask", entry, place)
    if image is None:
        check_companion_shape(tree.path, entry.name, entry.shape, cube.values.shape[:2])
    cube.mask = np.asarray(image).astype(bool)


def _as_image(
    cube: StoredCube, tree: Tree, name: str, entry: Entry, place: np.ndarray | None
) -> np.ndarray | None:
    """Return an array beside the cube as (y, x), or None if it belongs to no pixel."""
    rows, columns = cube.values.shape[:2]
    if place is not None and len(entry.shape) == 1:
        values = entry.values()
        if len(values) <= int(place.max()):
            return None
        picked = values[np.maximum(place, 0)].astype(
            np.float64 if (place < 0).any() else values.dtype
        )
        if (place < 0).any():
            picked[place < 0] = np.nan
        return picked
    image = entry.values() if len(entry.shape) == 2 else None
    if image is not None and [role_of(dim) for dim, _ in tree.dims_of(entry)] == [COLUMN, ROW]:
        image = np.ascontiguousarray(image.T)
    if image is not None and image.shape == (rows, columns):
        return image
    if name in ("mask", "reference"):
        check_companion_shape(tree.path, entry.name, entry.shape, (rows, columns))
    return None


def add_positions(
    cube: StoredCube,
    tree: Tree,
    beside: dict[str, Entry],
    scales: list[AxisValues | None],
    axes: Axes,
) -> None:
    """Add the positions of rows and columns, along the dimensions or beside the cube."""
    for number, name in enumerate(("y", "x")):
        length = cube.values.shape[number]
        scale = scales[axes.order[number]] if axes.order[number] < len(scales) else None
        entry = beside.get(name)
        entry = (tree.get(scale.source) if scale is not None else None) or entry
        if entry is not None and entry.shape == (length,) and "axis_kind" not in entry.attrs:
            cube.coords[name] = ((name,), entry.values(), user_attributes(entry.attrs))
        elif scale is not None and len(scale.values) == length:
            attrs = {"units": scale.unit} if scale.unit else {}
            cube.coords[name] = ((name,), scale.values, attrs)
