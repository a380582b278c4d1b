"""What labels foretell of a part of the data that they were not made from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .splits import Parts

BLEND = 0.01  # of the overall mean in the mean of a cluster, so that no probability is 0


class Gain(NamedTuple):
    """Gain of labels over "all spectra are alike".

    Attributes
    ----------
    mean, error : float
        Over the spectra, and its standard error.
    each : array (n,), float64
        Of every spectrum: for counts and known variances a logarithm of a likelihood ratio, for
        other values the share of the mean variance of a spectrum that is explained.
    """

    mean: float
    error: float
    each: np.ndarray


def gain_of(parts: Parts, labels: np.ndarray, k: int) -> Gain:
    """Return the gain of labels that were made from ``parts.made``.

    Mean spectra of the clusters are made from the same part. With m_l the mean of the cluster of a
    spectrum v and m that of all spectra, the gain of v is

    - counts: sum_c v_c log(p_lc / p_c), p_l and p the means divided by their sums, p_l with one
      hundredth of p: the log-likelihood ratio of a multinomial distribution;
    - a known variance s^2: sum_c ((v_c - m_c)^2 - (v_c - m_lc)^2) / (2 s_c^2).

    Parameters
    ----------
    parts : Parts
    labels : array (n,)
        From 0.
    k : int

    Returns
    -------
    Gain
    """
    means, overall = cluster_means(parts.made, labels, k)
    if parts.variance is None:
        return _summary(_of_counts(parts.judged, labels, means, overall))
    precise = parts.variance > 0  # a channel without noise has no likelihood
    weight = np.divide(0.5, parts.variance, out=np.zeros_like(parts.variance), where=precise)
    whole = weight * np.square(parts.judged - overall)
    own = weight * np.square(parts.judged - means[labels])
    return _summary((whole - own).sum(axis=1, dtype=np.float64))


def explained(judged: np.ndarray, labels: np.ndarray, k: int) -> Gain:
    """Return the share of the variance that labels explain where the noise is not known.

    A mean leaves out the spectrum that it is compared with: v - (mean without v) is n / (n - 1)
    times v - mean.

    Parameters
    ----------
    judged : array (n, channel)
        Channels, or pixels, that the labels were not made from.
    labels : array (n,)
        From 0.
    k : int
    """
    counts = np.bincount(labels, minlength=k).astype(np.float64)
    means, overall = cluster_means(judged, labels, k)
    n = len(judged)
    whole = np.square((judged - overall) * (n / max(n - 1, 1))).sum(axis=1)
    own = counts[labels]
    factor = (own / np.maximum(own - 1, 1))[:, None]
    within = np.square((judged - means[labels]) * factor).sum(axis=1)
    gained = np.where(own > 1, whole - within, 0.0)  # a lone spectrum foretells nothing
    return _summary(gained / max(whole.mean(), np.finfo(float).tiny))


def cluster_means(values: np.ndarray, labels: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean spectra (k, channel) of clusters and that of all (channel,), float64.

    A cluster without spectra has the mean of all.
    """
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=k)
    sums = np.zeros((k, values.shape[1]))
    for c, part in enumerate(np.split(order, np.cumsum(counts)[:-1])):
        sums[c] = values[part].sum(axis=0, dtype=np.float64)
    overall = sums.sum(axis=0) / max(len(labels), 1)
    means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], overall)
    return means, overall


def _of_counts(
    judged: np.ndarray, labels: np.ndarray, means: np.ndarray, overall: np.ndarray
) -> np.ndarray:
    """Return the log-likelihood ratio (n,) of counts; assumes that a mean has counts."""
    total = means.sum(axis=1, keepdims=True)
    share = overall / max(overall.sum(), np.finfo(float).tiny)
    own = np.where(total > 0, means / np.where(total > 0, total, 1), share)
    mixed = (1 - BLEND) * own + BLEND * share
    ratio = np.zeros_like(mixed)
    possible = share > 0  # a channel without a count in the part that means are made from
    ratio[:, possible] = np.log(mixed[:, possible] / share[possible])
    return np.einsum("nc,nc->n", judged, ratio[labels], dtype=np.float64)


def _summary(each: np.ndarray) -> Gain:
    error = each.std(ddof=1) / np.sqrt(len(each)) if len(each) > 1 else np.inf
    return Gain(float(each.mean()), float(error), each)
