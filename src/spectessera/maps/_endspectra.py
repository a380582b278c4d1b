"""End spectra of clusters: what their pixels would look like if they held nothing else.

The mean spectrum of a cluster of mixed pixels is itself a mixture. So abundances of some pixels,
fitted with the means, and spectra, fitted with these abundances, are found in turn, a few times
and by small steps: without an end, such a factorisation follows the noise. Assumes checked input.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from ._sampling import Sample
from .nonnegative import non_negative

# Settled on pages of other seeds than those that are shown: see docs/maps-soft.md.
ROUNDS, STEP = 8, 0.3
# A cluster whose mean is that of a mixture of others to within so much log-likelihood of a pixel
# (two standard errors) has no end spectrum.
ALIKE = 2.0
CHANCE = 3.0  # standard errors of the same, of clusters of few pixels
MIXED = 0.02  # share of the mean of all in the noise that is expected in a cluster
LEAST_NOISE = 1e-3  # of the mean over channels
RIDGE = 1e-9


class Ends(NamedTuple):
    """End spectra.

    Attributes
    ----------
    clusters : array (e,)
        Which clusters have one, from 0.
    spectra : array (e, channel), float64
        Of a typical pixel that holds nothing else.
    noise : array (k, channel), float64
        Variance that is expected of a pixel of each cluster.
    dark : array of int
        Clusters, from 0, whose mean is no more than noise.
    """

    clusters: np.ndarray
    spectra: np.ndarray
    noise: np.ndarray
    dark: np.ndarray


def end_spectra(sample: Sample, noise: str) -> Ends:
    """Return the end spectra of clusters.

    Parameters
    ----------
    sample : Sample
    noise : "counts", "variance" or "residual"
    """
    means = cluster_means(sample)
    expected = expected_noise(sample, means, noise)
    sizes = np.bincount(sample.labels, minlength=len(means))
    kept = _own(means, expected, sizes)
    none = [c for c in range(len(means)) if sizes[c] and c not in kept]
    dark = [c for c in none if noise != "counts" and _excess(means, expected, sizes, c, []) < ALIKE]
    spectra = means[kept]
    if len(kept) > 1:
        spectra = _purer(sample, spectra, _whole(expected, sizes), noise)
        spectra = _typical(sample, spectra, _whole(expected, sizes), kept)
    return Ends(np.array(kept, int), spectra, expected, np.array(dark, int))


def cluster_means(sample: Sample) -> np.ndarray:
    """Return the mean spectra (k, channel), float64; NaN of clusters without pixels."""
    k = len(sample.share)
    means = np.full((k, sample.values.shape[1]), np.nan)
    for c in np.unique(sample.labels):
        means[c] = sample.values[sample.labels == c].mean(axis=0, dtype=np.float64)
    return means


def expected_noise(sample: Sample, means: np.ndarray, noise: str) -> np.ndarray:
    """Return the variance (k, channel) of a pixel of each cluster.

    If the noise is not known, it is the scatter within clusters.
    """
    some = np.isfinite(means[:, 0])
    rows = np.where(some, sample.share, 0.0) / sample.share[some].sum()
    if noise == "residual":
        left = np.zeros(means.shape[1])
        for c in np.flatnonzero(some):
            own = sample.values[sample.labels == c]
            left += rows[c] * own.var(axis=0, dtype=np.float64)
        expected = np.broadcast_to(left, means.shape).copy()
    elif noise == "variance":
        assert sample.variance is not None
        expected = np.full(means.shape, np.nan)
        for c in np.flatnonzero(some):
            expected[c] = _known_mean(sample.variance[sample.labels == c])
        expected = _mixed(expected, rows)
    else:
        expected = _mixed(np.maximum(means, 0.0), rows)
    floor = LEAST_NOISE * expected[some].mean(axis=1, keepdims=True)
    expected[some] = np.maximum(expected[some], np.maximum(floor, 1e-30))
    expected[~some] = rows[some] @ expected[some]
    return expected


def _known_mean(variance: np.ndarray) -> np.ndarray:
    """Return the means (channel,) of variances without those that are NaN; NaN where all are."""
    known = np.isfinite(variance)
    total = np.where(known, variance, 0.0).sum(axis=0, dtype=np.float64)
    count = known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _mixed(expected: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return variances (k, channel) with a little of the mean of all, and without gaps."""
    known = np.isfinite(expected)
    weight = share[:, None] * known
    overall = (weight * np.where(known, expected, 0)).sum(axis=0) / np.maximum(
        weight.sum(axis=0), 1e-300
    )
    overall = np.where(weight.sum(axis=0) > 0, overall, np.median(overall))
    filled = np.where(known, expected, overall)
    return np.where(share[:, None] > 0, (1 - MIXED) * filled + MIXED * overall, np.nan)


