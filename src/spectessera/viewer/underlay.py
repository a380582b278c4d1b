"""The photograph under the maps: its pairs of points, its alignment, and what is seen of it.

Positions are (x, y) from the corner of the first pixel, whose centre is (0.5, 0.5).
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal

import numpy as np

from spectessera._util.text import counted

from .drawing import Window
from .images import read_image
from .photograph import LEAST_POINTS, Alignment, align, warp
from .points import PointPairs, read_points, write_points

MOST_PAIRS = 200
MOST_SIDE = 1600  # pixels of the copy on which points are clicked
Kind = Literal["affine", "projective"]


class Underlay:
    """A photograph that is laid under the maps.

    Parameters
    ----------
    photo : str or Path
    points : str or Path, optional
        The file of its pairs of points; it is written if it is not there yet, and when pairs are
        added or removed.

    Raises
    ------
    FileNotFoundError, ValueError
        If one of the files cannot be read.
    """

    def __init__(self, photo: str | Path, points: str | Path | None = None) -> None:
        self.image = read_image(photo)
        self.path = None if points is None else Path(points)
        self.pairs: list[tuple[float, float, float, float]] = []  # x, y in the image and the map
        self.kind: Kind = "affine"
        self.alignment: Alignment | None = None
        self.problem = ""
        self._lock = threading.RLock()
        if self.path is not None and self.path.exists():
            given = read_points(self.path)
            rows = np.column_stack([given.image, given.map]).tolist()
            self.pairs = [(row[0], row[1], row[2], row[3]) for row in rows]
        self._align()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the photograph."""
        return self.image.shape[0], self.image.shape[1]

    def small(self) -> np.ndarray:
        """Return a copy on which points are clicked: every n-th pixel, (y, x, 4) uint8."""
        step = -(-max(self.shape) // MOST_SIDE)
        return np.ascontiguousarray(self.image[::step, ::step])

    def add(self, pair: tuple[float, float, float, float]) -> None:
        """Add a pair: x and y in the image, x and y in the map."""
        if len(self.pairs) >= MOST_PAIRS:
            raise ValueError(f"there are {MOST_PAIRS} pairs already; remove one first")
        self._set([*self.pairs, pair])

    def remove(self, place: int) -> None:
        """Remove a pair."""
        self._set([pair for at, pair in enumerate(self.pairs) if at != place])

    def choose(self, kind: Kind) -> None:
        """Align in another way."""
        with self._lock:
            self.kind = kind
            self._align()

    def _set(self, pairs: list[tuple[float, float, float, float]]) -> None:
        with self._lock:
            self.pairs = pairs
            self._align()
            if self.path is not None:
                rows = np.array(pairs, dtype=np.float64).reshape(-1, 4)
                write_points(self.path, PointPairs(rows[:, :2], rows[:, 2:]))

    def _align(self) -> None:
        """Align the photograph by its pairs, or say what is missing."""
        self.alignment, self.problem = None, ""
        missing = LEAST_POINTS[self.kind] - len(self.pairs)
        if missing > 0:
            self.problem = (
                f"{counted(missing, 'more pair', 'more pairs')} of points needed ({self.kind})."
            )
            return
        rows = np.array(self.pairs, dtype=np.float64)
        try:
            self.alignment = align(rows[:, :2], rows[:, 2:], self.kind)
        except ValueError as error:
            self.problem = str(error)

    def under(self, window: Window) -> np.ndarray | None:
        """Return what lies under a part of the map, (y, x, 4) uint8; None without an alignment."""
        alignment = self.alignment
        if alignment is None:
            return None
        part = window.y0, window.y1, window.x0, window.x1
        return warp(self.image, alignment, (window.height, window.width), part)
