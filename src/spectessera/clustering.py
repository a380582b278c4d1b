"""Clusters of latent points: how many, which, and how a new point gets its label.

A side door between numpy and torch: points of an autoencoder and of any other method are
clustered by the same code.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from ._stability import adjusted_rand, contingency
from .kmeans import Clusters, assign, choose_k, k_means, order_by_size
from .metric import Metric

# Other seeds that are tried, each on as many points.
SEEDS = 3
SEED_POINTS = 8192


class Choices(NamedTuple):
    """What speaks for every k that was tried: numpy arrays (number of k,).

    Attributes
    ----------
    k : array
    score, error : array
        Silhouette and its standard error.
    stability, stability_error : array
        Jaccard index of the cluster that comes back worst when half of the points are clustered,
        and its standard error; NaN where nobody looked.
    agreement : array
        Adjusted Rand index of those clusterings with that of all points.
    """

    k: np.ndarray
    score: np.ndarray
    error: np.ndarray
    stability: np.ndarray
    stability_error: np.ndarray
    agreement: np.ndarray


def only_silhouettes(k: np.ndarray, score: np.ndarray, error: np.ndarray) -> Choices:
    """Return choices of which the stability is not known."""
    return Choices(k, score, error, *np.full((3, len(k)), np.nan))


class Groups(NamedTuple):
    """Labels ``(n,)``, int64, and centers ``(k, d)``, numbered by size from 0, and the choices."""

    labels: np.ndarray
    centers: np.ndarray
    choices: Choices


class Rule(NamedTuple):
    """How a point gets its label: that of the nearest center, in a metric.

    Attributes
    ----------
    metric : str
    mean : array (d,), float32
    matrix : array (d, d), float32
        See :class:`spectessera.metric.Metric`.
    centers : array (k, d), float32
        In the space of the metric.
    """

    metric: str
    mean: np.ndarray
    matrix: np.ndarray
    centers: np.ndarray

    def move(self, points: np.ndarray, device: str | None = None) -> np.ndarray:
        """Return points (n, d) in the space of the metric; no point's answer depends on others."""
        return self._move(points, device).cpu().numpy()

    def label(self, points: np.ndarray, device: str | None = None) -> np.ndarray:
        """Return the labels (n,), int64 from 0, of points (n, d)."""
        centers = torch.from_numpy(np.array(self.centers)).to(device)
        return assign(self._move(points, device), centers).cpu().numpy()

    def _move(self, points: np.ndarray, device: str | None) -> torch.Tensor:
        arrays = (torch.from_numpy(np.array(each)).to(device) for each in (self.mean, self.matrix))
        tensor = torch.from_numpy(np.ascontiguousarray(points)).to(device)
        return Metric(self.metric, *arrays).move(tensor)


class Clustering(NamedTuple):
    """Clusters of points, numbered by size from 0.

    Attributes
    ----------
    labels : array (n,), int64
    centers : array (k, d), float32
        Where the points are themselves, not in the space of the metric: what is decoded.
    choices : Choices
        What speaks for every k that was tried.
    rule : Rule
    """

    labels: np.ndarray
    centers: np.ndarray
    choices: Choices
    rule: Rule


def cluster_points(
    points: np.ndarray, clusters: Clusters, *, seed: int = 0, device: str = "cpu"
) -> Clustering:
    """Cluster points with the best k, whatever made the points.

    Parameters
    ----------
    points : array (n, d), float32
    clusters : Clusters
    seed : int
    device : str

    Returns
    -------
    Clustering

    Raises
    ------
    ValueError
        If the points are not finite, or fewer than k_min + 1.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(points)).to(device)
    generator = torch.Generator(tensor.device).manual_seed(seed)
    # Of one k there is nothing to choose.
    several = clusters.k_max > clusters.k_min
    settings = clusters if several else replace(clusters, criterion="silhouette")
    found = choose_k(tensor, settings, generator=generator, both=several)
    _, centers = order_by_size(found.labels, found.centers)
    arrays = (each.cpu().numpy() for each in (found.metric.mean, found.metric.matrix, centers))
    rule = Rule(found.metric.name, *arrays)
    labels = rule.label(points, device)
    curves = [found.scores, found.errors, *(found.stability or ())]
    columns = [each.double().cpu().numpy() for each in curves]
    ks = np.array(found.ks)
    choices = Choices(ks, *columns) if several else only_silhouettes(ks, *columns)
    return Clustering(labels, centers_of(points, labels, rule), choices, rule)


def agreement_of_seeds(
    points: np.ndarray, found: Clustering, clusters: Clusters, *, seed: int, device: str = "cpu"
) -> float:
    """Return how alike the clusters are that other seeds find: an adjusted Rand index.

    Mean over three other seeds, each clustering a sample of the points (n, d) into as many
    clusters. NaN for points that are too few to have other clusters.
    """
    k = len(found.centers)
    rows = np.random.default_rng([seed, 4]).permutation(len(points))[:SEED_POINTS]
    if len(rows) <= k:
        return float("nan")
    sample = torch.from_numpy(np.ascontiguousarray(points[rows])).to(device)
    labels = torch.from_numpy(found.labels[rows]).to(device)
    scores = []
    for other in range(seed + 1, seed + 1 + SEEDS):
        generator = torch.Generator(sample.device).manual_seed(other % 2**63)
        again = k_means(sample, k, clusters, generator=generator)
        scores.append(float(adjusted_rand(contingency(labels, again.labels, k))))
    return float(np.mean(scores))


def centers_of(points: np.ndarray, labels: np.ndarray, rule: Rule) -> np.ndarray:
    """Return the centers (k, d) of clusters where the points are themselves.

    They are the rule's where its metric is the points' own; else the means of the members, since
    what lies between points on a sphere does not lie on it. (A cluster without points, as there
    may be among equal ones, has the mean of all.)
    """
    if rule.metric == "euclidean":
        return rule.centers
    k = len(rule.centers)
    wide = points.astype(np.float64)
    means = np.stack([np.bincount(labels, column, minlength=k) for column in wide.T], axis=1)
    counts = np.bincount(labels, minlength=k)[:, None]
    means = np.where(counts > 0, means / np.maximum(counts, 1), wide.mean(axis=0))
    return means.astype(np.float32)


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
