"""Numbers as small images of colour numbers, and outlines of clusters: plain arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LEVELS = 255  # colours of a map of numbers; 0 is for what is missing
MOST_SIDE = 4096  # pixels of a screen


class Window(NamedTuple):
    """A part of an image, and the size in which it is seen.

    Attributes
    ----------
    y0, y1, x0, x1 : int
        Rows y0 to y1 and columns x0 to x1, without y1 and x1.
    height, width : int
        Pixels of the screen.
    """

    y0: int
    y1: int
    x0: int
    x1: int
    height: int
    width: int

    @property
    def corner(self) -> tuple[float, float, int, int]:
        """X and y of the outer corner of the first pixel, width and height in pixels."""
        return self.x0 - 0.5, self.y0 - 0.5, self.x1 - self.x0, self.y1 - self.y0


def colour_numbers(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return numbers of colours, 1 to 255 from low to high, 0 where a value is missing.

    Examples
    --------
    >>> colour_numbers(np.array([[0.0, 1.0, np.nan, 9.0]]), 0.0, 1.0).tolist()
    [[1, 255, 0, 255]]
    """
    known = np.isfinite(values)
    share = (np.where(known, values, low) - low) / (high - low)
    numbers = 1 + np.rint(np.clip(share, 0, 1) * (LEVELS - 1))
    return np.where(known, numbers, 0).astype(np.uint8)


def label_numbers(labels: np.ndarray, most: int) -> np.ndarray:
    """Return labels in the smallest type of number that holds them; larger ones are 0."""
    kept = np.where((labels >= 0) & (labels <= most), labels, 0)
    return kept.astype(np.uint8 if most < 256 else np.uint16)


def outlines(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return 1 where the label changes to the next row or column, 0 elsewhere, uint8.

    Labels (y, x) are repeated first so that a line is about one pixel of the screen wide.

    Examples
    --------
    >>> outlines(np.array([[1, 2]]), 1, 4).tolist()
    [[0, 1, 0, 0]]
    """
    if not labels.size:
        return np.zeros(labels.shape, dtype=np.uint8)
    rows = max(1, height // labels.shape[0])
    columns = max(1, width // labels.shape[1])
    fine = labels.repeat(rows, axis=0).repeat(columns, axis=1)
    edges = np.zeros(fine.shape, dtype=np.uint8)
    edges[:-1] |= fine[:-1] != fine[1:]
    edges[:, :-1] |= fine[:, :-1] != fine[:, 1:]
    return edges


def holds(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return which points (n, 2) are inside a polygon (even-odd rule), bool (n,).

    Examples
    --------
    >>> holds(np.array([[0, 0], [2, 0], [0, 2]]), np.array([[0.5, 0.5], [2, 2]])).tolist()
    [True, False]
    """
    found = np.zeros(len(points), dtype=bool)
    x, y = np.asarray(points, dtype=np.float64).T
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y1 != y2:
            crossed = (y1 <= y) != (y2 <= y)
            found ^= crossed & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return found
