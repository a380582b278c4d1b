"""Where a result is on a map: the transform from pixels, and the coordinate system."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera.axis import even_steps

Six = tuple[float, float, float, float, float, float]


class Georeference(NamedTuple):
    """Place of an image on a map.

    ``transform`` is x0, dx/column, dx/row, y0, dy/column, dy/row from the upper left corner of the
    first pixel, as GDAL has it; ``crs`` is an EPSG code or WKT, "" if it is not known.
    """

    transform: Six
    crs: str

    def points(self, corners: np.ndarray) -> np.ndarray:
        """Return x and y on the map (n, 2) of corners (n, 2), x and y in pixels."""
        x0, dx, rx, y0, ry, dy = self.transform
        column, row = corners.T.astype(np.float64)
        return np.stack([x0 + dx * column + rx * row, y0 + ry * column + dy * row], axis=1)

    @property
    def area(self) -> float:
        """Area of a pixel, in the square of the unit of the map."""
        _, dx, rx, _, ry, dy = self.transform
        return abs(dx * dy - rx * ry)

    @property
    def reverses(self) -> bool:
        """Whether a ring with a positive area in pixels has a negative one on the map."""
        _, dx, rx, _, ry, dy = self.transform
        return dx * dy - rx * ry < 0


def georeference_of(result: xr.Dataset) -> Georeference | None:
    """Return the place of a result on a map; None if it is not known.

    Coordinates of rows and columns with even steps are used first, where they have a unit or the
    result has a coordinate system; maps that are turned have the attribute ``geotransform``, which
    counts for the whole image only. Images of the sky, and mosaics of scans, are on no map.

    Without a coordinate system, as of a scanner, y gets a minus sign where it grows from row to
    row: on maps it grows upwards, and the image would be upside down.
    """
    attrs = result.attrs
    if "wcs" in attrs or "scans" in attrs:
        return None
    crs = str(attrs.get("crs", ""))
    along_y, along_x = (_even(result, name) for name in ("y", "x"))
    if along_y and along_x:
        units = {str(result[name].attrs.get("units", "")) for name in ("y", "x")}
        if crs or (len(units) == 1 and units != {""} and units != {"pixel"}):
            (y, dy), (x, dx) = along_y, along_x
            if not crs and dy > 0:
                y, dy = -y, -dy
            return Georeference((x - dx / 2, dx, 0.0, y - dy / 2, 0.0, dy), crs)
    image = f"{result.sizes['y']} {result.sizes['x']}"
    whole = attrs.get("geotransform_size", image) == image
    transform = _six(attrs.get("geotransform")) if whole and crs else None
    return None if transform is None else Georeference(transform, crs)


def _even(result: xr.Dataset, name: str) -> tuple[float, float] | None:
    """Return the first value and the step of a coordinate of at least two even steps."""
    if name not in result.coords:
        return None
    coordinate = result.coords[name]
    if coordinate.ndim != 1 or coordinate.dtype.kind not in "iuf":
        return None
    values = coordinate.values.astype(np.float64)
    even = even_steps(values) if len(values) > 1 and np.isfinite(values).all() else None
    return None if even is None or even[1] == 0 else even


def _six(text: Any) -> Six | None:
    """Return the six numbers of a transform, None if they make no sense."""
    try:
        found = [float(word) for word in str(text or "").split()]
    except ValueError:
        return None
    if len(found) != 6 or not all(map(math.isfinite, found)):
        return None
    x0, dx, rx, y0, ry, dy = found
    return (x0, dx, rx, y0, ry, dy) if dx * dy - rx * ry else None


def rasterio_crs(crs: str) -> Any:
    """Return a coordinate system as an object of rasterio; None for "".

    Raises
    ------
    ImportError
        If rasterio is not installed.
    ValueError
        If GDAL does not understand it.
    """
    rasterio = import_rasterio()
    if not crs:
        return None
    try:
        return rasterio.crs.CRS.from_user_input(crs)
    except rasterio.errors.CRSError as error:
        raise ValueError(
            f"the coordinate system of the result is not understood by GDAL: {crs[:80]!r} "
            f"({error}); correct it: result.attrs['crs'] = 'EPSG:32633'"
        ) from error


def import_rasterio() -> Any:
    """Return the package rasterio, or say how to install it."""
    try:
        import rasterio
        import rasterio.crs
        import rasterio.errors
    except ImportError as error:
        raise ImportError(
            'maps for QGIS need the package rasterio: pip install "spectessera[geo]"'
        ) from error
    return rasterio
