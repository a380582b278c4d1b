"""Write Zarr stores of format 3, and tell which folders may be replaced by one."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ._common import stored
from ._companions import CREATOR
from .zarr import METADATA, WHOLE, is_store, metadata

EXTRA = (".zattrs", ".zmetadata", ".DS_Store")  # what else is in a store
CHUNK_KEY = re.compile(r"c|(c[./])?\d+([./]\d+)*")  # of a chunk, or of a folder of chunks
TILE_BYTES = 2**23  # a chunk is a file, so that it is larger than a tile inside a file
MOST_SIDE = 1024  # pixels
MOST_AXES = 65  # of an array of NumPy, and one more


def check_replaceable(path: Path) -> None:
    """Raise FileExistsError unless all that is in a folder belongs to a Zarr store."""
    if not path.is_dir():
        raise FileExistsError(f"{path} is a file, not a Zarr store; give another name")
    if not is_store(path):
        raise FileExistsError(
            f"{path} is a folder but not a Zarr store, so it is not replaced; give another name"
        )
    strange = next(_strange(path), None)
    if strange is not None:
        name = strange.relative_to(path).as_posix()
        raise FileExistsError(
            f"{path} is not replaced, because {name!r} in it is not part of a Zarr store; move "
            "that, or give another name"
        )


def remove_store(path: Path) -> None:
    """Remove a Zarr store, if there is one, and nothing but a Zarr store."""
    if path.is_dir():
        check_replaceable(path)
        shutil.rmtree(path)


def _strange(store: Path) -> Iterator[Path]:
    """Yield what is in a store, at any depth, but no part of one."""
    waiting = [(store, store, _key_lengths(store))]
    while waiting:
        folder, node, lengths = waiting.pop()
        for one in folder.iterdir():
            name = one.relative_to(node).as_posix()
            key = len(re.findall(r"\d+", name)) if CHUNK_KEY.fullmatch(name) else None
            if not one.is_dir():
                if one.name not in EXTRA and name not in METADATA and key not in lengths:
                    yield one
            elif one.is_symlink():  # nobody would know any more what it leads to
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
        told, _, is_array = metadata(node, "")
    except ValueError:  # damaged, which is a good reason to replace it
        return range(MOST_AXES)
    if not is_array:
        return ()
    shape = told.get("shape")
    if not isinstance(shape, list):
        return range(MOST_AXES)
    return (len(shape),) if shape else (0, 1)  # of no axes it is c, and 0 in format 2


def new_group(path: Path) -> Any:
    """Make a store without arrays."""
    import zarr

    return zarr.create_group(path, zarr_format=3)


def write_zarr(
    data: dict[str, xr.Variable],
    coords: dict[str, xr.Variable],
    attrs: dict[str, Any],
    path: Path,
    *,
    there: tuple[str, ...] = (),
) -> None:
    """Write variables and coordinates as the arrays of one group, as the xarray library has them.

    Chunks hold whole spectra of a square of pixels. What is lazy is computed and written block by
    block. Nothing has a fill value, so that integers stay integers. The names of all arrays are in
    an attribute of the root, and all chunks are written, so that a half-made copy is noticed.
    ``there`` names arrays that are in the group already, all their chunks written.
    """
    import dask.array as da
    import zarr

    root: dict[str, Any] = {name: stored(value) for name, value in attrs.items()}
    root |= {"creator": CREATOR, WHOLE: [*there, *data, *coords]}
    more = [name for name, one in coords.items() if one.dims != (name,)]
    if more:
        root["coordinates"] = " ".join(more)
    group = zarr.open_group(path, mode="r+") if there else new_group(path)
    group.attrs.update(root)
    lazy: list[tuple[Any, Any]] = []
    alone = False
    for name, variable in (data | coords).items():
        array = add_array(group, name, variable)
        if variable.chunks is not None:
            lazy.append((variable.data, array))
            alone |= not _tiles(variable)[1]
        else:
            array[...] = variable.values if variable.dtype.kind in "biuf" else _text(variable)
    if lazy:  # all at once: what they share is computed once
        da.store([one for one, _ in lazy], [array for _, array in lazy], lock=alone)


def add_array(group: Any, name: str, variable: xr.Variable) -> Any:
    """Make an empty array for a variable."""
    from zarr.codecs import BloscCodec

    tiles, _ = _tiles(variable)
    words: dict[str, Any] = {"dtype": str}
    if variable.dtype.kind in "biuf":
        words = {"dtype": variable.dtype.newbyteorder("=")}
        words["compressors"] = [BloscCodec(cname="zstd", clevel=3, shuffle="shuffle")]
    elif variable.dtype.kind not in "UOT":
        raise ValueError(f"{name!r} must hold numbers or words; it has dtype {variable.dtype}")
    return group.create_array(
        name,
        shape=variable.shape,
        chunks=tiles,
        dimension_names=[str(dim) for dim in variable.dims],
        attributes={str(k): stored(v) for k, v in variable.attrs.items()},
        config={"write_empty_chunks": True},  # a chunk that is missing is then known to be lost
        **words,
    )


def _text(variable: xr.Variable) -> np.ndarray:
    """Return words in the type that Zarr takes."""
    return np.asarray(variable.values.astype(str))


def _tiles(variable: xr.Variable) -> tuple[tuple[int, ...], bool]:
    """Return the shape of the chunks, and whether every block that is lazy fills whole ones."""
    image = [n for n, dim in enumerate(variable.dims) if dim in ("y", "x")]
    rest = math.prod(n for axis, n in enumerate(variable.shape) if axis not in image)
    side = MOST_SIDE
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
