"""Images of maps, with what they show and how large their pixels are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from spectessera.result import pixel_size

CENTIMETRE = 0.01  # metres


def save_image(image: xr.DataArray, maps: xr.Dataset, name: str, path: Path) -> None:
    """Write a map (y, x) as a TIFF image of 32-bit floats, NaN where nothing is known.

    Its description (tag 270) is the name, the quantity and the unit; its resolution (tags 282, 283,
    in pixels per centimetre) that of the positions of the pixels, if these are lengths.

    Parameters
    ----------
    image : DataArray
        One of the maps.
    maps : Dataset
        All of them, whose positions it has.
    name : str
        Of the element, the line or the cluster.
    path : Path
    """
    from PIL import Image

    values = np.ascontiguousarray(image.transpose("y", "x").values, dtype=np.float32)
    unit = str(image.attrs.get("units", "")).strip()
    what = str(image.attrs.get("long_name", "" if image.name is None else image.name)).strip()
    words = "; ".join(each for each in (name, what, f"unit: {unit}" if unit else "") if each)
    how: dict[str, object] = {"description": words.encode("ascii", "backslashreplace").decode()}
    if (size := pixel_size(maps)) is not None:
        how["resolution_unit"] = "cm"
        how["x_resolution"] = CENTIMETRE / (size.x * size.metres)
        how["y_resolution"] = CENTIMETRE / (size.y * size.metres)
    Image.fromarray(values).save(path, format="TIFF", **how)
