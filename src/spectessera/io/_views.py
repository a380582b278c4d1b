"""Arrays in a file, seen in another way: axes in another order, points as an image, sums.

A view reads from its file only what is asked of it, and can be sent to other processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ._lazy import LazyArray


@dataclass(frozen=True, repr=False)
class _View:
    """What a view needs to read a part; its text is the same in every process.

    ``place`` is the number of the point at every pixel, which pieces are missing or, without
    sources, the values themselves.
    """

    sources: tuple[LazyArray, ...]
    details: tuple[Any, ...] = ()
    place: np.ndarray | None = None

    def __repr__(self) -> str:
        index = None if self.place is None or not self.sources else self.place
        place = "" if index is None else sha256(index.tobytes()).hexdigest()
        return f"{[one.key for one in self.sources]!r} {self.details!r} {place}"

    def source(self, number: int, path: Path) -> LazyArray:
        """Return a source, at the place where the file is for this process."""
        return replace(self.sources[number], path=path)


def transposed(
    source: LazyArray, order: Sequence[int], at: dict[int, int] | None = None
) -> LazyArray:
    """Return an array with its axes in another order.

    Parameters
    ----------
    source : LazyArray
    order : sequence of int
        Stored axes, in the new order.
    at : dict of int to int, optional
        All other stored axes, with the one position that is read.
    """
    at = dict(sorted((at or {}).items()))
    order = tuple(order)
    if order == tuple(range(source.ndim)):
        return source
    pieces = source.chunks
    return LazyArray(
        source.path,
        _View((source,), (order, tuple(at.items()))),
        tuple(source.shape[n] for n in order),
        source.dtype,
        _fetch_transposed,
        None if pieces is None else tuple(pieces[n] for n in order),
        source.locked,
    )


def _fetch_transposed(path: Path, view: _View, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of an array with other axes."""
    order, single = view.details
    source = view.source(0, path)
    wanted = [slice(None)] * source.ndim
    for axis, one in zip(order, index, strict=True):
        wanted[axis] = one
    for axis, position in single:
        wanted[axis] = slice(position, position + 1)
    part = source.fetch(path, source.key, tuple(wanted))
    dropped = tuple(axis for axis, _ in single)
    left = [axis for axis in range(source.ndim) if axis not in dropped]
    part = part.squeeze(dropped).transpose([left.index(axis) for axis in order])
    return np.ascontiguousarray(part)


def spread(source: LazyArray, order: Sequence[int | None], shape: Sequence[int]) -> LazyArray:
    """Return an array along the axes of a cube, the same where it lacks one.

    Parameters
    ----------
    source : LazyArray
    order : sequence of int or None
        The stored axis for each axis of the cube, None where there is none. All other stored axes
        have length 1.
    shape : sequence of int
        That of the cube.
    """
    used = [axis for axis in order if axis is not None]
    at = {axis: 0 for axis in range(source.ndim) if axis not in used}
    array = transposed(source, used, at)
    if len(used) == len(order):
        return array
    pieces = [None if axis is None or source.chunks is None else source.chunks[axis]
              for axis in order]  # fmt: skip
    chunks = tuple(n if size is None else size for size, n in zip(pieces, shape, strict=True))
    return LazyArray(
        source.path,
        _View((array,), (tuple(axis is not None for axis in order), tuple(shape))),
        tuple(shape),
        source.dtype,
        _fetch_spread,
        chunks,
        source.locked,
    )


