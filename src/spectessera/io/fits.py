"""Read cubes from FITS files: MUSE and other integral-field cubes, radio cubes, plain images.

FITS counts axes from 1, fastest first, and NumPy the other way round: the FITS axes (x, y,
wavelength) are the array (wavelength, y, x). Here ``n`` is always a FITS number.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera.axis import Axis, parse_unit

from ._parts import (
    MOST_PACKED,
    SMALL,
    Lazy,
    Parts,
    blank,
    check_stored,
    check_three,
    chunked,
    listing,
    load,
    native,
    plain,
    same_shape,
    telling,
    told_axis,
)

# CTYPE -> kind of axis, the SI unit that the standard gives it, and the unit that we tell it in
SPECTRAL = {
    "WAVE": ("wavelength", "m", "angstrom"),
    "AWAV": ("wavelength", "m", "angstrom"),
    "FREQ": ("frequency", "Hz", "GHz"),
    "ENER": ("energy", "J", "keV"),
    "WAVN": ("wavenumber", "m-1", "cm-1"),
    "VRAD": ("velocity", "m/s", "km/s"),
    "VOPT": ("velocity", "m/s", "km/s"),
    "VELO": ("velocity", "m/s", "km/s"),
    "FELO": ("velocity", "m/s", "km/s"),
}
MEDIUM = {"AWAV": "air", "WAVE": "vacuum"}
FRAMES = ("", "LSR", "LSD", "HEL", "OBS", "GEO", "GAL")  # VELO-LSR is as linear as VELO
KEV_PER_JOULE = 1 / 1.602176634e-16
KEPT = {"BUNIT": "unit", "OBJECT": "object", "INSTRUME": "instrument", "TELESCOP": "telescope"}


class Layout(NamedTuple):
    """Which axes of the stored array are y, x and channel, and which (of length 1) to drop.

    ``spectral`` is the FITS number of the spectral axis, ``spatial`` those of x and y.
    """

    order: tuple[int, int, int]
    drop: tuple[int, ...]
    spectral: int
    spatial: tuple[int, int]


def read_fits(path: Path, key: str | int | None = None, chunks: Any = None) -> Parts:
    """Read a cube from a FITS file, compressed by gzip or not.

    Parameters
    ----------
    path : Path
    key : str or int, optional
        Name or number of the extension; by default DATA, or the only image of three axes.
    chunks : dict, int or "auto", optional
        Leave the data in the file and give a dask array. A file compressed by gzip cannot be read
        in parts, so that all of it is in memory.

    Returns
    -------
    Parts
        Values (y, x, channel) with the variance of STAT; NaN where DQ is not 0.

    Raises
    ------
    ValueError
        If the file is broken, there is no such image, or it is not clear which one is meant.
    """
    from astropy.io import fits

    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    with telling(path, "FITS", fits.VerifyError), quiet():
        hdus = fits.open(path, memmap=False)
        images = {number: hdu for number, hdu in enumerate(hdus) if hdu.is_image}
        shapes = {number: tuple(hdu.shape) for number, hdu in images.items()}
    with hdus, quiet():
        number = _pick(path, images, shapes, key)
        header = images[number].header
        layout = _layout(path, _name(images, number), header)

        def take(which: int) -> Any:
            _check_whole(path, _name(images, which), images[which], packed)
            return _values(path, which, images[which], layout, chunks, packed)

        values = take(number)
        others = _companions(images, number)
        for name, other in others.items():
            wanted = shapes[number] if name != "MASK" else shapes[number][-2:]
            same_shape(path, name, shapes[other], wanted)
        if "DQ" in others:
            values = blank(values, take(others["DQ"]) != 0)
        axis, note, trouble = _spectral_axis(hdus, header, layout.spectral)
        parts = Parts(values, axis=axis, axis_trouble=trouble, attrs=note)
        if "STAT" in others:
            parts.variance = _variance(take(others["STAT"]), images[others["STAT"]].header)
        if "MASK" in others:
            parts.mask = native(images[others["MASK"]].data) != 0
        parts.attrs |= _attributes(path, hdus, header, layout)
    return parts


@contextmanager
def quiet() -> Iterator[None]:
    """Silence astropy, which warns of every header that it puts right."""
    from astropy.utils.exceptions import AstropyWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        # told of every MUSE header, which has CD and CDELT both
        warnings.filterwarnings("ignore", "cdelt will be ignored", RuntimeWarning)
        yield


def _name(images: dict[int, Any], number: int) -> str:
    """Return what to call an image in an error."""
    return f"{number} {images[number].name or 'without name'}"


def _pick(
    path: Path, images: dict[int, Any], shapes: dict[int, tuple[int, ...]], key: str | int | None
) -> int:
    """Return the number of the image to read."""
    there = {_name(images, n): shapes[n][::-1] for n in images if shapes[n]}
    if key is not None:
        names = [n for n in images if images[n].name.upper() == str(key).strip().upper()]
        names += [n for n in images if str(n) == str(key).strip()]
        if not names:
            raise ValueError(f"{path} has no image {key!r}; there is: {listing(there)}")
        if len(shapes[names[0]]) < 3:
            check_three(path, str(key), shapes[names[0]])
        return names[0]
    cubes = [n for n in images if _squeezed(shapes[n]) == 3]
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
    raise ValueError(f"{path} has no image of 3 axes; there is: {listing(there)}")


def _squeezed(shape: tuple[int, ...]) -> int:
    """Return the number of axes after those of length 1 were dropped to come down to 3."""
    return max(min(len(shape), 3), sum(size != 1 for size in shape))


def _layout(path: Path, name: str, header: Any) -> Layout:
    """Find the spectral axis and the image axes."""
    count = header["NAXIS"]
    numbers = list(range(1, count + 1))
    types = {n: str(header.get(f"CTYPE{n}", "")).upper().strip() for n in numbers}
    spectral = [n for n in numbers if types[n].partition("-")[0] in SPECTRAL]
    if len(spectral) != 1:
        spectral = [n for n in numbers if not types[n] or types[n].partition("-")[0] != "STOKES"]
        spectral = [n for n in spectral if _known_unit(header, n)]
    found = spectral[0] if len(spectral) == 1 else None
    left = list(numbers)
    spare = [n for n in reversed(numbers) if header[f"NAXIS{n}"] == 1 and n != found]
    for n in sorted(spare, key=lambda n: types[n] != "STOKES"):
        if len(left) > 3:
            left.remove(n)
    if len(left) != 3:
        raise ValueError(
            f"{path}: {name} has {len(left)} axes longer than 1; a cube has 3 (x, y and one "
            "spectral axis): save the part of it that is meant"
        )
    found = found or left[2]
    x, y = [n for n in left if n != found]
    order = (count - y, count - x, count - found)
    drop = tuple(count - n for n in numbers if n not in left)
    return Layout(order, drop, found, (x, y))


def _known_unit(header: Any, n: int) -> str:
    """Return the unit of an axis in our spelling, or "" if it has none that we know."""
    try:
        return parse_unit(str(header.get(f"CUNIT{n}", "")))
    except ValueError:
        return ""


def _check_whole(path: Path, name: str, hdu: Any, packed: bool) -> None:
    """Refuse an image that cannot all be in the file."""
    size = path.stat().st_size
    room = max(size * MOST_PACKED, SMALL) if packed else size
    place = hdu.fileinfo()["datLoc"]
    if not _is_compressed(hdu) and place + hdu.size > room:
        raise ValueError(
            f"{path}: {name} should end at byte {place + hdu.size} but the file has {size}; "
            "it is damaged or cut short"
        )


def _is_compressed(hdu: Any) -> bool:
    """Tell a tile-compressed image, which is a table in the file."""
    from astropy.io import fits

    return isinstance(hdu, fits.CompImageHDU)


def _values(path: Path, number: int, hdu: Any, layout: Layout, chunks: Any, packed: bool) -> Any:
    """Return the values of an image as (y, x, channel), in memory or as a dask array."""
    key = (number, layout.order, layout.drop)
    with telling(path, "FITS"):
        first = hdu.section[(slice(0, 1),) * len(hdu.shape)]
    shape = tuple(hdu.shape[axis] for axis in layout.order)
    check_stored(path, f"extension {number}", shape, first.dtype)
    if chunks is not None and not packed:
        return load(Lazy(path, key, shape, first.dtype.newbyteorder("="), _fetch), chunks)
    with telling(path, "FITS"):
        values = _turned(hdu.data, layout.order, layout.drop)
        del hdu.data  # the next image needs the memory
    return values if chunks is None else chunked(values, chunks, path, key)


def _fetch(path: Path, key: tuple[Any, ...], index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of an image."""
    from astropy.io import fits

    number, order, drop = key
    stored = dict(zip(order, index, strict=True)) | dict.fromkeys(drop, slice(0, 1))
    with telling(path, "FITS", fits.VerifyError), quiet(), fits.open(path, memmap=True) as hdus:
        part = hdus[number].section[tuple(stored[axis] for axis in sorted(stored))]
        return _turned(np.asarray(part), order, drop)


