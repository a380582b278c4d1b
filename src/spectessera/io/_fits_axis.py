"""The spectral axis of a FITS cube: lists of wavelengths, logarithms, air and vacuum."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from spectessera.axis import UNITS, Axis, parse_unit
from spectessera.conventions.units import guessed_unit

from ._channels import names_axis
from ._wcs import SPECTRAL, AxisFound, header_axis, linear_values, word_of

LOGARITHMS = ("LOGLAM", "LOGLAMBDA", "LOGWAVE", "LOGWL", "LOGE")
# Decimal logarithms of wavelengths in angstrom; real wavelengths of cubes are not so short.
LOG_ANGSTROM = (2.9, 5.0)
# A list and the header may differ by so many channels: air and vacuum are one or two.
TOLERANCE = 3.0


class Listed(NamedTuple):
    """A list of wavelengths or energies: an image of one axis, or the column of a table."""

    name: str
    values: np.ndarray
    unit: str


def find_axis(
    hdus: Any, header: Any, primary: Any, n: int, listed: Mapping[str, Listed]
) -> AxisFound:
    """Return the spectral axis, which is FITS axis ``n`` of the image with this header."""
    try:
        own = _logarithmic(hdus, header, primary, n) or header_axis(hdus, header, n)
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        words = " ".join(str(error).split())  # those of wcslib have several lines
        own = AxisFound(error=f"the WCS of FITS axis {n} cannot be used: {words}")
    fitting = [each for each in listed.values() if len(each.values) == header[f"NAXIS{n}"]]
    if fitting and not str(header.get(f"CTYPE{n}", "")).upper().endswith("-TAB"):
        own = _from_list(fitting[0], own)
    return _with_medium(own, header, primary, n)


def lists_in(hdus: Any, key: int) -> dict[str, Listed]:
    """Return the lists of wavelengths or energies of a file, by their names."""
    found: dict[str, Listed] = {}
    for number, hdu in enumerate(hdus):
        if number == key or not isinstance(hdu.name, str):
            continue
        if hdu.is_image and sum(size != 1 for size in hdu.shape) == 1 and names_axis(hdu.name):
            unit = str(hdu.header.get("BUNIT", hdu.header.get("CUNIT1", ""))).strip()
            found[hdu.name] = Listed(f"extension {hdu.name}", np.ravel(hdu.data), unit)
        elif hasattr(hdu, "columns") and not hdu.is_image:
            found |= _columns(hdu)
    return {name: _plain(each) for name, each in found.items() if each.values.dtype.kind in "iuf"}


def _columns(hdu: Any) -> dict[str, Listed]:
    """Return the columns of a table that hold one list of wavelengths or energies."""
    found = {}
    for column in hdu.columns:
        if column.name and (names_axis(column.name) or column.name.upper() in LOGARITHMS):
            values = np.ravel(hdu.data[column.name])
            name = f"column {column.name} of {hdu.name or 'a table'}"
            found[column.name] = Listed(name, values, str(column.unit or "").strip())
    return found


def _plain(listed: Listed) -> Listed:
    """Return a list with its logarithms undone."""
    unit, power = log_unit(listed.unit)
    if listed.name.split(" of ")[0].split()[-1].upper() in LOGARITHMS:
        power = power or "log10"
    values = listed.values.astype(np.float64)
    return Listed(listed.name, _powers(values, power), unit or ("angstrom" if power else ""))


def log_unit(unit: str) -> tuple[str, str]:
    """Return the unit inside ``log(Angstrom)`` and "log10" or "ln"; otherwise the unit and ""."""
    match = re.fullmatch(r"\s*(log10|log|ln|dex)[\s(\[]*([a-zA-Z]*)[\s)\]]*", unit, re.IGNORECASE)
    if not match:
        return unit, ""
    return match[2], "ln" if match[1].lower() == "ln" else "log10"


def _powers(values: np.ndarray, power: str) -> np.ndarray:
    """Return values whose logarithms are given; error if they are no logarithms."""
    if not power:
        return values
    if np.abs(values).max() > (50 if power == "ln" else 25):
        raise ValueError(
            f"the header says that the axis is a logarithm, but its values go to {values.max():g}"
        )
    return np.exp(values) if power == "ln" else 10.0**values


def _logarithmic(hdus: Any, header: Any, primary: Any, n: int) -> AxisFound | None:
    """Return an axis that the header gives as logarithms, in one of several ways; None if plain."""
    word = word_of(header.get(f"CTYPE{n}", ""))
    unit, power = log_unit(str(header.get(f"CUNIT{n}", "")).strip())
    unit = unit or _iraf_unit(header, n)
    how, notes = f"CUNIT{n} = {header.get(f'CUNIT{n}')}", []
    values = linear_values(hdus, header, n)
    coefficients = [header.get(c, primary.get(c)) for c in ("COEFF0", "COEFF1")]
    if all(isinstance(c, (int, float)) for c in coefficients):
        start, step = coefficients
        plain = word in SPECTRAL and not np.isclose(values[0], start, rtol=1e-3)
        if not plain or f"CRVAL{n}" not in header:
            values, power = start + step * np.arange(header[f"NAXIS{n}"]), "log10"
            how = "COEFF0 and COEFF1, as SDSS writes them"
    elif not power and header.get("DC-FLAG", primary.get("DC-FLAG")) == 1:
        power, how = "log10", "DC-FLAG = 1 (logarithms)"
    elif not power and word in LOGARITHMS:
        power, how = "log10", f"CTYPE{n} = {header[f'CTYPE{n}']}"
    elif not power and _misused(header, n, values, unit):
        power, how = "log10", f"CTYPE{n} = {header[f'CTYPE{n}']}"
        notes = [
            f"CRVAL{n} = {values[0]:g} is taken as the decimal logarithm of a wavelength in "
            "angstrom, which is not what the FITS standard means by it"
        ]
    if not power:
        return None
    if not unit:
        notes.append("the logarithms of the axis have no unit: taken as those of angstrom (--unit)")
    arguments = {"values": _powers(values, power), "unit": unit or "angstrom", "kind": ""}
    if how.startswith("COEFF"):
        arguments["medium"] = "vacuum"  # by the documentation of SDSS
    return AxisFound(arguments, origin=how, notes=notes)


def _misused(header: Any, n: int, values: np.ndarray, unit: str) -> bool:
    """Whether a CTYPE ending in LOG, or one without a unit, has logarithms in CRVAL."""
    kind = str(header.get(f"CTYPE{n}", "")).upper()
    try:
        known = parse_unit(unit)
    except ValueError:
        return False
    inside = bool(LOG_ANGSTROM[0] < values.min() and values.max() < LOG_ANGSTROM[1])
    steps = float(np.abs(np.diff(values[:2])).max(initial=0))
    if known == "angstrom" or not known:
        return inside and "LOG" in kind.replace("LOGICAL", "") and steps < 0.01
    return False


def _iraf_unit(header: Any, n: int) -> str:
    """Return the unit in the text of IRAF's WATn_001, such as ``units=angstroms``."""
    match = re.search(r"units=\"?([a-zA-Z]+)", str(header.get(f"WAT{n}_001", "")))
    return match[1] if match else ""