def _fetch_spread(path: Path, view: _View, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part, and repeat it along the axes that the array lacks."""
    has, shape = view.details
    source = view.source(0, path)
    part = source.fetch(path, source.key, tuple(i for i, there in zip(index, has, strict=True)
                                                if there))  # fmt: skip
    sizes = tuple(len(range(*i.indices(n))) for i, n in zip(index, shape, strict=True))
    part = part.reshape([size if there else 1 for size, there in zip(sizes, has, strict=True)])
    return np.ascontiguousarray(np.broadcast_to(part, sizes))


def in_memory(path: Path, name: str, values: np.ndarray) -> LazyArray:
    """Return an array in memory as if it was in its file; what is cut from it is a view."""
    view = _View((), (name,), values)
    return LazyArray(path, view, values.shape, values.dtype, _fetch_memory, locked=False)


def _fetch_memory(_path: Path, view: _View, index: tuple[slice, ...]) -> np.ndarray:
    """Return one part of an array in memory."""
    assert view.place is not None
    return view.place[index]


def as_image(source: LazyArray, shape: tuple[int, int]) -> LazyArray:
    """Return spectra (point, channel), stored row by row, as a cube (y, x, channel)."""
    rows, columns = shape
    return LazyArray(
        source.path,
        _View((source,), (rows, columns)),
        (rows, columns, source.shape[1]),
        source.dtype,
        _fetch_image,
        (max(1, (source.chunks or (1,))[0] // columns), columns, source.shape[1]),
        source.locked,
    )


def _fetch_image(path: Path, view: _View, index: tuple[slice, ...]) -> np.ndarray:
    """Read whole rows of the image, and give the columns that are wanted."""
    rows, columns = view.details
    source = view.source(0, path)
    first, last, _ = index[0].indices(rows)
    points = slice(first * columns, last * columns)
    part = source.fetch(path, source.key, (points, index[2]))
    part = part.reshape(last - first, columns, part.shape[1])
    return np.ascontiguousarray(part[:, index[1]])


def placed(source: LazyArray, place: np.ndarray) -> LazyArray:
    """Return spectra (point, channel) as a cube, each at its own place.

    Parameters
    ----------
    source : LazyArray (point, channel)
    place : array (y, x) of int
        The number of the point at every pixel; -1 where there is none: NaN.
    """
    if np.array_equal(place.ravel(), np.arange(source.shape[0])):  # nothing to send along
        return as_image(source, place.shape)
    dtype = source.dtype
    if (place < 0).any() and dtype.kind != "f":
        dtype = np.dtype(np.float32)
    return LazyArray(
        source.path,
        _View((source,), (dtype.str,), np.ascontiguousarray(place, dtype=np.int64)),
        (*place.shape, source.shape[1]),
        dtype,
        _fetch_placed,
        (1, place.shape[1], source.shape[1]),
        source.locked,
    )


def _fetch_placed(path: Path, view: _View, index: tuple[slice, ...]) -> np.ndarray:
    """Read the points of one part of the image, and all that are stored between them."""
    assert view.place is not None
    source = view.source(0, path)
    dtype = np.dtype(view.details[0])
    wanted = view.place[index[:2]]
    there = wanted >= 0
    channels = len(range(*index[2].indices(source.shape[1])))
    out = np.full((*wanted.shape, channels), np.nan if dtype.kind == "f" else 0, dtype)
    if there.any():
        first, last = int(wanted[there].min()), int(wanted.max()) + 1
        part = source.fetch(path, source.key, (slice(first, last), index[2]))
        out[there] = part[wanted[there] - first]
    return out


def summed(sources: Sequence[LazyArray]) -> LazyArray:
    """Return the sum of arrays of the same shape; integers do not overflow."""
    first = sources[0]
    if len(sources) == 1:
        return first
    dtype = np.result_type(*[one.dtype for one in sources])
    if dtype.kind in "bui":
        dtype = np.result_type(dtype, np.uint32 if dtype.kind in "bu" else np.int64)
    return LazyArray(
        first.path,
        _View(tuple(sources), (dtype.str,)),
        first.shape,
        dtype,
        _fetch_sum,
        first.chunks,
        first.locked,
    )


def _fetch_sum(path: Path, view: _View, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of all arrays and add them."""
    total = None
    for number in range(len(view.sources)):
        source = view.source(number, path)
        part = source.fetch(path, source.key, index).astype(view.details[0])
        total = part if total is None else total + part
    assert total is not None
    return total


def with_gaps(source: LazyArray, pieces: tuple[int, ...], missing: np.ndarray) -> LazyArray:
    """Return an array with NaN in those of its pieces that do not exist.

    Parameters
    ----------
    source : LazyArray
    pieces : tuple of int
        Shape of a piece.
    missing : array of bool
        For each piece, along the axes of the array, whether it is missing.
    """
    return replace(
        source,
        key=_View((source,), pieces, np.ascontiguousarray(missing)),
        dtype=source.dtype if source.dtype.kind == "f" else np.dtype(np.float32),
        fetch=_fetch_with_gaps,
    )


def _fetch_with_gaps(path: Path, view: _View, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part, with NaN where pieces are missing."""
    assert view.place is not None
    source = view.source(0, path)
    part = source.fetch(path, source.key, index)
    part = part.astype(part.dtype if part.dtype.kind == "f" else np.float32)
    at = [np.arange(*one.indices(size)) // piece
          for one, size, piece in zip(index, source.shape, view.details, strict=True)]  # fmt: skip
    part[view.place[np.ix_(*at)]] = np.nan
    return part
