"""What a TIFF file says beside its numbers: wavelengths, bad bands, no-data, and the map."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np

from spectessera.conventions.units import guessed_unit

from ._channels import BadChannels, bad_channels_of, marks_channels
from ._geography import placed_image

MAX_XML = 2**24
_METRE = 9001  # ProjLinearUnitsGeoKey
# Names of an item of GDAL for each band, in lower case.
WAVELENGTHS = ("wavelength", "wavelengths", "center_wavelength", "central_wavelength")
UNITS = {
    "nanometer": "nm", "nanometers": "nm", "nanometres": "nm", "nm": "nm",
    "micrometer": "um", "micrometers": "um", "micrometres": "um", "microns": "um", "um": "um",
    "µm": "um", "μm": "um", "angstroms": "angstrom", "angstrom": "angstrom", "cm-1": "cm-1",
    "wavenumber": "cm-1", "1/cm": "cm-1", "ev": "eV", "kev": "keV",
}  # fmt: skip
# "Band 1 (423.0)", "band 1 (418.24 Nanometers)", "B02 490 nm", "450.5"; not "Band 1".
_UNIT_WORDS = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
_NUMBER = r"(\d+(?:\.\d+)?)"
_DESCRIPTIONS = (
    re.compile(rf"{_NUMBER}\s*({_UNIT_WORDS})\b", re.IGNORECASE),
    re.compile(rf"\(\s*{_NUMBER}\s*()\)"),
    re.compile(r"^\s*(\d+\.\d+)()\s*$"),
)


class Words(NamedTuple):
    """What belongs to the bands: wavelengths with their unit, where they were found, bad bands."""

    values: np.ndarray | None = None
    unit: str | None = None
    found: str = ""
    bad: np.ndarray | None = None
    scales: np.ndarray | None = None  # of every band: factor and offset (band, 2)


class Item(NamedTuple):
    """One item of the metadata of GDAL; ``band`` is None if it belongs to all."""

    name: str
    band: int | None
    text: str


def parse_xml(text: str) -> ElementTree.Element | None:
    """Return the root of XML without definitions of its own, or None if it is none."""
    if len(text) > MAX_XML or "<!" in text:  # entities could expand without end
        return None
    try:
        return ElementTree.fromstring(text.strip().strip("\0").encode("utf-8", "replace"))
    except ElementTree.ParseError:
        return None


def gdal_items(text: str) -> list[Item]:
    """Return the items of the metadata of GDAL; descriptions have the name "description"."""
    root = parse_xml(text)
    items = []
    for one in root.iter("Item") if root is not None else ():
        sample = one.get("sample", "")
        band = int(sample) if sample.isdecimal() else None
        name = one.get("role") or one.get("name") or ""
        items.append(Item(name.lower(), band, (one.text or "").strip()))
    return items


def gdal_words(items: list[Item], bands: int) -> Words:
    """Return what the metadata of GDAL say about the bands."""
    by_name: dict[str, list[str | None]] = {}
    for item in items:
        if item.band is not None and item.band < bands:
            by_name.setdefault(item.name, [None] * bands)[item.band] = item.text
    values, unit, found = None, None, ""
    for name in WAVELENGTHS:
        values = values if values is not None else _numbers(by_name.get(name))
        found = found or ("" if values is None else f"{name} of every band (GDAL metadata)")
    micrometres = _numbers(by_name.get("central_wavelength_um"))
    if values is None and micrometres is not None:
        values, unit, found = micrometres, "um", "CENTRAL_WAVELENGTH_UM (GDAL metadata)"
    units = {text for text in by_name.get("wavelength_units", []) if text}
    common = {item.text for item in items if item.band is None and "wavelength" in item.name
              and "unit" in item.name}  # fmt: skip
    if unit is None and len(units or common) == 1:
        (unit,) = units or common
    if values is None:
        values, found = _listed(items, bands)
    if values is None:
        texts = by_name.get("description") or [None]
        values, stated, found = described([text or "" for text in texts])
        unit = stated or unit
    bad = next((m.bad for name in by_name if (m := _marks(name, by_name[name]))), None)
    factors = [_numbers(by_name.get(name)) for name in ("scale", "offset")]
    scales = None
    if any(one is not None for one in factors):
        default = (np.ones(bands), np.zeros(bands))
        pairs = [
            one if one is not None else other for one, other in zip(factors, default, strict=True)
        ]
        scales = np.stack(pairs, axis=1)
    return Words(values, known_unit(unit), found, bad, scales)


def _marks(name: str, texts: Sequence[str | None]) -> BadChannels | None:
    """Return which bands are bad, if this item says so."""
    numbers = _numbers(texts) if marks_channels(name) else None
    return None if numbers is None else bad_channels_of(name, numbers)


def known_unit(unit: str | None) -> str | None:
    """Return a unit in the spelling of this package if it is known, else as it is."""
    return None if unit is None else UNITS.get(unit.strip().lower(), unit)


def _numbers(texts: Sequence[str | None] | None) -> np.ndarray | None:
    """Return one finite number for each text, or None if one of them is none."""
    if not texts:
        return None
    try:
        numbers = np.array([float(text or "") for text in texts])
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _listed(items: list[Item], bands: int) -> tuple[np.ndarray | None, str]:
    """Return wavelengths that one item lists for all bands."""
    for item in items:
        if item.band is None and item.name in WAVELENGTHS:
            values = _numbers(re.split(r"[,;\s]+", item.text.strip("{}[]() \n")))
            if values is not None and len(values) == bands:
                return values, f"{item.name} (GDAL metadata)"
    return None, ""


def described(texts: Sequence[str]) -> tuple[np.ndarray | None, str | None, str]:
    """Return the wavelengths in the descriptions of all bands, their unit, where they were found.

    All descriptions must have one form, and the numbers must rise or fall.
    """
    for pattern in _DESCRIPTIONS:
        matches = [pattern.search(text) for text in texts]
        if len(texts) < 2 or not all(matches):
            continue
        values = np.array([float(one[1]) for one in matches if one])
        units = {one[2].lower() for one in matches if one}
        steps = np.diff(values)
        if len(units) == 1 and ((steps > 0).all() or (steps < 0).all()):
            return values, known_unit(units.pop()) or None, "descriptions of the bands"
    return None, None, ""


def ome_words(text: str) -> Words:
    """Return the wavelengths of the channels of OME metadata."""
    root = parse_xml(text)
    channels = (
        [one for one in root.iter() if one.tag.endswith("}Channel")] if root is not None else []
    )
    values = _numbers([one.get("EmissionWavelength") for one in channels])
    if values is not None and len(values) > 1:
        units = {one.get("EmissionWavelengthUnit", "nm") for one in channels}
        unit = known_unit(units.pop()) if len(units) == 1 else None
        return Words(values, unit, "EmissionWavelength (OME metadata)")
    values, unit, found = described([one.get("Name", "") for one in channels])
    return Words(values, unit, found and "names of the channels (OME metadata)")


def unit_or_guess(words: Words, notes: list[str]) -> tuple[str | None, str]:
    """Return the unit of the wavelengths and their kind; a guess is stated in ``notes``."""
    if words.unit or words.values is None:
        return words.unit, ""
    unit, kind, note = guessed_unit("wavelength", words.values)
    if note:
        notes.append(note)
    return unit or None, kind


def geo_words(
    tags: dict[str, Any] | None, image: tuple[int, int]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return coordinates of rows and columns, and attributes, from the tags of a GeoTIFF.

    Maps that are turned have no coordinates of rows and columns: the attribute ``geotransform``
    has their six numbers then too.
    """
    if not tags:
        return {}, {}
    attrs: dict[str, Any] = {}
    for name in ("ProjectedCSTypeGeoKey", "GeographicTypeGeoKey"):
        code = tags.get(name)
        if code is not None and "crs" not in attrs and 0 < int(code) < 32767:
            attrs["crs"] = f"EPSG:{int(code)}"
    if tags.get("GTCitationGeoKey"):
        attrs["crs_name"] = str(tags["GTCitationGeoKey"]).strip("|")
    transform = _transform(tags)
    if transform is None:
        return {}, attrs
    if int(tags.get("GTRasterTypeGeoKey") or 1) == 2:  # of the middle of a pixel, not its corner
        x0, dx, rx, y0, ry, dy = transform
        transform = (x0 - (dx + rx) / 2, dx, rx, y0 - (dy + ry) / 2, ry, dy)
    metres = int(tags.get("ProjLinearUnitsGeoKey") or 0) == _METRE
    coords, more = placed_image(transform, image, "m" if metres else "")
    return coords, attrs | more


def _transform(tags: dict[str, Any]) -> tuple[float, ...] | None:
    """Return x0, dx/column, dx/row, y0, dy/column, dy/row, or None."""
    matrix = np.asarray(tags.get("ModelTransformation", ()), dtype=float).ravel()
    if matrix.size == 16:
        return tuple(float(matrix[n]) for n in (3, 0, 1, 7, 4, 5))
    scale, tie = (tags.get(name) for name in ("ModelPixelScale", "ModelTiepoint"))
    if scale is None or tie is None or len(scale) < 2 or len(tie) != 6:
        return None
    column, row, _, x, y, _ = map(float, tie)
    dx, dy = float(scale[0]), -float(scale[1])
    return x - column * dx, dx, 0.0, y - row * dy, 0.0, dy
