"""The spectrum of an X-ray tube: bremsstrahlung and characteristic lines of its anode.

After Ebel 1999 (X-Ray Spectrom. 28, 255) and Ebel 2003 (Adv. X-Ray Anal. 46, 267). Between 4 and
38 keV the continuum agrees with that of PyMca 5.9.7 within 0.1 % for Mo, Rh and W; for Cr within
6 %, the difference of xraylib's absorption just above its K edge. The sum of the K lines agrees
within 0.1 %. Cu and Ag were not compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spectessera._util.check import check_choice, check_number

from .xraydata import (
    SHELLS,
    attenuation,
    composition,
    element_lines,
    elements,
    photoabsorption,
    xraylib,
)

ANODES = {"Cr": 24, "Cu": 29, "Mo": 42, "Rh": 45, "Ag": 47, "W": 74}
LOWEST = 1.0  # keV; softer photons do not pass the window
STEP = 0.05  # keV, bins of the continuum; wider ones cause ripples in the scattered light
BERYLLIUM = 1.848  # g/cm3
# Photons per mA, s and sr for S = R = omega = p = f = 1, from Ebel's fits, not compared with
# the publication again; the value for K reproduces the lines of PyMca.
_STRENGTH = {"K": 6.0e13, "L1": 0.71e13, "L2": 2.70e13, "L3": 4.94e13}
# z b of Ebel: number of electrons of the shell times Bethe's factor.
_BETHE = {"K": 2 * 0.35, "L1": 8 * 0.25, "L2": 8 * 0.25, "L3": 8 * 0.25}


@dataclass(frozen=True)
class Tube:
    """An X-ray tube with its filters.

    Parameters
    ----------
    anode : "Cr", "Cu", "Mo", "Rh", "Ag" or "W"
        Scattered lines of Cr, Cu and W overlap with lines of pigments.
    kv : float
        Voltage, 10 to 60 kV.
    filters : tuple of (formula, g/cm2)
        Absorbers between tube and sample, such as ``(("Al", 0.027),)``.
    incidence : float
        Angle of the electrons to the surface of the anode, in degrees.
    takeoff : float
        Angle of the X-rays to the surface of the anode, in degrees.
    window : float
        Thickness of the beryllium window in µm.

    Raises
    ------
    TypeError, ValueError
        If the anode is unknown, a number is out of range or a filter is not (formula, g/cm2).
    """

    anode: str = "Rh"
    kv: float = 40.0
    filters: tuple[tuple[str, float], ...] = ()
    incidence: float = 70.0
    takeoff: float = 20.0
    window: float = 125.0

    def __post_init__(self) -> None:
        check_choice("anode", self.anode, tuple(ANODES))
        check_number("kv", self.kv, low=10.0, high=60.0)
        for name in ("incidence", "takeoff"):
            check_number(name, getattr(self, name), low=1.0, high=90.0)
        check_number("window", self.window, low=0.0)
        object.__setattr__(self, "filters", check_absorbers("filters", self.filters))


class Beam(NamedTuple):
    """The photons of a source.

    Attributes
    ----------
    energy : array (n,), float64
        Ascending, in keV.
    photons : array (n,), float64
        Per mA, s and sr.
    """

    energy: np.ndarray
    photons: np.ndarray


def check_absorbers(name: str, given: object) -> tuple[tuple[str, float], ...]:
    """Return absorbers as a tuple of (formula, g/cm2).

    Formulas are not parsed, as this needs xraylib.

    Raises
    ------
    TypeError, ValueError
        If it is not such a list, or a thickness is negative.
    """
    expected = f'{name} is a list of (formula, g/cm2), such as [("Al", 0.027)]; got {given!r}'
    if not isinstance(given, (tuple, list)):
        raise TypeError(expected)
    for each in given:
        if not isinstance(each, (tuple, list)) or len(each) != 2 or not isinstance(each[0], str):
            raise TypeError(expected)
        check_number(f"the thickness of {each[0]} in {name}", each[1], low=0.0)
    return tuple((formula, float(thickness)) for formula, thickness in given)


def transmission(absorbers: tuple[tuple[str, float], ...], energy: np.ndarray) -> np.ndarray:
    """Return the share (n,) of photons that pass all absorbers (formula, g/cm2)."""
    depth = np.zeros(len(energy))
    for formula, thickness in absorbers:
        depth += thickness * attenuation(dict(composition(formula)), energy)
    return np.exp(-depth)


def tube_spectrum(tube: Tube) -> Beam:
    """Return the spectrum of a tube, behind window and filters.

    The continuum has bins of 0.05 keV from 1 keV on. The ratio of lines to continuum is uncertain
    by 30 to 50 %: in a Monte Carlo code (SpekPy 2.5.4) the lines of Mo, Rh and W are up to a fifth
    stronger and the continuum is a quarter weaker.

    Parameters
    ----------
    tube : Tube

    Returns
    -------
    Beam
        ``energy``, and ``photons`` per mA, s and sr; bins and lines in one list.
    """
    bins = int(np.ceil((tube.kv - LOWEST) / STEP - 1e-9))
    edges = np.linspace(LOWEST, tube.kv, bins + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    sharp = characteristic(tube)
    energy = np.concatenate([middle, sharp.energy])
    photons = np.concatenate([continuum(tube, middle) * np.diff(edges), sharp.photons])
    photons = photons * transmission(_absorbers(tube), energy)
    order = np.argsort(energy, kind="stable")
    return Beam(energy[order], photons[order])


def _absorbers(tube: Tube) -> tuple[tuple[str, float], ...]:
    return (("Be", tube.window * 1e-4 * BERYLLIUM), *tube.filters)


def continuum(tube: Tube, energy: np.ndarray) -> np.ndarray:
    """Return the bremsstrahlung (n,) per keV, mA, s and sr, before window and filters.

    Parameters
    ----------
    tube : Tube
    energy : array (n,)
        From 0.1 keV on; the result is 0 above the voltage.
    """
    energy = np.asarray(energy, dtype=np.float64)
    z, below = ANODES[tube.anode], energy < tube.kv
    ratio = np.where(below, tube.kv / energy, 1.0)  # the overvoltage U
    power = 1.109 - 0.00435 * z + 0.00175 * tube.kv
    photons = 1.35e9 * z * (ratio - 1) ** power * _escape(tube, energy, ratio)
    return np.where(below, photons, 0.0)


def characteristic(tube: Tube) -> Beam:
    """Return the K and L lines of the anode above 1 keV, before window and filters.

    Parameters
    ----------
    tube : Tube
    """
    z, known = ANODES[tube.anode], element_lines(ANODES[tube.anode])
    energies, photons = [], []
    for shell, name in enumerate(SHELLS):
        if name not in _STRENGTH:
            continue
        edge = xraylib().EdgeEnergy(z, getattr(xraylib(), f"{name}_SHELL"))
        member = (known.shell == shell) & (known.energy > LOWEST)
        if edge >= tube.kv or not member.any():
            continue
        energy = known.energy[member]
        escape = _escape(tube, energy, np.full(len(energy), tube.kv / edge))
        energies.append(energy)
        photons.append(_vacancies(tube, name, edge) * known.share[member] * escape)
    energy = np.concatenate(energies)
    order = np.argsort(energy, kind="stable")
    return Beam(energy[order], np.concatenate(photons)[order])


def _vacancies(tube: Tube, shell: str, edge: float) -> float:
    """Return the photons emitted by a shell: C S R omega of Ebel 1999."""
    z, ratio = ANODES[tube.anode], tube.kv / edge
    log, mean = np.log(ratio), 0.0135 * z  # mean ionisation energy J in keV
    ionised = ratio * log + 1 - ratio
    slowed = np.sqrt(ratio) * log + 2 * (1 - np.sqrt(ratio))
    stopping = _BETHE[shell] / z * (ionised + 16.05 * np.sqrt(mean / edge) * slowed)
    backscatter = 1 - 0.0081517 * z + 3.613e-5 * z**2 + 0.009583 * z * np.exp(-ratio)
    backscatter += 0.001141 * tube.kv
    yields = xraylib().FluorYield(z, getattr(xraylib(), f"{shell}_SHELL"))
    strength = _STRENGTH[shell]
    if shell in ("L1", "L2") and z < 80:
        strength *= -0.4814 + 0.03781 * z - 2.413e-4 * z**2
    return float(strength * stopping * backscatter * yields)


def _escape(tube: Tube, energy: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Return the share (n,) of photons that leave the anode, from the mean depth of Love."""
    z = ANODES[tube.anode]
    log, mean, exponent = np.log(ratio), 0.0135 * z, 0.1382 - 0.9211 / np.sqrt(z)
    logz = np.log(z)
    scattered = tube.kv**exponent * (0.1904 - 0.2236 * logz + 0.1292 * logz**2 - 0.0149 * logz**3)
    furthest = 0.787e-5 * np.sqrt(mean) * tube.kv**1.5 + 0.735e-6 * tube.kv**2
    furthest *= xraylib().AtomicWeight(z) / z
    depth = furthest * log * (0.49269 - 1.0987 * scattered + 0.78557 * scattered**2)
    depth /= 0.70256 - 1.09865 * scattered + 1.0046 * scattered**2 + log  # (n,), g/cm2
    angles = np.sin(np.radians(tube.incidence)) / np.sin(np.radians(tube.takeoff))
    path = 2 * angles * depth * photoabsorption(elements([(1.0, tube.anode)]), energy)
    safe = np.maximum(path, 1e-12)
    return -np.expm1(-safe) / safe
