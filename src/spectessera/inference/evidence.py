"""Some pixels of a cube in two parts: clusters are made from one, and judged by the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera.cube import noise_of
from spectessera.evidence import (
    BEYOND,
    Gain,
    Parts,
    finite_variance,
    gain_of,
    split_noise,
    structure_of,
    thin_counts,
)
from spectessera.evidence.correlation import INDEPENDENT, Correlation
from spectessera.evidence.gain import binned
from spectessera.evidence.splits import SHARE
from spectessera.kmeans import Clusters
from spectessera.kmeans.points import cluster_points
from spectessera.kmeans.rule import Rule
from spectessera.preprocess.intake import Intake

from .neighbour_evidence import NeighbourEvidence, judged_by_neighbours
from .neighbours import Neighbours
from .passes import BlockContext, Encoder, SampledPixels
from .patches import Patches, as_inputs, parts_of, patches_of

# Pixels that clusters are judged by: most, least, and the bytes of their spectra that limit them.
MOST_PIXELS = 4096
LEAST_PIXELS = 32
# Part of the information of the first part, where differences are looked for once more.
_CLOSER = 0.9
_BYTES = 2**26


def evidence_pixels(cube: xr.DataArray) -> int:
    """Return how many pixels clusters are judged by, if the cube has as many."""
    return int(np.clip(_BYTES // (4 * cube.sizes["channel"]), 1024, MOST_PIXELS))


class Judge(NamedTuple):
    """What judges clusters by evidence, if anything does; and a warning that says why nothing."""

    evidence: HeldOut | NeighbourEvidence | None
    warning: str = ""

    def facts(self, rare: int) -> dict[str, str | int | float]:
        """Return the attributes of a result with so many rare groups; {} where nothing judges."""
        if self.evidence is None:
            return {}
        found = self.evidence
        return {
            "structure": found.structure, "judged_by": found.judged_by, "rare_clusters": rare,
        }  # fmt: skip


def judge_of(
    cube: xr.DataArray, context: BlockContext, sample: SampledPixels | None, *, seed: int
) -> Judge:
    """Return what judges clusters by evidence.

    Nothing where there are too few pixels, or the given noise is larger than that of the spectra;
    where the noise is not known, nothing in lists of spectra and where neighbours say nothing.
    """
    if sample is None or len(sample.values) < LEAST_PIXELS:
        return Judge(None)
    used = context.neighbours  # of averages, which are no whole numbers, it was asked before
    noise = used.noise if used.window > 1 else noise_of(cube, sample.values)
    if noise == "residual":
        judge = judged_by_neighbours(cube, context, seed)
        silent = judge is not None and judge.silent
        return Judge(None, "W-K-NEIGHBOURS-SILENT") if silent else Judge(judge)
    if used.window > 1:
        halves = halves_as_inputs(cube, context.intake, used, seed)
        if halves is None:
            return Judge(None)
        held_out = halves.encoded_by(context.encoder, seed)
        closer = halves.closer
    else:
        held_out = HeldOut(*_split(context, sample, cube.sizes["x"], seed), seed)
        closer = partial(_closer, context, sample, cube.sizes["x"], seed)
    if abs(held_out.structure) <= BEYOND:
        again = structure_of(closer(), seed=seed % 2**32, exact=True)
        held_out.structure = max(held_out.structure, again)
    return Judge(held_out if held_out.structure >= -BEYOND else None)


class Halves(NamedTuple):
    """Spectra of some patches of a cube, in which every pixel has its neighbours, in two parts.

    Attributes
    ----------
    inputs : array (n, input channel)
        Network inputs of the first part, averaged with that of the neighbours.
    parts : Parts
        The pixels alone.
    closer : function
        Returns the same with the average of the neighbours for the first part.
    """

    inputs: np.ndarray
    parts: Parts
    closer: Callable[[], Parts]

    def encoded_by(self, encoder: Encoder, seed: int) -> HeldOut:
        """Return what judges clusters of an encoder by them."""
        return HeldOut(encoder.encode(self.inputs), self.parts, seed)


def halves_as_inputs(
    cube: xr.DataArray,
    intake: Intake,
    neighbours: Neighbours,
    seed: int,
    patches: Patches | None = None,
) -> Halves | None:
    """Return some spectra of a cube in two parts; None as :func:`judge_of`.

    The first part is averaged with that of the neighbours, by groups that were made from it; the
    second part is that of the pixel alone. ``patches``: the pieces of the cube, if they are there.
    """
    patches = patches or patches_of(cube, intake, seed)
    usable = patches.usable
    spectra = patches.values[usable]
    noise = neighbours.noise if neighbours.window > 1 else noise_of(cube, spectra)
    if len(spectra) < LEAST_PIXELS or noise == "residual":
        return None
    if noise == "counts":
        patches = patches._replace(variance=None, correlation=INDEPENDENT)
    made, judged = patches.halves(seed)
    pooled = neighbours.pool(made.values, made.variance, usable, half=True).values[usable]
    parts = parts_of(made.values[usable], judged[usable], patches, intake)
    closer = partial(parts_of, pooled, judged[usable], patches, intake)
    return Halves(intake.apply(pooled).values, parts, closer)


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
    judged_by : str
        "noise", of which two parts are independent.
    """

    judged_by = "noise"

    def __init__(self, latent: np.ndarray, parts: Parts, seed: int) -> None:
        self._latent, self._seed = latent, seed
        self.structure = structure_of(parts, seed=seed % 2**32)
        if parts.level is None:  # bins are the same for every number of clusters
            made, judged = binned(parts.made, parts.judged)
            parts = parts._replace(made=made, judged=judged)
        self._parts = parts

    def gain(self, rule: Rule) -> Gain:
        """Return how much better the clusters of a rule predict the spectra than one cluster."""
        return gain_of(self._parts, rule.label(self._latent), len(rule.centers))

    def best_gain(self, numbers: Sequence[int], clusters: Clusters) -> Gain:
        """Return the largest gain of clusters of the latents themselves, for some numbers."""
        gains = []
        for k in numbers:
            given = replace(clusters, k_min=k, k_max=k)
            gains.append(self.gain(cluster_points(self._latent, given, seed=self._seed).rule))
        return max(gains, key=lambda gain: gain.mean)


