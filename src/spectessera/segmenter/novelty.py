"""How unlike the training spectra a spectrum is: by its reconstruction and by its latent.

Two numbers are compared with those of the training spectra. The error of the reconstruction is
large for spectra that the network cannot decode, such as noise alone or lines that are not in the
training; the distance of the latent from the clusters of the training is large for spectra that are
decoded, but are unlike those of the training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# Novelty from which on a spectrum is unlike the training; one in twenty training spectra is.
NOVEL = 0.95
# Share of the reconstruction in these false alarms; it is more informative than the latent.
ERROR_SHARE = 0.8
# Quantiles that are stored; one in a thousand training spectra is beyond the last but one.
LEVELS = np.concatenate([np.linspace(0, 0.9, 91), np.linspace(0.901, 1, 100)])
# Latents that are compared with all clusters at once, and spectra that are decoded at once.
_ROWS = 2048


class TrainingQuantiles(NamedTuple):
    """Quantiles of both numbers over the training spectra, float64, ascending.

    Attributes
    ----------
    distance : array (level,)
        Of :func:`latent_distance`.
    error : array (level,)
        Of :func:`reconstruction_error`.
    """

    distance: np.ndarray
    error: np.ndarray


def latent_distance(latent: np.ndarray, groups: LatentGroups) -> np.ndarray:
    """Return minus the log density (n,) of latents (n, latent) in the training clusters."""
    d = groups.mean.shape[1]
    covariances = groups.root @ groups.root.transpose(0, 2, 1)
    # Without a floor, a flat cluster would be infinitely far from every point beside it.
    floor = 1e-3 * max(np.trace(covariances, axis1=1, axis2=2).mean() / d, 1e-12) * np.eye(d)
    alive = np.flatnonzero(groups.weight > 0)
    roots = np.linalg.inv(np.linalg.cholesky(covariances[alive] + floor))
    scale = np.log(groups.weight[alive])
    scale += np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
    middle = groups.mean[alive].mean(axis=0)  # subtracted to avoid differences of large numbers
    moved = (roots @ (groups.mean[alive] - middle)[:, :, None]).ravel()
    matrix = roots.reshape(-1, d).T  # one product for all groups
    distance = np.empty(len(latent))
    for start in range(0, len(latent), _ROWS):
        points = latent[start : start + _ROWS].astype(np.float64) - middle
        apart = points @ matrix - moved
        np.square(apart, out=apart)
        logs = scale - 0.5 * apart.reshape(len(points), -1, d).sum(axis=2)
        distance[start : start + _ROWS] = -np.logaddexp.reduce(logs, axis=1)
    return distance


def reconstruction_error(inputs: np.ndarray, decoded: np.ndarray) -> np.ndarray:
    """Return the mean squared difference (n,), float64, of inputs (n, channel) and ``decoded``."""
    return np.square(inputs - decoded, dtype=np.float32).mean(axis=1, dtype=np.float64)


def within_seen(inputs: np.ndarray, decoded: np.ndarray) -> np.ndarray:
    """Return decoded spectra (n, channel) with the root sum of squares 1 in what the inputs show.

    For models that were trained on parts of their axis: channels before the first and after the
    last input that is not 0 are 0.

    Examples
    --------
    >>> within_seen(np.array([[0.0, 1.0, 0.0, 0.0, 0.5, 0.0]]), np.full((1, 6), 2.0)).tolist()
    [[0.0, 0.5, 0.5, 0.5, 0.5, 0.0]]
    """
    seen, at = inputs != 0, np.arange(inputs.shape[1])
    first, last = seen.argmax(axis=1), inputs.shape[1] - 1 - seen[:, ::-1].argmax(axis=1)
    part = np.where((at >= first[:, None]) & (at <= last[:, None]), decoded, 0).astype(np.float32)
    size = np.sqrt(np.square(part, dtype=np.float32).sum(axis=1, keepdims=True, dtype=np.float64))
    return (part / np.where(size > 0, size, 1)).astype(np.float32)


def training_quantiles(distance: np.ndarray, error: np.ndarray) -> TrainingQuantiles:
    """Return the quantiles of both numbers over the training spectra, (n,) each."""
    return TrainingQuantiles(np.quantile(distance, LEVELS), np.quantile(error, LEVELS))


def check_quantiles(quantiles: TrainingQuantiles) -> TrainingQuantiles:
    """Return the quantiles of a file.

    Raises
    ------
    ValueError
        If they are not finite, not ascending, or their number is wrong.
    """
    for values in quantiles:
        if values.shape != LEVELS.shape or not np.isfinite(values).all():
            raise ValueError("the quantiles of training spectra are incomplete")
        if (np.diff(values) < 0).any():
            raise ValueError("the quantiles of training spectra do not ascend")
    return quantiles


def novelty_of(typical: TrainingQuantiles, distance: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return the novelty of spectra, (n,) float32 from 0 to 1.

    One minus the share of training spectra that are as far or farther by either number. The shares
    of both numbers are scaled so that a share s of the training has a novelty above 1 - s.
    """
    shares = [
        np.clip(1 - np.interp(values, quantiles, LEVELS), 0, 1) / part
        for values, quantiles, part in (
            (error, typical.error, ERROR_SHARE),
            (distance, typical.distance, 1 - ERROR_SHARE),
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
    """Describe the clusters of latents (n, latent); a cluster without points is its center."""
    points, k = latent.astype(np.float64), len(centers)
    means, roots = [], []
    for label in range(k):
        members = points[labels == label]
        if len(members) == 0:  # of centers at one place, the first has all points
            members = centers[label : label + 1].astype(np.float64)
        apart = members - members.mean(axis=0)
        values, vectors = np.linalg.eigh(apart.T @ apart / len(members))
        means.append(members.mean(axis=0))
        roots.append(vectors * np.sqrt(np.maximum(values, 0)))
    weight = np.bincount(labels, minlength=k) / len(labels)
    return LatentGroups(weight, np.stack(means), np.stack(roots))


class Reference(NamedTuple):
    """The training spectra, as novelty is measured against them.

    Attributes
    ----------
    groups : LatentGroups
    typical : TrainingQuantiles
    parts : bool
        Whether the training was on parts of the axis, so that the others are not compared.
    """

    groups: LatentGroups
    typical: TrainingQuantiles
    parts: bool = False

    def novelty(self, inputs: np.ndarray, latent: np.ndarray, decoded: np.ndarray) -> np.ndarray:
        """Return the novelty (n,) of inputs (n, channel), their latents and decoded spectra."""
        distance = latent_distance(latent, self.groups)
        decoded = within_seen(inputs, decoded) if self.parts else decoded
        return novelty_of(self.typical, distance, reconstruction_error(inputs, decoded))


def reference_of(
    inputs: np.ndarray,
    latent: np.ndarray,
    labels: np.ndarray,
    centers: np.ndarray,
    decode: Callable[[np.ndarray], np.ndarray],
    *,
    parts: bool = False,
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
    parts : bool
        As of :class:`Reference`.
    """
    groups = latent_groups(latent, labels, centers)
    errors = []
    for first in range(0, len(inputs), _ROWS):
        some, decoded = inputs[first : first + _ROWS], decode(latent[first : first + _ROWS])
        decoded = within_seen(some, decoded) if parts else decoded
        errors.append(reconstruction_error(some, decoded))
    distance = latent_distance(latent, groups)
    return Reference(groups, training_quantiles(distance, np.concatenate(errors)), parts)
