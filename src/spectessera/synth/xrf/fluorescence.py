"""Expected X-ray fluorescence spectrum of a layered sample.

Beam and detector are at 45 degrees to the surface and at 90 degrees to each other. Included are
fluorescence excited by the beam (K, L and M lines with all cascades) and photons of the beam
scattered once, elastically (Rayleigh) and inelastically (Compton).

Not included are fluorescence excited by other fluorescence or by scattered photons (compared with
fisx 1.3.2 at 40 kV, main lines are 0.5 to 2 % too weak, Ca K under azurite 8 %, K K 13 %), photons
scattered twice, pile-up in the detector, and air in the beam.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spectessera._util.check import check_number
from spectessera._util.constants import ELECTRON

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

ANGLE = np.pi / 2  # scattering angle
SLANT = np.sin(np.pi / 4)  # sine of the angle of beam and detector to the surface
# The unit of exposure in mA s sr2: current, time, and the solid angles of beam and detector. With
# 1e-4 sr and 1e-2 sr, typical of a scanner, one unit is 1 s at 1 mA.
EXPOSURE = 1e-6
# Full width at half maximum of the Compton profile in atomic units, about that of oxygen and
# carbon (2.1 and 1.4; copper 3.4); it broadens the Compton peaks.
PROFILE = 2.0
ATOMIC_UNIT = 1 / 137.036  # of momentum, in electron masses times the speed of light
FAINTEST = 1e-9  # weakest lines, as a share of all photons of the sample


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
    """Fluorescence emitted by a sample towards the detector, the strongest line first.

    Attributes
    ----------
    element : array (n,) of str
    line : array (n,) of str
        Shell of the vacancy, then that of the electron that fills it: "KL3" is K alpha 1.
    energy : array (n,), float64
        In keV.
    intensity : array (n,), float64
        Photons per unit of exposure, before the detector.
    """

    element: np.ndarray
    line: np.ndarray
    energy: np.ndarray
    intensity: np.ndarray


class _Stack(NamedTuple):
    """The layers from top to bottom.

    ``mixture``: mass fraction of every element; ``thickness`` in g/cm2; ``inwards``: attenuation
    (n,) of the beam along its slanted path, in cm2/g.
    """

    mixture: list[dict[int, float]]
    thickness: list[float]
    inwards: list[np.ndarray]


def emitted_lines(layers: tuple[Layer, ...], tube: Tube | Beam) -> EmittedLines:
    """Return the fluorescence lines of a layered sample.

    The intensity of a line of an element with mass fraction w from one layer of thickness T is the
    sum over E of N(E) A_in w sigma(E) / (4 pi) (1 - exp(-k T)) / (k sin 45) A_out, with
    k = (mu(E) + mu(E_line)) / sin 45 and A the absorption in the layers above.

    Parameters
    ----------
    layers : tuple of Layer
        Top layer first.
    tube : Tube or Beam
        A Beam is any other source: energies, and photons per mA, s and sr.

    Returns
    -------
    EmittedLines
        Equal lines of several layers are summed.

    Raises
    ------
    TypeError, ValueError
        If the layers or the source are not valid.
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
        A Beam is any other source: energies, and photons per mA, s and sr.
    detector : Detector

    Returns
    -------
    array (channel,), float64
        Counts per unit of exposure, 1e-6 mA s sr2 (current, time, solid angles of beam and
        detector): with 1e-4 sr and 1e-2 sr, one second at 1 mA.

    Raises
    ------
    TypeError, ValueError
        If the layers, the source or the detector are not valid.
    """
    return expected_spectra([layers], tube, detector)[0]


def expected_spectra(
    samples: Sequence[tuple[Layer, ...]], tube: Tube | Beam, detector: Detector
) -> np.ndarray:
    """Return the expected counts (sample, channel) of several samples with the same tube.

    Like :func:`expected_spectrum`, but the response of the detector is computed only once.

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
    counts = _counted(detector, *_merged(sharp))
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
    """Return the beam on the sample for one unit of exposure."""
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
    """Return the lines of all layers; equal lines are summed."""
    lines: dict[tuple[int, str], tuple[float, float]] = {}
    into = beam.photons.copy()  # (n,), photons that reach the layer
    for depth, (mixture, thickness, inwards) in enumerate(zip(*stack, strict=True)):
        for z, fraction in mixture.items():
            known = element_lines(z)
            cross = [shell_fluorescence(z, shell, beam.energy) for shell in range(len(SHELLS))]
            member = [i for i, shell in enumerate(known.shell) if cross[shell].any()]
            if not member:
                continue
            energy = known.energy[member]  # (m,)
            outwards = _slanted(mixture, energy)
            excited = into * np.stack(cross)[known.shell[member]]  # (m, n)
            inside = _through(inwards[None, :] + outwards[:, None], thickness)  # (m, n)
            photons = fraction / (4 * np.pi) * known.share[member] * (excited * inside).sum(axis=1)
            photons *= _out(stack, depth, energy)
            for index, value, amount in zip(member, energy, photons, strict=True):
                key = (z, known.name[index])
                lines[key] = (value, lines.get(key, (0.0, 0.0))[1] + amount)
        into *= np.exp(-inwards * thickness)
    return _sorted(lines)


