"""Read cubes from FITS files: MUSE and other integral-field cubes, radio cubes, plain images.

FITS counts axes from 1, fastest first, and NumPy the other way round: the FITS axes (x, y,
wavelength) are the array (wavelength, y, x). Here ``n`` is always a FITS number.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.reading import reading
from spectessera._util.text import counted
from spectessera.conventions.dims import Dim
from spectessera.scale import keep_saturation

from ._alongside import Fit, Frame, fit_to, frame_of
from ._common import (
    Request,
    StoredCube,
    check_companion_shape,
    check_stored,
    native,
)
from ._fits_axis import find_axis, lists_in
from ._fits_coordinates import add_coordinates
from ._fits_layout import attributes_of, layout_of
from ._fits_noise import FORM_WORDS, Noise, flag_rule, form_of, is_bad, masked, noise_in
from ._fits_roles import companions, label, numbers_of, pick, squeezed_ndim
from ._fits_scan import is_gzip
from ._lazy import LazyArray, as_dask
from ._limits import check_declared, check_memory, nbytes_of
from ._numbers import ASKED, check_image, check_request
from ._wcs import celestial
from .fitsfile import fits_parts, ignore_astropy_warnings

ALLOWED = tuple(name for name in ASKED if name != "detectors")


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
        Values (y, x, channel) with the variance of the image of the noise; NaN where a flag marks
        a value, or its variance is not usable.

    Raises
    ------
    ValueError
        If the file is broken, there is no such image, or it is not clear which one is meant.
    """
    from astropy.io import fits

    packed = is_gzip(path)
    with fits_parts(path) as (hdus, size):
        with reading(path, "FITS", fits.VerifyError):
            images = {n: hdu for n, hdu in enumerate(hdus) if _is_image(hdu)}
            headers = {number: _without_bad_cards(hdu.header) for number, hdu in images.items()}
        if not any(hdu.shape for hdu in images.values()):
            names = ", ".join(hdu.name or "one without name" for hdu in hdus[1:]) or "none"
            raise ValueError(f"{path} has no image, only tables: {names}; a cube is an image")
        number, notes = pick(path, images, request.key)
        header, primary = headers[number], headers.get(0, headers[number])
        with reading(path, "FITS", fits.VerifyError):
            listed = lists_in(hdus, number)
        lengths = {each.name: len(each.values) for each in listed.values()}
        what = f"{path}: {label(images, number)}"
        layout = layout_of(what, header, lengths, request.axes)
        frame = frame_of(images[number].shape, [Dim()] * header["NAXIS"], layout.order)
        check_request(path, request, ALLOWED, "holds images, not detectors")
        check_image(path, request, (frame.shape[0], frame.shape[1]))
        file = _File(path, images, headers, frame, request, packed, size)
        cube = _with_companions(file, number, primary)
        found = find_axis(hdus, header, primary, layout.spectral, listed)
        cube.axis, cube.axis_error = found.arguments, found.error
        cube.attrs |= {"source": path.name, **found.attrs, **attributes_of(header, primary)}
        cube.origin |= {"axes": layout.how or "the usual order of FITS", "axis": found.origin}
        cube.notes = [*notes, *([layout.note] if layout.note else []), *found.notes, *cube.notes]
        cube.origin = {name: how for name, how in cube.origin.items() if how}
        sky = celestial(hdus, header, layout.spectral, layout.spatial)
        cube.attrs |= {"wcs": sky} if sky else {}
        add_coordinates(cube, hdus)
    return cube


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