def _turned(stored: np.ndarray, order: tuple[int, ...], drop: tuple[int, ...]) -> np.ndarray:
    """Return the stored array as (y, x, channel), in memory of its own."""
    turned = stored.transpose(*order, *drop)
    return native(turned.reshape(turned.shape[:3]))


def _companions(images: dict[int, Any], number: int) -> dict[str, int]:
    """Return the numbers of the extensions that go with the data (none with other images)."""
    header = images[number].header
    if images[number].name != "DATA" and "ERRDATA" not in header:
        return {}
    names = {
        "STAT": header.get("ERRDATA", "STAT"),
        "DQ": header.get("QUALDATA", "DQ"),
        "MASK": "MASK",
    }
    found = {}
    for name, wanted in names.items():
        there = [n for n in images if images[n].name == str(wanted).strip().upper()]
        if there and images[there[0]].shape:
            found[name] = there[0]
    return found


def _variance(errors: Any, header: Any) -> Any:
    """Return the variance, from what the header says that the errors are (ESO's HDUCLAS3)."""
    said = str(header.get("HDUCLAS3", "MSE")).strip().upper()
    if said in ("RMSE", "INVRMSE"):
        errors = errors**2
    return 1 / errors if said in ("INVMSE", "INVRMSE") else errors


def _spectral_axis(
    hdus: Any, header: Any, n: int
) -> tuple[dict[str, Any] | None, dict[str, str], str]:
    """Return the spectral axis, attributes to keep, and what is wrong with it if anything is."""
    cards = [f"{word}{n}" for word in ("CTYPE", "CRVAL", "CDELT")] + [f"CD{n}_{n}"]
    if not any(card in header for card in cards):
        return None, {}, ""
    base, _, rest = str(header.get(f"CTYPE{n}", "")).upper().strip().partition("-")
    known = SPECTRAL.get(base)
    unit = _known_unit(header, n)
    straight = rest.strip("- ") in FRAMES and base != "FELO" and bool(unit)
    try:
        values = _world(hdus, header, n, linear=straight or known is None)
        if known is None:
            told = header.get(f"CUNIT{n}")
            kind = str(header.get("AXISKIND", ""))
            return *told_axis(values, told, name=f"CUNIT{n}", kind=kind), ""
        axis = _told(values, known, unit, straight)
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        return None, {}, f"the WCS of FITS axis {n} cannot be used: {error}"
    medium = str(header.get("MEDIUM", MEDIUM.get(base, "")))
    return (
        {
            "values": axis.values,
            "unit": axis.unit,
            "kind": str(header.get("AXISKIND", axis.kind)),
            "medium": medium if medium in ("air", "vacuum") else "",
        },
        {},
        "",
    )


