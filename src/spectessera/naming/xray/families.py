"""X-ray lines by element and shell, and what a silicon detector makes of them.

Energies are in keV. The table is made by ``tools/make_xray_lines.py`` from xraylib (Schoonjans et
al. 2011, Spectrochim. Acta B 66, 776).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from spectessera._util.constants import FWHM, PAIR, SILICON_KALPHA
from spectessera._util.files import package_data

TABLE = "xray_lines.npz"  # of the package data
LEAST_ESCAPE = 2e-4  # of a line; less is not told apart from the background
ELECTRON = 510.999  # keV

# Never named: noble gases (argon of the air is apart), and what has no stable isotope.
NEVER = frozenset({10, 36, 43, 54, 61, 84, 85, 86, 87, 88, 89, 91})
AIR = 18
# Met often: in paint, glass, metal, soil, on samples. The others must fit much better.
COMMON = frozenset(
    {
        6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 24, 25, 26, 27, 28, 29, 30, 33, 35,
        37, 38, 40, 47, 48, 50, 51, 56, 79, 80, 82, 83,
    }
)  # fmt: skip
# Anodes of tubes: their lines may be of the instrument.
ANODES = ("Cr", "Cu", "Mo", "Rh", "Pd", "Ag", "W")
# Compton scattering of their K lines is parted from the elastic one, and tells a tube.
TUBE = "Rh"  # nobody paints with it, but most tubes have it
HARD_ANODES = ("Mo", "Rh", "Pd", "Ag")
# How much weaker or stronger than tabulated the second and third group of a family may be: layers
# above absorb them unlike the first group, and electrons excite the shells otherwise than photons.
# Softer families are too weak, or their energies too much a matter of chemistry, to be named by.
SOFTEST = {"K": 0.15, "L": 0.45, "M": 0.8}
LIMITS = {"K": (0.6, 1.6), "L": (0.35, 2.2), "M": (0.4, 2.5)}
FIRST = {"K": ("Ka",), "L": ("La", "Ll"), "M": ("Ma", "Mb", "Mz")}


class Group(NamedTuple):
    """Lines of a family with one name, such as "La": energy of their peak, share of the family."""

    name: str
    energy: float
    share: float


class Family(NamedTuple):
    """The lines of one element from one shell.

    ``z``, ``symbol``, ``shell`` ("K", "L" or "M"); ``group``, ``energy`` and ``share`` of every
    line; ``edge`` in keV, that must be passed to excite the strongest lines; ``groups``, the
    strongest first.
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
    found = []
    for name in dict.fromkeys(group):
        member = np.array([each == name for each in group])
        total = float(share[member].sum())
        # The energy of the peak: the strongest line and those that nothing parts from it.
        top = energy[member][np.argmax(share[member])]
        member &= np.abs(energy / top - 1) < 0.015
        found.append(Group(name, float(np.average(energy[member], weights=share[member])), total))
    return tuple(sorted(found, key=lambda each: -each.share))


class Response(NamedTuple):
    """A silicon detector: noise (full width, keV), Fano factor, and the error of its calibration.

    A line of energy E is seen at ``gain * E + offset``.
    """

    noise: float = 0.08
    fano: float = 0.115
    gain: float = 1.0
    offset: float = 0.0

    def width(self, energy: np.ndarray | float) -> np.ndarray:
        """Return the full width at half maximum (n,) in keV."""
        positive = np.maximum(np.asarray(energy, dtype=np.float64), 0.0)
        return np.sqrt(self.noise**2 + FWHM**2 * self.fano * PAIR * positive)

    def seen(self, energy: np.ndarray | float) -> np.ndarray:
        """Return where lines are seen on the axis."""
        return self.gain * np.asarray(energy, dtype=np.float64) + self.offset


class _Table(NamedTuple):
    """All families, and the share of photons that come with an escape peak."""

    families: tuple[Family, ...]
    symbols: tuple[str, ...]
    escape_energy: np.ndarray
    escape_share: np.ndarray


