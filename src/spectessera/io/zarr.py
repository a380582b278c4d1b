"""Read Zarr stores: folders of arrays in chunks, every chunk a file of its own.

A store holds one array, or a group of named arrays. The array ``img`` is taken by default, or the
only one of three axes, or the one that ``key`` names; what belongs to it is found beside it as in
HDF5 files. Formats 3 and 2 are read.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import math
import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.files import files_below

from ._common import (
    MOST_PACKED,
    SMALL,
    Lazy,
    Parts,
    check_stored,
    check_three,
    choose,
    listing,
    load,
    native,
    plain,
    telling,
)
from ._companions import (
    CREATOR,
    DEFAULT,
    HYPERSPY,
    WANTED,
    Beside,
    add_beside,
    kept,
    own_axis,
    unpack,
)

METADATA = ("zarr.json", ".zarray", ".zgroup")  # one of them makes a folder a store
# An attribute of our own stores: the names of all arrays, each of which has all its chunks. The
# xarray library leaves out what begins with _nc: its copies need not have all arrays and chunks.
WHOLE = "_nc_arrays"
MOST_STORED = (
    16  # bytes in a file for each byte of its chunk, at most: numbers as text need as many
)
LEAST_STORED = 2**16  # bytes that any file may have
PER_FILE = 2**24  # bytes; what is constant all over a chunk packs better than anything else
# What zarr raises, besides what all libraries do, on metadata that make no sense.
ODD = (AttributeError, AssertionError, ArithmeticError)


def is_store(path: Path) -> bool:
    """Tell whether a folder is a Zarr store."""
    return any((path / name).is_file() for name in METADATA)


def metadata(path: Path, name: str) -> tuple[dict[str, Any], int, bool]:
    """Return the metadata of an array or a group, its format (2 or 3), and whether it is an array.

    Raises
    ------
    ValueError
        If they make no sense, or name a codec that could run code.
    """
    folder = path / name
    file = next((one for one in METADATA if (folder / one).is_file()), None)
    if file is None:
        raise ValueError(f"{path}: {name!r} has neither of {', '.join(METADATA)}")
    told = _json(path, folder / file)
    is_array = file == ".zarray" or told.get("node_type") == "array"
    if is_array:
        coders = [told.get(word) for word in ("codecs", "filters", "compressor")]
        if any("pickle" in word.lower() for word in _words(coders)):
            raise ValueError(
                f"{path}: {name or 'its array'!r} is stored by pickle, which is never read because "
                "it can run code; save it as an array of numbers"
            )
    return told, 3 if file == "zarr.json" else 2, is_array


def _json(path: Path, file: Path) -> dict[str, Any]:
    """Read one file of metadata."""
    with telling(path, "Zarr", *ODD):
        told = json.loads(file.read_bytes())
        if not isinstance(told, dict):
            raise TypeError(f"{file.name} holds a {type(told).__name__}, not a table")
    return told


def _words(thing: Any) -> Iterator[str]:
    """Yield all texts in a tree of lists and tables."""
    if isinstance(thing, str):
        yield thing
    elif isinstance(thing, dict):
        yield from _words(list(thing.values()))
    elif isinstance(thing, list):
        for one in thing:
            yield from _words(one)


def _attributes(path: Path, name: str) -> dict[str, Any]:
    """Return the attributes of an array or a group."""
    told, version, _ = metadata(path, name)
    found = told.get("attributes")
    if version == 2:
        file = path / name / ".zattrs"
        found = _json(path, file) if file.is_file() else {}
    return found if isinstance(found, dict) else {}


def _names(path: Path) -> list[str]:
    """Return the names of all arrays of a store; that of an array at its root is empty."""
    found, waiting = [], [""]
    while waiting:
        name = waiting.pop()
        if metadata(path, name)[2]:
            found.append(name)
            continue
        with os.scandir(path / name) as entries:
            folders = [Path(one.path) for one in entries if one.is_dir(follow_symlinks=False)]
        below = [one.relative_to(path).as_posix() for one in folders if is_store(one)]
        waiting += sorted(below, reverse=True)
    return found


def _open(path: Path, name: str) -> Any:
    """Return an array of a store, open to be read."""
    import zarr

    _, version, _ = metadata(path, name)
    with telling(path, f"Zarr ({name or 'its array'})", *ODD):
        return zarr.open_array(path / name, mode="r", zarr_format=version)  # type: ignore[arg-type]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence zarr, which warns of every type and codec that is not in its specification."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", UserWarning)
        yield


def read_zarr(path: Path, key: str | None = None, chunks: Any = None) -> Parts:
    """Read a cube from a Zarr store.

    Parameters
    ----------
    path : Path
        The folder.
    key : str, optional
        Path of the array inside the store, such as ``"scan/counts"``.
    chunks : dict, int or "auto", optional
        Leave the data in the store and give a dask array. "auto" makes blocks of at most 16 MiB
        that hold whole spectra and are made of whole chunks of the store along y and x, where
        these are not larger.

    Returns
    -------
    Parts
        Values (y, x, channel) and what belongs to them. Arrays whose axes are named, "y" and "x"
        among them, are turned to that order.

    Raises
    ------
    ValueError
        If the store is broken, there is no such array, or it is not clear which one is meant.
    """
    with _quiet():
        names = _names(path)
        whole = _whole(path, names)
        name = _pick(path, names, key)
        own = plain(_attributes(path, "").get("creator")) == CREATOR
        source = _source(path, name, chunks is None, name in whole)
        beside = _beside(path, names, name, whole)
        attrs = _packing(path, name)
        axis, note = own_axis(source.shape, beside)
        parts = Parts(unpack(load(source, chunks), attrs), axis=axis, attrs=note | kept(attrs))
        add_beside(parts, path, beside, source.shape, chunks)
    if not own:  # what this package wrote comes back as it was
        parts.attrs.setdefault("source", path.name)
    return parts


def _pick(path: Path, names: list[str], key: str | None) -> str:
    """Return the name of the array to read."""
    if names == [""]:
        if key is not None:
            raise ValueError(f"{path} holds one array without a name; leave out key={key!r}")
        array = _open(path, "")
        check_three(path, path.name, array.shape)
        check_stored(path, path.name, array.shape, array.dtype)
        return ""
    name = None if key is None else str(key).strip("/")
    if name is None and DEFAULT in names and len(_open(path, DEFAULT).shape) == 3:
        name = DEFAULT
    if name is None:
        arrays = {one: _open(path, one) for one in names}
        numeric = {one: found.shape for one, found in arrays.items() if found.dtype.kind in "iuf"}
        return choose(path, numeric)
    if name not in names:
        there = listing({one: _open(path, one).shape for one in names})
        raise ValueError(f"{path} has no array {key!r}; there is: {there}")
    array = _open(path, name)
    check_three(path, name, array.shape)
    check_stored(path, name, array.shape, array.dtype)
    return name


def _whole(path: Path, names: list[str]) -> list[str]:
    """Return the arrays of which nothing may be missing; none in the stores of others."""
    told = _attributes(path, "").get(WHOLE)
    whole = told if isinstance(told, list) else []
    lost = [f"{one!r}" for one in whole if one not in names]
    if lost:
        raise _incomplete(path, f"{len(lost)} of {len(whole)} arrays ({', '.join(lost)})")
    return whole


def _incomplete(path: Path, lost: str) -> ValueError:
    """Return the error about a store that has lost something."""
    return ValueError(
        f"{path} is not complete: {lost} are missing; copy it again, or if that is meant, take the "
        f"attribute {WHOLE!r} out of its zarr.json"
    )


def _source(path: Path, name: str, eager: bool, whole: bool) -> Lazy:
    """Return an array as a lazy one, its axes in the order (y, x, ...) if they are named so."""
    array = _open(path, name)
    _check_size(path, name, array, eager)
    if whole:
        _check_whole(path, name, array)
    dims = array.metadata.dimension_names if array.metadata.zarr_format == 3 else None
    dims = dims or _attributes(path, name).get("_ARRAY_DIMENSIONS")
    dims = dims if isinstance(dims, (list, tuple)) else ()  # an attribute may be anything
    dims = [dim if isinstance(dim, str) else "" for dim in dims]
    order = list(range(array.ndim))
    if len(dims) == array.ndim and "y" in dims and "x" in dims:
        order = sorted(order, key=lambda n: {"y": 0, "x": 1}.get(dims[n], 2))
    pieces = array.shards or array.chunks
    return Lazy(
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
    _check_packed(path, name, array, where)
    with telling(path, f"Zarr ({name or 'its array'})", *ODD):
        return native(np.asarray(array[where]).transpose(order))


def _beside(path: Path, names: list[str], name: str, whole: list[str]) -> dict[str, Beside]:
    """Return what may belong to the cube, of all that is in its group."""
    group = name.rpartition("/")[0]
    found = {}
    for one in names:
        where, _, last = one.rpartition("/")
        if where == group and last.lower() in WANTED and one != name:
            attrs = {k: plain(v) for k, v in _attributes(path, one).items()}
            found[last] = Beside(_source(path, one, last != "variance", one in whole), attrs)
    axis = f"{group}/{HYPERSPY}".strip("/")
    if name and is_store(path / axis):
        attrs = {k: plain(v) for k, v in _attributes(path, axis).items()}
        found[HYPERSPY] = Beside(None, attrs)
    return found


def _packing(path: Path, name: str) -> dict[str, Any]:
    """Return the attributes of an array, with its fill value as the xarray library means it.

    In format 3 that is text in base 64; in format 2 it is the fill value of Zarr itself, which in
    the stores of others is merely the value of what was never written.
    """
    told, version, _ = metadata(path, name)
    attrs = _attributes(path, name)
    fill = attrs.get("_FillValue")
    if isinstance(fill, str):
        try:
            (attrs["_FillValue"],) = struct.unpack("<d", base64.b64decode(fill))
        except (binascii.Error, ValueError, struct.error):  # some other program's text
            del attrs["_FillValue"]
    if version == 2 and "_ARRAY_DIMENSIONS" in attrs:
        attrs["_FillValue"] = told.get("fill_value")
    return attrs


def _check_size(path: Path, name: str, array: Any, eager: bool) -> None:
    """Refuse what cannot be in this store, before memory is asked for it."""
    size = math.prod(array.shape) * array.dtype.itemsize
    pieces = array.shards or array.chunks
    piece = math.prod(pieces) * array.dtype.itemsize
    what = f"{path}: {name or 'its array'!r}"
    if piece > max(size, SMALL) or min(pieces, default=1) < 1:
        raise ValueError(f"{what} claims chunks of {piece:.3g} bytes; the store is damaged")
    if not eager or size <= SMALL:
        return
    files = [path / name / one for one in files_below(path / name, array.ndim + 1)]
    there = sum(file.stat().st_size for file in files)
    if size > max(there * MOST_PACKED, len(files) * PER_FILE, SMALL):
        raise ValueError(
            f"{what} claims {size:.3g} bytes (shape {array.shape}), more than {there} bytes on "
            "disk can hold; if it is mostly empty, give chunks="
        )


def _check_packed(path: Path, name: str, array: Any, where: tuple[slice, ...]) -> None:
    """Refuse files far larger than the chunks that they shall hold, before they are inflated.

    Not caught: a file of at most 16 bytes for each byte of its chunk (or 64 KiB) that inflates to
    more than the chunk: a codec goes on as long as there is memory, a thousandfold and more, and
    the size is only compared after that. Nor are words looked at, which may have any length.
    """
    if array.dtype.kind in "OT":
        return
    pieces = array.shards or array.chunks
    room = max(LEAST_STORED, MOST_STORED * math.prod(pieces) * array.dtype.itemsize)
    if array.shards:  # the table of what is in it, and what every codec adds
        room += 1024 * math.prod(-(-n // m) for n, m in zip(pieces, array.chunks, strict=True))
    grid = [
        range(part.indices(length)[0] // piece, -(-part.indices(length)[1] // piece))
        for part, length, piece in zip(where, array.shape, pieces, strict=True)
    ]
    for index in itertools.product(*grid):
        file = path / name / array.metadata.encode_chunk_key(index)
        size = file.stat().st_size if file.is_file() else 0
        if size > room:
            raise ValueError(
                f"{file} has {size} bytes, too many for a chunk of shape {tuple(pieces)} of "
                f"{array.dtype}; the store is damaged"
            )


def _check_whole(path: Path, name: str, array: Any) -> None:
    """Refuse an array that lacks chunks: Zarr would take them for zeros, but those are written."""
    pieces = array.shards or array.chunks
    grid = [-(-n // size) for n, size in zip(array.shape, pieces, strict=True)]
    wanted = math.prod(grid)
    there = {*files_below(path / name, array.ndim + 1)} - {*METADATA}
    lost = wanted - len(there)  # at least; the grid of a damaged store may be of any size
    if lost <= 0:
        keys = map(array.metadata.encode_chunk_key, np.ndindex(*grid))
        lost = sum(key not in there for key in keys)
    if lost > 0:
        raise _incomplete(path, f"{lost} of {wanted} chunks of {name!r}")


def open_dataset(path: Path) -> xr.Dataset:
    """Return all arrays at the root of a store, not yet in memory.

    Raises
    ------
    ValueError
        If the store is broken.
    """
    own = plain(_attributes(path, "").get("creator")) == CREATOR
    with _quiet():
        names = _names(path)
        whole = _whole(path, names)
        for name in names:
            _source(path, name, True, name in whole)
            array = _open(path, name)
            _check_packed(path, name, array, (slice(None),) * array.ndim)
        with telling(path, "Zarr", *ODD):
            opened = xr.open_dataset(
                path, engine="zarr", consolidated=False, decode_times=False, decode_timedelta=False
            )
        if own:
            opened.attrs.pop("creator")
        texts = {}
        for label, one in opened.variables.items():
            if one.dtype.kind in "TO":
                with telling(path, f"Zarr ({label})", *ODD):
                    words = np.array(one.values.tolist(), dtype=str)
                texts[label] = opened[label].copy(data=words)
    return opened.assign(texts)
