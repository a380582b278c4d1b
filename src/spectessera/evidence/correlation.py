"""Noise that is correlated between channels or pixels: measured on neighbours, and drawn.

Interpolated, drizzled and oversampled spectra come with the variance of every value, but neighbours
share a part of their noise. It is measured on differences of neighbouring pixels, in channels where
these have no more variance than noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spectessera._util.constants import MAD_TO_SIGMA

from .groups import shift

if TYPE_CHECKING:
    from scipy import sparse

# Largest distances, in channels and in pixels, at which correlations are looked for.
CHANNELS, PIXELS = 16, 5
# Correlations below this are neglected, and those of less than so many standard errors.
SMALL, _CHANCE = 0.03, 5.0
# Differences of more than this variance, that of the noise being 1, are no noise.
_NOISE = 1.3
# Channels are quiet whose differences are at most this times those of the quietest quarter.
_QUIET = 1.1
# Differences are cut at so many standard deviations; before these are known, at so many.
_CUT, _FARTHEST = 3.0, np.float32(1e9)
# Share of its power that a filter must have.
_ENOUGH = 0.99
# With fewer pairs of pixels noise is taken to be independent.
_LEAST = 200
# Pairs of pixels, and channels, that are compared; numbers drawn at once.
_PAIRS, _CHANNELS, _DRAWN = 4096, 64, 2**22


class Correlation(NamedTuple):
    """Correlation of noise, as filters that make it of independent noise.

    Attributes
    ----------
    channels : array (odd,), float64
    pixels : array (odd, odd), float64
        The squares of either add up to 1; a single 1 is independent noise.
    """

    channels: np.ndarray = np.ones(1)
    pixels: np.ndarray = np.ones((1, 1))

    @property
    def between_pixels(self) -> np.ndarray | None:
        """Correlation (odd, odd) of the noise of a pixel with that of those around it, if any."""
        if self.pixels.size == 1:
            return None
        from scipy.signal import correlate

        return correlate(self.pixels, self.pixels, method="direct")

    def smoothed(self, white: np.ndarray) -> np.ndarray:
        """Return noise (n, channel) of independent noise (n, channel + length of filter - 1)."""
        channels = white.shape[1] - len(self.channels) + 1
        found = np.float32(self.channels[0]) * white[:, :channels]
        for first, weight in enumerate(self.channels[1:], start=1):
            found += np.float32(weight) * white[:, first : first + channels]
        return found

    def draw(
        self,
        generator: np.random.Generator,
        shape: tuple[int, int],
        places: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw noise (n, channel), float32, of variance 1.

        With places (n, 2), integers, it is also correlated between pixels.
        """
        wide = shape[1] + len(self.channels) - 1
        if places is None or self.pixels.size == 1:
            white = generator.standard_normal((shape[0], wide), dtype=np.float32)
            return white if len(self.channels) == 1 else self.smoothed(white)
        mixed, white = self._mixed(places), np.empty((shape[0], wide), np.float32)
        step = _DRAWN // mixed.shape[1] + 1
        for first in range(0, wide, step):
            drawn = (mixed.shape[1], min(step, wide - first))
            white[:, first : first + step] = mixed @ generator.standard_normal(drawn, np.float32)
        return self.smoothed(white)

    def alike(self, places: np.ndarray) -> float:
        """Return how many pixels at places (n, 2) count as one where their noise is compared.

        The variance of a sum over all of them is so many times that of independent ones: products
        of two independent noises have the square of the correlation of either.
        """
        if self.pixels.size == 1:
            return 1.0
        mixed = self._mixed(places).astype(np.float64)
        return float((mixed @ mixed.T).power(2).sum() / len(places))

    def _mixed(self, places: np.ndarray) -> sparse.csr_array:
        """Return the matrix (n, pixel around them) that makes noise of independent noise."""
        from scipy import sparse

        reach = self.pixels.shape[0] // 2
        steps = np.moveaxis(np.indices(self.pixels.shape), 0, -1).reshape(-1, 2) - reach
        around = places[:, None] + steps
        low = around.min(axis=(0, 1))
        width = int(around[..., 1].max() - low[1]) + 1
        flat = (around[..., 0] - low[0]) * width + around[..., 1] - low[1]
        seen, columns = np.unique(flat, return_inverse=True)
        weights = np.tile(self.pixels.astype(np.float32).ravel(), len(places))
        ends = np.arange(0, flat.size + 1, len(steps))
        return sparse.csr_array((weights, columns.ravel(), ends), shape=(len(places), len(seen)))


INDEPENDENT = Correlation()


