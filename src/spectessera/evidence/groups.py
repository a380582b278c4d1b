"""Which neighbours of a pixel are like it: groups of spectra, and what pixels around a pixel say.

A group of like spectra predicts a spectrum by a likelihood. To which group a pixel belongs is said
by its own spectrum and by its neighbours (a Potts model, solved in mean field: Zhang, Brady & Smith
2001, IEEE Trans. Med. Imaging 20, 45). Pixels are then averaged with those neighbours that belong
to the same group, so that edges are kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spectessera._util.rows import row_maxima, row_sums

from .gain import LEAST_NOISE, equal_bins, typical_noise

if TYPE_CHECKING:
    from scipy import sparse

# Logarithm of how much more probable a group is for every neighbour that belongs to it, and how
# often what the neighbours belong to is asked again: so many pixels far a pixel is felt.
AGREE = 1.0
STEPS = 3
# Groups, and how often they are fitted again.
GROUPS = 12
_FITS = 6
# Share of the mean of all spectra in that of a group, so that no channel has probability 0.
_MIXED = 0.02
# Most bins of channels in which counts are compared.
_BINS = 256
# Spectra are compared in blocks of exactly this size, padded with zeros, so that the result for one
# does not depend on the others (docs/design/0004-fixed-blocks.md).
_ROWS = 2048
# Variances of so many spectra stay in the processor's cache.
_IN_CACHE = 32
# No log-likelihood is larger than this.
_MOST = np.float32(1e30)
# A variance larger than the median of about so many pixels by this factor marks a bad value.
_SOME, _TOO_NOISY = 256, 1e6
# Values in units of noise are no farther from 0: no sum of their squares overflows.
_FARTHEST = np.float32(1e9)

Shift = tuple[tuple[slice, ...], tuple[slice, ...]]


class Groups(NamedTuple):
    """Groups of like spectra.

    Attributes
    ----------
    used : array (channel,), bool
        Channels that are compared.
    starts : array (bin,), or None
        First of the used channels of every bin; None where values are compared, not counts.
    scale : array (used channel,), float32, or None
        Values are multiplied by it, which makes their noise that of a level near 1.
    patterns : array (group, bin or used channel), float32
        Of counts, the logarithm of the probability of a count to be in a bin; of values, the mean.
    log_share : array (group,), float32
    free : bool
        Whether the brightness of a spectrum is no difference.
    """

    used: np.ndarray
    starts: np.ndarray | None
    scale: np.ndarray | None
    patterns: np.ndarray
    log_share: np.ndarray
    free: bool

    def features(self, values: np.ndarray) -> np.ndarray:
        """Return what is compared of spectra (n, channel): bins of counts, or scaled values."""
        taken = values if self.used.all() else values.compress(self.used, axis=1)
        taken = np.ascontiguousarray(taken, np.float32)
        if self.starts is not None:
            return np.add.reduceat(taken, self.starts, axis=1)
        assert self.scale is not None
        return in_units_of_noise(taken, self.scale)

    def level(self, variance: np.ndarray | None) -> np.ndarray | None:
        """Return the noise level (n,) of features, for variances (n, channel)."""
        if variance is None or self.scale is None:
            return None
        found, scale = np.empty(len(variance), np.float32), np.square(self.scale)
        for first in range(0, len(variance), _IN_CACHE):
            part = slice(first, first + _IN_CACHE)
            taken = variance[part] if self.used.all() else variance[part, self.used]
            with np.errstate(over="ignore"):
                level = np.minimum(taken * scale, _MOST)
            found[part] = np.asfortranarray(level).mean(axis=1)  # added channel by channel
        return found

    def likelihood(self, values: np.ndarray, variance: np.ndarray | None = None) -> np.ndarray:
        """Return the log-likelihood (n, group), float32, of spectra (n, channel) in every group.

        Of counts, multinomial. Of values, normal, with the best brightness of every spectrum if
        that is free. It does not depend on the other spectra.
        """
        return self.of_features(self.features(values), self.level(variance))

    def of_features(self, features: np.ndarray, level: np.ndarray | None) -> np.ndarray:
        """Return the log-likelihood (n, group), float32, of features with a noise level (n,)."""
        along = np.empty((len(features), len(self.patterns)), np.float32)
        block = np.zeros((_ROWS, features.shape[1]), np.float32)
        for first in range(0, len(features), _ROWS):
            part = features[first : first + _ROWS]
            block[: len(part)] = part
            along[first : first + len(part)] = (block @ self.patterns.T)[: len(part)]
        return along if level is None else _of_values(along, self.patterns, level, free=self.free)


def in_units_of_noise(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return values (n, channel) times a scale (channel,), none of which is beyond 1e9."""
    with np.errstate(over="ignore"):
        return np.clip(values * scale, -_FARTHEST, _FARTHEST)


