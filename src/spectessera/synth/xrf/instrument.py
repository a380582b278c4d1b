"""What instruments make of one and the same X-ray fluorescence: drawn at random for training.

Energies are those of the channels of the built-in templates; the model that is trained sees them
two by two.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from spectessera._util.constants import FWHM
from spectessera.axis import Axis

from .templates import shipped

CHANNELS = 512  # of the model
MOST_NOISE = 0.13  # keV, full width at half maximum added to that of a sharp detector
GAIN = 0.003  # standard deviation of the relative error of the calibration
OFFSET = 0.008  # keV, the same of its zero
MOST_PILED = 0.03  # largest share of the counts that are two photons at once
MOST_BACKGROUND = 0.06  # largest share of a smooth background
LOWEST_END = 15.0  # keV, where the shortest scans end


class Instrument(NamedTuple):
    """What differs between two instruments that look at one sample; the default changes nothing.

    Attributes
    ----------
    gain, offset : float
        The energy that is told is ``gain * energy + offset`` (keV).
    noise : float
        Further electronic noise, full width at half maximum in keV.
    piled : float
        Largest share of counts that are sums of two photons: of the brightest pixel.
    background : float
        Largest share of the counts that is a smooth background.
    end : float
        Where the detector stops to count, in keV.
    """

    gain: float = 1.0
    offset: float = 0.0
    noise: float = 0.0
    piled: float = 0.0
    background: float = 0.0
    end: float = np.inf


def model_axis() -> Axis:
    """Return the energies of the model's channels: pairs of those of the templates."""
    energy = shipped().axis
    return Axis(energy.values.reshape(CHANNELS, -1).mean(axis=1), energy.unit)


def draw_instrument(generator: np.random.Generator) -> Instrument:
    """Draw an instrument: half of them pile up, half have a background, a quarter end early."""
    last = shipped().axis.values[-1]
    ends = generator.uniform(LOWEST_END, last) if generator.random() < 0.25 else np.inf
    return Instrument(
        gain=1 + GAIN * generator.standard_normal(),
        offset=OFFSET * generator.standard_normal(),
        noise=MOST_NOISE * np.sqrt(generator.random()),
        piled=MOST_PILED * float(generator.random() < 0.5),
        background=MOST_BACKGROUND * float(generator.random() < 0.5),
        end=float(ends),
    )


def broaden(expected: np.ndarray, instrument: Instrument) -> np.ndarray:
    """Return expectations (m, channel) as the instrument tells their energies, (m, model channel).

    Counts are conserved but for what leaves the axis.
    """
    energy = shipped().axis.values
    step = (energy[-1] - energy[0]) / (len(energy) - 1)
    if instrument.noise > 0:
        sigma = instrument.noise / FWHM / step
        expected = gaussian_filter1d(expected, sigma, axis=1, mode="constant")
    below = np.concatenate([np.zeros((len(expected), 1)), np.cumsum(expected, axis=1)], axis=1)
    edges = energy[0] - step / 2 + np.linspace(0, len(energy) * step, CHANNELS + 1)
    place = ((edges - instrument.offset) / instrument.gain - energy[0]) / step + 0.5
    place = np.clip(place, 0, len(energy))
    whole = np.minimum(place.astype(int), len(energy) - 1)
    part = place - whole
    # Differences of sums that are equal but for rounding may fall below 0.
    return np.maximum(np.diff(below[:, whole] * (1 - part) + below[:, whole + 1] * part), 0)


def measure(
    expected: np.ndarray, instrument: Instrument, generator: np.random.Generator
) -> np.ndarray:
    """Return what the instrument would count of expectations (m, channel) on average.

    Counts are relative: rows are scaled alike. How many counts there are is another matter: dead
    time lowers them, and they are drawn freely.
    """
    m = len(expected)
    seen = broaden(expected, instrument)
    seen /= seen.sum(axis=1, keepdims=True)
    if instrument.background > 0:
        share = np.linspace(0, 1, CHANNELS)
        rise, fall = generator.uniform(0.3, 1.0), generator.uniform(2.0, 6.0)
        smooth = share**rise * np.exp(-fall * share) + 1e-3
        some = instrument.background * generator.random((m, 1))
        seen = (1 - some) * seen + some * smooth / smooth.sum()
    if instrument.piled > 0:
        # Brighter pixels pile up more; the shares of a scan spread over all up to the largest.
        some = instrument.piled * generator.random((m, 1))
        seen = (1 - some) * seen + some * _sums_of_two(seen)
    seen[:, model_axis().values > instrument.end] = 0
    return seen


def _sums_of_two(seen: np.ndarray) -> np.ndarray:
    """Return the spectra (m, channel) of two photons counted as one: a folding with itself."""
    energy = model_axis().values
    length = 2 * CHANNELS
    folded = np.fft.irfft(np.fft.rfft(seen, length, axis=1) ** 2, length, axis=1)
    # Two photons of the first channel have twice its energy.
    shift = round(energy[0] / (energy[1] - energy[0]))
    sums = np.zeros_like(seen)
    sums[:, shift:] = np.maximum(folded[:, : CHANNELS - shift], 0)
    return sums
