"""What belongs to a cube of a file with many arrays: noise, mask, labels, times and positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from spectessera.conventions.dims import Axes, Dim

from ._alongside import Fit, Frame, fit_to
from ._candidates import MARK_WORDS, NOISE_WORDS, word_in
from ._choice import AxisValues, Choice
from ._common import Request, StoredCube, check_companion_shape, listing, with_missing
from ._lazy import load
from ._noise import FORMS, variance_of
from ._packing import unpacked
from ._tree import Entry, Tree
from ._views import in_memory, placed, spread

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
TIMES = ("live_time", "real_time", "dead_time")
IMAGES = ("mask", "reference", *TIMES)
MARKS_IN_NAME = word_in(MARK_WORDS)
# What an array of noise holds, by a word of its name.
FORM_IN_NAME = {form: word_in(words) for form, words in NOISE_WORDS.items()}


def user_attributes(attrs: dict[str, Any]) -> dict[str, str | int | float]:
    """Return the attributes that are strings or numbers and are of interest to a user."""
    return {
        n: v for n, v in attrs.items() if isinstance(v, (str, int, float)) and n not in INTERNAL
    }


def beside_of(tree: Tree, choice: Choice, request: Request) -> dict[str, Entry]:
    """Return the arrays that belong to the cube, by what they are."""
    beside: dict[str, Entry] = dict(choice.companions)
    base = choice.entry.base
    for role, names in BESIDE.items():
        entry = tree.named(choice.entry.group, *(name.format(base) for name in names))
        usable = entry is not None and entry.has_numbers and not entry.is_dimension_only
        if usable and entry is not None and entry not in choice.entries:
            beside.setdefault(role, entry)
    if not any(form in beside for form in FORMS):
        beside |= _ancillary(tree, choice.entry)
    if len(choice.entries) > 1:
        _drop_single(choice, beside)
    asked = {role: getattr(request, role) for role in (*FORMS, "mask")}
    for role, name in asked.items():
        if name is None:
            continue
        entry = tree.get(name) or tree.named(choice.entry.group, name)
        if entry is None:
            raise ValueError(
                f"{tree.path} has no {tree.word} {name!r} for {role}= (--{role}); there is: "
                f"{listing({each.name: each.shape for each in tree.entries.values()})}"
            )
        for other in FORMS if role in FORMS else ():
            beside.pop(other, None)
        beside[role] = entry
    return beside


def _ancillary(tree: Tree, entry: Entry) -> dict[str, Entry]:
    """Return the noise that the CF attribute ``ancillary_variables`` of a cube names."""
    for name in str(entry.attrs.get("ancillary_variables") or "").split():
        other = tree.named(entry.group, name)
        if other is None or not other.has_numbers:
            continue
        if str(other.attrs.get("standard_name") or "").endswith("standard_error"):
            return {"error": other}
        for form, pattern in FORM_IN_NAME.items():
            if pattern.search(other.base):
                return {form: other}
    return {}


def drop_of_detectors(choice: Choice, beside: dict[str, Entry], axes: int) -> None:
    """Leave out what has an axis of detectors, as the cube once had, and state it.

    ``axes`` is the number of axes that are left.
    """
    if len(choice.entry.shape) <= axes:
        return
    found = [role for role, each in beside.items() if each.shape == choice.entry.shape]
    if found:
        names = ", ".join(beside.pop(role).name for role in found)
        choice.notes.append(f"{names} has an axis of detectors: not used")


def _drop_single(choice: Choice, beside: dict[str, Entry]) -> None:
    """Leave out what belongs to the first of several detectors only, and state it."""
    folders = {each.group for each in choice.entries}
    single = [*FORMS, *TIMES] + (["mask"] if len(folders) > 1 else [])
    found = [beside.pop(role).name for role in single if role in beside]
    if found:
        choice.notes.append(f"{', '.join(found)} of one detector: not used for the sum")


class _Beside:
    """The arrays beside one cube, brought to its axes."""

    def __init__(
        self,
        cube: StoredCube,
        tree: Tree,
        frame: Frame,
        place: np.ndarray | None,
        request: Request,
    ) -> None:
        self.cube, self.tree, self.frame = cube, tree, frame
        self.place, self.request = place, request

    def fit(self, entry: Entry) -> tuple[Fit, Frame] | None:
        """Return how an array lies along the cube or along its list of points; None: not at all."""
        dims = [dim for dim, _ in self.tree.dims_of(entry)]
        image = Frame(self.cube.values.shape, (Dim("y"), Dim("x"), Dim("channel")), (0, 1, 2))
        frames = [self.frame] if self.place is None else [self.frame, image]
        for frame in frames:
            fit = fit_to(entry.shape, dims, frame)
            if fit is not None:
                return fit, frame
        return None

    def checked(self, entry: Entry, expected: tuple[int, ...]) -> tuple[Fit, Frame]:
        """Return how an array lies along the cube; raise ValueError if it does not fit."""
        found = self.fit(entry)
        if found is None:
            check_companion_shape(self.tree.path, entry.name, entry.shape, expected)
            raise ValueError(f"{self.tree.path}: {entry.name!r} does not fit the cube")
        return found

    def full(self, entry: Entry, *, packed: bool) -> Any:
        """Return an array as (y, x, channel), the same along axes that it lacks."""
        fit, frame = self.checked(entry, self.cube.values.shape)
        if None in fit.order:
            source = in_memory(self.tree.path, entry.name, entry.values())
        else:
            source, note = self.tree.prepare(entry)
            self.cube.notes += [note] if note else []
        array = spread(source, fit.order, frame.shape)
        if len(frame.shape) == 2 and self.place is not None:
            array = placed(array, self.place)
        return load(unpacked(array, entry.attrs) if packed else array, self.request.chunks)

    def image(self, entry: Entry) -> np.ndarray | None:
        """Return an array as (y, x), or None if it does not belong to pixels only."""
        found = self.fit(entry)
        if found is None or len(found[0].order) - 1 in found[0].along:
            return None
        fit, frame = found
        values = entry.values().transpose(*[n for n in fit.order if n is not None], *fit.drop)
        values = np.ascontiguousarray(values).reshape(
            [size if axis is not None else 1 for axis, size in zip(fit.order, frame.shape,
                                                                   strict=True)]
        )  # fmt: skip
        values = np.broadcast_to(values[..., 0], frame.shape[:-1])
        return values if len(frame.shape) == 3 or self.place is None else _put(values, self.place)


def _put(values: np.ndarray, place: np.ndarray) -> np.ndarray | None:
    """Return the values of points (point,) as an image, NaN where there is no point."""
    if len(values) <= int(place.max()):
        return None
    missing = place < 0
    picked = values[np.maximum(place, 0)].astype(np.float64 if missing.any() else values.dtype)
    if missing.any():
        picked[missing] = np.nan
    return picked


def add_beside(
    cube: StoredCube,
    tree: Tree,
    beside: dict[str, Entry],
    cubes: list[Entry],
    frame: Frame,
    place: np.ndarray | None,
    request: Request,
) -> None:
    """Add noise, mask, reference and times to a cube."""
    all_of = _Beside(cube, tree, frame, place, request)
    for form in FORMS:
        if form in beside:
            entry = beside[form]
            noise = all_of.full(entry, packed=not tree.own)
            unchanged = tree.own and form == "variance"
            cube.variance = noise if unchanged else variance_of(cube, noise, form)
            cube.origin |= {} if tree.own else {"variance": f"{entry.name} ({form})"}
            break
    if "mask" in beside:
        _add_mask(all_of, beside["mask"])
    for name in ("reference", *TIMES):
        image = all_of.image(beside[name]) if name in beside else None
        if image is not None:
            cube.coords[name] = (("y", "x"), image, user_attributes(beside[name].attrs))
        elif name == "reference" and name in beside:
            expected = cube.values.shape[:2]
            check_companion_shape(tree.path, beside[name].name, beside[name].shape, expected)
    if not tree.own:
        _note_unused(all_of, [*cubes, *beside.values()])


def _note_unused(beside: _Beside, used: list[Entry]) -> None:
    """State which arrays of the shape of the cube or the image look like noise or marks."""
    names = {each.name for each in used}
    unused = [
        entry.name
        for entry in beside.tree.entries.values()
        if entry.name not in names and len(entry.shape) > 1 and entry.has_numbers
        and any(p.search(entry.base) for p in (*FORM_IN_NAME.values(), MARKS_IN_NAME))
        and beside.fit(entry) is not None
    ]  # fmt: skip
    if unused:
        more = f" and {len(unused) - 3} more" if len(unused) > 3 else ""
        beside.cube.notes.append(
            f"{', '.join(unused[:3])}{more} may be noise or marks: not used (--error, --variance, "
            "--mask)"
        )


def _add_mask(beside: _Beside, entry: Entry) -> None:
    """Add a mask of pixels, of channels, or of single values, which become NaN."""
    cube = beside.cube
    fit, _ = beside.checked(entry, cube.values.shape[:2])
    if not beside.tree.own:
        cube.origin["mask"] = entry.name
    channel = len(fit.order) - 1
    if fit.along == (channel,) and cube.values.shape[2] > 1:
        cube.coords["bad_channel"] = (("channel",), entry.values().ravel() != 0, {})
    elif channel in fit.along:
        cube.values = with_missing(cube.values, beside.full(entry, packed=False) != 0)
    else:
        cube.mask = np.asarray(beside.image(entry)).astype(bool)


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