class _Distinct(NamedTuple):
    """Sampled spectra with a variance; those of the pixels of a bin are one measurement."""

    values: np.ndarray  # (n, channel)
    inputs: np.ndarray  # (n, input channel)
    sigma: np.ndarray  # (n, channel)
    places: np.ndarray  # (n, 2)
    correlation: Correlation

    def split(self, generator: np.random.Generator, share: float = SHARE) -> Parts:
        """Return both parts of every spectrum."""
        drawn = self.sigma * self.correlation.draw(generator, self.sigma.shape, self.places)
        parts = split_noise(self.values, drawn, share=share)
        return parts._replace(alike=self.correlation.alike(self.places))


def _distinct(context: BlockContext, sample: SampledPixels, width: int) -> _Distinct:
    """Return one of every equal spectra of a sample that has a variance."""
    assert sample.variance is not None
    rows = np.sort(np.unique(sample.values, axis=0, return_index=True)[1])
    places = np.stack(np.divmod(sample.pixel[rows], width), axis=1)
    sigma = np.sqrt(finite_variance(sample.variance[rows]))
    correlation = context.neighbours.correlation
    return _Distinct(sample.values[rows], sample.inputs[rows], sigma, places, correlation)


def _split(
    context: BlockContext, sample: SampledPixels, width: int, seed: int
) -> tuple[np.ndarray, Parts]:
    """Return latents of the first part of sampled spectra, and both parts as they are judged."""
    generator, intake = np.random.default_rng([seed, 7]), context.intake
    if sample.variance is not None:
        distinct = _distinct(context, sample, width)
        parts = as_inputs(distinct.split(generator), distinct.inputs, intake, counted=False)
        return context.encoder.encode(parts.made), parts
    parts = thin_counts(np.rint(np.maximum(sample.values, 0)), generator)
    latent = context.encoder.encode(intake.apply(parts.made).values)
    if intake.preprocess.normalise is None:  # the number of counts is a difference too
        parts = as_inputs(parts, sample.inputs, intake, counted=True)
    return latent, parts


def _closer(context: BlockContext, sample: SampledPixels, width: int, seed: int) -> Parts:
    """Return parts in which faint differences are seen better.

    The first has more of the information. Where there is a variance, square roots are not taken,
    which cut negative values off, and channels are in units of their noise.
    """
    generator, intake = np.random.default_rng([seed, 10]), context.intake
    if sample.variance is None:
        parts = thin_counts(np.rint(np.maximum(sample.values, 0)), generator, share=_CLOSER)
        counted = intake.preprocess.normalise is None
        return as_inputs(parts, sample.inputs, intake, counted=True) if counted else parts
    distinct = _distinct(context, sample, width)
    plain = intake._replace(preprocess=replace(intake.preprocess, stabilise=None))
    inputs = plain.apply(distinct.values).values
    parts = as_inputs(distinct.split(generator, _CLOSER), inputs, plain, counted=False)
    noise = np.sqrt(np.square(parts.made - inputs, dtype=np.float64).mean(axis=0))
    scale = np.divide(1, noise, out=np.zeros_like(noise), where=noise > 0).astype(np.float32)
    return parts._replace(made=parts.made * scale, judged=parts.judged * scale)
