"""Pixels of a Zarr array of which no chunk was ever written."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np

from ._lazy import LazyArray
from ._views import with_gaps

MAX_CHUNKS = 10**7


def without_unwritten(
    path: Path, array: Any, source: LazyArray, channel: int
) -> tuple[LazyArray, str]:
    """Return the array with NaN where nothing was written, and a sentence about it.

    By the specification, a missing chunk holds the fill value, and zarr itself leaves out chunks
    that hold nothing else. Of counts, chunks of high energies may hold zeros only. So a chunk
    counts as never written only if all chunks of its pixels are missing; those pixels have no
    spectrum in either case.

    Parameters
    ----------
    path : Path
    array : zarr.Array
    source : LazyArray
        The same array.
    channel : int
        The axis of the spectrum.
    """
    pieces = tuple(array.shards or array.chunks)
    grid = tuple(-(-n // size) for n, size in zip(array.shape, pieces, strict=True))
    fill = array.fill_value
    if math.prod(grid) > MAX_CHUNKS or array.ndim < 2 or fill is None or fill != 0:
        return source, ""
    folder = path / source.key
    keys = map(array.metadata.encode_chunk_key, itertools.product(*map(range, grid)))
    missing = np.array([not (folder / key).is_file() for key in keys]).reshape(grid)
    if not missing.any():
        return source, ""
    lost = np.broadcast_to(missing.all(axis=channel, keepdims=True), grid)
    count = int(lost.sum())
    note = (
        f"{int(missing.sum())} of {math.prod(grid)} chunks of {source.key or path.name} do not "
        f"exist; {count} of them lie where nothing was written: those pixels are missing (NaN)"
    )
    if not count:
        return source, note
    return with_gaps(source, pieces, lost), note
