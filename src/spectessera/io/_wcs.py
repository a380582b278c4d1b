"""World coordinates in FITS headers: the spectral axis, and the position on the sky."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spectessera.axis import Axis, parse_unit
from spectessera.conventions.units import guessed_unit

from ._common import axis_of_file


@dataclass
class AxisFound:
    """The spectral axis: arguments of an Axis, or why it cannot be used, and how it was found."""

    arguments: dict[str, Any] | None = None
    error: str = ""
    origin: str = ""
    attrs: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


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
# Other words for the same axes; they say nothing of air or vacuum.
WORDS = {
    "WAVELENGTH": "wavelength", "WAVELEN": "wavelength", "WAVELNTH": "wavelength",
    "LAMBDA": "wavelength", "LAM": "wavelength", "ENERGY": "energy", "FREQUENCY": "frequency",
    "WAVENUMBER": "wavenumber", "RAMAN": "wavenumber", "RAMANSHIFT": "wavenumber",
    "VELOCITY": "velocity", "ENERGYLOSS": "energy_loss", "ELOSS": "energy_loss",
}  # fmt: skip
MEDIUM = {"AWAV": "air", "WAVE": "vacuum"}
FRAMES = ("", "LSR", "LSD", "HEL", "OBS", "GEO", "GAL")  # VELO-LSR is as linear as VELO
FITS_UNIT = {"angstrom": "Angstrom"}  # where the spelling differs from that of this package
KEV_PER_JOULE = 1 / 1.602176634e-16
SMALLEST_KEV = 1e-9  # smaller numbers without a unit are in joule, as the standard has it
LONGEST_METRES = 0.1  # larger numbers without a unit are not in metres


def known_unit(header: Any, n: int) -> str:
    """Return the unit of an axis in the spelling of this package, or "" if it has no known one."""
    try:
        return parse_unit(str(header.get(f"CUNIT{n}", "")))
    except ValueError:
        return ""


def word_of(ctype: Any) -> str:
    """Return the first word of a CTYPE, such as WAVE of WAVE-LOG."""
    return str(ctype).upper().strip().partition("-")[0].strip().replace(" ", "").replace("_", "")


def header_axis(hdus: Any, header: Any, n: int) -> AxisFound:
    """Return the spectral axis as CTYPE, CUNIT, CRVAL and CDELT (or a -TAB table) give it."""
    cards = [f"{word}{n}" for word in ("CTYPE", "CRVAL", "CDELT")] + [f"CD{n}_{n}"]
    if not any(card in header for card in cards):
        return AxisFound()
    ctype = str(header.get(f"CTYPE{n}", "")).upper().strip()
    base, origin = word_of(ctype), f"the header of the image (CTYPE{n} = {ctype or 'none'})"
    known = SPECTRAL.get(base)
    unit = known_unit(header, n)
    rest = ctype.partition("-")[2].strip("- ")
    if rest == "TAB":
        return _tabulated(hdus, header, n, WORDS.get(base, known[0] if known else ""), origin)
    linear = rest in FRAMES and base != "FELO" and bool(unit)
    values = _world(hdus, header, n, linear=linear or known is None)
    if known is None or (not unit and _has_no_unit(header, n) and _is_not_si(values, known[0])):
        return _without_type(header, n, values, known[0] if known else "", origin)
    axis = _known_axis(values, known, unit, linear)
    kind = str(header.get("AXISKIND", axis.kind))
    arguments = {"values": axis.values, "unit": axis.unit, "kind": kind}
    return AxisFound(arguments | {"medium": MEDIUM.get(base, "")}, origin=origin)


def _has_no_unit(header: Any, n: int) -> bool:
    """Whether CUNIT is not given, rather than not known."""
    return not str(header.get(f"CUNIT{n}", "")).strip()


def _is_not_si(values: np.ndarray, kind: str) -> bool:
    """Whether values without a unit cannot be in the SI unit that the standard then means."""
    if kind == "wavelength":
        return bool(np.abs(values).max() > LONGEST_METRES)
    return kind == "energy" and bool(np.abs(values).max() > SMALLEST_KEV)


def _without_type(header: Any, n: int, values: np.ndarray, kind: str, origin: str) -> AxisFound:
    """Return an axis whose CTYPE is not of the standard, or whose unit is missing."""
    name = word_of(header.get(f"CTYPE{n}", ""))
    given = str(header.get("AXISKIND", "")) or WORDS.get(name, "")
    if _has_no_unit(header, n):
        unit, guessed, note = guessed_unit(kind or WORDS.get(name, name), values)
        if unit:
            note = f"CUNIT{n} is missing: " + note.partition(": ")[2]
            arguments = {"values": values, "unit": unit, "kind": guessed}
            return AxisFound(arguments | {"medium": MEDIUM.get(name, "")}, "", origin, {}, [note])
    cunit = header.get(f"CUNIT{n}")
    arguments, attrs = axis_of_file(values, cunit, name=f"CUNIT{n}", kind=given)
    return AxisFound(arguments, origin=origin, attrs=attrs)


def _tabulated(hdus: Any, header: Any, n: int, kind: str, origin: str) -> AxisFound:
    """Return an axis whose values are in a table (-TAB); they are in CUNIT, or else in TUNIT."""
    from astropy.wcs import WCS

    plain = _one_scale(header)
    name, column = header.get(f"PS{n}_0", ""), header.get(f"PS{n}_1", "")
    text = str(header.get(f"CUNIT{n}", "")).strip()
    columns = getattr(hdus[name], "columns", None) if name in hdus else None
    if not text and columns is not None and column in columns.names:
        text = str(columns[column].unit or "")
    plain.remove(f"CUNIT{n}", ignore_missing=True)
    pixels = np.arange(plain[f"NAXIS{n}"])
    values = np.asarray(WCS(plain, hdus).sub([n]).wcs_pix2world(pixels, 0)[0])
    kind = str(header.get("AXISKIND", kind))
    arguments, attrs = axis_of_file(values, text or None, name=f"CUNIT{n}", kind=kind)
    if arguments.get("unit"):
        arguments["medium"] = MEDIUM.get(word_of(header.get(f"CTYPE{n}", "")), "")
    return AxisFound(arguments, origin=f"{origin}, table {name}", attrs=attrs)


def linear_values(hdus: Any, header: Any, n: int) -> np.ndarray:
    """Return CRVAL + CDELT (pixel - CRPIX) of every channel."""
    return _world(hdus, header, n, linear=True)


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
        words = " ".join(str(error).split())  # those of wcslib have several lines
        warnings.warn(f"the sky coordinates cannot be used: {words}", stacklevel=2)
        return ""
