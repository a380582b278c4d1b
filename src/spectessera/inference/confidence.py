"""Confidence of a label: the probability that a repeated measurement gets the same label.

How the noise of a measurement appears in the latent space is learned by simulating repeated
measurements of a few thousand pixels (Poisson counts, or noise of the known variance). The result
of a repeated measurement of any pixel then follows from Bayes' rule with the clusters as the prior:
the true latent of a pixel is nearer to its cluster than its one noisy measurement.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, ndtri
from scipy.stats import qmc

from spectessera._util.rows import row_maxima, row_sums
from spectessera.evidence.correlation import INDEPENDENT, Correlation

# Pixels with simulated measurements, and simulated measurements of each.
NOISE_PIXELS = 2048
REPEATS = 8
# Draws of a repeated measurement per pixel and cluster; a power of 2, which suits Sobol points.
DRAWS = 128
# Pixels whose confidence is computed together.
_ROWS = 8192
# Clusters to which a pixel belongs with a smaller probability are neglected.
_NEGLIGIBLE = 1e-6
# Expectation maximisation: largest number of steps; about how many points it uses; and the change
# of the shares in a cluster, relative to its size, below which it has converged.
EM_STEPS = 30
EM_PIXELS = 20_000
_CONVERGED = 1e-4
# Largest probability that is calibrated as such.
SURE = 0.999


class Mixture(NamedTuple):
    """The clusters in latent space as a mixture of Gaussian distributions.

    Attributes
    ----------
    weight : array (k,)
    mean : array (k, d)
    spread : array (k, d, d)
        Covariance of the measured latents of each cluster.
    noise : array (k, d, d)
        The part of it that is noise of the measurement.
    """

    weight: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    noise: np.ndarray


class Calibration(NamedTuple):
    """The logarithm of the odds of the same label, as a function of the probability of a model.

    Attributes
    ----------
    offset : array (k,)
        Of each cluster.
    slope : float
        Over the logarithm of the odds of the model.
    bend : float
        Over twice its probability less 1.
    kept : array (k,), or None
        What slope and bend are multiplied by in each cluster; None: 1.
    """

    offset: np.ndarray
    slope: float
    bend: float
    kept: np.ndarray | None = None

    def apply(self, probability: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities (n,), float32, for labels (n,) from 0."""
        line = line_of(probability) @ [self.slope, self.bend]
        if self.kept is not None:
            line *= self.kept[labels]
        return expit(self.offset[labels] + line).astype(np.float32)

    def nearer(self, chance: np.ndarray, kept: np.ndarray) -> Calibration:
        """Return a calibration whose probabilities are nearer to chance.

        Parameters
        ----------
        chance : array (k,)
            Above 0, below 1.
        kept : array (k,)
            Of what the logarithms of the odds of each cluster are beyond those of chance, the share
            that is left.

        Examples
        --------
        >>> given = Calibration(np.zeros(2), 1.0, 0.0)
        >>> found = given.nearer(np.array([0.5, 0.5]), np.array([1.0, 0.5]))
        >>> found.apply(np.array([0.9, 0.9]), np.array([0, 1])).round(2)
        array([0.9 , 0.75], dtype=float32)
        """
        none = logit(chance)
        return self._replace(offset=none + kept * (self.offset - none), kept=kept)


def line_of(probability: np.ndarray) -> np.ndarray:
    """Return what a calibration is linear in, (n, 2): logarithms of odds, and 2 p - 1.

    The largest probability is ``SURE``.
    """
    known = np.clip(probability.astype(np.float64), 1 - SURE, SURE)
    return np.stack([logit(known), 2 * known - 1], axis=1)


def simulate_measurement(
    values: np.ndarray,
    variance: np.ndarray | None,
    generator: np.random.Generator,
    repeats: np.ndarray | None = None,
    correlation: Correlation = INDEPENDENT,
) -> np.ndarray:
    """Return simulated measurements of spectra (n, channel), float32.

    With a variance (n, channel), Gaussian noise of that variance, correlated between channels, is
    added (none where it is no variance); without, values are counts, and the new ones follow
    Poisson distributions with these means; or they are the mean of so many measurements (n,) of
    counts.
    """
    if variance is None and repeats is not None:
        times = repeats[:, None]
        return (generator.poisson(np.maximum(values, 0) * times) / times).astype(np.float32)
    if variance is None:
        return generator.poisson(np.maximum(values, 0)).astype(np.float32)
    sigma = np.sqrt(np.maximum(np.nan_to_num(variance, nan=0.0, posinf=0.0), 0))
    noise = correlation.draw(generator, values.shape)
    return (values + sigma * noise).astype(np.float32)


