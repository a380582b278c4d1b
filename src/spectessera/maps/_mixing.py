"""Abundances of end spectra in the pixels of a block: a linear fit, none of them negative.

Assumes checked input. The weights are those of the noise that is expected in the cluster of the
pixel, so the fit is one matrix for each cluster. A row does not depend on the others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera.cube import Spectra

from ._endspectra import Ends, inverse
from .nonnegative import non_negative
from .stream import times_matrices

BEYOND = 3.0  # standard errors from which a spectrum is in a pixel
LEAST = 0.05  # and least abundance: end spectra are never quite right
OTHERS = ("total", "residual", "components")


class Mixing(NamedTuple):
    """What pixels are fitted with; workers get a copy.

    Attributes
    ----------
    noise : str
    estimate : array (k, channel, e), float32
        A spectrum times this is the amounts.
    covariance : array (k, e, e), float64
        Of the amounts, for the expected noise.
    spread : array (k, channel, 2 e + 1), float32
        The variance of a spectrum times this is the variance of the amounts, their covariance with
        the total, and the variance of that.
    spectra : array (e, channel), float32
    unit : array (e,), float32
        What one of each amount is of the total.
    weight : array (k, channel, 2), float32
        One over the expected noise.
    dark : bool
        Whether the total of a pixel may be less than 1 because it holds less.
    """

    noise: str
    estimate: np.ndarray
    covariance: np.ndarray
    spread: np.ndarray
    spectra: np.ndarray
    unit: np.ndarray
    weight: np.ndarray
    dark: bool


def mixing_of(ends: Ends, noise: str) -> Mixing:
    """Return what pixels are fitted with; ``noise`` as of the cube."""
    spectra, count = ends.spectra, len(ends.clusters)
    k, channels = ends.noise.shape
    unit = spectra.sum(axis=1) if noise == "counts" else np.ones(count)
    estimate = np.zeros((k, channels, count))
    spread = np.zeros((k, channels, 2 * count + 1))
    covariance = np.zeros((k, count, count))
    weight = np.zeros((k, channels, 2))
    for c in range(k):
        scaled = spectra / ends.noise[c]
        covariance[c] = inverse(scaled @ spectra.T)
        estimate[c] = scaled.T @ covariance[c]
        total = estimate[c] @ unit
        spread[c, :, :count] = estimate[c] ** 2
        spread[c, :, count:-1] = estimate[c] * total[:, None]
        spread[c, :, -1] = total**2
        weight[c] = 1 / ends.noise[c][:, None]
    return Mixing(
        noise,
        estimate.astype(np.float32),
        covariance,
        spread.astype(np.float32),
        spectra.astype(np.float32),
        unit.astype(np.float32),
        weight.astype(np.float32),
        bool(len(ends.dark)),
    )


def mix_pixels(mixing: Mixing, spectra: Spectra, labels: np.ndarray) -> np.ndarray:
    """Return the numbers (n, 2 e + 3) of pixels: abundances, their errors, and ``OTHERS``."""
    amount = times_matrices(spectra.values, labels, mixing.estimate)
    left = np.ones_like(amount)
    for label in np.unique(labels):
        own, covariance = labels == label, mixing.covariance[label - 1]
        amount[own], left[own] = non_negative(amount[own], covariance)
    explained = times_matrices(amount, np.ones(len(amount), int), mixing.spectra[None])
    square = np.square(spectra.values - explained)
    misfit = times_matrices(square, labels, mixing.weight)[:, 0]
    variance = _variance(mixing, spectra, explained, labels)
    if mixing.noise == "residual":
        free = max(square.shape[1] - amount.shape[1], 1)
        residual = np.sqrt(misfit / free)
        moments = _of_expected(mixing, labels) * np.square(residual)[:, None]
        even = np.ones_like(mixing.weight[0]) / np.float32(square.shape[1])
        residual = np.sqrt(times_matrices(square, np.ones(len(square), int), even[None])[:, 0])
    else:
        moments = times_matrices(variance, labels, mixing.spread)
        expected = times_matrices(variance, labels, mixing.weight)[:, 0]
        residual = misfit / np.maximum(expected, np.float32(1e-30))
    return _as_shares(mixing, amount, moments, left, residual)


def _variance(
    mixing: Mixing, spectra: Spectra, explained: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Return the variance (n, channel) of spectra: given, or that of the counts of the fit."""
    if mixing.noise == "variance":
        assert spectra.variance is not None
        typical = 1 / mixing.weight[labels - 1, :, 0]
        return np.where(np.isfinite(spectra.variance), spectra.variance, typical)
    return np.maximum(explained, 0)


def _of_expected(mixing: Mixing, labels: np.ndarray) -> np.ndarray:
    """Return the moments (n, 2 e + 1) of the expected noise."""
    with_total = mixing.covariance @ mixing.unit.astype(np.float64)
    each = np.einsum("kii->ki", mixing.covariance)
    total = with_total @ mixing.unit.astype(np.float64)
    table = np.concatenate([each, with_total, total[:, None]], axis=1).astype(np.float32)
    return table[labels - 1]


def _as_shares(
    mixing: Mixing,
    amount: np.ndarray,
    moments: np.ndarray,
    left: np.ndarray,
    residual: np.ndarray,
) -> np.ndarray:
    """Return abundances, which are shares of the total, with their errors; and the rest."""
    count = amount.shape[1]
    total = np.zeros(len(amount), np.float32)
    for column, unit in zip(amount.T, mixing.unit, strict=True):
        total += column * unit  # one by one: a sum along a row might depend on its place
    whole = np.maximum(total, 1) if mixing.dark else total
    whole = np.where(whole > 0, whole, np.float32(np.nan))[:, None]
    share = amount * mixing.unit / whole
    variance = moments[:, :count] * np.square(mixing.unit)
    fixed = share if not mixing.dark else np.where(total[:, None] > 1, share, 0)
    variance = variance - 2 * fixed * moments[:, count:-1] * mixing.unit
    variance = variance + np.square(fixed) * moments[:, -1:]
    if mixing.noise == "counts":  # where none is expected, one count might have come
        variance = variance + np.where(share > 0, 0, 1)
    error = np.sqrt(np.maximum(variance * left, 0)) / whole
    seen = (share > BEYOND * error) & (share >= LEAST)
    found = np.zeros((len(amount), 2 * count + len(OTHERS)), np.float32)
    found[:, :count], found[:, count : 2 * count] = share, error
    found[:, 2 * count :] = np.stack([total, residual, seen.sum(axis=1)], axis=1)
    return found
