"""Layouts of microscopes and of their programs: HyperSpy, EMD, Delmic, Oxford, OME-Zarr."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from spectessera.conventions.dims import CHANNEL, Dim, role_of

from ._choice import AxisValues, Choice
from ._layoutparts import multiscale, scalar, times_in
from ._tree import Entry, Tree, text_of, unit_in

IN_METADATA = re.compile(r"(^|/)(original_)?metadata(/|$)")
HYPERSPY_NOISE = "metadata/Signal/Noise_properties/_sig_variance"
NO_UNITS = ("", "_none_", "<undefined>", "undefined", "none", "t.b.d.")


def hyperspy(tree: Tree) -> Iterator[Choice]:
    """HyperSpy: a group for each axis, with navigate = False for that of the spectrum."""
    for group in tree.groups():
        entry = tree.named(group, "data")
        if entry is None or entry.array.ndim < 3 or not entry.has_numbers:
            continue
        if IN_METADATA.search(group):  # such as the variance, which is a signal of its own
            continue
        axes = [tree.group_attributes(f"{group}/axis-{n}") for n in range(entry.array.ndim)]
        if not any(axes):
            continue
        dims = [Dim(text_of(attrs.get("name")), _unit(attrs)) for attrs in axes]
        scales = [_uniform(tree, f"{group}/axis-{n}", attrs, entry.shape[n], dims[n])
                  for n, attrs in enumerate(axes)]  # fmt: skip
        choice = Choice([entry], "HyperSpy", dims=dims, scales=scales)
        noise = tree.named(f"{group}/{HYPERSPY_NOISE}", "data")
        if noise is not None and noise.has_numbers:
            choice.companions["variance"] = noise
        own = tree.named(group, "axis")
        if own is not None and "axis_kind" in own.attrs and own.has_numbers:
            kind = text_of(own.attrs["axis_kind"])
            medium = text_of(own.attrs.get("medium"))
            unit = unit_in(own.attrs)
            choice.axis = AxisValues(own.values(), unit, kind, kind, own.name, medium)
        signal = [n for n, attrs in enumerate(axes) if not attrs.get("navigate", n == 2)]
        named = [n for n, dim in enumerate(dims) if role_of(dim) == CHANNEL]
        if not named and len(signal) == 1:
            # what HyperSpy calls the signal axis is the spectrum, whatever its name
            choice.dims = [Dim("signal spectrum", d.unit) if n in signal else d
                           for n, d in enumerate(dims)]  # fmt: skip
        elif not named and len(signal) == 2 and entry.array.ndim == 3:
            (channel,) = (n for n in range(3) if n not in signal)
            choice.layout = (*signal, channel)
        yield choice


def _unit(attrs: dict[str, Any]) -> str:
    """Return the unit of an axis; what programs write for "none" is none."""
    unit = (unit_in(attrs) or "").strip()
    return "" if unit.lower() in NO_UNITS else unit


def _uniform(
    tree: Tree, group: str, attrs: dict[str, Any], length: int, dim: Dim
) -> AxisValues | None:
    """Return the values along an axis of HyperSpy: offset and scale, or an array."""
    kind = "energy_loss" if "loss" in dim.name.lower() else ""
    entry = tree.named(group, "axis")
    if entry is not None and entry.shape == (length,) and entry.has_numbers:
        values = entry.values().astype(np.float64)
        return AxisValues(values, dim.unit or None, dim.name, kind, entry.name)
    scale, offset = attrs.get("scale"), attrs.get("offset", 0.0)
    if not isinstance(scale, (int, float)) or not isinstance(offset, (int, float)):
        return None
    if (scale, offset, dim.unit) == (1, 0, ""):  # nobody has calibrated it: it only counts
        return None
    values = offset + scale * np.arange(length, dtype=np.float64)
    return AxisValues(values, dim.unit or None, dim.name, kind, f"{group} (scale and offset)")


def _along(entry: Entry, length: int) -> np.ndarray | None:
    """Return the values along an axis of EMD: all of them, or the first two of even steps."""
    if not entry.has_numbers or entry.shape not in ((length,), (2,)):
        return None
    values = entry.values().astype(np.float64)
    return values if len(values) == length else values[0] + np.diff(values) * np.arange(length)


def berkeley(tree: Tree) -> Iterator[Choice]:
    """EMD of Berkeley (ncempy): data beside dim1, dim2, dim3 with names and units."""
    for group in tree.groups():
        if not tree.group_attributes(group).get("emd_group_type"):
            continue
        entry = tree.named(group, "data")
        if entry is None or entry.array.ndim != 3 or not entry.has_numbers:
            continue
        dims, scales = [], []
        for number in range(3):
            along = tree.named(group, f"dim{number + 1}")
            attrs = {} if along is None else along.attrs
            dim = Dim(text_of(attrs.get("name")), _unit(attrs).strip("[]_").replace("_", ""))
            values = None if along is None else _along(along, entry.shape[number])
            name = "" if along is None else along.name
            known = None if values is None else (values, dim.unit or None, dim.name, "", name)
            scales.append(None if known is None else AxisValues(*known))
            dims.append(dim)
        yield Choice([entry], "EMD (Berkeley)", dims=dims, scales=scales)


def delmic(tree: Tree) -> Iterator[Choice]:
    """Delmic instruments: ImageData/Image with the axes C, T, Z, Y, X."""
    for group in tree.groups():
        entry = tree.named(group, "Image") if group.endswith("ImageData") else None
        if entry is not None and entry.array.ndim == 5 and entry.shape[0] > 1:
            yield Choice([entry], "Delmic", dims=[Dim(letter) for letter in "CTZYX"])


def oxford(tree: Tree) -> Iterator[Choice]:
    """H5OINA of Oxford Instruments: one EDS spectrum a point; the header gives the image."""
    for group in tree.groups():
        entry = tree.named(group, "Spectrum") if group.endswith("EDS/Data") else None
        if entry is None or entry.array.ndim != 2:
            continue
        header = f"{group.rpartition('/')[0]}/Header"
        cells = [_number(tree, f"{header}/{name}") for name in ("Y Cells", "X Cells")]
        width = _number(tree, f"{header}/Channel Width")
        start = _number(tree, f"{header}/Start Channel")
        choice = Choice([entry], "H5OINA (Oxford Instruments)", companions=times_in(tree, group))
        live = tree.named(group, "Live Time")
        choice.companions |= {"live_time": live} if live is not None else {}
        if width:
            values = (start or 0.0) + width * np.arange(entry.shape[1])
            choice.axis = AxisValues(
                values / 1e3, "keV", "energy", "energy", f"{header}/Channel Width"
            )
        if all(cells) and int(np.prod([int(c or 0) for c in cells])) == entry.shape[0]:
            rows, columns = (int(c or 0) for c in cells)
            choice.place = np.arange(entry.shape[0]).reshape(rows, columns)
            choice.place_source = f"{header} (Y Cells, X Cells)"
        yield choice


def _number(tree: Tree, name: str) -> float | None:
    """Return a number that a file has as an array of one element, or None."""
    value = scalar(tree, name)
    return float(value) if isinstance(value, (int, float)) else None


def ome(tree: Tree) -> Iterator[Choice]:
    """OME-Zarr: of the levels of a pyramid, the one with all pixels."""
    for group in tree.groups():
        levels = multiscale(tree.group_attributes(group)).get("datasets")
        level = levels[0] if isinstance(levels, list) and levels else None
        entry = tree.named(group, str(level.get("path"))) if isinstance(level, dict) else None
        if entry is not None and entry.has_numbers:
            yield Choice([entry], "OME-Zarr")
