"""NeXus files: the signal of NXdata groups, with its named axes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from spectessera.conventions.dims import Dim

from ._choice import AxisValues, Choice
from ._layoutparts import times_in
from ._tree import Entry, Tree, text_of, unit_in


def nxdata(tree: Tree) -> Iterator[Choice]:
    """NeXus: the signal of NXdata groups, that of the default group first."""
    groups = [g for g in tree.groups() if tree.group_attributes(g).get("NX_class") == "NXdata"]
    default = _default_group(tree)
    for group in sorted(groups, key=lambda g: g != default):
        attrs = tree.group_attributes(group)
        entry = tree.named(group, text_of(attrs.get("signal"))) if attrs.get("signal") else None
        if entry is None:  # before 2014 the array itself is marked
            marked = [e for e in tree.inside(group) if text_of(e.attrs.get("signal")) == "1"]
            entry = marked[0] if marked else None
        if entry is None or not entry.has_numbers or entry.array.ndim < 2:
            continue
        yield _nxdata(tree, group, entry, attrs)
        if group == default:
            return


def _default_group(tree: Tree) -> str:
    """Return the group that the attributes "default" lead to from the root; "" if none."""
    group = ""
    for _ in range(8):
        name = text_of(tree.group_attributes(group).get("default")).strip("/")
        if not name:
            break
        group = f"{group}/{name}".strip("/")
    return group


def _nxdata(tree: Tree, group: str, entry: Entry, attrs: dict[str, Any]) -> Choice:
    """Return the signal of an NXdata group with its axes."""
    names = _axes_attribute(attrs.get("axes"), entry.attrs.get("axes"))
    dims = [Dim()] * entry.array.ndim
    scales: list[AxisValues | None] = [None] * entry.array.ndim
    place: dict[int, str] = {}
    for number, name in enumerate(names):
        indices = attrs.get(f"{name}_indices", number if len(names) == entry.array.ndim else None)
        if name != "." and isinstance(indices, int) and 0 <= indices < entry.array.ndim:
            place.setdefault(indices, name)
    for number, name in place.items():
        along = tree.named(group, name)
        unit = "" if along is None else unit_in(along.attrs) or ""
        dims[number] = Dim(name, unit, {} if along is None else along.attrs)
        if along is not None and along.has_numbers and along.shape == (entry.shape[number],):
            values = along.values().astype(np.float64)
            scales[number] = AxisValues(values, unit or None, name, "", along.name)
    choice = Choice([entry], "NXdata", dims=dims, scales=scales)
    errors = text_of(entry.attrs.get("uncertainties"))
    noise = tree.named(group, *([errors] if errors else []), f"{entry.base}_errors", "errors")
    choice.companions |= {"error": noise} if noise is not None else {}
    choice.companions |= times_in(tree, group)
    interpretation = text_of(entry.attrs.get("interpretation") or attrs.get("interpretation"))
    if interpretation == "spectrum" and entry.array.ndim == 3:
        choice.layout, choice.program = (0, 1, 2), "NXdata (interpretation = spectrum)"
    return choice


def _axes_attribute(modern: Any, old: Any) -> list[str]:
    """Return the names of the axes of NXdata, from the group or, in old files, from the array."""
    value = modern if modern is not None else old
    if value is None:
        return []
    texts = value if isinstance(value, list) else re.split(r"[:,]", str(value).strip("[] "))
    return [str(text).strip() for text in texts]
