"""Write Zarr stores of format 3, and check which folders may be replaced by one."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ._common import CREATOR, Waiting, store, stored_attribute
from ._zarr_metadata import COMPLETE, METADATA, is_store, metadata

EXTRA = (".zattrs", ".zmetadata", ".DS_Store")  # other files that a store may have
CHUNK_KEY = re.compile(r"c|(c[./])?\d+([./]\d+)*")  # of a chunk or a folder of chunks
TILE_BYTES = 2**23  # a chunk is a file, and therefore larger than a tile inside a file
MAX_SIDE = 1024  # pixels
KEY_LENGTHS = range(65)  # of arrays of NumPy, which have at most 64 axes


def check_replaceable(path: Path) -> None:
    """Raise FileExistsError unless all that is in a folder belongs to a Zarr store."""
    if not path.is_dir():
        raise FileExistsError(f"{path} is a file, not a Zarr store; give another name")
    if not is_store(path):
        raise FileExistsError(
            f"{path} is a folder but not a Zarr store, so it is not replaced; give another name"
        )
    foreign = next(_foreign(path), None)
    if foreign is not None:
        name = foreign.relative_to(path).as_posix()
        raise FileExistsError(
            f"{path} is not replaced, because {name!r} in it is not part of a Zarr store; move "
            "it away, or give another name"
        )


def remove_store(path: Path) -> None:
    """Remove a Zarr store, if there is one; raise if it is anything else."""
    if path.is_dir():
        check_replaceable(path)
        shutil.rmtree(path)


def _foreign(store: Path) -> Iterator[Path]:
    """Yield the files and folders in a store, at any depth, that are not part of one."""
    waiting = [(store, store, _key_lengths(store))]
    while waiting:
        folder, node, lengths = waiting.pop()
        for one in folder.iterdir():
            name = one.relative_to(node).as_posix()
            key = len(re.findall(r"\d+", name)) if CHUNK_KEY.fullmatch(name) else None
            if not one.is_dir():
                if one.name not in EXTRA and name not in METADATA and key not in lengths:
                    yield one
            elif one.is_symlink():  # its target is not part of the store
                yield one
            elif is_store(one):
                waiting.append((one, one, _key_lengths(one)))
            elif key is not None and key < max(lengths, default=0):
                waiting.append((one, node, lengths))
            else:
                yield one


def _key_lengths(node: Path) -> Collection[int]:
    """Return how many numbers the keys of chunks may have; none in a group."""
    try:
        document, _, is_array = metadata(node, "")
    except ValueError:  # damaged, which is a reason to replace it
        return KEY_LENGTHS
    if not is_array:
        return ()
    shape = document.get("shape")
    if not isinstance(shape, list):
        return KEY_LENGTHS
    return (len(shape),) if shape else (0, 1)  # without axes the key is c, and 0 in format 2


def new_group(path: Path) -> Any:
    """Create a store without arrays."""
    import zarr

    return zarr.create_group(path, zarr_format=3)


def write_zarr(
    data: dict[str, xr.Variable],
    coords: dict[str, xr.Variable],
    attrs: dict[str, Any],
    path: Path,
    *,
    existing: tuple[str, ...] = (),
) -> None:
    """Write variables and coordinates as the arrays of one group, in the layout of xarray.

    Chunks hold whole spectra of a square of pixels. Lazy arrays are computed and written block by
    block. No array has a fill value, so integers stay integers. The names of all arrays are in an
    attribute of the root, and all chunks are written, so that an incomplete copy is noticed.
    ``existing`` names arrays that are already in the group, with all their chunks.
    """
    import zarr

    root: dict[str, Any] = {name: stored_attribute(value) for name, value in attrs.items()}
    root |= {"creator": CREATOR, COMPLETE: [*existing, *data, *coords]}
    others = [name for name, one in coords.items() if one.dims != (name,)]
    if others:
        root["coordinates"] = " ".join(others)
    group = zarr.open_group(path, mode="r+") if existing else new_group(path)
    group.attrs.update(root)
    lazy: Waiting = []
    locked = False  # a block that shares a chunk with another is written alone
    for name, variable in (data | coords).items():
        array = add_array(group, name, variable)
        if variable.chunks is not None:
            lazy.append((variable.data, array))
            locked |= not _tiles(variable)[1]
        else:
            array[...] = variable.values if variable.dtype.kind in "biuf" else _text(variable)
    store(lazy, lock=locked)


def add_array(group: Any, name: str, variable: xr.Variable) -> Any:
    """Create an empty array for a variable."""
    from zarr.codecs import BloscCodec

    tiles, _ = _tiles(variable)
    options: dict[str, Any] = {"dtype": str}
    if variable.dtype.kind in "biuf":
        options = {"dtype": variable.dtype.newbyteorder("=")}
        options["compressors"] = [BloscCodec(cname="zstd", clevel=3, shuffle="shuffle")]
    elif variable.dtype.kind not in "UOT":
        raise ValueError(f"{name!r} must hold numbers or strings; it has dtype {variable.dtype}")
    return group.create_array(
        name,
        shape=variable.shape,
        chunks=tiles,
        dimension_names=[str(dim) for dim in variable.dims],
        attributes={str(k): stored_attribute(v) for k, v in variable.attrs.items()},
        config={"write_empty_chunks": True},  # so a missing chunk is known to be lost
        **options,
    )


def _text(variable: xr.Variable) -> np.ndarray:
    """Return strings in the type that Zarr takes."""
    return np.asarray(variable.values.astype(str))


def _tiles(variable: xr.Variable) -> tuple[tuple[int, ...], bool]:
    """Return the shape of the chunks, and whether every lazy block consists of whole chunks."""
    image = [n for n, dim in enumerate(variable.dims) if dim in ("y", "x")]
    rest = math.prod(n for axis, n in enumerate(variable.shape) if axis not in image)
    side = MAX_SIDE
    while side > 1 and side ** len(image) * rest * variable.dtype.itemsize > TILE_BYTES:
        side //= 2
    tiles, whole = [], True
    for axis, size in enumerate(variable.shape):
        tile = max(1, min(side, size) if axis in image else size)
        if variable.chunks is not None and len(variable.chunks[axis]) > 1:
            shared = math.gcd(*variable.chunks[axis][:-1])
            fitting = max(n for n in range(1, min(tile, shared) + 1) if shared % n == 0)
            if 4 * fitting >= tile:
                tile = fitting
            whole &= shared % tile == 0
        tiles.append(tile)
    return tuple(tiles), whole
