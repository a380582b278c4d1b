"""The label map as a classification file of ENVI: an image and its header."""

from __future__ import annotations

import math
import re
from pathlib import Path

from .contents import Contents
from .georeference import Georeference, rasterio_crs

_TYPES = {"uint8": 1, "uint16": 12}
UNCLASSIFIED = "Unclassified"  # as ENVI calls class 0


def write_envi(contents: Contents, path: Path) -> None:
    """Write classes with their names and colours; class 0 is unclassified."""
    label = contents.label
    names = [UNCLASSIFIED, *contents.names()[1:]]
    lookup = ", ".join(str(each) for row in contents.table()[:, :3].tolist() for each in row)
    lines = [
        "ENVI",
        "description = {Clusters of spectra, by spectessera}",
        f"samples = {label.shape[1]}",
        f"lines = {label.shape[0]}",
        "bands = 1",
        "header offset = 0",
        "file type = ENVI Classification",
        f"data type = {_TYPES[label.dtype.name]}",
        "interleave = bsq",
        "byte order = 0",
        "data ignore value = 0",
        f"classes = {len(names)}",
        f"class lookup = {{{lookup}}}",
        f"class names = {{{', '.join(map(in_braces, names))}}}",
        "band names = {Clusters}",
    ]
    if contents.place is not None:
        lines += _map(contents.place, contents.result.attrs.get("map_info"))
    path.with_suffix(".hdr").write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.write_bytes(label.astype(label.dtype.newbyteorder("<")).tobytes())


def in_braces(text: str) -> str:
    """Return a text for a list of an ENVI header, which braces, commas and lines divide.

    Examples
    --------
    >>> in_braces("robe, {blue}; x=1")
    'robe  (blue)  x:1'
    """
    text = text.translate(str.maketrans("{},;=", "()  :"))
    return re.sub(r"[\r\n]+", " ", text).strip() or "_"


def _map(place: Georeference, before: object) -> list[str]:
    """Return the lines of a header that say where the image is."""
    x0, dx, rx, y0, ry, dy = place.transform
    turn = math.degrees(math.atan2(ry, dx))
    width, height = math.hypot(dx, ry), math.hypot(rx, dy)
    right = dx * dy - rx * ry < 0 and abs(dx * rx + ry * dy) < 1e-9 * width * height
    if not right:  # mirrored or sheared: ENVI has no words for it
        return []
    utm = re.fullmatch(r"EPSG:32([67])(\d\d)", place.crs)
    if utm and 1 <= int(utm[2]) <= 60:
        name, rest = "UTM", [str(int(utm[2])), "South" if utm[1] == "7" else "North", "WGS-84"]
        unit = "Meters"
    elif place.crs == "EPSG:4326":
        name, rest, unit = "Geographic Lat/Lon", ["WGS-84"], "Degrees"
    else:
        name = in_braces(str(before or "Arbitrary").partition(",")[0])
        rest, unit = [], ""
    numbers = [f"{each:.17g}" for each in (1, 1, x0, y0, width, height)]
    words = [name, *numbers, *rest, *([f"units={unit}"] if unit else [])]
    if turn:
        words.append(f"rotation={turn:.17g}")
    lines = [f"map info = {{{', '.join(words)}}}"]
    if place.crs and name not in ("UTM", "Geographic Lat/Lon"):
        wkt = rasterio_crs(place.crs).to_wkt(version="WKT1_ESRI")
        lines.append(f"coordinate system string = {{{wkt}}}")
    return lines
