"""Read cubes from FITS files: MUSE and other integral-field cubes, radio cubes, plain images.

FITS counts axes from 1, fastest first, and NumPy the other way round: the FITS axes (x, y,
wavelength) are the array (wavelength, y, x). Here ``n`` is always a FITS number.
"""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.reading import reading

from ._common import (
    Request,
    StoredCube,
    check_companion_shape,
    check_stored,
    check_three_axes,
    listing,
    native,
    plain_attribute,
    with_missing,
)
from ._fits_coordinates import add_coordinates
from ._lazy import LazyArray, as_dask, load
from ._wcs import SPECTRAL, celestial, known_unit, spectral_axis

ATTRIBUTES = {
    "BUNIT": "unit",
    "OBJECT": "object",
    "INSTRUME": "instrument",
    "TELESCOP": "telescope",
}


class Layout(NamedTuple):
    """Which axes of the stored array are y, x and channel, and which (of length 1) to drop.

    ``spectral`` is the FITS number of the spectral axis, ``spatial`` those of x and y.
    """

    order: tuple[int, int, int]
    drop: tuple[int, ...]
    spectral: int
    spatial: tuple[int, int]


def read_fits(path: Path, request: Request) -> StoredCube:
    """Read a cube from a FITS file, compressed by gzip or not.

    Parameters
    ----------
    path : Path
    request : Request
        What the user says about the file.

    Returns
    -------
    StoredCube
        Values (y, x, channel) with the variance of STAT; NaN where DQ is not 0.

    Raises
    ------
    ValueError
        If the file is broken, there is no such image, or it is not clear which one is meant.
    """
    key, chunks = request.key, request.chunks
    from astropy.io import fits

    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    with reading(path, "FITS", fits.VerifyError), ignore_astropy_warnings():
        size = _unpacked_size(path) if packed else path.stat().st_size
        hdus = fits.open(path, memmap=False)
        images = {n: hdu for n, hdu in enumerate(hdus) if _is_image(hdu)}
        headers = {number: _without_bad_cards(hdu.header) for number, hdu in images.items()}
    with hdus, ignore_astropy_warnings():
        number = _pick(path, images, key)
        header = headers[number]
        layout = _layout(path, _name(images, number), header)

        def values_of(which: int) -> Any:
            _check_complete(path, _name(images, which), images[which], size)
            return _values(path, which, images[which], layout, chunks, packed)

        values = values_of(number)
        others = _companions(path, images, header, number)
        if "DQ" in others:
            values = with_missing(values, values_of(others["DQ"]) != 0)
        axis, note, axis_error = spectral_axis(hdus, header, layout.spectral)
        cube = StoredCube(values, axis=axis, axis_error=axis_error, attrs=note)
        if "STAT" in others:
            cube.variance = _variance(values_of(others["STAT"]), headers[others["STAT"]])
        if "MASK" in others:
            cube.mask = native(images[others["MASK"]].data) != 0
        cube.attrs |= {"source": path.name, **_attributes(header, headers.get(0, header))}
        sky = celestial(hdus, header, layout.spectral, layout.spatial)
        cube.attrs |= {"wcs": sky} if sky else {}
        add_coordinates(cube, hdus)
    return cube


def _unpacked_size(path: Path) -> int:
    """Return the number of bytes in a gzip file; all are read, which detects damage."""
    size = 0
    with gzip.open(path) as stream:
        while block := stream.read(2**20):
            size += len(block)
    return size


def _without_bad_cards(header: Any) -> Any:
    """Return a copy without the cards that cannot be read; some old files have such cards."""
    from astropy.io import fits

    header = header.copy()
    for number in reversed(range(len(header))):
        try:
            _ = header.cards[number].value
        except fits.VerifyError:
            del header[number]
    return header


@contextmanager
def ignore_astropy_warnings() -> Iterator[None]:
    """Ignore the warnings of astropy, which warns of every header that it corrects."""
    from astropy.utils.exceptions import AstropyWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        # raised for every MUSE header, which has both CD and CDELT
        warnings.filterwarnings("ignore", "cdelt will be ignored", RuntimeWarning)
        yield


def _name(images: dict[int, Any], number: int) -> str:
    """Return the name of an image in an error message."""
    return f"{number} {images[number].name or 'without name'}"


def _pick(path: Path, images: dict[int, Any], key: str | int | None) -> int:
    """Return the number of the image to read."""
    shapes = {number: tuple(hdu.shape) for number, hdu in images.items()}
    table = listing({_name(images, n): shapes[n][::-1] for n in images if shapes[n]})
    if key is not None:
        names = [n for n in images if images[n].name.upper() == str(key).strip().upper()]
        names += [n for n in images if str(n) == str(key).strip()]
        if not names:
            raise ValueError(f"{path} has no image {key!r}; there is: {table}")
        if len(shapes[names[0]]) < 3:
            check_three_axes(path, str(key), shapes[names[0]])
        return names[0]
    cubes = [n for n in images if _squeezed_ndim(shapes[n]) == 3]
    for n in cubes:
        if images[n].name == "DATA":
            return n
    if len(cubes) == 1:
        return cubes[0]
    if cubes:
        several = {_name(images, n): shapes[n][::-1] for n in cubes}
        raise ValueError(
            f"{path} has several images of 3 axes: {listing(several)}; choose one with key="
        )
    raise ValueError(f"{path} has no image of 3 axes; there is: {table}")


def _squeezed_ndim(shape: tuple[int, ...]) -> int:
    """Return the number of axes without those of length 1, of which as many stay as 3 axes need."""
    return max(min(len(shape), 3), sum(size != 1 for size in shape))


