"""EDS maps of grains, simulated: spectra of minerals, alloys and glasses under an electron beam.

Lines by Bethe's ionisation cross section along Bethe's stopping power, the continuum by Kramers,
absorption in the sample by Philibert with the constant of Heinrich, and a silicon drift detector
with a thin polymer window or none. Backscattered electrons, Coster-Kronig transitions, fluorescence
by other lines, incomplete charge and pile-up are left out. Fluorescence yields, radiative rates
and cross sections are those of xraylib; lines below 0.3 keV (carbon) are left out. Nothing is taken
from the simulation of X-ray fluorescence but the tables.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from spectessera._util.constants import FWHM
from spectessera.axis import Axis
from spectessera.synth.xrf.xraydata import SHELLS, attenuation, composition, element_lines, xraylib

from .drawn import Drawn

# Textbook formulas; "Al0.9Si0.1" and the like are numbers of atoms.
ROCK = {
    "quartz": "SiO2",
    "orthoclase": "KAlSi3O8",
    "albite": "NaAlSi3O8",
    "biotite": "KMg1.5Fe1.5AlSi3O12H2",
    "apatite": "Ca5P3O12F",
    "magnetite": "Fe3O4",
}
ORE = {
    "pyrite": "FeS2",
    "chalcopyrite": "CuFeS2",
    "sphalerite": "Zn0.9Fe0.1S",
    "galena": "PbS",
    "arsenopyrite": "FeAsS",
    "barite": "BaSO4",
    "calcite": "CaCO3",
    "dolomite": "CaMgC2O6",
    "quartz": "SiO2",
    "muscovite": "KAl3Si3O12H2",
}
EARTH = {
    **ROCK,
    "anorthite": "CaAl2Si2O8",
    "olivine": "Mg1.8Fe0.2SiO4",
    "diopside": "CaMgSi2O6",
    "hornblende": "Ca2Mg4Al1.75Fe0.25Si7O24H2",
    "almandine": "Fe3Al2Si3O12",
    "ilmenite": "FeTiO3",
    "rutile": "TiO2",
    "zircon": "ZrSiO4",
    "titanite": "CaTiSiO5",
    "monazite": "CePO4",
}
WORKS = {
    "steel 304": "Fe71Cr20Ni9",
    "nickel alloy": "Ni58Cr25Mo5Fe8Nb4",
    "titanium alloy": "Ti86Al10V4",
    "brass": "Cu63Zn37",
    "bronze": "Cu94Sn6",
    "solder": "Sn74Pb26",
    "soda-lime glass": "Na2CaSi6O14",
    "lead glass": "K2PbSi6O14",
}
# What the trial of a model of EDS spectra is trained on besides, never drawn for a map.
FURTHER = {
    "corundum": "Al2O3",
    "enstatite": "MgSiO3",
    "hematite": "Fe2O3",
    "gypsum": "CaSO6H4",
    "fluorite": "CaF2",
    "halite": "NaCl",
    "chromite": "FeCr2O4",
    "cassiterite": "SnO2",
    "scheelite": "CaWO4",
    "pyrolusite": "MnO2",
    "spodumene": "LiAlSi2O6",
    "kaolinite": "Al2Si2O9H4",
    "bornite": "Cu5FeS4",
    "pentlandite": "Fe4.5Ni4.5S8",
    "gold": "Au9Ag1",
    "zinc oxide": "ZnO",
}


class Setting(NamedTuple):
    """How a map is measured: the beam in kV, the last channel in keV, polymer window or none."""

    kv: float
    last: float
    window: bool = True
    noise: float = 0.055  # keV, full width at half maximum
    takeoff: float = 35.0  # degrees


class Map(NamedTuple):
    """A map with its truth, and the counts (pixel, channel) that are expected without noise."""

    drawn: Drawn
    expected: np.ndarray


CHANNEL = 0.01  # keV
SIDE, GRAINS, PARTS = 64, 120, 4  # pixels, grains, and parts of a pixel to either side
VARIATION = 0.075  # relative standard deviation of the content of an element, from grain to grain
SOFT = 0.1  # keV; no cross sections below
# Electrons of the shells times the constant of Bethe.
_BETHE = {"K": 1.4, "L1": 1.0, "L2": 1.0, "L3": 2.0, "M1": 1.0, "M2": 1.0, "M3": 2.0, "M4": 2.0,
          "M5": 3.0}  # fmt: skip
_IONISED = 6.022e23 * 6.51e-20 / 7.85e4
_KRAMERS = 2.76e-6  # photons per keV and electron, times Z (E0 - E) / E
_STEP = 0.02  # keV, of the continuum
_GRID = 0.63  # open share of the window between its bars of silicon, 380 um thick


def axis_of(setting: Setting) -> Axis:
    """Return the channels of a measurement, from 0.1 keV on."""
    return Axis(np.arange(SOFT, setting.last, CHANNEL), "keV")


@cache
def _numbers(z: int) -> tuple[float, float]:
    """Return the atomic weight and the mean ionisation energy of an element in keV."""
    return float(xraylib().AtomicWeight(z)), 0.0115 * z


@cache
def _lines(z: int, kv: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return energies, edges and photons per electron and stopping power of lines, all (n,)."""
    known, library = element_lines(z), xraylib()
    energies, edges, photons = [], [], []
    for energy, shell, share in zip(known.energy, known.shell, known.share, strict=True):
        name = SHELLS[shell]
        try:
            edge = library.EdgeEnergy(z, getattr(library, f"{name}_SHELL"))
            fluorescent = library.FluorYield(z, getattr(library, f"{name}_SHELL"))
        except ValueError:  # no such shell in the tables: no line
            continue
        if not 0 < edge < kv:
            continue
        ratio = kv / edge
        ionised = _IONISED / _numbers(z)[0] * _BETHE[name] * (ratio * np.log(ratio) - ratio + 1)
        energies.append(energy)
        edges.append(edge)
        photons.append(ionised * fluorescent * share)
    return np.array(energies), np.array(edges), np.array(photons)


