"""Models of ionised nebulae with a few zones, whose conditions determine the line fluxes.

Zone models replace the photoionisation grid (3MdB) with which the networks of arXiv 2401.17695 were
trained: temperatures, densities, abundances and ionic fractions are drawn, not solved for. Ratios
of lines of one ion follow from atomic physics, ionic fractions from the simple rules below. Case B
for all zones; no dust, no fluorescence, no collisional excitation of hydrogen. Other grids are read
by :mod:`~spectessera.synth.nebulae.table`.

Numbers without a source, here and in the functions, are our choice. With them the classes lie in
the observed regions of the planes of :mod:`~spectessera.synth.nebulae.bpt`, and HII regions near
the grid of MAPPINGS 5.1 that ships with NebulaBayes (Thomas et al. 2018); ``examples/plot_bpt.py``
shows both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from .lines import emissivities, line_ions

# Logarithms of abundances relative to oxygen in the Sun (Asplund et al. 2009, ARA&A 47, 481).
SULPHUR, ARGON, CHLORINE, NEON = -1.57, -2.29, -3.19, -0.76


class Models(NamedTuple):
    """Line fluxes of models, and their parameters.

    Attributes
    ----------
    flux : array (n, line), float32
        Relative to H beta, without reddening; lines of
        :func:`~spectessera.synth.nebulae.lines.line_labels`.
    parameters : dict of array (n,)
        Abundances are 12 + log O/H and log N/O.
    """

    flux: np.ndarray
    parameters: dict[str, np.ndarray]


class Zone(NamedTuple):
    """A part of a nebula with uniform temperature and density.

    Attributes
    ----------
    share : array (n,)
        Share of the H beta flux of the nebula.
    temperature : array (n,)
        K.
    density : array (n,)
        Electrons, cm-3.
    ions : dict of array (n,)
        Abundances of ions relative to H+.
    """

    share: np.ndarray
    temperature: np.ndarray
    density: np.ndarray
    ions: dict[str, np.ndarray]


def zone_flux(zones: list[Zone]) -> np.ndarray:
    """Return the flux of every line relative to H beta, (n, line) float32.

    The sum over zones of share * (X^i / H+) * emissivity / emissivity of H beta.

    Parameters
    ----------
    zones : list of Zone
        Their shares sum to 1. Ions without a line in the table have no effect.
    """
    total = np.zeros((len(zones[0].share), len(line_ions())), dtype=np.float32)
    for zone in zones:
        ones, none = np.ones_like(zone.share), np.zeros_like(zone.share)
        known = {"H+": ones} | zone.ions
        ions = np.stack([known.get(ion, none) for ion in line_ions()], axis=1)  # (n, line)
        weight = (zone.share[:, None] * ions).astype(np.float32)
        total += weight * emissivities(zone.temperature, zone.density)
    return total


def hii(n: int, generator: np.random.Generator, low_excitation: float = 0.0) -> Models:
    """Draw HII regions: an O++ zone, an O+ zone, a partly neutral edge.

    t2 = 0.7 t3 + 0.3 after Garnett 1992, AJ 103, 1330. All other numbers are our choice; the O++
    share, S+ and the edge depend on the ionisation parameter approximately as in the grid of
    MAPPINGS. ``low_excitation`` is the share of regions with an ionisation parameter below the
    usual range.
    """
    log_oh = generator.uniform(8.0, 8.75, n)
    log_no = _nitrogen(log_oh, generator)
    log_u = _truncated(-3 - 0.6 * (log_oh - 8.4), 0.35, -3.9, -2.2, generator)
    log_u_low = generator.uniform(-4.0, -3.4, n)
    log_u = np.where(generator.random(n) < low_excitation, log_u_low, log_u)
    density = 10 ** generator.uniform(1.3, 2.6, n)
    t3 = 1.25 - 0.75 * (log_oh - 8) + generator.uniform(-0.05, 0.05, n)
    t2 = 0.7 * t3 + 0.3
    high = 1 / (1 + 10 ** (-1.3 * (log_u + 2.85)))
    edge = 10 ** (-1.55 - 0.7 * (log_u + 3) + 0.15 * generator.standard_normal(n))
    edge = np.minimum(edge, 0.3)
    s_plus = 0.8 / (1 + 10 ** (0.5 * (log_u + 3.65) + 0.1 * generator.standard_normal(n)))
    helium = generator.uniform(0.085, 0.1, n)
    he_plus = helium / (1 + 10 ** (-1.5 * (log_u + 4.2)))
    o, nitrogen, s, ar, cl, ne = _elements(log_oh, log_no)
    zones = [
        Zone(high * (1 - edge), 1e4 * t3, density, {
            "O++": o, "S++": 0.8 * s, "Ar++": 0.9 * ar, "Cl++": 0.9 * cl, "He+": helium,
            "Ne++": 0.8 * ne,
        }),
        Zone((1 - high) * (1 - edge), 1e4 * t2, density, {
            "O+": o, "N+": nitrogen, "S+": s_plus * s, "S++": (1 - s_plus) * s,
            "Ar++": 0.7 * ar, "Cl++": (1 - s_plus) * cl, "He+": he_plus,
        }),
        Zone(edge, 1e4 * t2, density, {
            "O0": o, "N0": 0.5 * nitrogen, "N+": 0.5 * nitrogen, "S+": 0.8 * s,
        }),
    ]  # fmt: skip
    parameters = {"log_oh": log_oh, "log_no": log_no, "log_u": log_u, "density": density}
    parameters |= {"temperature_high": 1e4 * t3, "temperature_low": 1e4 * t2}
    return Models(zone_flux(zones), parameters)


def pn(n: int, generator: np.random.Generator) -> Models:
    """Draw planetary nebulae: a large O++ zone (He++ in part of it), an O+ zone, a neutral edge.

    Oxygen cools, so temperatures have a rank correlation with O/H; O+++ follows He++ as in the
    ionisation correction of Kingsburgh & Barlow 1994, MNRAS 271, 257.
    """
    log_oh = generator.uniform(8.1, 8.8, n)
    log_no = generator.normal(-0.45, 0.3, n)
    helium = generator.uniform(0.09, 0.15, n)
    density = 10 ** generator.uniform(2.7, 4.3, n)
    rank = -0.7 * ndtri((log_oh - 8.1) / 0.7) + np.sqrt(0.51) * generator.standard_normal(n)
    t3 = 0.85 + 0.85 * ndtr(rank)
    t2 = 0.7 * t3 + 0.3
    doubly = np.where(generator.random(n) < 0.25, 0.0, generator.beta(1.3, 3.5, n))
    low = 10 ** generator.uniform(-1.7, -0.6, n)
    edge = low * generator.uniform(0.0, 0.3, n)
    o, nitrogen, s, ar, cl, ne = _elements(log_oh, log_no)
    left = (1 - doubly) ** (2 / 3)  # share of O++ and similar ions with He++
    zones = [
        Zone(1 - low - edge, 1e4 * t3, density, {
            "O++": left * o, "S++": 0.4 * left * s, "Ar++": 0.6 * left * ar,
            "Cl++": 0.6 * left * cl, "He+": (1 - doubly) * helium, "He++": doubly * helium,
            "Ne++": left * ne,
        }),
        Zone(low, 1e4 * t2, density, {
            "O+": 0.8 * o, "O++": 0.2 * o, "N+": 0.8 * nitrogen, "S+": 0.4 * s, "S++": 0.6 * s,
            "Ar++": 0.9 * ar, "Cl++": 0.7 * cl, "He+": helium,
        }),
        Zone(edge, 1e4 * t2, density, {
            "O0": o, "N0": 0.5 * nitrogen, "N+": 0.5 * nitrogen, "S+": s, "He+": 0.5 * helium,
        }),
    ]  # fmt: skip
    parameters = {"log_oh": log_oh, "log_no": log_no, "helium": helium, "doubly_ionised": doubly}
    parameters |= {"density": density, "temperature_high": 1e4 * t3, "temperature_low": 1e4 * t2}
    return Models(zone_flux(zones), parameters)


def shock(n: int, generator: np.random.Generator) -> Models:
    """Draw radiative shocks: a hot O++ zone, a recombination zone, a neutral zone.

    The O++ zone exists from about 100 km/s on. In neutral hydrogen oxygen is neutral, too (charge
    exchange), but sulphur remains S+: O0/H+ and S+/H+ exceed the abundances of the elements.
    """
    speed = generator.uniform(80, 500, n)
    log_oh = generator.uniform(8.2, 8.8, n)
    log_no = _nitrogen(log_oh, generator)
    density = 10 ** generator.uniform(2, 3.4, n)
    cool = generator.normal(9000, 400, n)
    hot = generator.uniform(18000, 29000, n)
    neutral = generator.uniform(0.08, 0.25, n)
    neutral_t = generator.uniform(7000, 8800, n)
    ionised = generator.uniform(0.12, 0.3, n)  # of hydrogen, in the neutral zone
    fast = 1 / (1 + np.exp(-(speed - 100) / 8))
    high = fast * 10 ** generator.uniform(-2.0, -0.8, n)
    doubly = 0.3 * np.clip((speed - 120) / 380, 0, 1)
    o, nitrogen, s, ar, cl, ne = _elements(log_oh, log_no)
    excess = 1 / ionised - 1
    zones = [
        Zone(high, hot, density, {
            "O++": 0.7 * o, "S++": 0.5 * s, "Ar++": 0.6 * ar, "Cl++": 0.5 * cl, "Ne++": 0.7 * ne,
            "He+": 0.1 * (1 - doubly), "He++": 0.1 * doubly,
        }),
        Zone(1 - high - neutral, cool, density, {
            "O+": 0.85 * o, "O++": 0.05 * fast * o, "O0": 0.1 * o, "N+": 0.9 * nitrogen,
            "N0": 0.1 * nitrogen, "S+": 0.75 * s, "S++": 0.25 * s, "Ar++": 0.3 * ar,
            "Cl++": 0.3 * cl, "He+": 0.09 - 0.05 * doubly, "He++": 0.05 * doubly,
        }),
        Zone(neutral, neutral_t, density, {
            "O0": excess * o, "N0": 0.5 * excess * nitrogen, "N+": nitrogen, "S+": s / ionised,
        }),
    ]  # fmt: skip
    parameters = {"log_oh": log_oh, "log_no": log_no, "speed": speed, "density": density}
    parameters |= {"temperature_high": hot, "temperature_low": cool, "neutral_share": neutral}
    return Models(zone_flux(zones), parameters)


def dig(n: int, generator: np.random.Generator) -> Models:
    """Draw diffuse ionised gas: thin and warm, little O++, much S+, partly neutral.

    All numbers are our choice. Observed [NII], [SII] and [OI] / H alpha are above those of HII
    regions with the same abundance (Haffner et al. 2009, Rev. Mod. Phys. 81, 969; Zhang et al.
    2017, MNRAS 466, 3217; Belfiore et al. 2022, A&A 659, A26), up to those of LIERs; He I is weak.
    """
    log_oh = generator.uniform(8.3, 8.75, n)
    log_no = _nitrogen(log_oh, generator)
    density = 10 ** generator.uniform(0.5, 1.7, n)
    cool = generator.uniform(8500, 10500, n)
    high = 10 ** generator.uniform(-1.5, -0.6, n)
    edge = 10 ** generator.uniform(-1.2, -0.5, n)
    s_plus = generator.uniform(0.4, 0.8, n)
    he_plus = 0.1 * generator.uniform(0.3, 0.9, n)
    o, nitrogen, s, ar, cl, ne = _elements(log_oh, log_no)
    zones = [
        Zone(high * (1 - edge), 1.1 * cool, density, {
            "O++": o, "S++": 0.8 * s, "Ar++": 0.9 * ar, "Cl++": 0.9 * cl, "He+": he_plus,
            "Ne++": 0.5 * ne,
        }),
        Zone((1 - high) * (1 - edge), cool, density, {
            "O+": o, "N+": nitrogen, "S+": s_plus * s, "S++": (1 - s_plus) * s,
            "Ar++": 0.3 * ar, "Cl++": (1 - s_plus) * cl, "He+": he_plus,
        }),
        Zone(edge, cool, density, {
            "O0": o, "N0": 0.5 * nitrogen, "N+": 0.5 * nitrogen, "S+": s,
        }),
    ]  # fmt: skip
    parameters = {"log_oh": log_oh, "log_no": log_no, "density": density}
    parameters |= {"temperature_high": 1.1 * cool, "temperature_low": cool}
    return Models(zone_flux(zones), parameters)


def _nitrogen(log_oh: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return log N/O after Nicholls et al. 2017, with a uniform scatter of 0.1."""
    mean = np.log10(10**-1.732 + 10 ** (log_oh - 12 + 2.19))
    return mean + generator.uniform(-0.1, 0.1, len(log_oh))


def _elements(log_oh: np.ndarray, log_no: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the abundances of O, N, S, Ar, Cl and Ne relative to hydrogen."""
    oxygen = 10 ** (log_oh - 12)
    others = (oxygen * 10.0**ratio for ratio in (log_no, SULPHUR, ARGON, CHLORINE, NEON))
    return oxygen, *others


def _truncated(
    mean: np.ndarray, sd: float, low: float, high: float, generator: np.random.Generator
) -> np.ndarray:
    """Draw from normal distributions truncated at ``low`` and ``high``, (n,)."""
    first, last = ndtr((low - mean) / sd), ndtr((high - mean) / sd)
    return mean + sd * ndtri(first + (last - first) * generator.random(len(mean)))
