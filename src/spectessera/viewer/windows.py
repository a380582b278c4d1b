"""Maps of windows of channels, and what holds them for a whole cube."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.check import check_number
from spectessera._util.threads import release_memory
from spectessera.cube import check_cube
from spectessera.scale import LARGEST

from .boxes import Stored
from .overviewpass import Sums, estimated
from .spectra import Progress, Stop, Stopped

# Values that are added up at a time.
_VALUES = 2**22

# Returns the map (y, x), float32, of bins from the first up to but without the second.
WindowOf = Callable[[int, int], np.ndarray]


class Window(NamedTuple):
    """The map of a window of channels.

    Attributes
    ----------
    map : array (y, x), float32
        Sum over the channels that are not marked as bad; missing values count as the mean of those
        that are there. NaN where a pixel is masked or has no value.
    low, high : int
        The channels that it is of: from ``low`` up to but without ``high``.
    """

    map: np.ndarray
    low: int
    high: int


class Overview:
    """Spectra and maps of a whole cube; made by :func:`spectessera.viewer.overview.open_overview`.

    Attributes
    ----------
    mean, maximum : array (channel,), float64
        Over all pixels that are not masked; missing values (not finite, or beyond 1e30) are left
        out. NaN where there is none.
    total : array (y, x), float32
        The map of all channels.
    edges : array (bin + 1,), int64
        First channel of every bin, and the end.
    path : Path or None
        The folder in the cache, None if it is in memory.
    nbytes : int
        Its size on the disk.
    note : str
        What happened to an older one, in words; "" if nothing did.
    """

    def __init__(
        self,
        spectra: np.ndarray,
        total: np.ndarray,
        edges: np.ndarray,
        window_of: WindowOf,
        bins_at: Callable[[int, int], np.ndarray],
    ) -> None:
        self.mean, self.maximum = spectra
        self.total, self.edges = total, edges
        self.path: Path | None = None
        self.nbytes, self.note = 0, ""
        self._window_of, self._bins_at = window_of, bins_at

    @property
    def exact(self) -> bool:
        """Whether every channel is a bin of its own."""
        return len(self.edges) == len(self.mean) + 1

    def window(self, low: int, high: int) -> Window:
        """Return the map of channels low to high (without high), by whole bins.

        Parameters
        ----------
        low, high : int
            Channels; those of the result are the ends of bins nearest to them.

        Raises
        ------
        ValueError, TypeError
            If there are no such channels.
        """
        check_window(low, high, len(self.mean))
        first = int(np.abs(self.edges[:-1] - low).argmin())
        last = first + 1 + int(np.abs(self.edges[first + 1 :] - high).argmin())
        found = self._window_of(first, last)
        return Window(found, int(self.edges[first]), int(self.edges[last]))

    def pixel(self, y: int, x: int) -> np.ndarray:
        """Return the spectrum of a pixel by bins: array (bin,), float64, value in a channel.

        For cubes of which a single spectrum is slow to read.
        """
        check_number("y", y, low=0, high=self.total.shape[0] - 1, integer=True)
        check_number("x", x, low=0, high=self.total.shape[1] - 1, integer=True)
        return self._bins_at(int(y), int(x))

    def spectrum(self, y: int, x: int) -> np.ndarray:
        """Return the spectrum of a pixel, the same value in all channels of a bin: (channel,)."""
        return np.repeat(self.pixel(y, x), np.diff(self.edges))

    def exact_window(
        self,
        cube: xr.DataArray,
        low: int,
        high: int,
        progress: Progress | None = None,
        stop: Stop | None = None,
    ) -> Window:
        """Return the map of exactly these channels, read from the cube: see :func:`exact_window`.

        Where the bins end at these channels, nothing is read.
        """
        check_window(low, high, len(self.mean))
        if low in self.edges and high in self.edges:
            return self.window(low, high)
        return exact_window(cube, low, high, progress, stop)


def check_window(low: int, high: int, channels: int) -> None:
    """Raise an error unless there are such channels."""
    check_number("low", low, low=0, high=channels - 1, integer=True)
    check_number("high", high, low=low + 1, high=channels, integer=True)


def exact_window(
    cube: xr.DataArray,
    low: int,
    high: int,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Window:
    """Return the map of exactly these channels, read from the cube block by block.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    low, high : int
        From ``low`` up to but without ``high``.
    progress : callable, optional
        Called with "window", the bytes that are read and those of all.
    stop : callable, optional
        Asked between blocks: if it returns True, :class:`Stopped` is raised.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.cube import make_cube
    >>> exact_window(make_cube(np.arange(24).reshape(2, 3, 4)), 1, 3).map.tolist()
    [[3.0, 11.0, 19.0], [27.0, 35.0, 43.0]]
    """
    cube = check_cube(cube)
    stored, sums = Stored(cube), Sums(cube, np.array([0, cube.sizes["channel"]]))
    check_window(low, high, stored.shape[2])
    total, present = np.zeros((2, *stored.shape[:2]))
    done, whole = 0, math.prod(stored.shape[:2]) * (high - low) * stored.dtype.itemsize
    boxes = [box for tile in stored.tiles(low, high) for box in tile.boxes()]
    with closing(stored.read_ahead(boxes)) as read:
        for box, values in zip(boxes, read, strict=True):
            if stop is not None and stop():
                raise Stopped("the map was stopped")
            ends = np.array([box.channel.start, box.channel.stop])
            found = sums.add(box, values, ends)
            for image, one in zip((total, present), found, strict=True):
                image[box.y, box.x] += one[0].reshape(values.shape[:2])
            done += values.nbytes
            if progress is not None:
                progress("window", done, whole)
    release_memory()
    return Window(estimated(total, present, float((~sums.bad[low:high]).sum())), low, high)


def map_in_memory(values: np.ndarray, channels: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Return the map (y, x) of the sum of some channels (n,) of a cube in memory."""
    height, width, _ = values.shape
    image = np.full((height, width), np.nan, np.float32)
    if not len(channels):
        return image
    rows = max(1, _VALUES // (width * len(channels)))
    run = len(channels) == channels[-1] + 1 - channels[0]
    wanted = slice(int(channels[0]), int(channels[-1]) + 1) if run else channels
    for first in range(0, height, rows):
        part = values[first : first + rows, :, wanted]
        if part.dtype == np.float16:  # 1e30 is beyond its range
            part = part.astype(np.float32)
        if values.dtype.kind != "f" or (np.abs(part) <= LARGEST).all():
            image[first : first + rows] = part.sum(axis=2, dtype=np.float64)
            continue
        there = np.abs(part) <= LARGEST
        sums = np.where(there, part, 0).sum(axis=2, dtype=np.float64)
        image[first : first + rows] = estimated(sums, there.sum(axis=2), float(len(channels)))
    image[outside] = np.nan
    return image
