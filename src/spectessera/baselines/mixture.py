"""Gaussian mixtures: the only baseline that differs in the clustering, not in the embedding."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from spectessera.evidence import Gain
from spectessera.kmeans import EXACT_POINTS, Clusters, silhouette, silhouette_estimate
from spectessera.kmeans.points import GIVEN, by_size, cluster_points
from spectessera.kmeans.rule import Evidence
from spectessera.result import KCurves, silhouette_curves


class NumberedClusters(NamedTuple):
    """Labels ``(n,)``, int64, and centers ``(k, d)``, numbered by size from 0; curves over k.

    ``criterion`` and ``gains`` are those of :class:`spectessera.kmeans.points.Clustering`.
    """

    labels: np.ndarray
    centers: np.ndarray
    curves: KCurves
    criterion: str
    gains: tuple[Gain, ...] | None = None


def k_means_clusters(
    points: np.ndarray, clusters: Clusters, *, seed: int, evidence: Evidence | None = None
) -> NumberedClusters:
    """Return the clusters of points (n, d), by the clustering that the segmenter uses."""
    found = cluster_points(points, clusters, seed=seed, evidence=evidence)
    return NumberedClusters(found.labels, found.centers, found.curves, found.criterion, found.gains)


def _each_k(points: np.ndarray, clusters: Clusters) -> list[Clusters]:
    """Return settings with a single k, for each k that ``choose_k`` would try."""
    last = min(clusters.k_max, len(points) - 1)
    return [replace(clusters, k_min=k, k_max=k) for k in range(clusters.k_min, last + 1)]


def mixtures(points: np.ndarray, clusters: Clusters, *, seed: int) -> NumberedClusters:
    """Fit a Gaussian mixture for every k and return the one whose labels have the best silhouette.

    Each mixture starts at the clusters of k-means, so only their seeding is random. The silhouette
    of a mixture with all points in one component is NaN.

    Parameters
    ----------
    points : array (n, d), float32
    clusters : Clusters
    seed : int

    Returns
    -------
    NumberedClusters

    Raises
    ------
    ValueError
        If every mixture has all points in one component.
    """
    generator = torch.Generator().manual_seed(seed)
    tensor = torch.from_numpy(points)
    ks, labels, scores = [], [], []
    for settings in _each_k(points, clusters):
        start = k_means_clusters(points, settings, seed=seed)
        components = _mixture_labels(points, start)
        labels.append(components)
        ks.append(settings.k_min)
        if len(np.unique(components)) < 2:
            scores.append((np.nan, np.nan))
        elif len(points) <= EXACT_POINTS:
            scores.append((float(silhouette(tensor, torch.from_numpy(components))), 0.0))
        else:
            estimate = silhouette_estimate(
                tensor, torch.from_numpy(components), samples=clusters.samples, generator=generator
            )
            scores.append((float(estimate.score), float(estimate.error)))
    score, error = np.array(scores).T
    if np.isnan(score).all():
        raise ValueError(
            f"no mixture of {ks[0]} to {ks[-1]} Gaussians separates these spectra: all of them "
            'are in one component; use another method, such as "pca"'
        )
    best = labels[int(np.nanargmax(score))]
    _, best = np.unique(best, return_inverse=True)  # components without points do not count
    sums = [points[best == each].sum(axis=0, dtype=np.float64) for each in range(best.max() + 1)]
    centers = np.stack(sums) / np.bincount(best)[:, None]
    numbered = by_size(best, centers.astype(np.float32))
    criterion = "silhouette" if len(ks) > 1 else GIVEN
    return NumberedClusters(*numbered, silhouette_curves(np.array(ks), score, error), criterion)


def _mixture_labels(points: np.ndarray, start: NumberedClusters) -> np.ndarray:
    """Return the most probable component (n,) of every point."""
    k, d = start.centers.shape
    wide = points.astype(np.float64)
    middle, scale = wide.mean(axis=0), float(wide.std()) or 1.0
    wide = (wide - middle) / scale  # the floor of the covariances below is absolute
    means = (start.centers - middle) / scale
    precisions = np.zeros((k, d, d))
    for each in range(k):
        members = wide[start.labels == each]  # of equal points, a cluster can have none
        spread = np.cov(members.T, bias=True).reshape(d, d) if len(members) else np.zeros((d, d))
        precisions[each] = np.linalg.inv(spread + 1e-6 * np.eye(d))
    counts = np.maximum(1, np.bincount(start.labels, minlength=k))
    model = GaussianMixture(
        k,
        max_iter=1000,
        weights_init=counts / counts.sum(),
        means_init=means,
        precisions_init=precisions,
        random_state=0,  # not used: the start is given completely
    )
    with threadpool_limits(1):  # as in embed
        return model.fit_predict(wide)
