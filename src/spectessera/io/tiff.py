"""Read cubes from TIFF files: stacks of images, images of many bands, GeoTIFF, ImageJ, OME.

The package tifffile reads the tags; of GDAL's it reads the wavelengths, the no-data value and the
map too, so that rasterio is not needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.reading import reading
from spectessera.conventions.dims import Dim, Evidence, find_axes

from ._channels import mark_bad
from ._common import (
    Request,
    StoredCube,
    axis_of_file,
    by_name_or_number,
    check_stored,
    listing,
)
from ._lazy import LazyArray, load
from ._numbers import check_image, check_request
from ._packing import without_ignored
from ._tiffdata import TIFF_ERRORS, import_tifffile, lazy_series
from ._tiffwords import (
    Words,
    described,
    gdal_items,
    gdal_words,
    geo_words,
    ome_words,
    unit_or_guess,
)
from ._views import transposed
from ._wavelengths import without_gaps, without_repeats

# The letters of tifffile -> names of dimensions. Pages without a name are "Q" or "I".
NAMES = {"Y": "y", "X": "x", "C": "channel", "S": "bands", "E": "wavelength"}
PAGES = {"Q": "pages", "I": "pages", "Z": "pages in depth (Z)", "T": "pages in time (T)"}
RGB = 2  # the value of the tag PhotometricInterpretation


class _Opened(NamedTuple):
    """A series as it is stored, and the words of the file about it."""

    source: LazyArray
    letters: str
    words: Words
    nodata: float | None
    geo: dict[str, Any]


def read_tiff(path: Path, request: Request) -> StoredCube:
    """Read a cube from a TIFF file.

    Parameters
    ----------
    path : Path
    request : Request
        ``key`` is the number or name of one of several series of images.

    Returns
    -------
    StoredCube
        Values (y, x, channel); NaN where GDAL's no-data value is, and in strips that were never
        written. With ``chunks``, they stay in the file. Scales of the bands are applied if they
        differ, and else are the attribute ``scale_note``.

    Raises
    ------
    ImportError
        If the package tifffile is not installed, or a compression needs imagecodecs.
    ValueError
        If the file is broken, or is a photograph, or it is not clear which series is meant.
    """
    check_request(path, request, ("key", "axes", "shape"), "has images only, without such an array")
    tifffile = import_tifffile()
    notes: list[str] = []
    with reading(path, "TIFF", *TIFF_ERRORS):
        file = tifffile.TiffFile(path, _multifile=False)
    with file:
        with reading(path, "TIFF", *TIFF_ERRORS):
            candidates = _candidates(file)
        series = _pick(path, candidates, request.key)
        opened = _open(path, file, series, notes)
    dims = [Dim(NAMES.get(letter, "")) for letter in opened.letters]
    axes = find_axes(f"{path}: series", Evidence(opened.source.shape, dims), request.axes)
    channel = opened.letters[axes.order[2]]
    if request.axes is None and channel not in NAMES:
        notes.append(f"the {PAGES.get(channel, 'pages')} of the file are taken as the channels")
    source = transposed(opened.source, axes.order)
    check_image(path, request, (source.shape[0], source.shape[1]))
    values = load(source, request.chunks)
    return _cube(path, opened, values, axes.how, notes)


def _cube(path: Path, opened: _Opened, values: Any, how: str, notes: list[str]) -> StoredCube:
    """Return the cube with all that the file says about it."""
    attrs: dict[str, Any] = {"source": path.name}
    nodata = None if opened.nodata is None else np.array([opened.nodata])
    values = without_ignored(values, nodata, attrs, notes)
    words, shape = opened.words, values.shape
    cube = StoredCube(values, attrs=attrs, notes=notes, origin={"axes": how})
    if words.bad is not None and len(words.bad) == shape[2]:
        mark_bad(cube, words.bad)
    if words.values is not None and len(words.values) == shape[2]:
        unit, kind = unit_or_guess(words, notes)
        known = without_gaps(cube, words.values)
        if known is not None:
            known = without_repeats(cube, known)
            cube.axis, note = axis_of_file(known, unit, name=words.found, kind=kind)
            attrs |= note
            cube.origin["axis"] = words.found
    if words.scales is not None and len(words.scales) == shape[2]:
        _apply_scales(cube, words.scales)
    with reading(path, "GeoTIFF"):
        coords, more = geo_words(opened.geo, shape[:2])
    cube.coords |= coords
    attrs |= more
    return cube


def _apply_scales(cube: StoredCube, scales: np.ndarray) -> None:
    """Apply factors and offsets of the bands if they differ; note a common one."""
    factor, offset = scales.T
    if (scales == scales[0]).all():
        if factor[0] != 1 or offset[0]:
            cube.attrs["scale_note"] = (
                f"the file gives a factor of {factor[0]:g} and an offset of {offset[0]:g} for the "
                "values; they are not applied"
            )
        return
    cube.values = (cube.values * factor + offset).astype(np.float32)
    cube.attrs.pop("saturation", None)
    cube.notes.append("factors and offsets of the bands differ; they are applied")


def _candidates(file: Any) -> dict[str, Any]:
    """Return the series that are not previews or masks, by name."""
    series: dict[str, Any] = {}
    for number, one in enumerate(file.series):
        keyframe = one.keyframe
        if keyframe.is_reduced or keyframe.is_mask:
            continue
        name = str(one.name or "") or str(number)
        series[name if name not in series else f"{name} ({number})"] = one
    return series


def _is_photograph(series: Any) -> bool:
    """Whether a series is a coloured picture: three or four bytes a pixel."""
    sizes = dict(zip(series.axes, series.shape, strict=True))
    few = sizes.get("S", 0) in (3, 4) and np.dtype(series.dtype) == np.uint8
    return few or (series.keyframe.photometric == RGB and sizes.get("S", 0) in (3, 4))


def _pick(path: Path, candidates: dict[str, Any], key: str | int | None) -> Any:
    """Return the series to read."""
    shapes = {name: one.shape for name, one in candidates.items()}
    if key is not None:
        return by_name_or_number(path, candidates, key, "series", shapes)
    cubes = {
        name: one
        for name, one in candidates.items()
        if sum(size > 1 for size in one.shape) >= 3 and not _is_photograph(one)
    }
    if len(cubes) == 1:
        return next(iter(cubes.values()))
    if cubes:
        raise ValueError(
            f"{path} has several series of images: {listing({n: shapes[n] for n in cubes})}; "
            "choose one with key="
        )
    if any(map(_is_photograph, candidates.values())):
        raise ValueError(
            f"{path} is a coloured picture ({listing(shapes)}), not a spectrum in every pixel; "
            "give the cube that it was made from"
        )
    raise ValueError(
        f"{path} has no images of several channels; there is: {listing(shapes)}. A cube in one "
        "file for each channel has to be written into one file first"
    )


def _open(path: Path, file: Any, series: Any, notes: list[str]) -> _Opened:
    """Return the stored array of a series, and the words of the file about it."""
    letters, shape = series.axes, series.shape
    keep = [n for n, size in enumerate(shape) if size > 1]
    if series.dtype is None:
        raise ValueError(f"{path} holds numbers of a type that is not known; it may be damaged")
    check_stored(path, series.name or "series", tuple(shape), np.dtype(series.dtype))
    if len(keep) != 3 or len(shape) != 3:
        raise ValueError(
            f"{path} has images of shape {tuple(shape)} along {letters}; a cube has 3 axes: rows, "
            "columns and channels"
        )
    with reading(path, "TIFF", *TIFF_ERRORS):
        keyframe = series.keyframe
        tags = keyframe.tags
        nodata = _number(tags.valueof(42113))
        items = gdal_items(str(tags.valueof(42112) or ""))
        geo = dict(keyframe.geotiff_tags or {}) if keyframe.is_geotiff else {}
        words = _words(file, series, items)
        source = lazy_series(path, series, nodata, notes)
    return _Opened(source, letters, words, nodata, geo)


def _number(text: Any) -> float | None:
    """Return the no-data value as a number, or None."""
    try:
        return float(str(text).strip("\0 "))
    except ValueError:
        return None


def _words(file: Any, series: Any, items: Any) -> Words:
    """Return what the file says about the bands, of GDAL, OME, ImageJ, or of every page."""
    sizes = dict(zip(series.axes, series.shape, strict=True))
    bands = int(sizes.get("S", 0) or max(len(series.pages), 1))
    words = gdal_words(items, bands)
    if words.values is None and file.is_ome:
        words = ome_words(file.ome_metadata or "")
    if words.values is None and file.is_imagej:
        labels = (file.imagej_metadata or {}).get("Labels") or []
        values, unit, found = described([str(one) for one in labels][:bands])
        words = words._replace(values=values, unit=unit, found=found and "labels of ImageJ")
    if (
        words.values is None
        and len(series.pages) > 1
        and described([series.pages[n].aspage().description for n in (0, 1)])[2]
    ):
        texts = [one.aspage().description for one in series.pages]
        values, unit, found = described(texts)
        found = found and "descriptions of the pages"
        words = words._replace(values=values, unit=unit, found=found)
    return words
