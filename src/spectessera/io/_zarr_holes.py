"""Pixels of a Zarr array of which no chunk was ever written."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ._lazy import LazyArray

MAX_CHUNKS = 10**7


@dataclass(frozen=True, repr=False)
class _Unwritten:
    """The source, the shape of its pieces, and which of them are missing."""

    source: LazyArray
    pieces: tuple[int, ...]
    missing: np.ndarray

    def __repr__(self) -> str:
        return f"{self.source.key!r} {sha256(self.missing.tobytes()).hexdigest()}"


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
    dtype = source.dtype if source.dtype.kind == "f" else np.dtype(np.float32)
    key = _Unwritten(source, pieces, np.ascontiguousarray(lost))
    return replace(source, key=key, dtype=dtype, fetch=_fetch), note


def _fetch(path: Path, key: _Unwritten, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part, with NaN where nothing was written."""
    source = key.source
    part = source.fetch(path, source.key, index)
    part = part.astype(part.dtype if part.dtype.kind == "f" else np.float32)
    at = [np.arange(*one.indices(size)) // piece
          for one, size, piece in zip(index, source.shape, key.pieces, strict=True)]  # fmt: skip
    part[key.missing[np.ix_(*at)]] = np.nan
    return part
