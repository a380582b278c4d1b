"""From measured spectra to network inputs: one function per step, composed by Preprocess.

All functions take and return float32 arrays (n, channel). Each row is processed on its own, so the
input of a spectrum does not depend on the other spectra.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spectessera._util.check import check_choice, check_ndim
from spectessera._util.constants import MAD_TO_SIGMA
from spectessera.axis import Axis
from spectessera.scale import LARGEST

if TYPE_CHECKING:  # scipy is loaded by the steps that need it
    from scipy import sparse

AUTO = "auto"
STABILISE = (None, "log", "sqrt", "anscombe", "asinh", "log-quantile")
NORMALISE = (None, "max", "l2", "total")

# The bits of a quality map. A spectrum with one of the bits UNUSABLE is masked in the result.
QUALITY = {
    "masked": 1,
    "not_finite": 2,
    "empty": 4,
    "saturated": 8,
    "repaired": 16,
    "negative_clipped": 32,
}
UNUSABLE = 1 | 2 | 4 | 8
# A maximum below this share of the largest absolute value is rounding, and not divided by.
_ROUNDING = 1e-6
# A value is below 0 by more than noise if it is so many of its standard deviations below.
DEEP = 6.0
# Channels that are compared to measure the noise, how many pairs of them, and the fewest channels.
APART, MOST_PAIRS, KNOWS_NOISE = (1, 2, 4, 8), 512, 16
# About how many values are transposed together.
_TRANSPOSED = 2**14


# Why a spectrum is not usable, in words.
REASONS = {
    "masked": "masked",
    "not_finite": "not finite (too many values are NaN, infinite or beyond 1e30)",
    "empty": "empty (0 in all channels)",
    "saturated": "saturated",
}


class Screened(NamedTuple):
    """Spectra after screening: finite ``values (n, channel)``, ``quality (n,)`` of uint8 bits."""

    values: np.ndarray
    quality: np.ndarray


class Inputs(NamedTuple):
    """Network inputs.

    Attributes
    ----------
    values : array (n, input channel), float32
    variance : array (n, input channel), float32, or None
        Propagated to first order, without the noise of the normalising factor.
    scale : array (n,), float32
        Divisor of every spectrum.
    clipped : array (n,), bool
        Whether values further below 0 than noise were set to 0 (by the square root and Anscombe
        only), see :func:`deep_negatives`.
    """

    values: np.ndarray
    variance: np.ndarray | None
    scale: np.ndarray
    clipped: np.ndarray


class Undone(NamedTuple):
    """Spectra after :meth:`Preprocess.undo`, and the steps that it could not invert."""

    values: np.ndarray
    not_undone: tuple[str, ...]


# --- screening: the only place that treats bad values ------------------------------------------


def why_unusable(quality: np.ndarray) -> str:
    """Return how many spectra are not usable for each reason, for an error; "" if all are usable.

    Parameters
    ----------
    quality : array of uint8
        The quality bits of all spectra, masked ones included.

    Examples
    --------
    >>> why_unusable(np.array([0, 1, 8, 8], np.uint8))
    ': 1 masked, 2 saturated'
    """
    counts = {name: int(((quality & QUALITY[name]) > 0).sum()) for name in REASONS}
    words = [f"{count} {REASONS[name]}" for name, count in counts.items() if count]
    return f": {', '.join(words)}" if words else ""


def screen(
    values: np.ndarray, *, max_missing: float = 0.2, saturation: float | None = None
) -> Screened:
    """Find unusable spectra, and interpolate missing values of the others.

    - A value that is not finite, or beyond 1e30 (a fill value), is interpolated from its
      neighbours in the spectrum (quality "repaired") if no more than ``max_missing`` of the
      channels are bad; otherwise the spectrum is unusable ("not_finite") and set to 0.
    - A spectrum that is zero in all channels is unusable ("empty").
    - A spectrum that reaches ``saturation`` in any channel is unusable ("saturated").

    Negative values are data. All values that are returned are finite.

    Parameters
    ----------
    values : array (n, channel), float32
    max_missing : float
        Largest share of bad channels that is interpolated.
    saturation : float, optional
        Value at which the detector saturates.

    Returns
    -------
    Screened
        ``values`` is the input array itself if nothing had to be changed.
    """
    check_ndim("spectra", values, 2, "(n, channel)")
    quality = np.zeros(len(values), dtype=np.uint8)
    lowest, highest = _ends(values)  # NaN where a value is
    if not ((lowest >= -LARGEST) & (highest <= LARGEST)).all():
        values = _repaired(values, quality, max_missing)
        lowest, highest = _ends(values)
    usable = quality & UNUSABLE == 0
    quality[usable & (lowest >= 0) & (highest <= 0)] |= QUALITY["empty"]
    if saturation is not None:
        quality[usable & (highest >= saturation)] |= QUALITY["saturated"]
    return Screened(values, quality)


def _ends(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and the largest value (n,) of spectra (n, channel)."""
    return values.min(axis=1, initial=np.inf), values.max(axis=1, initial=-np.inf)


