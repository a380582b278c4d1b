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

from .noise import finite_variance
from .passes import BlockContext, SampledPixels
from .patches import as_inputs, parts_of, patches_of

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
    if sample is None or not _can_be_judged(cube, context, sample):
        return None
    if context.neighbours.window > 1:
        held_out = _with_neighbours(cube, context, seed)
    else:
        held_out = HeldOut(*_split(context, sample, cube.sizes["x"], seed), seed)
    return held_out if held_out.structure >= -BEYOND else None


def _can_be_judged(cube: xr.DataArray, context: BlockContext, sample: SampledPixels) -> bool:
    """Return whether there are enough pixels, and their noise is known."""
    if len(sample.values) < LEAST_PIXELS:
        return False
    used = context.neighbours  # of averages, which are no whole numbers, it was asked before
    noise = used.noise if used.window > 1 else noise_of(cube, sample.values)
    return noise != "residual"


def _with_neighbours(cube: xr.DataArray, context: BlockContext, seed: int) -> HeldOut:
    """Return what judges clusters of averages: patches, in which every pixel has its neighbours.

    The first part is averaged with that of the neighbours, by groups that were made from it; the
    second part is that of the pixel alone.
    """
    intake, neighbours = context.intake, context.neighbours
    patches = patches_of(cube, intake, seed)
    made, judged = patches.halves(seed)
    usable = patches.usable
    pooled = neighbours.pool(made.values, made.variance, usable, half=True).values[usable]
    parts = parts_of(made.values[usable], judged[usable], patches, intake)
    return HeldOut(context.encoder.encode(intake.apply(pooled).values), parts, seed)


class HeldOut:
    """Judges clusterings of a cube by a part of its measurement (an evidence for k-means).

    Every sampled spectrum is split in two parts with independent noise, the first with four fifths
    of its information: counts one by one, others by simulated noise of their variance. The first
    part is encoded and gets the labels of a clustering; these are judged by the second
    (:func:`spectessera.evidence.gain_of`).
    The pixels are the same for any chunks.

    Parameters
    ----------
    latent : array (n, latent)
        Of the first part.
    parts : Parts
    seed : int

    Attributes
    ----------
    structure : float
        See :func:`spectessera.evidence.structure_of`.
    """

    def __init__(self, latent: np.ndarray, parts: Parts, seed: int) -> None:
        self._latent, self._parts = latent, parts
        self.structure = structure_of(parts, seed=seed % 2**32)

    def gain(self, rule: Rule) -> Gain:
        """Return how much better the clusters of a rule foretell the spectra than one cluster."""
        return gain_of(self._parts, rule.label(self._latent), len(rule.centers))


def _split(
    context: BlockContext, sample: SampledPixels, width: int, seed: int
) -> tuple[np.ndarray, Parts]:
    """Return latents of the first part of sampled spectra, and both parts as they are judged.

    Spectra that are the same, of the pixels of a bin, are one measurement: only one is split.
    """
    generator, intake = np.random.default_rng([seed, 7]), context.intake
    if sample.variance is not None:
        rows = np.sort(np.unique(sample.values, axis=0, return_index=True)[1])
        places = np.stack(np.divmod(sample.pixel[rows], width), axis=1)
        correlation = context.neighbours.correlation
        sigma = np.sqrt(finite_variance(sample.variance[rows]))
        drawn = sigma * correlation.draw(generator, sigma.shape, places)
        parts = split_noise(sample.values[rows], drawn)._replace(alike=correlation.alike(places))
        parts = as_inputs(parts, sample.inputs[rows], intake, counted=False)
        return context.encoder.encode(parts.made), parts
    parts = thin_counts(np.rint(np.maximum(sample.values, 0)), generator)
    latent = context.encoder.encode(intake.apply(parts.made).values)
    if intake.preprocess.normalise is None:  # the number of counts is a difference too
        parts = as_inputs(parts, sample.inputs, intake, counted=True)
    return latent, parts
