"""Blocks of a chunked cube with the pixels around them: every chunk is read once, not nine times.

What lies around a block belongs to the chunks beside it. When a chunk is read, those of its rows
and columns that other blocks need are kept until all of these have them. The first rows of the
chunks below are read before the rest of these: to keep these chunks as a whole would take the
memory of a row of them.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from concurrent.futures import Future

import numpy as np
import xarray as xr

from spectessera.cube import DIMS, Block, load_block

# Bytes of rows between two rows of chunks that are kept, the last ones of those above and the first
# ones of those below; of wider cubes they are read twice.
_KEPT_BYTES = 2**25
# So many first rows of a chunk are read and kept together: many files are stored in pieces of as
# many rows, or of a part of them, and whoever reads fewer unpacks a piece twice.
_STORED = 16

_Key = tuple[str, int, int]  # which part of a chunk, and the row and column of the chunk


class _Part:
    """A part of a chunk, read or to be read, and how many blocks still need it."""

    def __init__(self, uses: int) -> None:
        self.uses, self.value = uses, Future[xr.DataArray]()


class Surroundings:
    """Reads the blocks of a chunked cube with the pixels around them, each block exactly once.

    In several threads and in any order; least is read and kept in the order of the blocks.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        Chunked.
    reach : int
        Rows and columns around a block.
    """

    def __init__(self, cube: xr.DataArray, reach: int) -> None:
        assert cube.chunks is not None
        self._cube, self._reach = cube, reach
        self._rows, self._columns = (
            np.concatenate([[0], np.cumsum(sizes)]).tolist() for sizes in cube.chunks[:2]
        )
        spectrum = cube.dtype.itemsize * cube.sizes["channel"]
        row = cube.sizes["x"] * spectrum
        self._keeps_rows = reach * row <= _KEPT_BYTES
        keeps_more = reach <= _STORED and (_STORED + reach) * row <= _KEPT_BYTES
        # Of each row of chunks, how many first rows are read by themselves, and only once.
        self._first = [0] + [
            _STORED if keeps_more and size >= _STORED + reach else 0 for size in cube.chunks[0][1:]
        ]
        self._parts: dict[_Key, _Part] = {}
        self._lock = threading.Lock()

    @staticmethod
    def possible(cube: xr.DataArray, reach: int) -> bool:
        """Return whether the pixels around a block are in the chunks beside it, and no further."""
        inner = [size for sizes in (cube.chunks or ((), ()))[:2] for size in sizes[1:-1]]
        return cube.chunks is not None and reach > 0 and min(inner, default=reach) >= reach

    def load(self, block: Block) -> xr.DataArray:
        """Return a block with what is around it, in memory; the same as one reading of both."""
        i, j = self._rows.index(block.y.start), self._columns.index(block.x.start)
        rows = [i + by for by in (-1, 0, 1) if 0 <= i + by < len(self._rows) - 1]
        columns = [j + by for by in (-1, 0, 1) if 0 <= j + by < len(self._columns) - 1]
        parts = []
        for row in rows:
            if row == i and self._first[row]:
                parts.append([self._beside_of("top", c - j, row, c) for c in columns])
            parts.append([self._beside(row - i, c - j, row, c) for c in columns])
        return _joined(parts)

    def _beside(self, down: int, right: int, row: int, column: int) -> xr.DataArray:
        """Return what a block needs of the chunk in a row and a column beside it, or of its own."""
        if down == 0:
            name = {-1: "right", 0: "whole", 1: "left"}[right]
            return self._taken((name, row, column))
        if down < 0:
            return self._beside_of("bottom", right, row, column)
        return self._beside_of("top", right, row, column).isel(y=slice(0, self._reach))

    def _beside_of(self, name: str, right: int, row: int, column: int) -> xr.DataArray:
        """Return what a block needs of the first or last rows of a chunk."""
        reach = self._reach
        ends = {-1: slice(-reach, None), 0: slice(None), 1: slice(0, reach)}
        return self._taken((name, row, column)).isel(x=ends[right])

    def _taken(self, key: _Key) -> xr.DataArray:
        """Return a part, which is read unless it was or another thread is reading it."""
        with self._lock:
            mine = key not in self._parts
            if mine:
                names = self._read_together(key[0])
                others = {name: _Part(self._uses(name, *key[1:])) for name in names}
                self._parts |= {(name, *key[1:]): part for name, part in others.items()}
            part = self._parts[key]
        if mine:
            self._read(key, others)
        found = part.value.result()
        with self._lock:
            part.uses -= 1
            for name in self._read_together(key[0]):
                if (other := self._parts.get((name, *key[1:]))) and other.uses == 0:
                    del self._parts[name, *key[1:]]
        return found

    def _read_together(self, name: str) -> tuple[str, ...]:
        """Return the names of the parts of a chunk that are read at once."""
        if name == "top" or (name == "bottom" and not self._keeps_rows):
            return (name,)
        return ("whole", "left", "right") + ("bottom",) * self._keeps_rows

    def _uses(self, name: str, row: int, column: int) -> int:
        """Return how many blocks need a part of a chunk."""
        last_row, last_column = len(self._rows) - 2, len(self._columns) - 2
        if name == "whole":
            return 1
        if name == "left":
            return int(column > 0)
        if name == "right":
            return int(column < last_column)
        blocks = 1 + (column > 0) + (column < last_column)
        if name == "bottom":
            return blocks if row < last_row else 0
        return blocks * ((row > 0) + (self._first[row] > 0))

    def _read(self, key: _Key, parts: dict[str, _Part]) -> None:
        """Read the parts of a chunk, in this thread, for all."""
        _, row, column = key
        reach = self._reach
        y = slice(self._rows[row], self._rows[row + 1])
        x = slice(self._columns[column], self._columns[column + 1])
        try:
            first = self._first[row]
            ends = {"top": slice(y.start, min(y.stop, y.start + (first or reach))),
                    "bottom": slice(max(y.start, y.stop - reach), y.stop)}  # fmt: skip
            y = slice(y.start + first, y.stop) if "whole" in parts else ends[key[0]]
            chunk = load_block(self._cube, Block(y, x))
            cuts: dict[str, dict[Hashable, slice]] = {
                "left": {"x": slice(0, reach)},
                "right": {"x": slice(-reach, None)},
                "bottom": {"y": slice(-reach, None)} if "whole" in parts else {},
            }
            for name, part in parts.items():
                # a copy, so that the chunk as a whole is not kept
                cut = cuts.get(name) and part.uses
                part.value.set_result(chunk.isel(cuts[name]).copy() if cut else chunk)
        except BaseException as error:
            for part in parts.values():
                if not part.value.done():
                    part.value.set_exception(error)


def _joined(parts: list[list[xr.DataArray]]) -> xr.DataArray:
    """Return parts of an image, in rows and columns, as one; with all their coordinates."""
    first, coords = parts[0][0], {}
    for name, own in first.coords.items():
        values = own.values
        if set(DIMS[:2]) <= set(own.dims):
            values = _filled([[each.coords[name] for each in row] for row in parts])
        coords[name] = (own.dims, values, own.attrs)
    return xr.DataArray(_filled(parts), coords, first.dims, first.name, first.attrs)


def _filled(parts: list[list[xr.DataArray]]) -> np.ndarray:
    """Return the values of parts of an image, in rows and columns, in one array."""
    first = parts[0][0]
    sizes = dict(first.sizes)
    sizes["y"] = sum(row[0].sizes["y"] for row in parts)
    sizes["x"] = sum(each.sizes["x"] for each in parts[0])
    whole = np.empty([sizes[name] for name in first.dims], first.dtype)
    y = 0
    for row in parts:
        x = 0
        for each in row:
            place = {"y": slice(y, y + each.sizes["y"]), "x": slice(x, x + each.sizes["x"])}
            whole[tuple(place.get(str(name), slice(None)) for name in first.dims)] = each.values
            x += each.sizes["x"]
        y += row[0].sizes["y"]
    return whole
