"""What a segmentation is asked for, and the maps that it makes, in memory or in a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera.cube import Block, blocks
from spectessera.io import ResultStore
from spectessera.kmeans import Clusters
from spectessera.segmenter.estimator import SpectralSegmenter

BlockProgress = Callable[[str, int, int], None]


def silent(_step: str, _done: int, _total: int) -> None:
    """Tell nobody."""


class Job(NamedTuple):
    """What is asked for."""

    cube: xr.DataArray
    segmenter: SpectralSegmenter
    clusters: str | int
    seed: int
    keep: tuple[str, ...]
    means: bool
    tell: BlockProgress

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.cube.sizes["y"], self.cube.sizes["x"]

    @property
    def minds_noise(self) -> bool:
        """Tell whether k is chosen with an eye on the noise, if that is known."""
        settings: Clusters = self.segmenter.config("clusters")
        several = self.clusters == "cube" and settings.k_max > settings.k_min
        return several and settings.criterion == "stability"

    def told(self, step: str, answers: Iterator[Any]) -> Iterator[Any]:
        """Pass on answers, telling how far a step has come."""
        total = sum(1 for _ in blocks(self.cube))
        for done, answer in enumerate(answers, start=1):
            yield answer
            self.tell(step, done, total)


class Maps:
    """The maps of a result, in memory or in a store."""

    def __init__(self, job: Job, zarr: ResultStore | None) -> None:
        self.job, self.zarr = job, zarr
        self.held: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
        self.attrs: dict[str, dict[str, Any]] = {}

    def add(self, name: str, dtype: Any = np.float32, dim: str = "", size: int = 0) -> None:
        """Make room for a map of numbers, or of rows."""
        dims, sizes = ((dim,), (size,)) if dim else ((), ())
        if self.zarr is not None:
            self.zarr.add(name, dtype, dims, sizes)
        else:
            shape = (*self.job.shape, *sizes)
            self.held[name] = (("y", "x", *dims), np.empty(shape, dtype))

    def put(self, name: str, block: Block, usable: np.ndarray, values: np.ndarray) -> None:
        """Take the values (m, ...) of the usable pixels of a block; all others are NaN."""
        whole = np.full((len(usable), *values.shape[1:]), np.nan, np.float32)
        whole[usable] = values
        self.put_whole(name, block, whole)

    def put_whole(self, name: str, block: Block, values: np.ndarray) -> None:
        """Take the values of all pixels (y * x, ...) of a block."""
        if self.zarr is not None:
            self.zarr.put(name, block, values)
            return
        array = self.held[name][1]
        array[block.y, block.x] = values.reshape(array[block.y, block.x].shape)

    def joined(self, rest: xr.Dataset) -> xr.Dataset:
        """Return the result with its maps, or write the rest to the store."""
        cube = self.job.cube
        coords = {name: cube.coords[name] for name in ("y", "x") if name in cube.coords}
        rest = rest.assign_coords(coords)
        if self.zarr is not None:
            self.zarr.finish(rest, self.attrs)
            return rest
        for name, (dims, array) in self.held.items():
            rest[name] = xr.DataArray(array, dims=dims, attrs=self.attrs.get(name, {}))
        return rest
