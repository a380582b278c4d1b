"""The smooth background under the bands of a spectrum: asymmetrically reweighted least squares.

Baek, Park, Ahn & Choo 2015, Analyst 140, 250 (arPLS). A penalised smooth curve is fitted again and
again; channels above it lose their weight, so that it runs through the noise between the bands and
not below it. The curve is smooth, so it is fitted to means of neighbouring channels.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import sparse
from scipy.linalg import solveh_banded
from scipy.special import expit

from spectessera.axis import Axis

from .steps import combine

# Knots within the width of the baseline. Structures of that width (as a period) are halved by the
# smoothing alone, without the reweighting.
_KNOTS = 16
# Always as many, so that a spectrum does not depend on those that are fitted with it.
_ROUNDS = 15
# Share of the channels of a window, if no width is given.
SHARE = 0.2
FEWEST_CHANNELS = 8


def arpls_baseline(values: np.ndarray, axis: Axis, width: int | None = None) -> np.ndarray:
    """Return the baselines of spectra.

    Parameters
    ----------
    values : array (n, channel), float32
        Finite.
    axis : Axis
        Each window between its gaps has a baseline of its own.
    width : int, optional
        Channels. Structures that are much narrower are bands, wider ones are the baseline. By
        default :data:`SHARE` of the channels of a window.

    Returns
    -------
    array (n, channel), float32

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.axis import Axis
    >>> channel = np.arange(400.0)
    >>> slope, band = 50 + 0.1 * channel, 30 * np.exp(-(((channel - 200) / 5) ** 2))
    >>> found = arpls_baseline((slope + band)[None].astype(np.float32), Axis(channel))
    >>> bool(np.abs(found[0] - slope).max() < 1)
    True
    """
    baseline = np.empty(values.shape, np.float32)
    for part in axis.segments():
        channels = part.stop - part.start
        if channels < FEWEST_CHANNELS:
            baseline[:, part] = values[:, part].min(axis=1, keepdims=True)
            continue
        wide = max(_KNOTS, round(SHARE * channels)) if width is None else min(width, channels)
        knots = int(np.clip(np.ceil(channels * _KNOTS / wide), 4, channels))
        means, curve = _weights(channels, knots)
        fitted = _fitted(
            combine(values[:, part], means).astype(np.float64), wide * knots / channels
        )
        baseline[:, part] = combine(fitted.astype(np.float32), curve)
    return baseline


@lru_cache(maxsize=16)
def _weights(channels: int, knots: int) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Return means of channels (knots, channels), and cubic interpolation (channels, knots)."""
    edges = np.linspace(0, channels, knots + 1).round().astype(int)
    owner = np.repeat(np.arange(knots), np.diff(edges))
    share = 1 / np.diff(edges)[owner]
    means = sparse.csr_array(
        (share, (owner, np.arange(channels))), shape=(knots, channels), dtype=np.float32
    )
    centers = (edges[1:] + edges[:-1] - 1) / 2
    place = np.interp(np.arange(channels), centers, np.arange(knots))
    # straight on before the first and after the last knot
    first, last = centers[1] - centers[0], centers[-1] - centers[-2]
    before, after = np.arange(channels) < centers[0], np.arange(channels) > centers[-1]
    place[before] = (np.arange(channels)[before] - centers[0]) / first
    place[after] = knots - 1 + (np.arange(channels)[after] - centers[-1]) / last
    low = np.clip(np.floor(place).astype(int), 1, knots - 3)
    nodes = low[:, None] + np.arange(-1, 3)  # (channels, 4)
    t = place - low
    cubic = np.stack(  # of Lagrange, through four knots
        [
            -t * (t - 1) * (t - 2) / 6,
            (t + 1) * (t - 1) * (t - 2) / 2,
            -(t + 1) * t * (t - 2) / 2,
            (t + 1) * t * (t - 1) / 6,
        ],
        axis=1,
    )
    rows = np.repeat(np.arange(channels), 4)
    shape = (channels, knots)
    curve = sparse.csr_array((cubic.ravel(), (rows, nodes.ravel())), shape=shape, dtype=np.float32)
    return means, curve


def _fitted(means: np.ndarray, width: float) -> np.ndarray:
    """Return smooth curves (n, knots) under means of channels (n, knots); ``width`` in knots."""
    rows, knots = means.shape
    penalty = _banded_penalty(knots) * (width / (2 * np.pi)) ** 4
    # All spectra as one banded matrix; nothing couples one with the next.
    banded = np.tile(penalty, rows)
    weight = np.ones_like(means)
    curve = means
    for _ in range(_ROUNDS):
        matrix = banded.copy()
        matrix[2] += weight.ravel()
        curve = solveh_banded(matrix, (weight * means).ravel()).reshape(rows, knots)
        above = means - curve
        below = np.minimum(above, 0)
        count = np.maximum((above < 0).sum(axis=1, keepdims=True), 1)
        center = below.sum(axis=1, keepdims=True) / count
        squares = np.where(above < 0, np.square(above - center), 0).sum(axis=1, keepdims=True)
        spread = np.sqrt(squares / count)
        scale = np.abs(means).max(axis=1, keepdims=True)
        spread = np.maximum(spread, 1e-7 * scale + np.finfo(float).tiny)
        # A little weight everywhere keeps the matrix regular.
        weight = np.maximum(expit(-2 * (above - (2 * spread - center)) / spread), 1e-6)
    return curve


def _banded_penalty(knots: int) -> np.ndarray:
    """Return the matrix of the sum of squared second differences, its upper bands (3, knots)."""
    second = np.diff(np.eye(knots), n=2, axis=0)
    full = second.T @ second
    bands = np.zeros((3, knots))
    for above in range(3):
        bands[2 - above, above:] = np.diag(full, above)
    return bands
