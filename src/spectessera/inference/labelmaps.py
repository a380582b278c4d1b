"""The maps of a clustering: labels, how sure they are, and exact silhouettes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from spectessera.cube import blocks
from spectessera.kmeans.points import Clustering, exact_silhouettes
from spectessera.kmeans.rule import Rule

from .blockwork import Shared, Task, process_blocks
from .confidence import Calibration, Mixture, normal_draws, same_label_probability
from .corridor import Corridor
from .job import Job
from .noise import NoiseSample, cluster_sizes, mixture_of, simulate_noise
from .passes import SampledPixels
from .pixelstore import Pixels
from .rare import RareGroups
from .refits import calibrated


def put_silhouettes(
    job: Job, corridor: Corridor, pixels: Pixels, labels: np.ndarray, clustering: Clustering
) -> None:
    """Make the map of the exact silhouettes."""
    moved = np.concatenate([clustering.rule.move(part) for part in pixels.parts()])
    image = np.full(len(labels), np.nan, np.float32)
    image[labels > 0] = exact_silhouettes(
        moved,
        labels[labels > 0] - 1,
        device=job.segmenter.device,
        progress=lambda done, total: corridor.report("silhouette", done, total),
    )
    corridor.maps.add("silhouette")
    corridor.maps.put_image("silhouette", image.reshape(job.shape))


def put_confidence(
    job: Job,
    corridor: Corridor,
    pixels: Pixels,
    labels: np.ndarray,
    clustering: Clustering,
    sample: SampledPixels,
    rare: RareGroups,
    again: np.ndarray,
) -> NoiseSample:
    """Make the maps of labels and of confidence; return the simulated measurements.

    Where the noise is not known, nothing calibrates the confidence: it is then no more than what
    other seeds find again of a cluster, ``again (k,)``.
    """
    maps, intake = corridor.maps, corridor.context.intake
    maps.add("label")
    maps.add("confidence")
    generator = np.random.default_rng([job.seed, 3])
    draws = normal_draws(clustering.rule.centers.shape[1], generator)
    nearest = pixels.label_map(clustering.labels)
    noise = simulate_noise(job, intake, sample, nearest, pixels.repeats_at(sample.pixel))
    sizes = cluster_sizes(nearest, len(clustering.centers))
    mixture = mixture_of(pixels, clustering, noise)
    whole = pixels.latents.at(sample.pixel)
    calibration = calibrated(
        job, intake, sample, whole, clustering.rule, mixture, sizes, draws, corridor.report
    )
    if noise.noise != "residual":
        again = np.ones(len(sizes))
    model = ConfidenceModel(clustering.rule, mixture, draws, calibration, again)
    image = labels.reshape(job.shape)
    nearest = nearest.reshape(job.shape)

    def tasks() -> Iterator[Task]:
        for block in blocks(job.cube):
            usable = pixels.usable(block)
            label = nearest[block.y, block.x].ravel()[usable].astype(np.int64) - 1
            yield Task(block, (pixels.latents.take(block, usable), label))

    results = process_blocks(estimate_confidence, Shared(model), None, tasks())
    for (block, *_), confidence in corridor.counted("confidence", results):
        usable = pixels.usable(block)
        confidence = rare.confidence_in(job.cube, block, usable, confidence)
        maps.put_whole("label", block, image[block.y, block.x].astype(np.int32))
        maps.put("confidence", block, usable, confidence)
    return noise


class ConfidenceModel(NamedTuple):
    """What the confidence of a label is computed with.

    Attributes
    ----------
    rule : Rule
    mixture : Mixture
    draws : array (draw, latent)
        See :func:`spectessera.inference.confidence.normal_draws`.
    calibration : Calibration, or None
    again : array (k,)
        How often a pixel of each cluster is found in it again by other seeds.
    """

    rule: Rule
    mixture: Mixture
    draws: np.ndarray
    calibration: Calibration | None
    again: np.ndarray


def estimate_confidence(
    model: ConfidenceModel, _: None, latent: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Return the probability (m,), float32, of the same label, for latents and labels from 0."""
    moved = model.rule.move(latent)
    same = same_label_probability(moved, labels, model.rule.centers, model.mixture, model.draws)
    if model.calibration is not None:
        same = model.calibration.apply(same, labels)
    return np.minimum(same, model.again[labels].astype(np.float32))
