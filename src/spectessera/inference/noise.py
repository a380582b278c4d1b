"""What noise does to latents and clusters, learned from simulated measurements of some pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera.evidence import finite_variance
from spectessera.kmeans.points import Clustering
from spectessera.kmeans.rule import Rule
from spectessera.preprocess.intake import Intake

from .confidence import (
    EM_PIXELS,
    NOISE_PIXELS,
    REPEATS,
    Mixture,
    fit_mixture,
    noise_covariance,
    simulate_measurement,
)
from .job import Job
from .passes import SampledPixels
from .pixelstore import Pixels, members, nth

# Clusters with fewer of the sampled pixels are not compared with noise.
MIN_SAMPLED = 4
# Smallest number of simulated measurements of a mean spectrum.
MIN_DRAWS = 512
# Largest separation, where there is hardly any noise.
_FARTHEST = 1e9


class NoiseSample(NamedTuple):
    """Simulated measurements of some pixels.

    Attributes
    ----------
    labels : array (s,)
        Of the pixels, from 0.
    latents : array (s, repeats, latent)
    noise : str
        See :func:`spectessera.cube.noise_of`.
    """

    labels: np.ndarray
    latents: np.ndarray
    noise: str


def separation_in(
    job: Job, intake: Intake, sample: SampledPixels | None, repeats: np.ndarray | None = None
) -> SeparationOverNoise | None:
    """Return the split check of a cube.

    None where k is given, the silhouette chooses it, or the noise is not known. ``repeats (s,)``:
    as how many measurements each of the sampled spectra is.
    """
    if sample is None or job.criterion not in ("evidence", "stability"):
        return None
    known = len(sample.values) > 0 and job.noise(sample.values) != "residual"
    return SeparationOverNoise(job, intake, sample, repeats) if known else None


def draw_pixels(cube: xr.DataArray, seed: int, *, most: int = NOISE_PIXELS) -> np.ndarray:
    """Draw pixels to be compared with noise, before clusters are known; ascending positions."""
    generator = np.random.default_rng([seed, 1])
    mask = cube.coords.get("mask")
    unmasked = None if mask is None else np.flatnonzero(~np.asarray(mask.values, bool))
    count = cube.sizes["y"] * cube.sizes["x"] if unmasked is None else len(unmasked)
    drawn = np.sort(generator.choice(count, min(count, most), replace=False))
    return drawn if unmasked is None else unmasked[drawn]


def draw_pixels_per_cluster(labels: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Draw equally many pixels of each cluster whose noise is simulated; ascending positions.

    Parameters
    ----------
    labels : array (y * x,)
        1..k, or 0 where a pixel is not usable.
    k, seed : int
    """
    generator = np.random.default_rng([seed, 1])
    pixels = []
    for label, size in enumerate(cluster_sizes(labels, k), start=1):
        count = min(size, max(2, NOISE_PIXELS // k))
        ranks = np.sort(generator.choice(size, count, replace=False))
        pixels.append(nth(members(labels, label), ranks))
    return np.sort(np.concatenate(pixels))


def cluster_sizes(labels: np.ndarray, k: int) -> np.ndarray:
    """Return the number of pixels (k,) of every cluster, for labels (y * x,) from 1."""
    return np.array([sum(int(m.sum()) for _, m in members(labels, c + 1)) for c in range(k)])


def simulate_noise(
    job: Job,
    intake: Intake,
    sample: SampledPixels,
    labels: np.ndarray,
    repeats: np.ndarray | None = None,
) -> NoiseSample:
    """Simulate repeated measurements around the means of clusters and encode them.

    Where the noise is not known, it is that of the residual of the reconstruction.

    Parameters
    ----------
    job : Job
    intake : Intake
    sample : SampledPixels
        With positions in the image.
    labels : array (y * x,)
        1..k, or 0 where a pixel is not usable.
    repeats : array (s,), optional
        As how many measurements each of the sampled spectra is.
    """
    inputs, own = sample.inputs, labels[sample.pixel].astype(np.int64) - 1
    noise = job.noise(sample.values)
    values = _expected(sample.values, own, counted=noise == "counts")
    variance = None
    if noise == "variance" and sample.variance is not None:
        variance = finite_variance(sample.variance)
    generator = np.random.default_rng([job.seed, 2])
    latents, residual = [], None
    if noise == "residual":
        assert sample.decoded is not None
        squares = np.square(inputs - sample.decoded, dtype=np.float64)
        residual = np.broadcast_to(squares.mean(axis=1, keepdims=True), inputs.shape)
    for _ in range(REPEATS):
        if residual is not None:
            repeated = simulate_measurement(inputs, residual, generator)
        else:
            correlation = job.neighbours.correlation
            again = simulate_measurement(values, variance, generator, repeats, correlation)
            repeated = intake.apply(again).values
        latents.append(job.segmenter.codec.encode(repeated))
    return NoiseSample(own, np.stack(latents, axis=1), noise)


def _expected(values: np.ndarray, labels: np.ndarray, *, counted: bool) -> np.ndarray:
    """Return the spectra (n, channel), float32, that noise is added to: those of the clusters.

    Noise on top of that of a measurement changes latents less than noise alone does where spectra
    are normalised. The mean of the cluster has little noise; it is made as bright as each spectrum.
    """
    expected = np.empty_like(values, np.float32)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        mean = values[rows].mean(axis=0, dtype=np.float64)
        along = np.ones_like(mean) if counted else mean
        bright = np.maximum(values[rows] @ along, 0) / max(mean @ along, np.finfo(float).tiny)
        expected[rows] = bright[:, None] * mean
    return expected


def mixture_of(pixels: Pixels, clustering: Clustering, sample: NoiseSample) -> Mixture:
    """Return the clusters as a mixture in the space of the metric, fitted to some of the pixels."""
    rule, (rows, repeats, d) = clustering.rule, sample.latents.shape
    repeated = rule.move(sample.latents.reshape(-1, d)).reshape(rows, repeats, d)
    k, n = len(clustering.centers), len(clustering.labels)
    noise = noise_covariance(repeated.astype(np.float64), sample.labels, k)
    ranks = np.arange(0, n, max(1, n // EM_PIXELS))
    return fit_mixture(rule.move(pixels.take(ranks)), clustering.labels[ranks], noise)


# --- the split check ---------------------------------------------------------------------------


class SeparationOverNoise:
    """Separation of neighbouring clusters in units of the noise: a split check for k-means.

    All pixels of two clusters may have the same expected spectrum: k-means has then split their
    noise, and half of the pixels give the same two clusters again, however large the sample. So the
    mean spectrum of both is measured again with the noise of each pixel, encoded, and split along
    the same line in the same shares. The distance of the two clusters over the distance of these
    two parts is 1 where only noise separates them.

    Parameters
    ----------
    job : Job
    intake : Intake
    sample : SampledPixels
    repeats : array (s,), optional
        As how many measurements each of the sampled spectra is.
    """

    def __init__(
        self,
        job: Job,
        intake: Intake,
        sample: SampledPixels,
        repeats: np.ndarray | None = None,
    ) -> None:
        self.repeats = repeats
        self.codec, self.intake, self.seed = job.segmenter.codec, intake, job.seed
        self.values = sample.values.astype(np.float64)
        self.variance = None if sample.variance is None else finite_variance(sample.variance)
        self.latent = job.segmenter.codec.encode(sample.inputs)
        self.correlation = job.neighbours.correlation

    @property
    def most_equal(self) -> int:
        """Return how many different spectra are too few for noise to be why they differ.

        Noise of a variance makes equal spectra of none. That of N counts makes more than the root
        of N different ones of many, even of spectra of one channel.
        """
        if self.variance is not None:
            return 0
        return int(np.sqrt(max(0.0, float(self.values.sum(axis=1).mean()))))

    def separation(self, rule: Rule) -> float:
        """Return the smallest separation of a cluster and its nearest; NaN if all are too rare."""
        centers = rule.centers.astype(np.float64)
        squared = np.square(centers[:, None] - centers).sum(axis=2)
        np.fill_diagonal(squared, np.inf)
        pairs = {tuple(sorted(pair)) for pair in enumerate(squared.argmin(axis=1).tolist())}
        moved, labels = rule.move(self.latent).astype(np.float64), rule.label(self.latent)
        separations = []
        for one, other in sorted(pairs):
            upper, pair = labels == other, (labels == one) | (labels == other)
            if min(upper.sum(), (pair & ~upper).sum()) < MIN_SAMPLED:
                continue
            line = centers[other] - centers[one]
            noise = np.sort(rule.move(self._measurements_of_mean(pair)) @ line)
            cut = len(noise) - max(1, round(len(noise) * upper.sum() / pair.sum()))
            distance = (moved[upper] @ line).mean() - (moved[pair & ~upper] @ line).mean()
            by_noise = noise[cut:].mean() - noise[:cut].mean()
            separations.append(min(distance / max(by_noise, np.finfo(float).tiny), _FARTHEST))
        return min(separations, default=np.nan)

    def _measurements_of_mean(self, rows: np.ndarray) -> np.ndarray:
        """Return latents (m, latent) of simulated measurements of the mean of some spectra."""
        values = self.values[rows]
        expected = np.broadcast_to(values.mean(axis=0), values.shape)
        # Where spectra are normalised, their total counts are no difference between clusters.
        # (Without counts, a spectrum can be as weak as noise alone, which is a difference.)
        if self.variance is None and self.intake.preprocess.normalise is not None:
            total = values.sum(axis=1, keepdims=True)
            expected = expected * total / total.mean()
        generator = np.random.default_rng([self.seed, 6])
        drawn = []
        for _ in range(-(-MIN_DRAWS // len(values))):
            variance = None if self.variance is None else self.variance[rows]
            repeats = None if self.repeats is None else self.repeats[rows]
            measured = simulate_measurement(
                expected, variance, generator, repeats, self.correlation
            )
            drawn.append(self.codec.encode(self.intake.apply(measured).values))
        return np.concatenate(drawn)
