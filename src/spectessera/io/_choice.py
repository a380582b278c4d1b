"""What a layout says of a cube: which arrays it is, and everything that the file's tree alone
does not show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from spectessera.conventions.dims import Dim

from ._tree import Entry


class AxisValues(NamedTuple):
    """A spectral axis as a layout gives it.

    Attributes
    ----------
    values : array (channel,)
    unit : str or None
        None: the file gives none.
    name : str
        Of the axis, such as "energy"; with it a missing unit is guessed.
    kind : str
        "" for that of the unit.
    source : str
        Where it was found, for people.
    medium : str
        "air", "vacuum" or "".
    """

    values: np.ndarray
    unit: str | None
    name: str
    kind: str
    source: str
    medium: str = ""


@dataclass
class Choice:
    """The arrays that are the cube.

    Parameters
    ----------
    entries : list of Entry
        One, or several of one shape: detectors, of which all are added.
    program : str
        Whose layout it is, for people; "" for that of no known program.
    layout : tuple of int, optional
        Stored axis of y, x and channel in files of this program.
    dims : sequence of Dim, optional
        Names and units of the stored axes, in place of those of the tree.
    scales : sequence of AxisValues or None, optional
        The values along each stored axis.
    axis : AxisValues, optional
        The spectral axis, if it is not one of ``scales``.
    place : array (y, x) of int, optional
        For spectra stored as points: the number of the point at every pixel, -1 for none.
    place_source : str
        How that was found.
    companions : dict of str to Entry
        "variance", "error", "ivar", "mask", "live_time", "real_time", "dead_time", "y", "x".
    notes : list of str
        What was assumed.
    is_detector : bool
        Whether it is one of several detectors, chosen by the user.
    """

    entries: list[Entry]
    program: str = ""
    layout: tuple[int, ...] | None = None
    dims: Sequence[Dim] | None = None
    scales: Sequence[AxisValues | None] = ()
    axis: AxisValues | None = None
    place: np.ndarray | None = None
    place_source: str = ""
    companions: dict[str, Entry] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    is_detector: bool = False

    @property
    def entry(self) -> Entry:
        """The first array, whose group the companions are searched in."""
        return self.entries[0]


def polynomial(coefficients: Any, channels: int) -> np.ndarray | None:
    """Return a + b n + c n^2 ... for channels n, or None if this is no calibration."""
    numbers = np.asarray(coefficients, dtype=np.float64).ravel()
    if not 2 <= numbers.size <= 4 or not np.isfinite(numbers).all() or numbers[1] == 0:
        return None
    values = np.polynomial.polynomial.polyval(np.arange(channels, dtype=np.float64), numbers)
    return np.asarray(values) if (np.diff(values) > 0).all() else None