def _of_values(
    along: np.ndarray, patterns: np.ndarray, level: np.ndarray, *, free: bool
) -> np.ndarray:
    """Return log-densities (n, group) of spectra whose products with patterns are ``along``."""
    power = np.maximum(np.square(patterns).sum(axis=1), np.float32(1e-30))
    noise = np.maximum(level, np.float32(LEAST_NOISE))[:, None]
    if free:
        along = np.maximum(along, 0)
        return np.minimum(along / (2 * power) * (along / noise), np.float32(_MOST))
    return np.clip((along - power / 2) / noise, -_MOST, _MOST).astype(np.float32)


def fit_groups(
    values: np.ndarray,
    variance: np.ndarray | None,
    usable: np.ndarray,
    labels: np.ndarray,
    used: np.ndarray,
    *,
    count: int = GROUPS,
    free: bool = True,
) -> Groups:
    """Fit groups to spectra of some pieces of an image, by expectation maximisation.

    Parameters
    ----------
    values : array (piece, y, x, channel), float32
        Finite; counts where ``variance`` is None.
    variance : array (piece, y, x, channel), or None
    usable : array (piece, y, x), bool
    labels : array (number of usable pixels,)
        Of groups to begin with, from 0.
    used : array (channel,), bool
    count : int
        Number of groups.
    free : bool
        See :class:`Groups`.

    Returns
    -------
    Groups
    """
    spectra = values[usable]
    noise = None if variance is None else variance[usable]
    starts = scale = None
    if noise is None:
        starts = equal_bins(spectra.sum(axis=0, dtype=np.float64)[used], _BINS)
    else:
        mean = _mean_noise(noise[:, used])
        least = max(LEAST_NOISE * typical_noise(mean), 1e-36)
        scale = (1 / np.sqrt(np.maximum(mean, least))).astype(np.float32)
    empty = Groups(used, starts, scale, np.empty((count, 0)), np.empty(count), free)
    features, level = empty.features(spectra), empty.level(noise)
    shares = (labels[:, None] == np.arange(count)).astype(np.float32)
    for _ in range(_FITS):
        groups = _of_shares(empty, features, shares)
        image = np.zeros((*usable.shape, count), np.float32)
        image[usable] = groups.of_features(features, level)
        shares = belonging(image, groups.log_share, usable)[usable]
    return _of_shares(empty, features, shares)


