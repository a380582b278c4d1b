"""Peaks of a spectrum above a curved background, on any axis.

Peaks are detected by a zero-area filter (Mariscotti 1967, Nucl. Instrum. Methods 50, 309); a joint
least-squares fit of Gaussians and of smooth corrections to the background gives their areas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from spectessera._util.check import (
    check_choice,
    check_ndim,
    check_number,
    check_numeric,
    check_same_shape,
)
from spectessera._util.constants import FWHM
from spectessera.axis import Axis

from .background import clipped_background, smooth
from .candidates import Line, Peak

SIGNIFICANT = 5.0  # least area of a peak, in its standard errors
# Relative uncertainty of the background, for any number of counts: with a billion counts every
# ripple of the background is "significant". A peak has at least SIGNIFICANT times this share of the
# sum of the spectrum within its width.
MISFIT = 0.01
SIGNS = ("emission", "absorption", "both")

Width = float | Callable[[np.ndarray], np.ndarray]

_KNOTS = 10.0  # distance of the knots of the background corrections, in full widths
_ROUNDS = 4  # of the fit
_NEAREST = 0.6  # smallest distance of two candidates, in full widths


class _Data(NamedTuple):
    """A checked spectrum in the order of a rising axis, all arrays (channel,).

    ``position`` on the axis; ``width``: expected full width at half maximum in channels; ``step``
    of the axis per channel.
    """

    position: np.ndarray
    spectrum: np.ndarray
    error: np.ndarray
    width: np.ndarray
    step: np.ndarray


def find_peaks(
    spectrum: np.ndarray,
    error: np.ndarray,
    axis: Axis,
    *,
    width: Width,
    sign: str = "emission",
) -> tuple[Peak, ...]:
    """Detect the peaks of a spectrum and measure them.

    A peak has an area of at least :data:`SIGNIFICANT` standard errors. The standard error contains
    the noise, the uncertainty of the fit and a share :data:`MISFIT` of the sum of the spectrum
    within the width of the peak. Two peaks closer than about 0.8 of their width are not resolved.

    Parameters
    ----------
    spectrum : array (channel,)
    error : array (channel,)
        Its standard error, 0 or more. Zeros (no photon counted) are replaced by the smallest
        error above 0.
    axis : Axis
        Rising or falling. Gaps are bridged: no peak should lie in one.
    width : float or function of positions (n,) to (n,)
        Expected full width at half maximum, in the unit of the axis.
    sign : "emission", "absorption" or "both"
        Absorption has negative areas.

    Returns
    -------
    tuple of Peak
        In the order of the axis. Empty if there is no peak, if the spectrum is constant, or if it
        has fewer than 8 channels.

    Raises
    ------
    TypeError, ValueError
        If shapes differ, values are not finite, an error is negative or a width not above 0.
    """
    check_choice("sign", sign, SIGNS)
    data = _prepare(spectrum, error, axis, width)
    if len(data.position) < 8 or not (data.error > 0).any() or np.ptp(data.spectrum) == 0:
        return ()
    peaks: list[Peak] = []
    if sign != "absorption":
        peaks += _peaks(data)
    if sign != "emission":
        inverted = data._replace(spectrum=-data.spectrum)
        peaks += [
            Peak(each.position, each.error, each.width, -each.area, each.significance)
            for each in _peaks(inverted)
        ]
    falling = len(axis) > 1 and axis.values[0] > axis.values[-1]
    return tuple(sorted(peaks, key=lambda each: each.position, reverse=bool(falling)))


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
    """Return the lines whose relative strength differs between two spectra.

    Both spectra are scaled to a total of 1, so brightness alone is no difference; a stronger line
    makes all other lines slightly weaker.

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
        Known lines; each difference gets the name of the nearest one within half a width.

    Returns
    -------
    tuple of (Line, float)
        The most significant first. The number is the significance, negative if the line is
        stronger in the second spectrum; ``peak`` is the peak of the difference of the scaled
        spectra, ``note`` is "stronger in the first" or "stronger in the second". Without a known
        line the name is the position.

    Raises
    ------
    TypeError, ValueError
        As for :func:`find_peaks`, and if a total is not above 0.
    """
    scaled = []
    for name, spectrum, error in (
        ("first", first, first_error),
        ("second", second, second_error),
    ):
        total = _prepare(spectrum, error, axis, width).spectrum.sum()
        if not total > 0:
            raise ValueError(f"the {name} spectrum has a total of {total:g}; it must be above 0")
        scaled.append((np.asarray(spectrum) / total, np.asarray(error) / total))
    (one, one_error), (two, two_error) = scaled
    # The part common to both has the uncertainty of the model, too, as the scale is uncertain.
    common = MISFIT * np.minimum(np.abs(one), np.abs(two))
    noise = np.sqrt(one_error**2 + two_error**2 + common**2)
    peaks = find_peaks(one - two, noise, axis, width=width, sign="both")
    named = [_named(peak, lines) for peak in peaks]
    return tuple(sorted(named, key=lambda each: -abs(each[1])))


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
        If the axis is not an Axis, shapes differ, values are not finite or an error is negative.
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
            raise ValueError(
                f"{name} contains values that are not finite; leave those channels out"
            )
        arrays.append(array.astype(np.float64))
    if (arrays[1] < 0).any():
        raise ValueError("error is a standard error and must not be negative")
    return arrays[0], arrays[1]


def _prepare(spectrum: np.ndarray, error: np.ndarray, axis: Axis, width: Width) -> _Data:
    """Check the arguments and sort the channels along a rising axis."""
    values, noise = check_spectrum(spectrum, error, axis)
    order = np.argsort(axis.values, kind="stable")
    position = axis.values[order]
    if callable(width):
        wide = np.broadcast_to(np.asarray(width(position), dtype=np.float64), position.shape)
    else:
        check_number("width", width, low=0.0, open_low=True)
        wide = np.full(position.shape, float(width))
    if not (np.isfinite(wide) & (wide > 0)).all():
        raise ValueError("width must be finite and above 0 everywhere on the axis")
    step = np.gradient(position) if len(position) > 1 else np.ones(len(position))
    channels = np.maximum(wide / step, 1.0)  # a peak is at least one channel wide
    noise = noise[order]
    if (noise > 0).any():
        noise = np.maximum(noise, noise[noise > 0].min())
    return _Data(position, values[order], noise, channels, step)


def _peaks(data: _Data) -> list[Peak]:
    place = _candidate_channels(data)
    if place.size == 0:
        return []
    under = clipped_background(data.spectrum, data.width)
    slow = _corrections(data, under)
    scale = np.ones(len(place))
    for _ in range(_ROUNDS):
        place, scale, area, sigma, moved = _fit(data, under, slow, place, scale)
        good = (area > SIGNIFICANT * sigma) & (place >= 0) & (place <= len(data.position) - 1)
        place, scale = place[good], scale[good]
        area, sigma, moved = area[good], sigma[good], moved[good]
        if place.size == 0:
            return []
    position = np.interp(place, np.arange(len(data.position)), data.position)
    step = np.interp(place, np.arange(len(data.position)), data.step)
    wide = np.interp(place, np.arange(len(data.position)), data.width) * scale
    columns = (position, moved * step, wide * step, area, area / sigma)
    return [Peak(*(float(value) for value in row)) for row in zip(*columns, strict=True)]


def _candidate_channels(data: _Data) -> np.ndarray:
    """Return channels (p,) at which the negative second derivative has a significant maximum.

    The filter is a difference of two Gaussians, approximately the second derivative: it resolves
    peaks that are blended in a smoothed spectrum, and is 0 for a linear background.
    """
    narrow, broad = 0.55 * data.width, 0.9 * data.width
    filtered = smooth(data.spectrum, narrow) - smooth(data.spectrum, broad)
    # Noise of the filtered value: independent channels, weighted by the difference of Gaussians.
    first, second = narrow / FWHM, broad / FWHM
    power = (1 / first + 1 / second) / (2 * np.sqrt(np.pi))
    power = power - 2 / np.sqrt(2 * np.pi * (first**2 + second**2))
    noise = np.sqrt(np.maximum(power, 1e-12) * smooth(data.error**2, data.width))
    top = np.zeros(len(filtered), dtype=bool)
    top[1:-1] = (filtered[1:-1] > filtered[:-2]) & (filtered[1:-1] >= filtered[2:])
    rank = filtered / noise
    # 3 is a low threshold, as the fit decides; MISFIT excludes ripples of a bright background.
    place = np.flatnonzero(top & (rank > 3) & (filtered > 0.1 * MISFIT * np.abs(data.spectrum)))
    chosen: list[int] = []
    for channel in place[np.argsort(-filtered[place], kind="stable")]:
        if all(abs(channel - other) >= _NEAREST * data.width[channel] for other in chosen):
            chosen.append(int(channel))
    return np.sort(np.array(chosen, dtype=np.float64))


def _corrections(data: _Data, under: np.ndarray) -> np.ndarray:
    """Return corrections (channel, h) to the background, linear between knots.

    They are proportional to the background plus the noise: without background there is nothing
    else to correct.
    """
    depth = np.cumsum(1 / data.width)
    depth = depth - depth[0]
    many = max(2, int(np.ceil(depth[-1] / _KNOTS)) + 1)
    place = depth / depth[-1] * (many - 1)
    hats = np.maximum(1 - np.abs(place[:, None] - np.arange(many)), 0)
    size = np.abs(under) + np.median(data.error)
    return hats * size[:, None]


def _fit(
    data: _Data,
    under: np.ndarray,
    slow: np.ndarray,
    place: np.ndarray,
    scale: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Fit areas, shifts and widths of all peaks together; all (p,), in channels.

    Shifts and changes of width are linear columns (derivatives of a Gaussian). The width is fitted
    for strong isolated peaks only, otherwise the expected width is used.
    """
    channel = np.arange(len(data.position))
    wide = np.interp(place, channel, data.width)
    sigma = wide * scale / FWHM
    distance = (channel[:, None] - place) / sigma  # (channel, p)
    shape = np.exp(-(distance**2) / 2) / (np.sqrt(2 * np.pi) * sigma)
    noise = np.sqrt(smooth(data.error**2, data.width / 2))
    columns = np.concatenate([shape, shape * distance, shape * (distance**2 - 1), slow], axis=1)
    p = len(place)
    near = np.abs(place[:, None] - place) / wide + 1e9 * np.eye(p)
    isolated = near.min(axis=1) > 2.0
    use = np.concatenate([np.ones(2 * p, bool), isolated, np.ones(slow.shape[1], bool)])
    weighted = columns[:, use] / noise[:, None]
    # A small ridge: coefficients of degenerate columns stay near 0 instead of diverging.
    size = np.linalg.norm(weighted, axis=0) + 1e-300
    gram = (weighted / size).T @ (weighted / size) + 1e-6 * np.eye(int(use.sum()))
    inverse = np.linalg.inv(gram) / size[:, None] / size[None, :]
    value, error = np.zeros(len(use)), np.zeros(len(use))
    value[use] = inverse @ (weighted.T @ ((data.spectrum - under) / noise))
    error[use] = np.sqrt(np.maximum(np.diag(inverse), 0))
    area = value[:p]
    # Sum of the spectrum within the width of a peak: the misfit is a share of it.
    total = np.array(
        [
            np.abs(data.spectrum[max(0, int(c - w)) : int(c + w) + 2]).sum()
            for c, w in zip(place, wide / 2, strict=True)
        ]
    )
    total_error = np.hypot(error[:p], MISFIT * total)
    safe = np.where(area > 0, area, np.inf)
    shift = np.clip(sigma * value[p : 2 * p] / safe, -0.3 * wide, 0.3 * wide)
    grown = np.where(
        isolated & (area > 4 * SIGNIFICANT * total_error), value[2 * p : 3 * p] / safe, 0.0
    )
    scale = np.clip(scale * (1 + np.clip(grown, -0.2, 0.2)), 0.5, 3.0)
    return place + shift, scale, area, total_error, sigma * error[p : 2 * p] / safe
