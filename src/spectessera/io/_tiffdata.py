"""The numbers of a TIFF file: read in parts, from its strips or tiles."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from spectessera._util.reading import reading

from ._common import native
from ._lazy import LazyArray
from ._limits import MAX_COMPRESSION, check_chunk
from ._numbers import off_map

PACKAGE = 'reading TIFF files needs the package tifffile: pip install "spectessera[tiff]"'
CODECS = (
    "its compression needs the package imagecodecs, which is part of the extra: "
    'pip install "spectessera[tiff]"'
)
# What tifffile raises on broken files beside the usual errors.
TIFF_ERRORS = (ArithmeticError, AttributeError, AssertionError)
SMALL_SEGMENT = 2**24  # bytes of a strip or tile that are read whatever its compression


@dataclass(frozen=True, repr=False)
class _Segments:
    """Where the strips or tiles of all pages are.

    Attributes
    ----------
    page : int
        The page whose tags describe all pages.
    planes : str
        What the pieces of a page with several samples are: "pages", "planar" or "contig".
    length : tuple (rows, columns)
        Of one strip or tile.
    image : tuple (ny, nx)
    offsets, sizes : array (plane, segment)
    fill : float
        What stands where a strip was never written.
    dtype : str
    """

    page: int
    planes: str
    length: tuple[int, int]
    image: tuple[int, int]
    offsets: np.ndarray
    sizes: np.ndarray
    fill: float
    dtype: str

    def __repr__(self) -> str:
        places = sha256(self.offsets.tobytes() + self.sizes.tobytes()).hexdigest()
        return f"{self.page} {self.planes} {self.length} {self.image} {self.fill} {places}"


def import_tifffile() -> Any:
    """Return the package tifffile, or raise an ImportError that says how to install it."""
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(PACKAGE) from error
    return tifffile


def lazy_series(path: Path, series: Any, nodata: float | None, notes: list[str]) -> LazyArray:
    """Return the stored array of a series of three axes, in the order of the file.

    Parameters
    ----------
    path : Path
    series : tifffile.TiffPageSeries
    nodata : float, optional
        What marks missing values; it stands where strips were never written, else NaN.
    notes : list of str
        A sentence is added if strips are missing.

    Raises
    ------
    ValueError
        If the file cannot hold the numbers that it declares.
    """
    shape = tuple(int(size) for size in series.shape)
    dtype = np.dtype(series.dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    size = path.stat().st_size
    if series.dataoffset is not None:
        if series.dataoffset + nbytes > size:
            raise _short(path, shape, dtype, size)
        stored = dtype.newbyteorder(series.keyframe.parent.byteorder)
        key = (int(series.dataoffset), stored.str, shape)
        return LazyArray(path, key, shape, dtype.newbyteorder("="), _fetch_plain, locked=False)
    if nbytes > size * MAX_COMPRESSION:
        raise _short(path, shape, dtype, size)
    segments = _segments(path, series, nodata, notes)
    sizes = dict(zip("yx", segments.length, strict=True))
    places = {"pages": "cyx", "planar": "cyx", "contig": "yxc"}[segments.planes]
    pieces = tuple(sizes.get(one, shape[2] if segments.planes == "contig" else 1) for one in places)
    stored_dtype = np.dtype(segments.dtype)
    return LazyArray(path, segments, shape, stored_dtype, _fetch_segments, pieces, locked=False)


def _short(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], size: int) -> ValueError:
    """Return the error about a file that is too small."""
    return ValueError(
        f"{path} should hold numbers of shape {shape} ({dtype}), more than a file of {size} bytes "
        "can hold; it is damaged or cut short"
    )


def _segments(path: Path, series: Any, nodata: float | None, notes: list[str]) -> _Segments:
    """Return where the strips or tiles of a series are."""
    keyframe = series.keyframe
    if keyframe.imagedepth != 1 or len(keyframe.shape) > 3:
        raise ValueError(f"{path} has pages of shape {keyframe.shape}; images have two axes")
    image = (int(keyframe.imagelength), int(keyframe.imagewidth))
    rows = keyframe.tilelength if keyframe.is_tiled else min(keyframe.rowsperstrip, image[0])
    length = (int(rows), int(keyframe.tilewidth if keyframe.is_tiled else image[1]))
    planes = _planes(series)
    grid = math.prod(-(-n // one) for n, one in zip(image, length, strict=True))
    count = keyframe.samplesperpixel if planes == "planar" else 1
    places = []
    for page in series.pages:
        if page is None:
            raise ValueError(f"{path}: a page of the stack is missing")
        pair = page.dataoffsets, page.databytecounts
        if any(len(one) < grid * count for one in pair):
            raise ValueError(f"{path}: a page lists {len(pair[0])} strips; {grid * count} are due")
        places.append([one[: grid * count] for one in pair])
    table = np.array(places, dtype=np.int64).transpose(1, 0, 2).reshape(2, -1, grid)
    _check_segments(path, keyframe, length, planes, table)
    dtype, fill = _fill(series, table, nodata, notes)
    offsets, sizes = table
    return _Segments(int(keyframe.index), planes, length, image, offsets, sizes, fill, dtype.str)


def _planes(series: Any) -> str:
    """Return what the pieces of an image are."""
    keyframe = series.keyframe
    if len(series.pages) > 1 or keyframe.samplesperpixel == 1:
        return "pages"
    return "planar" if keyframe.planarconfig == 2 else "contig"


def _check_segments(
    path: Path, keyframe: Any, length: tuple[int, int], planes: str, table: np.ndarray
) -> None:
    """Raise ValueError if strips lie outside the file or are too small for what they hold."""
    size = path.stat().st_size
    if (table < 0).any() or (table.sum(axis=0) > size).any():
        raise ValueError(f"{path}: strips lie beyond the end of the file; it is cut short")
    samples = keyframe.samplesperpixel if planes == "contig" else 1
    each = math.prod(length) * samples * keyframe.dtype.itemsize
    check_chunk(f"{path}: a strip or tile", (*length, samples), keyframe.dtype, size)
    most = max(int(table[1].max()) * MAX_COMPRESSION, SMALL_SEGMENT)
    if each > most:
        raise ValueError(
            f"{path}: its strips or tiles should have {each} bytes each, more than is stored"
        )


def _fill(
    series: Any, table: np.ndarray, nodata: float | None, notes: list[str]
) -> tuple[np.dtype[Any], float]:
    """Return the type, and what stands in place of strips that were never written."""
    dtype = np.dtype(series.dtype).newbyteorder("=")
    missing = int((table[1] == 0).sum())
    if not missing:
        return dtype, 0.0
    notes.append(f"{missing} of {table[1].size} strips were never written: their values are NaN")
    if nodata is not None and (dtype.kind == "f" or float(nodata).is_integer()):
        return dtype, nodata
    return (dtype if dtype.kind == "f" else np.dtype(np.float32)), math.nan


def _fetch_plain(path: Path, key: tuple[Any, ...], index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of numbers that lie in one piece."""
    offset, dtype, shape = key
    with reading(path, "TIFF"):
        stored = np.memmap(path, dtype, "r", offset, shape)
        return off_map(stored[index])


