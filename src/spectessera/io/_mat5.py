"""Variables of MATLAB files of version 5 to 7.2.

Only arrays of numbers are read; structs, cells and objects are skipped by their length. scipy has a
reader too, but a damaged file can end the whole process in it.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from spectessera._util.reading import reading

from ._lazy import LazyArray
from ._limits import MAX_COMPRESSION, check_packed
from ._matfile import CLASSES, Variable
from ._numbers import off_map
from ._views import transposed

HEADER = 128  # bytes of text, version and byte order
MATRIX, COMPRESSED = 14, 15  # types of elements
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
KINDS = {
    1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 6: "double", 7: "single",
    8: "int8", 9: "uint8", 10: "int16", 11: "uint16", 12: "int32", 13: "uint32", 14: "int64",
    15: "uint64", 16: "function", 17: "opaque",
}  # fmt: skip
COMPLEX, LOGICAL = 0x0800, 0x0200  # bits of the flags of an array
HEAD = 2**12  # bytes that hold flags, dimensions and name of any array


class _Place(NamedTuple):
    """Where the numbers of a variable are.

    ``start`` and ``length`` are those of the element in the file, compressed or not; ``offset`` is
    where the numbers begin in it, and ``dtype`` how they are stored.
    """

    start: int
    length: int
    compressed: bool
    offset: int
    dtype: str


class Mat5:
    """A file of version 5 to 7.2. Compressed variables cannot be read in parts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.variables: dict[str, Variable] = {}
        self._places: dict[str, _Place] = {}
        size = path.stat().st_size
        with reading(path, "a MATLAB file"), path.open("rb") as stream:
            order = _byte_order(stream.read(HEADER))
            start = HEADER
            while size - start >= 8:
                stream.seek(start)
                kind, length = struct.unpack(f"{order}II", stream.read(8))
                if kind not in (MATRIX, COMPRESSED) or start + 8 + length > size:
                    raise ValueError(
                        f"at byte {start} there should be a variable; there are {length} bytes of "
                        f"type {kind}, and the file ends at {size}"
                    )
                self._add(stream, order, start + 8, length, kind == COMPRESSED)
                start += 8 + length

    def _add(
        self, stream: IO[bytes], order: str, start: int, length: int, compressed: bool
    ) -> None:
        """Add the variable of one element."""
        raw = stream.read(min(length, HEAD))
        before = 8 if compressed else 0  # the tag that is compressed too
        head = zlib.decompressobj().decompress(raw, HEAD)[before:] if compressed else raw
        if not head:
            return
        variable, dtype, offset, nbytes = _header(head, order)
        if not variable.name:  # what functions of MATLAB need
            return
        if variable.is_numeric:
            expected = math.prod(variable.shape) * np.dtype(dtype).itemsize
            most = length * (MAX_COMPRESSION if compressed else 1)
            if nbytes != expected or offset + nbytes > most:
                raise ValueError(
                    f"{variable.name!r} of shape {variable.shape} should have {expected} bytes; "
                    f"it has {nbytes}, of {most} at most"
                )
        self.variables[variable.name] = variable
        self._places[variable.name] = _Place(start, length, compressed, before + offset, dtype)

    def source(self, name: str) -> LazyArray | np.ndarray:
        """Return one variable: in memory if it is compressed, else still in the file."""
        one, place = self.variables[name], self._places[name]
        if place.compressed:
            return self.array(name)
        key = (place.start + place.offset, place.dtype, one.shape[::-1], CLASSES[one.kind])
        stored = LazyArray(
            self.path, key, one.shape[::-1], np.dtype(CLASSES[one.kind]), _fetch, locked=False
        )
        return transposed(stored, range(stored.ndim)[::-1])

    def array(self, name: str) -> np.ndarray:
        """Read one variable, with the axes of MATLAB."""
        one, place = self.variables[name], self._places[name]
        dtype = np.dtype(place.dtype)
        nbytes = math.prod(one.shape) * dtype.itemsize
        if place.compressed:
            what = f"{self.path}: {name!r}"
            check_packed(what, nbytes, place.length, "save it without compression (-v6)")
        with reading(self.path, "a MATLAB file"), self.path.open("rb") as stream:
            stream.seek(place.start)
            if place.compressed:
                unpacking = zlib.decompressobj()
                raw = unpacking.decompress(stream.read(place.length), place.offset + nbytes)
            else:
                raw = stream.read(place.offset + nbytes)
            count = math.prod(one.shape)
            values = np.frombuffer(raw, dtype, count, place.offset)
        # a double is stored in fewer bytes where that is possible
        return values.astype(CLASSES[one.kind], copy=False).reshape(one.shape, order="F")


def _byte_order(header: bytes) -> str:
    """Return the byte order that the header gives."""
    mark = header[126:128]
    if mark not in (b"IM", b"MI"):
        raise ValueError(
            "it is not of version 5 or 7.3; save it in MATLAB with save(name, '-v7.3')"
        )
    return "<" if mark == b"IM" else ">"


def _element(head: bytes, order: str, at: int) -> tuple[int, int, int, int]:
    """Return type, number of bytes, start of the data of an element, and start of the next."""
    first, second = struct.unpack_from(f"{order}II", head, at)
    if first >> 16:  # up to 4 bytes lie in the tag itself
        return first & 0xFFFF, first >> 16, at + 4, at + 8
    return first, second, at + 8, at + 8 + -(-second // 8) * 8


def _header(head: bytes, order: str) -> tuple[Variable, str, int, int]:
    """Return a variable, and of its numbers the stored type, the start and the number of bytes."""
    _, _, start, at = _element(head, order, 0)
    (flags,) = struct.unpack_from(f"{order}I", head, start)
    kind = KINDS.get(flags & 0xFF, "unknown")
    if kind in ("opaque", "unknown"):  # its parts are others
        return Variable(f"({kind})", (1, 1), kind), "u1", 0, 0
    _, length, start, at = _element(head, order, at)
    shape = struct.unpack_from(f"{order}{length // 4}i", head, start)
    _, length, start, at = _element(head, order, at)
    name = head[start : start + length].decode("latin-1")
    if name and not name.isidentifier():
        raise ValueError("the name of a variable is damaged")
    if flags & LOGICAL:
        kind = "logical"
    if flags & COMPLEX:
        kind = f"complex {kind}"
    if kind not in CLASSES or min(shape, default=0) < 1:
        return Variable(name, shape, kind), "u1", 0, 0
    stored, nbytes, start, _ = _element(head, order, at)
    if stored not in TYPES:
        raise ValueError(f"{name!r} holds numbers of type {stored}, which is not known")
    return Variable(name, shape, kind), order + TYPES[stored], start, nbytes


def _fetch(
    path: Path, key: tuple[int, str, tuple[int, ...], str], index: tuple[slice, ...]
) -> np.ndarray:
    """Read one part of a variable that is not compressed."""
    offset, dtype, shape, final = key
    with reading(path, "a MATLAB file"):
        stored = np.memmap(path, dtype, "r", offset, shape)
        return off_map(stored[index]).astype(final, copy=False)
