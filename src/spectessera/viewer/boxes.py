"""Boxes of a cube (rows, columns, channels), read from its file without more than is needed."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera.cube import check_cube
from spectessera.scale import USABLE, source_of

# Bytes of a box as it is stored. A piece of a file is read as a whole, up to the larger number:
# what is cut from a compressed piece costs the unpacking of all of it.
BOX_BYTES, PIECE_BYTES = 2**25, 3 * 2**25


class Box(NamedTuple):
    """A part of a cube: rows, columns and channels."""

    y: slice
    x: slice
    channel: slice

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of rows, columns and channels."""
        sizes = [side.stop - side.start for side in self]
        return sizes[0], sizes[1], sizes[2]


class Tile(NamedTuple):
    """Rows and columns of a cube, and the ranges of channels in which they are read."""

    y: slice
    x: slice
    channels: list[slice]

    def boxes(self) -> Iterator[Box]:
        """Yield the boxes, in the order of the channels."""
        for channel in self.channels:
            yield Box(self.y, self.x, channel)


class Stored:
    """A cube as it is stored: in memory, in a file, or as what is computed from one.

    An array in a file is read directly, whatever the chunks of the cube; one that is computed (with
    some values marked as missing, or divided by a power of ten) in its chunks.

    Parameters
    ----------
    cube : DataArray (y, x, channel)

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    in_pieces : bool
        Whether a spectrum can be read only with those of its neighbours.
    edges : list of list of int
        Along y, x and channel: where the pieces begin in which it is stored, and the end.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.cube import make_cube
    >>> stored = Stored(make_cube(np.arange(24).reshape(2, 3, 4)))
    >>> stored.read(Box(slice(1, 2), slice(0, 2), slice(1, 3)))
    array([[[13, 14],
            [17, 18]]])
    """

    def __init__(self, cube: xr.DataArray) -> None:
        self.data: Any = check_cube(cube).data
        self.shape: tuple[int, int, int] = self.data.shape
        self.dtype: np.dtype[Any] = self.data.dtype
        self.lazy = hasattr(self.data, "dask")
        source = source_of(self.data) if self.lazy else None
        self.source = None if self.lazy and self.data.name.startswith(USABLE) else source
        self.in_pieces = True
        self.edges = self._edges()

    def _edges(self) -> list[list[int]]:
        pieces = getattr(self.source, "chunks", None)
        known = self.source is not None and (pieces is not None or _is_file(self.source))
        if self.lazy and not known:
            return [[0, *np.cumsum(sizes).tolist()] for sizes in self.data.chunks]
        if pieces is None or len(pieces) != 3:
            pieces = (1, *self.shape[1:])
            self.in_pieces = False
        return [
            [*range(0, size, max(1, int(piece))), size]
            for size, piece in zip(self.shape, pieces, strict=True)
        ]

    def read(self, box: Box) -> np.ndarray:
        """Return the values (y, x, channel) of a box, of the type of the cube."""
        if self.source is not None:
            return np.asarray(self.source[tuple(box)])
        part = self.data[tuple(box)]
        if not self.lazy:
            return np.asarray(part)
        from dask.local import get_sync

        return np.asarray(part.compute(scheduler=get_sync))

    def read_ahead(self, boxes: Iterable[Box]) -> Generator[np.ndarray, None, None]:
        """Yield the values of boxes; the next one is read meanwhile, unless it is large."""
        with ThreadPoolExecutor(1, thread_name_prefix="spectessera-read") as pool:
            waiting: deque[Future[np.ndarray]] = deque()
            for box in boxes:
                waiting.append(pool.submit(self.read, box))
                large = math.prod(box.shape) * self.dtype.itemsize > BOX_BYTES
                while len(waiting) > (0 if large else 1):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    @property
    def path(self) -> Path | None:
        """The file or folder that the values come from, None if that is not known."""
        for source in self._sources():
            if isinstance(path := getattr(source, "path", None), Path):
                return path.resolve()
        return None

    def reading(self) -> str:
        """Return what part of the file the values are, and what is computed from it."""
        keys = [str(source.key) for source in self._sources() if _is_file(source)]
        computed = [self.data.name] if self.lazy and self.source is None else []
        return " ".join([*keys, *computed])

    def _sources(self) -> list[Any]:
        """Return the arrays that the values are read from."""
        if not self.lazy:
            return []
        layers = getattr(self.data.dask, "layers", {})
        return [layer[name] for name, layer in layers.items() if name.startswith("original-")]

    @property
    def piece(self) -> tuple[int, int, int]:
        """Largest numbers of rows, columns and channels of a stored piece."""
        sizes = [max(np.diff(edges).tolist()) for edges in self.edges]
        return sizes[0], sizes[1], sizes[2]

    def piece_bytes(self) -> int:
        """Bytes of a stored piece, unpacked."""
        return math.prod(self.piece) * self.dtype.itemsize

    def spectrum_bytes(self) -> int:
        """Bytes that are unpacked to read one spectrum."""
        rows, columns, _ = self.piece if self.in_pieces else (1, 1, 0)
        return rows * columns * self.shape[2] * self.dtype.itemsize

    def tiles(self, low: int = 0, high: int | None = None) -> Iterator[Tile]:
        """Yield tiles that cover the cube, of which every stored piece is in one box.

        Pieces of more than 96 MiB are cut by rows. Of the channels, those from ``low`` up to but
        without ``high`` are covered; the pieces with them are unpacked as a whole.
        """
        item = self.dtype.itemsize
        rows, columns, channels = self.piece
        high = self.shape[2] if high is None else high
        inner = [low, *(edge for edge in self.edges[2] if low < edge < high), high]
        if rows * columns * channels * item > PIECE_BYTES:
            rows = max(1, BOX_BYTES // (columns * channels * item))
        columns = _grown(columns, self.shape[1], BOX_BYTES // (rows * channels * item))
        channels = _grown(channels, max(channels, high - low), BOX_BYTES // (rows * columns * item))
        rows = _grown(rows, self.shape[0], BOX_BYTES // (channels * columns * item))
        parts = [
            _joined(edges, most)
            for edges, most in zip((*self.edges[:2], inner), (rows, columns, channels), strict=True)
        ]
        for y in parts[0]:
            for x in parts[1]:
                yield Tile(y, x, parts[2])


def _is_file(source: Any) -> bool:
    """Whether an array is one of this package's own, of which it is known how it is stored."""
    return hasattr(source, "fetch")


def _grown(size: int, whole: int, most: int) -> int:
    """Return a multiple of a size, of at most so many if that is more, and of the whole."""
    return min(whole, size * max(1, most // size))


def _joined(edges: list[int], most: int) -> list[slice]:
    """Return ranges of whole pieces of at most so many; larger pieces are cut."""
    parts, first = [], edges[0]
    for place, stop in enumerate(edges[1:], start=1):
        following = edges[place + 1] if place + 1 < len(edges) else None
        while stop - first > most:
            parts.append(slice(first, first + most))
            first += most
        if following is None or following - first > most:
            if stop > first:
                parts.append(slice(first, stop))
            first = stop
    return parts
