"""Rare groups of pixels, which a clustering of all pixels does not see."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy.special import ndtr

from spectessera.cube import Block, in_image
from spectessera.evidence import Parts, finite_variance, split_noise, thin_counts
from spectessera.evidence.rare import (
    FEWEST,
    GROUPS,
    PREDICTED,
    Ordinary,
    fit_ordinary,
    like_groups,
    limit_of,
    noise_limit,
    predicted,
)
from spectessera.kmeans.points import Clustering

from .corridor import Corridor
from .far import Far, FarModel, FarPixels
from .passes import ClusterSums, SampledPixels
from .pixelstore import Pixels

# A group is a cluster already where the clusters of most of its pixels consist of it by this share.
_SAME = 0.5
# Share of a group that is beyond the tail of common pixels.
_BEYOND = 2 / 3
# Share of the pixels above which a group is not rare.
_LARGEST = 0.02
# Sums of squares of groups that are so many times those of the other pixels of a cluster leave too
# few digits of these.
_OUTSHINE = 1e8


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
        Standard errors; see :func:`spectessera.evidence.rare.predicted`.
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

    def described(
        self, corridor: Corridor, pixels: Pixels, labels: np.ndarray, k: int, sums: ClusterSums
    ) -> ClusterSums:
        """Return the sums of the clusters without the groups, followed by those of the groups.

        Only blocks with pixels of groups are read again, unless these are so bright that the sums
        of the others would be lost in rounding.

        Parameters
        ----------
        corridor : Corridor
        pixels : Pixels
        labels : array (y * x,)
            Of all clusters, the groups not among them: 1..k, or 0 where a pixel is not usable.
        k : int
        sums : ClusterSums
            Of these.
        """
        if self.number == 0:
            return sums
        pairs, own = np.unique(
            np.stack([labels[self.pixel] - 1, self.group]), axis=1, return_inverse=True
        )
        moved = np.zeros(len(labels), np.int16)
        moved[self.pixel] = own.ravel() + 1
        taken = corridor.add_up(pixels, moved, pairs.shape[1])
        found = [_moved(*each, pairs, self.number) for each in zip(sums, taken, strict=True)]
        left, before = found[1][:k], sums.squares
        if (before - left > _OUTSHINE * left)[left > 0].any():
            return corridor.add_up(pixels, self.labelled(labels, k), k + self.number)
        return ClusterSums(*found)

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


def _moved(
    sums: np.ndarray | None, taken: np.ndarray | None, pairs: np.ndarray, groups: int
) -> Any:
    """Return sums (k + group, channel): those of clusters without what is taken, and of groups.

    Parameters
    ----------
    sums : array (k, channel), or None
    taken : array (pair, channel), or None
    pairs : array (2, pair)
        The cluster that each is taken from, and the group that it belongs to.
    groups : int
    """
    if sums is None or taken is None:
        return None
    found = np.concatenate([sums, np.zeros((groups, sums.shape[1]))])
    np.subtract.at(found, pairs[0], taken)
    np.add.at(found, len(sums) + pairs[1], taken)
    return found


def far_model(sample: SampledPixels, pixels: int, seed: int) -> FarModel | None:
    """Return what the pixels of a cube are compared with; None where nothing can be far from it.

    Parameters
    ----------
    sample : SampledPixels
        Some pixels of a cube whose noise is known, in which common spectra are found.
    pixels : int
        Number of all pixels.
    seed : int
    """
    variance = None if sample.variance is None else finite_variance(sample.variance)
    ordinary = fit_ordinary(sample.values, variance, seed=seed)
    return FarModel(ordinary, noise_limit(pixels, ordinary.free)) if ordinary.free > 0 else None


def rare_groups(model: FarModel, found: Far, labels: np.ndarray, seed: int) -> RareGroups:
    """Find groups of a few pixels that are far from all others.

    Parameters
    ----------
    model : FarModel
    found : Far
        Pixels of the whole image that are far, with positions in it.
    labels : array (y * x,)
        1..k, or 0 where a pixel is not usable.
    seed : int
    """
    (ordinary, noise), (histogram, far) = model, found
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


def _groups(
    far: FarPixels, beyond: np.ndarray, ordinary: Ordinary, labels: np.ndarray, seed: int
) -> list[tuple[np.ndarray, float]]:
    """Return the rows of every group of like pixels, and how much these predict each other.

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
        significance = predicted(made[rows], judged[rows])
        if significance > PREDICTED:
            found.append((rows, significance))
    return found[:GROUPS]


def _split(far: FarPixels, seed: int) -> Parts:
    """Return far pixels in two parts of independent noise."""
    generator = np.random.default_rng([seed, 10])
    if far.variance is None:
        return thin_counts(np.rint(np.maximum(far.values, 0)), generator)
    sigma = np.sqrt(far.variance)
    return split_noise(far.values, sigma * generator.standard_normal(sigma.shape, np.float32))
