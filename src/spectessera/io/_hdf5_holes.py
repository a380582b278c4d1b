"""Values that an HDF5 file promises but does not have: HDF5 itself reads them as zeros.

Chunks may never have been written, and the sources of a virtual dataset may be missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spectessera._util.reading import FileRefused, reading

from ._hdf5_sources import missing_sources
from ._lazy import LazyArray
from ._views import with_gaps

MAX_CHUNKS = 10**7


@dataclass(frozen=True, repr=False)
class _Boxes:
    """A virtual dataset, and the boxes (start, stop) of it that have no source."""

    source: LazyArray
    boxes: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]

    def __repr__(self) -> str:
        return f"{self.source.key!r} {self.boxes!r}"


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
        if dataset.is_virtual:
            return _without_sources(path, dataset, source, outside)
        return _without_chunks(path, dataset, source)


def _without_chunks(path: Path, dataset: Any, source: LazyArray) -> tuple[LazyArray, str]:
    """Return the array with NaN in chunks that were never written, and a sentence about it."""
    name, pieces = dataset.name.strip("/"), dataset.chunks or dataset.shape
    count = math.prod(-(-n // size) for n, size in zip(dataset.shape, pieces, strict=True))
    if dataset.chunks:
        there = dataset.id.get_num_chunks()
    else:  # in one piece, unless it was never written
        there = int(not dataset.size or dataset.id.get_storage_size() > 0)
    if there >= count or (dataset.chunks and dataset.fillvalue != dataset.fillvalue):
        return source, ""  # a fill value of NaN says it already
    if not there:
        missing = np.ones((1,) * dataset.ndim, dtype=bool)
        note = f"{name} was never written; all of its values are missing (NaN)"
        return with_gaps(source, dataset.shape, missing), note
    if count > MAX_CHUNKS:
        raise FileRefused(f"{path}: {dataset.name!r} claims {count:.3g} chunks; it is damaged")
    missing = np.ones([-(-n // size) for n, size in zip(dataset.shape, pieces, strict=True)], bool)

    def mark(chunk: Any) -> None:
        places = zip(chunk.chunk_offset, pieces, strict=True)
        missing[tuple(at // size for at, size in places)] = False

    dataset.id.chunk_iter(mark)
    note = (
        f"{count - there} of {count} chunks of {name} were never written; their values are missing "
        "(NaN)"
    )
    return with_gaps(source, pieces, missing), note


def _without_sources(
    path: Path, dataset: Any, source: LazyArray, outside: bool
) -> tuple[LazyArray, str]:
    """Return a virtual dataset with NaN where it has no source, and a sentence about it."""
    missing = missing_sources(path, dataset, outside=outside)
    if not missing:
        return source, ""
    boxes, names = [], [one.file_name for one in missing]
    for one in missing:
        low, high = one.vspace.get_select_bounds()
        boxes.append((tuple(map(int, low)), tuple(int(n) + 1 for n in high)))
    note = (
        f"{len(boxes)} sources of {dataset.name.strip('/')} are missing ({', '.join(names[:3])}); "
        "their values are missing (NaN)"
    )
    dtype = source.dtype if source.dtype.kind == "f" else np.dtype(np.float32)
    return replace(source, key=_Boxes(source, tuple(boxes)), dtype=dtype, fetch=_fetch), note


def _fetch(path: Path, key: _Boxes, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part, with NaN where there is no source."""
    source = key.source
    spans = [one.indices(size)[:2] for one, size in zip(index, source.shape, strict=True)]
    part = source.fetch(path, source.key, index)
    part = part.astype(part.dtype if part.dtype.kind == "f" else np.float32)
    for low, high in key.boxes:
        box = tuple(
            slice(max(first, start) - first, max(min(last, stop) - first, 0))
            for (first, last), start, stop in zip(spans, low, high, strict=True)
        )
        part[box] = np.nan
    return part
