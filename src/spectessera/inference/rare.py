"""Rare groups of pixels, which a clustering of all pixels does not see: one pass over the cube."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.special import ndtr

from spectessera.cube import Block, blocks, in_image
from spectessera.evidence import Parts, finite_variance, split_noise, thin_counts
from spectessera.evidence.rare import (
    FEWEST,
    FORETOLD,
    GROUPS,
    Distance,
    Ordinary,
    distance_of,
    fit_ordinary,
    foretold,
    histogram_of,
    like_groups,
    limit_of,
    noise_limit,
)
from spectessera.kmeans.points import Clustering
from spectessera.preprocess.intake import Intake

from .blockwork import Shared, Task, process_blocks
from .corridor import Corridor
from .job import Job
from .passes import SampledPixels
from .patches import screened
from .pixelstore import Pixels

# Most far pixels that are compared with each other.
_MOST = 2048
# Spectra are compared in blocks of exactly this size, padded with zeros, so that the result for one
# does not depend on the others (docs/design/0004-fixed-blocks.md).
_ROWS = 2048
# A group is a cluster already where the clusters of most of its pixels consist of it by this share.
_SAME = 0.5
# Share of a group that is beyond the tail of common pixels.
_BEYOND = 2 / 3
# Share of the pixels above which a group is not rare.
_LARGEST = 0.02


class RareGroups(NamedTuple):
    """Pixels of rare groups.

    Attributes
    ----------
    pixel : array (m,)
        Positions in the flattened image.
    group : array (m,)
        From 0, the largest first.
    confidence : array (m,), float32
        Probability that a repeated measurement of the pixel is far from the others, too.
    significance : array (group,)
        Standard errors; see :func:`spectessera.evidence.rare.foretold`.
    """

    pixel: np.ndarray
    group: np.ndarray
    confidence: np.ndarray
    significance: np.ndarray

    @property
    def number(self) -> int:
        """Return the number of groups."""
        return len(self.significance)

    def labelled(self, labels: np.ndarray, k: int) -> np.ndarray:
        """Return a label map (y * x,), from 1, in which the groups are the clusters after k."""
        found = labels.copy()
        found[self.pixel] = k + 1 + self.group
        return found

    def joined(self, clustering: Clustering, pixels: Pixels) -> Clustering:
        """Return a clustering whose centers are followed by the mean latents of the groups."""
        latents = pixels.latents.at(self.pixel)
        means = [latents[self.group == group].mean(axis=0) for group in range(self.number)]
        return clustering._replace(centers=np.stack([*clustering.centers, *means]))

    def columns(self, clusters: int) -> dict[str, np.ndarray]:
        """Return the significance of so many clusters, NaN for the first; {} without groups."""
        if self.number == 0:
            return {}
        others = np.full(clusters - self.number, np.nan)
        return {"rare": np.concatenate([others, self.significance])}

    def confidence_in(
        self, cube: xr.DataArray, block: Block, usable: np.ndarray, confidence: np.ndarray
    ) -> np.ndarray:
        """Return the confidence (m,) of the usable pixels of a block, with that of rare ones."""
        pixel = in_image(cube, block, np.flatnonzero(usable))
        _, rows, of = np.intersect1d(pixel, self.pixel, return_indices=True)
        changed = confidence.copy()
        changed[rows] = self.confidence[of]
        return changed


NO_GROUPS = RareGroups(
    np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0)
)


class FarPixels(NamedTuple):
    """Pixels that are far from what many have in common.

    Attributes
    ----------
    pixel : array (m,)
        Positions in the flattened block, or image.
    distance : Distance
    values : array (m, channel)
    variance : array (m, channel), or None
        None for counts.
    """

    pixel: np.ndarray
    distance: Distance
    values: np.ndarray
    variance: np.ndarray | None

    def beyond(self, limit: Distance) -> FarPixels:
        """Return those beyond a limit, at most 2,048, in the order of their positions."""
        over = self.distance.over(limit)
        rows = np.lexsort((self.pixel, -over))[: min(_MOST, int((over > 1).sum()))]
        rows = rows[np.argsort(self.pixel[rows])]
        variance = None if self.variance is None else self.variance[rows]
        distance = Distance(*(each[rows] for each in self.distance))
        return FarPixels(self.pixel[rows], distance, self.values[rows], variance)


class _Model(NamedTuple):
    """What the blocks of a cube are compared with."""

    intake: Intake
    ordinary: Ordinary
    limit: Distance


def rare_groups(
    job: Job, corridor: Corridor, sample: SampledPixels, labels: np.ndarray
) -> RareGroups:
    """Find groups of a few pixels that are far from all others.

    Parameters
    ----------
    job : Job
        Of a cube whose noise is known.
    corridor : Corridor
    sample : SampledPixels
        Some pixels, with positions in the image, in which common spectra are found.
    labels : array (y * x,)
        1..k, or 0 where a pixel is not usable.
    """
    seed = job.seed
    variance = None if sample.variance is None else finite_variance(sample.variance)
    ordinary = fit_ordinary(sample.values, variance, seed=seed)
    if ordinary.free < 1:
        return NO_GROUPS
    noise = noise_limit(labels.size, ordinary.free)
    histogram, far = _far_pixels(corridor, _Model(corridor.context.intake, ordinary, noise))
    beyond = far.distance.over(limit_of(histogram, noise)) > 1
    if beyond.sum() < FEWEST:
        return NO_GROUPS
    groups = _groups(far, beyond, ordinary, labels, seed)
    if not groups:
        return NO_GROUPS
    rows, significance = zip(*groups, strict=True)
    each = np.concatenate(rows)
    whole, channel = (d[each] - at for d, at in zip(far.distance, noise, strict=True))
    return RareGroups(
        far.pixel[each],
        np.repeat(np.arange(len(rows)), [len(row) for row in rows]),
        # the distance of the whole spectrum changes by about 1.4 between two measurements
        np.maximum(ndtr(whole / np.sqrt(2)), ndtr(channel)).astype(np.float32),
        np.array(significance),
    )


def _far_pixels(corridor: Corridor, model: _Model) -> tuple[Distance, FarPixels]:
    """Return the histograms of the distances of all usable pixels, and the pixels that are far."""

    def tasks() -> Iterator[Task]:
        for block in blocks(corridor.cube):
            yield Task(block)

    results = process_blocks(far_block, Shared(model), corridor.cube, tasks())
    histogram, far = np.zeros((2, 1), int), None
    for (block, *_), (found, some) in corridor.counted("rare groups", results):
        histogram = histogram + found
        some = some._replace(pixel=in_image(corridor.cube, block, some.pixel))
        far = some if far is None else _joined(far, some)
        far = far.beyond(model.limit)
    assert far is not None  # there is at least one block
    return Distance(*histogram), far


def _joined(one: FarPixels, other: FarPixels) -> FarPixels:
    variance = None
    if one.variance is not None and other.variance is not None:
        variance = np.concatenate([one.variance, other.variance])
    return FarPixels(
        np.concatenate([one.pixel, other.pixel]),
        Distance(
            *(np.concatenate(pair) for pair in zip(one.distance, other.distance, strict=True))
        ),
        np.concatenate([one.values, other.values]),
        variance,
    )


def far_block(model: _Model, part: xr.DataArray) -> tuple[Distance, FarPixels]:
    """Return the histograms of the distances of the pixels of a block, and the far pixels."""
    ordinary, read = model.ordinary, screened(part, model.intake)
    pixel = np.flatnonzero(read.usable)
    values = read.values.reshape(-1, read.values.shape[-1])
    variance = None
    if read.variance is not None and ordinary.starts is None:
        variance = read.variance.reshape(values.shape)
    block = np.zeros((_ROWS, values.shape[1]), np.float32)
    spread = None if variance is None else np.ones_like(block)
    parts = []
    for first in range(0, len(pixel), _ROWS):
        rows = pixel[first : first + _ROWS]
        block[: len(rows)] = values[rows]
        if variance is not None and spread is not None:
            spread[: len(rows)] = variance[rows]
        residual = ordinary.residual(block, spread)[: len(rows)]
        parts.append(distance_of(residual, ordinary.free))
    none = np.empty(0, np.float32)
    parts.append(Distance(none, none))  # there may be no usable pixel
    found = Distance(*(np.concatenate(each) for each in zip(*parts, strict=True)))
    chosen = found.over(model.limit) > 1
    far = pixel[chosen]
    distance = Distance(*(each[chosen] for each in found))
    kept = FarPixels(far, distance, values[far], None if variance is None else variance[far])
    return histogram_of(found), kept.beyond(model.limit)


def _groups(
    far: FarPixels, beyond: np.ndarray, ordinary: Ordinary, labels: np.ndarray, seed: int
) -> list[tuple[np.ndarray, float]]:
    """Return the rows of every group of like pixels, and how much these foretell each other.

    ``beyond (m,)``: which pixels are beyond the tail of the common ones. A group of which many are
    not is the end of that tail.
    """
    made, judged = ordinary.residuals(_split(far, seed), far.variance)
    sizes, found = np.bincount(labels), []
    for rows in like_groups(made, ordinary.free):
        if beyond[rows].mean() < _BEYOND or len(rows) > max(FEWEST, _LARGEST * sizes[1:].sum()):
            continue
        own = labels[far.pixel[rows]]
        of_cluster = np.bincount(own, minlength=len(sizes)) / np.maximum(sizes, 1)
        if (of_cluster[own] > _SAME).mean() > _SAME:
            continue  # a cluster already
        significance = foretold(made[rows], judged[rows])
        if significance > FORETOLD:
            found.append((rows, significance))
    return found[:GROUPS]


def _split(far: FarPixels, seed: int) -> Parts:
    """Return far pixels in two parts of independent noise."""
    generator = np.random.default_rng([seed, 10])
    if far.variance is None:
        return thin_counts(np.rint(np.maximum(far.values, 0)), generator)
    sigma = np.sqrt(far.variance)
    return split_noise(far.values, sigma * generator.standard_normal(sigma.shape, np.float32))
