"""The size of a pixel that a user gives: positions of rows and columns."""

from __future__ import annotations

import re

import numpy as np
import xarray as xr

from spectessera.result.places import LONGEST, SHORTEST, STEP, is_a_size, metres

_SIZE = re.compile(r"([0-9.eE+-]+)\s*(?:,\s*([0-9.eE+-]+))?\s*([A-Za-zµμ]+)")
# Attributes of a cube whose pixels have a place on the sky or on a map.
_PLACED = ("wcs", "crs", "geotransform")


def with_pixel_size(cube: xr.DataArray, text: str) -> xr.DataArray:
    """Return the cube with positions of its rows and columns, from 0.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    text : str
        Such as "0.5 mm", or "0.4,0.5 mm" for height and width.

    Raises
    ------
    ValueError
        If the text is no size, or the pixels have a place on the sky or on a map.
    """
    *steps, unit = _parsed(text)
    if any(name in cube.attrs for name in _PLACED):
        raise ValueError(
            "the pixels of the file have places on the sky or on a map already; leave out "
            "pixel_size (--pixel-size)"
        )
    positions = {
        name: (
            name,
            step * np.arange(cube.sizes[name]),
            {"units": unit, **_alone(cube, name, step)},
        )
        for name, step in zip(("y", "x"), steps, strict=True)
    }
    return cube.assign_coords(positions)


def _alone(cube: xr.DataArray, name: str, step: float) -> dict[str, float]:
    """Return the size of a pixel where positions do not show it: there is one row, or column."""
    return {STEP: step} if cube.sizes[name] == 1 else {}


def _parsed(text: str) -> tuple[float, float, str]:
    """Return height, width and unit of a pixel."""
    found = _SIZE.fullmatch(str(text).strip())
    one = metres(found[3]) if found else None
    if found is None or one is None:
        raise ValueError(_expected(text))
    try:
        height, width = float(found[1]), float(found[2] or found[1])
    except ValueError:
        raise ValueError(_expected(text)) from None
    if not (is_a_size(height * one) and is_a_size(width * one)):
        raise ValueError(f"{_expected(text)}; a pixel is between {SHORTEST:g} and {LONGEST:g} m")
    return height, width, found[3]


def _expected(text: str) -> str:
    return (
        "pixel_size (--pixel-size) takes a size with a unit of length, such as 0.5mm, or height "
        f"and width, such as 0.4,0.5mm; got {text!r}"
    )