def _layout(path: Path, name: str, header: Any) -> Layout:
    """Find the spectral axis and the image axes."""
    count = header["NAXIS"]
    numbers = list(range(1, count + 1))
    types = {n: str(header.get(f"CTYPE{n}", "")).upper().strip() for n in numbers}
    spectral = [n for n in numbers if types[n].partition("-")[0] in SPECTRAL]
    if len(spectral) != 1:
        spectral = [n for n in numbers if not types[n] or types[n].partition("-")[0] != "STOKES"]
        spectral = [n for n in spectral if known_unit(header, n)]
    known = spectral[0] if len(spectral) == 1 else None
    left = list(numbers)
    droppable = [n for n in reversed(numbers) if header[f"NAXIS{n}"] == 1 and n != known]
    for n in sorted(droppable, key=lambda n: types[n] != "STOKES"):
        if len(left) > 3:
            left.remove(n)
    if len(left) != 3:
        raise ValueError(
            f"{path}: {name} has {len(left)} axes longer than 1; a cube has 3 (x, y and one "
            "spectral axis): write the part that is to be read into a file of its own"
        )
    channel = known or left[2]
    x, y = [n for n in left if n != channel]
    order = (count - y, count - x, count - channel)
    drop = tuple(count - n for n in numbers if n not in left)
    return Layout(order, drop, channel, (x, y))


def _check_complete(path: Path, name: str, hdu: Any, size: int) -> None:
    """Raise ValueError if an image ends beyond the end of the file."""
    end = hdu.fileinfo()["datLoc"] + hdu.size
    if end > size and not _is_compressed(hdu):
        raise ValueError(
            f"{path}: {name} should end at byte {end} but there are {size}; the file is damaged or "
            "cut short"
        )


def _is_image(hdu: Any) -> bool:
    """Whether it is an image; tables and what is too damaged to have a shape or a name are not."""
    return bool(hdu.is_image) and hasattr(hdu, "section") and isinstance(hdu.name, str)


def _is_compressed(hdu: Any) -> bool:
    """Whether it is a tile-compressed image, which is a table in the file."""
    from astropy.io import fits

    return isinstance(hdu, fits.CompImageHDU)


def _values(path: Path, number: int, hdu: Any, layout: Layout, chunks: Any, packed: bool) -> Any:
    """Return the values of an image as (y, x, channel), in memory or as a dask array."""
    key = (number, layout.order, layout.drop)
    with reading(path, "FITS"):
        first = hdu.section[(slice(0, 1),) * len(hdu.shape)]
    shape = tuple(hdu.shape[axis] for axis in layout.order)
    check_stored(path, f"extension {number}", shape, first.dtype)
    if chunks is not None and not packed:
        return load(LazyArray(path, key, shape, first.dtype.newbyteorder("="), _fetch), chunks)
    with reading(path, "FITS"):
        values = _reordered(hdu.data, layout.order, layout.drop)
        del hdu.data  # the next image needs the memory
    return values if chunks is None else as_dask(values, chunks, path, key)


def _fetch(path: Path, key: tuple[Any, ...], index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of an image."""
    from astropy.io import fits

    number, order, drop = key
    stored = dict(zip(order, index, strict=True)) | dict.fromkeys(drop, slice(0, 1))
    where = tuple(stored[axis] for axis in sorted(stored))
    with (
        reading(path, "FITS", fits.VerifyError),
        ignore_astropy_warnings(),
        fits.open(path) as hdus,
    ):
        hdu = hdus[number]
        scaled = any(card in hdu.header for card in ("BSCALE", "BZERO", "BLANK"))
        if scaled or _is_compressed(hdu):
            return _reordered(np.asarray(hdu.section[where]), order, drop)
        return _reordered(hdu.data[where], order, drop)  # memory-mapped, which is much faster


def _reordered(stored: np.ndarray, order: tuple[int, ...], drop: tuple[int, ...]) -> np.ndarray:
    """Return a copy of the stored array as (y, x, channel)."""
    array = stored.transpose(*order, *drop)
    array = array.reshape(array.shape[:3])
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


def _companions(path: Path, images: dict[int, Any], header: Any, number: int) -> dict[str, int]:
    """Return the numbers of the extensions that belong to the image.

    Only DATA, and an image whose header has ERRDATA, has any.
    """
    if images[number].name != "DATA" and "ERRDATA" not in header:
        return {}
    shape = images[number].shape
    names = {"STAT": header.get("ERRDATA", "STAT"), "DQ": header.get("QUALDATA", "DQ")}
    numbers = {}
    for role, name in names.items():
        matches = [n for n in images if images[n].name == str(name).strip().upper()]
        if matches and images[matches[0]].shape:
            numbers[role] = matches[0]
            check_companion_shape(path, role, images[matches[0]].shape, shape)
    masks = [n for n in images if images[n].name == "MASK" and images[n].shape == shape[-2:]]
    return numbers | ({"MASK": masks[0]} if masks else {})


def _variance(errors: Any, header: Any) -> Any:
    """Return the variance; the header says in which form the errors are (ESO's HDUCLAS3)."""
    form = str(header.get("HDUCLAS3", "MSE")).strip().upper()
    if form in ("RMSE", "INVRMSE"):
        errors = errors**2
    return 1 / errors if form in ("INVMSE", "INVRMSE") else errors


def _attributes(header: Any, primary: Any) -> dict[str, str]:
    """Return the unit of the values, the object, the instrument and the telescope."""
    attrs = {}
    for card, name in ATTRIBUTES.items():
        value = plain_attribute(header.get(card, primary.get(card)))
        if value not in (None, ""):
            attrs[name] = str(value)
    return attrs
