"""How unlike anything in training a spectrum is: by what it loses when decoded, and by its latent.

Two numbers, each compared with those of the training spectra. The error of the reconstruction
finds what the network cannot draw, such as noise alone or lines that it has never seen; the
distance of the latent from the clusters of the training finds what it draws as something else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# From here on a spectrum is called unlike the training: of the training itself, one in twenty is.
NOVEL = 0.95
# The share of those false alarms that the reconstruction has; it tells more than the latent.
BY_ERROR = 0.8
# Quantiles that are kept: beyond the last but one, a spectrum is among the last in a thousand.
LEVELS = np.concatenate([np.linspace(0, 0.9, 91), np.linspace(0.901, 1, 100)])
# Latents that are compared with all clusters at once, and spectra that are decoded at once.
_ROWS = 2048


class Typical(NamedTuple):
    """How far training spectra are from what the model knows: quantiles, float64, ascending.

    Attributes
    ----------
    distance : array (level,)
        Of the latents, as :func:`latent_distance`.
    error : array (level,)
        Of the reconstruction, as :func:`reconstruction_error`.
    """

    distance: np.ndarray
    error: np.ndarray


def latent_distance(latent: np.ndarray, groups: LatentGroups) -> np.ndarray:
    """Return minus the log density of latents (n, latent) among the clusters of the training."""
    d = groups.mean.shape[1]
    covariances = groups.root @ groups.root.transpose(0, 2, 1)
    # A cluster flat in some direction would make everything beside it infinitely far.
    floor = 1e-3 * max(np.trace(covariances, axis1=1, axis2=2).mean() / d, 1e-12) * np.eye(d)
    alive = np.flatnonzero(groups.weight > 0)
    roots = np.linalg.inv(np.linalg.cholesky(covariances[alive] + floor))
    scale = np.log(groups.weight[alive])
    scale += np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
    middle = groups.mean[alive].mean(axis=0)  # so that no difference is one of large numbers
    moved = (roots @ (groups.mean[alive] - middle)[:, :, None]).ravel()
    matrix = roots.reshape(-1, d).T  # one product for all groups
    found = np.empty(len(latent))
    for start in range(0, len(latent), _ROWS):
        points = latent[start : start + _ROWS].astype(np.float64) - middle
        apart = points @ matrix - moved
        np.square(apart, out=apart)
        logs = scale - 0.5 * apart.reshape(len(points), -1, d).sum(axis=2)
        found[start : start + _ROWS] = -np.logaddexp.reduce(logs, axis=1)
    return found


def reconstruction_error(inputs: np.ndarray, decoded: np.ndarray) -> np.ndarray:
    """Return the mean squared difference (n,), float64, of inputs (n, channel) and decoded ones."""
    return np.square(inputs - decoded, dtype=np.float32).mean(axis=1, dtype=np.float64)


def typical_of(distance: np.ndarray, error: np.ndarray) -> Typical:
    """Return the quantiles of both numbers over the training spectra, (n,) each."""
    return Typical(np.quantile(distance, LEVELS), np.quantile(error, LEVELS))


def check_typical(typical: Typical) -> Typical:
    """Return quantiles that a file held.

    Raises
    ------
    ValueError
        If they are not finite, ascending and as many as expected.
    """
    for values in typical:
        if values.shape != LEVELS.shape or not np.isfinite(values).all():
            raise ValueError("the quantiles of training spectra are not whole")
        if (np.diff(values) < 0).any():
            raise ValueError("the quantiles of training spectra do not ascend")
    return typical


def novelty_of(typical: Typical, distance: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return how unlike the training spectra are, (n,) float32 from 0 to 1.

    One less the share of training spectra that are as far or farther, by either number, the shares
    being divided so that a share s of the training has a novelty above 1 - s.
    """
    shares = [
        np.clip(1 - np.interp(values, quantiles, LEVELS), 0, 1) / part
        for values, quantiles, part in (
            (error, typical.error, BY_ERROR),
            (distance, typical.distance, 1 - BY_ERROR),
        )
    ]
    return (1 - np.minimum(1, np.minimum(*shares))).astype(np.float32)


class LatentGroups(NamedTuple):
    """The clusters of the training as normal distributions, float64.

    Attributes
    ----------
    weight : array (k,)
        Shares of the training spectra.
    mean : array (k, latent)
    root : array (k, latent, latent)
        Matrix square root of the covariance.
    """

    weight: np.ndarray
    mean: np.ndarray
    root: np.ndarray

    def draw(self, n: int, cluster: int | None, generator: np.random.Generator) -> np.ndarray:
        """Return n latents (n, latent), float32, of a cluster, or of all by their shares."""
        if cluster is None:
            labels = generator.choice(len(self.weight), n, p=self.weight)
        else:
            labels = np.full(n, cluster)
        normal = generator.standard_normal((n, self.mean.shape[1]))
        latent = self.mean[labels] + np.einsum("nij,nj->ni", self.root[labels], normal)
        return latent.astype(np.float32)


def latent_groups(latent: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> LatentGroups:
    """Describe the clusters of latents (n, latent); one without points is its center."""
    points, k = latent.astype(np.float64), len(centers)
    means, roots = [], []
    for label in range(k):
        mine = points[labels == label]
        if len(mine) == 0:  # equal latents: two centers at one place, the first has the points
            mine = centers[label : label + 1].astype(np.float64)
        apart = mine - mine.mean(axis=0)
        values, vectors = np.linalg.eigh(apart.T @ apart / len(mine))
        means.append(mine.mean(axis=0))
        roots.append(vectors * np.sqrt(np.maximum(values, 0)))
    weight = np.bincount(labels, minlength=k) / len(labels)
    return LatentGroups(weight, np.stack(means), np.stack(roots))


class Reference(NamedTuple):
    """What novelty is measured against: the training spectra, as the model keeps them.

    Attributes
    ----------
    groups : LatentGroups
    typical : Typical
    """

    groups: LatentGroups
    typical: Typical

    def novelty(self, inputs: np.ndarray, latent: np.ndarray, decoded: np.ndarray) -> np.ndarray:
        """Return the novelty (n,) of inputs (n, channel), their latents and decoded spectra."""
        distance = latent_distance(latent, self.groups)
        return novelty_of(self.typical, distance, reconstruction_error(inputs, decoded))


def reference_of(
    inputs: np.ndarray,
    latent: np.ndarray,
    labels: np.ndarray,
    centers: np.ndarray,
    decode: Callable[[np.ndarray], np.ndarray],
) -> Reference:
    """Return the reference of training spectra.

    Parameters
    ----------
    inputs : array (n, input channel), float32
    latent : array (n, latent), float32
    labels : array (n,)
        From 0.
    centers : array (k, latent)
    decode : callable
        From latents to spectra in network-input units.
    """
    groups = latent_groups(latent, labels, centers)
    parts = [slice(first, first + _ROWS) for first in range(0, len(inputs), _ROWS)]
    errors = [reconstruction_error(inputs[part], decode(latent[part])) for part in parts]
    return Reference(groups, typical_of(latent_distance(latent, groups), np.concatenate(errors)))