def _sorted(lines: dict[tuple[int, str], tuple[float, float]]) -> EmittedLines:
    """Return the lines by intensity, without negligible ones."""
    keys = list(lines)
    energy, intensity = np.array(list(lines.values()), dtype=np.float64).reshape(-1, 2).T
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
    """Return the photons (n,) of the beam that are scattered by the sample.

    As for a line, with the cross section per steradian instead of w sigma / (4 pi). ``outwards`` is
    the attenuation of every layer for the scattered photons.
    """
    photons = np.zeros(len(beam.energy))
    passed = np.zeros(len(beam.energy))  # depth in attenuation lengths, in and out
    for mixture, thickness, inwards, back in zip(*stack, outwards, strict=True):
        inside = _through(inwards + back, thickness)
        cross = cross_section(mixture, beam.energy, ANGLE)
        photons += beam.photons * np.exp(-passed) * cross * inside
        passed += (inwards + back) * thickness
    return photons


def _slanted(mixture: dict[int, float], energy: np.ndarray) -> np.ndarray:
    """Return the attenuation (n,) per g/cm2 of depth, for a path at 45 degrees."""
    return attenuation(mixture, energy) / SLANT


def _through(attenuated: np.ndarray, thickness: float) -> np.ndarray:
    """Return (1 - exp(-k T)) / (k sin 45), the effective thickness of a layer, in g/cm2."""
    return -np.expm1(-attenuated * thickness) / (attenuated * SLANT)


def _out(stack: _Stack, depth: int, energy: np.ndarray) -> np.ndarray:
    """Return the share (n,) of emitted photons that pass the layers above."""
    path = np.zeros(len(energy))
    for mixture, thickness in zip(stack.mixture[:depth], stack.thickness[:depth], strict=True):
        path += thickness * _slanted(mixture, energy)
    return np.exp(-path)


def _merged(samples: list[EmittedLines]) -> tuple[np.ndarray, np.ndarray]:
    """Return the energies (m,) of the lines of all samples, and their photons (sample, m)."""
    energy = np.unique(np.concatenate([each.energy for each in samples]))
    photons = np.zeros((len(samples), len(energy)))
    for row, each in zip(photons, samples, strict=True):
        np.add.at(row, np.searchsorted(energy, each.energy), each.intensity)
    return energy, photons


def _counted(
    detector: Detector,
    energy: np.ndarray,
    photons: np.ndarray,
    broadening: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Return the counts (sample, channel) of photons (sample, n) with energies (n,)."""
    return (photons * efficiency(detector, energy)) @ response(detector, energy, broadening)


def _doppler(energy: np.ndarray, shifted: np.ndarray) -> np.ndarray:
    """Return the Doppler width (n,) of Compton scattering by moving electrons, in keV.

    To first order the energy changes by p_z times the momentum transfer (impulse approximation).
    """
    transfer = np.sqrt(energy**2 + shifted**2 - 2 * energy * shifted * np.cos(ANGLE))
    return PROFILE * ATOMIC_UNIT * transfer
