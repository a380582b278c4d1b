"""The smooth background under the peaks of a spectrum, computed by clipping.

SNIP: Ryan et al. 1988, Nucl. Instrum. Methods B 34, 396. Everything here assumes checked input:
finite values (channel,), and full widths at half maximum (channel,) in channels, above 0.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from spectessera._util.constants import FWHM

_CLIP = 1.3  # half-width of the clipping window, in full widths at half maximum
_WIDEST = 512  # channels, largest half-width of the clipping window


def clipped_background(values: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Return the background (channel,) of a spectrum with peaks of a given width.

    Examples
    --------
    >>> import numpy as np
    >>> channel = np.arange(200)
    >>> spectrum = 50.0 + 100 * np.exp(-(((channel - 90) / 4) ** 2))
    >>> bool(abs(clipped_background(spectrum, np.full(200, 9.4))[90] - 50) < 5)
    True
    """
    return _snip(smooth(values, width / 2), width)


def smooth(values: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Return values (channel,) convolved with a Gaussian whose full width varies slowly."""
    low, high = float(width.min()), float(width.max())
    if high / low < 1.05:
        return gaussian_filter1d(values, np.sqrt(low * high) / FWHM, mode="nearest")
    widths = np.geomspace(low, high, 2 + int(np.log(high / low) / 0.3))
    each = np.stack([gaussian_filter1d(values, one / FWHM, mode="nearest") for one in widths])
    place = np.interp(np.log(width), np.log(widths), np.arange(len(widths)))
    below = np.minimum(place.astype(int), len(widths) - 2)
    part = place - below
    column = np.arange(len(values))
    return (1 - part) * each[below, column] + part * each[below + 1, column]


def _snip(values: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Return values without structures narrower than a peak."""
    lowest, span = values.min(), np.ptp(values)
    if span == 0:
        return values.copy()
    # Square root and two logarithms, as if the spectrum spanned a million counts: the result does
    # not depend on its unit, and high peaks need no more steps than low ones.
    scaled = 1e6 * ((values - lowest) / span) + 1e3
    compressed = np.log(np.log(np.sqrt(scaled) + 1) + 1)
    half = np.minimum(np.ceil(_CLIP * width), min(_WIDEST, (len(values) - 1) // 2)).astype(int)
    index = np.arange(len(values))
    for reach in range(int(half.max()), 0, -1):
        left, right = index - reach, index + reach
        inside = (half >= reach) & (left >= 0) & (right < len(values))
        mean = (compressed[left[inside]] + compressed[right[inside]]) / 2
        clipped = compressed.copy()
        clipped[inside] = np.minimum(compressed[inside], mean)
        compressed = clipped
    root = np.exp(np.exp(compressed) - 1) - 1
    return (root**2 - 1e3) / 1e6 * span + lowest