def _fetch_segments(path: Path, segments: _Segments, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part, from the strips or tiles that it touches."""
    contig = segments.planes == "contig"
    planes, rows, columns = (slice(None), *index[:2]) if contig else index
    chosen = range(*planes.indices(len(segments.offsets)))
    (top, bottom, _), (left, right, _) = (
        one.indices(n) for one, n in zip((rows, columns), segments.image, strict=True)
    )
    height, width = segments.length
    down = range(top // height, -(-bottom // height)) if bottom > top else range(0)
    across = range(left // width, -(-right // width)) if right > left else range(0)
    many = -(-segments.image[1] // width)
    with (
        reading(path, "TIFF", *TIFF_ERRORS),
        import_tifffile().TiffFile(path, _multifile=False) as file,
        path.open("rb") as stream,
    ):
        page = file.pages[segments.page].aspage()
        last = (page.samplesperpixel,) if contig else ()
        out = np.empty((len(chosen), bottom - top, right - left, *last), segments.dtype)
        for (place, plane), iy, ix in itertools.product(enumerate(chosen), down, across):
            part = _decoded(page, stream, segments, plane, iy * many + ix)
            _paste(out[place], part, (iy * height, ix * width), segments.length, (top, left))
    out = out[:, :: rows.step or 1, :: columns.step or 1]
    return native(out[0][..., index[2]] if contig else out)


def _decoded(
    page: Any, stream: Any, segments: _Segments, plane: int, number: int
) -> np.ndarray | float:
    """Return one strip or tile (rows, columns[, samples]), or what stands in its place."""
    size = int(segments.sizes[plane, number])
    if not size:
        return segments.fill
    stream.seek(int(segments.offsets[plane, number]))
    try:
        part, _, shape = page.decode(stream.read(size), number, jpegtables=page.jpegtables)
    except ValueError as error:
        raise ValueError(CODECS if "imagecodecs" in str(error) else str(error)) from error
    if part is None:
        return segments.fill
    part = part[0, : shape[1], : shape[2]]
    return np.asarray(part if segments.planes == "contig" else part[..., 0])


def _paste(
    out: np.ndarray,
    part: np.ndarray | float,
    start: tuple[int, int],
    length: tuple[int, int],
    low: tuple[int, int],
) -> None:
    """Copy the part of a strip or tile that is wanted to its place; ``start`` is its corner."""
    to, of = [], []
    for axis in range(2):
        valid = length[axis] if isinstance(part, float) else part.shape[axis]
        first = max(start[axis], low[axis])
        end = min(start[axis] + valid, low[axis] + out.shape[axis])
        to.append(slice(first - low[axis], end - low[axis]))
        of.append(slice(first - start[axis], end - start[axis]))
    out[tuple(to)] = part if isinstance(part, float) else part[tuple(of)]
