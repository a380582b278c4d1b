"""Parts of large maps at the resolution of a screen: means of values, nearest labels."""

from __future__ import annotations

from typing import Literal

import numpy as np

from spectessera._util.check import check_choice, check_ndim, check_number, check_numeric
from spectessera.scale import LARGEST

# Rows that are halved at a time: their float64 copies stay small beside the map.
_ROWS = 512
# Parts of so many rows at most are added row by row, which numpy does faster than reduceat.
_BY_HAND = 16
# A level of so much fewer pixels than asked for is as good: it takes a quarter of the time.
_NEARLY = 1.15


class Levels:
    """A map, ready to be looked at in parts of any size.

    Labels are taken at the nearest pixel, so that no label appears that the map does not have.
    Values are means over the pixels that a pixel of the screen covers; missing ones (NaN, or
    beyond 1e30) are left out. For values, means of 2 x 2, 4 x 4, ... pixels are made once, which
    takes about two thirds of the memory of the map as float32.

    Parameters
    ----------
    map_2d : array (y, x)
        Labels (integers or bool) or values (real numbers).
    kind : str
        "label" or "value".

    Raises
    ------
    ValueError, TypeError
        If it is no map with at least one pixel, or ``kind`` is another word.

    Examples
    --------
    >>> import numpy as np
    >>> levels = Levels(np.array([[1.0, 3.0, 5.0, np.nan], [1.0, 3.0, 5.0, np.nan]]))
    >>> levels.view(0, 2, 0, 4, height=1, width=2)
    array([[2., 5.]], dtype=float32)
    """

    def __init__(self, map_2d: np.ndarray, kind: Literal["label", "value"] = "value") -> None:
        check_choice("kind", kind, ("label", "value"))
        self.map = np.asarray(map_2d)
        check_ndim("a map", self.map, 2, "(y, x)")
        check_numeric("a map", self.map)
        if 0 in self.map.shape:
            raise ValueError(f"a map needs at least one pixel; got shape {self.map.shape}")
        self.kind = kind
        self.shape: tuple[int, int] = (self.map.shape[0], self.map.shape[1])
        self._halves: list[tuple[np.ndarray, np.ndarray]] = []
        if kind == "value":
            means, weights = self._level(0, slice(None), slice(None))
            while max(means.shape) > 1:
                means, weights = _halved(means, weights)
                self._halves.append((means, weights))

    @property
    def nbytes(self) -> int:
        """Bytes of the means that were made, beside the map itself."""
        return sum(means.nbytes + weights.nbytes for means, weights in self._halves)

    def view(self, y0: int, y1: int, x0: int, x1: int, height: int, width: int) -> np.ndarray:
        """Return rows y0 to y1 and columns x0 to x1 (without y1 and x1), made smaller if needed.

        Parameters
        ----------
        y0, y1, x0, x1 : int
            What lies outside the map is cut off.
        height, width : int
            Largest size of what is returned, at least 1.

        Returns
        -------
        array (at most height, at most width)
            Labels of the type of the map, or float32 values; NaN where all are missing. Of shape
            (0, 0) if no pixel of the map is in the part.
        """
        check_number("height", height, low=1, integer=True)
        check_number("width", width, low=1, integer=True)
        y0, y1 = max(0, int(y0)), min(self.shape[0], int(y1))
        x0, x1 = max(0, int(x0)), min(self.shape[1], int(x1))
        if y0 >= y1 or x0 >= x1:
            return np.zeros((0, 0), self.map.dtype if self.kind == "label" else np.float32)
        height, width = min(height, y1 - y0), min(width, x1 - x0)
        if self.kind == "label":
            return self.map[np.ix_(_centres(y0, y1, height), _centres(x0, x1, width))]
        factor = min((y1 - y0) / height, (x1 - x0) / width)
        level = min(int(np.log2(factor * _NEARLY)), len(self._halves))
        rows = _edges(y0, y1, height, level)
        return self._means(level, rows, _edges(x0, x1, width, level))

    def _means(self, level: int, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the means between edges (n + 1,) of rows and columns of a level."""
        part = slice(rows[0], rows[-1]), slice(columns[0], columns[-1])
        means, weights = self._level(level, *part)
        if (len(rows) - 1, len(columns) - 1) != means.shape:
            rows, columns = rows - rows[0], columns - columns[0]
            means = _in_both(means * weights, rows, columns)
            weights = _in_both(weights, rows, columns)
            means /= np.maximum(weights, 1)
        return np.where(weights > 0, means, np.float32(np.nan))

    def _level(self, level: int, y: slice, x: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return means (0 where there is none) and how many pixels they are of, float32."""
        if level:
            means, weights = self._halves[level - 1]
            return means[y, x], weights[y, x]
        with np.errstate(over="ignore"):  # what is too large for float32 is missing
            means = self.map[y, x].astype(np.float32)
        there = np.abs(means) <= LARGEST
        if not there.all():
            means[~there] = 0
        return means, there.astype(np.float32)


def _centres(first: int, stop: int, count: int) -> np.ndarray:
    """Return the pixels in the middle of so many equal parts of a range."""
    return first + ((2 * np.arange(count) + 1) * (stop - first)) // (2 * count)


def _edges(first: int, stop: int, count: int, level: int) -> np.ndarray:
    """Return the edges of at most so many parts of a range, in pixels of a level.

    Each is less than a pixel of the level from its place, and no part is empty.
    """
    low, high = first >> level, -(-stop >> level)
    if high - low <= count:
        return np.arange(low, high + 1)
    edges = np.linspace(first, stop, count + 1) / 2**level
    if edges[1] - edges[0] < 1:
        edges = np.linspace(low, high, count + 1)
    return np.floor(edges + 0.5).astype(np.int64)


def _in_both(values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the sums between edges of rows and of columns."""
    return _summed(np.ascontiguousarray(_summed(values, rows).T), columns).T


def _summed(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return sums, float32, of the rows between edges (n + 1,); none of the parts is empty."""
    first, last = edges[:-1], edges[1:] - 1
    most = int((last - first).max()) + 1
    if most > _BY_HAND:
        return np.add.reduceat(values, first, axis=0, dtype=np.float64).astype(np.float32)
    sums = values[first]
    for more in range(1, most):
        here = np.flatnonzero(first + more <= last)
        sums[here] += values[first[here] + more]
    return sums


def _halved(means: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means and weights of 2 x 2 pixels each; fewer at the last row and column."""
    shape = tuple(-(-size // 2) for size in means.shape)
    half, count = np.empty((2, *shape), np.float32)
    for first in range(0, means.shape[0], _ROWS):
        rows, some = slice(first, first + _ROWS), slice(first // 2, (first + _ROWS) // 2)
        number = _pairs(weights[rows].astype(np.float64))
        sums = _pairs(means[rows].astype(np.float64) * weights[rows])
        half[some], count[some] = sums / np.maximum(number, 1), number
    return half, count


def _pairs(values: np.ndarray) -> np.ndarray:
    """Return the sums of 2 x 2 values each; fewer at the last row and column."""
    for axis in range(2):
        odd = np.take(values, range(1, values.shape[axis], 2), axis=axis)
        values = np.take(values, range(0, values.shape[axis], 2), axis=axis)
        values[tuple(slice(size) for size in odd.shape)] += odd
    return values
