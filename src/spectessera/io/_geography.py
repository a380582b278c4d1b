"""Where an image lies on the Earth: from the map info of ENVI, and from grid mappings of NetCDF.

What is kept of a cube are attributes: ``crs`` (an EPSG code, or the text of a coordinate reference
system), and ``geotransform`` with the image that it is of, ``geotransform_size``. Maps that are not
turned have coordinates of rows and columns too, which stay right when a part is cut out.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._common import StoredCube
from ._tree import Entry, Tree

Coordinates = dict[str, tuple[Any, ...]]
UNITS = {"meters": "m", "metres": "m", "m": "m", "degrees": "degree", "degree": "degree",
         "feet": "foot", "km": "km", "kilometers": "km"}  # fmt: skip
_MOST_WKT = 2**16  # characters


def placed_image(
    transform: tuple[float, ...], image: tuple[int, int], unit: str = ""
) -> tuple[Coordinates, dict[str, Any]]:
    """Return coordinates of rows and columns, and attributes, of an image on a map.

    Maps that are turned have no coordinates of rows and columns.

    Parameters
    ----------
    transform : tuple of six floats
        x0, dx/column, dx/row, y0, dy/column, dy/row.
    image : (int, int)
        Rows and columns.
    unit : str
        Of x and y; "": not known.
    """
    x0, dx, rx, y0, ry, dy = transform
    attrs: dict[str, Any] = {
        "geotransform": " ".join(f"{one:.17g}" for one in transform),
        "geotransform_size": f"{image[0]} {image[1]}",
    }
    if rx or ry or not (dx and dy):
        return {}, attrs
    y, x = (np.arange(n) + 0.5 for n in image)
    units = {"units": unit} if unit else {}
    return {"y": (("y",), y0 + dy * y, units), "x": (("x",), x0 + dx * x, units)}, attrs


def envi_words(found: dict[str, Any], image: tuple[int, int]) -> tuple[Coordinates, dict[str, Any]]:
    """Return coordinates and attributes from the map info of an ENVI header.

    A map info that makes no sense, or is of no map (Arbitrary, without a unit), gives none; its
    text stays an attribute of the cube.
    """
    words = found.get("map info")
    if not isinstance(words, list) or len(words) < 7:
        return {}, {}
    pairs = (word.lower().partition("=") for word in words if "=" in word)
    named = {name.strip(): value.strip() for name, _, value in pairs}
    unit = UNITS.get(named.get("units", "").lower(), "")
    try:
        column, row, x, y, dx, dy = (float(word) for word in words[1:7])
        turn = math.radians(float(named.get("rotation", 0)))
    except ValueError:
        return {}, {}
    if not all(map(math.isfinite, (column, row, x, y, dx, dy, turn))) or not (dx and dy):
        return {}, {}
    name = words[0].lower()
    if name == "arbitrary" and not unit:
        return {}, {}
    cosine, sine = (math.cos(turn), math.sin(turn)) if turn else (1.0, 0.0)
    across, down = (dx * cosine, dx * sine), (dy * sine, -dy * cosine)
    first = x - (column - 1) * across[0] - (row - 1) * down[0]
    top = y - (column - 1) * across[1] - (row - 1) * down[1]
    coords, attrs = placed_image((first, across[0], down[0], top, across[1], down[1]), image, unit)
    crs = _envi_crs(name, words, found)
    return coords, attrs | ({"crs": crs} if crs else {})


def _envi_crs(name: str, words: list[str], found: dict[str, Any]) -> str:
    """Return an EPSG code, or the text of a coordinate system, or ""."""
    datum = {word.replace(" ", "").replace("-", "").lower() for word in words[7:]}
    if "wgs84" in datum:
        zone = words[7].strip() if len(words) > 7 else ""
        if name == "utm" and zone.isdecimal() and 1 <= int(zone) <= 60:
            south = any(word.strip().lower() == "south" for word in words[8:])
            return f"EPSG:{(32700 if south else 32600) + int(zone)}"
        if name == "geographic lat/lon":
            return "EPSG:4326"
    return as_crs(found.get("coordinate system string"))


def as_crs(value: Any) -> str:
    """Return the text of a coordinate reference system (WKT, or EPSG:code), "" if it is none."""
    text = ",".join(value) if isinstance(value, list) else str(value or "")
    text = " ".join(text.strip().strip("{}").split())
    begins = ("PROJC", "GEOGC", "COMPD", "LOCAL", "BOUND", "EPSG:", "GEODC", "ENGCR")
    return text if text.upper().startswith(begins) and len(text) <= _MOST_WKT else ""


def add_grid_mapping(cube: StoredCube, tree: Tree, entry: Entry) -> None:
    """Add what the grid mapping of an array says: the coordinate system, and the map if turned.

    Of the CF conventions ``crs_wkt`` is read, and ``spatial_ref`` and ``GeoTransform`` of GDAL;
    names of projections with their parameters alone are not.
    """
    name = str(entry.attrs.get("grid_mapping") or "").partition(":")[0].strip()
    mapping = tree.named(entry.group, name) or tree.get(name) if name else None
    if mapping is None or "crs" in cube.attrs:
        return
    attrs = mapping.attrs
    crs = as_crs(attrs.get("crs_wkt")) or as_crs(attrs.get("spatial_ref"))
    cube.attrs |= {"crs": crs} if crs else {}
    words = str(attrs.get("GeoTransform") or "").split()
    try:
        transform = tuple(float(word) for word in words)
    except ValueError:
        return
    turned = (
        len(transform) == 6
        and all(map(math.isfinite, transform))
        and any(transform[n] for n in (2, 4))
    )
    if turned:
        cube.attrs |= placed_image(transform, cube.values.shape[:2])[1]
