"""X-ray lines by element and shell, and their shape in a silicon detector.

Energies are in keV. The table is made by ``tools/make_xray_lines.py`` from xraylib (Schoonjans et
al. 2011, Spectrochim. Acta B 66, 776).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from spectessera._util.constants import ELECTRON, FWHM, PAIR, SILICON_KALPHA
from spectessera._util.files import package_data

TABLE = package_data("xray_lines.npz")
ESCAPE_EDGE = 1.84  # keV, K edge of silicon: softer photons have no escape peak
LEAST_ESCAPE = 2e-4  # share of a line; weaker escape peaks are invisible above the background
DOPPLER = 2.0 / 137.036  # width of the Compton profile, about 2 atomic units of momentum

# Never named: noble gases (except argon of the air), and elements without stable isotopes.
EXCLUDED = frozenset({10, 36, 43, 54, 61, 84, 85, 86, 87, 88, 89, 91})
AIR = 18
# Frequent in paint, glass, metal, soil and on samples. Others must improve the fit much more.
COMMON = frozenset(
    {
        6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 24, 25, 26, 27, 28, 29, 30, 33, 35,
        37, 38, 40, 47, 48, 50, 51, 56, 79, 80, 82, 83,
    }
)  # fmt: skip
# The best known of them: main elements of rocks, soils, pigments, glass, coins and common alloys,
# about 300 ppm of the crust and more (Rudnick & Gao 2003), or mined in quantity since antiquity.
# All others are claimed only where none of these, and nothing of the instrument, explains the peak.
EVERYDAY = frozenset(
    {
        6, 8, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 24, 25, 26, 27, 28, 29, 30, 33, 38, 47,
        50, 51, 56, 79, 80, 82,
    }
)  # fmt: skip
# Anodes of tubes: their lines may come from the instrument.
ANODES = ("Cr", "Cu", "Mo", "Rh", "Pd", "Ag", "W")
USUAL_ANODE = "Rh"  # absent from samples, but frequent in tubes
# The Compton peaks of their K lines are separate from the elastic ones, and identify the tube.
HARD_ANODES = ("Mo", "Rh", "Pd", "Ag")
# LIMITS: intensities of the second and third part of a family, relative to the tabulated ones:
# absorption in upper layers depends on the energy, and electrons excite the shells differently from
# photons. SOFTEST: softer families are too weak, or their energies depend on the chemical bond.
SOFTEST = {"K": 0.15, "L": 0.45, "M": 0.8}
LIMITS = {"K": (0.6, 1.6), "L": (0.35, 2.2), "M": (0.4, 2.5)}
FIRST = {"K": ("Ka",), "L": ("La", "Ll"), "M": ("Ma", "Mb", "Mz")}


class Group(NamedTuple):
    """Lines of a family with one name, such as "La": energy of the peak, share of the family."""

    name: str
    energy: float
    share: float


class Family(NamedTuple):
    """The lines of one element from one shell.

    ``z``, ``symbol``, ``shell`` ("K", "L" or "M"); ``group``, ``energy`` and ``share`` of every
    line; ``edge``: excitation energy of the strongest lines in keV; ``groups``, the strongest
    first.
    """

    z: int
    symbol: str
    shell: str
    group: tuple[str, ...]
    energy: np.ndarray
    share: np.ndarray
    edge: float
    groups: tuple[Group, ...]

    @property
    def main(self) -> float:
        """Energy of the strongest group."""
        return self.groups[0].energy


def _groups(group: tuple[str, ...], energy: np.ndarray, share: np.ndarray) -> tuple[Group, ...]:
    groups = []
    for name in dict.fromkeys(group):
        member = np.array([each == name for each in group])
        total = float(share[member].sum())
        # The energy of the peak: the strongest line and those that a detector does not resolve.
        top = energy[member][np.argmax(share[member])]
        member &= np.abs(energy / top - 1) < 0.015
        groups.append(Group(name, float(np.average(energy[member], weights=share[member])), total))
    return tuple(sorted(groups, key=lambda each: -each.share))


class Response(NamedTuple):
    """A silicon detector: noise (full width, keV), Fano factor, and errors of the calibration.

    A line of energy E is observed at ``gain * E + offset``.
    """

    noise: float = 0.08
    fano: float = 0.115
    gain: float = 1.0
    offset: float = 0.0

    def width(self, energy: np.ndarray | float) -> np.ndarray:
        """Return the full width at half maximum (n,) in keV."""
        positive = np.maximum(np.asarray(energy, dtype=np.float64), 0.0)
        return np.sqrt(self.noise**2 + FWHM**2 * self.fano * PAIR * positive)

    def observed(self, energy: np.ndarray | float) -> np.ndarray:
        """Return the observed energies (n,) of lines on the axis."""
        return self.gain * np.asarray(energy, dtype=np.float64) + self.offset


class _Table(NamedTuple):
    """All families, and the share of photons in the escape peak by energy."""

    families: tuple[Family, ...]
    symbols: tuple[str, ...]
    escape_energy: np.ndarray
    escape_share: np.ndarray


@cache
def table() -> _Table:
    """Return the table that ships with the package."""
    with np.load(TABLE, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    groups, symbols = arrays["groups"].tolist(), tuple(arrays["symbols"].tolist())
    names = [groups[code] for code in arrays["group"]]
    families = []
    for z in np.unique(arrays["z"]).tolist():
        for shell in "KLM":
            member = [i for i in np.flatnonzero(arrays["z"] == z) if names[i][0] == shell]
            if not member:
                continue
            group = tuple(names[i] for i in member)
            energy, share = (arrays[key][member].astype(np.float64) for key in ("energy", "share"))
            edge, parts = float(arrays["edge"][member[0]]), _groups(group, energy, share)
            families.append(Family(z, symbols[z], shell, group, energy, share, edge, parts))
    return _Table(tuple(families), symbols, arrays["escape_energy"], arrays["escape_share"])


def lines_at(
    energy: np.ndarray,
    share: np.ndarray,
    at: np.ndarray,
    response: Response,
    broad: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Return the counts (channel,) of lines with given photons, without escape peaks.

    ``at`` are the rising energies (channel,) in keV; ``broad`` (n,) is an additional full width.
    Gaussians are evaluated at the middle of each channel, which is accurate for channels narrower
    than about half a width.
    """
    step = (at[-1] - at[0]) / (len(at) - 1)
    sigma = np.hypot(response.width(energy), broad) / FWHM
    middle = response.observed(energy)
    first = np.searchsorted(at, middle - 5 * sigma)
    last = np.searchsorted(at, middle + 5 * sigma)
    height = share * step / (np.sqrt(2 * np.pi) * sigma)
    # All channels of all lines in one array, line by line: bincount adds them in this order.
    lines = np.flatnonzero(last > first)
    lengths = (last - first)[lines]
    starts = first[lines] - (np.cumsum(lengths) - lengths)
    channel = np.arange(lengths.sum()) + starts.repeat(lengths)
    line = lines.repeat(lengths)
    distance = (at[channel] - middle[line]) / sigma[line]
    values = height[line] * np.exp(-(distance**2) / 2)
    return np.bincount(channel, values, minlength=len(at))


