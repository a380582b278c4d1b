"""Confidence that is calibrated by halves and quarters of the measurement.

The clusters are not Gaussian, so the confidence of a model of Gaussian clusters is too high where
they overlap. How much is seen in the data: their measurement is split in two halves of independent
noise, each of which is a repeated measurement of the other. How often they agree says how sure the
labels of a cluster are at half the counts; and quarters, how that grows with the counts. The model
only says how unlike the pixels of a cluster are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit

from spectessera.kmeans.rule import Rule

from .confidence import (
    Calibration,
    Mixture,
    fit_mixture,
    line_of,
    same_label_probability,
)

# With fewer labels that differ, a confidence stays as it is.
_DIFFERENT = 20
# Splits to which the model of clusters is fitted.
_FITTED = 2
# Of the logarithm of the odds, what it grows by from quarters to halves is added to that of halves:
# all of it where halves agree often enough, and down to this share of it where they never do: a
# cluster of noise has nothing to grow. More of it, up to so much more, where the model says so, as
# far as what it says of halves and quarters is right up to a difference that is too large. (Settled
# with benchmarks/calibration.py, seeds 2100 to 2102, and Gaussian groups, seeds 2101 and 2103.)
_GROWTH, _MORE, _TOO_FAR, _LEAST = 0.6, 0.75, 0.25, 0.05
# The share of agreeing labels in a cluster is that of all clusters in so many pixels more.
_PIXELS = 4.0
# Shares of agreeing labels are taken to be in this range; the smallest slope.
SHARES, _FLATTEST = (0.005, 0.999), 0.1
# One over the variance of the normal priors of offset, slope and bend around no change, and of the
# offsets of clusters around the first.
_LINE, _CLUSTER = 1.0, 10.0


# Two measurements of the same pixels, or their labels.
Pair = tuple[np.ndarray, np.ndarray]


class Repeated(NamedTuple):
    """Some pixels in the space of the metric, measured once, and in independent parts of that.

    Attributes
    ----------
    whole : array (n, d)
    halves, quarters : list of pairs of arrays (n, d)
    weight : array (n,)
        How many pixels each stands for.
    """

    whole: np.ndarray
    halves: list[Pair]
    quarters: list[Pair]
    weight: np.ndarray


def calibration_of(
    repeated: Repeated, rule: Rule, mixture: Mixture, draws: np.ndarray
) -> Calibration | None:
    """Return how confidence is to be calibrated; None if too few labels differ to say.

    Parameters
    ----------
    repeated : Repeated
    rule : Rule
        Of the clusters.
    mixture : Mixture
        Of the whole measurement.
    draws : array (draw, d)
        See :func:`spectessera.inference.confidence.normal_draws`.
    """
    k, centers, weight = len(rule.centers), rule.centers, repeated.weight
    own = nearest(repeated.whole, centers)
    halves, quarters = (
        [(nearest(one, centers), nearest(other, centers)) for one, other in pairs]
        for pairs in (repeated.halves, repeated.quarters)
    )
    if sum(np.count_nonzero(one != other) for one, other in halves) < _DIFFERENT:
        return None

    def predicted(pairs: list[Pair], labels: list[Pair]) -> np.ndarray:
        noise, parts = _noise_of([one - other for one, other in pairs], own, k), []
        for (one, _), (label, _) in list(zip(pairs, labels, strict=True))[:_FITTED]:
            model = fit_mixture(one, label, noise, weight)
            parts.append(same_label_probability(one, label, centers, model, draws))
        return np.stack(parts)

    model = same_label_probability(repeated.whole, own, centers, mixture, draws)
    of_halves = predicted(repeated.halves, halves)
    of_quarters = predicted(repeated.quarters[:1], quarters[:1])
    first, second = (np.concatenate(each) for each in zip(*halves[:_FITTED], strict=True))
    line = shape_of(of_halves.ravel(), first, second, np.tile(weight, len(of_halves)), k)
    means = [np.average(each.mean(axis=0), weights=weight) for each in (of_quarters, of_halves)]
    more = growth_of_model(
        (*means, np.average(model, weights=weight)),
        tuple(_mean_agreement(pairs, weight) for pairs in (quarters, halves)),
    )
    seen = agreement(quarters, weight, k), agreement(halves, weight, k)
    return Calibration(offsets_for(grown(*seen, more), line_of(model) @ line, own), *line)


def nearest(points: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Return the nearest of the centers (k, d), from 0, of points (n, d)."""
    centers = centers.astype(np.float64)
    return (np.square(centers).sum(axis=1) - 2 * points @ centers.T).argmin(axis=1)


def _noise_of(apart: list[np.ndarray], labels: np.ndarray, k: int) -> np.ndarray:
    """Return the covariance (k, d, d) of noise in differences (n, d) of two measurements."""
    each = sum(np.einsum("ni,nj->nij", some, some) for some in apart) / (2 * len(apart))
    overall = each.mean(axis=0)
    found = [each[labels == c].mean(axis=0) if (labels == c).any() else overall for c in range(k)]
    return np.stack(found)


# --- how often labels agree ----------------------------------------------------------------------


