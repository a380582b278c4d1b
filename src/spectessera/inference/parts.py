"""Independent parts of the measurement of some pixels, which are repeated measurements of them."""

from __future__ import annotations

import numpy as np

from spectessera.evidence import finite_variance
from spectessera.evidence.correlation import INDEPENDENT
from spectessera.kmeans.rule import Rule
from spectessera.preprocess.intake import Intake

from .calibration import Repeated, nearest
from .confidence import NOISE_PIXELS
from .job import Job
from .passes import SampledPixels
from .patches import Patches, patches_of

# How often the sampled spectra are split in halves; the first ones are split again in quarters.
SPLITS = 3


def measured_in_parts(
    job: Job,
    intake: Intake,
    sample: SampledPixels,
    whole: np.ndarray,
    rule: Rule,
    sizes: np.ndarray,
) -> tuple[Repeated, Patches] | None:
    """Return some pixels of a cube and parts of their measurement; None if noise is not known.

    Also the pieces of the cube that they are.

    Where pixels are averaged with their neighbours, those are measured in parts too: square pieces
    of the cube. Otherwise they are the sampled pixels.

    Parameters
    ----------
    job : Job
    intake : Intake
    sample : SampledPixels
    whole : array (s, latent)
        Of the sampled pixels.
    rule : Rule
        Of the clusters.
    sizes : array (k,)
        Numbers of pixels of the clusters, of which unequal shares are sampled.
    """
    noise = job.noise(sample.values)
    if noise == "residual" or len(sizes) == 1:
        return None
    alone, correlation = job.neighbours.window == 1, job.neighbours.correlation
    if alone:
        pieces = _of_sample(sample, counted=noise == "counts")
        pieces = pieces._replace(correlation=correlation._replace(pixels=INDEPENDENT.pixels))
    else:
        pieces = pieces_of(job, intake, counted=noise == "counts")
    generator = np.random.default_rng([job.seed, 10])

    def moved(part: Patches, times: int) -> np.ndarray:
        found = job.segmenter.codec.encode(pooled_inputs(job, intake, part, times))
        return rule.move(found).astype(np.float64)

    halves, quarters = [], []
    for number in range(SPLITS if alone else SPLITS - 1):
        pair = pieces.split(generator, 0.5)
        halves.append((moved(pair[0], 2), moved(pair[1], 2)))
        if number == 0:
            parts = [part for half in pair for part in half.split(generator, 0.5)]
            one, two, three, four = (moved(part, 4) for part in parts)
            quarters = [(one, three), (two, four), (one, four), (two, three)]
    points = rule.move(whole).astype(np.float64) if alone else moved(pieces, 1)
    weight = np.ones(len(points))
    if alone:
        labels = nearest(points, rule.centers)
        weight = (sizes / np.maximum(np.bincount(labels, minlength=len(sizes)), 1))[labels]
    return Repeated(points, halves, quarters, weight), pieces


def _of_sample(sample: SampledPixels, *, counted: bool) -> Patches:
    """Return sampled pixels as one piece, a single column."""
    variance = None
    if not counted:
        assert sample.variance is not None
        variance = finite_variance(sample.variance)[None, :, None]
    usable = np.ones((1, len(sample.values), 1), bool)
    return Patches(sample.values[None, :, None], variance, usable)


def pieces_of(job: Job, intake: Intake, *, counted: bool) -> Patches:
    """Return every other patch of the cube, or some rows of a small one, the fullest.

    About as many pixels as are sampled.
    """
    found = patches_of(job.cube, intake, job.seed)
    _, height, width = found.usable.shape
    rows = min(height, max(3, 2 * NOISE_PIXELS // width))
    first = fullest_rows(found.usable.sum(axis=(0, 2)), rows)
    part = slice(None, None, 2), slice(first, first + rows)
    found = found._replace(values=found.values[part], usable=found.usable[part])
    if counted or found.variance is None:
        return found._replace(variance=None, correlation=INDEPENDENT)
    return found._replace(variance=found.variance[part])


def fullest_rows(usable: np.ndarray, rows: int) -> int:
    """Return the first of so many rows with the most usable pixels; of several, those amidst.

    Parameters
    ----------
    usable : array (row,)
        How many pixels of each row are usable.
    rows : int

    Examples
    --------
    >>> import numpy as np
    >>> fullest_rows(np.array([5, 5, 5, 5, 5]), 3), fullest_rows(np.array([5, 5, 0, 0, 4]), 2)
    (1, 0)
    """
    count = np.convolve(usable, np.ones(rows, int), mode="valid")
    fullest = np.flatnonzero(count == count.max())
    return int(fullest[np.abs(fullest - (len(usable) - rows) // 2).argmin()])


def pooled_inputs(job: Job, intake: Intake, part: Patches, times: float) -> np.ndarray:
    """Return the network inputs of a part, one of so many, of the measurement of pixels."""
    values = part.values
    if job.neighbours.window > 1:
        values = job.neighbours.pool(values, part.variance, part.usable).values
    scale = np.float32(1 if part.variance is not None else times)
    return intake.apply((scale * values[part.usable]).astype(np.float32)).values
