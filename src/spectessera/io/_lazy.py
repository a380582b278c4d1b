"""Arrays that stay in their file, and the blocks in which they are read."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from spectessera._util.reading import reading_safely
from spectessera.cube import DIMS

from ._limits import check_memory, nbytes_of

BLOCK_BYTES = 2**24  # largest block of a lazy cube, if the reader chooses the blocks
# The same for files whose pieces hold a few channels of many pixels: a smaller block would unpack
# every piece once more.
WIDE_BLOCK_BYTES = 2**28
MAX_BLOCKS = 10**7  # the plan of what to read would fill the memory with more


@dataclass(frozen=True)
class LazyArray:
    """An array (y, x, channel) in a file, which is opened anew for every part that is read.

    No file stays open, so the array can be sent to other processes.

    Parameters
    ----------
    path : Path
    key : any
        What ``fetch`` needs to find the array in the file.
    shape : tuple of int
    dtype : numpy.dtype
    fetch : callable
        ``fetch(path, key, slices)`` reads one part.
    chunks : tuple of int, optional
        Shape of the pieces that the file itself is stored in.
    locked : bool
        Read one part at a time, for libraries that are not safe in several threads.
    """

    path: Path
    key: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fetch: Callable[[Path, Any, tuple[slice, ...]], np.ndarray]
    chunks: tuple[int, ...] | None = None
    locked: bool = True

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    def __getitem__(self, index: Any) -> np.ndarray:
        """Read one part, given by slices, integers and at most one list of integers."""
        given = index if isinstance(index, tuple) else (index,)
        given = (*given, *[slice(None)] * (self.ndim - len(given)))
        pairs = [_read_and_taken(*each) for each in zip(given, self.shape, strict=True)]
        lock = _lock_of(self.path) if self.locked else nullcontext()
        with lock, reading_safely(self.path, "an array"):
            part = self.fetch(self.path, self.key, tuple(read for read, _ in pairs))
        return part[tuple(taken for _, taken in pairs)]


def _read_and_taken(index: Any, size: int) -> tuple[slice, Any]:
    """Return what is read along an axis, a slice without steps, and what is taken of that."""
    if isinstance(index, (int, np.integer)):
        first = int(index) % size
        return slice(first, first + 1), 0
    if isinstance(index, slice) and index.step in (None, 1):
        return index, slice(None)
    places = np.arange(size)[index]
    if not len(places):
        return slice(0, 0), slice(None)
    first = int(places.min())
    taken = places - first
    if isinstance(index, slice):
        taken = slice(None, None, index.step)
    return slice(first, int(places.max()) + 1), taken


@cache
def _lock_of(_path: Path) -> threading.RLock:
    """Return the lock of a file in this process."""
    return threading.RLock()


def load(source: LazyArray, chunks: Any) -> Any:
    """Return the array in memory, or a dask array if ``chunks`` are given."""
    if chunks is None:
        check_memory(str(source.path), nbytes_of(source.shape, source.dtype))
        return source[:]
    return as_dask(source, chunks, source.path, source.key)


def as_dask(source: LazyArray | np.ndarray, chunks: Any, path: Path, key: Any) -> Any:
    """Return a dask array over ``source``; the same file and key give the same names of tasks.

    What is cut from one of its chunks is read without the rest: Dask joins both steps only without
    a lock of its own and without ``fancy=False``.
    """
    import dask.array as da
    from dask.base import tokenize

    if isinstance(chunks, str) and chunks == "auto" and source.ndim == 3:
        stored = getattr(source, "chunks", None) or (1, source.shape[1])
        size = max(4, source.dtype.itemsize)  # blocks are processed as float32
        narrow = len(stored) > 2 and stored[-1] < source.shape[2]
        chunks = block_sizes(
            source.shape, size, stored[:2], WIDE_BLOCK_BYTES if narrow else BLOCK_BYTES
        )
    sizes = chunk_sizes(chunks)
    _check_blocks(path, source.shape, sizes)
    status = path.stat()
    full = str(path.resolve())
    token = tokenize(full, status.st_mtime_ns, status.st_size, str(key), sizes)
    if isinstance(source, LazyArray):  # workers of a cluster have other working folders
        source = replace(source, path=Path(full))
    return da.from_array(
        source,
        chunks=sizes,
        name=f"{path.name}-{token}",
        meta=np.empty((0, 0, 0), dtype=source.dtype),
    )


def chunk_sizes(chunks: Any) -> tuple[Any, ...]:
    """Return sizes along (y, x, channel) of what a user gives; spectra stay in one piece."""
    if chunks == "auto" or (isinstance(chunks, int) and not isinstance(chunks, bool)):
        chunks = {"y": chunks, "x": chunks}
    if not isinstance(chunks, Mapping):
        raise TypeError(
            f'chunks must be like {{"y": 256, "x": 256}}, a number or "auto"; got {chunks!r}'
        )
    unknown = [name for name in chunks if name not in DIMS]
    if unknown:
        raise ValueError(f"chunks names {unknown[0]!r}, but a cube has {', '.join(DIMS)}")
    sizes = tuple(chunks.get(name, -1) for name in DIMS)
    return tuple(-1 if size is None else size for size in sizes)


def _check_blocks(path: Path, shape: tuple[int, ...], sizes: tuple[Any, ...]) -> None:
    """Raise ValueError if there would be too many blocks to plan their reading."""
    pairs = [(n, size) for n, size in zip(shape, sizes, strict=True) if isinstance(size, int)]
    blocks = math.prod(-(-n // size) for n, size in pairs if size > 0)
    if blocks > MAX_BLOCKS:
        raise ValueError(
            f"{path}: shape {shape} in chunks of {sizes} makes {blocks:.3g} blocks; give larger "
            "chunks"
        )


def block_sizes(
    shape: tuple[int, ...], itemsize: int, stored: tuple[int, ...], widest: int = BLOCK_BYTES
) -> dict[str, int]:
    """Return the sizes along y and x of blocks of at most 16 MiB that hold whole spectra.

    If one stored piece along y and x, with whole spectra, is larger, blocks of up to ``widest``
    bytes are made, so that pieces are not unpacked more often than needed.

    They are multiples of ``stored``, the sizes (y, x) of the pieces in the file itself, so that
    nothing is read twice; a stored piece whose whole spectra are larger is cut by rows.
    """
    spectrum = max(1, shape[2] * itemsize)
    rows, columns = (max(1, min(size, n)) for size, n in zip(stored, shape[:2], strict=True))
    piece = rows * columns * spectrum
    many = BLOCK_BYTES // piece
    if not many and piece <= widest:
        return {"y": rows, "x": columns}
    if not many:
        columns = max(1, min(columns, widest // spectrum))
        return {"y": max(1, min(rows, widest // (columns * spectrum))), "x": columns}
    most_y, most_x = -(-shape[0] // rows), -(-shape[1] // columns)
    in_x = min(most_x, math.isqrt(many))
    in_y = min(most_y, many // in_x)
    in_x = min(most_x, many // in_y)
    return {"y": in_y * rows, "x": in_x * columns}
