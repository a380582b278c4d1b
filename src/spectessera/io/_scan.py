"""Spectra that are stored as a list of points, and the image that they make."""

from __future__ import annotations

import re
from itertools import permutations

import numpy as np

LEAST_FILLED = 0.5  # share of the pixels of a grid that a scan reaches at least
MAX_MOTORS = 12

_MOTOR = r"[A-Za-z_]\w*"
_NUMBER = r"[-+]?[0-9.]+(?:[eE][-+]?\d+)?"
# fscan2d slow start step points fast start step points time (BLISS)
_FSCAN = re.compile(
    rf"f(?:scan2d|tscan2d)\s+{_MOTOR}\s+{_NUMBER}\s+{_NUMBER}\s+(\d+)\s+{_MOTOR}\s+{_NUMBER}\s+"
    rf"{_NUMBER}\s+(\d+)"
)
# amesh fast start stop intervals slow start stop intervals time (BLISS, SPEC)
_MESH = re.compile(
    rf"[ad]?mesh\s+{_MOTOR}\s+{_NUMBER}\s+{_NUMBER}\s+(\d+)\s+{_MOTOR}\s+{_NUMBER}\s+{_NUMBER}\s+"
    r"(\d+)"
)


def shape_in_title(title: str) -> tuple[int, int] | None:
    """Return rows and columns of the image from the command of a scan, or None.

    Examples
    --------
    >>> shape_in_title("fscan2d sampz 0 0.1 24 sampy 0 0.1 30 0.01")
    (24, 30)
    >>> shape_in_title("amesh sampy 0 3 29 sampz 0 2.4 23 0.1")
    (24, 30)
    """
    match = _FSCAN.search(title)
    if match:
        return int(match[1]), int(match[2])
    match = _MESH.search(title)
    return (int(match[2]) + 1, int(match[1]) + 1) if match else None


def steps_of(positions: np.ndarray) -> np.ndarray | None:
    """Return for every position (point,) the number of its step from 0, or None if they have none.

    Positions of one step may differ by up to a quarter of a step.
    """
    order = np.argsort(positions, kind="stable")
    gaps = np.diff(positions[order])
    if not np.isfinite(gaps).all() or gaps.size == 0 or gaps.max() <= 0:
        return None
    new = gaps > 0.5 * gaps.max()
    steps = np.zeros(len(positions), dtype=np.int64)
    steps[order[1:]] = np.cumsum(new)
    return steps


def grid_of(y: np.ndarray, x: np.ndarray) -> np.ndarray | None:
    """Return the number of the point at every pixel (y, x), -1 for none.

    None if the positions make no grid: two points on one pixel, or too many pixels without one.
    """
    rows, columns = steps_of(y), steps_of(x)
    if rows is None or columns is None:
        return None
    height, width = int(rows.max()) + 1, int(columns.max()) + 1
    if height * width > len(y) / LEAST_FILLED or min(height, width) < 2:
        return None
    place = np.full((height, width), -1, dtype=np.int64)
    place[rows, columns] = np.arange(len(y))
    return place if (place >= 0).sum() == len(y) else None


def grid_of_motors(
    motors: dict[str, np.ndarray], vertical: tuple[str, ...] = ("z", "y")
) -> tuple[np.ndarray, str, str] | None:
    """Return the grid that two of several motors make, and the names of that of y and of x.

    Parameters
    ----------
    motors : dict of str to array (point,)
    vertical : tuple of str
        A motor whose name ends so is along y, the earlier the more likely; if neither says, the
        slow one is.
    """
    moving = {name: v for name, v in motors.items() if np.isfinite(v).all() and np.ptp(v) > 0}
    for first, second in permutations(list(moving)[:MAX_MOTORS], 2):
        if not _slower(moving[first], moving[second]):
            continue
        place = grid_of(moving[first], moving[second])
        if place is None:
            continue
        ranks = [_rank(name, vertical) for name in (first, second)]
        if ranks[1] < ranks[0]:
            return np.ascontiguousarray(place.T), second, first
        return place, first, second
    return None


def _rank(name: str, vertical: tuple[str, ...]) -> int:
    """Return the place of the last letter of a name in ``vertical``."""
    letter = re.sub(r"\d+$", "", name.lower())[-1:]
    return vertical.index(letter) if letter in vertical else len(vertical)


def _slower(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether the first motor takes fewer steps than the second."""
    moves = [int((np.abs(np.diff(v)) > 0.25 * np.ptp(v) / len(v)).sum()) for v in (first, second)]
    return moves[0] <= moves[1]
