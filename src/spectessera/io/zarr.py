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
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.files import files_below
from spectessera._util.reading import reading
from spectessera.conventions.dims import Dim

from ._common import CREATOR, Request, StoredCube, native, plain_attribute
from ._grouped import channel_axis, cube_of_tree
from ._layoutparts import multiscale
from ._lazy import LazyArray
from ._limits import SMALL_BYTES, check_chunk, check_declared, nbytes_of
from ._tree import Entry, Tree, named_dims
from ._unfolding import check_file
from ._zarr_holes import without_unwritten
from ._zarr_metadata import (
    COMPLETE,
    METADATA,
    ZARR_ERRORS,
    array_names,
    attributes,
    is_store,
    metadata,
    size_inside,
)

# A file may have this many bytes for each byte of its chunk: numbers as text need as many.
MAX_EXPANSION = 16
MIN_FILE_LIMIT = 2**16  # bytes that any file may have
# Bytes that a file counts at least: a constant chunk is compressed more than others.
BYTES_OF_CHUNK = 2**14


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
        What the user says about the file; ``key`` is the path of an array inside the store, such
        as ``"scan/counts"``. ``chunks="auto"`` makes blocks of at most 16 MiB that hold whole
        spectra and consist of whole chunks of the store along y and x, unless these are larger.

    Returns
    -------
    StoredCube
        Values (y, x, channel) and what belongs to them. Pixels of which no chunk was ever written
        are NaN, unless the store is one of this package, which has all its chunks.

    Raises
    ------
    ValueError
        If the store is broken, there is no such array, it is not clear which one is meant, or the
        store contradicts itself.
    """
    with _ignore_zarr_warnings():
        names = array_names(path)
        complete = _complete_arrays(path, names)
        tree = _tree(path, names, complete, outside=request.outside)
        if names == [""] and request.key is not None:
            raise ValueError(
                f"{path} holds one array without a name; leave out key={request.key!r}"
            )

        def prepared(entry: Entry) -> tuple[LazyArray, str]:
            source = _source(
                path,
                entry.name,
                eager=request.chunks is None,
                complete=entry.name in complete,
                outside=request.outside,
            )
            channel = channel_axis(tree, entry, request)
            array, note = without_unwritten(path, _open(path, entry.name), source, channel)
            return array, note or _about_zeros(path, entry)

        tree.prepare = prepared
        cube = cube_of_tree(tree, request)
    if not tree.own:  # a cube that this package wrote is read unchanged
        cube.attrs.setdefault("source", path.name)
    return cube


def _tree(path: Path, names: list[str], complete: list[str], *, outside: bool) -> Tree:
    """Return the arrays of a store."""

    def entry(name: str) -> Entry:
        source = _source(path, name, eager=False, complete=name in complete, outside=outside)
        return Entry(name, source, lambda: _packing(path, name))

    return Tree(
        path,
        "array",
        {name: entry(name) for name in names},
        lambda name: _group_attributes(path, name),
        lambda each: _dims(path, names, each),
        own=plain_attribute(attributes(path, "").get("creator")) == CREATOR,
    )


def _group_attributes(path: Path, name: str) -> dict[str, Any]:
    """Return the attributes of a group; none if there is no such group."""
    return attributes(path, name) if is_store(path / name) else {}


def _dims(path: Path, names: list[str], entry: Entry) -> list[tuple[Dim, str]]:
    """Return the axes of an array: their names, and the arrays along them."""
    array = _open(path, entry.name)
    listed = array.metadata.dimension_names if array.metadata.zarr_format == 3 else None
    listed = listed or entry.attrs.get("_ARRAY_DIMENSIONS")
    listed = [listed] if isinstance(listed, str) else listed
    dims = [str(dim or "") for dim in listed] if isinstance(listed, (list, tuple)) else []
    if len(dims) != array.ndim:  # an attribute may be anything
        dims = _ome_axes(path, entry, array.ndim)
    return named_dims(
        entry.group, dims, lambda name: _plain_attributes(path, name) if name in names else None
    )


def _ome_axes(path: Path, entry: Entry, count: int) -> list[str]:
    """Return the names of the axes that OME-Zarr gives in the group of an image."""
    axes = multiscale(_group_attributes(path, entry.group)).get("axes")
    if not isinstance(axes, list) or len(axes) != count:
        return [""] * count
    names = [axis.get("name") if isinstance(axis, dict) else axis for axis in axes]
    kinds = [axis.get("type") if isinstance(axis, dict) else None for axis in axes]
    return ["channel" if kind == "channel" else str(name or "")
            for name, kind in zip(names, kinds, strict=True)]  # fmt: skip


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


def _source(
    path: Path, name: str, *, eager: bool, complete: bool, outside: bool = False
) -> LazyArray:
    """Return an array as a lazy one.

    ``eager``: all of it will be in memory. ``complete``: no chunk may be missing. ``outside``:
    links to files outside the folder of the store are followed.
    """
    array = _open(path, name)
    _check_size(path, name, array, eager)
    if complete:
        _check_complete(path, name, array)
    return LazyArray(
        path,
        name,
        array.shape,
        array.dtype.newbyteorder("=") if array.dtype.kind in "biuf" else array.dtype,
        partial(_fetch, outside=outside),
        tuple(array.shards or array.chunks),
        locked=False,
    )


def _fetch(path: Path, name: str, index: tuple[slice, ...], *, outside: bool) -> np.ndarray:
    """Read one part of an array."""
    array = _open(path, name)
    _check_file_sizes(path, name, array, index, outside=outside)
    with reading(path, f"Zarr ({name or 'its array'})", *ZARR_ERRORS):
        return native(np.asarray(array[index]))


def _plain_attributes(path: Path, name: str) -> dict[str, str | int | float | None]:
    """Return the attributes of an array or a group as strings and numbers."""
    return {key: plain_attribute(value) for key, value in attributes(path, name).items()}


def _packing(path: Path, name: str) -> dict[str, Any]:
    """Return the attributes of an array, with its fill value in the sense of xarray.

    In format 3 that is a text in base 64. In format 2 it is the fill value of Zarr itself, which in
    stores of other programs is only the value of chunks that were never written. That is what 0 is,
    which zarr sets where nobody chose a fill value: zeros are the most frequent counts.
    """
    document, version, _ = metadata(path, name)
    attrs = attributes(path, name)
    fill = attrs.get("_FillValue")
    if isinstance(fill, str):
        try:
            (attrs["_FillValue"],) = struct.unpack("<d", base64.b64decode(fill))
        except (binascii.Error, ValueError, struct.error):  # a text of another program
            del attrs["_FillValue"]
    if version == 2 and "_ARRAY_DIMENSIONS" in attrs and document.get("fill_value") != 0:
        attrs["_FillValue"] = document.get("fill_value")
    return attrs


def _about_zeros(path: Path, entry: Entry) -> str:
    """Return the sentence about zeros of format 2 that xarray would take as missing values."""
    document, version, _ = metadata(path, entry.name)
    if version != 2 or "_ARRAY_DIMENSIONS" not in entry.attrs or document.get("fill_value") != 0:
        return ""
    return (
        "0 is the fill value of the store, and is taken as a measured 0 where it is written "
        "(--missing 0 says otherwise)"
    )


def _check_size(path: Path, name: str, array: Any, eager: bool) -> None:
    """Raise ValueError, before memory is allocated, if an array cannot be in this store."""
    pieces = array.shards or array.chunks
    what = f"{path}: {name or 'its array'!r}"
    if min(pieces, default=1) < 1:
        raise ValueError(f"{what} claims chunks of shape {tuple(pieces)}; the store is damaged")
    size = nbytes_of(array.shape, array.dtype)
    if max(size, nbytes_of(pieces, array.dtype)) <= SMALL_BYTES:
        return
    stored = _stored_bytes(path / name, array.ndim + 1, size)
    for piece in (pieces, array.chunks):
        check_chunk(what, piece, array.dtype, stored)
    check_declared(what, array.shape, array.dtype, stored, lazy=not eager)


def _stored_bytes(folder: Path, depth: int, enough: int) -> int:
    """Return the bytes that the files of an array count, or ``enough`` if there are as many.

    A file counts as 16 KiB at least, because chunks of one value have no limit of compression.
    """
    total = 0
    for file in files_below(folder, depth):
        total += max((folder / file).stat().st_size, BYTES_OF_CHUNK)
        if total >= enough:
            return enough
    return total


def _check_file_sizes(
    path: Path, name: str, array: Any, where: tuple[slice, ...], *, outside: bool = False
) -> None:
    """Raise ValueError, before decompression, if files are far larger than the chunks they hold.

    Not detected: what other codecs than gzip, zlib, Zstandard and Blosc, or those of the parts of a
    shard, unfold beyond the chunk. The sizes of texts, which may have any length, are not checked.
    """
    pieces = array.shards or array.chunks
    chunk_bytes = math.prod(pieces) * array.dtype.itemsize
    most = max(MIN_FILE_LIMIT, MAX_EXPANSION * chunk_bytes)
    if array.shards:  # the index of the shard, and what every codec adds
        most += 1024 * math.prod(-(-n // m) for n, m in zip(pieces, array.chunks, strict=True))
    grid = [
        range(part.indices(length)[0] // piece, -(-part.indices(length)[1] // piece))
        for part, length, piece in zip(where, array.shape, pieces, strict=True)
    ]
    for index in itertools.product(*grid):
        file = path / name / array.metadata.encode_chunk_key(index)
        size = size_inside(path, file, outside=outside)
        if size > most and array.dtype.kind not in "OT":
            raise ValueError(
                f"{file} has {size} bytes, too many for a chunk of shape {tuple(pieces)} of "
                f"{array.dtype}; the store is damaged"
            )
        if size and array.compressors and not array.shards:
            check_file(file, size, chunk_bytes)


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
