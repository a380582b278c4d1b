"""Read Zarr stores: folders of arrays in chunks, every chunk a file of its own.

A store holds one array, or a group of named arrays. By default the array ``img`` is read, or the
only one of three axes, or the one that ``key`` names; what belongs to it is found in its group, as
in HDF5 files. Formats 3 and 2 are read.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import math
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.files import files_below
from spectessera._util.reading import reading

from ._common import (
    MAX_COMPRESSION,
    SMALL_BYTES,
    Request,
    StoredCube,
    check_stored,
    check_three_axes,
    listing,
    native,
    only_cube,
    plain_attribute,
)
from ._companions import (
    COMPANIONS,
    CREATOR,
    DEFAULT,
    HYPERSPY,
    Companion,
    add_companions,
    stored_axis,
    unpack,
    user_attributes,
)
from ._lazy import LazyArray, load
from ._zarr_metadata import (
    COMPLETE,
    METADATA,
    ZARR_ERRORS,
    array_names,
    attributes,
    is_store,
    metadata,
)

# A file may have this many bytes for each byte of its chunk: numbers as text need as many.
MAX_EXPANSION = 16
MIN_FILE_LIMIT = 2**16  # bytes that any file may have
BYTES_PER_FILE = 2**24  # of an array; a constant chunk has a larger compression ratio than others


def _open(path: Path, name: str) -> Any:
    """Open an array of a store for reading."""
    import zarr

    _, version, _ = metadata(path, name)
    with reading(path, f"Zarr ({name or 'its array'})", *ZARR_ERRORS):
        return zarr.open_array(path / name, mode="r", zarr_format=version)  # type: ignore[arg-type]


@contextmanager
def _ignore_zarr_warnings() -> Iterator[None]:
    """Ignore the warnings of zarr about types and codecs that are not in its specification."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", UserWarning)
        yield


def read_zarr(path: Path, request: Request) -> StoredCube:
    """Read a cube from a Zarr store.

    Parameters
    ----------
    path : Path
        The folder.
    request : Request
        What the user says about the file.

    Returns
    -------
    StoredCube
        Values (y, x, channel) and what belongs to them. If the axes of an array are named, with
        "y" and "x" among the names, they are brought into this order.

    Raises
    ------
    ValueError
        If the store is broken, there is no such array, or it is not clear which one is meant.
    """
    key = None if request.key is None else str(request.key)
    chunks = request.chunks
    with _ignore_zarr_warnings():
        names = array_names(path)
        complete = _complete_arrays(path, names)
        name = _pick(path, names, key)
        own = plain_attribute(attributes(path, "").get("creator")) == CREATOR
        source = _source(path, name, eager=chunks is None, complete=name in complete)
        companions = _companions(path, names, name, complete)
        attrs = _packing(path, name)
        axis, note = stored_axis(source.shape, companions)
        values = unpack(load(source, chunks), attrs)
        cube = StoredCube(values, axis=axis, attrs=note | user_attributes(attrs))
        add_companions(cube, path, companions, source.shape, chunks)
    if not own:  # a cube that this package wrote is read unchanged
        cube.attrs.setdefault("source", path.name)
    return cube


def _pick(path: Path, names: list[str], key: str | None) -> str:
    """Return the name of the array to read."""
    if names == [""]:
        if key is not None:
            raise ValueError(f"{path} holds one array without a name; leave out key={key!r}")
        array = _open(path, "")
        check_three_axes(path, path.name, array.shape)
        check_stored(path, path.name, array.shape, array.dtype)
        return ""
    name = None if key is None else str(key).strip("/")
    if name is None and DEFAULT in names and len(_open(path, DEFAULT).shape) == 3:
        name = DEFAULT
    if name is None:
        arrays = {one: _open(path, one) for one in names}
        numeric = {one: each.shape for one, each in arrays.items() if each.dtype.kind in "iuf"}
        return only_cube(path, numeric)
    if name not in names:
        table = listing({one: _open(path, one).shape for one in names})
        raise ValueError(f"{path} has no array {key!r}; there is: {table}")
    array = _open(path, name)
    check_three_axes(path, name, array.shape)
    check_stored(path, name, array.shape, array.dtype)
    return name


