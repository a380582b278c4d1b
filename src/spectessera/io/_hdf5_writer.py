"""Write variables as the datasets of an HDF5 file, block by block."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import xarray as xr

from spectessera._util.writing import hdf5_sink

from ._common import CREATOR, Waiting, store, stored_attribute

TILE_BYTES = 2**20  # of the tiles in which a cube is compressed


def tiles_of(variable: xr.Variable) -> tuple[int, ...]:
    """Return the shape of tiles of about 1 MiB that hold whole spectra.

    They divide the blocks of a lazy array, so that each is compressed once.
    """
    shape = variable.shape
    blocks = variable.chunks or tuple((size,) for size in shape)
    pixels = max(1, TILE_BYTES // (shape[2] * variable.dtype.itemsize))
    first, second = sorted((0, 1), key=lambda axis: len(blocks[axis]) == 1)  # with blocks first
    sides = [math.isqrt(pixels)] * 2
    sides[first] = _side(blocks[first], sides[first])
    sides[second] = _side(blocks[second], pixels // sides[first])
    sides[first] = _side(blocks[first], pixels // sides[second])  # longer if the other is short
    return (*sides, shape[2])


def _side(blocks: tuple[int, ...], wanted: int) -> int:
    """Return a length near ``wanted`` that divides all blocks but the last.

    If none is near, the blocks are large and of uneven sizes; the few tiles on their edges are then
    compressed twice.
    """
    wanted = max(1, min(wanted, sum(blocks)))
    if len(blocks) == 1:
        return wanted
    shared = math.gcd(*blocks[:-1])
    fitting = [n for n in range(1, shared + 1) if shared % n == 0]
    nearest = min(fitting, key=lambda n: max(n, wanted) / min(n, wanted))
    near = wanted <= 4 * nearest and nearest <= 4 * wanted
    return nearest if near or max(blocks) < 4 * wanted else wanted


def add_dataset(group: Any, name: str, variable: xr.Variable) -> Waiting:
    """Make a dataset of a variable, with its attributes and the names of its dimensions.

    The values of a lazy variable are not written yet: they are returned, to be stored together.
    """
    import h5py

    options: dict[str, Any] = {}
    dtype = variable.dtype if variable.dtype.kind in "biuf" else h5py.string_dtype()
    if variable.ndim == 3 and variable.size:
        options = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        options["chunks"] = tiles_of(variable)
    dataset = group.create_dataset(name, variable.shape, dtype, **options)
    dataset.attrs.update({k: stored_attribute(v) for k, v in variable.attrs.items()})
    for number, dim in enumerate(variable.dims):
        dataset.dims[number].label = str(dim)
    if variable.chunks is not None:
        return [(variable.data, dataset)]
    numbers = variable.dtype.kind in "biuf"
    dataset[...] = variable.values if numbers else variable.values.astype(object)
    return []


def write_hdf5(variables: dict[str, xr.Variable], attrs: dict[str, Any], path: Path) -> None:
    """Write variables as datasets of one file."""
    import h5py

    waiting: Waiting = []
    with hdf5_sink(path) as sink, h5py.File(sink, "w") as file:
        file.attrs.update({**attrs, "creator": CREATOR})
        for name, variable in variables.items():
            waiting += add_dataset(file, name, variable)
        store(waiting, lock=True)