def _whole(expected: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the variance (channel,) of a pixel of the sample."""
    some = sizes > 0
    return (sizes[some, None] * expected[some]).sum(axis=0) / sizes.sum()


# --- clusters that are mixtures of others ------------------------------------------------------


def _own(means: np.ndarray, expected: np.ndarray, sizes: np.ndarray) -> list[int]:
    """Return the clusters that are no mixtures of others."""
    kept = np.flatnonzero(sizes > 0).tolist()
    while kept:
        beyond = [
            _excess(means, expected, sizes, c, [o for o in kept if o != c])
            - max(ALIKE, CHANCE * np.sqrt(means.shape[1] / 2) / sizes[c])
            for c in kept
        ]
        if min(beyond) >= 0:
            break
        kept.pop(int(np.argmin(beyond)))
    return kept


def _excess(
    means: np.ndarray, expected: np.ndarray, sizes: np.ndarray, c: int, others: list[int]
) -> float:
    """Return how much less likely a pixel of a cluster is if it is a mixture of others.

    A logarithm, without what the noise of the means adds to it.
    """
    scale = 1 / np.sqrt(expected[c])
    weight, left = np.zeros(0), float(np.linalg.norm(means[c] * scale))
    if others:
        weight, left = nnls((means[others] * scale).T, means[c] * scale)
    chance = 1 / sizes[c]
    for other, amount in zip(others, weight, strict=True):
        chance += amount**2 / sizes[other] * float((expected[other] / expected[c]).mean())
    return 0.5 * (left**2 - chance * means.shape[1])


# --- purer spectra -----------------------------------------------------------------------------


def _purer(sample: Sample, start: np.ndarray, variance: np.ndarray, noise: str) -> np.ndarray:
    """Return spectra (e, channel) of which the pixels are mixtures, beginning at means."""
    positive = noise == "counts" or bool(start.min() >= 0)
    scale = 1 / np.sqrt(variance)
    values = (sample.values * scale).astype(np.float32)
    spectra = start * scale
    for _ in range(ROUNDS):
        amount = amounts(values, spectra)
        normal = amount.T @ amount
        normal += RIDGE * np.trace(normal) * np.eye(len(normal))
        fitted = np.linalg.solve(normal, amount.T @ values)
        used = (amount > 0).any(axis=0).reshape(-1, 1)
        spectra = np.where(used, spectra + STEP * (fitted - spectra), spectra)
        if positive:
            spectra = np.maximum(spectra, 0.0)
    return spectra / scale


def amounts(values: np.ndarray, spectra: np.ndarray) -> np.ndarray:
    """Return the amounts (n, e), float64 and not negative, of spectra in values of equal noise."""
    covariance = inverse(spectra @ spectra.T)
    free = values @ (spectra.T @ covariance).astype(np.float32)
    return non_negative(free.astype(np.float32), covariance).values.astype(np.float64)


def inverse(normal: np.ndarray) -> np.ndarray:
    """Return the inverse of the matrix of normal equations, also where spectra are nearly alike."""
    size = np.sqrt(np.maximum(np.diag(normal), 1e-300))
    scaled = normal / size / size[:, None] + RIDGE * np.eye(len(normal))
    return np.linalg.inv(scaled) / size / size[:, None]


def _typical(
    sample: Sample, spectra: np.ndarray, variance: np.ndarray, kept: list[int]
) -> np.ndarray:
    """Return spectra (e, channel) in such units that pixels of their cluster have a sum of 1."""
    scale = 1 / np.sqrt(variance)
    amount = amounts((sample.values * scale).astype(np.float32), spectra * scale)
    for row, cluster in enumerate(kept):
        own = amount[sample.labels == cluster]
        pure = own[own[:, row] > own.sum(axis=1) / 2, row] if len(own) else own
        if len(pure) and np.median(pure) > 0:
            spectra[row] *= np.median(pure)
    return spectra
