"""Values that an HDF5 file promises but does not have: HDF5 itself reads them as zeros.

Chunks may never have been written, and the sources of a virtual dataset may be missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from spectessera._util.reading import FileRefused, reading

from ._hdf5_sources import missing_sources
from ._lazy import LazyArray

MAX_CHUNKS = 10**7


@dataclass(frozen=True, repr=False)
class _Holes:
    """What is missing: boxes (start, stop) of a virtual dataset, or the grid of written chunks."""

    source: LazyArray
    boxes: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = ()
    written: np.ndarray | None = None
    chunks: tuple[int, ...] = ()

    def __repr__(self) -> str:
        grid = "" if self.written is None else sha256(self.written.tobytes()).hexdigest()
        return f"{self.source.key!r} {self.boxes!r} {grid}"


def without_holes(
    path: Path, dataset: Any, source: LazyArray, *, outside: bool = False
) -> tuple[LazyArray, str]:
    """Return the array with NaN where the file has no values, and a sentence about it.

    Parameters
    ----------
    path : Path
    dataset : h5py.Dataset
    source : LazyArray
        The same dataset.
    outside : bool
        Whether sources outside the folder of the file may be read.

    Raises
    ------
    ValueError
        If it has a source outside the folder of the file, or more chunks than a file can have.
    """
    with reading(path, "HDF5"):
        holes, note = (
            _missing_sources(path, dataset, source, outside)
            if dataset.is_virtual
            else _missing_chunks(path, dataset, source)
        )
    if holes is None:
        return source, ""
    dtype = source.dtype if source.dtype.kind == "f" else np.dtype(np.float32)
    return replace(source, key=holes, dtype=dtype, fetch=_fetch), note


def _missing_chunks(path: Path, dataset: Any, source: LazyArray) -> tuple[_Holes | None, str]:
    """Return which chunks were never written, and a sentence about it."""
    never = f"{dataset.name.strip('/')} was never written; all of its values are missing (NaN)"
    everything = (((0,) * dataset.ndim, dataset.shape),)
    if dataset.size and not dataset.chunks and dataset.id.get_storage_size() == 0:
        return _Holes(source, boxes=everything), never
    if not dataset.chunks or dataset.fillvalue != dataset.fillvalue:  # NaN says it already
        return None, ""
    grid = tuple(-(-n // size) for n, size in zip(dataset.shape, dataset.chunks, strict=True))
    count, there = math.prod(grid), dataset.id.get_num_chunks()
    if there >= count:
        return None, ""
    if there == 0:
        return _Holes(source, boxes=everything), never
    if count > MAX_CHUNKS:
        raise FileRefused(f"{path}: {dataset.name!r} claims {count:.3g} chunks; it is damaged")
    written = np.zeros(grid, dtype=bool)

    def mark(chunk: Any) -> None:
        written[
            tuple(at // size for at, size in zip(chunk.chunk_offset, dataset.chunks, strict=True))
        ] = True

    dataset.id.chunk_iter(mark)
    note = (
        f"{count - there} of {count} chunks of {dataset.name.strip('/')} were never written; their "
        "values are missing (NaN)"
    )
    return _Holes(source, written=written, chunks=dataset.chunks), note


def _missing_sources(
    path: Path, dataset: Any, source: LazyArray, outside: bool
) -> tuple[_Holes | None, str]:
    """Return which boxes of a virtual dataset have no source, and a sentence about it."""
    missing = missing_sources(path, dataset, outside=outside)
    if not missing:
        return None, ""
    boxes, names = [], [one.file_name for one in missing]
    for one in missing:
        low, high = one.vspace.get_select_bounds()
        boxes.append((tuple(map(int, low)), tuple(int(n) + 1 for n in high)))
    note = (
        f"{len(boxes)} sources of {dataset.name.strip('/')} are missing ({', '.join(names[:3])}); "
        "their values are missing (NaN)"
    )
    return _Holes(source, boxes=tuple(boxes)), note


def _fetch(path: Path, holes: _Holes, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part, with NaN where the file has no values."""
    source = holes.source
    spans = [one.indices(size)[:2] for one, size in zip(index, source.shape, strict=True)]
    part = source.fetch(path, source.key, index)
    part = part.astype(part.dtype if part.dtype.kind == "f" else np.float32)
    for low, high in holes.boxes or _unwritten(holes, spans):
        box = tuple(
            slice(max(first, start) - first, max(min(last, stop) - first, 0))
            for (first, last), start, stop in zip(spans, low, high, strict=True)
        )
        part[box] = np.nan
    return part


def _unwritten(
    holes: _Holes, spans: list[tuple[int, int]]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return the boxes of the chunks in this part that were never written."""
    assert holes.written is not None
    sizes = holes.chunks
    first = [start // size for (start, _), size in zip(spans, sizes, strict=True)]
    last = [-(-stop // size) for (_, stop), size in zip(spans, sizes, strict=True)]
    part = holes.written[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    boxes = []
    for index in np.argwhere(~part):
        low = tuple(int(a + n) * size for a, n, size in zip(first, index, sizes, strict=True))
        boxes.append((low, tuple(n + size for n, size in zip(low, sizes, strict=True))))
    return boxes