def agreement(pairs: list[Pair], weight: np.ndarray, k: int) -> np.ndarray:
    """Return how often two measurements agree where one of them has the label of a cluster, (k,).

    Parameters
    ----------
    pairs : list of pairs of arrays (n,)
        Labels from 0.
    weight : array (n,)
    k : int

    Examples
    --------
    >>> import numpy as np
    >>> pair = np.repeat([0, 1], [200, 100]), np.repeat([0, 1], [150, 150])
    >>> agreement([pair], np.ones(300), 2).round(2).tolist()
    [0.86, 0.8]
    """
    same, every, count = np.zeros((3, k))
    for one, other in pairs:
        for labels in (one, other):
            same += np.bincount(labels, weight * (one == other), minlength=k)
            every += np.bincount(labels, weight, minlength=k)
            count += np.bincount(labels, minlength=k)
    share = same / np.maximum(every, np.finfo(float).tiny)
    return (count * share + _PIXELS * same.sum() / every.sum()) / (count + _PIXELS)


def _mean_agreement(pairs: list[Pair], weight: np.ndarray) -> float:
    """Return the mean share of labels that agree."""
    return float(np.mean([np.average(one == other, weights=weight) for one, other in pairs]))


def growth_of_model(predicted: tuple[float, ...], seen: tuple[float, ...]) -> float:
    """Return how much more the log odds grow from halves to the whole than from quarters to halves.

    That is what a model says, less where it is not right about quarters and halves.

    Parameters
    ----------
    predicted : tuple of float
        Mean probability of the same label in quarters, halves and the whole.
    seen : tuple of float
        Shares of labels that agree in quarters and halves.

    Examples
    --------
    >>> round(growth_of_model((0.3, 0.5, 0.8), (0.3, 0.5)), 2)
    0.64
    >>> growth_of_model((0.3, 0.5, 0.8), (0.2, 0.3))
    0.0
    """
    quarters, halves, whole = logit(np.clip(predicted, *SHARES))
    away = float(np.abs(logit(np.clip(seen, *SHARES)) - (quarters, halves)).max())
    more = (whole - halves) / max(halves - quarters, _LEAST) - 1
    return float(np.clip(more, 0, _MORE)) * max(0.0, 1 - away / _TOO_FAR)


def grown(quarters: np.ndarray, halves: np.ndarray, more: float = 0.0) -> np.ndarray:
    """Return how often whole measurements agree, from how often halves and quarters of them do.

    Parameters
    ----------
    quarters, halves : array (k,)
    more : float
        See :func:`growth_of_model`.

    Examples
    --------
    >>> import numpy as np
    >>> grown(np.array([0.6, 0.2]), np.array([0.8, 0.2])).round(2).tolist()
    [0.91, 0.2]
    """
    less, known = (logit(np.clip(each, *SHARES)) for each in (quarters, halves))
    growth = np.minimum(1, _GROWTH + halves) + more * np.minimum(1, 2 * halves)
    return expit(known + growth * (known - less))


# --- the line ------------------------------------------------------------------------------------


def shape_of(
    sure: np.ndarray, first: np.ndarray, second: np.ndarray, weight: np.ndarray, k: int
) -> tuple[float, float]:
    """Return slope and bend of the largest likelihood, with an offset for each cluster.

    Both let the calibrated probability rise with that of the model.

    Parameters
    ----------
    sure : array (n,)
        Probabilities of a model that the label is the same.
    first, second : array (n,)
        Labels, from 0, of two measurements; ``sure`` is that of the first.
    weight : array (n,)
    k : int
    """
    line, same, weight = line_of(sure), first == second, weight / weight.mean()
    around = np.array([1.0, 0.0, 0.0, *np.zeros(k)])
    tight = np.array([_LINE, _LINE, _LINE, *np.full(k, _CLUSTER)])

    def misfit(given: np.ndarray) -> tuple[float, np.ndarray]:
        found, away = line @ given[:2] + given[2] + given[3:][first], given - around
        apart = weight * (expit(found) - same)
        # Normal priors keep the line where little is known.
        cost = weight @ (np.logaddexp(0, found) - same * found) + tight @ np.square(away) / 2
        clusters = np.bincount(first, apart, minlength=k)
        return float(cost), np.array([*(apart @ line), apart.sum(), *clusters]) + tight * away

    slope, bend = minimize(misfit, around, jac=True, method="BFGS").x[:2]
    slope = max(_FLATTEST, float(slope))
    return slope, max(-2 * slope, float(bend))


def offsets_for(expected: np.ndarray, line: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the offsets (k,) with which the mean probability of every cluster is as expected.

    Parameters
    ----------
    expected : array (k,)
        Above 0, below 1. It is also the probability in clusters without pixels.
    line : array (n,)
        Logarithms of odds to which the offsets are added.
    labels : array (n,)
        From 0.

    Examples
    --------
    >>> import numpy as np
    >>> offsets = offsets_for(np.array([0.6, 0.7]), np.array([0.0, 2.0, 2.0]), np.array([0, 0, 1]))
    >>> float((1 / (1 + np.exp(-offsets[0] - [0.0, 2.0]))).mean().round(3))
    0.6
    """
    offsets = logit(expected)
    for c in np.unique(labels):
        own = line[labels == c]
        low, high = offsets[c] - own.max() - 1, offsets[c] - own.min() + 1

        def above(offset: float, own: np.ndarray = own, mean: float = expected[c]) -> float:
            return float(expit(offset + own).mean()) - mean

        offsets[c] = brentq(above, low, high)
    return offsets