class _File(NamedTuple):
    """An open file and how its images are read."""

    path: Path
    images: dict[int, Any]
    headers: dict[int, Any]
    frame: Frame
    request: Request
    packed: bool
    size: int

    @property
    def lazy(self) -> bool:
        """Whether the values stay in the file."""
        return self.request.chunks is not None and not self.packed

    def fit(self, number: int) -> Fit | None:
        """Return how an image lies along the cube, None if it does not fit."""
        shape = self.images[number].shape
        return fit_to(shape, [Dim()] * len(shape), self.frame)

    def is_whole(self, number: int) -> bool:
        """Whether an image has one value for each of the cube."""
        size = math.prod(self.images[number].shape)
        return self.fit(number) is not None and size == math.prod(self.frame.shape)

    def part(self, number: int) -> Part:
        """Return where an image is that fits the cube."""
        fit = self.fit(number)
        assert fit is not None
        return Part(number, fit.order, fit.drop, self.frame.shape)

    def source(self, number: int) -> Any:
        """Return an image as (y, x, channel): in memory, or an array that reads what is asked."""
        hdu, part, shape = self.images[number], self.part(number), self.frame.shape
        _check_complete(self.path, label(self.images, number), hdu, self.size)
        with reading(self.path, "FITS"):
            first = hdu.section[(slice(0, 1),) * len(hdu.shape)]
        check_stored(self.path, f"extension {number}", shape, first.dtype)
        self._check_size(number, first.dtype)
        if not self.packed:  # memory-mapped: nothing is read twice
            dtype = first.dtype.newbyteorder("=")
            array = LazyArray(self.path, part, shape, dtype, _fetch)
            return array if self.lazy else array[:]
        with reading(self.path, "FITS"):
            values = _reordered(hdu.data, part, shape)
            del hdu.data  # the next image needs the memory
        return values

    def _check_size(self, number: int, dtype: np.dtype) -> None:
        """Raise ValueError if an image is too large for the memory, or for its file."""
        what, shape = f"{self.path}: {label(self.images, number)}", self.images[number].shape
        if _is_compressed(self.images[number]):
            check_declared(what, shape, dtype, self.path.stat().st_size, lazy=self.lazy)
        if not self.lazy:
            check_memory(what, nbytes_of(self.frame.shape, dtype))

    def array(self, source: Any, key: Any) -> Any:
        """Return a source as a numpy array, or as a dask array if chunks were asked for."""
        if self.request.chunks is None:
            return source
        return as_dask(source, self.request.chunks, self.path, key)


class Part(NamedTuple):
    """An image in a file, and which of its axes are y, x and channel, and which are dropped.

    An axis is None along which the image has one value for all. ``shape`` is that of the cube.
    """

    number: int
    order: tuple[int | None, ...]
    drop: tuple[int, ...]
    shape: tuple[int, ...]


class Masked(NamedTuple):
    """An image with the flags and the noise that make values of it unusable."""

    image: Part
    flags: tuple[tuple[Part, int], ...]
    noise: tuple[Part, Noise] | None


