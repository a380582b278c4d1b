"""Spectral axes as users give them: numbers, a pair, Quantities, or words about another axis."""

from __future__ import annotations

import sys
import warnings
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.text import counted
from spectessera.axis import Axis
from spectessera.conventions.units import guessed_unit

from ._parts import numbers_along

UNITS = {"energy": "keV", "wavelength": "angstrom", "axis": ""}  # where none is given


class GivenAxis(NamedTuple):
    """What is given about a spectral axis: see :func:`spectessera.make_cube`."""

    energy: Any
    wavelength: Any
    axis: Any
    unit: str | None
    kind: str | None
    medium: str

    def instead_of(self, own: Axis | None) -> GivenAxis:
        """Return what holds for an object with its own axis: that one, with words about it."""
        if own is None or any(each is not None for each in self[:3]):
            return self
        axis = Axis(
            own.values,
            unit=own.unit if self.unit is None else self.unit,
            kind=self.kind or ("" if self.unit is not None else own.kind),
            medium=self.medium or own.medium,
        )
        return GivenAxis(None, None, axis, None, None, "")

    def of(self, channels: int) -> Axis:
        """Return the axis of so many channels; they are counted if none is given.

        Raises
        ------
        ValueError
            If several are given, or what is given fits neither the channels nor its kind.
        """
        given = {"energy": self.energy, "wavelength": self.wavelength, "axis": self.axis}
        named = [name for name, value in given.items() if value is not None]
        if len(named) > 1:
            raise ValueError(f"give one spectral axis; got {' and '.join(named)}")
        if not named:
            if self.unit:
                raise ValueError(
                    f"unit {self.unit!r} was given without an axis: add axis=(first, last)"
                )
            return Axis(np.arange(channels))
        name = named[0]
        result = self._made(given[name], name, channels)
        if len(result) != channels:
            raise ValueError(
                f"the axis has {counted(len(result), 'value')} but the cube has "
                f"{counted(channels, 'channel')}; "
                "give one value per channel, or (first, last)"
            )
        if name != "axis" and result.kind not in (name, "energy_loss"):
            raise ValueError(f"{result.unit!r} is not a unit of {name}; use axis= for another kind")
        return result

    def _made(self, value: Any, name: str, channels: int) -> Axis:
        """Return the axis of a value that is one, or of numbers with or without a unit."""
        if isinstance(value, Axis):
            if self.unit or self.kind or self.medium:
                raise ValueError(
                    "an Axis has its own unit, kind and medium; leave those arguments out"
                )
            return value
        usual_unit = UNITS[name]
        numbers, own_unit = numbers_along(value)
        if own_unit and self.unit:
            numbers = Axis(numbers, own_unit).to(self.unit).values
        unit = self.unit if self.unit is not None else own_unit
        if numbers.shape == (2,) and channels != 2:
            numbers = np.linspace(numbers[0], numbers[1], channels)
        if unit is None:
            _warn_of_unit(name, numbers, usual_unit)
        return Axis(
            numbers,
            unit=usual_unit if unit is None else unit,
            kind=self.kind or "",
            medium=self.medium,
        )


def _warn_of_unit(name: str, numbers: np.ndarray, usual_unit: str) -> None:
    """Warn where numbers without a unit look like another one than that in which they are taken."""
    likely = guessed_unit(name, numbers)[0]
    if likely and likely != usual_unit:
        low, high = numbers.min(), numbers.max()
        warnings.warn(
            f"{name} from {low:g} to {high:g} is taken as {usual_unit}, since no unit is given; "
            f'if it is in {likely}, give unit="{likely}" (--unit {likely}), and otherwise '
            f'unit="{usual_unit}", which ends this warning',
            stacklevel=_outside_the_package(),
        )


def _outside_the_package() -> int:
    """Return the level of the caller outside of the package, which a warning is to name."""
    level = 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("spectessera"):
        level, frame = level + 1, frame.f_back
    return level