def _mean_noise(variance: np.ndarray) -> np.ndarray:
    """Return the means (channel,), float64, of variances (n, channel) but for absurd ones."""
    most = _TOO_NOISY * np.median(variance[:: max(1, len(variance) // _SOME)], axis=0)
    absurd = (variance > most) & (most > 0)
    if absurd.any():
        variance = np.where(absurd, most, variance)
    return variance.mean(axis=0, dtype=np.float64)


def _of_shares(empty: Groups, features: np.ndarray, shares: np.ndarray) -> Groups:
    """Return groups with the means of the features (n, bin) that belong to them."""
    sums = shares.T.astype(np.float64) @ features
    size = shares.sum(axis=0, dtype=np.float64)
    overall = sums.sum(axis=0)
    if empty.starts is None:
        patterns = sums / np.maximum(size, 1e-9)[:, None]
    else:
        share = overall / max(overall.sum(), 1e-30)
        mixed = sums + (_MIXED * sums.sum(axis=1, keepdims=True) + 1e-6) * share
        patterns = np.log(np.maximum(mixed / mixed.sum(axis=1, keepdims=True), 1e-12))
    log_share = np.log(np.maximum(size / max(size.sum(), 1e-30), 1e-6))
    return empty._replace(
        patterns=patterns.astype(np.float32), log_share=log_share.astype(np.float32)
    )


def belonging(likelihood: np.ndarray, log_share: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Return the probability with which every pixel belongs to every group.

    Parameters
    ----------
    likelihood : array (piece, y, x, group), float32
        Logarithms.
    log_share : array (group,), float32
    usable : array (piece, y, x), bool

    Returns
    -------
    array (piece, y, x, group), float32
        0 where a pixel is not usable. A pixel depends on those up to ``STEPS`` rows or columns
        away.
    """
    own = likelihood + log_share
    found = normalised(own, usable)
    for _ in range(STEPS):
        around = np.zeros_like(found)
        for step in _steps(3):
            if step != (0, 0):
                here, there = shift(step, usable.shape)
                around[here] += found[there]
        found = normalised(own + np.float32(AGREE) * around, usable)
    return found


def normalised(logs: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Return probabilities over the last axis of their logarithms, 0 where not usable."""
    powers = np.exp(logs - row_maxima(logs)[..., None])
    return powers / row_sums(powers)[..., None] * usable[..., None]


def _steps(window: int) -> Iterator[tuple[int, int]]:
    """Yield the steps (y, x) from a pixel to all of a window around it, in the image's order."""
    reach = window // 2
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            yield y, x


def shift(step: tuple[int, int], shape: tuple[int, ...]) -> Shift:
    """Return which pixels of images (piece, y, x, ...) have a neighbour at a step, and those."""
    here, there = [slice(None)], [slice(None)]
    for by, size in zip(step, shape[1:3], strict=True):
        here.append(slice(max(0, -by), max(0, size - max(0, by))))
        there.append(slice(max(0, by), max(0, size - max(0, -by))))
    return tuple(here), tuple(there)


class Pooled(NamedTuple):
    """Spectra averaged with those of like neighbours.

    Attributes
    ----------
    values : array (piece, y, x, channel), float32
    variance : array (piece, y, x, channel), float32, or None
    repeats : array (piece, y, x), float32
        As how many measurements of one pixel they are, w^2 / s: w the sum of the weights, s that
        of their squares (or the variance of the sum of correlated noise). 1 where no neighbour is
        like the pixel.
    """

    values: np.ndarray
    variance: np.ndarray | None
    repeats: np.ndarray


def pool(
    values: np.ndarray,
    variance: np.ndarray | None,
    belongs: np.ndarray,
    window: int,
    weight: float,
    correlation: np.ndarray | None = None,
    inside: tuple[slice, slice] = (slice(None), slice(None)),
) -> Pooled:
    """Average pixels with those neighbours that belong to the same group.

    Parameters
    ----------
    values : array (piece, y, x, channel), float32
        Finite.
    variance : array (piece, y, x, channel), or None
        Of their noise.
    belongs : array (piece, y, x, group), float32
        See :func:`belonging`; 0 where a pixel is not to be used.
    window : int
        Odd number of rows and columns.
    weight : float
        Of a neighbour that surely belongs to the same group; the pixel itself has 1.
    correlation : array (odd, odd), optional
        Of the noise of a pixel with that of those around it; by default independent.
    inside : pair of slices
        Rows and columns of the pixels that are averaged, by default all.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.evidence.groups import pool
    >>> row = np.array([1, 3, 9, 9], np.float32).reshape(1, 1, 4, 1)
    >>> groups = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]].reshape(1, 1, 4, 2)
    >>> pool(row, None, groups, 3, 1.0).values.ravel().tolist()
    [2.0, 2.0, 9.0, 9.0]
    """
    around = weights_around(belongs, window, weight, inside)
    return pool_by(values, variance, around, correlation, inside)


def weights_around(
    belongs: np.ndarray,
    window: int,
    weight: float,
    inside: tuple[slice, slice] = (slice(None), slice(None)),
) -> np.ndarray:
    """Return the weights (piece, y, x, place), float32, of the pixels of a window around every one.

    See :func:`pool` for the arguments.
    """
    steps = list(_steps(window))
    weights = np.zeros((*belongs.shape[:3], len(steps)), np.float32)
    for place, step in enumerate(steps):
        if step == (0, 0):
            weights[..., place] = 1
            continue
        here, there = shift(step, belongs.shape)
        alike = (belongs[here] * belongs[there]).sum(axis=-1)
        weights[..., place][here] = np.float32(weight) * alike
    return np.ascontiguousarray(weights[:, inside[0], inside[1]])


def pool_by(
    values: np.ndarray,
    variance: np.ndarray | None,
    around: np.ndarray,
    correlation: np.ndarray | None = None,
    inside: tuple[slice, slice] = (slice(None), slice(None)),
) -> Pooled:
    """Average pixels with their neighbours, by the weights (piece, y, x, place) of these.

    See :func:`pool` for the other arguments.
    """
    window = math.isqrt(around.shape[-1])
    shape = (*around.shape[:3], values.shape[3])
    flat = around.reshape(-1, around.shape[-1])
    matrix = _as_matrix(flat, window, values.shape, inside)
    weights = around.sum(axis=-1)
    squares = np.square(around).sum(axis=-1)
    shared = 1.0 if correlation is None else _shared(around, window, correlation) / squares
    total = (matrix @ values.reshape(-1, values.shape[3])).reshape(shape)
    total /= weights[..., None]
    noise = None
    if variance is not None:
        squared = _as_matrix(np.square(flat), window, values.shape, inside)
        noise = (squared @ variance.reshape(-1, values.shape[3])).reshape(shape)
        noise *= (shared / np.square(weights))[..., None]
    return Pooled(total, noise, np.square(weights) / (squares * shared))


def _shared(around: np.ndarray, window: int, correlation: np.ndarray) -> np.ndarray:
    """Return the variance (piece, y, x) of the sums of weighted noise of variance 1."""
    steps, middle = np.array(list(_steps(window))), len(correlation) // 2
    apart = steps[:, None] - steps
    inside = (np.abs(apart) <= middle).all(axis=-1)
    place = np.where(inside[..., None], apart + middle, 0)
    alike = np.where(inside, correlation[place[..., 0], place[..., 1]], 0).astype(np.float32)
    mixed = np.einsum("...p,pq->...q", around, alike)
    return np.einsum("...q,...q->...", mixed, around)


def _as_matrix(
    weights: np.ndarray, window: int, shape: tuple[int, ...], inside: tuple[slice, slice]
) -> sparse.csr_array:
    """Return weights (pixel inside, place) as a matrix (pixel inside, pixel).

    Every row has all places of the window in their order, so that sums are always added alike;
    those outside the image are the pixel itself, with the weight 0.
    """
    from scipy import sparse

    size = math.prod(shape[:3])
    pixels = np.arange(size).reshape(shape[:3])
    others = np.repeat(pixels[..., None], weights.shape[1], axis=-1)
    for place, step in enumerate(_steps(window)):
        here, there = shift(step, shape)
        others[..., place][here] = pixels[there]
    others = others[:, inside[0], inside[1]]
    ends = np.arange(0, weights.size + 1, weights.shape[1])
    return sparse.csr_array((weights.ravel(), others.ravel(), ends), shape=(len(weights), size))
