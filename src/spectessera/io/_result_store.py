"""A Zarr store of a result, whose maps are written block by block while they are computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.files import atomic_folder
from spectessera.cube import Block

from ._zarr_writer import add_array, check_replaceable, new_group, write_zarr


class ResultStore:
    """Maps (y, x, ...) in a store that is not complete yet.

    Parameters
    ----------
    path : Path
        Nothing exists there yet.
    shape : (int, int)
        Of the image.
    tile : (int, int)
        Height and width of the blocks that are written.
    """

    def __init__(self, path: Path, shape: tuple[int, int], tile: tuple[int, int]) -> None:
        self.path, self.shape, self.tile = path, shape, tile
        self.group = new_group(path)
        self.maps: dict[str, Any] = {}

    def add(
        self,
        name: str,
        dtype: Any,
        dims: Sequence[str],
        sizes: Sequence[int],
        attrs: Mapping[str, Any],
    ) -> None:
        """Create a map; ``dims`` and ``sizes`` are those of its axes after y and x."""
        import dask.array as da

        chunks = (*self.tile, *sizes)
        empty = da.zeros((*self.shape, *sizes), dtype=dtype, chunks=chunks)
        self.maps[name] = add_array(self.group, name, xr.Variable(("y", "x", *dims), empty, attrs))

    def put(self, name: str, block: Block, values: np.ndarray) -> None:
        """Write the rows (y * x of the block, ...) of a block."""
        height, width = (side.stop - side.start for side in (block.y, block.x))
        array = self.maps[name]
        array[block.y, block.x] = values.reshape(height, width, *array.shape[2:])

    def finish(self, rest: xr.Dataset) -> None:
        """Write everything that is not a map."""
        data = {str(name): rest.variables[name] for name in rest.data_vars}
        coords = {str(name): rest.variables[name] for name in rest.coords}
        write_zarr(data, coords, rest.attrs, self.path, existing=tuple(self.maps))


@contextmanager
def result_store(
    path: str | Path, shape: tuple[int, int], tile: tuple[int, int]
) -> Iterator[ResultStore]:
    """Give a store at a temporary path; on success it replaces ``path``.

    Raises
    ------
    FileExistsError
        If ``path`` is a folder but not a Zarr store.
    FileNotFoundError, NotADirectoryError, PermissionError
        If nothing can be written there.
    """
    with atomic_folder(path, check_replaceable) as temporary:
        yield ResultStore(temporary, shape, tile)
