"""Some pixels of a cube in two parts: clusters are made from one, and judged by the other."""

from __future__ import annotations

import numpy as np
import xarray as xr

from spectessera.cube import noise_of
from spectessera.evidence import (
    BEYOND,
    Gain,
    Parts,
    gain_of,
    split_noise,
    structure_of,
    thin_counts,
)
from spectessera.kmeans.rule import Rule
from spectessera.preprocess.intake import Intake

from .noise import finite_variance
from .passes import BlockContext, SampledPixels

# Pixels that clusters are judged by: most, least, and the bytes of their spectra that limit them.
MOST_PIXELS = 4096
LEAST_PIXELS = 32
_BYTES = 2**26


def evidence_pixels(cube: xr.DataArray) -> int:
    """Return how many pixels clusters are judged by, if the cube has as many."""
    return int(np.clip(_BYTES // (4 * cube.sizes["channel"]), 1024, MOST_PIXELS))


def held_out_in(
    cube: xr.DataArray, context: BlockContext, sample: SampledPixels | None, *, seed: int
) -> HeldOut | None:
    """Return what judges clusters by evidence.

    None where there are too few pixels, the noise is not known, or that which is given is larger
    than that of the spectra.
    """
    if sample is None or len(sample.values) < LEAST_PIXELS:
        return None
    if noise_of(cube, sample.values) == "residual":
        return None
    held_out = HeldOut(context, sample, seed=seed)
    return held_out if held_out.structure >= -BEYOND else None


class HeldOut:
    """Judges clusterings of a cube by a part of its measurement (an evidence for k-means).

    Every sampled spectrum is split in two parts with independent noise, the first with four fifths
    of its information: counts one by one, others by simulated noise of their variance. The first
    part is encoded and gets the labels of a clustering; these are judged by the second
    (:func:`spectessera.evidence.gain_of`).
    The pixels are the same for any chunks.

    Parameters
    ----------
    context : BlockContext
        How spectra become latents.
    sample : SampledPixels
    seed : int

    Attributes
    ----------
    structure : float
        See :func:`spectessera.evidence.structure_of`.
    """

    def __init__(self, context: BlockContext, sample: SampledPixels, *, seed: int) -> None:
        generator, intake = np.random.default_rng([seed, 7]), context.intake
        if sample.variance is None:
            parts = thin_counts(np.rint(np.maximum(sample.values, 0)), generator)
            self._latent = context.encoder.encode(intake.apply(parts.made).values)
            if intake.preprocess.normalise is None:  # the number of counts is a difference too
                parts = _as_inputs(parts, intake, sample)
        else:
            sigma = np.sqrt(finite_variance(sample.variance))
            drawn = sigma * generator.standard_normal(sigma.shape, dtype=np.float32)
            parts = _as_inputs(split_noise(sample.values, drawn), intake, sample)
            self._latent = context.encoder.encode(parts.made)
        self._parts = parts
        self.structure = structure_of(parts, seed=seed % 2**32)

    def gain(self, rule: Rule) -> Gain:
        """Return how much better the clusters of a rule foretell the spectra than one cluster."""
        return gain_of(self._parts, rule.label(self._latent), len(rule.centers))


def _as_inputs(parts: Parts, intake: Intake, sample: SampledPixels) -> Parts:
    """Return parts of measured values as network inputs, with the level of their noise."""
    share = parts.share
    scales = (1 / share, 1 / (1 - share)) if parts.level is None else (1, 1)
    made, judged = (
        intake.apply(np.float32(scale) * each).values
        for scale, each in zip(scales, (parts.made, parts.judged), strict=True)
    )
    level = np.square(made - sample.inputs, dtype=np.float64).mean(axis=1) * share / (1 - share)
    return Parts(made, judged, share, level)
