"""Expected XRF spectra of paint layers by fisx, the physics of PyMca; a detector of our own.

Nothing but the composition and nominal mass of the pigments is taken from the simulator of the
package: cross sections, transition probabilities, cascades and the enhancement by other lines are
those of fisx (``pip install fisx``), tube, support, binder and detector are other ones.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from scipy.special import log_ndtr, ndtr

from spectessera.synth.paint.pigments import PIGMENTS
from spectessera.synth.xrf.instrument import model_axis

LOADS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)  # mass of a layer, relative to the nominal one
BINDER = {"C6H10O5": 0.7, "C3H5NO": 0.3}  # gum with some protein
BINDER_SHARE = 0.3
SUPPORT = {"C4H6NO2": 0.931, "CaCO3": 0.06, "NaCl": 0.004, "K2SO4": 0.004, "Fe2O3": 0.001}
SUPPORT_MASS = 20.0  # mg/cm2
BARE = "parchment"  # the pigment that is the support itself
VOLTAGE = 45.0  # kV
# Lines of the anode (keV) and their photons, relative to the continuum.
ANODES = {
    "Rh": ((2.75, 0.32), (20.17, 0.40), (22.74, 0.075)),
    "Ag": ((3.05, 0.32), (22.10, 0.36), (24.99, 0.070)),
}
NODES, BINS = 8, 300  # energies of the continuum that excite lines, and that are scattered
SLANT = np.sin(np.radians(45.0))  # of beam and detector
AT_90 = {"coherent": 0.25, "compton": 0.75}  # relative to isotropic scattering
ELECTRON = 510.999  # keV
FAINTEST, LOWEST = 1e-6, 0.7  # of the strongest line; keV
LOWEST_EDGE = 1.55  # keV; lines of lower edges are not counted

NOISE, FANO, PAIR = 0.105, 0.125, 3.62e-3  # keV, full width at half maximum; -; keV
TAIL, TAIL_LENGTH, SHELF = 0.03, 0.30, 0.01  # share, keV; share of the counts at any lower energy
DETECTOR = (("Be", 1.48e-3), ("N0.78O0.21Ar0.01", 1.8e-3))  # entrance, g/cm2
CRYSTAL = 0.1165  # g/cm2 of silicon: 0.5 mm
FWHM = np.sqrt(8 * np.log(2))


class Excitation(NamedTuple):
    """Photons (n,) of the tube at energies (n,) in keV, and which of them are lines."""

    energy: np.ndarray
    photons: np.ndarray
    sharp: np.ndarray


class Layer(NamedTuple):
    """A layer: name of its material in fisx, mass in g/cm2."""

    material: str
    mass: float


@cache
def library() -> Any:
    """Return the physical constants of fisx.

    Raises
    ------
    ImportError
        If fisx is not installed.
    """
    try:
        from fisx import Elements
    except ImportError as error:
        raise ImportError("these spectra need fisx: pip install fisx") from error
    elements = Elements()
    elements.initializeAsPyMca()
    return elements


@cache
def expectations(pigment: str, anode: str) -> np.ndarray:
    """Return the spectra (load, channel) of a pigment at all LOADS, on the axis of the model."""
    spectra = []
    for load in LOADS:
        layers = _layers(pigment, load)
        energy, photons = _fluorescence(layers, _tube(anode, NODES))
        spectra.append(photons @ _counted(energy) + _scatter(layers, anode))
    return np.stack(spectra)


def fluorescence(pigment: str, anode: str) -> tuple[np.ndarray, np.ndarray]:
    """Return energies (m,) in keV and photons (m,) of the lines of a nominal layer."""
    return _fluorescence(_layers(pigment, 1.0), _tube(anode, NODES))


def _tube(anode: str, nodes: int) -> Excitation:
    """Return a tube: Kramers' continuum behind a window, and lines of the anode."""
    edges = np.geomspace(2.0, VOLTAGE, nodes + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    window = np.exp(-((2.2 / middle) ** 3))
    continuum = (VOLTAGE / middle - 1) * window * np.diff(edges)
    continuum /= continuum.sum()
    energy, photons = np.array(ANODES[anode]).T
    return Excitation(
        np.concatenate([middle, energy]),
        np.concatenate([continuum, photons]),
        np.arange(nodes + len(energy)) >= nodes,
    )


def _layers(pigment: str, load: float) -> tuple[Layer, ...]:
    """Return a paint of relative mass ``load`` on the support; or the support alone."""
    if pigment == BARE:
        return (Layer(material(BARE, SUPPORT), 1e-3 * SUPPORT_MASS * load),)
    recipe = PIGMENTS[pigment]
    mixture = {formula: share for share, formula in recipe.mixture}
    if recipe.binder:
        mixture = {formula: (1 - BINDER_SHARE) * share for formula, share in mixture.items()}
        for formula, share in BINDER.items():
            mixture[formula] = mixture.get(formula, 0.0) + BINDER_SHARE * share
    paint = Layer(material(pigment, mixture), 1e-3 * recipe.thickness * load)
    return (paint, Layer(material(BARE, SUPPORT), 1e-3 * SUPPORT_MASS))


def material(name: str, mixture: dict[str, float]) -> str:
    """Make a material known to fisx and return its name there."""
    known = f"layer of {name}"
    if known in library().getMaterialNames():
        return known
    from fisx import Material

    elements: dict[str, float] = {}
    for formula, share in mixture.items():
        for symbol, fraction in library().getComposition(formula).items():
            elements[symbol] = elements.get(symbol, 0.0) + share * fraction
    total = sum(elements.values())
    made = Material(known, 1.0, 1.0)
    made.setComposition({symbol: share / total for symbol, share in elements.items()})
    library().addMaterial(made, errorOnReplace=0)
    return known


def _fluorescence(layers: tuple[Layer, ...], tube: Excitation) -> tuple[np.ndarray, np.ndarray]:
    """Return energies (m,) and photons (m,) of all lines, with enhancement inside a layer."""
    from fisx import XRF

    physics = XRF()
    physics.setBeam(tube.energy.tolist(), tube.photons.tolist())
    physics.setSample([[layer.material, 1.0, layer.mass] for layer in layers])
    physics.setGeometry(45.0, 45.0)
    found = physics.getMultilayerFluorescence(
        _families(layers), library(), secondary=1, useGeometricEfficiency=0, useMassFractions=1
    )
    lines = [
        (line["energy"], line["rate"])
        for family in found.values()
        for layer in family.values()
        for line in layer.values()
    ]
    energy, photons = np.array(lines).T
    bright = (photons > FAINTEST * photons.max()) & (energy > LOWEST)
    return energy[bright], photons[bright]


def _families(layers: tuple[Layer, ...]) -> list[str]:
    """Return the families of lines that are excited in each layer, such as "Pb L 0"."""
    families = set()
    for number, layer in enumerate(layers):
        for symbol, share in library().getComposition(layer.material).items():
            for shell, edge in library().getPeakFamilies(symbol, VOLTAGE):
                if edge > LOWEST_EDGE and share > 0:
                    families.add(f"{symbol} {shell.split()[1][0]} {number}")
    return sorted(families)


def _attenuation(material: str, energy: np.ndarray, kind: str = "total") -> np.ndarray:
    """Return a cross section (n,) of a material or formula in cm2/g."""
    return np.array(library().getMassAttenuationCoefficients(material, energy.tolist())[kind])


class Cross(NamedTuple):
    """Cross sections (n,) of a material in cm2/g: the way in, and by process that out."""

    inwards: np.ndarray
    outwards: dict[str, np.ndarray]
    scattered: dict[str, np.ndarray]


@cache
def _cross(material: str, anode: str) -> Cross:
    energy = _tube(anode, BINS).energy
    shifted = energy / (1 + energy / ELECTRON)  # at 90 degrees
    inwards = _attenuation(material, energy)
    return Cross(
        inwards,
        {"coherent": inwards, "compton": _attenuation(material, shifted)},
        {kind: share * _attenuation(material, energy, kind) for kind, share in AT_90.items()},
    )


def _scatter(layers: tuple[Layer, ...], anode: str) -> np.ndarray:
    """Return the counts (channel,) of the tube scattered once, at 90 degrees."""
    tube = _tube(anode, BINS)
    counts = np.zeros(len(model_axis()))
    for kind, matrix in _scattered_response(anode).items():
        photons, passed = np.zeros(len(tube.energy)), np.ones(len(tube.energy))
        for layer in layers:
            cross = _cross(layer.material, anode)
            path = cross.inwards + cross.outwards[kind]
            depth = path * layer.mass / SLANT
            photons += passed * cross.scattered[kind] * -np.expm1(-depth) / path
            passed *= np.exp(-depth)
        counts += (photons * tube.photons) @ matrix
    return counts


@cache
def _scattered_response(anode: str) -> dict[str, np.ndarray]:
    """Return the counts (n, channel) per scattered photon of every energy of the tube."""
    tube = _tube(anode, BINS)
    shifted = tube.energy / (1 + tube.energy / ELECTRON)
    # Bins of the continuum become smooth, lines scattered inelastically have a Doppler width.
    doppler = np.where(tube.sharp, 0.018 * tube.energy, 0.4)
    return {
        "coherent": _counted(tube.energy, np.where(tube.sharp, 0.0, 0.4)),
        "compton": _counted(shifted, doppler),
    }


def _counted(energy: np.ndarray, wide: np.ndarray | float = 0.0) -> np.ndarray:
    """Return the counts (n, channel) per photon of each energy."""
    return _efficiency(energy)[:, None] * _response(energy, wide)


def _efficiency(energy: np.ndarray) -> np.ndarray:
    """Return the share (n,) of photons that are counted."""
    depth = sum(mass * _attenuation(formula, energy) for formula, mass in DETECTOR)
    return np.exp(-depth) * -np.expm1(-CRYSTAL * _attenuation("Si", energy, "photoelectric"))


def _response(energy: np.ndarray, wide: np.ndarray | float = 0.0) -> np.ndarray:
    """Return the probability (n, channel) of each channel: peak, exponential tail and shelf.

    ``wide``: additional full width at half maximum in keV.
    """
    axis = model_axis().values
    step = (axis[-1] - axis[0]) / (len(axis) - 1)
    edges = np.concatenate([axis - step / 2, [axis[-1] + step / 2]])
    width = np.sqrt(NOISE**2 + FWHM**2 * FANO * PAIR * energy + np.square(wide))
    sigma = (width / FWHM)[:, None]
    place = (edges - energy[:, None]) / sigma  # (n, channel + 1)
    below = ndtr(place)
    steep = sigma / TAIL_LENGTH
    tail = below + np.exp(place * steep + steep**2 / 2 + log_ndtr(-place - steep))
    shelf = np.where(edges < energy[:, None], edges / energy[:, None], 1.0)
    whole = (1 - TAIL - SHELF) * below + TAIL * tail + SHELF * shelf
    return np.diff(whole, axis=1)
