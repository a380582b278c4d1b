"""X-ray spectra of samples of known elements, by two simulators, for the naming of elements.

XRF by a tube in air or in helium, and EDS by electrons. "ours": the simulator of the package and
the lines of xraylib; "fisx": cross sections, lines and yields of fisx, another tube and detector.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

import numpy as np

from spectessera.axis import Axis
from spectessera.synth.xrf.detector import Detector, efficiency, response
from spectessera.synth.xrf.fluorescence import Layer, expected_spectrum
from spectessera.synth.xrf.tube import Tube
from spectessera.synth.xrf.xraydata import SHELLS, attenuation, element_lines, elements, xraylib

from . import fisx_layers

ENGINES = ("ours", "fisx")
AIR, HELIUM, ELECTRONS = "tube in air", "tube in helium", "electrons"
SCANS = (AIR, HELIUM, ELECTRONS)
VOLTAGES = {AIR: (40.0, 50.0), HELIUM: (10.0, 15.0), ELECTRONS: (10.0, 15.0, 20.0, 25.0)}  # kV
STEP = {AIR: 0.02, HELIUM: 0.01, ELECTRONS: 0.01}  # keV, of the channels
WINDOW = (("C", 1e-4),)  # g/cm2, a thin window of electron microscopes
POPULATION = dict(zip(SHELLS, (2, 2, 2, 4, 2, 2, 4, 4, 6), strict=True))  # electrons of a shell
TAKEOFF = np.sin(np.radians(35.0))
SHELF = 0.01  # share of the counts at any lower energy, of the detector with fisx
CONTINUUM = 0.4  # counts of bremsstrahlung by electrons, relative to those of lines
EXCITING_STEP, SCATTERED_STEP = 1.2, 0.3  # keV, of the continuum of the tube with fisx
LOWEST_EDGE, SOFTEST = 0.9, 0.3  # keV, of shells and lines with fisx
GAIN, OFFSET = 0.001, 0.005  # standard deviations of the errors of the calibration; -, keV


class Sample(NamedTuple):
    """A homogeneous sample: (mass fraction, formula), and its mass in mg/cm2."""

    name: str
    mixture: tuple[tuple[float, str], ...]
    mass: float = 8.0


class Measured(NamedTuple):
    """Counts (channel,) of a sample, on an axis with an error; elements that may be named.

    ``anode``: of the tube, if the user says it; a scan in air shows its K lines.
    """

    counts: np.ndarray
    axis: Axis
    elements: frozenset[str]
    anode: str | None = None


class Instrument(NamedTuple):
    """A kind of scan, its simulator, voltage (kV), anode, and the error of its calibration."""

    engine: str
    scan: str
    voltage: float
    anode: str
    gain: float
    offset: float


def instrument(engine: str, scan: str, generator: np.random.Generator) -> Instrument:
    """Draw an instrument of a kind of scan."""
    voltage = float(generator.choice(VOLTAGES[scan]))
    anode = str(generator.choice(("Rh", "Ag" if engine == "fisx" else "Mo")))
    gain, offset = generator.standard_normal(2) * (GAIN, OFFSET)
    return Instrument(engine, scan, voltage, anode, float(gain), float(offset))


def measure(
    sample: Sample, by: Instrument, counts: float, generator: np.random.Generator
) -> Measured:
    """Draw a spectrum of a sample with these expected counts."""
    expected = _expected(sample, by.engine, by.scan, by.voltage, by.anode)
    drawn = generator.poisson(counts * expected / expected.sum()).astype(float)
    axis = Axis((1 + by.gain) * _energies(by.scan, by.voltage) + by.offset, "keV")
    formulas = " ".join(formula for _, formula in sample.mixture)
    present = set(re.findall(r"[A-Z][a-z]?", formulas))
    # Every surface has some carbon.
    present |= {"C"} if by.scan == ELECTRONS else {"Ar", by.anode}
    return Measured(drawn, axis, frozenset(present), by.anode if by.scan == HELIUM else None)


def _energies(scan: str, voltage: float) -> np.ndarray:
    return np.arange(0.2, voltage, STEP[scan])


@cache
def _expected(sample: Sample, engine: str, scan: str, voltage: float, anode: str) -> np.ndarray:
    """Return the expected counts (channel,), in any unit."""
    energies = _energies(scan, voltage)
    detector = _detector(engine, scan, energies)
    if scan == ELECTRONS:
        counts = _by_electrons(sample, engine, voltage, detector)
    elif engine == "ours":
        layer = Layer(sample.mixture, sample.mass)
        return expected_spectrum((layer,), Tube(anode, voltage), detector)
    else:
        counts = _by_tube(sample, anode, voltage, detector)
    if engine == "fisx":  # partly collected charge: a flat shelf below every count
        counts = counts + SHELF * np.cumsum((counts / energies)[::-1])[::-1]
    return counts


def _detector(engine: str, scan: str, energies: np.ndarray) -> Detector:
    """Return a detector that does not count noise; that of fisx has more incomplete charge."""
    entrance = {AIR: Detector().entrance, HELIUM: (("Be", 1.5e-3),), ELECTRONS: WINDOW}[scan]
    noise = 0.05 if scan == ELECTRONS else 0.08
    other = dict(noise=1.25 * noise, fano=0.125, tail=0.03, tail_length=0.3)
    return Detector(
        entrance=entrance, first=float(energies[0]), last=float(energies[-1]),
        channels=len(energies), **(other if engine == "fisx" else dict(noise=noise)),
    )  # fmt: skip


# --- a tube, with the physics of fisx ----------------------------------------------------------


def _by_tube(sample: Sample, anode: str, voltage: float, detector: Detector) -> np.ndarray:
    """Return the counts (channel,) of lines and of light of the tube scattered once."""
    library = fisx_layers.library()
    mixture = {formula: share for share, formula in sample.mixture}
    material = fisx_layers.material(f"sample of {sample.name}", mixture)
    counts = _counted(detector, *_fluorescence(material, sample.mass, anode, voltage))
    energy, photons, sharp = _tube(anode, voltage, SCATTERED_STEP)
    shifted = energy / (1 + energy / fisx_layers.ELECTRON)  # at 90 degrees
    for kind, out in (("coherent", energy), ("compton", shifted)):
        into, back = (
            np.array(library.getMassAttenuationCoefficients(material, each.tolist())["total"])
            for each in (energy, out)
        )
        cross = library.getMassAttenuationCoefficients(material, energy.tolist())[kind]
        path = (into + back) / fisx_layers.SLANT
        rate = photons * cross * -np.expm1(-path * 1e-3 * sample.mass) / path
        wide = np.where(sharp, 0.018 * energy if kind == "compton" else 0.0, 0.6)
        counts += fisx_layers.AT_90[kind] * _counted(detector, out, rate, wide)
    return counts


def _fluorescence(
    material: str, mass: float, anode: str, voltage: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return energies (n,) in keV and photons (n,) of the lines, with enhancement."""
    from fisx import XRF

    library = fisx_layers.library()
    energy, photons, _ = _tube(anode, voltage, EXCITING_STEP)
    physics = XRF()
    physics.setBeam(energy.tolist(), photons.tolist())
    physics.setSample([[material, 1.0, 1e-3 * mass]])
    physics.setGeometry(45.0, 45.0)
    families = {
        f"{symbol} {shell.split()[1][0]} 0"
        for symbol in library.getComposition(material)
        for shell, edge in library.getPeakFamilies(symbol, voltage)
        if edge > LOWEST_EDGE
    }
    found = physics.getMultilayerFluorescence(
        sorted(families), library, secondary=1, useGeometricEfficiency=0, useMassFractions=1
    )
    lines = [
        (line["energy"], line["rate"])
        for family in found.values()
        for layer in family.values()
        for line in layer.values()
        if line["energy"] > SOFTEST
    ]
    at, rate = np.array(lines).T
    return at, rate


