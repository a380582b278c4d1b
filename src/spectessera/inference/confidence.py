"""How sure a label is: would the same pixel, measured again, get the same label?

The noise of a measurement is carried into the latent space by measuring a few thousand pixels
again (counts drawn anew, or noise of the known variance). What a new measurement of any pixel
would give then follows from Bayes' rule with the clusters themselves as the prior: the true
latent of a pixel lies nearer to its cluster than its one noisy measurement does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

# Pixels that are measured again, and how often each.
NOISE_PIXELS = 1024
REDRAWS = 16
# Draws of a new measurement per pixel and cluster; a power of 2, as Sobol's points want it.
DRAWS = 128
_ROWS = 8192
# A cluster that a pixel belongs to by less than this is left out of its probability.
_NEGLIGIBLE = 1e-6
# Steps of expectation and maximisation at most, about how many points they look at, and the change
# of the shares in a cluster, over its size, that is none.
EM_STEPS = 30
_SAME_SHARE = 1e-4
EM_PIXELS = 20_000


class Mixture(NamedTuple):
    """Gaussian description of the clusters in latent space.

    Attributes
    ----------
    weight : array (k,)
    mean : array (k, d)
    spread : array (k, d, d)
        Covariance of the measured latents of each cluster.
    noise : array (k, d, d)
        Part of it that is noise of the measurement.
    """

    weight: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    noise: np.ndarray


def draw_again(
    values: np.ndarray, variance: np.ndarray | None, generator: np.random.Generator
) -> np.ndarray:
    """Return new measurements of spectra (n, channel), float32.

    With a variance, Gaussian noise of that variance is added; without, values are counts and are
    drawn anew from Poisson distributions.
    """
    if variance is None:
        return generator.poisson(np.maximum(values, 0)).astype(np.float32)
    sigma = np.sqrt(np.maximum(np.nan_to_num(variance, nan=0.0, posinf=0.0), 0))
    noise = generator.standard_normal(values.shape, dtype=np.float32)
    return (values + sigma * noise).astype(np.float32)


def noise_covariance(latents: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Return the covariance (k, d, d) of repeated measurements around each pixel's own mean.

    Parameters
    ----------
    latents : array (n, repeats, d)
    labels : array (n,)
        A cluster with no pixel gets the covariance of all.
    k : int
    """
    apart = latents - latents.mean(axis=1, keepdims=True)
    each = np.einsum("nri,nrj->nij", apart, apart) / (latents.shape[1] - 1)
    overall = each.mean(axis=0)
    return np.stack(
        [each[labels == c].mean(axis=0) if (labels == c).any() else overall for c in range(k)]
    )