@cache
def table() -> _Table:
    """Return what ships with the package."""
    with package_data(TABLE).open("rb") as file, np.load(file, allow_pickle=False) as stored:
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
    """Return lines of given photons as counts per channel (channel,), without escape peaks.

    ``at`` (channel,) rises, in keV; ``broad`` (n,) is a further full width. A Gaussian is taken as
    its value at the middle of the channel: good for channels narrower than about half a width.
    """
    found = np.zeros(len(at))
    step = (at[-1] - at[0]) / (len(at) - 1)
    sigma = np.hypot(response.width(energy), broad) / FWHM
    middle = response.seen(energy)
    first = np.searchsorted(at, middle - 5 * sigma)
    last = np.searchsorted(at, middle + 5 * sigma)
    for line in np.flatnonzero(last > first):
        near = slice(first[line], last[line])
        distance = (at[near] - middle[line]) / sigma[line]
        height = share[line] * step / (np.sqrt(2 * np.pi) * sigma[line])
        found[near] += height * np.exp(-(distance**2) / 2)
    return found


def with_escape(energy: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return lines with their escape peaks: energies and photons (up to 2n,)."""
    known = table()
    lost = np.interp(energy, known.escape_energy, known.escape_share)
    lost = np.where(energy > 1.84, lost, 0.0)
    some = lost > LEAST_ESCAPE
    return (
        np.concatenate([energy, energy[some] - SILICON_KALPHA]),
        np.concatenate([share * (1 - lost), (share * lost)[some]]),
    )


def part_of(group: str) -> int:
    """Return 0, 1 or 2: the part of a family whose lines are bound together."""
    if group in FIRST[group[0]]:
        return 0
    return 2 if group == "Lg" else 1


def columns(family: Family, at: np.ndarray, response: Response) -> tuple[np.ndarray, np.ndarray]:
    """Return spectra (c, channel) whose non-negative sums are all that a family may look like.

    The first part of the lines is as tabulated, the others are between the :data:`LIMITS`: the
    corners of that box are the columns. Second is the factor (c, 3) of every part.
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
    """Return columns of the tube's lines: elastically (r, channel), inelastically (c, channel).

    The angle of scattering is not known: there is a Compton column for each of 90 to 150 degrees,
    broadened by the electrons' motion (about 2 atomic units of momentum).
    """
    families = [each for each in table().families if each.symbol == anode and each.shell in "KL"]
    elastic, inelastic = [], []
    for family in families:
        if family.main > at[-1] or family.main < 1.5:
            continue
        elastic += list(columns(family, at, response)[0])
        # Soft lines are shifted by less than their width: one angle does.
        for angle in np.radians([90.0, 110.0, 130.0, 150.0] if family.main > 5.0 else [120.0]):
            shifted = compton(family.energy, angle)
            transfer = 2 * np.sqrt(family.energy * shifted) * np.sin(angle / 2)
            for factor in (0.6, 1.6):
                rest = np.array([group != "Ka" for group in family.group])
                share = np.where(rest, factor, 1.0) * family.share
                broad = 2.0 / 137.036 * transfer
                inelastic.append(lines_at(shifted, share, at, response, broad))
    empty = np.zeros((0, len(at)))
    return (np.array(elastic) if elastic else empty, np.array(inelastic) if inelastic else empty)


def compton(energy: np.ndarray, angle: float) -> np.ndarray:
    """Return energies (n,) after scattering by an angle in radians."""
    return energy / (1 + energy / ELECTRON * (1 - np.cos(angle)))


def beam_shapes(energy: float, at: np.ndarray, response: Response) -> np.ndarray:
    """Return a beam of one energy (5, channel): scattered elastically, and by 60 to 150 degrees."""
    one, line = np.ones(1), np.array([energy])
    shapes = [lines_at(line, one, at, response)]
    for angle in np.radians([60.0, 90.0, 120.0, 150.0]):
        shifted = compton(line, angle)
        transfer = 2 * np.sqrt(energy * shifted) * np.sin(angle / 2)
        shapes.append(lines_at(shifted, one, at, response, 2.0 / 137.036 * transfer))
    return np.array(shapes)