def measured_correlation(
    values: np.ndarray, variance: np.ndarray, usable: np.ndarray
) -> Correlation:
    """Return the correlation of the noise of some images, of which the variance is known.

    Where neighbours differ by more than noise in every channel it cannot be measured, and the noise
    is taken to be independent. Pixels with the same spectrum are one measurement, and not compared.

    Parameters
    ----------
    values : array (piece, y, x, channel)
        Finite.
    variance : array (piece, y, x, channel)
        Finite, from 0.
    usable : array (piece, y, x), bool

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.evidence.correlation import measured_correlation
    >>> noise = np.random.default_rng(0).standard_normal((1, 30, 30, 61))
    >>> smooth = (noise[..., :-1] + noise[..., 1:]) / np.sqrt(2)
    >>> found = measured_correlation(smooth, np.ones(smooth.shape), np.ones((1, 30, 30), bool))
    >>> drawn = found.draw(np.random.default_rng(1), (9000, 60))
    >>> bool(abs((drawn[:, 1:] * drawn[:, :-1]).mean() - 0.5) < 0.05)
    True
    """
    images = values, variance, usable
    apart = np.concatenate([_differences(*images, step) for step in ((0, 1), (1, 0))])
    if len(apart) < _LEAST or not apart.any():
        return INDEPENDENT
    spread = MAD_TO_SIGMA * np.median(np.abs(apart), axis=0)
    known = spread > 0
    if not known.any():  # most neighbours are equal: nothing is known of their noise
        return INDEPENDENT
    quiet = known & (spread <= _QUIET * np.quantile(spread[known], 0.25))
    if np.square(np.median(spread[quiet])) > _NOISE:
        return INDEPENDENT
    some = np.flatnonzero(quiet)[:: -(-quiet.sum() // _CHANNELS)]
    pixels = _between_pixels(values[..., some], variance[..., some], usable)
    found = Correlation(_filter(_between_channels(apart, spread, quiet)), _filter(pixels))
    return found if found.channels.size > 1 or found.pixels.size > 1 else INDEPENDENT


def _differences(
    values: np.ndarray, variance: np.ndarray, usable: np.ndarray, step: tuple[int, int]
) -> np.ndarray:
    """Return differences (pair, channel), float32, of pixels at a step (y, x), of unit variance."""
    (y, x), (here, there) = step, shift(step, usable.shape)
    pairs = np.argwhere(usable[here] & usable[there])
    pairs = pairs[:: -(-len(pairs) // _PAIRS) or 1]
    one, other = (tuple((pairs + np.array([0, max(0, s * y), max(0, s * x)])).T) for s in (-1, 1))
    apart = values[one].astype(np.float32) - values[other]
    both = variance[one].astype(np.float32) + variance[other]
    with np.errstate(over="ignore"):
        apart = np.divide(apart, np.sqrt(both), out=np.zeros_like(apart), where=both > 0)
    apart = np.clip(apart, -_FARTHEST, _FARTHEST)
    return apart[apart.any(axis=1)]


def _between_channels(apart: np.ndarray, spread: np.ndarray, quiet: np.ndarray) -> np.ndarray:
    """Return the correlation (odd,) between channels in differences (pair, channel)."""
    unit = np.divide(apart, spread, out=np.zeros_like(apart), where=quiet)
    unit = np.clip(unit, -_CUT, _CUT)
    power = float(np.square(unit).sum(dtype=np.float64)) / max(1, int(quiet.sum()))
    most = min(CHANNELS, len(quiet) // 4)
    lags = np.zeros(2 * most)
    for lag in range(1, len(lags) + 1):
        pairs = int((quiet[lag:] & quiet[:-lag]).sum())
        products = (unit[:, lag:] * unit[:, :-lag]).sum(dtype=np.float64)
        lags[lag - 1] = products / (max(1, pairs) * power)
    # What is alike far from each other in a spectrum is a difference of brightness, not noise.
    far: float = np.clip(np.median(lags[most:]), 0, 0.99) if most else 0.0
    lags = (lags[:most] - far) / (1 - far)
    small = np.flatnonzero(np.abs(lags) < _smallest(len(unit) * int(quiet.sum())))
    lags = lags[: small[0]] if len(small) else lags
    return np.concatenate([lags[::-1], [1.0], lags])


def _between_pixels(values: np.ndarray, variance: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Return the correlation (odd, odd) between pixels in a few quiet channels."""
    reach = min(PIXELS, min(usable.shape[1:]) // 4)
    if reach == 0:
        return np.ones((1, 1))

    def unlike(y: int, x: int) -> float:
        apart = _differences(values, variance, usable, (y, x))
        return float(np.square(np.clip(apart, -_CUT, _CUT)).mean()) if len(apart) else np.nan

    # If the given variance is too large, that of pixels far from each other is less than 1.
    beyond = [unlike(0, 2 * reach), unlike(2 * reach, 0)]
    far = float(np.nanmin([1.0, *beyond]))
    small = _smallest(int(usable.sum()) * values.shape[3])
    found = np.ones((2 * reach + 1, 2 * reach + 1))
    for y in range(reach + 1):
        for x in range(-reach, reach + 1):
            if (y, x) > (0, 0):
                alike = max(0.0, 1 - np.nan_to_num(unlike(y, x), nan=1.0) / far)
                found[reach + y, reach + x] = found[reach - y, reach - x] = alike
    for ring in range(1, reach + 1):  # as far as noise is correlated
        wide, inner = (slice(reach - side, reach + side + 1) for side in (ring, ring - 1))
        if (found[wide, wide] < small).sum() == found[wide, wide].size - found[inner, inner].size:
            return found[inner, inner]
    return found


def _smallest(products: int) -> float:
    """Return the smallest correlation that is no chance in a mean of so many products."""
    return max(SMALL, _CHANCE / np.sqrt(max(1, products)))


def _filter(correlation: np.ndarray) -> np.ndarray:
    """Return the filter (odd, ...) that makes noise of a correlation (odd, ...) of white noise."""
    if correlation.size == 1:
        return np.ones(correlation.shape)
    half = len(correlation) // 2
    size, reach = 16 * half, half - 1
    whole = np.zeros((size,) * correlation.ndim)
    whole[tuple(slice(each) for each in correlation.shape)] = correlation
    power = np.fft.fftn(np.roll(whole, (-half,) * whole.ndim, range(whole.ndim))).real
    root = np.fft.fftshift(np.fft.ifftn(np.sqrt(np.maximum(power, 0))).real)
    taps, power = root[:0], np.square(root).sum()
    while np.square(taps).sum() < _ENOUGH * power:  # the smallest that has nearly all
        reach += 1
        middle = slice(size // 2 - reach, size // 2 + reach + 1)
        taps = root[(middle,) * whole.ndim]
    return taps / np.sqrt(np.square(taps).sum())
