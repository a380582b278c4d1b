"""World coordinates in FITS headers: the spectral axis, and the position on the sky."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from spectessera.axis import Axis, parse_unit

from ._common import axis_of_file

# CTYPE -> kind of axis, its SI unit by the standard, and the unit used here
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
FITS_UNIT = {"angstrom": "Angstrom"}  # where the spelling differs from that of this package
KEV_PER_JOULE = 1 / 1.602176634e-16


def known_unit(header: Any, n: int) -> str:
    """Return the unit of an axis in the spelling of this package, or "" if it has no known one."""
    try:
        return parse_unit(str(header.get(f"CUNIT{n}", "")))
    except ValueError:
        return ""


def spectral_axis(
    hdus: Any, header: Any, n: int
) -> tuple[dict[str, Any] | None, dict[str, str], str]:
    """Return the spectral axis, attributes to keep, and why it cannot be used ("" if it can)."""
    cards = [f"{word}{n}" for word in ("CTYPE", "CRVAL", "CDELT")] + [f"CD{n}_{n}"]
    if not any(card in header for card in cards):
        return None, {}, ""
    base, _, rest = str(header.get(f"CTYPE{n}", "")).upper().strip().partition("-")
    known = SPECTRAL.get(base)
    unit = known_unit(header, n)
    linear = rest.strip("- ") in FRAMES and base != "FELO" and bool(unit)
    try:
        values = _world(hdus, header, n, linear=linear or known is None)
        if known is None:
            cunit = header.get(f"CUNIT{n}")
            kind = str(header.get("AXISKIND", ""))
            return *axis_of_file(values, cunit, name=f"CUNIT{n}", kind=kind), ""
        axis = _known_axis(values, known, unit, linear)
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
    elif unit:  # astropy knows fewer spellings
        header[f"CUNIT{n}"] = FITS_UNIT.get(unit, unit)
    pixels = np.arange(header[f"NAXIS{n}"])
    return np.asarray(WCS(header, hdus).sub([n]).wcs_pix2world(pixels, 0)[0])


def _plain_axis(header: Any, n: int) -> Any:
    """Make an axis a plain list of numbers, whose unit astropy neither checks nor changes."""
    header[f"CTYPE{n}"] = "LINEAR"
    header.remove(f"CUNIT{n}", ignore_missing=True)
    return header


def _one_scale(header: Any) -> Any:
    """Return a copy where every axis has its scale in CD if any axis has.

    Some cubes have CD for the sky and CDELT for the wavelength. By the standard CDELT is then
    ignored, and the step would be 1.
    """
    header = header.copy()
    numbers = range(1, header["NAXIS"] + 1)
    if any(f"CD{i}_{j}" in header for i in numbers for j in numbers):
        for n in numbers:
            row = any(f"CD{n}_{j}" in header or f"CD{j}_{n}" in header for j in numbers)
            if not row and f"CDELT{n}" in header:
                header[f"CD{n}_{n}"] = header[f"CDELT{n}"]
    return header


def _known_axis(values: np.ndarray, known: tuple[str, str, str], unit: str, linear: bool) -> Axis:
    """Return the axis in the unit of the header; frequencies in GHz and velocities in km/s."""
    kind, si_unit, usual_unit = known
    target = usual_unit if kind in ("frequency", "velocity") or not unit else unit
    if linear:
        axis = Axis(values, unit=unit, kind=kind)
    elif si_unit == "J":
        axis = Axis(values * KEV_PER_JOULE, unit="keV")
    else:
        axis = Axis(values, unit=si_unit)
    if axis.unit == target:
        return axis
    values = axis.to(target).values
    # a change of unit leaves rounding errors in the last digit: 4750.000000000001
    digits = 12 - int(np.ceil(np.log10(np.abs(values).max() or 1.0)))
    return Axis(np.round(values, digits), unit=target)


def celestial(hdus: Any, header: Any, spectral: int, spatial: tuple[int, int]) -> str:
    """Return the header of the WCS of the image (x, y), or "" if it has no sky coordinates."""
    from astropy.wcs import WCS

    try:
        wcs = WCS(_plain_axis(_one_scale(header), spectral), hdus)
        if {wcs.wcs.lng + 1, wcs.wcs.lat + 1} != set(spatial):
            return ""
        # keeps the order of the axes: the first is x, the second y
        return str(wcs.celestial.to_header(relax=True).tostring(sep="\n"))
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        warnings.warn(f"the sky coordinates cannot be used: {error}", stacklevel=2)
        return ""
