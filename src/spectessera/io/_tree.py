"""The arrays of a file that has many, with their attributes: HDF5, NetCDF and Zarr alike.

Readers build a tree; what the arrays mean is decided from the tree alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from spectessera.conventions.dims import Dim

from ._common import native
from ._lazy import LazyArray

NO_VALUES = "This is a netCDF dimension but not a netCDF variable"
UNIT_NAMES = ("units", "unit", "UNIT", "Units", "UNITS", "Unit")
SMALL_ARRAY = 2**24  # values of an array beside the cube that is read whole


def words(value: Any) -> Any:
    """Return an attribute as text, a number, or a list of them; None if it is none of these."""
    if isinstance(value, (bytes, np.bytes_)):
        return bytes(value).decode("utf-8", "replace").rstrip("\0")
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufSUO" or value.size > 4096:
            return None
        if value.dtype.kind == "O" and not all(
            isinstance(each, (str, bytes)) for each in value.ravel()
        ):
            return None
        listed = [words(each) for each in value.ravel().tolist()]
        return listed[0] if value.size == 1 else listed
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (list, tuple)):
        return [words(each) for each in value] if len(value) <= 4096 else None
    return value if isinstance(value, (str, int, float)) else None


def plain_words(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as texts, numbers and lists of them, without those that are none."""
    plain = {str(name): words(value) for name, value in attrs.items()}
    return {name: value for name, value in plain.items() if value is not None}


def text_of(value: Any) -> str:
    """Return an attribute as one text; a list of one is its element."""
    value = words(value)
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    return "" if value is None else str(value)


def unit_in(attrs: Mapping[str, Any]) -> str | None:
    """Return the unit that attributes give, or None."""
    for name in UNIT_NAMES:
        if attrs.get(name) is not None:
            return text_of(attrs[name]).strip()
    return None


class Entry:
    """One array of a file.

    Parameters
    ----------
    name : str
        Its path in the file, without a slash at the beginning.
    array : LazyArray
    attributes : function
        Called once, when the attributes are needed.
    check : function, optional
        Raises if the values must not be read.
    """

    def __init__(
        self,
        name: str,
        array: LazyArray,
        attributes: Callable[[], Mapping[str, Any]],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.array = array
        self.check = check
        self._attributes = attributes

    @cached_property
    def attrs(self) -> dict[str, Any]:
        """Attributes as texts, numbers and lists of them."""
        return plain_words(self._attributes())

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.array.shape

    @property
    def base(self) -> str:
        """Name without the groups."""
        return self.name.rpartition("/")[2]

    @property
    def group(self) -> str:
        """Path of the group of the array; "" is the root."""
        return self.name.rpartition("/")[0]

    @property
    def has_numbers(self) -> bool:
        """Whether it has values, real numbers; a NetCDF dimension may have none."""
        return self.array.dtype.kind in "biuf" and 0 not in self.shape

    @property
    def is_dimension_only(self) -> bool:
        """Whether it is a NetCDF dimension without values."""
        return str(self.attrs.get("NAME") or "").startswith(NO_VALUES)

    def values(self) -> np.ndarray:
        """Read all values, of an array beside the cube.

        Raises
        ------
        ValueError
            If there are too many for anything that is read whole.
        """
        self.check()
        count = int(np.prod([int(size) for size in self.shape], dtype=object))
        if count > SMALL_ARRAY:
            raise ValueError(
                f"{self.array.path}: {self.name!r} has {count} values, too many for an axis or an "
                "image"
            )
        return native(self.array[()] if self.shape else self.array.fetch(
            self.array.path, self.array.key, ()
        ))  # fmt: skip


def named_dims(
    group: str, names: Sequence[str], attributes: Callable[[str], Mapping[str, Any] | None]
) -> list[tuple[Dim, str]]:
    """Return dimensions whose arrays, if they have any, lie under their names in a group.

    ``attributes`` gives those of an array by its path, None if there is no such array.
    """
    out = []
    for name in names:
        path = f"{group}/{name}".strip("/")
        attrs = attributes(path) if name else None
        along = "" if attrs is None else path
        attrs = attrs or {}
        out.append((Dim(name, unit_in(attrs) or "", attrs), along))
    return out


@dataclass
class Tree:
    """The arrays of a file.

    Parameters
    ----------
    path : Path
    word : str
        What the format calls an array: "dataset" in HDF5.
    entries : dict of str to Entry
        By path, in the order of the file.
    group_attributes : function of a path
        Attributes of a group; an empty dictionary if there is no such group.
    dims_of : function of an Entry
        Its axes with their names, and for each the path of the array along it ("": none).
    aliases : dict of str to str
        Other paths of the same arrays.
    broken : dict of str to str
        Links that lead nowhere, with the reason.
    nodes : dict of str to any
        What the library of the format gives for each path.
    own : bool
        Whether this package wrote the file.
    prepare : function of an Entry
        Checks an array as large as the cube; returns it, and a sentence to keep or "".
    """

    path: Path
    word: str
    entries: dict[str, Entry]
    group_attributes: Callable[[str], dict[str, Any]]
    dims_of: Callable[[Entry], list[tuple[Dim, str]]]
    aliases: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, Any] = field(default_factory=dict)
    own: bool = False
    prepare: Callable[[Entry], tuple[LazyArray, str]] = lambda entry: (entry.array, "")

    def get(self, name: str) -> Entry | None:
        """Return an array by one of its paths."""
        name = name.strip("/")
        return self.entries.get(self.aliases.get(name, name))

    def named(self, group: str, *names: str) -> Entry | None:
        """Return the first of several arrays that a group has; case does not matter."""
        for name in names:
            entry = self.get(f"{group}/{name}".strip("/"))
            if entry is not None:
                return entry
        below = {entry.base.lower(): entry for entry in self.inside(group)}
        for name in names:
            if name.lower() in below:
                return below[name.lower()]
        return None

    @cached_property
    def _by_group(self) -> dict[str, list[Entry]]:
        """Arrays by the group that they are in, under any of their names."""
        groups: dict[str, list[Entry]] = {}
        for entry in self.entries.values():
            groups.setdefault(entry.group, []).append(entry)
        for alias, name in self.aliases.items():
            if name in self.entries:
                groups.setdefault(alias.rpartition("/")[0], []).append(self.entries[name])
        return groups

    def inside(self, group: str) -> Iterator[Entry]:
        """Yield the arrays of a group."""
        yield from self._by_group.get(group, ())

    def groups(self) -> list[str]:
        """Return the paths of all groups that have arrays, in the order of the file."""
        return self._groups

    @cached_property
    def _groups(self) -> list[str]:
        """Paths of all groups that have arrays, and of those above them."""
        paths: dict[str, None] = {}
        for name in (*self.entries, *self.aliases):
            parts = name.split("/")[:-1]
            for count in range(len(parts) + 1):
                paths.setdefault("/".join(parts[:count]))
        return list(paths)
