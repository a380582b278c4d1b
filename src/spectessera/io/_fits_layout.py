"""Which axes of a FITS image are x, y and channel.

FITS counts axes from 1, fastest first, and NumPy the other way round: FITS axis ``n`` of ``count``
is the array axis ``count - n``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from spectessera.conventions.dims import CHANNEL, Dim, Evidence, find_axes, role_of

from ._common import plain_attribute
from ._wcs import SPECTRAL, word_of

SKY = ("RA", "DEC", "GLON", "GLAT", "ELON", "ELAT", "SLON", "SLAT", "HPLN", "HPLT", "HGLN", "HGLT")
USUAL = "FITS cubes without names"
ATTRIBUTES = {
    "BUNIT": "unit",
    "OBJECT": "object",
    "INSTRUME": "instrument",
    "TELESCOP": "telescope",
}


class Layout(NamedTuple):
    """Which axes of the stored array are y, x and channel, and which (of length 1) to drop.

    ``spectral`` is the FITS number of the spectral axis, ``spatial`` those of x and y; ``how`` says
    how they were found, and ``note`` what was assumed.
    """

    order: tuple[int, int, int]
    drop: tuple[int, ...]
    spectral: int
    spatial: tuple[int, int]
    how: str
    note: str


def layout_of(what: str, header: Any, spectral: Mapping[str, int], letters: str | None) -> Layout:
    """Find the spectral axis and the image axes.

    Parameters
    ----------
    what : str
        File and image, for errors.
    header : Header
    spectral : mapping of str to int
        Lists of wavelengths or energies in the file, and their lengths.
    letters : str, optional
        What the user says: y, x and c in the order of NumPy.

    Raises
    ------
    ValueError
        If there are not three axes, or the header contradicts itself.
    """
    count = header["NAXIS"]
    numbers = list(range(count, 0, -1))  # in the order of the array
    types = {n: str(header.get(f"CTYPE{n}", "")).strip() for n in numbers}
    sky = [n for n in numbers if types[n].upper().partition("-")[0] in SKY]
    shape = tuple(header[f"NAXIS{n}"] for n in numbers)
    dims = [_dim(header, n, types[n], n in sky) for n in numbers]
    used = _used(numbers, types, header)
    evidence = Evidence(
        tuple(shape[count - n] for n in used), [dims[count - n] for n in used], spectral
    )
    if len(used) == 3:
        evidence.layout, evidence.program = (1, 2, 0), USUAL
    channels = [n for n in used if role_of(dims[count - n]) == CHANNEL]
    if letters is None and len(channels) != 1 and len(sky) == 2 and set(sky) < set(used):
        (channel,) = (n for n in used if n not in sky)
        y, x = sorted(sky, reverse=True)
        evidence.layout = (used.index(y), used.index(x), used.index(channel))
        evidence.program = f"the sky coordinates ({', '.join(types[n] for n in sky)})"
    found = find_axes(what, evidence, letters)
    y, x, channel = (used[n] for n in found.order)
    how, note = found.how, found.note
    if how.startswith("names of dimensions"):
        how = f"CTYPE{channel} = {types[channel]}" if types[channel] else how
    elif how == f"layout of {USUAL}":
        how = "position"
        note = (
            f"nothing in the header names the axes: FITS axis {channel} (length "
            f"{header[f'NAXIS{channel}']}) is taken as the spectrum (--axes)"
        )
    order = (count - y, count - x, count - channel)
    drop = tuple(count - n for n in numbers if n not in used)
    return Layout(order, drop, channel, (x, y), how, note)


def _dim(header: Any, n: int, kind: str, is_sky: bool) -> Dim:
    """Return the name and the unit of an axis; the image keeps the order of its sky axes."""
    if is_sky:
        return Dim("", "deg")
    known = word_of(kind) in SPECTRAL
    return Dim("wavelength" if known else kind, str(header.get(f"CUNIT{n}", "")).strip())


def _used(numbers: list[int], types: Mapping[int, str], header: Any) -> list[int]:
    """Return the axes of the cube: polarisation first, other axes of length 1 are dropped."""
    used = list(numbers)
    named = {n for n in numbers if word_of(types[n]) in SPECTRAL}
    single = [n for n in numbers if header[f"NAXIS{n}"] == 1 and n not in named]
    for n in sorted(single, key=lambda n: types[n].upper() != "STOKES"):
        if len(used) > 3:
            used.remove(n)
    return used


def attributes_of(header: Any, primary: Any) -> dict[str, str]:
    """Return the unit of the values, the object, the instrument and the telescope."""
    attrs = {}
    for card, name in ATTRIBUTES.items():
        value = plain_attribute(header.get(card, primary.get(card)))
        if value not in (None, ""):
            attrs[name] = str(value)
    return attrs
