"""Peaks of a spectrum above a curved background, on any axis.

The background is found by clipping (SNIP: Ryan et al. 1988, Nucl. Instrum. Methods B 34, 396),
peaks by their sharpness (the zero-area filter of Mariscotti 1967, Nucl. Instrum. Methods 50, 309),
their areas by a joint least-squares fit of Gaussians and of slow corrections to the background.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from spectessera._util.check import (
    check_choice,
    check_ndim,
    check_number,
    check_numeric,
    check_same_shape,
)
from spectessera._util.constants import FWHM
from spectessera.axis import Axis

from .candidates import Line, Peak

SIGNIFICANT = 5.0  # a peak has so many times the standard error of its area
# The background is only known to so large a share of itself, however many photons were counted:
# with a billion counts every ripple of it is "significant". A peak of less than SIGNIFICANT times
# this share of all that is under it is none.
MISFIT = 0.01
SIGNS = ("emission", "absorption", "both")

Width = float | Callable[[np.ndarray], np.ndarray]

_CLIP = 1.3  # half-width of the clipping window, in full widths at half maximum
_KNOTS = 10.0  # distance of the knots of the corrections to the background, in the same
_ROUNDS = 4  # of refining positions
_NEAREST = 0.6  # peaks closer than this, in full widths, are one
_WIDEST = 512  # channels, of half a clipping window


class _Prepared(NamedTuple):
    """A checked spectrum whose axis rises.

    ``at``: positions; ``order``: back to the given channels; ``width``: expected full width at
    half maximum in channels; ``step``: of the axis, per channel. All are (channel,).
    """

    at: np.ndarray
    order: np.ndarray
    spectrum: np.ndarray
    error: np.ndarray
    width: np.ndarray
    step: np.ndarray


def background(spectrum: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    """Return the smooth background (channel,) under the peaks of a spectrum.

    Parameters
    ----------
    spectrum : array (channel,)
        Any unit; negative values are allowed.
    width : array (channel,) or float
        Full width at half maximum of a peak, in channels; above 0.

    Raises
    ------
    ValueError
        If the spectrum is no list of finite numbers, or a width is not above 0.
    """
    values = np.asarray(spectrum, dtype=np.float64)
    check_ndim("spectrum", values, 1, "(channel,)")
    if not np.isfinite(values).all():
        raise ValueError("spectrum has values that are not finite; mask them first")
    wide = np.broadcast_to(np.asarray(width, dtype=np.float64), values.shape)
    if not (wide > 0).all():
        raise ValueError("the width of a peak must be above 0 channels")
    if values.size < 3:
        return values.copy()
    return _clipped(_smooth(values, wide / 2), wide)


def find_peaks(
    spectrum: np.ndarray,
    error: np.ndarray,
    axis: Axis,
    *,
    width: Width,
    sign: str = "emission",
) -> tuple[Peak, ...]:
    """Find the peaks of a spectrum and measure them.

    A peak has an area of at least :data:`SIGNIFICANT` standard errors. The standard error is that
    of the counting noise and of the fit, and no less than :data:`MISFIT` of all that is under the
    peak. Peaks nearer than about 0.8 of their width are one.

    Parameters
    ----------
    spectrum : array (channel,)
    error : array (channel,)
        Its standard error, 0 or more. Where it is 0 (no photon counted) the smallest error above 0
        stands in for it.
    axis : Axis
        Rising or falling. Gaps are bridged: no peak should be expected in one.
    width : float or function of positions (n,) to (n,)
        Expected full width at half maximum, in the unit of the axis.
    sign : "emission", "absorption" or "both"
        Absorption has negative areas.

    Returns
    -------
    tuple of Peak
        In the order of the axis. Empty if nothing is found, if the spectrum is flat, or if it has
        fewer than 8 channels.

    Raises
    ------
    TypeError, ValueError
        If shapes disagree, values are not finite, an error is negative or a width not above 0.
    """
    check_choice("sign", sign, SIGNS)
    given = _prepare(spectrum, error, axis, width)
    if len(given.at) < 8 or not (given.error > 0).any() or np.ptp(given.spectrum) == 0:
        return ()
    found: list[Peak] = []
    if sign != "absorption":
        found += _peaks(given)
    if sign != "emission":
        turned = given._replace(spectrum=-given.spectrum)
        found += [
            Peak(each.position, each.error, each.width, -each.area, each.significance)
            for each in _peaks(turned)
        ]
    falling = len(axis) > 1 and axis.values[0] > axis.values[-1]
    return tuple(sorted(found, key=lambda each: each.position, reverse=bool(falling)))


def differing_peaks(
    first: np.ndarray,
    second: np.ndarray,
    first_error: np.ndarray,
    second_error: np.ndarray,
    axis: Axis,
    *,
    width: Width,
    lines: tuple[Line, ...] = (),
) -> tuple[tuple[Line, float], ...]:
    """Tell which lines tell one spectrum from another.

    Both are scaled to a total of 1 before the difference is taken, so that brightness alone is no
    difference: a line that is brighter makes all others a little fainter.

    Parameters
    ----------
    first, second : array (channel,)
        Each with a total above 0.
    first_error, second_error : array (channel,)
        Standard errors.
    axis : Axis
    width : float or function
        As of :func:`find_peaks`.
    lines : tuple of Line
        Known lines, to name the differences by; each difference gets the nearest of them, if that
        is within half a width.

    Returns
    -------
    tuple of (Line, float)
        Most significant first. The number is the significance, negative where the line is
        stronger in the second spectrum; ``peak`` is the peak of the difference of the two scaled
        spectra, ``note`` says it in words, such as "stronger in the second". Without a known line
        the name is the position.

    Raises
    ------
    TypeError, ValueError
        As :func:`find_peaks`, and if a total is not above 0.
    """
    scaled = []
    for name, spectrum, error in (
        ("first", first, first_error),
        ("second", second, second_error),
    ):
        given = _prepare(spectrum, error, axis, width)
        total = given.spectrum.sum()
        if not total > 0:
            raise ValueError(f"the {name} spectrum has a total of {total:g}; it must be above 0")
        scaled.append((np.asarray(spectrum) / total, np.asarray(error) / total))
    (one, one_error), (two, two_error) = scaled
    # What both have is known only to within the misfit, too: the scale alone is uncertain.
    shared = MISFIT * np.minimum(np.abs(one), np.abs(two))
    noise = np.sqrt(one_error**2 + two_error**2 + shared**2)
    found = find_peaks(one - two, noise, axis, width=width, sign="both")
    told = [_named(peak, lines) for peak in found]
    return tuple(sorted(told, key=lambda each: -abs(each[1])))


# --- the workers assume checked input ----------------------------------------------------------


def _named(peak: Peak, lines: tuple[Line, ...]) -> tuple[Line, float]:
    stronger = "stronger in the first" if peak.area > 0 else "stronger in the second"
    signed = float(np.copysign(peak.significance, peak.area))
    near = min(lines, key=lambda line: abs(line.position - peak.position), default=None)
    if near is not None and abs(near.position - peak.position) <= peak.width / 2:
        return Line(near.name, near.position, peak, stronger), signed
    return Line(f"{peak.position:.5g}", peak.position, peak, stronger), signed


def check_spectrum(
    spectrum: np.ndarray, error: np.ndarray, axis: Axis
) -> tuple[np.ndarray, np.ndarray]:
    """Return a spectrum and its standard error, (channel,) float64 each.

    Raises
    ------
    TypeError, ValueError
        If the axis is none, shapes disagree, values are not finite or an error is negative.
    """
    if not isinstance(axis, Axis):
        raise TypeError(f"axis must be an Axis; got {axis!r}")
    arrays = []
    for name, given in (("spectrum", spectrum), ("error", error)):
        array = np.asarray(given)
        check_numeric(name, array)
        check_ndim(name, array, 1, "(channel,)")
        check_same_shape(name, array.shape, (len(axis),), "the axis")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} has values that are not finite; leave those channels out")
        arrays.append(array.astype(np.float64))
    if (arrays[1] < 0).any():
        raise ValueError("error is a standard error and cannot be negative")
    return arrays[0], arrays[1]


def _prepare(spectrum: np.ndarray, error: np.ndarray, axis: Axis, width: Width) -> _Prepared:
    """Check what is given and turn it so that the axis rises."""
    values, noise = check_spectrum(spectrum, error, axis)
    order = np.argsort(axis.values, kind="stable")
    at = axis.values[order]
    if callable(width):
        wide = np.broadcast_to(np.asarray(width(at), dtype=np.float64), at.shape)
    else:
        check_number("width", width, low=0.0, open_low=True)
        wide = np.full(at.shape, float(width))
    if not (np.isfinite(wide) & (wide > 0)).all():
        raise ValueError("width must be finite and above 0 everywhere on the axis")
    step = np.gradient(at) if len(at) > 1 else np.ones(len(at))
    channels = np.maximum(wide / step, 1.0)  # nothing is sharper than a channel
    noise = noise[order]
    if (noise > 0).any():
        noise = np.maximum(noise, noise[noise > 0].min())
    return _Prepared(at, order, values[order], noise, channels, step)


def _smooth(values: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Return values folded with a Gaussian whose full width, in channels, changes slowly."""
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


