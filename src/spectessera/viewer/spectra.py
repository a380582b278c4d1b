"""Spectra of a pixel and of regions, read from the file without the rest of the cube."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.check import check_number, check_numeric, check_same_shape
from spectessera._util.threads import release_memory
from spectessera.cube import check_cube, mask_of, spectral_axis
from spectessera.scale import LARGEST

from .boxes import Box, Stored, Tile

# Called with a step, how much of it is done and how much there is.
Progress = Callable[[str, int, int], None]
# Returns whether the work is to stop.
Stop = Callable[[], bool]

# Bytes of unpacked pieces that are kept for the next pixel.
KEPT_BYTES = 2**26
# Values that are added up at a time: 4 MiB of float64.
_VALUES = 2**19
# A spectrum for which more is unpacked is slow.
SLOW_BYTES = 2**26


class Stopped(Exception):
    """The work was stopped by the one who asked for it."""


class RegionSpectrum(NamedTuple):
    """The spectra of some pixels.

    Attributes
    ----------
    mean, std : array (channel,), float64
        Mean and standard deviation of the values (that of all of them: ``ddof=0``), in the unit of
        the cube; NaN in channels without any.
    n : int
        Pixels of the region that are not masked.
    counts : array (channel,), int64
        How many of them have a value.
    """

    mean: np.ndarray
    std: np.ndarray
    n: int
    counts: np.ndarray


class Difference(NamedTuple):
    """A mean spectrum minus that of a background.

    Attributes
    ----------
    values, error : array (channel,), float64
        The difference, and its standard error from the spread of both.
    """

    values: np.ndarray
    error: np.ndarray


class PixelSpectra:
    """Reads the spectra of single pixels, one after the other.

    A pixel of an array that is not stored in pieces is read alone. Otherwise the pieces (or, where
    values are computed from the file, the chunks) with its spectrum have to be unpacked: they are
    kept, up to 64 MiB, because the next pixel is often near. Several threads may read.

    Parameters
    ----------
    cube : DataArray (y, x, channel)

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.cube import make_cube
    >>> spectra = PixelSpectra(make_cube(np.arange(24).reshape(2, 3, 4)))
    >>> spectra.read(1, 2)
    array([20, 21, 22, 23])
    """

    def __init__(self, cube: xr.DataArray) -> None:
        self.stored = Stored(cube)
        self._kept: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def slow(self) -> str:
        """Why reading one spectrum takes long and what to do, in words; "" if it does not."""
        needed = self.stored.spectrum_bytes()
        if needed <= SLOW_BYTES:
            return ""
        return (
            f"{needed / 1e6:,.0f} MB are unpacked for each spectrum, because the file is stored in "
            f"pieces of {' x '.join(map(str, self.stored.piece))} (y, x, channel); spectessera "
            "convert CUBE CUBE.zarr stores whole spectra together"
        )

    def read(self, y: int, x: int) -> np.ndarray:
        """Return the spectrum (channel,) of a pixel, as the cube has it."""
        height, width, channels = self.stored.shape
        check_number("y", y, low=0, high=height - 1, integer=True)
        check_number("x", x, low=0, high=width - 1, integer=True)
        y, x = int(y), int(x)
        alone = not self.stored.in_pieces or self.stored.spectrum_bytes() > KEPT_BYTES
        if alone and (self.stored.source is not None or not self.stored.lazy):
            one = Box(slice(y, y + 1), slice(x, x + 1), slice(0, channels))
            return np.array(self.stored.read(one)[0, 0])
        rows, columns = (
            _around(edges, place)
            for edges, place in zip(self.stored.edges[:2], (y, x), strict=True)
        )
        chunk = self._chunk(rows, columns)
        return np.array(chunk[y - rows.start, x - columns.start])

    def _chunk(self, rows: slice, columns: slice) -> np.ndarray:
        """Return the pieces (y, x, channel) of some pixels, and keep them."""
        key = rows.start, columns.start
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = self.stored.read(Box(rows, columns, slice(0, self.stored.shape[2])))
        with self._lock:
            self._kept[key] = found
            while sum(each.nbytes for each in self._kept.values()) > KEPT_BYTES:
                self._kept.popitem(last=False)
        return found


def _around(edges: list[int], place: int) -> slice:
    """Return the piece in which a position is."""
    number = int(np.searchsorted(edges, place, "right"))
    return slice(edges[number - 1], edges[number])


def pixel_spectrum(cube: xr.DataArray, y: int, x: int) -> np.ndarray:
    """Return the spectrum (channel,) of one pixel, as the cube has it; no other blocks are read.

    Of a file in pieces, the pieces with this pixel are unpacked.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    y, x : int
        Row and column, from 0.

    Raises
    ------
    ValueError, TypeError
        If there is no such pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.cube import make_cube
    >>> pixel_spectrum(make_cube(np.arange(24).reshape(2, 3, 4)), 1, 2)
    array([20, 21, 22, 23])
    """
    return PixelSpectra(cube).read(y, x)


def region_spectrum(
    cube: xr.DataArray,
    mask: Any,
    *,
    weights: Any = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> RegionSpectrum:
    """Return the mean spectrum of a region and its spread, reading only the blocks it is in.

    Missing values (not finite, or beyond 1e30) are left out; so are the pixels that the cube masks.
    Sums are float64, and those of squares are about the mean, so that large values with a small
    spread lose nothing.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    mask : array (y, x) of bool
        True in the region.
    weights : array (y, x), optional
        Weight of every pixel, at least 0; those of the region count. By default all are 1.
    progress : callable, optional
        Called with "region", the values that are read and all that are to be read.
    stop : callable, optional
        Asked between blocks: if it returns True, :class:`Stopped` is raised.

    Returns
    -------
    RegionSpectrum

    Raises
    ------
    ValueError, TypeError
        If the mask is not of bool or has another shape, or no pixel is left.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.cube import make_cube
    >>> cube = make_cube(np.arange(12.0).reshape(2, 2, 3))
    >>> region_spectrum(cube, np.array([[True, False], [False, True]])).mean.tolist()
    [4.5, 5.5, 6.5]
    """
    cube = check_cube(cube)
    inside = _region(cube, mask)
    weight = _weights(cube, weights, inside)
    stored, total = Stored(cube), int(inside.sum())
    sums = _Sums(stored.shape[2])
    boxes = [box for tile in stored.tiles() for box in _boxes_inside(tile, inside)]
    done, whole = 0, sum(math.prod(box.shape) for box in boxes)
    with closing(stored.read_ahead(boxes)) as read:
        for box, values in zip(boxes, read, strict=True):
            if stop is not None and stop():
                raise Stopped("the spectrum of the region was stopped")
            some = inside[box.y, box.x]
            sums.add(box.channel, values, some, weight[box.y, box.x])
            done += values.size
            if progress is not None:
                progress("region", done, whole)
    release_memory()
    return sums.spectrum(total)


def _region(cube: xr.DataArray, mask: Any) -> np.ndarray:
    """Return the pixels (y, x) of a region that the cube does not mask, checked."""
    inside = np.asarray(mask)
    check_same_shape("the mask of a region", inside.shape, cube.shape[:2], "the image")
    if inside.dtype != bool:
        raise TypeError(f"the mask of a region must be of bool; got dtype {inside.dtype}")
    if not inside.any():
        raise ValueError("the region has no pixel; mark at least one")
    inside = inside & ~mask_of(cube)
    if not inside.any():
        raise ValueError("all pixels of the region are masked in the cube; mark others")
    return inside


def _weights(cube: xr.DataArray, weights: Any, inside: np.ndarray) -> np.ndarray:
    """Return the weight (y, x) of every pixel, checked."""
    if weights is None:
        return np.broadcast_to(np.float64(1), inside.shape)
    weights = np.asarray(weights)
    check_numeric("weights", weights)
    check_same_shape("weights", weights.shape, cube.shape[:2], "the image")
    some = weights[inside]
    if not (np.isfinite(some).all() and (some >= 0).all() and (some > 0).any()):
        raise ValueError("weights of a region must be finite, at least 0, and somewhere above 0")
    return weights.astype(np.float64)


def _boxes_inside(tile: Tile, inside: np.ndarray) -> Iterator[Box]:
    """Yield the boxes of the smallest part of a tile with all of its pixels in a region."""
    here = inside[tile.y, tile.x]
    if not here.any():
        return
    sides = []
    for side, axis in ((tile.y, 1), (tile.x, 0)):
        true = np.flatnonzero(here.any(axis=axis))
        sides.append(slice(side.start + int(true[0]), side.start + int(true[-1]) + 1))
    yield from Tile(sides[0], sides[1], tile.channels).boxes()


class _Sums:
    """Weighted means and sums of squares about them, joined block by block (Chan et al. 1983)."""

    def __init__(self, channels: int) -> None:
        self.weight, self.mean, self.squares = np.zeros((3, channels))
        self.counts = np.zeros(channels, np.int64)

    def add(
        self, channel: slice, values: np.ndarray, inside: np.ndarray, weights: np.ndarray
    ) -> None:
        """Add some pixels (y, x) of values (y, x, channel) with their weights (y, x)."""
        y, x = np.nonzero(inside)
        most = max(1, _VALUES // values.shape[2])
        for first in range(0, len(y), most):
            some = y[first : first + most], x[first : first + most]
            self._add(channel, values[some].astype(np.float64), weights[some][:, None])

    def _add(self, channel: slice, values: np.ndarray, weights: np.ndarray) -> None:
        there = np.abs(values) <= LARGEST
        weights = np.where(there, weights, 0.0)
        values = np.where(there, values, 0.0)
        weight = weights.sum(axis=0)
        safe = np.where(weight > 0, weight, 1.0)
        mean = (weights * values).sum(axis=0) / safe
        squares = (weights * np.square(values - mean)).sum(axis=0)
        before = self.weight[channel]
        both = before + weight
        share = weight / np.where(both > 0, both, 1.0)
        step = mean - self.mean[channel]
        self.squares[channel] += squares + np.square(step) * before * share
        self.mean[channel] += step * share
        self.weight[channel] = both
        self.counts[channel] += there.sum(axis=0)

    def spectrum(self, n: int) -> RegionSpectrum:
        """Return what the sums are of n pixels."""
        known = self.weight > 0
        safe = np.where(known, self.weight, 1.0)
        mean = np.where(known, self.mean, np.nan)
        std = np.where(known, np.sqrt(self.squares / safe), np.nan)
        return RegionSpectrum(mean, std, n, self.counts)


def difference(region: RegionSpectrum, background: RegionSpectrum) -> Difference:
    """Return the mean spectrum of a region minus that of a background region.

    Parameters
    ----------
    region, background : RegionSpectrum
        Of the same cube.

    Returns
    -------
    Difference
        The error is the root of the sum of the squared standard errors of both means
        (``std / sqrt(n)``); of a single pixel it is not known, and 0 is its part.

    Raises
    ------
    ValueError
        If they have different numbers of channels.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.cube import make_cube
    >>> cube = make_cube(np.arange(12.0).reshape(2, 2, 3))
    >>> lower = np.array([[False, False], [True, True]])
    >>> parts = [region_spectrum(cube, mask) for mask in (lower, ~lower)]
    >>> difference(*parts).values.tolist()
    [6.0, 6.0, 6.0]
    """
    check_same_shape(
        "the background", background.mean.shape, region.mean.shape, "the region's spectrum"
    )
    squares = sum(np.square(one.std) / np.maximum(one.counts, 1) for one in (region, background))
    return Difference(region.mean - background.mean, np.sqrt(squares))


def channels_between(cube: xr.DataArray, low: float, high: float) -> tuple[int, int]:
    """Return the channels, from the first up to but without the last, inside a range of the axis.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    low, high : float
        Ends of the range in the unit of the cube's axis, in any order. A channel is inside if its
        centre is; if none is, the channel nearest to the middle is taken.

    Returns
    -------
    first, stop : int

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.cube import make_cube
    >>> channels_between(make_cube(np.ones((1, 1, 5)), energy=(1.0, 5.0)), 1.5, 4.0)
    (1, 4)
    """
    check_number("low", low)
    check_number("high", high)
    centres = spectral_axis(check_cube(cube)).values
    low, high = min(low, high), max(low, high)
    inside = np.flatnonzero((centres >= low) & (centres <= high))
    if not len(inside):
        nearest = int(np.argmin(np.abs(centres - (low + high) / 2)))
        return nearest, nearest + 1
    return int(inside[0]), int(inside[-1]) + 1
