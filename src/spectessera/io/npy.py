"""Read cubes from NumPy files: one array (NPY) or an archive of several (NPZ).

An archive may hold ``cube``, and with it ``axis``, ``axis_unit``, ``variance``, ``mask``,
``labels`` (the reference, 0 = none) and ``class_names``.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from spectessera._util.reading import reading
from spectessera.conventions.dims import Dim

from ._common import (
    Request,
    StoredCube,
    check_companion_shape,
    check_stored,
    native,
)
from ._grouped import cube_of_tree
from ._lazy import LazyArray
from ._limits import check_packed
from ._numbers import off_map
from ._tree import Entry, Tree
from ._views import in_memory

DEFAULT = "cube"
MAX_MEMBERS = 10_000
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class _Stored(NamedTuple):
    """The header of a stored array."""

    shape: tuple[int, ...]
    dtype: np.dtype
    start: int


def read_npy(path: Path, request: Request) -> StoredCube:
    """Read a cube from an NPY file.

    Parameters
    ----------
    path : Path
    request : Request
        What the user says about the file.

    Returns
    -------
    StoredCube
        Values (y, x, channel).

    Raises
    ------
    ValueError
        If the file is broken, or does not hold numbers along three axes.
    """
    if request.key is not None:
        raise ValueError(f"{path} holds one array without a name; leave out key={request.key!r}")
    with reading(path, "NPY"), path.open("rb") as stream:
        stored = _header(stream)
    check_stored(path, path.name, stored.shape, stored.dtype)
    _check_size(path, path.name, stored, path.stat().st_size)
    dtype = stored.dtype.newbyteorder("=")
    source = LazyArray(path, None, stored.shape, dtype, _fetch)
    tree = Tree(path, "array", {path.name: Entry(path.name, source, dict)}, lambda _: {}, _no_dims)
    cube = cube_of_tree(tree, replace(request, key=path.name))
    cube.attrs["source"] = path.name
    return cube


def _no_dims(entry: Entry) -> list[tuple[Dim, str]]:
    """Return axes without names."""
    return [(Dim(), "")] * entry.array.ndim


def _fetch(path: Path, _key: None, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of an NPY file."""
    with reading(path, "NPY"):
        return off_map(np.load(path, mmap_mode="r", allow_pickle=False)[index])


def _header(stream: IO[bytes]) -> _Stored:
    """Read the header of a stored array."""
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:  # later ones are for records, which are not numbers
        return _Stored((), np.dtype("V"), 0)
    shape, _, dtype = _HEADERS[version](stream)
    return _Stored(shape, dtype, stream.tell())


def _check_size(path: Path, name: str, stored: _Stored, most: int) -> None:
    """Raise ValueError if a header and its array have more than ``most`` bytes."""
    size = stored.dtype.itemsize
    for length in stored.shape:  # integers of Python, which never overflow
        size *= length
    if size + stored.start > most:
        raise ValueError(
            f"{path}: {name!r} should have {size} bytes (shape {stored.shape}, {stored.dtype}) but "
            f"only {max(most - stored.start, 0)} are there; the file is damaged or cut short"
        )


def read_npz(path: Path, request: Request) -> StoredCube:
    """Read a cube from an NPZ archive.

    Parameters
    ----------
    path : Path
    request : Request
        What the user says about the file; ``key`` is the name of an array, by default ``cube``, or
        the only one of three axes. An archive cannot be read in parts: with ``chunks``, all of it
        is in memory.

    Returns
    -------
    StoredCube
        Values (y, x, channel) and what belongs to them.

    Raises
    ------
    ValueError
        If the file is broken, there is no such array, or it is not clear which one is meant.
    """
    with reading(path, "NPZ"):
        archive = zipfile.ZipFile(path)
    with archive:
        with reading(path, "NPZ"):
            members = _members(archive)
        tree = _tree(path, archive, members)
        if request.key is None and DEFAULT in members:
            request = replace(request, key=DEFAULT)

        def prepared(entry: Entry) -> tuple[LazyArray, str]:
            values = _member(path, archive, members, entry.name)
            return in_memory(path, entry.name, values), ""

        tree.prepare = prepared
        cube = cube_of_tree(tree, request)
        cube.attrs["source"] = path.name
        _add_labels(cube, path, archive, members)
        channels = cube.values.shape[2]
        if "axis" in members and cube.axis is None:
            shape = members["axis"].shape
            cube.axis_error = f"'axis' has shape {shape} for {channels} channels" + (
                "; it fits another dimension, so --axes may be wrong"
                if len(shape) == 1 and shape[0] in cube.values.shape
                else ""
            )
    return cube


def _tree(path: Path, archive: zipfile.ZipFile, members: dict[str, _Stored]) -> Tree:
    """Return the arrays of an archive; ``axis_unit`` is the unit of ``axis``."""

    def attributes(name: str) -> dict[str, Any]:
        unit = f"{name}_unit"
        return {"units": _texts(path, archive, members, unit)[0]} if unit in members else {}

    def entry(name: str, stored: _Stored) -> Entry:
        def fetch(_path: Path, key: str, index: tuple[slice, ...]) -> np.ndarray:
            return _member(path, archive, members, key)[index]

        source = LazyArray(path, name, stored.shape, stored.dtype.newbyteorder("="), fetch)
        return Entry(name, source, lambda: attributes(name))

    entries = {name: entry(name, stored) for name, stored in members.items()}
    return Tree(path, "array", entries, lambda _: {}, _no_dims)


def _members(archive: zipfile.ZipFile) -> dict[str, _Stored]:
    """Return the headers of all arrays of an archive."""
    members = {}
    names = archive.namelist()
    if len(names) > MAX_MEMBERS:
        raise ValueError(f"it has {len(names)} members; {MAX_MEMBERS} are the most")
    for name in names:
        if name.endswith(".npy"):
            with archive.open(name) as stream:
                members[name.removesuffix(".npy")] = _header(stream)
    return members


def _member(
    path: Path,
    archive: zipfile.ZipFile,
    members: dict[str, _Stored],
    name: str,
    kinds: str = "biuf",
) -> np.ndarray:
    """Read one array of an archive, after its header has been checked."""
    stored = members[name]
    check_stored(path, name, stored.shape, stored.dtype, kinds)
    info = archive.getinfo(f"{name}.npy")
    _check_size(path, name, stored, info.file_size)
    what = f"{path}: {name!r}"
    check_packed(what, info.file_size, info.compress_size, "save it without compression (savez)")
    with reading(path, "NPZ"), archive.open(info) as stream:
        return native(np.lib.format.read_array(stream, allow_pickle=False))


def _add_labels(
    cube: StoredCube, path: Path, archive: zipfile.ZipFile, members: dict[str, _Stored]
) -> None:
    """Add the labels of an archive, and the names of their classes."""
    if "labels" in members:
        labels = _member(path, archive, members, "labels", "iu")
        check_companion_shape(path, "labels", labels.shape, cube.values.shape[:2])
        cube.coords["reference"] = (("y", "x"), labels.astype(np.int32), {})
        if "class_names" in members:
            names = _texts(path, archive, members, "class_names")
            cube.attrs["class_names"] = json.dumps(names, ensure_ascii=False)


def _texts(
    path: Path, archive: zipfile.ZipFile, members: dict[str, _Stored], name: str
) -> list[str]:
    """Read an array of strings."""
    texts = _member(path, archive, members, name, "US").ravel()
    return [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in texts]
