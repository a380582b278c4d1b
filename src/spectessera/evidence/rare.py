"""Rare groups: a few pixels that are far from all others, and like each other.

The directions in which many pixels differ are removed from every spectrum. Pixels of which more is
left than noise are compared with each other, by one part of their measurement, and groups of like
ones are judged by the other part.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri
from scipy.stats import poisson
from sklearn.utils.extmath import randomized_svd

from .gain import LEAST_NOISE, equal_bins, typical_noise
from .groups import in_units_of_noise
from .splits import Parts

# Most common directions, and the share of the pixels below which a group is rare: that which a
# direction must be carried by to be common.
DIRECTIONS, RARE = 16, 0.01
# Fewest pixels of a group, and most groups.
FEWEST, GROUPS = 3, 10
# Cosine of the angle between two spectra, without their noise, from which they are alike.
LIKE = 0.7
# Standard errors from which the pixels of a group predict each other.
PREDICTED = 5.0
# How often noise alone may be taken for a pixel far from all others, in a cube.
_BY_CHANCE = 0.01
# Pixels are far if they are so many times as far as the farthest of the common ones.
_TAIL = 2.0
_EIGHTHS, _EDGES = 8, 512 * 8
# No mean variance is smaller.
_FAINTEST = 1e-60
# Expected counts below which their noise is taken to be larger than it is.
_LEAST_COUNTS = 0.1
# Noise of a value below this share of the typical one of its channel is taken to be larger.
_LEAST_LEVEL = np.float32(0.3)
_BINS, _FITS, _ROWS, _BEYOND = 256, 5, 1024, 3.5


class Ordinary(NamedTuple):
    """What the spectra of a cube have in common.

    Attributes
    ----------
    starts : array (feature,), or None
        First channel of every bin, of counts; None for values.
    scale : array (channel,), float32, or None
        Of values; their noise is then that of a level near 1.
    directions : array (direction, feature), float32
        Orthonormal; many pixels differ along them.
    """

    starts: np.ndarray | None
    scale: np.ndarray | None
    directions: np.ndarray

    @property
    def free(self) -> int:
        """Return the number of degrees of freedom that are left of a spectrum."""
        return self.directions.shape[1] - self.directions.shape[0]

    def features(self, values: np.ndarray) -> np.ndarray:
        """Return what is compared (n, feature): roots of binned counts, or scaled values."""
        if self.starts is None:
            assert self.scale is not None
            return in_units_of_noise(values, self.scale)
        return _roots(values, self.starts)

    def residual(self, values: np.ndarray, variance: np.ndarray | None) -> np.ndarray:
        """Return what the common directions leave of spectra, in units of its noise.

        Parameters
        ----------
        values, variance : array (n, channel), float32
            Finite; no variance of counts.

        Returns
        -------
        array (n, feature), float32
        """
        rest = self.features(values)
        rest -= (rest @ self.directions.T) @ self.directions
        if variance is None or self.scale is None:
            return rest
        level = np.sqrt(variance) * self.scale
        # Values without noise are left out: counts of 0 whose errors are the roots of the counts.
        return np.where(level > 0, rest / np.maximum(level, _LEAST_LEVEL), np.float32(0))

    def residuals(self, parts: Parts, variance: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Return what is left of two parts of spectra (n, feature), in units of their noise.

        Of counts, the second part is compared with what the common directions of the first part
        predict of it: roots of fewer counts have another mean.

        Parameters
        ----------
        parts : Parts
        variance : array (n, channel), or None
            Of whole spectra; None: counts.
        """
        share = np.float32(parts.share)
        if self.starts is None or variance is not None:
            assert variance is not None
            made = self.residual(parts.made, variance / share)
            return made, self.residual(parts.judged, variance / (1 - share))
        roots = self.features(parts.made)
        common = (roots @ self.directions.T) @ self.directions
        expected = _counts_of_roots(common) * (1 - share) / share
        binned = np.add.reduceat(parts.judged, self.starts, axis=1)
        return roots - common, (binned - expected) / np.sqrt(np.maximum(expected, _LEAST_COUNTS))


