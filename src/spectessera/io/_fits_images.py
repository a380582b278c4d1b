"""Write images into a FITS file part by part, in any order; astropy needs all of an image at once.

The axes of a cube are (y, x, channel), and those of the image in the file (channel, y, x).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ._common import Waiting, store

RECORD = 2880  # bytes; header and data of every part fill whole records
BAND_BYTES = 2**24  # of an image in memory that is written at a time


class Image(NamedTuple):
    """An image extension: its name, its values (y, x, channel) or (y, x), and other cards."""

    name: str
    values: xr.Variable
    header: Any


@dataclass(frozen=True)
class Place:
    """Where an image lies in a file; parts of it can be assigned, each by itself.

    Parameters
    ----------
    path : Path
    start : int
        Byte at which the values begin.
    shape : tuple of int
        (y, x, channel)
    """

    path: Path
    start: int
    shape: tuple[int, ...]

    def __setitem__(self, index: tuple[slice, ...], part: Any) -> None:
        """Write the values of one rectangle; ``index`` are slices along (y, x, channel)."""
        height, width, _ = self.shape
        values = np.ascontiguousarray(np.moveaxis(stored(np.asarray(part)), 2, 0))
        first = [one.indices(size)[0] for one, size in zip(index, self.shape, strict=True)]
        with self.path.open("r+b") as stream:
            for channel, plane in enumerate(values, first[2]):
                # rows of the whole width lie one behind the other
                runs = [plane] if plane.shape[1] == width else list(plane)
                for row, run in enumerate(runs, first[0]):
                    at = (channel * height + row) * width + first[1]
                    stream.seek(self.start + at * values.itemsize)
                    stream.write(run.data)


def stored(values: np.ndarray) -> np.ndarray:
    """Return numbers as FITS has them: of a type that it knows, big-endian, unsigned ones shifted.

    FITS has one unsigned type, of 8 bits. Others are stored with an offset of half their range.
    """
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind == "b":
        return values.astype(np.uint8)
    if kind == "f":
        return values.astype(f">f{8 if size > 4 else 4}")
    if (kind, size) == ("u", 1):
        return values
    if (kind, size) == ("i", 1):
        return values.view(np.uint8) ^ np.uint8(128)
    if kind == "u":
        half = values.dtype.newbyteorder("=").type(2 ** (8 * size - 1))
        return (values ^ half).astype(f"=u{size}").view(f"=i{size}").astype(f">i{size}")
    return values.astype(f">i{size}")


def write_images(path: Path, primary: Any, images: Sequence[Image], tables: Sequence[Any]) -> None:
    """Write a file of images; lazy ones are computed together, block by block.

    Parameters
    ----------
    path : Path
    primary : astropy header
        Of the first part, which holds no values.
    images : sequence of Image
    tables : sequence of astropy HDUs
        Small parts that follow.
    """
    places = []
    with path.open("wb") as stream:
        stream.write(_bytes(primary))
        for image in images:
            height, width, *rest = image.values.shape
            shape = (height, width, *(rest or [1]))
            stream.write(_bytes(_header(image)))
            places.append(Place(path, stream.tell(), shape))
            itemsize = stored(np.zeros(1, image.values.dtype)).itemsize
            end = stream.tell() + itemsize * int(np.prod(shape, dtype=np.int64))
            stream.seek(end + -end % RECORD)
            stream.truncate()  # the rest is 0, as the end of the last record has to be
    lazy: Waiting = []
    for image, place in zip(images, places, strict=True):
        values = image.values.data.reshape(place.shape)
        if image.values.chunks is not None:
            lazy.append((values, place))
        else:
            _write_array(values, place)
    store(lazy, lock=False)
    with path.open("ab") as stream:
        for table in tables:
            stream.write(_extension(table))


def _write_array(values: np.ndarray, place: Place) -> None:
    """Write an array in memory, a band of rows at a time."""
    height, width, channels = place.shape
    rows = max(1, BAND_BYTES // values[0].nbytes)
    for first in range(0, height, rows):
        band = slice(first, min(first + rows, height))
        place[band, slice(0, width), slice(0, channels)] = values[band]


def _header(image: Image) -> Any:
    """Return the header of an image extension."""
    from astropy.io import fits

    values = image.values
    sample = stored(np.zeros(1, values.dtype))
    sizes = values.shape[1::-1] + values.shape[2:]  # the fastest first
    header = fits.Header()
    header["XTENSION"] = ("IMAGE", "image extension")
    header["BITPIX"] = 8 * sample.itemsize * (-1 if sample.dtype.kind == "f" else 1)
    header["NAXIS"] = len(sizes)
    for number, size in enumerate(sizes, 1):
        header[f"NAXIS{number}"] = size
    header["PCOUNT"], header["GCOUNT"] = 0, 1
    offset = int(sample.astype(object)[0])
    if offset:  # 0 is stored as minus the offset, or as the offset of signed bytes
        header["BSCALE"] = 1
        header["BZERO"] = -offset
    header["EXTNAME"] = image.name
    header.extend(image.header.copy(), strip=True, unique=True)
    return header


def _bytes(header: Any) -> bytes:
    """Return a header as it is in the file."""
    return header.tostring().encode("ascii")


def _extension(hdu: Any) -> bytes:
    """Return a small part as it is in the file."""
    from astropy.io import fits

    stream = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(stream)
    return stream.getvalue()[len(_bytes(fits.PrimaryHDU().header)) :]
