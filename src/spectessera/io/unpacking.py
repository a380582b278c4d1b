"""Cubes stored image by image, unpacked on disk so that whole spectra can be read.

A file whose compressed pieces are images of one channel has to be unpacked completely for every
block of whole spectra. Here it is unpacked once, into a temporary file.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.writing import writing
from spectessera.cube import DIMS

from ._lazy import BLOCK_BYTES, block_sizes

SLAB_BYTES = 3 * 2**25  # of the images of several channels that are in memory at a time


@dataclass(frozen=True)
class _Slabs:
    """An array (y, x, channel) in a temporary file, which holds some channels after others."""

    path: Path
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    widths: tuple[int, ...]

    def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
        """Read whole rows of all channels, and give the part that is wanted."""
        height, width, channels = self.shape
        first, last, _ = index[0].indices(height)
        out = np.empty((last - first, width, channels), self.dtype)
        start = 0
        with self.path.open("rb") as stream:
            for size in self.widths:
                stream.seek((start * height + first * size) * width * self.dtype.itemsize)
                count = (last - first) * width * size
                part = np.fromfile(stream, self.dtype, count)
                out[..., start : start + size] = part.reshape(last - first, width, size)
                start += size
        return out[:, index[1], index[2]]


def channels_at_a_time(cube: xr.DataArray, folder: Path) -> int:
    """Return how many channels of a cube are to be unpacked at a time; 0: leave it as it is.

    A cube is unpacked if the reader had to choose large blocks, as it does where pieces of the file
    are large images, and if the folder has space for its values.
    """
    if cube.chunks is None or all(len(sizes) == 1 for sizes in cube.chunks):
        return 0
    block = np.prod([max(sizes) for sizes in cube.chunks], dtype=np.int64)
    image = cube.sizes["y"] * cube.sizes["x"] * cube.dtype.itemsize
    arrays = 1 + ("variance" in cube.coords)
    small = block * max(4, cube.dtype.itemsize) <= BLOCK_BYTES
    if small or shutil.disk_usage(folder).free < 2 * arrays * cube.nbytes:
        return 0
    return int(SLAB_BYTES // (arrays * image))


@contextmanager
def unpacked(
    cube: xr.DataArray, folder: Path, progress: Callable[[str, int, int], None]
) -> Iterator[xr.DataArray]:
    """Give a cube in blocks of whole spectra, from one in blocks of whole images.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        In blocks of some channels of all pixels.
    folder : Path
        Where the temporary file is; it needs the size of the cube.
    progress : function of a step, what is done and the total
    """
    with TemporaryDirectory(dir=folder, prefix=".spectessera-") as name:
        path = Path(name)
        out = cube.copy(data=_unpacked(cube.data, path / "values", progress))
        if "variance" in cube.coords and cube.coords["variance"].chunks is not None:
            variance = _unpacked(cube.coords["variance"].data, path / "variance", progress)
            out = out.assign_coords(variance=(DIMS, variance))
        yield out


def _unpacked(array: Any, path: Path, progress: Callable[[str, int, int], None]) -> Any:
    """Write a dask array to a file, some channels after others, and return it in other blocks."""
    import dask.array as da
    from dask.local import get_sync

    widths = array.chunks[2]
    array = array.rechunk({0: -1, 1: -1})
    with writing(path), path.open("wb") as stream:
        for number in range(len(widths)):
            slab = array.blocks[0, 0, number].compute(scheduler=get_sync)
            stream.write(np.ascontiguousarray(slab).data)
            progress("unpack", number + 1, len(widths))
    slabs = _Slabs(path, array.shape, array.dtype, widths)
    rows = block_sizes(array.shape, array.dtype.itemsize, (1, array.shape[1]))
    return da.from_array(
        slabs, chunks=(rows["y"], -1, -1), meta=np.empty((0, 0, 0), array.dtype), name=False
    )
