"""What the world coordinates of a FITS header tell: the spectral axis, and the place on the sky."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from spectessera.axis import Axis, parse_unit

from ._common import told_axis

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
FITS_UNIT = {"angstrom": "Angstrom"}  # where it differs from our spelling
KEV_PER_JOULE = 1 / 1.602176634e-16


def known_unit(header: Any, n: int) -> str:
    """Return the unit of an axis in our spelling, or "" if it has none that we know."""
    try:
        return parse_unit(str(header.get(f"CUNIT{n}", "")))
    except ValueError:
        return ""


def spectral_axis(
    hdus: Any, header: Any, n: int
) -> tuple[dict[str, Any] | None, dict[str, str], str]:
    """Return the spectral axis, attributes to keep, and what is wrong with it if anything is."""
    cards = [f"{word}{n}" for word in ("CTYPE", "CRVAL", "CDELT")] + [f"CD{n}_{n}"]
    if not any(card in header for card in cards):
        return None, {}, ""
    base, _, rest = str(header.get(f"CTYPE{n}", "")).upper().strip().partition("-")
    known = SPECTRAL.get(base)
    unit = known_unit(header, n)
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
    unit = known_unit(header, n)
    if linear:
        header = _plain_axis(header, n)
    elif unit:  # the library knows fewer spellings
        header[f"CUNIT{n}"] = FITS_UNIT.get(unit, unit)
    pixels = np.arange(header[f"NAXIS{n}"])
    return np.asarray(WCS(header, hdus).sub([n]).wcs_pix2world(pixels, 0)[0])


def _plain_axis(header: Any, n: int) -> Any:
    """Make an axis a mere list of numbers, whose unit the library neither checks nor changes."""
    header[f"CTYPE{n}"] = "LINEAR"
    header.remove(f"CUNIT{n}", ignore_missing=True)
    return header


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


def celestial(hdus: Any, header: Any, spectral: int, spatial: tuple[int, int]) -> str:
    """Return the header of the WCS of the image (x, y), or "" if it has no place on the sky."""
    from astropy.wcs import WCS

    try:
        wcs = WCS(_plain_axis(_one_scale(header), spectral), hdus)
        if {wcs.wcs.lng + 1, wcs.wcs.lat + 1} != set(spatial):
            return ""
        # keeps the order of the axes: the first is x, the second y
        return str(wcs.celestial.to_header(relax=True).tostring(sep="\n"))
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        warnings.warn(f"the place on the sky cannot be used: {error}", stacklevel=2)
        return ""
