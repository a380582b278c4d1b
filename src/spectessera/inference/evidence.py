"""Some pixels of a cube in two parts: clusters are made from one, and judged by the other."""

from __future__ import annotations

import numpy as np

from spectessera.cube import noise_of
from spectessera.evidence import (
    Gain,
    Parts,
    gain_of,
    split_noise,
    structure_of,
    thin_counts,
)
from spectessera.kmeans.rule import Rule
from spectessera.preprocess.intake import Intake

from .job import Job
from .noise import finite_variance
from .passes import SampledPixels

# Pixels that clusters are judged by: most, least, and the bytes of their spectra that limit them.
MOST_PIXELS = 4096
LEAST_PIXELS = 32
_BYTES = 2**26


def evidence_pixels(job: Job) -> int:
    """Return how many pixels clusters are judged by, if the cube has as many."""
    return int(np.clip(_BYTES // (4 * job.cube.sizes["channel"]), 1024, MOST_PIXELS))


def held_out_in(job: Job, intake: Intake, sample: SampledPixels | None) -> HeldOut | None:
    """Return what judges clusters.

    None where k is given, the noise is not known, or there are too few pixels.
    """
    if sample is None or job.criterion != "evidence" or len(sample.values) < LEAST_PIXELS:
        return None
    known = noise_of(job.cube, sample.values) != "residual"
    return HeldOut(job, intake, sample) if known else None


class HeldOut:
    """Judges clusterings of a cube by a part of its measurement (an evidence for k-means).

    Every sampled spectrum is split in two parts with independent noise, the first with four fifths
    of its information: counts one by one, others by simulated noise of their variance. The first
    part is encoded and gets the labels of a clustering; these are judged by the second
    (:func:`spectessera.evidence.gain_of`).
    The pixels are the same for any chunks.

    Parameters
    ----------
    job : Job
    intake : Intake
    sample : SampledPixels

    Attributes
    ----------
    structure : float
        See :func:`spectessera.evidence.structure_of`.
    """

    def __init__(self, job: Job, intake: Intake, sample: SampledPixels) -> None:
        generator, codec = np.random.default_rng([job.seed, 7]), job.segmenter.codec
        if sample.variance is None:
            parts = thin_counts(np.rint(np.maximum(sample.values, 0)), generator)
            self._latent = codec.encode(intake.apply(parts.made).values)
            if intake.preprocess.normalise is None:  # the number of counts is a difference too
                parts = _as_inputs(parts, intake, sample)
        else:
            sigma = np.sqrt(finite_variance(sample.variance))
            drawn = sigma * generator.standard_normal(sigma.shape, dtype=np.float32)
            parts = _as_inputs(split_noise(sample.values, drawn), intake, sample)
            self._latent = codec.encode(parts.made)
        self._parts = parts
        self.structure = structure_of(parts, seed=job.seed % 2**32)

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
