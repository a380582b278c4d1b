"""How large the pixels of a map are, from the coordinates of its rows and columns."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from spectessera.axis import even_steps

# Lengths in metres. Angles, such as degrees of longitude, are no lengths.
LENGTHS = {
    "m": 1.0, "meter": 1.0, "meters": 1.0, "metre": 1.0, "metres": 1.0,
    "km": 1e3, "kilometer": 1e3, "kilometers": 1e3, "kilometre": 1e3, "kilometres": 1e3,
    "cm": 1e-2, "centimeter": 1e-2, "centimeters": 1e-2, "centimetre": 1e-2,
    "mm": 1e-3, "millimeter": 1e-3, "millimeters": 1e-3, "millimetre": 1e-3,
    "um": 1e-6, "µm": 1e-6, "μm": 1e-6, "micron": 1e-6, "microns": 1e-6, "micrometer": 1e-6,
    "micrometers": 1e-6, "micrometre": 1e-6,
    "nm": 1e-9, "nanometer": 1e-9, "nanometers": 1e-9, "nanometre": 1e-9,
    "foot": 0.3048, "feet": 0.3048, "ft": 0.3048, "inch": 0.0254, "inches": 0.0254,
}  # fmt: skip
MEGAMETRE = "Mm"  # of images of the sun; all others are known in any case
# Metres of a side of a pixel. Beyond, the numbers are a mistake, and areas are 0 or infinite.
SHORTEST, LONGEST = 1e-15, 1e15
STEP = (
    "step"  # attribute of the position of a single row or column: how high or wide its pixels are
)


def metres(unit: str) -> float | None:
    """Return one of a unit of length in metres; None if it is none that is known.

    >>> metres("MM"), metres("Mm"), metres("arcsec")
    (0.001, 1000000.0, None)
    """
    return 1e6 if unit == MEGAMETRE else LENGTHS.get(unit.lower())


def is_a_size(length: float) -> bool:
    """Return whether a number of metres may be the side of a pixel."""
    return SHORTEST <= length <= LONGEST


class PixelSize(NamedTuple):
    """Height and width of a pixel, both positive, and their unit as the file has it."""

    y: float
    x: float
    unit: str

    @property
    def metres(self) -> float:
        """One of the unit in metres."""
        return metres(self.unit) or math.nan


def _step(coordinate: Any) -> float | None:
    """Return the distance of positions; None if it is not even, or a single one does not say it."""
    values = coordinate.values.astype(np.float64)
    if len(values) > 1:
        even = even_steps(values)
        return None if even is None else even[1]
    given = coordinate.attrs.get(STEP)
    return float(given) if isinstance(given, (int, float, np.number)) else None


def pixel_size(array: Any) -> PixelSize | None:
    """Return the size of the pixels of a map.

    Parameters
    ----------
    array : DataArray or Dataset with dimensions y and x

    Returns
    -------
    PixelSize or None
        None unless both coordinates have even steps and the same unit, which is one of length, and
        a pixel is between 1e-15 and 1e15 m wide and high. A single row or column has none unless
        its coordinate has the attribute ``step``.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> image = xr.DataArray(np.zeros((3, 4)), dims=("y", "x"))
    >>> pixel_size(image) is None
    True
    >>> image["y"] = ("y", [0.0, -0.5, -1.0], {"units": "mm"})
    >>> image["x"] = ("x", [1.0, 1.25, 1.5, 1.75], {"units": "mm"})
    >>> pixel_size(image)
    PixelSize(y=0.5, x=0.25, unit='mm')
    """
    steps, units = [], set()
    for name in ("y", "x"):
        if name not in getattr(array, "coords", ()):
            return None
        coordinate = array.coords[name]
        if coordinate.ndim != 1 or coordinate.dtype.kind not in "iuf":
            return None
        step = _step(coordinate)
        if not step or not np.isfinite(step):
            return None
        steps.append(abs(step))
        units.add(str(coordinate.attrs.get("units", "")).strip())
    unit = units.pop() if len(units) == 1 else ""
    one = metres(unit)
    if one is None or not all(is_a_size(each * one) for each in steps):
        return None
    return PixelSize(steps[0], steps[1], unit)
