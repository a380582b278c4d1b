"""Variables of MATLAB files: what they have in common, and those of version 7.3, which is HDF5."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spectessera._util.reading import reading

from ._common import MAX_COMPRESSION, SMALL_BYTES, native, plain_attribute
from ._lazy import LazyArray
from ._views import transposed
from .filters import require

# Classes of numbers in MATLAB. All others (struct, cell, object, opaque, char, sparse) are listed
# in errors, but never read.
CLASSES = {
    "double": "f8", "single": "f4", "logical": "u1", "int8": "i1", "uint8": "u1", "int16": "i2",
    "uint16": "u2", "int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8",
}  # fmt: skip
INTERNAL = ("#refs#", "#subsystem#")
MAX_DEPTH = 5


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

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return math.prod(self.shape) * np.dtype(CLASSES[self.kind]).itemsize

    def check_size(self, path: Path) -> None:
        """Raise ValueError if such a file cannot hold it."""
        size = path.stat().st_size
        if self.nbytes > max(size * MAX_COMPRESSION, SMALL_BYTES):
            raise ValueError(
                f"{path}: {self.name!r} claims {self.nbytes:.3g} bytes (shape {self.shape}), more "
                f"than a file of {size} bytes can hold; it is damaged"
            )


class Mat73:
    """A file of version 7.3: HDF5, with the axes in reverse order."""

    def __init__(self, path: Path) -> None:
        import h5py

        self.path = path
        self.variables: dict[str, Variable] = {}
        with reading(path, "a MATLAB 7.3 file"), h5py.File(path, "r") as file:
            self._collect(file, "", 0)

    def _collect(self, group: Any, prefix: str, depth: int) -> None:
        """Add the variables of a group: a struct of MATLAB is one."""
        import h5py

        for name in group:
            link = group.get(name, getlink=True)
            if name in INTERNAL or isinstance(link, (h5py.ExternalLink, h5py.SoftLink)):
                continue
            node = group[name]
            kind = plain_attribute(node.attrs.get("MATLAB_class")) or "unknown"
            if isinstance(node, h5py.Dataset):
                empty = node.shape is None or plain_attribute(node.attrs.get("MATLAB_empty"))
                shape = (0, 0) if empty else tuple(node.shape[::-1])
                is_number = node.dtype.kind in "biuf" and node.external is None
                self.variables[prefix + name] = Variable(
                    prefix + name, shape, str(kind) if is_number else f"{kind} ({node.dtype})"
                )
            elif depth < MAX_DEPTH and kind in ("struct", "unknown"):
                self._collect(node, f"{prefix}{name}/", depth + 1)

    def source(self, name: str) -> LazyArray:
        """Return one variable with the axes of MATLAB, still in the file."""
        import h5py

        self.variables[name].check_size(self.path)
        with reading(self.path, "a MATLAB 7.3 file"), h5py.File(self.path, "r") as file:
            node = file[name]
            dtype = node.dtype.newbyteorder("=")
            stored = LazyArray(self.path, name, node.shape, dtype, _fetch, node.chunks)
        return transposed(stored, range(stored.ndim)[::-1])

    def array(self, name: str) -> np.ndarray:
        """Read one variable."""
        return self.source(name)[()]


def _fetch(path: Path, name: str, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of a variable."""
    import h5py

    with reading(path, "a MATLAB 7.3 file"), h5py.File(path, "r") as file:
        require(file[name])
        return native(np.asarray(file[name][index]))
