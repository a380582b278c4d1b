"""What a segmentation is asked for, and the maps that it makes, in memory or in a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera.cube import Block, blocks
from spectessera.io import ResultStore
from spectessera.kmeans import Clusters
from spectessera.result import VARIABLES, variable_attributes, with_maps
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
        self.held: dict[str, np.ndarray] = {}

    def add(self, name: str, *sizes: int) -> None:
        """Make room for a map of the schema; ``sizes`` are those of its axes after y and x."""
        variable = VARIABLES[name]
        if self.zarr is not None:
            unit = str(self.job.cube.attrs.get("unit", ""))
            attrs = variable_attributes(name, unit)
            self.zarr.add(name, variable.dtype, variable.dims[2:], sizes, attrs)
        else:
            self.held[name] = np.empty((*self.job.shape, *sizes), variable.dtype)

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
        array = self.held[name]
        array[block.y, block.x] = values.reshape(array[block.y, block.x].shape)

    def joined(self, rest: xr.Dataset) -> xr.Dataset:
        """Return the result with its maps, or write the rest to the store."""
        if self.zarr is not None:
            self.zarr.finish(rest)
            return rest
        return with_maps(rest, self.job.cube, self.held)