def _roots(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return roots of counts (n, bin), whose noise is about 1 (Anscombe 1948)."""
    binned = np.add.reduceat(values, starts, axis=1)
    return 2 * np.sqrt(np.maximum(binned, 0) + np.float32(0.375))


def _counts_of_roots(roots: np.ndarray) -> np.ndarray:
    """Return expected counts whose roots are expected (Makitalo & Foi 2011, without a bias)."""
    roots = np.maximum(roots, 2 * np.sqrt(0.375))
    a, b, c, d = np.sqrt(1.5) / 4, -11 / 8, 5 * np.sqrt(1.5) / 8, -1 / 8
    return np.maximum(roots**2 / 4 + a / roots + b / roots**2 + c / roots**3 + d, 0)


def fit_ordinary(values: np.ndarray, variance: np.ndarray | None, *, seed: int = 0) -> Ordinary:
    """Find the directions in which many of some spectra differ.

    Principal components; spectra that carry one of them by themselves, because it is shared by
    fewer than one in 80, are left out and the components are found again.

    Parameters
    ----------
    values, variance : array (n, channel), float32
        Finite; counts where ``variance`` is None.
    seed : int
        Of the randomised decomposition.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.random.default_rng(0).normal(size=(500, 40)).astype(np.float32)
    >>> values[:, 3] += np.linspace(0, 50, 500)
    >>> fit_ordinary(values, np.ones_like(values)).directions.shape
    (1, 40)
    """
    starts, scale = None, None
    if variance is None:
        most = int(np.clip(values.sum(axis=1, dtype=np.float64).mean(), 1, _BINS))
        starts = equal_bins(values.sum(axis=0, dtype=np.float64), most)
        features = _roots(values, starts)
    else:
        noise = np.median(variance, axis=0).astype(np.float64)
        noise = np.maximum(noise, LEAST_NOISE * max(typical_noise(noise), _FAINTEST))
        scale = (1 / np.sqrt(noise)).astype(np.float32)
        features = in_units_of_noise(values, scale)
    rows = np.arange(len(features))
    for _ in range(_FITS):
        count = min(DIRECTIONS, len(rows), max(1, features.shape[1] - 1))
        shares, sizes, directions = randomized_svd(
            features[rows], count, n_iter=4, random_state=seed % 2**32
        )
        edge = np.sqrt(len(rows)) + np.sqrt(features.shape[1])  # of the sizes of noise
        common = sizes > 1.05 * edge
        if not common.any():
            break
        few = _sharing(shares[:, common], sizes[common]) < RARE * len(rows)
        if not few.any():
            break
        rows = rows[~few]
    return Ordinary(starts, scale, np.ascontiguousarray(directions[common], np.float32))


def _sharing(shares: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return how many of n spectra share what is the most peculiar to each one, (n,).

    What is compared is the score of all spectra along the direction in which one differs most from
    the others, in units of noise. Where its own score is no more than noise, the number is n.

    Parameters
    ----------
    shares : array (n, direction)
        Left singular vectors.
    sizes : array (direction,)
        Singular values.
    """
    sharing = np.full(len(shares), len(shares))
    for first in range(0, len(shares), _ROWS):
        part = shares[first : first + _ROWS]
        noise = np.sqrt(np.square(part / sizes).sum(axis=1, keepdims=True))
        scores = part @ shares.T / np.maximum(noise, np.finfo(np.float32).tiny)
        own = np.square(part).sum(axis=1, keepdims=True) / noise
        count = (np.abs(scores) > np.maximum(_BEYOND, own / 4)).sum(axis=1)
        sharing[first : first + _ROWS] = np.where(own[:, 0] > 2 * _BEYOND, count, len(shares))
    return sharing


class Distance(NamedTuple):
    """How far spectra are from the ordinary, in standard deviations of noise; arrays (n,)."""

    whole: np.ndarray
    channel: np.ndarray

    def over(self, limit: Distance) -> np.ndarray:
        """Return the distance (n,) in units of a limit; above 1, a spectrum is far."""
        return np.maximum(self.whole / limit.whole, self.channel / limit.channel)


def distance_of(residual: np.ndarray, free: int) -> Distance:
    """Return the distances of residuals (n, feature) with so many degrees of freedom.

    Of the whole spectrum (the cube root of chi-squared is normal: Wilson & Hilferty 1931), and of
    the channel that differs most.
    """
    squares = np.einsum("nc,nc->n", residual, residual)
    spread = 2 / (9 * free)
    whole = (np.cbrt(squares / free) - (1 - spread)) / np.sqrt(spread)
    channel = np.maximum(residual.max(axis=1), -residual.min(axis=1))
    return Distance(whole.astype(np.float32), channel)


def noise_limit(pixels: int, free: int) -> Distance:
    """Return the distances that noise alone exceeds in one of a hundred cubes."""
    tries = np.array([pixels, pixels * free])
    return Distance(*-ndtri(_BY_CHANCE / tries))


def histogram_of(distances: Distance) -> Distance:
    """Return the histograms of distances (n,): counts of eighths from 0 on, two arrays (512 * 8,).

    They can be added up block by block; the distances themselves would grow with the image.
    """
    eighths = (np.clip(each * _EIGHTHS, 0, _EDGES - 1).astype(int) for each in distances)
    return Distance(*(np.bincount(each, minlength=_EDGES) for each in eighths))


def limit_of(histogram: Distance, noise: Distance) -> Distance:
    """Return from which distances on a pixel is far: beyond noise, and beyond common pixels.

    ``histogram``: see :func:`histogram_of`. Where common pixels differ from the directions by more
    than noise, twice the distance that one in 50 has is hardly exceeded by their tail.
    """
    sums = (np.cumsum(each) for each in histogram)
    ends = [np.searchsorted(each, (1 - 2 * RARE) * each[-1]) + 1 for each in sums]
    tails = (_TAIL * end / _EIGHTHS for end in ends)
    return Distance(*(np.maximum(a, b) for a, b in zip(noise, tails, strict=True)))


def like_groups(residual: np.ndarray, free: int) -> list[np.ndarray]:
    """Return groups of like residuals, as positions, the largest first.

    Parameters
    ----------
    residual : array (n, feature)
        In units of the noise.
    free : int
        Degrees of freedom of the noise in it.

    Returns
    -------
    list of array (m,), int64
        At least three residuals each; most are in none.
    """
    wide = residual.astype(np.float64)
    power = np.maximum(np.square(wide).sum(axis=1) - free, np.sqrt(2 * free))  # without noise
    products = wide @ wide.T
    np.fill_diagonal(products, 0)
    like = products > LIKE * np.sqrt(np.outer(power, power))
    groups: list[np.ndarray] = []
    alone = np.ones(len(wide), bool)
    while True:
        counts = (like & alone).sum(axis=1) * alone
        if not len(counts) or counts.max() < FEWEST - 1:
            break
        members = like[counts.argmax()] & alone
        members[counts.argmax()] = True
        alone &= ~members
        members = _refined(members, members | alone, products, power)
        if members.sum() >= FEWEST:
            alone &= ~members
            groups.append(np.flatnonzero(members))
    groups = [each for each in groups if not _by_chance(wide, power, each)]
    return sorted(groups, key=lambda each: (-len(each), each[0]))


def _by_chance(residual: np.ndarray, power: np.ndarray, members: np.ndarray) -> bool:
    """Return whether a group may be single channels (cosmic rays) that are the same by chance."""
    single = np.square(residual).max(axis=1) > 0.5 * power
    if single[members].mean() < 0.5:
        return False
    channels = residual.shape[1]
    return bool(channels * poisson.sf(len(members) - 1, single.sum() / channels) > _BY_CHANCE)


def _refined(
    members: np.ndarray, among: np.ndarray, products: np.ndarray, power: np.ndarray
) -> np.ndarray:
    """Return which of some residuals are like the sum of the members, themselves left out."""
    for _ in range(_FITS):
        along = products[:, members].sum(axis=1)  # (the product with itself is 0)
        inner = products[np.ix_(members, members)].sum() + power[members].sum()
        own = inner - members * (2 * along + power)  # of the sum without the residual itself
        found = among & (along > LIKE * np.sqrt(power * np.maximum(own, power)))
        if (found == members).all() or not found.any():
            break
        members = found
    return found


def predicted(made: np.ndarray, judged: np.ndarray) -> float:
    """Return how significantly the spectra of a group predict each other.

    The mean of the first part of the others is the direction in which the second part of a spectrum
    is expected to differ from the ordinary, as far as its first part does.

    Parameters
    ----------
    made, judged : array (n, feature)
        What the common directions leave of both parts, in units of their noise.

    Returns
    -------
    float
        Standard errors; that of noise is normal with a variance of 1.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(size=(2, 5, 40))
    >>> predicted(*noise) < 5, predicted(*(noise + 3)) > 5
    (True, True)
    """
    others = made.sum(axis=0, dtype=np.float64) - made
    others /= np.maximum(np.linalg.norm(others, axis=1, keepdims=True), np.finfo(float).tiny)
    far = np.maximum((made * others).sum(axis=1), 0)
    along = (judged * others).sum(axis=1)
    return float((far * along).sum() / max(np.linalg.norm(far), np.finfo(float).tiny))