def _repaired(values: np.ndarray, quality: np.ndarray, max_missing: float) -> np.ndarray:
    """Return spectra (n, channel) without bad values, and set the bits of their quality (n,)."""
    values, channels = values.copy(), values.shape[1]
    finite = np.abs(values) <= LARGEST  # False for NaN
    missing = channels - finite.sum(axis=1)
    unusable = (missing > max_missing * channels) | (missing == channels)
    quality[unusable] |= QUALITY["not_finite"]
    for row in np.flatnonzero((missing > 0) & ~unusable):
        good = finite[row]
        values[row, ~good] = np.interp(
            np.flatnonzero(~good), np.flatnonzero(good), values[row, good]
        )
        quality[row] |= QUALITY["repaired"]
    values[unusable] = 0.0
    return values


# --- the steps ---------------------------------------------------------------------------------


def channel_mask(
    axis: Axis,
    keep: tuple[tuple[float, float], ...] = (),
    exclude: tuple[tuple[float, float], ...] = (),
) -> np.ndarray:
    """Return a mask (channel,) of the channels inside ``keep`` (all if empty), without ``exclude``.

    Raises
    ------
    ValueError
        If no channel is left.
    """
    mask = inside_windows(axis.values, keep, exclude)
    if not mask.any():
        first, last = sorted((axis.values[0], axis.values[-1]))
        raise ValueError(
            f"no channel is left by keep={list(keep)} and exclude={list(exclude)}; "
            f"the axis runs from {first:g} to {last:g} {axis.unit}"
        )
    return mask


def inside_windows(
    positions: np.ndarray,
    keep: tuple[tuple[float, float], ...],
    exclude: tuple[tuple[float, float], ...],
) -> np.ndarray:
    """Return which positions (n,) are inside ``keep`` (all if empty), without ``exclude``."""
    mask = np.zeros(len(positions), dtype=bool) if keep else np.ones(len(positions), dtype=bool)
    for low, high in keep:
        mask |= (positions >= low) & (positions <= high)
    for low, high in exclude:
        mask &= ~((positions >= low) & (positions <= high))
    return mask


def rest_frame(axis: Axis, redshift: float) -> Axis:
    """Return the axis in the rest frame of a source at a redshift, such as wavelength / (1 + z).

    Raises
    ------
    ValueError
        If the axis is neither wavelength, frequency, wavenumber nor energy.
    """
    if redshift == 0:
        return axis
    factor = 1 + redshift
    if axis.kind == "wavelength":
        return Axis(axis.values / factor, axis.unit, axis.kind, axis.medium)
    if axis.kind in ("frequency", "wavenumber", "energy"):
        return Axis(axis.values * factor, axis.unit, axis.kind, axis.medium)
    raise ValueError(f"an axis of {axis.kind} has no redshift; set redshift=0")


def median_continuum(values: np.ndarray, axis: Axis, width: int) -> np.ndarray:
    """Return a running median over ``width`` channels, mirrored at the ends of every window."""
    from scipy import ndimage

    continuum = np.empty_like(values)
    for part in axis.segments():
        size = min(width, 2 * (part.stop - part.start) - 1)
        for row, spectrum in zip(continuum, values[:, part], strict=True):
            # Row by row, scipy uses its filter for one dimension, which is twelve times faster.
            row[part] = ndimage.median_filter(spectrum, size=size, mode="mirror")
    return continuum


def smooth_weights(windows: list[slice], width: int) -> sparse.csr_array:
    """Return the weights (channels, channels) of a running mean over ``width`` (odd) channels.

    ``windows`` are the runs of channels without a gap; at the ends of a window, the mean is over
    the channels inside it.
    """
    from scipy import sparse

    rows: list[int] = []
    columns: list[int] = []
    weights: list[float] = []
    half = width // 2
    for part in windows:
        for channel in range(part.start, part.stop):
            low, high = max(part.start, channel - half), min(part.stop, channel + half + 1)
            rows.extend([channel] * (high - low))
            columns.extend(range(low, high))
            weights.extend([1 / (high - low)] * (high - low))
    shape = (windows[-1].stop, windows[-1].stop)
    return sparse.csr_array((weights, (rows, columns)), shape=shape, dtype=np.float32)


