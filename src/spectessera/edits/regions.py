"""Regions of an image, in pixels: which pixels are inside depends on nothing but the numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from spectessera._util.check import check_number
from spectessera._util.text import counted

MOST_POINTS = 10_000  # corners of a polygon
MOST_RUNS = 100_000
LARGEST = 1_000_000  # rows or columns

Shape = tuple[int, int]


@dataclass(frozen=True)
class Rectangle:
    """Rows from ``y0`` to ``y1 - 1`` and columns from ``x0`` to ``x1 - 1``, counted from 0.

    Raises
    ------
    TypeError, ValueError
        If a number is no integer, or the rectangle is empty.

    Examples
    --------
    >>> Rectangle(0, 1, 1, 3).inside((2, 4)).astype(int).tolist()
    [[0, 1, 1, 0], [0, 0, 0, 0]]
    """

    y0: int
    y1: int
    x0: int
    x1: int

    def __post_init__(self) -> None:
        for name in ("y0", "y1", "x0", "x1"):
            check_number(name, getattr(self, name), low=0, high=LARGEST, integer=True)
        if self.y0 >= self.y1 or self.x0 >= self.x1:
            raise ValueError(
                f"a rectangle has rows y0:y1 and columns x0:x1 with y0 < y1 and x0 < x1; got "
                f"{self.y0}:{self.y1},{self.x0}:{self.x1}"
            )

    def inside(self, shape: Shape) -> np.ndarray:
        """Return which pixels (y, x) of an image are inside."""
        found = np.zeros(shape, bool)
        found[self.y0 : self.y1, self.x0 : self.x1] = True
        return found

    def in_words(self) -> str:
        """Return what it is."""
        return f"rows {self.y0} to {self.y1 - 1}, columns {self.x0} to {self.x1 - 1}"


@dataclass(frozen=True)
class Polygon:
    """The pixels whose centres are inside a polygon, by the even-odd rule.

    Parameters
    ----------
    points : sequence of (y, x)
        Corners, 3 to 10,000, in pixels: the centre of the first pixel is (0, 0). A centre on an
        edge at the left or at the top is inside, one on an edge at the right or at the bottom is
        not.

    Raises
    ------
    TypeError, ValueError
        If there are fewer or more, or a number is not finite or beyond a million.

    Examples
    --------
    >>> Polygon(((0, 0), (0, 2), (2, 0))).inside((3, 3)).astype(int).tolist()
    [[1, 1, 0], [1, 0, 0], [0, 0, 0]]
    """

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        points = tuple(_floats(each, 2, "a corner of a polygon is [y, x]") for each in self.points)
        if not 3 <= len(points) <= MOST_POINTS:
            raise ValueError(f"a polygon has 3 to {MOST_POINTS} corners; got {len(points)}")
        object.__setattr__(self, "points", points)

    def inside(self, shape: Shape) -> np.ndarray:
        """Return which pixels (y, x) of an image are inside."""
        found = np.zeros(shape, bool)
        start = np.array(self.points, np.float64)
        (y0, x0), (y1, x1) = start.T, np.roll(start, -1, axis=0).T
        first, last = max(0, math.ceil(y0.min())), min(shape[0] - 1, math.floor(y0.max()))
        columns = np.arange(shape[1])
        for row in range(first, last + 1):
            crossed = (y0 <= row) != (y1 <= row)
            rise = (row - y0[crossed]) / (y1[crossed] - y0[crossed])
            cuts = np.sort(x0[crossed] + rise * (x1[crossed] - x0[crossed]))
            found[row] = np.searchsorted(cuts, columns, side="right") % 2 == 1
        return found

    def in_words(self) -> str:
        """Return what it is."""
        y, x = np.array(self.points).T
        return (
            f"a polygon of {len(self.points)} corners in rows {y.min():g} to {y.max():g}, columns "
            f"{x.min():g} to {x.max():g}"
        )


@dataclass(frozen=True)
class Runs:
    """Pieces of rows, as a lasso gives them: row ``y``, columns from ``x0`` to ``x1 - 1``.

    Raises
    ------
    TypeError, ValueError
        If there is none or more than 100,000, a number is no integer, or a piece is empty.

    Examples
    --------
    >>> Runs(((0, 1, 3), (1, 0, 1))).inside((2, 4)).astype(int).tolist()
    [[0, 1, 1, 0], [1, 0, 0, 0]]
    """

    runs: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        runs = tuple(_integers(each, 3, "a run is [y, x0, x1]") for each in self.runs)
        if not 1 <= len(runs) <= MOST_RUNS:
            raise ValueError(f"a region has 1 to {MOST_RUNS} runs; got {len(runs)}")
        empty = next((each for each in runs if each[1] >= each[2]), None)
        if empty is not None:
            raise ValueError(f"a run is [y, x0, x1] with x0 < x1; got {list(empty)}")
        object.__setattr__(self, "runs", runs)

    @staticmethod
    def of(inside: np.ndarray) -> Runs:
        """Return the runs of a mask (y, x).

        Examples
        --------
        >>> Runs.of(np.array([[False, True, True], [True, False, True]])).runs
        ((0, 1, 3), (1, 0, 1), (1, 2, 3))
        """
        padded = np.pad(np.asarray(inside, bool), ((0, 0), (1, 1)))
        steps = np.diff(padded.astype(np.int8), axis=1)
        rows, starts = np.nonzero(steps == 1)
        stops = np.nonzero(steps == -1)[1]
        return Runs(tuple(zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True)))

    def inside(self, shape: Shape) -> np.ndarray:
        """Return which pixels (y, x) of an image are inside."""
        found = np.zeros(shape, bool)
        for y, x0, x1 in self.runs:
            if y < shape[0]:
                found[y, x0:x1] = True
        return found

    def in_words(self) -> str:
        """Return what it is."""
        rows = [each[0] for each in self.runs]
        pixels = sum(each[2] - each[1] for each in self.runs)
        return f"{counted(pixels, 'pixel')} drawn in rows {min(rows)} to {max(rows)}"


Region = Rectangle | Polygon | Runs


def _integers(given: object, count: int, what: str) -> tuple[int, ...]:
    """Return some integers from 0 on; raise unless they are."""
    values = _several(given, count, what)
    for value in values:
        check_number(f"{what}; a number", value, low=0, high=LARGEST, integer=True)
    return values


def _floats(given: object, count: int, what: str) -> tuple[float, ...]:
    """Return some numbers; raise unless they are."""
    values = _several(given, count, what)
    for value in values:
        check_number(f"{what}; a number", value, low=-LARGEST, high=LARGEST)
    return values


def _several(given: object, count: int, what: str) -> tuple[Any, ...]:
    if not isinstance(given, (list, tuple)) or len(given) != count:
        raise ValueError(f"{what}; got {str(given)[:60]}")
    return tuple(given)