def _fetch(path: Path, key: Part, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of an image."""
    from astropy.io import fits

    stored = dict.fromkeys(key.drop, slice(0, 1))
    stored |= {n: i for n, i in zip(key.order, index, strict=True) if n is not None}
    sizes = tuple(len(range(*i.indices(n))) for i, n in zip(index, key.shape, strict=True))
    where = tuple(stored[axis] for axis in sorted(stored))
    with (
        reading(path, "FITS", fits.VerifyError),
        ignore_astropy_warnings(),
        fits.open(path) as hdus,
    ):
        hdu = hdus[key.number]
        scaled = any(card in hdu.header for card in ("BSCALE", "BZERO", "BLANK"))
        if scaled or _is_compressed(hdu):
            return _reordered(np.asarray(hdu.section[where]), key, sizes)
        # memory-mapped, which is much faster
        return _reordered(hdu.data[where], key, sizes)


def _fetch_masked(path: Path, key: Masked, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of an image, NaN where it is not usable."""
    flags = [(_fetch(path, part, index), bits) for part, bits in key.flags]
    noise = None
    if key.noise is not None:
        noise = _fetch(path, key.noise[0], index), key.noise[1]
    return masked(_fetch(path, key.image, index), flags, noise).values


def _fetch_variance(path: Path, key: tuple[Part, Noise], index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of the noise as variance."""
    return key[1].variance(_fetch(path, key[0], index))


def _reordered(stored: np.ndarray, part: Part, sizes: tuple[int, ...]) -> np.ndarray:
    """Return a copy of the stored array as (y, x, channel), of these sizes."""
    array = stored.transpose(*(n for n in part.order if n is not None), *part.drop)
    array = array.reshape([1 if n is None else size
                           for n, size in zip(part.order, sizes, strict=True)])  # fmt: skip
    array = np.broadcast_to(array, sizes)
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


def _with_companions(file: _File, number: int, primary: Any) -> StoredCube:
    """Return the cube of an image with its noise, its flags and its mask."""
    noise, form, flags = _named_companions(file, number)
    values = file.source(number)
    cube = StoredCube(values)
    shape = values.shape
    cubes, marked = [], []
    for n in flags:
        rule = flag_rule(file.path, file.images, primary, n)
        if file.is_whole(n):
            cubes.append((n, file.source(n), rule.bits))
        elif not _put_mask(file, cube, n, rule.bits, shape):
            continue
        name = file.images[n].name
        marked.append(f"{name}, {rule.words}")
        if not rule.sure:
            cube.notes.append(f"by its layout, {name} marks bad values by {rule.words}")
    if marked:
        cube.origin["mask"] = "; ".join(marked)
    how, stored = None, None
    if noise is not None and _fits(file, cube, noise):
        stored = file.source(noise)
        how = noise_in(values, stored, form)
        words = f"{file.images[noise].name}, {FORM_WORDS[form]}"
        if how is None:
            cube.notes.append(f"{words}, is not positive anywhere and is not used")
        else:
            cube.origin["variance"] = words
    _combine(file, cube, number, cubes, None if how is None else (noise, stored, how))
    return cube


def _combine(
    file: _File,
    cube: StoredCube,
    number: int,
    flags: list[tuple[int, Any, int]],
    noise: tuple[Any, Any, Noise] | None,
) -> None:
    """Mark the unusable values of a cube, and make dask arrays of what stays in the file."""
    image, values = file.part(number), cube.values
    if not flags and noise is None:
        cube.values = file.array(values, image)
        return
    keep_saturation(values.dtype, cube.attrs)
    part = None if noise is None else (file.part(noise[0]), noise[2])
    key = Masked(image, tuple((file.part(n), bits) for n, _, bits in flags), part)
    variance: Any = None
    if file.lazy:
        dtype = values.dtype if values.dtype.kind == "f" else np.dtype(np.float32)
        values = LazyArray(file.path, key, values.shape, dtype, _fetch_masked)
        if noise is not None:
            how = noise[2]
            variance = LazyArray(file.path, part, values.shape, how.dtype, _fetch_variance)
    else:
        arrays = [(array, bits) for _, array, bits in flags]
        done = masked(values, arrays, None if noise is None else noise[1:])
        values = done.values
        for name, count in (("mask", done.flagged), ("variance", done.noiseless)):
            if count:
                cube.origin[name] += f" ({counted(count, 'value')} out)"
        variance = None if noise is None else noise[2].variance(noise[1])
    cube.values = file.array(values, key)
    cube.variance = None if variance is None else file.array(variance, part)


def _named_companions(file: _File, number: int) -> tuple[int | None, str, list[int]]:
    """Return the numbers of the noise and the flags, and the form of the noise."""
    found, request = companions(file.images, number), file.request
    noise, form, flags = found.noise, found.form, found.flags
    if noise is not None:
        form = form_of(file.headers[noise], form)
    for wanted in ("variance", "error", "ivar"):
        name = getattr(request, wanted)
        if name is not None:
            numbers = numbers_of(file.images, name)
            noise, form = (numbers or pick(file.path, file.images, name))[0], wanted
    if request.mask is not None:
        flags = numbers_of(file.images, request.mask)
        if not flags:
            pick(file.path, file.images, request.mask)  # the error lists what there is
    return noise, form, flags


def _fits(file: _File, cube: StoredCube, number: int) -> bool:
    """Whether an image of noise fits the cube; error if it is a cube of another shape."""
    if file.fit(number) is not None:
        return True
    hdu = file.images[number]
    if squeezed_ndim(tuple(hdu.shape)) >= 3:
        stored = tuple(file.frame.shape[axis] for axis in file.frame.stored)
        check_companion_shape(file.path, hdu.name, tuple(hdu.shape), stored)
    cube.notes.append(f"{hdu.name} has shape {hdu.shape}, which does not fit the cube: not used")
    return False


def _put_mask(
    file: _File, cube: StoredCube, number: int, bits: int, shape: tuple[int, ...]
) -> bool:
    """Use flags of pixels (y, x) or of channels; False if they are of neither shape."""
    hdu, fit = file.images[number], file.fit(number)
    along = () if fit is None else fit.along
    if fit is None or along not in ((), (0,), (1,), (0, 1), (2,)):
        cube.notes.append(
            f"{hdu.name} has shape {hdu.shape}, which does not fit the cube, and is not used"
        )
        return False
    _check_complete(file.path, hdu.name, hdu, file.size)
    if along == (2,):
        bad = is_bad(np.ravel(native(hdu.data)), bits)
        cube.coords["bad_channel"] = (("channel",), bad, {"long_name": f"marked by {hdu.name}"})
    else:
        stored = _reordered(hdu.data, file.part(number), (*shape[:2], 1))
        bad = is_bad(stored[..., 0], bits)
        cube.mask = bad if cube.mask is None else cube.mask | bad
    return True
