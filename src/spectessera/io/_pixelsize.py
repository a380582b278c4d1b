"""The size of a pixel that a user gives: positions of rows and columns."""

from __future__ import annotations

import math
import re

import numpy as np
import xarray as xr

from spectessera.result.places import LENGTHS

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
        name: (name, step * np.arange(cube.sizes[name]), {"units": unit})
        for name, step in zip(("y", "x"), steps, strict=True)
    }
    return cube.assign_coords(positions)


def _parsed(text: str) -> tuple[float, float, str]:
    """Return height, width and unit of a pixel."""
    found = _SIZE.fullmatch(str(text).strip())
    try:
        if found is None or found[3].lower() not in LENGTHS:
            raise ValueError(text)
        height = float(found[1])
        width = float(found[2] or found[1])
    except ValueError:
        height = width = math.nan
    if found is None or not (0 < height < math.inf and 0 < width < math.inf):
        raise ValueError(
            "pixel_size (--pixel-size) takes a size with a unit of length, such as 0.5mm, or "
            f"height and width, such as 0.4,0.5mm; got {text!r}"
        )
    return height, width, found[3]
