"""Variables of MATLAB files: what they have in common, and those of version 7.3, which is HDF5."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spectessera._util.reading import reading

from ._hdf5_sources import check_sources, stored_bytes
from ._hdf5_tree import hdf5_tree
from ._lazy import LazyArray
from ._limits import check_declared
from ._tree import Entry
from ._views import transposed

# Classes of numbers in MATLAB. All others (struct, cell, object, opaque, char, sparse) are listed
# in errors, but never read.
CLASSES = {
    "double": "f8", "single": "f4", "logical": "u1", "int8": "i1", "uint8": "u1", "int16": "i2",
    "uint16": "u2", "int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8",
}  # fmt: skip
INTERNAL = ("#refs#", "#subsystem#")  # groups: what cells and objects hold


@dataclass(frozen=True)
class Variable:
    """A variable: its name, its shape as MATLAB shows it, and its class."""

    name: str
    shape: tuple[int, ...]
    kind: str

    @property
    def is_numeric(self) -> bool:
        """Whether it is an array of numbers that is not empty."""
        return self.kind in CLASSES and min(self.shape, default=0) > 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """Its lengths that are longer than 1."""
        return tuple(size for size in self.shape if size > 1)


class Mat73:
    """A file of version 7.3: HDF5, with the axes in reverse order."""

    def __init__(self, path: Path, *, outside: bool) -> None:
        self.path, self.outside = path, outside
        self.variables: dict[str, Variable] = {}
        self._stored: dict[str, LazyArray] = {}
        with (
            hdf5_tree(path, outside=outside, without=INTERNAL) as tree,
            reading(path, "a MATLAB 7.3 file"),
        ):
            for name, entry in tree.entries.items():  # a struct is a group
                self.variables[name] = _variable(entry, tree.nodes[name].external is None)
                self._stored[name] = entry.array

    def source(self, name: str) -> LazyArray:
        """Return one variable with the axes of MATLAB, still in the file."""
        import h5py

        stored = self._stored[name]
        with reading(self.path, "a MATLAB 7.3 file"), h5py.File(self.path, "r") as file:
            node = file[name]
            check_sources(self.path, node, outside=self.outside)
            check_declared(
                f"{self.path}: {name!r}", stored.shape, stored.dtype,
                stored_bytes(self.path, node), lazy=True,
            )  # fmt: skip
        return transposed(stored, range(stored.ndim)[::-1])

    def array(self, name: str) -> np.ndarray:
        """Read one variable."""
        return self.source(name)[()]


def _variable(entry: Entry, inside: bool) -> Variable:
    """Return what a dataset is in MATLAB; ``inside`` is whether its bytes lie in this file."""
    kind = str(entry.attrs.get("MATLAB_class") or "unknown")
    shape = (0, 0) if entry.attrs.get("MATLAB_empty") else entry.shape[::-1]
    is_number = inside and entry.array.dtype.kind in "biuf"
    return Variable(entry.name, shape, kind if is_number else f"{kind} ({entry.array.dtype})")