def noise_covariance(latents: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Return the covariance (k, d, d) of repeated measurements around the mean of each pixel.

    Parameters
    ----------
    latents : array (n, repeats, d)
    labels : array (n,)
        A cluster without pixels gets the mean covariance of all pixels.
    k : int
    """
    deviation = latents - latents.mean(axis=1, keepdims=True)
    each = np.einsum("nri,nrj->nij", deviation, deviation) / (latents.shape[1] - 1)
    overall = each.mean(axis=0)
    return np.stack(
        [each[labels == c].mean(axis=0) if (labels == c).any() else overall for c in range(k)]
    )


def fit_mixture(
    latent: np.ndarray,
    labels: np.ndarray,
    noise: np.ndarray,
    weight: np.ndarray | None = None,
) -> Mixture:
    """Return the Gaussian mixture of labelled points; a cluster without points has weight 0.

    The labels separate clusters at sharp borders, which makes overlapping clusters narrower and
    their distances larger than they are. A few steps of expectation maximisation (Dempster et al.
    1977), starting at the labels, restore the overlap.

    Parameters
    ----------
    latent : array (n, d)
    labels : array (n,)
        From 0.
    noise : array (k, d, d)
        Covariance of repeated measurements, see :func:`noise_covariance`.
    weight : array (n,), optional
        Of the points, 1 by default; of at most ``EM_PIXELS`` points.
    """
    k, d = len(noise), latent.shape[1]
    latent = latent[:: max(1, len(latent) // EM_PIXELS)].astype(np.float64)
    labels = labels[:: max(1, len(labels) // EM_PIXELS)]
    each = np.ones(len(latent)) if weight is None else weight
    shares = np.zeros((len(latent), k))
    shares[np.arange(len(latent)), labels] = each
    mixture = _maximise(latent, shares, noise)
    for _ in range(EM_STEPS):
        alive, before = np.flatnonzero(mixture.weight > 0), shares
        shares = np.zeros((len(latent), k))
        found = _responsibility(latent, _whitened(mixture, alive, _floors(mixture)))
        shares[:, alive] = each[:, None] * found
        # So few points do not determine a covariance: the mixture stays as it is.
        if (shares[:, alive].sum(axis=0) <= d + 1).any():
            break
        mixture = _maximise(latent, shares, noise)
        moved = np.abs(shares - before).sum(axis=0)
        if (moved <= _CONVERGED * np.maximum(shares.sum(axis=0), 1)).all():
            break
    return mixture


def _maximise(latent: np.ndarray, shares: np.ndarray, noise: np.ndarray) -> Mixture:
    """Return the mixture of points (n, d) that belong to clusters with shares (n, k)."""
    counts = shares.sum(axis=0)
    mean = (shares.T @ latent) / np.maximum(counts, np.finfo(float).tiny)[:, None]
    spread = noise.copy()
    for c in np.flatnonzero(counts > latent.shape[1] + 1):
        deviation = latent - mean[c]
        found = (shares[:, c, None] * deviation).T @ deviation / counts[c]
        spread[c] = _with_noise(found, noise[c])
    return Mixture(counts / counts.sum(), mean, spread, noise)


def _with_noise(spread: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return a spread (d, d) that has at least the variance of noise (d, d) in every direction.

    Measured points have it, so a narrower cluster is a slice of a wider one.
    """
    levels, directions = np.linalg.eigh(noise)
    deviation = np.sqrt(np.maximum(levels, 1e-9 * max(np.trace(spread), 1e-30)))
    root, whiten = directions * deviation, (directions / deviation).T
    ratio, axes = np.linalg.eigh(whiten @ spread @ whiten.T)
    unwhiten = root @ axes
    return (unwhiten * np.maximum(ratio, 1)) @ unwhiten.T


def _floors(mixture: Mixture) -> np.ndarray:
    """Return a variance (k,) that keeps every covariance invertible.

    The variance of a cluster of equal points is 0, so the scale is that of the whole mixture, or of
    its noise where all points are equal.
    """
    offset = mixture.mean - mixture.weight @ mixture.mean
    spread, noise = (np.trace(x, axis1=1, axis2=2) for x in (mixture.spread, mixture.noise))
    whole = max(mixture.weight @ (spread + (offset**2).sum(axis=1)), mixture.weight @ noise)
    return np.full(len(mixture.weight), 1e-9 * max(whole, 1e-30))


def _posterior(
    spread: np.ndarray, noise: np.ndarray, floor: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the gain T S^-1 and the covariance of a repeated measurement, for one cluster.

    With T the spread without its noise, made non-negative, N = noise + floor and S = T + N, the
    covariance is T - T S^-1 T + N. The difference loses all digits where N is a billionth of T, so
    both are computed in the space where N is the unit matrix.
    """
    values, vectors = np.linalg.eigh(spread - noise)
    true = (vectors * np.maximum(values, 0)) @ vectors.T
    levels, directions = np.linalg.eigh(noise)
    deviation = np.sqrt(np.maximum(levels, 0) + floor)
    root, whiten = directions * deviation, (directions / deviation).T
    ratio, axes = np.linalg.eigh(whiten @ true @ whiten.T)
    ratio = np.maximum(ratio, 0)
    unwhiten = root @ axes
    kept = unwhiten * (ratio / (1 + ratio))
    return kept @ axes.T @ whiten, (kept + unwhiten) @ unwhiten.T


def normal_draws(d: int, generator: np.random.Generator) -> np.ndarray:
    """Return standard normal draws (draw, d), evenly distributed (scrambled Sobol points).

    All pixels use the same draws, so an uneven set would bias all of them in the same way.
    """
    return ndtri(qmc.Sobol(d, rng=generator).random(DRAWS).clip(1e-9, 1 - 1e-9))


def same_label_probability(
    latent: np.ndarray,
    labels: np.ndarray,
    centers: np.ndarray,
    mixture: Mixture,
    draws: np.ndarray,
) -> np.ndarray:
    """Return the probability (n,), float32, that a repeated measurement gets the same label.

    Parameters
    ----------
    latent : array (n, d)
    labels : array (n,)
        The nearest of ``centers``, from 0.
    centers : array (k, d)
        They do not change with the repeated measurement.
    mixture : Mixture
    draws : array (draw, d)
        Of :func:`normal_draws`. All pixels use the same, so the probability of one pixel does not
        depend on the others.
    """
    alive = np.flatnonzero(mixture.weight > 0)
    floors = _floors(mixture)
    clusters, parts = _whitened(mixture, alive, floors), []
    for c in alive:
        gain, covariance = _posterior(mixture.spread[c], mixture.noise[c], floors[c])
        parts.append((gain, _Draws(draws @ np.linalg.cholesky(covariance).T, centers)))
    result = np.empty(len(latent), dtype=np.float32)
    for start in range(0, len(latent), _ROWS):
        rows = slice(start, start + _ROWS)
        points, own = latent[rows].astype(np.float64), labels[rows]
        belongs = _responsibility(points, clusters)
        total = np.zeros(len(points))
        for position, c in enumerate(alive):
            gain, moves = parts[position]
            some = np.flatnonzero(belongs[:, position] >= _NEGLIGIBLE)
            expected = mixture.mean[c] + (points[some] - mixture.mean[c]) @ gain.T
            same = _count_same(expected, moves, centers, own[some])
            total[some] += belongs[some, position] * same / len(draws)
        result[rows] = total
    return result


class _Draws:
    """Draws (draw, d) of repeated measurements, as changes of the distances to centers (k, d).

    ``moved (draw, k)`` is added to the distances; ``worst (own, other)`` is the largest advantage
    that any draw gives to another center.
    """

    def __init__(self, draws: np.ndarray, centers: np.ndarray) -> None:
        self.moved = -2 * draws @ (centers - centers.mean(axis=0, dtype=np.float64)).T
        self.worst = np.full((len(centers), len(centers)), -np.inf)
        for shift in self.moved:
            np.maximum(self.worst, shift[:, None] - shift, out=self.worst)


def _count_same(
    expected: np.ndarray, draws: _Draws, centers: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Return for how many draws (n,) ``expected + draw`` is nearest to the center of its label.

    |z - c|^2 differs from |c|^2 - 2 z c by a term that is the same for all centers, and the latter
    is the sum of a term of the point and a term of the draw: no distance is computed twice. Points
    so far inside their cluster that no draw changes their label are not tested draw by draw.
    """
    origin = centers.mean(axis=0, dtype=np.float64)
    centers = centers - origin
    fixed = (centers**2).sum(axis=1)[:, None] - 2 * centers @ (expected - origin).T  # (k, n)
    own = fixed[labels, np.arange(len(labels))]
    near = np.flatnonzero((own + draws.worst[labels].T > fixed).any(axis=0))
    own, fixed, labels = own[near], fixed.take(near, axis=1), labels[near]
    again, count = np.empty_like(fixed), np.zeros(len(near))
    for shift in draws.moved:
        np.add(fixed, shift[:, None], out=again)
        count += own + shift[labels] <= again.min(axis=0)
    same = np.full(len(expected), float(len(draws.moved)))
    same[near] = count
    return same


class _WhitenedCluster(NamedTuple):
    """A cluster that has unit covariance after a shift by ``mean`` and a product with ``matrix``.

    ``log`` is the logarithm of its density at the mean, without a term that all clusters have.
    """

    mean: np.ndarray
    matrix: np.ndarray
    log: float


def _whitened(mixture: Mixture, alive: np.ndarray, floors: np.ndarray) -> list[_WhitenedCluster]:
    clusters = []
    for c in alive:
        root = np.linalg.cholesky(mixture.spread[c] + floors[c] * np.eye(len(mixture.noise[c])))
        log = np.log(mixture.weight[c]) - np.log(np.diag(root)).sum()
        # The root is small: inverting it once is faster than solving for every point.
        clusters.append(_WhitenedCluster(mixture.mean[c], np.linalg.inv(root).T, float(log)))
    return clusters


def _responsibility(points: np.ndarray, clusters: list[_WhitenedCluster]) -> np.ndarray:
    """Return the probability (n, clusters) that a point belongs to each of the clusters."""
    logs = np.empty((len(points), len(clusters)))
    for position, cluster in enumerate(clusters):
        whitened = (points - cluster.mean) @ cluster.matrix
        logs[:, position] = cluster.log - 0.5 * row_sums(whitened**2)
    logs -= row_maxima(logs)[:, None]
    weights = np.exp(logs)
    return weights / row_sums(weights)[:, None]