def combine(values: np.ndarray, weights: sparse.csr_array) -> np.ndarray:
    """Return ``values @ weights.T``; sparse products sum in a fixed order, row by row."""
    product = np.empty((len(values), weights.shape[0]), dtype=np.float32)
    # Transposed copies of few rows stay in the cache, which is eight times faster.
    rows = int(np.clip(_TRANSPOSED // max(1, values.shape[1]), 16, 64))
    for start in range(0, len(values), rows):
        part = slice(start, start + rows)
        product[part] = (weights @ values[part].T).T
    return product


def log_quantile(values: np.ndarray) -> np.ndarray:
    """Return the tanh of log(x), shifted and scaled so that its quartiles are -1 and +1.

    Values that are not positive are replaced by the smallest positive one of their spectrum. If the
    quartiles coincide (in a sparse spectrum), only the median is subtracted. A factor of the
    spectrum has no influence.
    """
    positive = np.where(values > 0, values, np.inf)
    floor = positive.min(axis=1, keepdims=True)
    floor = np.where(np.isfinite(floor), floor, 1.0)
    logs = np.log(np.maximum(values, floor))
    low, middle, high = np.quantile(logs, (0.25, 0.5, 0.75), axis=1, keepdims=True)
    half = (high - low) / 2
    center = np.where(half > 0, (high + low) / 2, middle)
    return np.tanh((logs - center) / np.where(half > 0, half, 1.0)).astype(np.float32)


def stabilise(values: np.ndarray, how: str | None, softening: float = 1.0) -> np.ndarray:
    """Apply log(1 + x), square root, Anscombe's 2 sqrt(x + 3/8), asinh(x / softening) or none.

    The square root and Anscombe set negative values to 0; log(1 + x) is continued to negative
    values as -log(1 - x).
    """
    check_choice("stabilise", how, STABILISE)
    if how == "log":
        return np.sign(values) * np.log1p(np.abs(values))
    if how == "sqrt":
        return np.sqrt(np.maximum(values, 0))
    if how == "anscombe":
        return 2 * np.sqrt(np.maximum(values, 0) + np.float32(0.375))
    if how == "asinh":
        return np.arcsinh(values / np.float32(softening))
    return log_quantile(values) if how == "log-quantile" else values


def stabilise_slope(values: np.ndarray, how: str | None, softening: float) -> np.ndarray:
    """Return the derivative of :func:`stabilise`, for the propagation of variance."""
    if how == "log":
        return 1 / (1 + np.abs(values))
    if how == "sqrt":
        return 0.5 / np.sqrt(np.maximum(values, 1))
    if how == "anscombe":
        return 1 / np.sqrt(np.maximum(values, 0) + 0.375)
    return 1 / np.hypot(values, softening)


def deep_negatives(values: np.ndarray) -> np.ndarray:
    """Return which spectra (n, channel) have values that are further below 0 than noise is, (n,).

    Around a background that was subtracted, noise is as often negative as positive: to set such
    values to 0 loses nothing that was measured. The noise is the median difference of channels a
    few apart, the largest over some distances, since noise of neighbours may be correlated. Of few
    channels it is not known, and every negative value counts.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(2, 100))
    >>> noise[1, 40:44] -= 20
    >>> deep_negatives(noise).tolist()
    [False, True]
    """
    lowest = values.min(axis=1)
    found = np.asarray(lowest < 0)
    channels = values.shape[1]
    if not found.any() or channels < KNOWS_NOISE:
        return found
    most = DEEP * MAD_TO_SIGMA / np.sqrt(2)
    # In nearly all spectra more than half of some differences are large enough, which is counted in
    # a fraction of the time of a median. (A little larger: the median is compared after rounding.)
    enough = np.abs(lowest) * np.float32(1.001 / most)
    for apart in APART:
        rows = np.flatnonzero(found)
        differences = _differences(values[rows], apart)
        large = (differences >= enough[rows, None]).sum(axis=1)
        found[rows] = 2 * large <= differences.shape[1] + 1
    some, spread = values[found], np.zeros(int(found.sum()))
    if len(some):
        for apart in APART:
            spread = np.maximum(spread, np.median(_differences(some, apart), axis=1))
    found[found] = lowest[found] < -most * spread
    return found


def _differences(values: np.ndarray, apart: int) -> np.ndarray:
    """Return how much channels so far apart differ, (n, pair), in spectra (n, channel)."""
    pairs = values.shape[1] - apart
    step = max(1, pairs // MOST_PAIRS)
    return np.abs(values[:, apart::step] - values[:, :pairs:step])


def scale_of(values: np.ndarray, how: str | None) -> np.ndarray:
    """Return the divisor of each spectrum, (n, channel) -> (n,); 1 instead of 0.

    "max": the largest value, or the largest absolute value if no value is positive apart from
    rounding; "l2": the root of the sum of squares; "total": the sum of absolute values.
    """
    check_choice("normalise", how, NORMALISE)
    if how is None:
        return np.ones(len(values), dtype=np.float32)
    if how == "max":
        scale = values.max(axis=1)
        largest = np.abs(values).max(axis=1)
        scale = np.where(scale > _ROUNDING * largest, scale, largest)
    elif how == "l2":
        scale = np.sqrt(np.square(values, dtype=np.float64).sum(axis=1))
    else:
        scale = np.abs(values).sum(axis=1, dtype=np.float64)
    return np.where(scale > 0, scale, 1.0).astype(np.float32)
