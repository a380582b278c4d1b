"""The spectral axis: values with a unit, its kind (energy, wavelength, ...) and its gaps."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ._util.check import check_choice
from ._util.text import per_cent

if TYPE_CHECKING:
    from scipy import sparse

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
    "ev": "eV", "electronvolt": "eV", "electron volt": "eV", "kiloelectronvolt": "keV",
    "kilo-electron volt": "keV", "10^-10 m": "angstrom", "10**-10 m": "angstrom",
    "10**(-10)m": "angstrom", "10**(-10) m": "angstrom", "10-10 m": "angstrom",
    "0.1 nm": "angstrom", "1e-10 m": "angstrom", "10^-9 m": "nm", "10**-9 m": "nm",
    "10-9 m": "nm", "1e-9 m": "nm", "10^-6 m": "um", "10**-6 m": "um", "10-6 m": "um",
    "1e-6 m": "um", "mev": "MeV", "1/cm": "cm-1", "cm^-1": "cm-1", "cm**-1": "cm-1", "cm-1": "cm-1",
    "cm⁻¹": "cm-1", "cm^{-1}": "cm-1", "rel. cm-1": "cm-1", "rel. 1/cm": "cm-1",
    "1/m": "m-1", "m-1": "m-1", "hz": "Hz", "khz": "kHz", "mhz": "MHz",
    "ghz": "GHz", "thz": "THz", "m/s": "m/s", "m s-1": "m/s", "km/s": "km/s", "km s-1": "km/s",
    "": "", "channel": "", "channels": "", "pixel": "", "pix": "", "index": "", "1": "",
}  # fmt: skip
KINDS = ("energy", "wavelength", "wavenumber", "frequency", "velocity", "energy_loss", "channel")
MEDIA = ("", "air", "vacuum")

# A unit in brackets, at the end of a text.
_BRACKETS = re.compile(r"[^()\[\]]*[(\[]([^()\[\]]*)[)\]]\s*")

# A step so many times larger than the steps around it is a gap between two windows.
GAP = 3.0
# Number of steps to either side that a step is compared with. The steps of a logarithmic axis, or
# of a grating in wavenumbers, increase along the axis and are not gaps.
_AROUND = 7


def parse_unit(unit: str) -> str:
    """Return the spelling of a unit that this package uses.

    Raises
    ------
    ValueError
        If the unit is not known.
    """
    text = unit.strip()
    inner = _BRACKETS.fullmatch(text) if text.lower() not in ALIASES else None
    if inner is not None and inner[1].strip():  # "[nm]", "Wavelength (nm)"
        text = inner[1].strip()
    if text in UNITS:  # exact spelling first: "MeV" is not "meV", "mm" not "Mm"
        return text
    alias = ALIASES.get(text.lower())
    # Text in one case is understood, but a prefix in mixed case is not changed: "mHz" is not "MHz".
    one_case = text in (text.lower(), text.upper())
    if alias is not None and not one_case and {text[0], alias[0]} == {"m", "M"}:
        alias = None
    if alias is None:
        known = ", ".join(name for name in UNITS if name)
        raise ValueError(f"unit {unit!r} of the spectral axis is not known; known are: {known}")
    return alias


def channel_bounds(middle: np.ndarray) -> np.ndarray:
    """Return the edges (channel + 1,) of channels, half-way between their middles (channel,).

    There must be two or more; the first and the last are as wide to either side of their middle.
    """
    first, last = 1.5 * middle[0] - 0.5 * middle[1], 1.5 * middle[-1] - 0.5 * middle[-2]
    return np.concatenate([[first], (middle[1:] + middle[:-1]) / 2, [last]])


def even_steps(values: np.ndarray, tolerance: float = 1e-4) -> tuple[float, float] | None:
    """Return the first value and the step of an axis, or None if its steps are not even.

    ``tolerance``, in steps, is how far a value may be from its even place.
    """
    steps = np.diff(values)
    step = float(steps.mean()) if len(steps) else 1.0
    even = values[0] + step * np.arange(len(values))
    if np.abs(values - even).max() > tolerance * abs(step):
        return None
    return float(values[0]), step


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
        by default that of the unit.
    medium : str
        "air" or "vacuum" for wavelengths if it is known, else "".

    Raises
    ------
    ValueError
        If the values are not finite or not strictly monotonic, or the unit, the kind or the medium
        is not known.

    Examples
    --------
    >>> from spectessera.axis import Axis
    >>> Axis([500, 600, 700], unit="nm").to("angstrom").values
    array([5000., 6000., 7000.])
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
                "the spectral axis must rise or fall throughout; it turns or repeats at channel "
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
            raise ValueError(f"an axis of {self.kind} in {self.unit!r} has no unit {unit!r}")
        factor = UNITS[self.unit][1] / UNITS[wanted][1]
        return replace(self, values=self.values * factor, unit=wanted)

    def take(self, index: Any) -> Axis:
        """Return the axis of the channels that ``index`` (a mask or integers) selects."""
        return replace(self, values=self.values[index])

    def segments(self) -> list[slice]:
        """Return the runs of channels without a gap.

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
        """Return whether the other axis has the same channels, within ``tolerance`` of a step."""
        if len(self) != len(other) or self.kind != other.kind:
            return False
        if UNITS[self.unit][0] != UNITS[other.unit][0]:
            return False
        if self.medium and other.medium and self.medium != other.medium:
            return False
        values = other.to(self.unit).values
        if len(self) == 1:
            return bool(np.isclose(self.values[0], values[0]))
        step = np.min(np.abs(np.diff(self.values)))
        return bool(np.max(np.abs(self.values - values)) <= tolerance * step)

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
        """Return the axis of a dictionary of :meth:`to_dict`, after all checks."""
        return cls(
            np.asarray(data["values"], dtype=np.float64),
            unit=str(data["unit"]),
            kind=str(data["kind"]),
            medium=str(data["medium"]),
        )