def _complete_arrays(path: Path, names: list[str]) -> list[str]:
    """Return the arrays of which no chunk may be missing; none in stores of other programs."""
    listed = attributes(path, "").get(COMPLETE)
    complete = listed if isinstance(listed, list) else []
    missing = [f"{one!r}" for one in complete if one not in names]
    if missing:
        raise _incomplete(path, f"{len(missing)} of {len(complete)} arrays ({', '.join(missing)})")
    return complete


def _incomplete(path: Path, missing: str) -> ValueError:
    """Return the error about a store with missing parts."""
    return ValueError(
        f"{path} is not complete: {missing} are missing; copy it again, or, if they are missing on "
        f"purpose, remove the attribute {COMPLETE!r} from its zarr.json"
    )


def _source(path: Path, name: str, *, eager: bool, complete: bool) -> LazyArray:
    """Return an array as a lazy one, its axes in the order (y, x, ...) if they have these names.

    ``eager``: all of it will be in memory. ``complete``: no chunk may be missing.
    """
    array = _open(path, name)
    _check_size(path, name, array, eager)
    if complete:
        _check_complete(path, name, array)
    dims = array.metadata.dimension_names if array.metadata.zarr_format == 3 else None
    dims = dims or attributes(path, name).get("_ARRAY_DIMENSIONS")
    dims = dims if isinstance(dims, (list, tuple)) else ()  # an attribute may be anything
    dims = [dim if isinstance(dim, str) else "" for dim in dims]
    order = list(range(array.ndim))
    if len(dims) == array.ndim and "y" in dims and "x" in dims:
        order = sorted(order, key=lambda n: {"y": 0, "x": 1}.get(dims[n], 2))
    pieces = array.shards or array.chunks
    return LazyArray(
        path,
        (name, tuple(order)),
        tuple(array.shape[n] for n in order),
        array.dtype.newbyteorder("=") if array.dtype.kind in "biuf" else array.dtype,
        _fetch,
        tuple(pieces[n] for n in order),
        locked=False,
    )