def describe(latent: np.ndarray, labels: np.ndarray, noise: np.ndarray) -> Mixture:
    """Return the Gaussian mixture of clusters; one without pixels has weight 0.

    It starts at the labelled points. Those are cut off at the borders between clusters, which
    makes overlapping clusters look narrower and further apart than they are: a few steps of
    expectation and maximisation (Dempster et al. 1977) give the overlap back.
    """
    k, d = len(noise), latent.shape[1]
    latent = latent[:: max(1, len(latent) // EM_PIXELS)].astype(np.float64)
    labels = labels[:: max(1, len(labels) // EM_PIXELS)]
    shares = np.zeros((len(latent), k))
    shares[np.arange(len(latent)), labels] = 1.0
    mixture = _maximise(latent, shares, noise)
    for _ in range(EM_STEPS):
        alive, before = np.flatnonzero(mixture.weight > 0), shares
        shares = np.zeros((len(latent), k))
        shares[:, alive] = _responsibility(latent, _balls(mixture, alive, _floors(mixture)))
        # A cluster of fewer points than a covariance has numbers keeps the one that it has.
        if (shares[:, alive].sum(axis=0) <= d + 1).any():
            break
        mixture = _maximise(latent, shares, noise)
        moved = np.abs(shares - before).sum(axis=0)
        if (moved <= _SAME_SHARE * np.maximum(shares.sum(axis=0), 1)).all():
            break
    return mixture


def _maximise(latent: np.ndarray, shares: np.ndarray, noise: np.ndarray) -> Mixture:
    """Return the mixture of points (n, d) that belong to clusters by shares (n, k)."""
    counts = shares.sum(axis=0)
    mean = (shares.T @ latent) / np.maximum(counts, np.finfo(float).tiny)[:, None]
    spread = noise.copy()
    for c in np.flatnonzero(counts > latent.shape[1] + 1):
        apart = latent - mean[c]
        spread[c] = (shares[:, c, None] * apart).T @ apart / counts[c]
    return Mixture(counts / counts.sum(), mean, spread, noise)


def _floors(mixture: Mixture) -> np.ndarray:
    """Return a variance (k,) that keeps every covariance invertible.

    A cluster of equal points has none of its own; the size of the whole mixture gives the scale.
    """
    apart = mixture.mean - mixture.weight @ mixture.mean
    whole = mixture.weight @ (np.trace(mixture.spread, axis1=1, axis2=2) + (apart**2).sum(axis=1))
    return np.full(len(mixture.weight), 1e-9 * max(whole, 1e-30))


def _split(spread: np.ndarray, noise: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the gain T S^-1 and the covariance of a new measurement, for one cluster.

    T is the spread without its noise, made non-negative; S = T + noise + floor.
    """
    values, vectors = np.linalg.eigh(spread - noise)
    true = (vectors * np.maximum(values, 0)) @ vectors.T
    tiny = floor * np.eye(len(noise))
    gain = true @ np.linalg.inv(true + noise + tiny)
    return gain, true - gain @ true + noise + tiny


def normal_draws(d: int, generator: np.random.Generator) -> np.ndarray:
    """Return standard normal draws (draw, d), spread evenly (scrambled Sobol points).

    An unlucky set would err alike for every pixel.
    """
    return ndtri(qmc.Sobol(d, rng=generator).random(DRAWS).clip(1e-9, 1 - 1e-9))


def same_label_probability(
    latent: np.ndarray,
    labels: np.ndarray,
    centers: np.ndarray,
    mixture: Mixture,
    draws: np.ndarray,
) -> np.ndarray:
    """Return the probability (n,), float32, that a new measurement gets the same label.

    Parameters
    ----------
    latent : array (n, d)
    labels : array (n,)
        Nearest of ``centers``.
    centers : array (k, d)
        Not changed by the new measurement.
    mixture : Mixture
    draws : array (draw, d)
        Of :func:`normal_draws`. The same serve all pixels, so the answer for one does not depend
        on others.
    """
    alive = np.flatnonzero(mixture.weight > 0)
    floors = _floors(mixture)
    balls, parts = _balls(mixture, alive, floors), []
    for c in alive:
        gain, covariance = _split(mixture.spread[c], mixture.noise[c], floors[c])
        parts.append((gain, _Draws(draws @ np.linalg.cholesky(covariance).T, centers)))
    result = np.empty(len(latent), dtype=np.float32)
    for start in range(0, len(latent), _ROWS):
        rows = slice(start, start + _ROWS)
        points, mine = latent[rows].astype(np.float64), labels[rows]
        belongs = _responsibility(points, balls)
        total = np.zeros(len(points))
        for position, c in enumerate(alive):
            gain, moves = parts[position]
            some = np.flatnonzero(belongs[:, position] >= _NEGLIGIBLE)
            expected = mixture.mean[c] + (points[some] - mixture.mean[c]) @ gain.T
            same = _count_same(expected, moves, centers, mine[some])
            total[some] += belongs[some, position] * same / len(draws)
        result[rows] = total
    return result


class _Draws:
    """Draws (draw, d) of new measurements, by what they do to the distances to centers (k, d).

    ``moved (draw, k)`` is added to each distance; ``worst (own, other)`` is the most that any draw
    does in favour of another center.
    """

    def __init__(self, draws: np.ndarray, centers: np.ndarray) -> None:
        self.moved = -2 * draws @ (centers - centers.mean(axis=0, dtype=np.float64)).T
        self.worst = np.full((len(centers), len(centers)), -np.inf)
        for shift in self.moved:
            np.maximum(self.worst, shift[:, None] - shift, out=self.worst)


def _count_same(
    expected: np.ndarray, draws: _Draws, centers: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Return how many (n,) of ``expected + draw`` are nearest to the center of their label.

    |z - c|^2 differs from |c|^2 - 2 z c by what all centers share, and the latter is a sum of a
    part of the point and a part of the draw: no distance is computed twice. A point so far inside
    its cluster that not even the worst draw takes it out is not looked at again.
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


class _Ball(NamedTuple):
    """What makes a cluster a ball of unit size: points are moved by ``mean`` and ``matrix``.

    ``log`` is the logarithm of its density in the middle, up to what all clusters share.
    """

    mean: np.ndarray
    matrix: np.ndarray
    log: float


def _balls(mixture: Mixture, alive: np.ndarray, floors: np.ndarray) -> list[_Ball]:
    balls = []
    for c in alive:
        root = np.linalg.cholesky(mixture.spread[c] + floors[c] * np.eye(len(mixture.noise[c])))
        log = np.log(mixture.weight[c]) - np.log(np.diag(root)).sum()
        # The inverse of so small a root, once, instead of solving for every point.
        balls.append(_Ball(mixture.mean[c], np.linalg.inv(root).T, float(log)))
    return balls


def _responsibility(points: np.ndarray, balls: list[_Ball]) -> np.ndarray:
    """Return the probability (n, clusters) that a point belongs to each of some clusters."""
    logs = np.empty((len(points), len(balls)))
    for position, ball in enumerate(balls):
        apart = (points - ball.mean) @ ball.matrix
        logs[:, position] = ball.log - 0.5 * (apart**2).sum(axis=1)
    logs -= logs.max(axis=1, keepdims=True)
    weights = np.exp(logs)
    return weights / weights.sum(axis=1, keepdims=True)
