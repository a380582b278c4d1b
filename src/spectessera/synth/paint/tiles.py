"""Values that are made tile by tile, independent of the chunks of a cube.

Random numbers of synthetic data belong to fixed tiles of the flattened image, so a pixel has the
same spectrum for all chunks.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

TILE = 4096  # pixels
THREADS = min(8, os.cpu_count() or 1)
BLOCK_BYTES = 32 * 2**20


def tile_pixels(number: int, size: int) -> np.ndarray:
    """Return the flattened positions of the pixels of a tile of an image of ``size`` pixels."""
    return np.arange(number * TILE, min((number + 1) * TILE, size))


def make_values(
    shape: tuple[int, int],
    dtype: Any,
    channels: int,
    tile: Callable[[int], np.ndarray],
    chunks: Any,
    progress: Callable[[int, int], None] | None,
) -> Any:
    """Return values (y, x, channel): in memory, or lazy if chunks are given.

    ``tile`` is a function that returns the values (n, channel) of a tile, given its number.
    """
    if chunks is not None:
        return lazy_values(shape, dtype, channels, tile, chunks)
    size = shape[0] * shape[1]
    values = np.empty((size, channels), dtype=dtype)
    number = -(-size // TILE)

    def fill(each: int) -> None:
        values[each * TILE : (each + 1) * TILE] = tile(each)

    with ThreadPoolExecutor(THREADS) as pool:
        for done, _ in enumerate(pool.map(fill, range(number)), start=1):
            if progress is not None:
                progress(done, number)
    return values.reshape(*shape, channels)


def lazy_values(
    shape: tuple[int, int],
    dtype: Any,
    channels: int,
    tile: Callable[[int], np.ndarray],
    chunks: Any,
) -> Any:
    """Return a dask array (y, x, channel) whose blocks are taken from the tiles."""
    import dask.array as da

    chunks = _chunks(shape, channels * np.dtype(dtype).itemsize, chunks)
    plain = da.zeros(shape, chunks=chunks, dtype=np.uint8)

    def block(part: np.ndarray, block_info: Any = None) -> np.ndarray:
        (y0, y1), (x0, x1) = block_info[0]["array-location"]
        pixel = np.add.outer(np.arange(y0, y1) * shape[1], np.arange(x0, x1)).ravel()
        out = np.empty((len(pixel), channels), dtype=dtype)
        number = pixel // TILE
        for each in np.unique(number):
            inside = number == each
            out[inside] = tile(int(each))[pixel[inside] - each * TILE]
        return out.reshape(*part.shape, channels)

    return plain.map_blocks(
        block,
        dtype=dtype,
        new_axis=2,
        chunks=(*plain.chunks, (channels,)),
        meta=np.empty((0, 0, 0), dtype),
    )


def _chunks(shape: tuple[int, int], pixel_bytes: int, chunks: Any) -> tuple[Any, Any]:
    """Return the chunks of y and x; "auto": rows of about 32 MiB, whole tiles if possible.

    Raises
    ------
    ValueError
        If they are not positive, or given for other axes.
    """
    if chunks == "auto":
        rows = max(1, BLOCK_BYTES // (shape[1] * pixel_bytes))
        whole = TILE // math.gcd(TILE, shape[1])  # rows that begin and end with a tile
        rows = max(rows, -(-TILE // shape[1]))
        chunks = {
            "y": min(max(rows - rows % whole, whole) if whole <= 2 * rows else rows, shape[0])
        }
    if isinstance(chunks, dict):
        unknown = sorted(set(chunks) - {"y", "x"})
        if unknown:
            raise ValueError(f"chunks are given for y and x; got {', '.join(map(str, unknown))}")
        chunks = (chunks.get("y", -1), chunks.get("x", -1))
    elif isinstance(chunks, int):
        chunks = (chunks, chunks)
    for each in chunks:
        if isinstance(each, int) and (each < -1 or each == 0):
            raise ValueError(f"chunks are positive numbers of pixels; got {chunks}")
    return chunks