def _from_list(listed: Listed, own: AxisFound) -> AxisFound:
    """Return the axis of a list, checked against the axis of the header."""
    header = own.arguments or {}
    unit, kind, note = listed.unit, "", ""
    try:
        unit = parse_unit(unit)
    except ValueError:
        return AxisFound(
            {"values": listed.values}, "", listed.name,
            {"axis_note": f"the file gives {listed.name} in {unit!r}"},
        )  # fmt: skip
    if not unit:
        unit = _unit_like(listed.values, header)
    if not unit:
        name = listed.name.split(" of ")[0].split()[-1]
        unit, kind, note = guessed_unit(name, listed.values)
    medium = header.get("medium", "") if UNITS[unit][0] == "wavelength" else ""
    found = AxisFound(
        {"values": listed.values, "unit": unit, "kind": kind, "medium": medium},
        "", listed.name, {}, [note] if note else [],
    )  # fmt: skip
    found.error = _contradiction(listed, unit, header)
    return found


def _unit_like(values: np.ndarray, header: Mapping[str, Any]) -> str:
    """Return the unit of the header's axis if a list without a unit has like values."""
    other = np.asarray(header.get("values", []), dtype=np.float64)
    unit = str(header.get("unit", ""))
    near = len(other) == len(values) and np.allclose(values, other, rtol=0.01)
    return unit if near else ""


def _contradiction(listed: Listed, unit: str, header: Mapping[str, Any]) -> str:
    """Return how a list and the header's own axis contradict each other, or ""."""
    other = header.get("unit", "")
    if not unit or not other or UNITS[unit][0] != UNITS[other][0] or len(listed.values) < 2:
        return ""
    own = Axis(header["values"], unit=other).to(unit).values
    step = float(np.median(np.abs(np.diff(listed.values))))
    if np.abs(own - listed.values).max() <= TOLERANCE * step:
        return ""
    return (
        f"{listed.name} goes from {listed.values[0]:g} to {listed.values[-1]:g} {unit}, but the "
        f"header from {own[0]:g} to {own[-1]:g} {unit}: the file contradicts itself"
    )


def _with_medium(found: AxisFound, header: Any, primary: Any, n: int) -> AxisFound:
    """Add what the header says of air and vacuum; it stays unknown if that is contradictory."""
    arguments = found.arguments
    if arguments is None or UNITS.get(arguments.get("unit", ""), ("",))[0] != "wavelength":
        return found
    by_type = str(arguments.get("medium") or "")
    by_card, card = "", ""
    for word in ("AIRORVAC", "MEDIUM", "VACUUM"):
        value = header.get(word, primary.get(word))
        text = str(value).strip().lower()
        if word == "VACUUM" and isinstance(value, bool):
            text = "vacuum" if value else "air"
        if text == "unknown":  # of this package, whose CTYPE then says nothing of it
            arguments["medium"] = ""
            return found
        if text[:3] in ("air", "vac"):
            by_card, card = ("air" if text[:3] == "air" else "vacuum"), word
            break
    if by_type and by_card and by_type != by_card:
        found.notes.append(
            f"the header says {by_card} ({card}) and {by_type} (CTYPE{n}) of the wavelengths: "
            "neither is used (--medium)"
        )
        arguments["medium"] = ""
    else:
        arguments["medium"] = by_card or by_type
    return found
