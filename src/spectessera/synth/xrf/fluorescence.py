"""Expected X-ray fluorescence spectrum of a layered sample.

Beam and detector stand at 45 degrees to the surface, 90 degrees to each other. Counted are the
fluorescence that the beam excites itself (K, L and M lines with all cascades), and photons of the
beam scattered once, elastically (Rayleigh) and inelastically (Compton).

Left out, and how much that is: fluorescence excited by other fluorescence or by scattered photons
(against fisx 1.3.2, 40 kV: main lines 0.5 to 2 % too weak, Ca K under azurite 8 %, K K 13 %),
photons scattered twice, pile-up of two photons in the detector, and air in the beam.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spectessera._util.check import check_number

from .detector import Detector, efficiency, response
from .tube import Beam, Tube, tube_spectrum
from .xraydata import (
    SHELLS,
    Mixture,
    attenuation,
    check_mixture,
    compton,
    element_lines,
    elements,
    rayleigh,
    shell_fluorescence,
    symbol,
)

ANGLE = np.pi / 2  # of scattering
SLANT = np.sin(np.pi / 4)  # of beam and detector against the surface
ELECTRON = 510.999  # keV
# The unit of exposure in mA s sr2: current, time, and the solid angles of beam and detector. A
# scanner has about 1e-4 sr and 1e-2 sr, so that one unit is about 1 s at 1 mA.
EXPOSURE = 1e-6
# Full width at half maximum of the Compton profile in atomic units, about that of oxygen and
# carbon (2.1 and 1.4; copper 3.4): what makes the Compton peaks of a real spectrum broad.
PROFILE = 2.0
ATOMIC_UNIT = 1 / 137.036  # of momentum, in electron masses times the speed of light
FAINTEST = 1e-9  # lines below this share of all light of the sample are left out


@dataclass(frozen=True)
class Layer:
    """A homogeneous layer.

    Parameters
    ----------
    mixture : tuple of (mass fraction, formula)
        The fractions sum to 1, within 1 %.
    thickness : float
        In mg/cm2; above 0.

    Raises
    ------
    TypeError, ValueError
        If a formula cannot be read, or a number is out of range.
    ImportError
        If xraylib, which reads the formulas, is not installed.
    """

    mixture: Mixture
    thickness: float

    def __post_init__(self) -> None:
        mixture = check_mixture("the mixture of a layer", self.mixture)
        elements(mixture)  # parses the formulas
        check_number("the thickness of a layer (mg/cm2)", self.thickness, low=0.0, open_low=True)
        object.__setattr__(self, "mixture", mixture)


class EmittedLines(NamedTuple):
    """Fluorescence that leaves a sample towards the detector, strongest line first.

    Attributes
    ----------
    element : array (n,) of str
    line : array (n,) of str
        Shell of the vacancy, then of the electron that fills it: "KL3" is K alpha 1.
    energy : array (n,), float64
        In keV.
    intensity : array (n,), float64
        Photons for one unit of exposure, before the detector.
    """

    element: np.ndarray
    line: np.ndarray
    energy: np.ndarray
    intensity: np.ndarray


class _Stack(NamedTuple):
    """The layers from top to bottom.

    ``mixture``: mass fraction of every element; ``thickness`` in g/cm2; ``inwards``: attenuation
    (n,) of the energies of the beam along its slanted way, in cm2/g.
    """

    mixture: list[dict[int, float]]
    thickness: list[float]
    inwards: list[np.ndarray]


def emitted_lines(layers: tuple[Layer, ...], tube: Tube | Beam) -> EmittedLines:
    """Return the fluorescence lines of a layered sample.

    A line of an element of mass fraction w has, from one layer of thickness T,
    sum over E of N(E) A_in w sigma(E) / (4 pi) (1 - exp(-k T)) / (k sin 45) A_out, with
    k = (mu(E) + mu(E_line)) / sin 45 and A the absorption in the layers above.

    Parameters
    ----------
    layers : tuple of Layer
        Top layer first.
    tube : Tube or Beam
        A Beam is any other source: energies and photons per mA, s and sr.

    Returns
    -------
    EmittedLines
        The same line of several layers is added up.

    Raises
    ------
    TypeError, ValueError
        If the layers or the source are not what they should be.
    """
    beam = _check_beam(tube)
    return _fluorescence(_check_layers(layers, beam), beam)


def expected_spectrum(
    layers: tuple[Layer, ...], tube: Tube | Beam, detector: Detector
) -> np.ndarray:
    """Return the expected counts of a layered sample.

    Parameters
    ----------
    layers : tuple of Layer
        Top layer first.
    tube : Tube or Beam
        A Beam is any other source: energies and photons per mA, s and sr.
    detector : Detector

    Returns
    -------
    array (channel,), float64
        Counts for one unit of exposure, 1e-6 mA s sr2 (current, time, solid angles of beam and
        detector): with 1e-4 sr and 1e-2 sr, one second at 1 mA.

    Raises
    ------
    TypeError, ValueError
        If the layers, the source or the detector are not what they should be.
    """
    return expected_spectra([layers], tube, detector)[0]


def expected_spectra(
    samples: Sequence[tuple[Layer, ...]], tube: Tube | Beam, detector: Detector
) -> np.ndarray:
    """Return the expected counts (sample, channel) of several samples under the same tube.

    As :func:`expected_spectrum`, but the response of the detector is computed once for all.

    Parameters
    ----------
    samples : sequence of tuples of Layer
    tube : Tube or Beam
    detector : Detector
    """
    if not isinstance(detector, Detector):
        raise TypeError(f"detector must be a Detector; got {detector!r}")
    beam = _check_beam(tube)
    stacks = [_check_layers(layers, beam) for layers in samples]
    sharp = [_fluorescence(stack, beam) for stack in stacks]
    shifted = beam.energy / (1 + beam.energy / ELECTRON * (1 - np.cos(ANGLE)))
    counts = _counted(detector, *_together(sharp))
    elastic = [_scattered(stack, beam, stack.inwards, rayleigh) for stack in stacks]
    counts += _counted(detector, beam.energy, np.stack(elastic))
    inelastic = [
        _scattered(stack, beam, [_slanted(mixture, shifted) for mixture in stack.mixture], compton)
        for stack in stacks
    ]
    doppler = _doppler(beam.energy, shifted)
    return counts + _counted(detector, shifted, np.stack(inelastic), doppler)


def _check_layers(layers: object, beam: Beam) -> _Stack:
    if isinstance(layers, Layer):
        layers = (layers,)
    if (
        not isinstance(layers, (tuple, list))
        or not layers
        or not all(isinstance(layer, Layer) for layer in layers)
    ):
        raise TypeError(f"a sample is a tuple of Layer, the top one first; got {layers!r}")
    mixtures = [elements(layer.mixture) for layer in layers]
    inwards = [_slanted(mixture, beam.energy) for mixture in mixtures]
    return _Stack(mixtures, [1e-3 * layer.thickness for layer in layers], inwards)


def _check_beam(tube: object) -> Beam:
    """Return what falls on the sample, for one unit of exposure."""
    if isinstance(tube, Tube):
        beam = tube_spectrum(tube)
        return Beam(beam.energy, beam.photons * EXPOSURE)
    if not isinstance(tube, Beam):
        raise TypeError(f"tube must be a Tube or a Beam; got {tube!r}")
    energy = np.array(tube.energy, dtype=np.float64)
    photons = np.array(tube.photons, dtype=np.float64)
    if energy.ndim != 1 or energy.shape != photons.shape or energy.size == 0:
        raise ValueError(
            "a beam has one energy for every number of photons; got shapes "
            f"{energy.shape} and {photons.shape}"
        )
    if not (np.isfinite(photons).all() and (photons >= 0).all()):
        raise ValueError("the photons of a beam must be finite and 0 or more")
    if not ((energy >= 0.5) & (energy <= 100)).all():  # False for NaN
        raise ValueError("the energies of a beam must be between 0.5 and 100 keV")
    return Beam(energy, photons * EXPOSURE)


# --- the workers assume checked input ----------------------------------------------------------


def _fluorescence(stack: _Stack, beam: Beam) -> EmittedLines:
    """Return the lines of all layers, those of one name added up."""
    found: dict[tuple[int, str], tuple[float, float]] = {}
    into = beam.photons.copy()  # (n,), what reaches the layer
    for depth, (mixture, thickness, inwards) in enumerate(zip(*stack, strict=True)):
        for z, fraction in mixture.items():
            known = element_lines(z)
            cross = [shell_fluorescence(z, shell, beam.energy) for shell in range(len(SHELLS))]
            member = [i for i, shell in enumerate(known.shell) if cross[shell].any()]
            if not member:
                continue
            energy = known.energy[member]  # (m,)
            outwards = _slanted(mixture, energy)
            made = into * np.stack(cross)[known.shell[member]]  # (m, n)
            inside = _through(inwards[None, :] + outwards[:, None], thickness)  # (m, n)
            photons = fraction / (4 * np.pi) * known.share[member] * (made * inside).sum(axis=1)
            photons *= _out(stack, depth, energy)
            for index, value, amount in zip(member, energy, photons, strict=True):
                key = (z, known.name[index])
                found[key] = (value, found.get(key, (0.0, 0.0))[1] + amount)
        into *= np.exp(-inwards * thickness)
    return _sorted(found)


def _sorted(found: dict[tuple[int, str], tuple[float, float]]) -> EmittedLines:
    """Return the lines by intensity, without those that are next to nothing."""
    keys = list(found)
    energy, intensity = np.array(list(found.values()), dtype=np.float64).reshape(-1, 2).T
    order = np.argsort(-intensity, kind="stable")
    order = order[intensity[order] > FAINTEST * intensity.sum()]
    return EmittedLines(
        np.array([symbol(keys[i][0]) for i in order], dtype=np.str_),
        np.array([keys[i][1] for i in order], dtype=np.str_),
        energy[order],
        intensity[order],
    )


def _scattered(
    stack: _Stack,
    beam: Beam,
    outwards: list[np.ndarray],
    cross_section: Callable[[dict[int, float], np.ndarray, float], np.ndarray],
) -> np.ndarray:
    """Return the photons (n,) of the beam that leave the sample scattered.

    As for a line, with the cross section per steradian in place of w sigma / (4 pi).
    ``outwards`` is the attenuation of every layer for the photons on their way out.
    """
    found = np.zeros(len(beam.energy))
    passed = np.zeros(len(beam.energy))  # depth in attenuation lengths, in and out
    for mixture, thickness, inwards, back in zip(*stack, outwards, strict=True):
        inside = _through(inwards + back, thickness)
        cross = cross_section(mixture, beam.energy, ANGLE)
        found += beam.photons * np.exp(-passed) * cross * inside
        passed += (inwards + back) * thickness
    return found


def _slanted(mixture: dict[int, float], energy: np.ndarray) -> np.ndarray:
    """Return the attenuation (n,) per g/cm2 of depth, on a way of 45 degrees."""
    return attenuation(mixture, energy) / SLANT


def _through(attenuated: np.ndarray, thickness: float) -> np.ndarray:
    """Return (1 - exp(-k T)) / (k sin 45), the layer as seen through itself, in g/cm2."""
    return -np.expm1(-attenuated * thickness) / (attenuated * SLANT)


def _out(stack: _Stack, depth: int, energy: np.ndarray) -> np.ndarray:
    """Return the share (n,) that passes the layers above on its way out."""
    path = np.zeros(len(energy))
    for mixture, thickness in zip(stack.mixture[:depth], stack.thickness[:depth], strict=True):
        path += thickness * _slanted(mixture, energy)
    return np.exp(-path)


def _together(found: list[EmittedLines]) -> tuple[np.ndarray, np.ndarray]:
    """Return the energies (m,) of all lines of all samples, and their photons (sample, m)."""
    energy = np.unique(np.concatenate([each.energy for each in found]))
    photons = np.zeros((len(found), len(energy)))
    for row, each in zip(photons, found, strict=True):
        np.add.at(row, np.searchsorted(energy, each.energy), each.intensity)
    return energy, photons


def _counted(
    detector: Detector,
    energy: np.ndarray,
    photons: np.ndarray,
    broadening: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Return the counts (sample, channel) of photons (sample, n) of energies (n,)."""
    return (photons * efficiency(detector, energy)) @ response(detector, energy, broadening)


def _doppler(energy: np.ndarray, shifted: np.ndarray) -> np.ndarray:
    """Return the width (n,) of Compton scattering by electrons that move, in keV.

    To first order the energy changes by p_z times the momentum transfer (impulse approximation).
    """
    transfer = np.sqrt(energy**2 + shifted**2 - 2 * energy * shifted * np.cos(ANGLE))
    return PROFILE * ATOMIC_UNIT * transfer
