"""Some pixels are measured again, with new noise, to learn what noise does to latents."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera.cube import noise_of
from spectessera.kmeans.points import Clustering
from spectessera.kmeans.rule import Rule
from spectessera.preprocess.intake import Intake

from .confidence import (
    EM_PIXELS,
    NOISE_PIXELS,
    REDRAWS,
    Mixture,
    describe,
    draw_again,
    noise_covariance,
)
from .job import Job
from .passes import SampledPixels
from .pixelstore import Pixels, members, nth

# A cluster of fewer of the sampled pixels is too rare to be compared with noise.
RARE = 4
# New measurements of a mean spectrum, at least.
FEW_DRAWS = 512


class Sample(NamedTuple):
    """Pixels that were measured again to learn the noise.

    Attributes
    ----------
    labels : array (s,)
        From 0.
    latents : array (s, redraws, latent)
    noise : str
    """

    labels: np.ndarray
    latents: np.ndarray
    noise: str


def separation_in(
    job: Job, intake: Intake, sample: SampledPixels | None
) -> SeparationOverNoise | None:
    """Return the split check of a cube; None where k is given or the noise is not known."""
    if sample is None or not job.compares_with_noise:
        return None
    known = len(sample.values) > 0 and noise_of(job.cube, sample.values) != "residual"
    return SeparationOverNoise(job, intake, sample) if known else None


def any_pixels(job: Job) -> np.ndarray:
    """Draw pixels to be measured again, without knowing clusters; ascending positions."""
    generator = np.random.default_rng([job.seed, 1])
    mask = job.cube.coords.get("mask")
    there = None if mask is None else np.flatnonzero(~np.asarray(mask.values, bool))
    count = job.shape[0] * job.shape[1] if there is None else len(there)
    drawn = np.sort(generator.choice(count, min(count, 2 * NOISE_PIXELS), replace=False))
    return drawn if there is None else there[drawn]


def pixels_of_clusters(labels: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Draw the pixels that are measured again, as many of each cluster; ascending positions."""
    generator = np.random.default_rng([seed, 1])
    found = []
    for label, size in enumerate(sizes_of(labels, k), start=1):
        count = min(size, max(2, NOISE_PIXELS // k))
        ranks = np.sort(generator.choice(size, count, replace=False))
        found.append(nth(members(labels, label), ranks))
    return np.sort(np.concatenate(found))


def sizes_of(labels: np.ndarray, k: int) -> np.ndarray:
    """Return the number of pixels of every cluster."""
    return np.array([sum(int(m.sum()) for _, m in members(labels, c + 1)) for c in range(k)])


def measure_again(
    job: Job,
    intake: Intake,
    sample: SampledPixels,
    labels: np.ndarray,
) -> Sample:
    """Measure the sampled pixels anew, several times each, and encode that."""
    values, inputs = sample.values, sample.inputs
    noise = noise_of(job.cube, values)
    variance = sample.variance if noise == "variance" else None
    generator = np.random.default_rng([job.seed, 2])
    latents, residual = [], None
    if noise == "residual":
        assert sample.decoded is not None
        left = np.square(inputs - sample.decoded, dtype=np.float64)
        residual = np.broadcast_to(left.mean(axis=1, keepdims=True), inputs.shape)
    for _ in range(REDRAWS):
        if residual is not None:
            again = draw_again(inputs, residual, generator)
        else:
            again = intake.apply(draw_again(values, variance, generator)).values
        latents.append(job.segmenter.codec.encode(again))
    mine = labels[sample.pixel].astype(np.int64) - 1
    return Sample(mine, np.stack(latents, axis=1), noise)


class SeparationOverNoise:
    """Separation of neighbouring clusters in units of the noise: a split check for k-means.

    All pixels of two clusters may have the same expected spectrum: k-means has then split their
    noise, and half of the pixels give the same two clusters again, however large the sample. So the
    mean spectrum of both is measured again with the noise of each pixel, encoded, and split along
    the same line in the same shares. The distance of the two clusters over the distance of these
    two parts is 1 where only noise separates them.
    """

    def __init__(self, job: Job, intake: Intake, sample: SampledPixels) -> None:
        self.codec, self.intake, self.seed = job.segmenter.codec, intake, job.seed
        self.values = sample.values.astype(np.float64)
        self.variance = None if sample.variance is None else _finite(sample.variance)
        self.latent = job.segmenter.codec.encode(sample.inputs)

    def separation(self, rule: Rule) -> float:
        """Return the smallest separation of a cluster and its nearest; NaN if all are too rare."""
        centers = rule.centers.astype(np.float64)
        apart = np.square(centers[:, None] - centers).sum(axis=2)
        np.fill_diagonal(apart, np.inf)
        pairs = {tuple(sorted(pair)) for pair in enumerate(apart.argmin(axis=1).tolist())}
        moved, labels = rule.move(self.latent).astype(np.float64), rule.label(self.latent)
        found = []
        for one, other in sorted(pairs):
            upper, both = labels == other, (labels == one) | (labels == other)
            if min(upper.sum(), (both & ~upper).sum()) < RARE:
                continue
            line = centers[other] - centers[one]
            noise = np.sort(rule.move(self._of_one(both)) @ line)
            cut = len(noise) - max(1, round(len(noise) * upper.sum() / both.sum()))
            distance = (moved[upper] @ line).mean() - (moved[both & ~upper] @ line).mean()
            by_noise = noise[cut:].mean() - noise[:cut].mean()
            found.append(distance / max(by_noise, np.finfo(float).tiny))
        return min(found, default=np.nan)

    def _of_one(self, rows: np.ndarray) -> np.ndarray:
        """Return latents (m, latent) of new measurements of the mean spectrum of some pixels."""
        values = self.values[rows]
        expected = np.broadcast_to(values.mean(axis=0), values.shape)
        # The number of counts is no difference where it is divided out. (Without counts a spectrum
        # may be as dark as one of noise alone, which is a difference.)
        if self.variance is None and self.intake.preprocess.normalise is not None:
            total = values.sum(axis=1, keepdims=True)
            expected = expected * total / total.mean()
        generator = np.random.default_rng([self.seed, 6])
        drawn = []
        for _ in range(-(-FEW_DRAWS // len(values))):
            variance = None if self.variance is None else self.variance[rows]
            again = draw_again(expected, variance, generator)
            drawn.append(self.codec.encode(self.intake.apply(again).values))
        return np.concatenate(drawn)


def _finite(variance: np.ndarray) -> np.ndarray:
    """Return variances (n, channel) with those that are not finite as the median of the others.

    A value that is marked as bad by its variance is in the mean spectrum, and would have no noise.
    """
    bad = ~np.isfinite(variance)
    if not bad.any():
        return variance
    known = np.where(bad.all(axis=0), 0, np.where(bad, np.nan, variance))
    return np.where(bad, np.nanmedian(known, axis=0), variance)


def mixture_of(pixels: Pixels, found: Clustering, sample: Sample) -> Mixture:
    """Return the clusters as a mixture, from some of the pixels."""
    rows, repeats, d = sample.latents.shape
    again = found.rule.move(sample.latents.reshape(-1, d)).reshape(rows, repeats, d)
    noise = noise_covariance(again.astype(np.float64), sample.labels, len(found.centers))
    n = len(found.labels)
    ranks = np.arange(0, n, max(1, n // EM_PIXELS))
    return describe(found.rule.move(pixels.take(ranks)), found.labels[ranks], noise)