def _clipped(values: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Return values without what is sharper than a peak: SNIP, on a compressed scale."""
    lowest, span = values.min(), np.ptp(values)
    if span == 0:
        return values.copy()
    # Twice a logarithm and a root, as if the spectrum spanned a million counts: its unit is no
    # matter, and high peaks are clipped in as few steps as low ones.
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


def _peaks(given: _Prepared) -> list[Peak]:
    place = _sharp(given)
    if place.size == 0:
        return []
    under = _clipped(_smooth(given.spectrum, given.width / 2), given.width)
    slow = _hats(given, under)
    scale = np.ones(len(place))
    for _ in range(_ROUNDS):
        place, scale, area, sigma, moved = _fit(given, under, slow, place, scale)
        good = (area > SIGNIFICANT * sigma) & (place >= 0) & (place <= len(given.at) - 1)
        place, scale = place[good], scale[good]
        area, sigma, moved = area[good], sigma[good], moved[good]
        if place.size == 0:
            return []
    position = np.interp(place, np.arange(len(given.at)), given.at)
    step = np.interp(place, np.arange(len(given.at)), given.step)
    wide = np.interp(place, np.arange(len(given.at)), given.width) * scale
    columns = (position, moved * step, wide * step, area, area / sigma)
    return [Peak(*(float(value) for value in row)) for row in zip(*columns, strict=True)]


def _sharp(given: _Prepared) -> np.ndarray:
    """Return channels (p,) where the spectrum is sharply convex upwards, beyond noise.

    The filter is the difference of two Gaussians, nearly the second derivative: it parts peaks
    that a smoothed spectrum shows as one, and a background that is a straight line gives 0.
    """
    narrow, broad = 0.55 * given.width, 0.9 * given.width
    filtered = _smooth(given.spectrum, narrow) - _smooth(given.spectrum, broad)
    # Noise of the filtered value: that of independent channels, weights told by both Gaussians.
    first, second = narrow / FWHM, broad / FWHM
    power = (1 / first + 1 / second) / (2 * np.sqrt(np.pi))
    power = power - 2 / np.sqrt(2 * np.pi * (first**2 + second**2))
    noise = np.sqrt(np.maximum(power, 1e-12) * _smooth(given.error**2, given.width))
    top = np.zeros(len(filtered), dtype=bool)
    top[1:-1] = (filtered[1:-1] > filtered[:-2]) & (filtered[1:-1] >= filtered[2:])
    rank = filtered / noise
    # 3: loose here, the fit decides; MISFIT: ripples of a bright background are left out.
    place = np.flatnonzero(top & (rank > 3) & (filtered > 0.1 * MISFIT * np.abs(given.spectrum)))
    kept: list[int] = []
    for channel in place[np.argsort(-filtered[place], kind="stable")]:
        if all(abs(channel - other) >= _NEAREST * given.width[channel] for other in kept):
            kept.append(int(channel))
    return np.sort(np.array(kept, dtype=np.float64))


def _hats(given: _Prepared, under: np.ndarray) -> np.ndarray:
    """Return slow corrections (channel, h) to the background: a share of it, linear between knots.

    Only a share: where there is no background there is nothing to be corrected but the noise.
    """
    depth = np.cumsum(1 / given.width)
    depth = depth - depth[0]
    many = max(2, int(np.ceil(depth[-1] / _KNOTS)) + 1)
    place = depth / depth[-1] * (many - 1)
    hats = np.maximum(1 - np.abs(place[:, None] - np.arange(many)), 0)
    size = np.abs(under) + np.median(given.error)
    return hats * size[:, None]


def _fit(
    given: _Prepared,
    under: np.ndarray,
    slow: np.ndarray,
    place: np.ndarray,
    scale: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Fit areas, shifts and widths of peaks at once; all of them (p,), in channels.

    The shift and the change of a width are linear columns (the derivatives of a Gaussian). A width
    is only fitted for a strong peak without near neighbours: else it is that of its neighbours.
    """
    channel = np.arange(len(given.at))
    wide = np.interp(place, channel, given.width)
    sigma = wide * scale / FWHM
    distance = (channel[:, None] - place) / sigma  # (channel, p)
    shape = np.exp(-(distance**2) / 2) / (np.sqrt(2 * np.pi) * sigma)
    noise = np.sqrt(_smooth(given.error**2, given.width / 2))
    columns = np.concatenate([shape, shape * distance, shape * (distance**2 - 1), slow], axis=1)
    p = len(place)
    near = np.abs(place[:, None] - place) / wide + 1e9 * np.eye(p)
    alone = near.min(axis=1) > 2.0
    use = np.concatenate([np.ones(2 * p, bool), alone, np.ones(slow.shape[1], bool)])
    weighted = columns[:, use] / noise[:, None]
    # A faint ridge: columns that the data do not tell apart get 0, not infinity.
    size = np.linalg.norm(weighted, axis=0) + 1e-300
    gram = (weighted / size).T @ (weighted / size) + 1e-6 * np.eye(int(use.sum()))
    inverse = np.linalg.inv(gram) / size[:, None] / size[None, :]
    value, error = np.zeros(len(use)), np.zeros(len(use))
    value[use] = inverse @ (weighted.T @ ((given.spectrum - under) / noise))
    error[use] = np.sqrt(np.maximum(np.diag(inverse), 0))
    area = value[:p]
    # All that is under a peak, within its width: the misfit is a share of that.
    total = np.array(
        [
            np.abs(given.spectrum[max(0, int(c - w)) : int(c + w) + 2]).sum()
            for c, w in zip(place, wide / 2, strict=True)
        ]
    )
    whole = np.hypot(error[:p], MISFIT * total)
    safe = np.where(area > 0, area, np.inf)
    shift = np.clip(sigma * value[p : 2 * p] / safe, -0.3 * wide, 0.3 * wide)
    grown = np.where(alone & (area > 4 * SIGNIFICANT * whole), value[2 * p : 3 * p] / safe, 0.0)
    scale = np.clip(scale * (1 + np.clip(grown, -0.2, 0.2)), 0.5, 3.0)
    return place + shift, scale, area, whole, sigma * error[p : 2 * p] / safe
