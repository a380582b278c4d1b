"""What labels predict of a part of the data that they were not made from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .splits import Parts

# Weights with which the mean of a cluster is tried beside that of all spectra. Below 1, so that no
# probability is 0; 0 is "all spectra are alike".
_WEIGHTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)

# Spectra that are compared together: their products in float64 stay in the processor's cache.
_IN_CACHE = 64
# A variance below this share of the typical one counts as that share: nothing is without noise.
LEAST_NOISE = 1e-6
# Counts of all spectra together in a bin of channels, and least number of bins.
_COUNTS, _BINS = 400, 32


class Gain(NamedTuple):
    """Gain of labels over "all spectra are alike": a logarithm of a likelihood ratio.

    Attributes
    ----------
    mean, error : float
        Per spectrum, for all of its counts or channels, and its standard error.
    each : array (n,), float64
        Of every spectrum. Where spectra share a part of their noise it is moved away from the mean,
        as far as the error of the mean of independent ones is that of these.
    """

    mean: float
    error: float
    each: np.ndarray


def gain_of(parts: Parts, labels: np.ndarray, k: int) -> Gain:
    """Return the gain of labels that were made from ``parts.made``.

    The mean spectra of the clusters come from the same part; each is mixed with that of all
    spectra. The weight of the mixture, one number for all clusters, is that of the largest gain:
    means of few counts are noisy, and useless ones get the weight 0. With p_l the mean spectrum of
    the cluster of a spectrum v, p that of all, and w the weight, the gain of v is

    - counts: sum_c v_c log(1 - w + w p_lc / p_c), the spectra divided by their sums: a
      multinomial distribution, to which the number of counts of a spectrum does not matter;
    - a noise level s^2: sum_c (w (v - p)_c d_c - w^2 d_c^2 / 2) / s^2, d = p_l - p: a normal
      distribution.

    Both are those of whole spectra: that of the counts is divided by the share of the counts that
    ``parts.judged`` has, and s^2 is the noise of a whole spectrum. Where all spectra together have
    fewer than 400 counts per channel, channels are summed in bins of that many (but in at least 32
    bins): a mean of more channels than its counts can carry predicts worse than it could.

    Parameters
    ----------
    parts : Parts
    labels : array (n,)
        From 0.
    k : int

    Returns
    -------
    Gain

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.evidence import gain_of, thin_counts
    >>> generator = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1], 200)
    >>> counts = generator.poisson(np.array([[9.0, 1.0], [1.0, 9.0]])[labels])
    >>> gain = gain_of(thin_counts(counts, generator), labels, 2)
    >>> gain.mean > 10 * gain.error
    True
    """
    made, judged = parts.made, parts.judged
    if parts.level is None:
        made, judged = binned(made, judged)
    means, overall = _means(made, labels, k)
    if parts.level is None:
        each = _of_counts(judged, labels, means, overall) / (1 - parts.share)
    else:
        each = _of_values(parts, labels, means - overall)
    each = each.mean() + np.sqrt(parts.alike) * (each - each.mean()) if parts.alike > 1 else each
    error = each.std(ddof=1) / np.sqrt(len(each)) if len(each) > 1 else np.inf
    return Gain(float(each.mean()), float(error), each)


def binned(made: np.ndarray, judged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return counts (n, channel) in as many bins (n, bin) as those of the first part can carry."""
    total = made.sum(axis=0, dtype=np.float64)
    most = max(_BINS, int(total.sum() // _COUNTS))
    if most >= len(total):
        return made, judged
    starts = equal_bins(total, most)
    return np.add.reduceat(made, starts, axis=1), np.add.reduceat(judged, starts, axis=1)


def equal_bins(total: np.ndarray, most: int) -> np.ndarray:
    """Return the first channels of at most so many bins with about equally many counts."""
    sums = np.cumsum(total)
    edges = np.searchsorted(sums, np.linspace(0, sums[-1], most + 1)[1:-1])
    return np.unique(np.append(0, edges[edges < len(total)]))


def _means(values: np.ndarray, labels: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean spectra (k, channel) of clusters and that of all (channel,), float64.

    A cluster without spectra has the mean of all.
    """
    sums, counts = _sums(values, labels, k), np.bincount(labels, minlength=k)
    overall = sums.sum(axis=0) / max(len(labels), 1)
    means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], overall)
    return means, overall


def _sums(values: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Return the sums (k, channel), float64, of the spectra of every cluster."""
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=k))[:-1]
    parts = np.split(order, ends)
    return np.stack([values[part].sum(axis=0, dtype=np.float64) for part in parts])


def _of_counts(
    judged: np.ndarray, labels: np.ndarray, means: np.ndarray, overall: np.ndarray
) -> np.ndarray:
    """Return the log-likelihood ratio (n,) of counts."""
    total = means.sum(axis=1, keepdims=True)
    share = overall / max(overall.sum(), np.finfo(float).tiny)
    own = np.where(total > 0, means / np.where(total > 0, total, 1), share)
    seen = share > 0  # in the part that means are made from
    ratio = own[:, seen] / share[seen]
    # Those not seen are left out of the sums: to leave them out of every spectrum takes longer.
    sums = np.ascontiguousarray(_sums(judged, labels, len(means))[:, seen])
    best, weight = 0.0, 0.0
    for tried in _WEIGHTS:
        found = float((sums * np.log(1 - tried + tried * ratio)).sum())
        if found > best:
            best, weight = found, tried
    logs = np.zeros_like(means)
    logs[:, seen] = np.log(1 - weight + weight * ratio)
    return _products(judged, logs, labels)


def _products(
    values: np.ndarray, rows: np.ndarray, labels: np.ndarray, centre: np.ndarray | None = None
) -> np.ndarray:
    """Return the products (n,), float64, of spectra (n, channel) with the row of their label.

    Few spectra at a time, which does not change the sums. ``centre (channel,)`` is subtracted from
    the spectra first.
    """
    products = np.empty(len(values))
    for first in range(0, len(values), _IN_CACHE):
        part = slice(first, first + _IN_CACHE)
        some = values[part] if centre is None else values[part] - centre
        products[part] = np.einsum("nc,nc->n", some, rows[labels[part]], dtype=np.float64)
    return products


def typical_noise(variance: np.ndarray) -> float:
    """Return the median of those variances (n,) that are above 0, or 0.

    A few bad values that are marked by a huge variance do not change it.

    >>> typical_noise(np.array([0.0, 1.0, 2.0, 2.0, 1e29]))
    2.0
    """
    above = variance[variance > 0]
    return float(np.median(above)) if len(above) else 0.0


def _rounding(centre: np.ndarray) -> float:
    """Return the variance that rounding to float32 alone makes in spectra around one (channel,)."""
    return max(float(np.square(np.finfo(np.float32).eps * centre).mean()), 1e-60)


def _of_values(parts: Parts, labels: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """Return the log-likelihood ratio (n,) of values, for means ``apart (k, channel)`` from all.

    That of the judged part, whose variance is 1 / (1 - share) times as large, would be smaller by
    that factor.
    """
    assert parts.level is not None
    centre = parts.judged.mean(axis=0, dtype=np.float64)
    least = LEAST_NOISE * max(typical_noise(parts.level), _rounding(centre))
    level = np.maximum(parts.level, least)
    along = _products(parts.judged, apart, labels, centre) / level
    power = np.square(apart).sum(axis=1)[labels] / level
    weight = float(np.clip(along.sum() / max(power.sum(), 1e-300), 0, 1))
    return weight * along - 0.5 * weight**2 * power
