"""Pixels that are far from what many have in common, found block by block."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera.cube import Block, in_image
from spectessera.evidence.rare import Distance, Ordinary, distance_of, histogram_of

from .patches import Patches, finite_alone

# Most far pixels that are compared with each other.
_MOST = 2048
# Spectra are compared in blocks of exactly this size, padded with zeros, so that the result for one
# does not depend on the others (docs/design/0004-fixed-blocks.md).
_ROWS = 2048


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


class FarModel(NamedTuple):
    """What pixels are compared with, and from which distance on they are far."""

    ordinary: Ordinary
    limit: Distance


class Far(NamedTuple):
    """Of the usable pixels of a block, or an image.

    Attributes
    ----------
    histogram : Distance
        See :func:`spectessera.evidence.rare.histogram_of`.
    pixels : FarPixels
    """

    histogram: Distance
    pixels: FarPixels

    def in_image(self, cube: xr.DataArray, block: Block) -> Far:
        """Return what was found in a block, with positions in the image."""
        pixel = in_image(cube, block, self.pixels.pixel)
        return self._replace(pixels=self.pixels._replace(pixel=pixel))


def far_block(model: FarModel, read: Patches) -> Far:
    """Return the histograms of the distances of the pixels of a block, and the far pixels."""
    ordinary = model.ordinary
    pixel = np.flatnonzero(read.usable)
    values = read.values.reshape(-1, read.values.shape[-1])
    variance = None
    if read.variance is not None and ordinary.starts is None:
        variance = finite_alone(read.variance).reshape(values.shape)
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
    return Far(histogram_of(found), kept.beyond(model.limit))


def add_far(one: Far | None, other: Far, limit: Distance) -> Far:
    """Return the far pixels of two parts of an image; ``one`` is None before the first part."""
    if one is None:
        return Far(other.histogram, other.pixels.beyond(limit))
    histogram = Distance(*(a + b for a, b in zip(one.histogram, other.histogram, strict=True)))
    return Far(histogram, _joined(one.pixels, other.pixels).beyond(limit))


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
