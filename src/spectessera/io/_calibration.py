"""A spectral axis that a file gives by two numbers: the width of a channel, and the first value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from spectessera.axis import UNITS, Axis, parse_unit
from spectessera.conventions.units import SUFFIXES

from ._choice import AxisValues
from ._tree import Entry, Tree

GAINS = {"gain", "slope", "step", "dispersion", "width", "delta"}
OFFSETS = {"offset", "zero", "intercept", "origin", "e0", "start", "first"}
PER_CHANNEL = {"per", "channel"}  # a gain in any case: eV_per_channel
SPECTRAL = {"energy", "wavelength", "channel", "spectral", "spectrum", "dispersion"}
# Other words that such names may have; a name with one more is about something else (adc gain).
BESIDE = SPECTRAL | PER_CHANNEL | {"mca", "calibration", "cal", "axis", "value", "of", "a"}
_WITH_UNIT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\W\d]\S*)\s*")


class _Number(NamedTuple):
    """A number of an attribute, with its unit."""

    name: str
    value: float
    unit: str


def linear_axes(tree: Tree, entry: Entry, channels: int) -> list[AxisValues]:
    """Return the axes that attributes of an array, or of its groups, give by gain and offset.

    Only with a unit of spectra, in the name (``gain_keV``), the text ("0.01 keV") or beside it
    (``gain_unit``): programs write gains and offsets of the values as well.
    """
    parts = entry.group.split("/") if entry.group else []
    groups = ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]
    places = [(entry.name, entry.attrs)]
    places += [(group or "the file", tree.group_attributes(group)) for group in groups]
    for place, attrs in places:
        gain, offset = (next(_numbers(attrs, words), None) for words in (GAINS, OFFSETS))
        if gain is None or gain.value == 0:
            continue
        try:
            first = 0.0 if offset is None else _in_unit(offset, gain.unit)
        except ValueError:  # such as a gain in keV and an offset in nm
            continue
        if not np.isfinite(first + gain.value * channels):
            continue
        values = first + gain.value * np.arange(channels, dtype=np.float64)
        names = gain.name if offset is None else f"{gain.name} and {offset.name}"
        return [AxisValues(values, gain.unit, names, "", f"attributes {names} of {place}")]
    return []


def _numbers(attrs: Mapping[str, Any], wanted: set[str]) -> Iterator[_Number]:
    """Yield the numbers with a unit of spectra whose names have one of the wanted words."""
    for name, value in attrs.items():
        words = set(re.findall(r"[a-z]+0?", re.sub(r"[(\[].*$", "", name).lower()))
        unit = next((SUFFIXES[word] for word in sorted(words) if word in SUFFIXES), "")
        words -= set(SUFFIXES)
        kind = GAINS if words >= PER_CHANNEL else words & wanted
        if not kind <= wanted or not kind or words - wanted - BESIDE:
            continue
        match = _WITH_UNIT.fullmatch(value) if isinstance(value, str) else None
        if match:
            value, unit = float(match[1]), unit or match[2]
        beside = (attrs.get(f"{name}_{word}") for word in ("unit", "units"))
        unit = unit or next((each for each in beside if isinstance(each, str)), "")
        if _spectral(unit, words) and isinstance(value, (int, float)) and np.isfinite(value):
            yield _Number(name, float(value), unit)


def _spectral(unit: str, words: set[str]) -> bool:
    """Whether a unit is one of spectral axes; a length may be one of pixels, unless a word says."""
    try:
        known = parse_unit(unit)
    except ValueError:
        return False
    return bool(known) and (UNITS[known][0] != "wavelength" or bool(words & SPECTRAL))


def _in_unit(offset: _Number, unit: str) -> float:
    """Return an offset in the unit of the gain."""
    if parse_unit(offset.unit) == parse_unit(unit) or offset.value == 0:
        return offset.value
    return float(Axis(np.array([offset.value]), offset.unit).to(unit).values[0])
