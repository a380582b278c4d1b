"""Read cubes from NumPy files: one array (NPY) or an archive of several (NPZ).

An archive may hold ``cube``, and beside it ``axis``, ``axis_unit``, ``variance``, ``mask``,
``labels`` (the reference, 0 = none) and ``class_names``.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ._common import (
    MOST_PACKED,
    Lazy,
    Parts,
    check_stored,
    check_three,
    choose,
    chunked,
    listing,
    load,
    native,
    same_shape,
    telling,
    told_axis,
)

DEFAULT = "cube"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class _Stored(NamedTuple):
    """What the header of a stored array says."""

    shape: tuple[int, ...]
    dtype: np.dtype
    start: int


def read_npy(path: Path, key: str | None = None, chunks: Any = None) -> Parts:
    """Read a cube from an NPY file.

    Parameters
    ----------
    path : Path
    key : None
        An NPY file has one array, so there is nothing to choose.
    chunks : dict, int or "auto", optional
        Leave the data in the file and give a dask array.

    Returns
    -------
    Parts
        Values (y, x, channel).

    Raises
    ------
    ValueError
        If the file is broken, or has anything but numbers along three axes.
    """
    if key is not None:
        raise ValueError(f"{path} holds one array without a name; leave out key={key!r}")
    with telling(path, "NPY"), path.open("rb") as stream:
        stored = _header(stream)
    check_stored(path, path.name, stored.shape, stored.dtype)
    check_three(path, path.name, stored.shape)
    _check_room(path, path.name, stored, path.stat().st_size)
    dtype = stored.dtype.newbyteorder("=")
    values = load(Lazy(path, None, stored.shape, dtype, _fetch), chunks)
    return Parts(values, attrs={"source": path.name})


def _fetch(path: Path, _key: None, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of an NPY file."""
    with telling(path, "NPY"):
        part = np.load(path, mmap_mode="r", allow_pickle=False)[index]
        return np.array(part, dtype=part.dtype.newbyteorder("="), order="C")  # closes the map


def _header(stream: IO[bytes]) -> _Stored:
    """Read the header of a stored array."""
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:  # later ones are for records, which are not numbers
        return _Stored((), np.dtype("V"), 0)
    shape, _, dtype = _HEADERS[version](stream)
    return _Stored(shape, dtype, stream.tell())


def _check_room(path: Path, name: str, stored: _Stored, room: int) -> None:
    """Raise ValueError if an array is said to be larger than what holds it."""
    size = stored.dtype.itemsize
    for length in stored.shape:  # in Python's integers, which never overflow
        size *= length
    if size + stored.start > room:
        raise ValueError(
            f"{path}: {name!r} should have {size} bytes (shape {stored.shape}, {stored.dtype}) but "
            f"only {max(room - stored.start, 0)} are there; the file is damaged or cut short"
        )


def read_npz(path: Path, key: str | None = None, chunks: Any = None) -> Parts:
    """Read a cube from an NPZ archive.

    Parameters
    ----------
    path : Path
    key : str, optional
        Name of the array; by default ``cube``, or the only one of three axes.
    chunks : dict, int or "auto", optional
        Give a dask array. An archive cannot be read in parts, so that all of it is in memory.

    Returns
    -------
    Parts
        Values (y, x, channel) and what belongs to them.

    Raises
    ------
    ValueError
        If the file is broken, there is no such array, or it is not clear which one is meant.
    """
    with telling(path, "NPZ"):
        archive = zipfile.ZipFile(path)
    with archive:
        with telling(path, "NPZ"):
            members = _members(archive)
        name = _pick(path, members, key)
        values = _member(path, archive, members, name)
        if chunks is not None:
            values = chunked(values, chunks, path, name)
        parts = Parts(values, attrs={"source": path.name})
        _add_beside(parts, path, archive, members, chunks)
    return parts


def _members(archive: zipfile.ZipFile) -> dict[str, _Stored]:
    """Return what the headers of all arrays of an archive say."""
    members = {}
    for name in archive.namelist():
        if name.endswith(".npy"):
            with archive.open(name) as stream:
                members[name.removesuffix(".npy")] = _header(stream)
    return members


def _pick(path: Path, members: dict[str, _Stored], key: str | None) -> str:
    """Return the name of the array to read."""
    shapes = {name: stored.shape for name, stored in members.items()}
    if key is None and DEFAULT not in members:
        return choose(path, {n: s.shape for n, s in members.items() if s.dtype.kind in "iuf"})
    name = DEFAULT if key is None else key
    if name not in members:
        raise ValueError(f"{path} has no array {name!r}; there is: {listing(shapes)}")
    check_stored(path, name, members[name].shape, members[name].dtype)
    check_three(path, name, members[name].shape)
    return name


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
    room = min(info.file_size, info.compress_size * MOST_PACKED)
    _check_room(path, name, stored, room)
    with telling(path, "NPZ"), archive.open(info) as stream:
        return native(np.lib.format.read_array(stream, allow_pickle=False))


def _add_beside(
    parts: Parts,
    path: Path,
    archive: zipfile.ZipFile,
    members: dict[str, _Stored],
    chunks: Any,
) -> None:
    """Add the arrays beside the cube that go with it."""
    shape = tuple(parts.values.shape)
    if "axis" in members:
        values = _member(path, archive, members, "axis")
        if values.shape != shape[2:]:
            parts.axis_trouble = f"'axis' has shape {values.shape} for {shape[2]} channels"
        unit = None
        if "axis_unit" in members:
            unit = _words(path, archive, members, "axis_unit")[0]
        parts.axis, note = told_axis(values, unit)
        parts.attrs |= note
    if "variance" in members:
        variance = _member(path, archive, members, "variance")
        same_shape(path, "variance", variance.shape, shape)
        parts.variance = variance if chunks is None else chunked(variance, chunks, path, "variance")
    if "mask" in members:
        mask = _member(path, archive, members, "mask")
        same_shape(path, "mask", mask.shape, shape[:2])
        parts.mask = mask.astype(bool)
    if "labels" in members:
        labels = _member(path, archive, members, "labels", "iu")
        same_shape(path, "labels", labels.shape, shape[:2])
        parts.coords["reference"] = (("y", "x"), labels.astype(np.int32), {})
        if "class_names" in members:
            names = _words(path, archive, members, "class_names")
            parts.attrs["class_names"] = json.dumps(names, ensure_ascii=False)


def _words(
    path: Path, archive: zipfile.ZipFile, members: dict[str, _Stored], name: str
) -> list[str]:
    """Read an array of strings."""
    texts = _member(path, archive, members, name, "US").ravel()
    return [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in texts]