def with_escape(energy: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return lines with their escape peaks: energies and photons (up to 2n,)."""
    known = table()
    lost = np.interp(energy, known.escape_energy, known.escape_share)
    lost = np.where(energy > ESCAPE_EDGE, lost, 0.0)
    some = lost > LEAST_ESCAPE
    return (
        np.concatenate([energy, energy[some] - SILICON_KALPHA]),
        np.concatenate([share * (1 - lost), (share * lost)[some]]),
    )


def part_of(group: str) -> int:
    """Return the part of a family, 0, 1 or 2; the lines of a part have fixed ratios."""
    if group in FIRST[group[0]]:
        return 0
    return 2 if group == "Lg" else 1


def columns(family: Family, at: np.ndarray, response: Response) -> tuple[np.ndarray, np.ndarray]:
    """Return columns (c, channel) of a family, and the factors (c, 3) of its parts in each.

    Relative to the first part, the other parts have factors within :data:`LIMITS`. The columns are
    the corners of this box: their non-negative sums are all possible spectra of the family.
    """
    parts = np.array([part_of(group) for group in family.group])
    shapes = []
    for part in range(3):
        member = parts == part
        energy, share = with_escape(family.energy[member], family.share[member])
        shapes.append(lines_at(energy, share, at, response))
    corners = [(1.0, 1.0, 1.0)]
    low, high = LIMITS[family.shell]
    if shapes[1].any():
        corners = [(1.0, factor, 1.0) for factor in (low, high)]
    if shapes[2].any():
        corners = [(one, two, factor) for one, two, _ in corners for factor in (low, high)]
    factors = np.array(corners)
    return factors @ np.array(shapes), factors


def scatter(anode: str, at: np.ndarray, response: Response) -> tuple[np.ndarray, np.ndarray]:
    """Return columns of scattered tube lines: elastic (r, channel) and inelastic (c, channel).

    The scattering angle is unknown: there are Compton columns for 90 to 150 degrees, with Doppler
    broadening by the motion of the electrons.
    """
    families = [each for each in table().families if each.symbol == anode and each.shell in "KL"]
    elastic, inelastic = [], []
    for family in families:
        if family.main > at[-1] or family.main < 1.5:
            continue
        elastic += list(columns(family, at, response)[0])
        # Soft lines are shifted by less than their width: one angle is enough.
        for angle in np.radians([90.0, 110.0, 130.0, 150.0] if family.main > 5.0 else [120.0]):
            shifted = compton(family.energy, angle)
            transfer = 2 * np.sqrt(family.energy * shifted) * np.sin(angle / 2)
            for factor in (0.6, 1.6):
                rest = np.array([group != "Ka" for group in family.group])
                share = np.where(rest, factor, 1.0) * family.share
                broad = DOPPLER * transfer
                inelastic.append(lines_at(shifted, share, at, response, broad))
    empty = np.zeros((0, len(at)))
    return (np.array(elastic) if elastic else empty, np.array(inelastic) if inelastic else empty)


def compton(energy: np.ndarray, angle: float) -> np.ndarray:
    """Return the energies (n,) after Compton scattering by an angle in radians."""
    return energy / (1 + energy / ELECTRON * (1 - np.cos(angle)))


def beam_shapes(energy: float, at: np.ndarray, response: Response) -> np.ndarray:
    """Return a scattered monochromatic beam (5, channel): elastic, Compton at 60-150 degrees."""
    one, line = np.ones(1), np.array([energy])
    shapes = [lines_at(line, one, at, response)]
    for angle in np.radians([60.0, 90.0, 120.0, 150.0]):
        shifted = compton(line, angle)
        transfer = 2 * np.sqrt(energy * shifted) * np.sin(angle / 2)
        shapes.append(lines_at(shifted, one, at, response, DOPPLER * transfer))
    return np.array(shapes)
