"""The spectral axis of a cube, among all that lies beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from spectessera.axis import UNITS, Axis, parse_unit
from spectessera.conventions.dims import Dim
from spectessera.conventions.units import guessed_unit

from ._calibration import linear_axes
from ._channels import names_axis
from ._choice import AxisValues, Choice
from ._common import StoredCube, axis_of_file
from ._tree import Entry, Tree, unit_in
from ._wavelengths import without_gaps

_EDGES = re.compile(r"(edge|bound)s?$", re.IGNORECASE)
METRES_OF_LIGHT = 1e-2  # a spectral axis in metres below this is shown in nm


def lengths_of(spectral: Mapping[str, Entry], shape: tuple[int, ...]) -> dict[str, int]:
    """Return the number of channels that each spectral array has values for.

    An array that is named so holds the edges of its channels, one more than there are channels.
    """
    lengths = {name: int(np.prod(each.shape)) for name, each in spectral.items()}
    edges = [name for name in lengths if _EDGES.search(name)]
    return {
        n: size - 1 if n in edges and size - 1 in shape else size for n, size in lengths.items()
    }


def in_attributes(tree: Tree, entry: Entry) -> dict[str, AxisValues]:
    """Return the spectral axes that are lists in the attributes of an array or of its groups."""
    found: dict[str, AxisValues] = {}
    parts = entry.group.split("/") if entry.group else []
    groups = ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]
    places = [(entry.name, entry.attrs), *((g or "the file", tree.group_attributes(g))
                                           for g in groups)]  # fmt: skip
    for place, attrs in places:
        for name, value in attrs.items():
            numbers = isinstance(value, list) and all(isinstance(n, (int, float)) for n in value)
            if not numbers or not names_axis(name) or name in found:
                continue
            stems = (name, name.rstrip("sS"))
            units = [attrs.get(f"{stem}_{word}") for stem in stems for word in ("units", "unit")]
            unit = next((str(each) for each in units if isinstance(each, str)), None)
            source = f"attribute {name} of {place}"
            found[name] = AxisValues(np.asarray(value, np.float64), unit, name, "", source)
    return found


def scale_of_dim(tree: Tree, dim: Dim, name: str) -> AxisValues | None:
    """Return the values along a dimension that has an array for it."""
    entry = tree.get(name) if name else None
    if entry is None or len(entry.shape) != 1 or not entry.has_numbers:
        return None
    return _values_of(entry, dim.name)


def _values_of(entry: Entry, name: str) -> AxisValues:
    """Return an array of one axis as an axis."""
    values = entry.values().ravel().astype(np.float64)
    kind = str(entry.attrs.get("axis_kind") or "")
    standard = str(entry.attrs.get("standard_name") or "")
    named = name if guessed_unit(name, values)[0] or not standard else standard
    medium = str(entry.attrs.get("medium") or "")
    return AxisValues(values, unit_in(entry.attrs), named, kind, entry.name, medium)


def add_axis(
    cube: StoredCube,
    tree: Tree,
    choice: Choice,
    scale: AxisValues | None,
    dim: Dim,
    spectral: dict[str, Entry],
) -> None:
    """Give the cube its spectral axis: of the layout, along the dimension, or beside the cube.

    ``dim`` is the dimension of the spectrum, ``scale`` the array of its name.
    """
    channels = cube.values.shape[2]
    fitting = [each for each in spectral.values() if int(np.prod(each.shape)) == channels]
    fitting.sort(key=lambda each: _lies_along(tree, each, dim))
    own = [each for each in fitting if "axis_kind" in each.attrs]
    beside = [_values_of(each, each.base) for each in (own or fitting)]
    beside += [] if own else in_attributes(tree, choice.entry).values()
    candidates = [one for one in (choice.axis, scale, *beside)
                  if one is not None and len(one.values) == channels]  # fmt: skip
    candidates += [] if candidates else _from_edges(cube, list(spectral.values()))
    candidates += [] if candidates else linear_axes(tree, choice.entry, channels)
    usable = [one for one in candidates if _is_monotonic(one.values)] or candidates
    if not own and choice.axis is None:  # numbers of channels only if nothing else is there
        usable.sort(key=lambda one: not _has_unit(one))
    if not usable:
        for each in list(spectral.values())[:1]:
            cube.notes.append(
                f"{each.name} has {int(np.prod(each.shape))} values, not one for each of "
                f"{channels} channels: it is not used"
            )
        return
    if not tree.own:
        cube.origin["axis"] = usable[0].source
    _use(cube, usable[0])


def _use(cube: StoredCube, axis: AxisValues) -> None:
    """Give the cube an axis, with its unit or the one that its name and range tell."""
    unit, kind = axis.unit, axis.kind
    if not unit and kind != "channel" and axis.name not in ("channel", "axis", "x"):
        unit, guessed, note = guessed_unit(axis.name, axis.values)
        kind = kind or guessed
        cube.notes += [note] if note else []
        unit = unit or axis.unit
    values, unit = _in_usual_unit(axis.values, unit)
    if kind == "wavelength" or UNITS.get(unit or "", ("",))[0] == "wavelength":
        filled = without_gaps(cube, values)
        values = values if filled is None else filled
    cube.axis, notes = axis_of_file(values, unit, name=axis.name, kind=kind, medium=axis.medium)
    cube.attrs |= notes


def _lies_along(tree: Tree, entry: Entry, dim: Dim) -> int:
    """Return 0 for an array along the dimension of the spectrum, 2 along another, else 1."""
    names = {each.name for each, _ in tree.dims_of(entry) if each.name}
    return 1 if not names or not dim.name else 0 if dim.name in names else 2


def _has_unit(axis: AxisValues) -> bool:
    """Whether the unit of an axis is known, or its name says it."""
    try:
        return bool(parse_unit(axis.unit or "") or guessed_unit(axis.name, axis.values)[0])
    except ValueError:
        return True


def _in_usual_unit(values: np.ndarray, unit: str | None) -> tuple[np.ndarray, str | None]:
    """Return wavelengths in metres as nm."""
    if unit == "m" and np.abs(values).max() < METRES_OF_LIGHT:
        nm = Axis(values, "m").to("nm").values
        digits = 12 - int(np.ceil(np.log10(np.abs(nm).max() or 1.0)))
        return np.round(nm, digits), "nm"
    return values, unit


def _is_monotonic(values: np.ndarray) -> bool:
    """Whether values rise or fall throughout."""
    steps = np.diff(values)
    return bool((steps > 0).all() or (steps < 0).all())


def _from_edges(cube: StoredCube, spectral: list[Entry]) -> list[AxisValues]:
    """Return the middles of channels whose edges are given, and state it."""
    channels = cube.values.shape[2]
    for each in spectral:
        if int(np.prod(each.shape)) == channels + 1:
            edges = _values_of(each, each.base)
            cube.notes.append(
                f"{each.name} has one value more than there are channels: taken as their edges"
            )
            return [edges._replace(values=(edges.values[1:] + edges.values[:-1]) / 2)]
    return []
