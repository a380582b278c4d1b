"""Pairs to pretrain an encoder with: a measured spectrum, and what the sample is made of.

The target of a pair is the expectation without noise of the same composition, as one fixed
instrument would see it: all that may differ between two measurements of one material (counts,
thickness, tube, resolution, calibration; velocity, width, reddening) is drawn for the measured
spectrum and left out of the target. No pair is ever made twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from scipy.interpolate import PchipInterpolator

from spectessera._util.check import check_choice, check_number
from spectessera.axis import Axis

from .nebulae.lines import extinction, line_wavelengths, paint
from .nebulae.nebula import CLASSES, draw_models
from .paint.modern import MODERN
from .paint.palettes import between
from .paint.pigments import FACTORS, PIGMENTS, compute
from .xrf.detector import Detector
from .xrf.instrument import CHANNELS, Instrument, broaden, draw_instrument, measure, model_axis
from .xrf.tube import Tube

# Spectra that share one instrument.
GROUP = 64
TUBES = (Tube("Rh", 40), Tube("Rh", 30), Tube("Rh", 50), Tube("Mo", 40), Tube("Mo", 50),
         Tube("W", 40))  # fmt: skip
# Share of the groups that have the first of the tubes, whatever the others.
USUAL = 0.5
# Templates of the other tubes are computed for a sharp detector and then broadened.
SHARP = Detector(noise=0.05)
KNOWN = PIGMENTS | {each.name: each for each in MODERN}
# Thickness over the nominal one, and counts, both drawn evenly along the logarithm.
THICKNESS = (0.2, 3.2)
COUNTS = (100.0, 5000.0)
PURE = 0.35  # share of the spectra with one pigment
MOST_MIXED = 0.4
NEBULAR_CHANNELS = 1024
SNR = (4.0, 120.0)
MOST_VELOCITY = 300.0  # km/s
WIDTHS = (10.0, 150.0)  # km/s, standard deviation
CANONICAL_WIDTH = 45.0
MOST_REDDENING = 1.0  # E(B-V)
CROSSED = 0.3  # share of the spectra of two classes


class Pairs(NamedTuple):
    """Measured spectra and what is behind them.

    Attributes
    ----------
    spectra : array (m, channel), float32
        Counts, or flux with noise.
    target : array (m, channel), float32
        Non-negative; every row sums to 1.
    weight : array (m, component), float32
        Shares of the components; every row sums to 1.
    twin : array (m, channel), float32, or None
        Further measurements of the same compositions, where they were asked for.
    """

    spectra: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    twin: np.ndarray | None = None


class Simulation(Protocol):
    """A source of pairs without end."""

    axis: Axis
    components: tuple[str, ...]

    def pairs(self, number: int, m: int, *, twins: bool = False) -> Pairs:
        """Return m pairs; the same number gives the same ones, every other number others."""
        ...


class XrfSimulation:
    """Pairs of X-ray fluorescence spectra of pigments.

    Of the target, layers have their nominal thickness and the instrument is a rhodium tube at
    40 kV with the default detector.

    Parameters
    ----------
    pigments : sequence of str, optional
        Out of ``KNOWN``, by default all of them.
    tubes : sequence of Tube
        Some ten seconds each.
    seed : int
    progress : callable, optional
        Called with the tubes done and the tubes in all.

    Raises
    ------
    ValueError, TypeError
        If a pigment is not known, or named twice, or there are fewer than two.
    ImportError
        If xraylib is not installed.
    """

    def __init__(
        self,
        pigments: Sequence[str] | None = None,
        tubes: Sequence[Tube] = TUBES,
        *,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        names = tuple(KNOWN) if pigments is None else tuple(pigments)
        for name in names:
            check_choice("pigment", name, tuple(KNOWN))
        if len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(f"a simulation mixes two or more different pigments; got {names}")
        check_number("seed", seed, low=0, integer=True)
        self.components, self.seed = names, int(seed)
        self.axis = model_axis()
        recipes = [KNOWN[name] for name in names]
        found = []
        for done, tube in enumerate(tubes, start=1):
            found.append(np.stack([compute(each, tube, SHARP) for each in recipes]))
            if progress is not None:
                progress(done, len(tubes))
        spectra = np.stack(found)  # (tube, pigment, step, channel)
        self._rate = spectra.sum(axis=3)
        flat = spectra.reshape(len(spectra), -1, spectra.shape[-1])
        self._templates = flat / flat.sum(axis=2, keepdims=True)
        nominal = np.stack([compute(each, Tube(), Detector()) for each in recipes])
        canonical = broaden(nominal[:, FACTORS.index(1.0)], Instrument())
        self._canonical = canonical / canonical.sum(axis=1, keepdims=True)

    def pairs(self, number: int, m: int, *, twins: bool = False) -> Pairs:
        """Return m pairs; see :class:`Simulation`."""
        generator = np.random.default_rng([50, number, self.seed])
        sizes = [min(GROUP, m - start) for start in range(0, m, GROUP)]
        weights = [_two_of(len(self.components), size, generator) for size in sizes]
        measured = [
            np.concatenate([self._measured(weight, generator) for weight in weights])
            for _ in range(1 + twins)
        ]
        weight = np.concatenate(weights)
        target = (weight @ self._canonical).astype(np.float32)
        return Pairs(measured[0], target, weight.astype(np.float32), *measured[1:])

    def _measured(self, weight: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Measure compositions (m, pigment) with one instrument: counts (m, channel)."""
        m = len(weight)
        tube = int(generator.random() > USUAL and generator.integers(len(self._rate)))
        thickness = _evenly(THICKNESS, m, generator)
        counted = between(thickness, FACTORS)[:, None, :] * self._rate[tube]
        counted /= counted.sum(axis=2, keepdims=True)  # (m, pigment, step)
        parts = (weight[:, :, None] * counted).reshape(m, -1)
        seen = measure(parts @ self._templates[tube], draw_instrument(generator), generator)
        total = _evenly(COUNTS, m, generator)
        counts = generator.poisson(seen * (total / seen.sum(axis=1))[:, None])
        counts[:, CHANNELS // 8] += counts.sum(axis=1) == 0  # an empty spectrum has no input
        return counts.astype(np.float32)


def _evenly(bounds: tuple[float, float], m: int, generator: np.random.Generator) -> np.ndarray:
    """Draw numbers (m,) evenly along the logarithm."""
    low, high = np.log(bounds)
    return np.exp(generator.uniform(low, high, m))


def _two_of(kinds: int, m: int, generator: np.random.Generator) -> np.ndarray:
    """Return shares (m, kind): one kind, or with up to 40 % of a second one."""
    first = generator.integers(kinds, size=m)
    second = (first + generator.integers(1, kinds, size=m)) % kinds
    share = np.where(generator.random(m) < PURE, 0.0, generator.uniform(0, MOST_MIXED, m))
    weight, rows = np.zeros((m, kinds)), np.arange(m)
    weight[rows, first] = 1 - share
    weight[rows, second] += share
    return weight


class NebularSimulation:
    """Pairs of emission-line spectra of nebulae, 4750 to 9350 angstrom.

    Of the target, the gas is at rest, its lines have one width, and there is no dust.

    Parameters
    ----------
    classes : sequence of str
        Two or more of "hii", "pn", "shock", "dig".
    seed : int

    Raises
    ------
    ValueError, TypeError
        If a class is not known, or named twice, or there are fewer than two.
    """

    def __init__(self, classes: Sequence[str] = CLASSES, *, seed: int = 0) -> None:
        for name in classes:
            check_choice("class of nebula", name, CLASSES)
        if len(classes) < 2 or len(set(classes)) < len(classes):
            raise ValueError(f"a simulation has two or more different classes; got {classes}")
        check_number("seed", seed, low=0, integer=True)
        self.components, self.seed = tuple(classes), int(seed)
        self.axis = Axis(np.linspace(4750, 9350, NEBULAR_CHANNELS), "angstrom", medium="air")

    def pairs(self, number: int, m: int, *, twins: bool = False) -> Pairs:
        """Return m pairs; see :class:`Simulation`."""
        generator = np.random.default_rng([51, number, self.seed])
        kinds = len(self.components)
        first = generator.integers(kinds, size=m)
        crossed = generator.random(m) < CROSSED
        second = np.where(crossed, generator.integers(kinds, size=m), first)
        part = generator.random(m)
        flux = part[:, None] * self._fluxes(first, generator)
        flux += (1 - part)[:, None] * self._fluxes(second, generator)
        weight, rows = np.zeros((m, kinds)), np.arange(m)
        np.add.at(weight, (rows, first), part)
        np.add.at(weight, (rows, second), 1 - part)
        target = paint(flux, self.axis, width=np.full(m, CANONICAL_WIDTH))
        target /= target.sum(axis=1, keepdims=True)
        measured = [self._measured(flux, generator) for _ in range(1 + twins)]
        return Pairs(measured[0], target, weight.astype(np.float32), *measured[1:])

    def _measured(self, flux: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Measure fluxes (m, line): spectra (m, channel) with dust, motion, residue and noise."""
        m = len(flux)
        reddening = generator.uniform(0, MOST_REDDENING, m) * generator.random(m)
        red = flux * 10 ** (-0.4 * reddening[:, None] * extinction(line_wavelengths()))
        velocity = generator.uniform(-MOST_VELOCITY, MOST_VELOCITY, m)
        seen = paint(red, self.axis, velocity=velocity, width=generator.uniform(*WIDTHS, m))
        sigma = seen.max(axis=1) / _evenly(SNR, m, generator)
        noise = _residue(m, len(self.axis), generator)
        noise += generator.standard_normal(seen.shape, dtype=np.float32)
        return (seen + sigma[:, None] * noise).astype(np.float32)

    def _fluxes(self, kind: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Draw a model of the class told for each row, (n,) -> (n, line)."""
        flux = np.empty((len(kind), len(line_wavelengths())))
        for index, name in enumerate(self.components):
            rows = np.flatnonzero(kind == index)
            flux[rows] = draw_models(name, len(rows), generator=generator).flux
        return flux


def _residue(m: int, channels: int, generator: np.random.Generator) -> np.ndarray:
    """Return what a subtracted continuum left (m, channel), in standard deviations of the noise.

    Smooth curves through seven random knots; half of the spectra have none.
    """
    knots = generator.standard_normal((m, 7))
    strong = np.where(generator.random(m) < 0.5, 0.0, generator.uniform(0, 1.5, m))
    curve = PchipInterpolator(np.linspace(0, 1, 7), knots, axis=1)
    return strong[:, None] * curve(np.linspace(0, 1, channels))