def efficiency(setting: Setting, energy: np.ndarray) -> np.ndarray:
    """Return the share (n,) of photons that are detected."""
    silicon = attenuation({14: 1.0}, energy) * 2.33
    share = np.exp(-silicon * 5e-6) * -np.expm1(-silicon * 450e-4)  # dead layer 50 nm, 450 um
    if setting.window:
        polymer = attenuation(dict(composition("C10H8O4")), energy) * 1.4 * 3e-5  # 300 nm
        metal = attenuation({13: 1.0}, energy) * 2.7 * 4e-6  # 40 nm of aluminium
        bars = _GRID + (1 - _GRID) * np.exp(-silicon * 380e-4)
        share = share * np.exp(-polymer - metal) * bars
    return share


def response(setting: Setting, energy: np.ndarray) -> np.ndarray:
    """Return the share (n, channel) of detected photons that is counted in each channel."""
    sigma = np.sqrt((setting.noise / FWHM) ** 2 + 0.115 * 3.65e-3 * energy)[:, None]
    values = axis_of(setting).values
    edges = np.append(values - CHANNEL / 2, values[-1] + CHANNEL / 2)
    return np.diff(ndtr((edges[None] - energy[:, None]) / sigma), axis=1)


def spectra(fractions: np.ndarray, elements: tuple[int, ...], setting: Setting) -> np.ndarray:
    """Return the photons (n, channel) per electron of samples, mass fractions (n, element)."""
    kv, grid = setting.kv, np.arange(SOFT, setting.kv, _STEP) + _STEP / 2
    weights, means = np.array([_numbers(z) for z in elements]).T
    z = np.array(elements, dtype=float)
    mean = fractions @ z
    stopping = (fractions * (z / weights * np.log(1.166 * 0.6 * kv / means + 1))).sum(axis=1)
    h = 1.2 * (fractions @ weights) / mean**2
    continuum = _KRAMERS * _STEP * (kv - grid).clip(0) / grid
    found = mean[:, None] * continuum * _escape(fractions, elements, setting, grid, grid, h)
    counts = (found * efficiency(setting, grid)) @ response(setting, grid)
    for column, number in enumerate(elements):
        energy, edge, photons = _lines(number, kv)
        if len(energy):
            shown = fractions[:, column, None] / stopping[:, None] * photons
            shown = shown * _escape(fractions, elements, setting, energy, edge, h)
            counts += (shown * efficiency(setting, energy)) @ response(setting, energy)
    return counts


def _escape(
    fractions: np.ndarray, elements: tuple[int, ...], setting: Setting,
    energy: np.ndarray, edge: np.ndarray, h: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return the share (n, m) of photons of energies (m,) that leave the samples (Philibert)."""
    absorbed = np.stack([attenuation({z: 1.0}, energy) for z in elements])
    chi = fractions @ absorbed / np.sin(np.radians(setting.takeoff))
    ratio = chi * (setting.kv**1.65 - edge**1.65) / 4.5e5
    return 1 / ((1 + ratio) * (1 + (h / (1 + h))[:, None] * ratio))


def contents(formulas: dict[str, str]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return the mass fractions (component, element) of formulas, and the elements."""
    parsed = [dict(composition(formula)) for formula in formulas.values()]
    elements = tuple(sorted({z for each in parsed for z in each}))
    return np.array([[each.get(z, 0.0) for z in elements] for each in parsed]), elements


def varied(fractions: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return mass fractions (n, element) with a random variation of every element."""
    other = fractions * np.exp(VARIATION * generator.standard_normal(fractions.shape))
    return other / other.sum(axis=1, keepdims=True)


def grains(kinds: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the component (grain,) of every grain, and grains (y, x, part) of parts of pixels."""
    kind = generator.permutation(np.resize(np.arange(kinds), GRAINS))
    seeds = generator.uniform(0, SIDE, (GRAINS, 2))
    fine = (np.arange(SIDE * PARTS) + 0.5) / PARTS
    place = np.stack(np.meshgrid(fine, fine, indexing="ij"), axis=-1)
    nearest = ((place[:, :, None] - seeds) ** 2).sum(axis=3).argmin(axis=2)
    parts = nearest.reshape(SIDE, PARTS, SIDE, PARTS).transpose(0, 2, 1, 3)
    return kind, parts.reshape(SIDE, SIDE, PARTS**2)


def draw(formulas: dict[str, str], setting: Setting, counts: float, seed: int) -> Map:
    """Draw a map of grains; at their borders a pixel has the share of both.

    The label of a pixel is the component that covers most of it; ``counts`` is the mean of the
    map. Brightness differs between components, as it does in the microscope.
    """
    generator = np.random.default_rng([71, seed])
    fractions, elements = contents(formulas)
    kind, parts = grains(len(formulas), generator)
    of_grains = spectra(varied(fractions[kind], generator), elements, setting)
    mixed = of_grains[parts.reshape(-1, PARTS**2)].mean(axis=1)  # (pixel, channel)
    mixed *= counts / mixed.sum(axis=1).mean()
    covered = np.eye(len(formulas))[kind[parts.reshape(-1, PARTS**2)]].sum(axis=1)
    drawn = generator.poisson(mixed).astype(np.float32)
    label = covered.argmax(axis=1) + 1
    return Map(Drawn(drawn, label, axis_of(setting), None, (SIDE, SIDE)), mixed)
