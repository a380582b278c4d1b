"""Pairs of simulated EDS spectra, to train a model like `maxrf`: is it worth shipping?

All components of the maps of benchmarks.eds_spectra are in the training, and others: what the model
gains on these maps is the most that can be hoped for. Beams, windows, noise of the detector, angle,
content of elements, calibration, range and counts are drawn for the measured spectrum only, as for
`maxrf` (spectessera.synth.pairs).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from spectessera import Network, SpectralSegmenter
from spectessera.axis import Axis
from spectessera.segmenter.pretraining import recipe
from spectessera.synth.pairs import Pairs

from .eds_spectra import (
    CHANNEL,
    EARTH,
    FURTHER,
    ORE,
    WORKS,
    Setting,
    axis_of,
    contents,
    spectra,
    varied,
)

KNOWN = EARTH | ORE | WORKS | FURTHER
VOLTAGES = (5, 7, 10, 12, 15, 20, 25, 30)
SETTINGS, VARIANTS, GROUP = 24, 8, 64  # VARIANTS of every component for each of the settings
CHANNELS, LAST = 512, 20.0
COUNTS = (20.0, 5000.0)
PURE, MOST_MIXED = 0.5, 0.5  # share of spectra of one component, and largest share of a second one
GAIN, OFFSET = 0.002, 0.004  # standard deviations of errors of the calibration


class EdsSimulation:
    """An unlimited source of pairs, see :class:`spectessera.synth.pairs.Simulation`."""

    components = tuple(KNOWN)

    def __init__(self, seed: int = 0) -> None:
        self.seed, generator = seed, np.random.default_rng([72, seed])
        values = np.arange(0.1, LAST, CHANNEL)
        self.edges = np.linspace(values[0] - CHANNEL / 2, values[-1] + CHANNEL / 2, CHANNELS + 1)
        self.axis = Axis((self.edges[1:] + self.edges[:-1]) / 2, "keV")
        fractions, elements = contents(KNOWN)
        nominal = np.repeat(fractions, VARIANTS, axis=0)
        templates = []
        for number in range(SETTINGS):
            setting = Setting(
                VOLTAGES[number % len(VOLTAGES)], LAST, window=bool(generator.random() < 0.7),
                noise=generator.uniform(0.045, 0.07), takeoff=generator.uniform(30, 40),
            )  # fmt: skip
            templates.append(spectra(varied(nominal, generator), elements, setting))
        shape = SETTINGS, len(KNOWN), VARIANTS, -1
        self.templates = np.stack(templates).astype(np.float32).reshape(shape)
        target = self._binned(spectra(fractions, elements, Setting(15, LAST)), 1.0, 0.0)
        self._target = target / target.sum(axis=1, keepdims=True)

    def _binned(self, values: np.ndarray, gain: float, offset: float) -> np.ndarray:
        """Return spectra (n, channel) in the channels of the model, at another calibration."""
        below = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
        fine = axis_of(Setting(15, LAST)).values
        place = ((self.edges - offset) / gain - fine[0]) / CHANNEL + 0.5
        place = np.clip(place, 0, len(fine))
        whole = np.minimum(place.astype(int), len(fine) - 1)
        part = place - whole
        return np.maximum(np.diff(below[:, whole] * (1 - part) + below[:, whole + 1] * part), 0)

    def pairs(self, number: int, m: int, *, twins: bool = False) -> Pairs:
        """Return m pairs; equal numbers give equal pairs, different numbers different ones."""
        if twins:
            raise ValueError("this simulation has no twins; train with contrastive=0")
        generator = np.random.default_rng([73, number, self.seed])
        kinds = len(self.components)
        first = generator.integers(kinds, size=m)
        second = (first + generator.integers(1, kinds, size=m)) % kinds
        mixed = generator.random(m) >= PURE
        share = (mixed * generator.uniform(0, MOST_MIXED, m))[:, None]
        measured = [
            self._measured(first[rows], second[rows], share[rows], generator)
            for rows in (slice(start, start + GROUP) for start in range(0, m, GROUP))
        ]
        weight = (1 - share) * np.eye(kinds)[first] + share * np.eye(kinds)[second]
        target = (weight @ self._target).astype(np.float32)
        return Pairs(np.concatenate(measured), target, weight.astype(np.float32))

    def _measured(
        self, first: np.ndarray, second: np.ndarray, share: np.ndarray,
        generator: np.random.Generator,
    ) -> np.ndarray:  # fmt: skip
        """Return counts (m, channel) of mixtures under one instrument."""
        templates = self.templates[generator.integers(SETTINGS)]
        one, other = (
            templates[kind, generator.integers(VARIANTS, size=len(kind))]
            for kind in (first, second)
        )
        gain = 1 + GAIN * generator.standard_normal()
        mean = self._binned((1 - share) * one + share * other, gain,
                            OFFSET * generator.standard_normal())  # fmt: skip
        if generator.random() < 0.4:
            mean[:, self.axis.values > 10] = 0
        total = np.exp(generator.uniform(*np.log(COUNTS), len(first)))
        counts = generator.poisson(mean * (total / mean.sum(axis=1))[:, None])
        counts[:, CHANNELS // 8] += counts.sum(axis=1) == 0  # an empty spectrum is not usable
        return counts.astype(np.float32)


def train(path: Path, epochs: int) -> None:
    """Train a model with the settings of `maxrf` and write it."""
    settings = recipe("xrf")
    network: Network = settings["network"]
    settings["network"] = replace(network, components=len(KNOWN))
    settings["training"] = replace(settings["training"], epochs=epochs)
    segmenter = SpectralSegmenter(**settings)
    segmenter.pretrain(EdsSimulation(), progress=_show)
    segmenter.save(path, half=True)


def _show(done: int, total: int, row: dict) -> None:
    print(f"epoch {done} of {total}: loss {row['validation_total']:.5f}", flush=True)
