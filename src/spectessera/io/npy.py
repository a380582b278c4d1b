"""Read cubes from NumPy files: one array (NPY) or an archive of several (NPZ).

An archive may hold ``cube``, and with it ``axis``, ``axis_unit``, ``variance``, ``mask``,
``labels`` (the reference, 0 = none) and ``class_names``.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from spectessera._util.reading import reading

from ._common import (
    MAX_COMPRESSION,
    Request,
    StoredCube,
    axis_of_file,
    check_companion_shape,
    check_stored,
    check_three_axes,
    listing,
    native,
    only_cube,
)
from ._lazy import LazyArray, as_dask, load

DEFAULT = "cube"
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
    key = None if request.key is None else str(request.key)
    chunks = request.chunks
    if key is not None:
        raise ValueError(f"{path} holds one array without a name; leave out key={key!r}")
    with reading(path, "NPY"), path.open("rb") as stream:
        stored = _header(stream)
    check_stored(path, path.name, stored.shape, stored.dtype)
    check_three_axes(path, path.name, stored.shape)
    _check_size(path, path.name, stored, path.stat().st_size)
    dtype = stored.dtype.newbyteorder("=")
    values = load(LazyArray(path, None, stored.shape, dtype, _fetch), chunks)
    return StoredCube(values, attrs={"source": path.name})


def _fetch(path: Path, _key: None, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of an NPY file."""
    with reading(path, "NPY"):
        part = np.load(path, mmap_mode="r", allow_pickle=False)[index]
        return np.array(part, dtype=part.dtype.newbyteorder("="), order="C")  # closes the map


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
        What the user says about the file.

    Returns
    -------
    StoredCube
        Values (y, x, channel) and what belongs to them.

    Raises
    ------
    ValueError
        If the file is broken, there is no such array, or it is not clear which one is meant.
    """
    key = None if request.key is None else str(request.key)
    chunks = request.chunks
    with reading(path, "NPZ"):
        archive = zipfile.ZipFile(path)
    with archive:
        with reading(path, "NPZ"):
            members = _members(archive)
        name = _pick(path, members, key)
        values = _member(path, archive, members, name)
        if chunks is not None:
            values = as_dask(values, chunks, path, name)
        cube = StoredCube(values, attrs={"source": path.name})
        _add_companions(cube, path, archive, members, chunks)
    return cube


def _members(archive: zipfile.ZipFile) -> dict[str, _Stored]:
    """Return the headers of all arrays of an archive."""
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
        return only_cube(path, {n: s.shape for n, s in members.items() if s.dtype.kind in "iuf"})
    name = DEFAULT if key is None else key
    if name not in members:
        raise ValueError(f"{path} has no array {name!r}; there is: {listing(shapes)}")
    check_stored(path, name, members[name].shape, members[name].dtype)
    check_three_axes(path, name, members[name].shape)
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
    most = min(info.file_size, info.compress_size * MAX_COMPRESSION)
    _check_size(path, name, stored, most)
    with reading(path, "NPZ"), archive.open(info) as stream:
        return native(np.lib.format.read_array(stream, allow_pickle=False))


def _add_companions(
    cube: StoredCube,
    path: Path,
    archive: zipfile.ZipFile,
    members: dict[str, _Stored],
    chunks: Any,
) -> None:
    """Add the axis, the variance, the mask and the labels of an archive to its cube."""
    shape = tuple(cube.values.shape)
    if "axis" in members:
        values = _member(path, archive, members, "axis")
        if values.shape != shape[2:]:
            cube.axis_error = f"'axis' has shape {values.shape} for {shape[2]} channels"
        unit = None
        if "axis_unit" in members:
            unit = _texts(path, archive, members, "axis_unit")[0]
        cube.axis, note = axis_of_file(values, unit)
        cube.attrs |= note
    if "variance" in members:
        variance = _member(path, archive, members, "variance")
        check_companion_shape(path, "variance", variance.shape, shape)
        cube.variance = variance if chunks is None else as_dask(variance, chunks, path, "variance")
    if "mask" in members:
        mask = _member(path, archive, members, "mask")
        check_companion_shape(path, "mask", mask.shape, shape[:2])
        cube.mask = mask.astype(bool)
    if "labels" in members:
        labels = _member(path, archive, members, "labels", "iu")
        check_companion_shape(path, "labels", labels.shape, shape[:2])
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