log = logging.getLogger(__name__)

# A cube that covers less than this share of the range is refused; below the second, a warning.
LEAST_COVERED = 1 / 3
WELL_COVERED = 0.9


def channel_edges(axis: Axis) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and the upper edge of every channel (channel,), midway between channels.

    At the ends of the axis and of each window between gaps, a channel is symmetric.
    """
    low, high = np.empty(len(axis)), np.empty(len(axis))
    for part in axis.segments():
        values = axis.values[part]
        if len(values) == 1:
            half = 0.5 * abs(axis.values[1] - axis.values[0]) if len(axis) > 1 else 0.5
            ends = np.array([values[0] - half, values[0] + half])
        else:
            ends = channel_bounds(values)
        low[part], high[part] = np.minimum(ends[:-1], ends[1:]), np.maximum(ends[:-1], ends[1:])
    return low, high


def air_wavelengths(vacuum: np.ndarray) -> np.ndarray:
    """Convert wavelengths in vacuum to wavelengths in air, both in angstrom (Morton 2000).

    ApJS 130, 403, eq. 8, after Birch & Downs 1994; for wavelengths above 2000 angstrom.
    """
    s = (1e4 / vacuum) ** 2
    return vacuum / (1 + 8.34254e-5 + 2.406147e-2 / (130 - s) + 1.5998e-4 / (38.9 - s))


def in_terms_of(axis: Axis, wanted: Axis) -> Axis:
    """Return an axis in the unit and the medium of another one.

    Raises
    ------
    ValueError
        If they are of different kinds, or plain channels, which cannot be converted.
    """
    if axis.kind != wanted.kind or axis.kind == "channel":
        got = "plain channels" if axis.kind == "channel" else f"{axis.kind} in {axis.unit}"
        raise ValueError(
            f"the model works on {wanted.kind} in {wanted.unit or 'channels'}; the cube has "
            f"{got}: give its axis (--energy FIRST,LAST or --wavelength FIRST,LAST, or "
            "make_cube(..., axis=Axis(...)))"
        )
    media = (axis.medium, wanted.medium)
    if media == ("vacuum", "air"):
        angstrom = axis.to("angstrom")
        axis = Axis(air_wavelengths(angstrom.values), "angstrom", axis.kind, "air")
    return axis.to(wanted.unit) if UNITS[axis.unit] != UNITS[wanted.unit] else axis


def resample_weights(
    axis: Axis, wanted: Axis, *, warn: bool = True, least: float = LEAST_COVERED
) -> sparse.csr_array:
    """Return the weights (wanted channel, channel) that resample spectra onto another axis.

    A channel is divided among the new channels in proportion to the part of its width inside each,
    so that the sum over a spectrum is conserved on the wanted axis. Unless ``warn`` is false, an
    axis that covers only a part of the wanted one is warned of.

    Raises
    ------
    ValueError
        If the axes are of different kinds, or ``axis`` covers less than the share ``least`` (a
        third) of the width of ``wanted``.
    """
    from scipy import sparse  # takes longer to load than the rest of this module

    converted = in_terms_of(axis, wanted)
    order = np.argsort(converted.values)
    low, high = (each[order] for each in channel_edges(converted))
    wanted_low, wanted_high = channel_edges(wanted)
    rows, columns, weights = [], [], []
    covered = 0.0
    for row, (first, last) in enumerate(zip(wanted_low, wanted_high, strict=True)):
        start, stop = np.searchsorted(high, first, "right"), np.searchsorted(low, last, "left")
        overlap = np.minimum(high[start:stop], last) - np.maximum(low[start:stop], first)
        rows.append(np.full(stop - start, row))
        columns.append(order[start:stop])
        weights.append(overlap / (high[start:stop] - low[start:stop]))
        covered += overlap.sum()
    share = covered / (wanted_high - wanted_low).sum()
    _check_coverage(share, converted, wanted, warn=warn, least=least)
    shape = (len(wanted), len(axis))
    index = np.concatenate(rows), np.concatenate(columns)
    return sparse.csr_array((np.concatenate(weights), index), shape=shape, dtype=np.float32)


def _check_coverage(share: float, axis: Axis, wanted: Axis, *, warn: bool, least: float) -> None:
    """Refuse an axis that covers too little of the model's; warn if it covers only a part."""
    has, needs = (
        f"{min(each.values[[0, -1]]):g} to {max(each.values[[0, -1]]):g} {each.unit}"
        for each in (axis, wanted)
    )
    if share < least:
        extent = f"only {per_cent(share)} of that" if share > 0 else "nothing of it"
        raise ValueError(
            f"the model works on {wanted.kind} {needs}; the cube goes from {has} and covers "
            f"{extent}: check the cube's axis, or train a model for it"
        )
    if warn and share < WELL_COVERED:
        log.warning(
            "the cube goes from %s and covers %s of the model's %s; the rest counts as 0",
            has, per_cent(share), needs,
        )  # fmt: skip
