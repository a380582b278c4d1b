"""Pairs for pretraining an encoder: a measured spectrum, and a target of the same composition.

The target is the noise-free spectrum of the composition, measured with one fixed instrument.
Properties that differ between measurements of one material (counts, thickness, tube, resolution,
calibration; velocity, width, reddening) are drawn for the measured spectrum only. Every pair is
different.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from scipy.interpolate import PchipInterpolator

from spectessera._util.check import check_choice, check_number
from spectessera.axis import Axis
from spectessera.preprocess.frame import REST, SUBTRACTED, Expects

from .nebulae.lines import extinction, line_wavelengths, paint_lines
from .nebulae.nebula import CLASSES, draw_models
from .paint.modern import MODERN
from .paint.palettes import between
from .paint.pigments import FACTORS, PIGMENTS, compute
from .xrf.detector import Detector
from .xrf.instrument import CHANNELS, Instrument, broaden, draw_instrument, measure, model_axis
from .xrf.tube import Tube

# Number of spectra with the same instrument.
GROUP = 64
TUBES = (Tube("Rh", 40), Tube("Rh", 30), Tube("Rh", 50), Tube("Mo", 40), Tube("Mo", 50),
         Tube("W", 40))  # fmt: skip
# Share of the groups that have the first tube; the others have a random one.
USUAL = 0.5
# Templates of the other tubes are computed for a sharp detector and then broadened.
SHARP = Detector(noise=0.05)
KNOWN = PIGMENTS | {each.name: each for each in MODERN}
# Relative thickness, and counts, both drawn log-uniformly.
THICKNESS = (0.2, 3.2)
COUNTS = (100.0, 5000.0)
PURE = 0.35  # share of the spectra with one pigment
MOST_MIXED = 0.4  # largest share of a second pigment
SNR = (4.0, 120.0)
CANONICAL_WIDTH = 45.0
MOST_REDDENING = 1.0  # E(B-V)
CROSSED = 0.3  # share of the spectra that mix two classes
# What instruments see: first and last wavelength in angstrom, redshifts, and their share.
SEEN = (
    ((4750.0, 9350.0), (0.0, 0.01), 0.35),  # MUSE
    ((4750.0, 9350.0), (0.01, 0.45), 0.15),
    ((3600.0, 10_300.0), (0.0, 0.15), 0.15),  # MaNGA, SDSS
    ((3500.0, 5600.0), (0.0, 0.1), 0.15),  # KCWI
    ((0.0, 0.0), (0.0, 0.0), 0.2),  # any part of the range, as of NIRSpec
)  # fmt: skip
NARROWEST = 0.2  # share of the (logarithmic) range that is seen at least
LEAST_COVERED = 0.12  # the same of the range in angstrom, with which a cube is accepted
# A spectrum without one of these says nothing: [OII], [OIII], H alpha.
TELLING = (3727.0, 5007.0, 6563.0)
TILT = 0.5  # standard deviation of the logarithm of the noise, end against middle


class Pairs(NamedTuple):
    """Measured spectra with their targets.

    Attributes
    ----------
    spectra : array (m, channel), float32
        Counts, or flux with noise.
    target : array (m, channel), float32
        Non-negative; every row sums to 1.
    weight : array (m, component), float32
        Shares of the components; every row sums to 1.
    twin : array (m, channel), float32, or None
        Second measurements of the same compositions, if requested.
    """

    spectra: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    twin: np.ndarray | None = None


class Simulation(Protocol):
    """An unlimited source of pairs."""

    axis: Axis
    components: tuple[str, ...]
    expects: Expects

    def pairs(self, number: int, m: int, *, twins: bool = False) -> Pairs:
        """Return m pairs; equal numbers give equal pairs, different numbers different ones."""
        ...


class XrfSimulation:
    """Pairs of X-ray fluorescence spectra of pigments.

    In the target, layers have nominal thickness and the instrument is a rhodium tube at 40 kV with
    the default detector.

    Parameters
    ----------
    pigments : sequence of str, optional
        Names in ``KNOWN``, by default all of them.
    tubes : sequence of Tube
        Each takes about ten seconds to compute.
    seed : int
    progress : callable, optional
        Called with the number of finished tubes and of all tubes.

    Raises
    ------
    ValueError, TypeError
        If a pigment is unknown or given twice, or there are fewer than two.
    ImportError
        If xraylib is not installed.
    """

    expects = Expects()

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
            raise ValueError(f"a simulation needs two or more different pigments; got {names}")
        check_number("seed", seed, low=0, integer=True)
        self.components, self.seed = names, int(seed)
        self.axis = model_axis()
        recipes = [KNOWN[name] for name in names]
        by_tube = []
        for done, tube in enumerate(tubes, start=1):
            by_tube.append(np.stack([compute(each, tube, SHARP) for each in recipes]))
            if progress is not None:
                progress(done, len(tubes))
        spectra = np.stack(by_tube)  # (tube, pigment, step, channel)
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
        weights = [_draw_shares(len(self.components), size, generator) for size in sizes]
        measured = [
            np.concatenate([self._measured(weight, generator) for weight in weights])
            for _ in range(1 + twins)
        ]
        weight = np.concatenate(weights)
        target = (weight @ self._canonical).astype(np.float32)
        return Pairs(measured[0], target, weight.astype(np.float32), *measured[1:])

    def _measured(self, weight: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return measured counts (m, channel) of compositions (m, pigment) with one instrument."""
        m = len(weight)
        tube = int(generator.random() > USUAL and generator.integers(len(self._rate)))
        thickness = _log_uniform(THICKNESS, m, generator)
        steps = between(thickness, FACTORS)[:, None, :] * self._rate[tube]
        steps /= steps.sum(axis=2, keepdims=True)  # (m, pigment, step)
        parts = (weight[:, :, None] * steps).reshape(m, -1)
        measured = measure(parts @ self._templates[tube], draw_instrument(generator), generator)
        total = _log_uniform(COUNTS, m, generator)
        counts = generator.poisson(measured * (total / measured.sum(axis=1))[:, None])
        counts[:, CHANNELS // 8] += counts.sum(axis=1) == 0  # an empty spectrum is not usable
        return counts.astype(np.float32)


def _log_uniform(bounds: tuple[float, float], m: int, generator: np.random.Generator) -> np.ndarray:
    """Draw numbers (m,) log-uniformly."""
    low, high = np.log(bounds)
    return np.exp(generator.uniform(low, high, m))


def _draw_shares(kinds: int, m: int, generator: np.random.Generator) -> np.ndarray:
    """Return shares (m, kind) of one kind, or of one with up to 40 % of a second one."""
    first = generator.integers(kinds, size=m)
    second = (first + generator.integers(1, kinds, size=m)) % kinds
    share = np.where(generator.random(m) < PURE, 0.0, generator.uniform(0, MOST_MIXED, m))
    weight, rows = np.zeros((m, kinds)), np.arange(m)
    weight[rows, first] = 1 - share
    weight[rows, second] += share
    return weight


class _Range(NamedTuple):
    """Where and how nebulae are seen: wavelengths at rest, km/s, knots of a residual continuum."""

    axis: Axis
    fastest: float
    widths: tuple[float, float]  # standard deviation
    knots: int
    expects: Expects


_MUSE = _Range(
    Axis(np.linspace(4750, 9350, 1024), "angstrom", medium="air"), 300.0, (10.0, 150.0), 7,
    Expects(REST, SUBTRACTED, fastest=300.0),
)  # fmt: skip
_WIDE = _Range(
    Axis(np.geomspace(3600.0, 10_000.0, 1344), "angstrom", medium="air"), 400.0, (10.0, 200.0), 11,
    Expects(REST, SUBTRACTED, fastest=400.0, least=LEAST_COVERED),
)  # fmt: skip


class NebularSimulation:
    """Pairs of emission-line spectra of nebulae, 4750 to 9350 angstrom.

    In the target, the gas is at rest, lines have a fixed width, and there is no dust.

    Parameters
    ----------
    classes : sequence of str
        Two or more of "hii", "pn", "shock", "dig".
    seed : int
    wide : bool
        3600 to 10,000 angstrom, of which a measured spectrum has what an instrument sees at some
        redshift; it is 0 elsewhere.

    Raises
    ------
    ValueError, TypeError
        If a class is unknown or given twice, or there are fewer than two.
    """

    def __init__(
        self, classes: Sequence[str] = CLASSES, *, seed: int = 0, wide: bool = False
    ) -> None:
        for name in classes:
            check_choice("class of nebula", name, CLASSES)
        if len(classes) < 2 or len(set(classes)) < len(classes):
            raise ValueError(f"a simulation needs two or more different classes; got {classes}")
        check_number("seed", seed, low=0, integer=True)
        self.components, self.seed = tuple(classes), int(seed)
        self._range = _WIDE if wide else _MUSE
        self.axis, self.expects = self._range.axis, self._range.expects

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
        target = paint_lines(flux, self.axis, width=np.full(m, CANONICAL_WIDTH))
        target /= target.sum(axis=1, keepdims=True)
        measured = [self._measured(flux, generator) for _ in range(1 + twins)]
        return Pairs(measured[0], target, weight.astype(np.float32), *measured[1:])

    def _measured(self, flux: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return measured spectra (m, channel) of fluxes (m, line).

        With dust, motion, residuals of a continuum, and noise, in all or a part of the range.
        """
        m, own = len(flux), self._range
        reddening = generator.uniform(0, MOST_REDDENING, m) * generator.random(m)
        red = flux * 10 ** (-0.4 * reddening[:, None] * extinction(line_wavelengths()))
        velocity = generator.uniform(-own.fastest, own.fastest, m)
        width = generator.uniform(*own.widths, m)
        clean = paint_lines(red, self.axis, velocity=velocity, width=width)
        seen = _seen(self.axis.values, m, generator) if self.expects.parts else None
        bright = clean if seen is None else clean * seen
        sigma = bright.max(axis=1) / _log_uniform(SNR, m, generator)
        uneven = None if seen is None else _uneven(m, len(self.axis), generator)
        noise = _residuals(m, len(self.axis), own.knots, generator)
        noise += generator.standard_normal(clean.shape, dtype=np.float32)
        if seen is None or uneven is None:
            return (clean + sigma[:, None] * noise).astype(np.float32)
        noise *= uneven
        return ((clean + sigma[:, None] * noise) * seen).astype(np.float32)

    def _fluxes(self, kind: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Draw a model of the given class for each row, (n,) -> (n, line)."""
        flux = np.empty((len(kind), len(line_wavelengths())))
        for index, name in enumerate(self.components):
            rows = np.flatnonzero(kind == index)
            flux[rows] = draw_models(name, len(rows), generator=generator).flux
        return flux


def _residuals(m: int, channels: int, knots: int, generator: np.random.Generator) -> np.ndarray:
    """Return residuals of a subtracted continuum (m, channel), in standard deviations of the noise.

    Smooth curves through random knots; half of the spectra have none.
    """
    heights = generator.standard_normal((m, knots))
    strong = np.where(generator.random(m) < 0.5, 0.0, generator.uniform(0, 1.5, m))
    curve = PchipInterpolator(np.linspace(0, 1, knots), heights, axis=1)
    return strong[:, None] * curve(np.linspace(0, 1, channels))


def _uneven(m: int, channels: int, generator: np.random.Generator) -> np.ndarray:
    """Return factors (m, channel) of noise that changes along the axis."""
    place = np.linspace(-1, 1, channels, dtype=np.float32)
    tilt = generator.normal(0, TILT, (2, m, 1)).astype(np.float32)
    factors: np.ndarray = np.exp(tilt[0] * place + tilt[1] * place**2)
    return factors


def _seen(wavelength: np.ndarray, m: int, generator: np.random.Generator) -> np.ndarray:
    """Return which channels (m, channel), bool, at rest an instrument sees.

    Drawn by the shares of :data:`SEEN`; of several draws the first with a telling line counts, or
    all channels.
    """
    first, last = np.log(wavelength[0]), np.log(wavelength[-1])
    ends = np.tile([first, last], (m, 1))
    missing = np.ones(m, dtype=bool)
    shares = np.array([share for *_, share in SEEN])
    for _ in range(4):
        kind = generator.choice(len(SEEN), m, p=shares / shares.sum())
        low, high = (np.array([each[0][end] for each in SEEN])[kind] for end in (0, 1))
        nearest, farthest = (np.array([each[1][end] for each in SEEN])[kind] for end in (0, 1))
        stretch = 1 + generator.uniform(nearest, farthest)
        width = (last - first) * generator.uniform(NARROWEST, 1.0, m)
        start = first + generator.random(m) * (last - first - width)
        free = high == 0
        with np.errstate(divide="ignore"):
            drawn = np.stack([np.log(low / stretch), np.log(high / stretch)], axis=1)
        drawn[free] = np.stack([start, start + width], axis=1)[free]
        tells = np.zeros(m, dtype=bool)
        for line in TELLING:
            tells |= (drawn[:, 0] < np.log(line) - 0.002) & (drawn[:, 1] > np.log(line) + 0.002)
        ends = np.where((missing & tells)[:, None], drawn, ends)
        missing &= ~tells
    log = np.log(wavelength)
    return (log >= ends[:, :1]) & (log <= ends[:, 1:])
