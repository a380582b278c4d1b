"""For ImageJ and Fiji: the label map with its colours and pixel size, and regions of interest."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from spectessera.result import PixelSize

from .contents import Cluster, Contents
from .outlines import Polygon, outlines

_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0  # parts of a path, as java.awt.geom.PathIterator numbers them
_MOST = 60_000  # rows or columns; regions have 16-bit bounds
# Of a unit: pixels in one are a ratio of two numbers of 32 bits. Smaller pixels are in micrometres.
SMALLEST = 1e-6
_MICROMETRE = 1e-6  # metres


def write_tiff(contents: Contents, path: Path) -> None:
    """Write labels as integers, with a table of colours and the size of a pixel.

    Raises
    ------
    ImportError
        If tifffile is not installed.
    """
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(
            'writing TIFF files needs the package tifffile: pip install "spectessera[tiff]"'
        ) from error
    names = "\n".join(f"{n}: {name}" for n, name in enumerate(contents.names()))
    metadata: dict[str, Any] = {"axes": "YX", "Info": _latin(f"label: cluster\n{names}\n")}
    top = 255 if contents.label.dtype == np.uint8 else contents.largest
    metadata |= {"min": 0.0, "max": float(top)}
    if contents.largest <= 255:
        metadata["LUTs"] = [_lookup(contents)]
    resolution: dict[str, Any] = {}
    if contents.pixel is not None:
        pixel = contents.pixel
        if min(pixel.x, pixel.y) < SMALLEST:
            scale = pixel.metres / _MICROMETRE
            pixel = PixelSize(pixel.y * scale, pixel.x * scale, "um")
        metadata["unit"] = "um" if pixel.metres == _MICROMETRE else _latin(pixel.unit)
        resolution["resolution"] = (1 / pixel.x, 1 / pixel.y)
    tifffile.imwrite(path, contents.label, imagej=True, metadata=metadata, **resolution)


def _lookup(contents: Contents) -> np.ndarray:
    """Return the colours (3, 256) of labels; those of no cluster are black."""
    table = np.zeros((3, 256), np.uint8)
    table[:, : contents.largest + 1] = contents.table()[:, :3].T
    return table


def _latin(text: str) -> str:
    """Return a text in the characters that the metadata of ImageJ can hold."""
    return text.encode("latin-1", "backslashreplace").decode("latin-1")


def write_regions(contents: Contents, path: Path) -> None:
    """Write one region of interest for every cluster that has pixels (RoiSet.zip).

    Raises
    ------
    ImportError
        If roifile is not installed.
    ValueError
        If the image has more rows or columns than a region can be of.
    """
    try:
        import roifile
    except ImportError as error:
        raise ImportError(
            'regions of ImageJ need the package roifile: pip install "spectessera[imagej]"'
        ) from error
    if max(contents.label.shape) > _MOST:
        raise ValueError(
            f"regions of ImageJ are of up to {_MOST} rows and columns; this map has "
            f"{' x '.join(map(str, contents.label.shape))}"
        )
    regions: dict[int, list[Polygon]] = {}
    for each in outlines(contents.label):
        regions.setdefault(each.cluster, []).append(each)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for cluster in contents.clusters:
            if cluster.number in regions:
                data = _region(roifile, cluster, regions[cluster.number])
                archive.writestr(zipfile.ZipInfo(file_name(cluster)), data)


def file_name(cluster: Cluster) -> str:
    """Return the name of a region in the archive: its number makes it the only one of its kind."""
    plain = re.sub(r"[^\w -]", "_", cluster.name)[:60].strip()
    return f"{cluster.number:05d} {plain}.roi"


def _region(roifile: Any, cluster: Cluster, polygons: list[Polygon]) -> bytes:
    """Return one region: a path of all outlines, the holes among them."""
    path: list[np.ndarray] = []
    for each in polygons:
        for ring in (each.outer, *each.holes):
            rows = np.empty((len(ring) - 1, 3), np.float32)
            rows[:, 0], rows[:, 1:] = _LINE, ring[:-1]
            rows[0, 0] = _MOVE
            path += [rows.ravel(), np.array([_CLOSE], np.float32)]
    corners = np.concatenate([each.outer for each in polygons])
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    coordinates = np.concatenate(path)
    colour = bytes((255, *cluster.rgb))
    roi = roifile.ImagejRoi(
        roitype=roifile.ROI_TYPE.RECT, name=cluster.title, left=left, top=top, right=right,
        bottom=bottom, shape_roi_size=len(coordinates), multi_coordinates=coordinates,
        stroke_color=colour,
    )  # fmt: skip
    data: bytes = roi.tobytes()
    return data
