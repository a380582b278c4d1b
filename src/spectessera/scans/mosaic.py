"""The values, variances and masks of several scans in one image."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera.cube import DIMS, blocks, mask_of

from .places import Place
from .resampling import divided, resampled, shares_of

# (spectra (n, own channel), their positions in the scan (n,)) -> spectra (n, channel)
Make = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Scan(NamedTuple):
    """A scan as it is joined.

    Attributes
    ----------
    cube : DataArray (y, x, own channel)
    place : Place
    counts : bool
    weights : sparse array (channel, own channel), or None
        They remake its spectra; None: these are used as they are.
    key : pair of int
        Of the random numbers: seed, and number of the scan.
    """

    cube: xr.DataArray
    place: Place
    counts: bool
    weights: Any = None
    key: tuple[int, int] = (0, 0)


def values_of(scan: Scan) -> Any:
    """Return the values (y, x, channel) of a scan on the common channels."""
    data = scan.cube.data
    if scan.weights is None:
        return data
    if not scan.counts:
        return _remade(data, scan, lambda rows, _: resampled(rows, scan.weights))
    photons = functools.partial(
        divided, shares=shares_of(scan.weights), size=scan.weights.shape[0], key=scan.key
    )
    return _remade(data, scan, lambda rows, pixel: photons(rows, pixel=pixel))


def variance_of(scan: Scan) -> Any:
    """Return the variance (y, x, channel) of a scan on the common channels, or None."""
    if "variance" not in scan.cube.coords or scan.counts:
        return None
    data = scan.cube.coords["variance"].transpose(*DIMS).data
    if scan.weights is None:
        return data
    squares = scan.weights.power(2)
    return _remade(data, scan, lambda rows, _: resampled(rows, squares))


def _remade(data: Any, scan: Scan, make: Make) -> Any:
    """Return an array whose spectra are remade, block by block; chunked if the array is."""
    columns, size = scan.cube.sizes["x"], scan.weights.shape[0]
    if hasattr(data, "dask"):

        def of_chunk(chunk: np.ndarray, block_info: Any = None) -> np.ndarray:
            first = [each[0] for each in block_info[0]["array-location"][:2]]
            return _of_block(chunk, (first[0], first[1]), columns, make)

        data = data.rechunk({2: -1})
        chunks = (*data.chunks[:2], (size,))
        like = np.empty((0, 0, 0), np.float32)
        return data.map_blocks(of_chunk, dtype=np.float32, chunks=chunks, meta=like)
    whole = np.empty((*data.shape[:2], size), np.float32)
    for block in blocks(scan.cube):
        first = (block.y.start, block.x.start)
        whole[block.y, block.x] = _of_block(data[block.y, block.x], first, columns, make)
    return whole


def _of_block(block: np.ndarray, first: tuple[int, int], columns: int, make: Make) -> np.ndarray:
    """Return a block (y, x, own channel) with its spectra remade; ``first``: its first pixel."""
    height, width, size = block.shape
    rows, cols = np.divmod(np.arange(height * width), width)
    new = make(block.reshape(-1, size), (rows + first[0]) * columns + cols + first[1])
    return new.reshape(height, width, new.shape[1])


def size_of(scans: Sequence[Scan]) -> tuple[int, int]:
    """Return the rows and columns of the image of all scans."""
    places = [each.place for each in scans]
    return max(p.y + p.rows for p in places), max(p.x + p.columns for p in places)


def mask_between(scans: Sequence[Scan]) -> np.ndarray:
    """Return the mask (y, x): of every scan its own, and all that is between them."""
    mask = np.ones(size_of(scans), bool)
    for each in scans:
        mask[each.place.slices["y"], each.place.slices["x"]] = mask_of(each.cube)
    return mask


def in_one_image(parts: Sequence[Any], scans: Sequence[Scan]) -> Any:
    """Return arrays (y, x, channel) of the scans as one, 0 between; of dask if one of them is."""
    dtype = np.result_type(*(each.dtype for each in parts))
    shape = (*size_of(scans), parts[0].shape[2])
    if any(hasattr(each, "dask") for each in parts):
        return _chunked(parts, scans, shape, dtype)
    whole = np.zeros(shape, dtype)
    for part, scan in zip(parts, scans, strict=True):
        whole[scan.place.slices["y"], scan.place.slices["x"]] = part
    return whole


def _chunked(
    parts: Sequence[Any], scans: Sequence[Scan], shape: tuple[int, ...], dtype: Any
) -> Any:
    """Return one dask array; nothing is read for it."""
    import dask.array as da

    along = 0 if scans[1].place.y else 1  # the scans follow one another along y or x
    across = 1 - along
    row: list[Any] = []
    end = 0
    for part, scan in zip(parts, scans, strict=True):
        array = da.asarray(part).astype(dtype)
        begin = (scan.place.y, scan.place.x)[along]
        if begin > end:
            gap = [*shape]
            gap[along] = begin - end
            row.append(da.zeros(gap, dtype=dtype, chunks=-1))
        missing = [*array.shape]
        missing[across] = shape[across] - array.shape[across]
        if missing[across]:
            rest = da.zeros(missing, dtype=dtype, chunks=-1)
            array = da.concatenate([array, rest], axis=across)
        row.append(array)
        end = begin + array.shape[along]
    return da.concatenate(row, axis=along)
