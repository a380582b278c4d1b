"""The maps of a result, in memory or in a Zarr store, filled block by block."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from spectessera.cube import Block, blocks
from spectessera.io import ResultStore, open_result, result_store
from spectessera.result import VARIABLES, variable_attributes, with_maps


class ResultMaps:
    """Maps (y, x, ...) of one cube, in memory or in a store.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        Gives the size of the image, its blocks, and the coordinates of y and x.
    store : ResultStore, optional
        Where maps are written; by default they stay in memory.
    """

    def __init__(self, cube: xr.DataArray, store: ResultStore | None = None) -> None:
        self.cube, self.store = cube, store
        self._arrays: dict[str, np.ndarray] = {}

    def add(self, name: str, *sizes: int) -> None:
        """Add a map of the schema; ``sizes`` are those of its axes after y and x."""
        variable = VARIABLES[name]
        if self.store is not None:
            attrs = variable_attributes(name, str(self.cube.attrs.get("unit", "")))
            self.store.add(name, variable.dtype, variable.dims[2:], sizes, attrs)
        else:
            shape = (self.cube.sizes["y"], self.cube.sizes["x"], *sizes)
            self._arrays[name] = np.empty(shape, variable.dtype)

    def put(self, name: str, block: Block, usable: np.ndarray, values: np.ndarray) -> None:
        """Take the values (m, ...) of the usable pixels (y * x,) of a block; all others are NaN."""
        whole = np.full((len(usable), *values.shape[1:]), np.nan, np.float32)
        whole[usable] = values
        self.put_whole(name, block, whole)

    def put_whole(self, name: str, block: Block, values: np.ndarray) -> None:
        """Take the values of all pixels (y * x, ...) of a block."""
        if self.store is not None:
            self.store.put(name, block, values)
            return
        array = self._arrays[name]
        array[block.y, block.x] = values.reshape(array[block.y, block.x].shape)

    def put_image(self, name: str, image: np.ndarray) -> None:
        """Take the values of the whole image (y, x, ...), block by block."""
        for block in blocks(self.cube):
            self.put_whole(name, block, image[block.y, block.x].astype(VARIABLES[name].dtype))

    def array(self, name: str) -> np.ndarray:
        """Return a map (y, x, ...) that is in memory."""
        return self._arrays[name]

    def join(self, rest: xr.Dataset) -> xr.Dataset:
        """Return the result with its maps; with a store, complete that by the rest, and return it.

        Parameters
        ----------
        rest : Dataset
            All variables and attributes of the result that are not maps.
        """
        if self.store is not None:
            self.store.finish(rest)
            return rest
        return with_maps(rest, self.cube, self._arrays)


def make_result(
    cube: xr.DataArray, store: str | Path | None, make: Callable[[ResultMaps], xr.Dataset]
) -> xr.Dataset:
    """Return a result whose maps are in memory, or in a store from which it is then opened.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    store : str or Path, optional
        A ``.zarr`` folder.
    make : callable
        Fills the maps and returns the result that they are joined with.
    """
    if store is None:
        return make(ResultMaps(cube))
    first = next(blocks(cube))
    tile = first.y.stop - first.y.start, first.x.stop - first.x.start
    with result_store(store, (cube.sizes["y"], cube.sizes["x"]), tile) as opened:
        make(ResultMaps(cube, opened))
    return open_result(store)


def check_store(store: str | Path | None) -> None:
    """Check that a result can be written to a store of that name.

    Raises
    ------
    ValueError
        If it does not end with ".zarr".
    """
    if store is not None and Path(store).suffix != ".zarr":
        raise ValueError(f"store is a .zarr folder; got {Path(store).name!r}")
