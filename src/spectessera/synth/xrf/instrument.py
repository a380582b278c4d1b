"""Random instruments, which measure the same X-ray fluorescence differently, for training.

Energies are those of the channels of the built-in templates; the trained model uses pairs of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from spectessera._util.constants import FWHM
from spectessera.axis import Axis

from .templates import shipped

CHANNELS = 512  # of the model
MOST_NOISE = 0.13  # keV, full width at half maximum, additional to that of a sharp detector
GAIN = 0.003  # standard deviation of the relative calibration error
OFFSET = 0.008  # keV, standard deviation of the error of the zero
MOST_PILED = 0.03  # largest share of pile-up counts
MOST_BACKGROUND = 0.06  # largest share of a smooth background
LOWEST_END = 15.0  # keV, shortest range of a scan


class Instrument(NamedTuple):
    """Properties of an instrument relative to an ideal one, which is the default.

    Attributes
    ----------
    gain, offset : float
        The measured energy is ``gain * energy + offset`` (keV).
    noise : float
        Additional electronic noise, full width at half maximum in keV.
    piled : float
        Share of pile-up counts (two photons counted as one) in the brightest pixel.
    background : float
        Largest share of a smooth background in the counts.
    end : float
        Highest energy that is counted, in keV.
    """

    gain: float = 1.0
    offset: float = 0.0
    noise: float = 0.0
    piled: float = 0.0
    background: float = 0.0
    end: float = np.inf


def model_axis() -> Axis:
    """Return the energy axis of the model: pairs of channels of the templates."""
    energy = shipped().axis
    return Axis(energy.values.reshape(CHANNELS, -1).mean(axis=1), energy.unit)


def draw_instrument(generator: np.random.Generator) -> Instrument:
    """Draw an instrument: half have pile-up, half a background, a quarter a shorter range."""
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
    """Return expectations (m, channel) with the energies of the instrument, (m, model channel).

    Counts are conserved, except those that leave the axis.
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
    # Rounding may make differences of nearly equal sums negative.
    return np.maximum(np.diff(below[:, whole] * (1 - part) + below[:, whole + 1] * part), 0)


def measure(
    expected: np.ndarray, instrument: Instrument, generator: np.random.Generator
) -> np.ndarray:
    """Return the mean relative counts (m, model channel) of expectations (m, channel).

    Rows have a sum of about 1: the total counts are drawn separately.
    """
    m = len(expected)
    counts = broaden(expected, instrument)
    counts /= counts.sum(axis=1, keepdims=True)
    if instrument.background > 0:
        place = np.linspace(0, 1, CHANNELS)
        rise, fall = generator.uniform(0.3, 1.0), generator.uniform(2.0, 6.0)
        smooth = place**rise * np.exp(-fall * place) + 1e-3
        share = instrument.background * generator.random((m, 1))
        counts = (1 - share) * counts + share * smooth / smooth.sum()
    if instrument.piled > 0:
        # Pile-up grows with the brightness of a pixel: shares are uniform up to the largest.
        share = instrument.piled * generator.random((m, 1))
        counts = (1 - share) * counts + share * _pile_up(counts)
    counts[:, model_axis().values > instrument.end] = 0
    return counts


def _pile_up(counts: np.ndarray) -> np.ndarray:
    """Return spectra (m, channel) of two photons counted as one: self-convolutions."""
    energy = model_axis().values
    length = 2 * CHANNELS
    folded = np.fft.irfft(np.fft.rfft(counts, length, axis=1) ** 2, length, axis=1)
    # Two photons of the first channel have twice its energy.
    shift = round(energy[0] / (energy[1] - energy[0]))
    sums = np.zeros_like(counts)
    sums[:, shift:] = np.maximum(folded[:, : CHANNELS - shift], 0)
    return sums