def _fetch(path: Path, key: tuple[str, tuple[int, ...]], index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of an array."""
    name, order = key
    at = dict(zip(order, index, strict=True))
    where = tuple(at[n] for n in sorted(at))
    array = _open(path, name)
    _check_file_sizes(path, name, array, where)
    with reading(path, f"Zarr ({name or 'its array'})", *ZARR_ERRORS):
        return native(np.asarray(array[where]).transpose(order))


def _companions(
    path: Path, names: list[str], name: str, complete: list[str]
) -> dict[str, Companion]:
    """Return what may belong to the cube, among all that is in its group."""
    group = name.rpartition("/")[0]
    companions = {}
    for one in names:
        parent, _, last = one.rpartition("/")
        if parent == group and last.lower() in COMPANIONS and one != name:
            source = _source(path, one, eager=last != "variance", complete=one in complete)
            companions[last] = Companion(source, _plain_attributes(path, one))
    axis = f"{group}/{HYPERSPY}".strip("/")
    if name and is_store(path / axis):
        companions[HYPERSPY] = Companion(None, _plain_attributes(path, axis))
    return companions


def _plain_attributes(path: Path, name: str) -> dict[str, str | int | float | None]:
    """Return the attributes of an array or a group as strings and numbers."""
    return {key: plain_attribute(value) for key, value in attributes(path, name).items()}


def _packing(path: Path, name: str) -> dict[str, Any]:
    """Return the attributes of an array, with its fill value in the sense of xarray.

    In format 3 that is a text in base 64. In format 2 it is the fill value of Zarr itself, which in
    stores of other programs is only the value of chunks that were never written.
    """
    document, version, _ = metadata(path, name)
    attrs = attributes(path, name)
    fill = attrs.get("_FillValue")
    if isinstance(fill, str):
        try:
            (attrs["_FillValue"],) = struct.unpack("<d", base64.b64decode(fill))
        except (binascii.Error, ValueError, struct.error):  # a text of another program
            del attrs["_FillValue"]
    if version == 2 and "_ARRAY_DIMENSIONS" in attrs:
        attrs["_FillValue"] = document.get("fill_value")
    return attrs


def _check_size(path: Path, name: str, array: Any, eager: bool) -> None:
    """Raise ValueError, before memory is allocated, if an array cannot be in this store."""
    size = math.prod(array.shape) * array.dtype.itemsize
    pieces = array.shards or array.chunks
    piece = math.prod(pieces) * array.dtype.itemsize
    what = f"{path}: {name or 'its array'!r}"
    if piece > max(size, SMALL_BYTES) or min(pieces, default=1) < 1:
        raise ValueError(f"{what} claims chunks of {piece:.3g} bytes; the store is damaged")
    if not eager or size <= SMALL_BYTES:
        return
    files = [path / name / one for one in files_below(path / name, array.ndim + 1)]
    on_disk = sum(file.stat().st_size for file in files)
    if size > max(on_disk * MAX_COMPRESSION, len(files) * BYTES_PER_FILE, SMALL_BYTES):
        raise ValueError(
            f"{what} claims {size:.3g} bytes (shape {array.shape}), more than {on_disk} bytes on "
            "disk can hold; if it is mostly empty, give chunks="
        )


def _check_file_sizes(path: Path, name: str, array: Any, where: tuple[slice, ...]) -> None:
    """Raise ValueError, before decompression, if files are far larger than the chunks they hold.

    Not detected: a file of at most 16 bytes for each byte of its chunk (or 64 KiB) that becomes
    larger than the chunk when decompressed. A codec continues as long as there is memory, to a
    thousand times the size and more, and the size is only compared afterwards. Texts, which may
    have any length, are not checked.
    """
    if array.dtype.kind in "OT":
        return
    pieces = array.shards or array.chunks
    most = max(MIN_FILE_LIMIT, MAX_EXPANSION * math.prod(pieces) * array.dtype.itemsize)
    if array.shards:  # the index of the shard, and what every codec adds
        most += 1024 * math.prod(-(-n // m) for n, m in zip(pieces, array.chunks, strict=True))
    grid = [
        range(part.indices(length)[0] // piece, -(-part.indices(length)[1] // piece))
        for part, length, piece in zip(where, array.shape, pieces, strict=True)
    ]
    for index in itertools.product(*grid):
        file = path / name / array.metadata.encode_chunk_key(index)
        size = file.stat().st_size if file.is_file() else 0
        if size > most:
            raise ValueError(
                f"{file} has {size} bytes, too many for a chunk of shape {tuple(pieces)} of "
                f"{array.dtype}; the store is damaged"
            )


def _check_complete(path: Path, name: str, array: Any) -> None:
    """Raise ValueError if an array lacks chunks, which zarr would read as zeros."""
    pieces = array.shards or array.chunks
    grid = [-(-n // size) for n, size in zip(array.shape, pieces, strict=True)]
    count = math.prod(grid)
    files = {*files_below(path / name, array.ndim + 1)} - {*METADATA}
    missing = count - len(files)  # at least; the grid of a damaged store may have any size
    if missing <= 0:
        keys = map(array.metadata.encode_chunk_key, np.ndindex(*grid))
        missing = sum(key not in files for key in keys)
    if missing > 0:
        raise _incomplete(path, f"{missing} of {count} chunks of {name!r}")


def open_dataset(path: Path) -> xr.Dataset:
    """Open all arrays at the root of a store; they are not in memory yet.

    Raises
    ------
    ValueError
        If the store is broken.
    """
    own = plain_attribute(attributes(path, "").get("creator")) == CREATOR
    with _ignore_zarr_warnings():
        names = array_names(path)
        complete = _complete_arrays(path, names)
        for name in names:
            _source(path, name, eager=True, complete=name in complete)
            array = _open(path, name)
            _check_file_sizes(path, name, array, (slice(None),) * array.ndim)
        with reading(path, "Zarr", *ZARR_ERRORS):
            opened = xr.open_dataset(
                path, engine="zarr", consolidated=False, decode_times=False, decode_timedelta=False
            )
        if own:
            opened.attrs.pop("creator")
        texts = {}
        for label, one in opened.variables.items():
            if one.dtype.kind in "TO":
                with reading(path, f"Zarr ({label})", *ZARR_ERRORS):
                    strings = np.array(one.values.tolist(), dtype=str)
                texts[label] = opened[label].copy(data=strings)
    return opened.assign(texts)