def _world(hdus: Any, header: Any, n: int, *, linear: bool) -> np.ndarray:
    """Return the world coordinate of every channel: in CUNIT if linear, else in the SI unit."""
    from astropy.wcs import WCS

    header = _one_scale(header)
    if linear:  # a plain type of axis, for which the library leaves the unit as it is
        header[f"CTYPE{n}"] = "LINEAR"
        header.remove(f"CUNIT{n}", ignore_missing=True)
    pixels = np.arange(header[f"NAXIS{n}"])
    return np.asarray(WCS(header, hdus).sub([n]).wcs_pix2world(pixels, 0)[0])


def _one_scale(header: Any) -> Any:
    """Return a copy where every axis has its scale in CD if any has.

    Some cubes have CD for the sky and CDELT for the wavelength. By the standard CDELT then counts
    for nothing, and the step would be 1.
    """
    header = header.copy()
    numbers = range(1, header["NAXIS"] + 1)
    if any(f"CD{i}_{j}" in header for i in numbers for j in numbers):
        for n in numbers:
            row = any(f"CD{n}_{j}" in header or f"CD{j}_{n}" in header for j in numbers)
            if not row and f"CDELT{n}" in header:
                header[f"CD{n}_{n}"] = header[f"CDELT{n}"]
    return header


def _told(values: np.ndarray, known: tuple[str, str, str], unit: str, straight: bool) -> Axis:
    """Return the axis in the unit of the header; frequencies in GHz and velocities in km/s."""
    kind, si, ours = known
    wanted = ours if kind in ("frequency", "velocity") or not unit else unit
    if straight:
        axis = Axis(values, unit=unit, kind=kind)
    elif si == "J":
        axis = Axis(values * KEV_PER_JOULE, unit="keV")
    else:
        axis = Axis(values, unit=si)
    if axis.unit == wanted:
        return axis
    values = axis.to(wanted).values
    # a change of unit leaves a last digit of noise: 4750.000000000001
    digits = 12 - int(np.ceil(np.log10(np.abs(values).max() or 1.0)))
    return Axis(np.round(values, digits), unit=wanted)


def _attributes(path: Path, hdus: Any, header: Any, layout: Layout) -> dict[str, str]:
    """Return the source, the unit of the values, what was observed with what, and the sky."""
    attrs = {"source": path.name}
    for card, name in KEPT.items():
        value = plain(header.get(card, hdus[0].header.get(card)))
        if value not in (None, ""):
            attrs[name] = str(value)
    sky = celestial(hdus, header, layout.spatial)
    if sky:
        attrs["wcs"] = sky
    return attrs


def celestial(hdus: Any, header: Any, spatial: tuple[int, int]) -> str:
    """Return the header of the WCS of the image (x, y), or "" if it has no place on the sky."""
    from astropy.wcs import WCS

    try:
        wcs = WCS(_one_scale(header), hdus)
        if {wcs.wcs.lng + 1, wcs.wcs.lat + 1} != set(spatial):
            return ""
        # keeps the order of the axes: the first is x, the second y
        return str(wcs.celestial.to_header(relax=True).tostring(sep="\n"))
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        warnings.warn(f"the place on the sky cannot be used: {error}", stacklevel=2)
        return ""
