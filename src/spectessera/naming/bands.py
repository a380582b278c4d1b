"""Bands of any width in a spectrum: maxima of Raman spectra, minima of reflectances.

A zero-area filter (a difference of two Gaussians) of several widths is compared with its noise. The
threshold is the chance level of all channels and widths together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.stats import norm

from spectessera._util.check import check_choice
from spectessera._util.constants import FWHM
from spectessera.axis import Axis
from spectessera.preprocess.baseline import arpls_baseline

from .candidates import Band

# Probability that a spectrum of noise alone has any band.
FALSE_ALARM = 0.01
# Least height of a band, as a share of the spectrum there: smaller ones may be ripples of the
# instrument, however small the noise is.
SMALLEST = 0.003
# The same, as a share of the highest band.
RIPPLE = 0.02
KINDS = ("band", "absorption")
FEWEST_CHANNELS = 30
# Full widths at half maximum, in channels, and the largest as a share of the channels.
_NARROWEST, _STEP, _WIDEST = 3.0, 1.4, 0.08
_INNER, _OUTER = 0.55, 0.9  # of the two Gaussians, in full widths of the band
_LOCAL = 201  # channels, in which the noise is that of the scatter between neighbours
_MARGIN = 15.0  # of the chance level, as the noise is known from few channels only
_NORMAL = 1.4826
# Share of the channels that have no bands at least, and what it is of normal noise.
_QUIET, _QUIET_SCORE = 0.3, 0.3853
_MOST_SHARED = 4.0  # largest factor by which channels that share their noise change a known error
_ROUNDS = 8  # of the fit of a band
_END = 0.6  # least distance from an end, in full widths: half of a band is not one
_LOBE, _LOBE_SCORE = 2.2, 0.8  # how far the filter has lobes, in full widths, and how strong
_APART, _SAME = 0.7, 0.6  # least distance from a narrower, a wider band, in full widths


class _Place(NamedTuple):
    """Where a filter finds a band: channel, full width in channels, standard errors, and sign."""

    channel: int
    width: float
    score: float
    sign: int = 1


def find_bands(
    spectrum: np.ndarray, error: np.ndarray, axis: Axis, *, kind: str = "band"
) -> tuple[Band, ...]:
    """Return the bands of a spectrum, those that noise alone would show once in a hundred spectra.

    Bands of a full width from 3 channels to 8 % of all are searched above a smooth background
    (:func:`spectessera.preprocess.baseline.arpls_baseline`). The noise is the error that is given,
    or the scatter between neighbouring channels if that is less: an error that pixels of different
    brightness make is common to all channels, and hides no band.

    Parameters
    ----------
    spectrum : array (channel,)
        Finite.
    error : array (channel,)
        Standard error; NaN where it is not known.
    axis : Axis
    kind : "band" or "absorption"

    Returns
    -------
    tuple of Band
        In the order of the axis; none of fewer than 30 channels.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.axis import Axis
    >>> axis = Axis(np.linspace(200, 1800, 400), "cm-1")
    >>> noise = np.random.default_rng(0).normal(0, 1, 400)
    >>> line = 30 * np.exp(-(((axis.values - 1000) / 15) ** 2))
    >>> bands = find_bands(100 + line + noise, np.ones(400), axis)
    >>> len(bands), round(bands[0].position)
    (1, 1000)
    """
    check_choice("kind", kind, KINDS)
    if len(axis) < FEWEST_CHANNELS or np.ptp(spectrum) == 0:
        return ()
    sign = 1.0 if kind == "band" else -1.0
    found: list[Band] = []
    for part in axis.segments():
        if part.stop - part.start >= FEWEST_CHANNELS:
            values = sign * np.asarray(spectrum[part], np.float64)
            given = np.asarray(error[part], np.float64)
            known = np.where(np.isfinite(given) & (given > 0), given, np.inf)
            noise = _noise(values, known)
            if (noise > 0).all():
                found += _bands(values, noise, known, axis.values[part], kind, len(axis))
    rising = len(axis) < 2 or axis.values[0] < axis.values[-1]
    return tuple(sorted(found, key=lambda each: each.position, reverse=not rising))


def _noise(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the noise (channel,): the error, or the scatter between channels if that is less."""
    second = np.abs(np.diff(values, n=2)) / np.sqrt(6)
    second = np.pad(second, 1, mode="edge")
    size = min(_LOCAL, len(second) // 2 * 2 - 1)
    scatter = 1.1 * _NORMAL * ndimage.median_filter(second, size=size, mode="mirror")
    floor = 1e-6 * np.abs(values).max()  # rounding
    return np.maximum(np.minimum(known, np.maximum(scatter, floor)), floor)


def _bands(
    values: np.ndarray,
    noise: np.ndarray,
    known: np.ndarray,
    position: np.ndarray,
    kind: str,
    channels: int,
) -> list[Band]:
    """Return the bands of a run of channels without a gap; maxima of ``values``."""
    counted = Axis(np.arange(len(values)))
    base = arpls_baseline(values[None].astype(np.float32), counted)[0].astype(np.float64)
    above, found = values - base, []
    for place in _places(above, noise, known, np.abs(values), channels):
        fitted = _fitted(above, noise, place)
        if fitted is None:
            continue
        center, error, width, height = fitted
        index = np.arange(len(position))
        step = float(abs(np.interp(center, index, np.gradient(position))))
        found.append(
            Band(
                kind,
                float(np.interp(center, index, position)),
                error * step,
                width * step,
                height if kind == "band" else -height,
                place.score,
            )
        )
    return found


def _places(
    above: np.ndarray, noise: np.ndarray, known: np.ndarray, level: np.ndarray, channels: int
) -> list[_Place]:
    """Return where bands are, each once, at the width that shows it best.

    ``known (channel,)``: the error that is given, infinite where it is not known.
    """
    widest = max(_NARROWEST, _WIDEST * len(above))
    count = 1 + int(np.log(widest / _NARROWEST) / np.log(_STEP))
    widths = _NARROWEST * _STEP ** np.arange(count)
    limit = float(norm.isf(FALSE_ALARM / (_MARGIN * channels * count)))
    least = np.maximum(SMALLEST * level, RIPPLE * np.abs(above).max())
    candidates: list[_Place] = []
    for width in widths.tolist():
        kernel = _kernel(width)
        response = _filtered(above, kernel)
        scores = [
            _deflated(response / np.sqrt(_filtered(one**2, kernel**2)), most)
            for one, most in ((noise, np.inf), (known, _MOST_SHARED))
        ]
        score = np.where(np.abs(scores[1]) > np.abs(scores[0]), scores[1], scores[0])
        height = response / (kernel @ np.exp(-0.5 * (_offsets(kernel) * FWHM / width) ** 2))
        end = int(np.ceil(_END * width))
        for sign in (1, -1):
            top = _tops(sign * response)
            top &= (sign * score > limit) & (sign * height > least)
            top[:end] = top[len(top) - end :] = False
            candidates += [
                _Place(int(c), width, float(sign * score[c]), sign) for c in np.flatnonzero(top)
            ]
    chosen: list[_Place] = []
    for one in sorted(candidates, key=lambda each: (-each.score, each.channel, -each.sign)):
        if all(not (_the_same(one, other) or _is_lobe(one, other)) for other in chosen):
            chosen.append(one)
    return [each for each in chosen if each.sign > 0]


def _deflated(score: np.ndarray, most: float) -> np.ndarray:
    """Return scores (channel,) by their own scatter, if it is larger, up to a factor.

    Noise that neighbouring channels share is more than theirs alone at large widths.
    """
    scatter = float(np.quantile(np.abs(score), _QUIET)) / _QUIET_SCORE
    return score / float(np.clip(scatter, 1.0, most))


def _tops(values: np.ndarray) -> np.ndarray:
    """Return where values (channel,) have a maximum, bool."""
    top = np.zeros(len(values), bool)
    top[1:-1] = (values[1:-1] > values[:-2]) & (values[1:-1] >= values[2:])
    return top


def _is_lobe(one: _Place, other: _Place) -> bool:
    """Whether a candidate is what the filter makes beside a stronger one of the other sign."""
    near = abs(one.channel - other.channel) < _LOBE * max(one.width, other.width)
    near = near and one.width >= other.width / 2  # lobes are as wide as what makes them
    return one.sign != other.sign and near and one.score < _LOBE_SCORE * other.score


def _the_same(one: _Place, other: _Place) -> bool:
    """Whether a candidate is another view of a band that shows better at another width."""
    apart = abs(one.channel - other.channel)
    return one.sign == other.sign and apart < (
        _APART * one.width if one.width >= other.width else _SAME * one.width
    )


def _offsets(kernel: np.ndarray) -> np.ndarray:
    return np.arange(len(kernel)) - len(kernel) // 2


def _kernel(width: float) -> np.ndarray:
    """Return a difference of two Gaussians of sum 0 for bands of a full width in channels."""
    offset = np.arange(-int(np.ceil(2 * width)), int(np.ceil(2 * width)) + 1)
    inner, outer = (
        np.exp(-0.5 * (offset * FWHM / (share * width)) ** 2) for share in (_INNER, _OUTER)
    )
    return inner / inner.sum() - outer / outer.sum()


def _filtered(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return values (channel,) under a symmetric filter; a straight line goes on at the ends."""
    half = len(kernel) // 2
    odd = (kernel < 0).any()
    padded = np.pad(values, half, mode="reflect", reflect_type="odd" if odd else "even")
    return np.convolve(padded, kernel, mode="valid")


def _fitted(
    above: np.ndarray, noise: np.ndarray, place: _Place
) -> tuple[float, float, float, float] | None:
    """Return centre, its error, full width and height of a band, in channels; None if it fails.

    A Gaussian on a straight line, around the place that the filter has found.
    """
    reach = max(3, round(1.2 * place.width))
    low, high = max(0, place.channel - reach), min(len(above), place.channel + reach + 1)
    channel, data, sigma = np.arange(low, high), above[low:high], noise[low:high]
    center, wide = float(place.channel), place.width / FWHM
    solution, covariance = np.zeros(5), np.eye(5)
    for _ in range(_ROUNDS):
        t = (channel - center) / wide
        shape = np.exp(-0.5 * t**2)
        line = (channel - place.channel) / reach
        columns = np.stack([shape, shape * t, shape * (t**2), np.ones_like(t), line], axis=1)
        weighted = columns / sigma[:, None]
        gram = weighted.T @ weighted
        covariance = np.linalg.inv(gram + 1e-9 * np.trace(gram) * np.eye(5))
        solution = covariance @ (weighted.T @ (data / sigma))
        if solution[0] <= 0:
            return None
        center += float(np.clip(wide * solution[1] / solution[0], -wide / 2, wide / 2))
        center = float(np.clip(center, place.channel - place.width, place.channel + place.width))
        wide *= float(np.clip(1 + solution[2] / solution[0], 0.8, 1.25))
        wide = float(np.clip(wide, 0.4 * place.width / FWHM, 2.5 * place.width / FWHM))
    misfit = np.sqrt(np.mean(((data - columns @ solution) / sigma) ** 2))
    error = wide * np.sqrt(covariance[1, 1]) / solution[0] * max(1.0, float(misfit))
    if not low <= center < high:
        return None
    return center, float(error), FWHM * wide, float(solution[0])
