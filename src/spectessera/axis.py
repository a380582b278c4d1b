"""The spectral axis: values with a unit, its kind (energy, wavelength, ...) and its gaps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from ._check import check_choice

# unit -> (kind, factor to the kind's reference unit, the first unit listed of its kind)
UNITS: dict[str, tuple[str, float]] = {
    "keV": ("energy", 1.0),
    "eV": ("energy", 1e-3),
    "meV": ("energy", 1e-6),
    "MeV": ("energy", 1e3),
    "angstrom": ("wavelength", 1.0),
    "nm": ("wavelength", 10.0),
    "um": ("wavelength", 1e4),
    "mm": ("wavelength", 1e7),
    "m": ("wavelength", 1e10),
    "cm-1": ("wavenumber", 1.0),
    "m-1": ("wavenumber", 0.01),
    "GHz": ("frequency", 1.0),
    "Hz": ("frequency", 1e-9),
    "kHz": ("frequency", 1e-6),
    "MHz": ("frequency", 1e-3),
    "THz": ("frequency", 1e3),
    "km/s": ("velocity", 1.0),
    "m/s": ("velocity", 1e-3),
    "": ("channel", 1.0),
}
ALIASES = {
    "a": "angstrom", "aa": "angstrom", "å": "angstrom", "ångström": "angstrom",
    "angstroms": "angstrom", "angstrom": "angstrom",
    "nanometer": "nm", "nanometers": "nm", "nanometre": "nm", "nanometres": "nm", "nm": "nm",
    "µm": "um", "μm": "um", "micron": "um", "microns": "um",
    "micrometer": "um", "micrometers": "um", "um": "um", "mm": "mm", "m": "m", "kev": "keV",
    "ev": "eV", "mev": "MeV", "1/cm": "cm-1", "cm^-1": "cm-1", "cm**-1": "cm-1", "cm-1": "cm-1",
    "cm⁻¹": "cm-1", "1/m": "m-1", "m-1": "m-1", "hz": "Hz", "khz": "kHz", "mhz": "MHz",
    "ghz": "GHz", "thz": "THz", "m/s": "m/s", "m s-1": "m/s", "km/s": "km/s", "km s-1": "km/s",
    "": "", "channel": "", "channels": "", "pixel": "", "pix": "", "index": "", "1": "",
}  # fmt: skip
KINDS = ("energy", "wavelength", "wavenumber", "frequency", "velocity", "energy_loss", "channel")
MEDIA = ("", "air", "vacuum")

# A step this many times the usual step around it is a gap between two windows of the detector.
GAP = 3.0
# "Around it" is so many steps to either side: the steps of a logarithmic axis, or of a grating
# told in wavenumbers, grow along the axis and are no gaps.
_AROUND = 7


def parse_unit(unit: str) -> str:
    """Spell a unit in the one way this package uses.

    Raises
    ------
    ValueError
        If the unit is not known.
    """
    text = unit.strip()
    if text in UNITS:  # exact spelling first: "MeV" is not "meV", "mm" not "Mm"
        return text
    found = ALIASES.get(text.lower())
    # Sloppy case is understood, but a prefix told with care is not changed: "mHz" is not "MHz".
    one_case = text in (text.lower(), text.upper())
    if found is not None and not one_case and {text[0], found[0]} == {"m", "M"}:
        found = None
    if found is None:
        known = ", ".join(name for name in UNITS if name)
        raise ValueError(f"unit {unit!r} of the spectral axis is not known; known are: {known}")
    return found


def channel_bounds(middle: np.ndarray) -> np.ndarray:
    """Return the edges (channel + 1,) of channels, half-way between their middles (channel,).

    There are two or more; the first and the last are as wide to either side.
    """
    first, last = 1.5 * middle[0] - 0.5 * middle[1], 1.5 * middle[-1] - 0.5 * middle[-2]
    return np.concatenate([[first], (middle[1:] + middle[:-1]) / 2, [last]])


@dataclass(frozen=True, eq=False)
class Axis:
    """A strictly monotonic spectral axis.

    Parameters
    ----------
    values : array (channel,), float64
        Centre of every channel, in ``unit``; ascending or descending, gaps allowed.
    unit : str
        One of the units of :data:`UNITS` (or a common spelling of it); "" is plain channels.
    kind : str
        "energy", "wavelength", "wavenumber", "frequency", "velocity", "energy_loss" or "channel";
        by default what the unit says.
    medium : str
        "air" or "vacuum" for wavelengths where it is known, else "".

    Raises
    ------
    ValueError
        If the values are not finite or not strictly monotonic, or a word is not known.
    """

    values: np.ndarray
    unit: str = ""
    kind: str = ""
    medium: str = ""

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64)
        if values.ndim != 1 or values.size == 0:
            raise ValueError(f"a spectral axis is a list of numbers; got shape {values.shape}")
        if not np.isfinite(values).all():
            raise ValueError("the spectral axis has values that are not finite")
        steps = np.diff(values)
        if values.size > 1 and not ((steps > 0).all() or (steps < 0).all()):
            bad = int(np.argmax((np.sign(steps) != np.sign(steps[0])) | (steps == 0)))
            raise ValueError(
                "the spectral axis must rise or fall all along; it turns or repeats at channel "
                f"{bad + 1} ({values[bad]:g} then {values[bad + 1]:g})"
            )
        values.setflags(write=False)
        unit = parse_unit(self.unit)
        kind = self.kind or UNITS[unit][0]
        check_choice("kind of the spectral axis", kind, KINDS)
        check_choice("medium", self.medium, MEDIA)
        family = "energy" if kind == "energy_loss" else kind
        if kind != "channel" and UNITS[unit][0] != family:
            raise ValueError(f"{unit!r} is not a unit of {kind}")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "unit", unit)
        object.__setattr__(self, "kind", kind)

    def __len__(self) -> int:
        return int(self.values.size)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Axis)
            and self.unit == other.unit
            and self.kind == other.kind
            and self.medium == other.medium
            and np.array_equal(self.values, other.values)
        )

    def __hash__(self) -> int:
        return hash((self.unit, self.kind, self.medium, self.values.tobytes()))

    def to(self, unit: str) -> Axis:
        """Return the same axis in another unit of the same kind.

        Raises
        ------
        ValueError
            If the unit is of another kind.
        """
        wanted = parse_unit(unit)
        if UNITS[wanted][0] != UNITS[self.unit][0]:
            raise ValueError(f"an axis of {self.kind} in {self.unit!r} cannot be told in {unit!r}")
        factor = UNITS[self.unit][1] / UNITS[wanted][1]
        return replace(self, values=self.values * factor, unit=wanted)

    def take(self, index: Any) -> Axis:
        """Return the axis of the channels that ``index`` (a mask or integers) keeps."""
        return replace(self, values=self.values[index])

    def segments(self) -> list[slice]:
        """Return the runs of channels with no gap inside.

        A gap is a step of 3 or more times the median of the steps around it.
        """
        if len(self) < 3:
            return [slice(0, len(self))]
        steps = np.abs(np.diff(self.values))
        usual = np.median(steps)
        if len(steps) > 2 * _AROUND:
            around = np.pad(steps, _AROUND, mode="reflect")
            usual = np.median(np.lib.stride_tricks.sliding_window_view(around, 2 * _AROUND + 1), 1)
        cuts = np.flatnonzero(steps >= (1 - 1e-6) * GAP * usual) + 1
        edges = [0, *cuts.tolist(), len(self)]
        return [slice(a, b) for a, b in pairwise(edges)]

    def matches(self, other: Axis, tolerance: float = 0.05) -> bool:
        """Tell whether the other axis has the same channels, within ``tolerance`` of a step."""
        if len(self) != len(other) or self.kind != other.kind:
            return False
        if UNITS[self.unit][0] != UNITS[other.unit][0]:
            return False
        if self.medium and other.medium and self.medium != other.medium:
            return False
        theirs = other.to(self.unit).values
        if len(self) == 1:
            return bool(np.isclose(self.values[0], theirs[0]))
        step = np.min(np.abs(np.diff(self.values)))
        return bool(np.max(np.abs(self.values - theirs)) <= tolerance * step)

    def label(self) -> str:
        """Return a label for figures, such as "energy (keV)"."""
        name = self.kind.replace("_", " ")
        name = f"{self.medium} {name}" if self.medium else name
        return f"{name} ({self.unit})" if self.unit else name

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, for a model file."""
        return {
            "values": self.values.tolist(),
            "unit": self.unit,
            "kind": self.kind,
            "medium": self.medium,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Axis:
        """Return the axis that :meth:`to_dict` wrote; checks everything anew."""
        return cls(
            np.asarray(data["values"], dtype=np.float64),
            unit=str(data["unit"]),
            kind=str(data["kind"]),
            medium=str(data["medium"]),
        )