def _tube(anode: str, voltage: float, step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return energies and photons (n,) of a tube, and which of them are lines."""
    middle = np.arange(2.0, voltage, step) + step / 2
    continuum = np.maximum(voltage / middle - 1, 0) * np.exp(-((2.2 / middle) ** 3))
    continuum /= continuum.sum()
    edge = {"Rh": (3.0, 23.22), "Ag": (3.35, 25.51)}[anode]
    lines = [
        each for each in fisx_layers.ANODES[anode] if voltage > edge[int(each[0] > edge[0])] + 1
    ]
    energy, photons = np.array(lines).T
    sharp = np.arange(len(middle) + len(energy)) >= len(middle)
    return np.concatenate([middle, energy]), np.concatenate([continuum, photons]), sharp


def _counted(
    detector: Detector, energy: np.ndarray, photons: np.ndarray, wide: np.ndarray | float = 0.0
) -> np.ndarray:
    counted = photons * efficiency(detector, energy)
    return np.asarray(counted @ response(detector, energy, wide))


# --- electrons ---------------------------------------------------------------------------------


class _Emitted(NamedTuple):
    """Lines of a shell: its edge in keV, its yield, energies (n,) and shares (n,)."""

    shell: str
    edge: float
    yielded: float
    energy: np.ndarray
    share: np.ndarray


@cache
def _lines_ours(z: int) -> tuple[_Emitted, ...]:
    library, known = xraylib(), element_lines(z)
    found = []
    for number, shell in enumerate(SHELLS):
        member = known.shell == number
        if member.any():
            code = getattr(library, f"{shell}_SHELL")
            try:
                edge, yielded = library.EdgeEnergy(z, code), library.FluorYield(z, code)
            except ValueError:
                continue
            found.append(_Emitted(shell, edge, yielded, known.energy[member], known.share[member]))
    return tuple(found)


@cache
def _lines_fisx(z: int) -> tuple[_Emitted, ...]:
    library = fisx_layers.library()
    symbol = library.getElementNames()[z - 1]
    energies, edges = library.getEmittedXRayLines(symbol, 100.0), library.getBindingEnergies(symbol)
    found = []
    for shell in SHELLS:
        shares = library.getRadiativeTransitions(symbol, shell)
        lines = [name for name in shares if name in energies and energies[name] > 0.2]
        lines = [name for name in lines if name[len(shell)] != shell[0]]
        total = sum(shares[name] for name in lines)
        if total > 0 and edges.get(shell, 0) > 0:
            energy = np.array([energies[name] for name in lines])
            share = np.array([shares[name] for name in lines]) / total
            yielded = library.getShellConstants(symbol, shell)["omega"]
            found.append(_Emitted(shell, edges[shell], yielded, energy, share))
    return tuple(found)


def _by_electrons(sample: Sample, engine: str, voltage: float, detector: Detector) -> np.ndarray:
    """Return a spectrum excited by electrons in a thick sample.

    Ionisation after Bethe, one mean depth of emission, bremsstrahlung after Kramers.
    """
    mixture, lines = elements(sample.mixture), _lines_fisx if engine == "fisx" else _lines_ours
    energy, photons = [], []
    for z, fraction in mixture.items():
        weight = fraction / xraylib().AtomicWeight(z)
        for emitted in lines(z):
            over = voltage / emitted.edge
            if over > 1.05:
                ionised = POPULATION[emitted.shell] * np.log(over) / (over * emitted.edge**2)
                energy.append(emitted.energy)
                photons.append(weight * ionised * emitted.yielded * emitted.share)
    sharp, strength = np.concatenate(energy), np.concatenate(photons)
    inside = sharp > 0.15
    sharp, strength = sharp[inside], strength[inside]
    depth = 3e-6 * voltage**1.67  # g/cm2, mean depth of emission
    strength = strength * np.exp(-depth / TAKEOFF * attenuation(mixture, sharp))
    energies = detector.axis.values
    soft = np.maximum(energies, 0.25)
    smooth = (voltage - energies) / soft * np.exp(-depth / TAKEOFF * attenuation(mixture, soft))
    smooth = np.maximum(smooth, 0) * efficiency(detector, soft)
    peaks = _counted(detector, sharp, strength)
    return peaks / peaks.sum() + CONTINUUM * smooth / smooth.sum()
