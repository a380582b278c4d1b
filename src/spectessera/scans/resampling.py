"""Spectra of one scan on the channels, and with the response, of another; counts stay counts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from spectessera.preprocess.steps import combine

_STREAM = 11  # of random numbers, for the photons that are divided among channels


class Shares(NamedTuple):
    """How the photons of every channel are divided among new channels.

    Attributes
    ----------
    channel : array (part, old channel), int64
        The new channel of each part.
    chance : array (part, old channel), float64
        Of a photon that none of the parts before has taken.
    """

    channel: np.ndarray
    chance: np.ndarray


def shares_of(weights: sparse.csr_array) -> Shares:
    """Return the parts of weights (new channel, old channel), the sums of whose columns are <= 1.

    Parameters
    ----------
    weights : sparse array (new channel, old channel)
    """
    columns = sparse.csc_array(weights.astype(np.float64))
    columns.sort_indices()
    first, number = columns.indptr[:-1], np.diff(columns.indptr)
    parts = int(number.max(initial=0))
    channel = np.zeros((parts, columns.shape[1]), np.int64)
    chance = np.zeros((parts, columns.shape[1]))
    left = np.ones(columns.shape[1])
    for part in range(parts):
        there = np.flatnonzero(number > part)
        channel[part, there] = columns.indices[first[there] + part]
        share = np.zeros(columns.shape[1])
        share[there] = columns.data[first[there] + part]
        # What the rounding of float32 weights leaves over of a channel goes with its last part.
        share[share > left - 1e-6] = left[share > left - 1e-6]
        chance[part] = np.divide(share, left, out=np.zeros_like(share), where=left > 0)
        left = np.maximum(left - share, 0)
    return Shares(channel, np.clip(chance, 0, 1))


def divided(
    counts: np.ndarray, shares: Shares, size: int, pixel: np.ndarray, key: tuple[int, int]
) -> np.ndarray:
    """Return counts on new channels: every photon falls into one of them, or into none.

    If the counts are of Poisson statistics and independent, so are the new ones: unlike sums with
    weights, they have a noise that is known. Their random numbers follow from the pixel alone.

    Parameters
    ----------
    counts : array (n, old channel)
        Whole numbers. A new channel is NaN where any of its parts is not finite.
    shares : Shares
    size : int
        New channels.
    pixel : array (n,), int
        Position of each spectrum in its scan.
    key : pair of int
        Seed, and number of the scan.

    Returns
    -------
    array (n, size), float32
    """
    new = np.zeros((len(counts), size), np.float32)
    for row, (spectrum, place) in enumerate(zip(counts, pixel.tolist(), strict=True)):
        finite = np.isfinite(spectrum)
        some = np.flatnonzero(finite & (spectrum > 0))
        left = spectrum[some].astype(np.int64)
        generator = np.random.Generator(np.random.PCG64([*key, _STREAM, place]))
        for channel, chance in zip(shares.channel[:, some], shares.chance[:, some], strict=True):
            taken = generator.binomial(left, chance)
            new[row] += np.bincount(channel, weights=taken, minlength=size)
            left = left - taken
        if not finite.all():
            into = shares.channel[:, ~finite][shares.chance[:, ~finite] > 0]
            new[row, into] = np.nan
    return new


def resampled(values: np.ndarray, weights: sparse.csr_array) -> np.ndarray:
    """Return values (n, old channel) as sums with weights (new channel, old channel)."""
    return combine(np.ascontiguousarray(values, np.float32), weights)
