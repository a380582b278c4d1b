"""Some pixels are measured again, with new noise, to learn what noise does to latents."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .clustering import Clustering
from .confidence import (
    EM_PIXELS,
    NOISE_PIXELS,
    REDRAWS,
    Mixture,
    describe,
    draw_again,
    noise_covariance,
)
from .cube import Block, noise_of
from .passes import Kept, join_kept
from .pixelstore import Pixels, members, nth
from .reading import Intake
from .resultmaps import Job


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


def any_pixels(job: Job) -> np.ndarray:
    """Draw pixels to be measured again, without knowing clusters; ascending positions."""
    count = job.shape[0] * job.shape[1]
    generator = np.random.default_rng([job.seed, 1])
    return np.sort(generator.choice(count, min(count, 2 * NOISE_PIXELS), replace=False))


def inside(positions: np.ndarray, block: Block, width: int) -> np.ndarray:
    """Return which of some pixels are in a block, as positions in the flattened block."""
    y, x = np.divmod(positions, width)
    here = (y >= block.y.start) & (y < block.y.stop) & (x >= block.x.start) & (x < block.x.stop)
    return (y[here] - block.y.start) * (block.x.stop - block.x.start) + x[here] - block.x.start


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
    kept: list[tuple[np.ndarray, Kept]],
    labels: np.ndarray,
) -> Sample:
    """Measure the sampled pixels anew, several times each, and encode that."""
    noise = noise_of(job.cube)
    position = np.concatenate([each for each, _ in kept])
    order = np.argsort(position)
    joined = join_kept([each for _, each in kept])
    values, inputs, decoded = (
        each[order] for each in (joined.values, joined.inputs, joined.decoded)
    )
    variance = (
        joined.variance[order] if noise == "variance" and joined.variance is not None else None
    )
    generator = np.random.default_rng([job.seed, 2])
    latents = []
    residual = np.sqrt(np.square(inputs - decoded, dtype=np.float64).mean(axis=1, keepdims=True))
    for _ in range(REDRAWS):
        if noise == "residual":
            again = draw_again(inputs, np.broadcast_to(residual**2, inputs.shape), generator)
        else:
            again = intake.apply(draw_again(values, variance, generator)).values
        latents.append(job.segmenter._encode(again))
    mine = labels[position[order]].astype(np.int64) - 1
    return Sample(mine, np.stack(latents, axis=1), noise)


def mixture_of(pixels: Pixels, found: Clustering, sample: Sample) -> Mixture:
    """Return the clusters as a mixture, from some of the pixels."""
    rows, repeats, d = sample.latents.shape
    again = found.rule.move(sample.latents.reshape(-1, d)).reshape(rows, repeats, d)
    noise = noise_covariance(again.astype(np.float64), sample.labels, len(found.centers))
    n = len(found.labels)
    ranks = np.arange(0, n, max(1, n // EM_PIXELS))
    return describe(found.rule.move(pixels.take(ranks)), found.labels[ranks], noise)
