"""Gaussian mixtures, the one baseline that differs in its clustering and not in its embedding."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from spectessera.kmeans import EXACT_POINTS, Clusters, silhouette, silhouette_estimate
from spectessera.kmeans.points import by_size, cluster_points
from spectessera.result import KCurves, silhouette_curves


class NumberedClusters(NamedTuple):
    """Labels ``(n,)``, int64, and centers ``(k, d)``, numbered by size from 0; and curves."""

    labels: np.ndarray
    centers: np.ndarray
    curves: KCurves


def k_means_clusters(points: np.ndarray, clusters: Clusters, *, seed: int) -> NumberedClusters:
    """Return the clusters of points (n, d) that the segmenter's own clustering finds."""
    return NumberedClusters(*cluster_points(points, clusters, seed=seed)[:3])


def _each_k(points: np.ndarray, clusters: Clusters) -> list[Clusters]:
    """Return the settings for one k after the other, those of choose_k."""
    last = min(clusters.k_max, len(points) - 1)
    return [replace(clusters, k_min=k, k_max=k) for k in range(clusters.k_min, last + 1)]


def mixtures(points: np.ndarray, clusters: Clusters, *, seed: int) -> NumberedClusters:
    """Fit a Gaussian mixture for every k and keep the k whose labels have the best silhouette.

    Each starts at the clusters of k-means, so that nothing is left to chance but its seeding.
    The silhouette of a mixture that leaves all points in one component is NaN.
    """
    generator = torch.Generator().manual_seed(seed)
    tensor = torch.from_numpy(points)
    ks, labels, scores = [], [], []
    for settings in _each_k(points, clusters):
        start = k_means_clusters(points, settings, seed=seed)
        mine = _mixture_labels(points, start)
        labels.append(mine)
        ks.append(settings.k_min)
        if len(np.unique(mine)) < 2:
            scores.append((np.nan, np.nan))
        elif len(points) <= EXACT_POINTS:
            scores.append((float(silhouette(tensor, torch.from_numpy(mine))), 0.0))
        else:
            told = silhouette_estimate(
                tensor, torch.from_numpy(mine), samples=clusters.samples, generator=generator
            )
            scores.append((float(told.score), float(told.error)))
    score, error = np.array(scores).T
    if np.isnan(score).all():
        raise ValueError(
            f"no mixture of {ks[0]} to {ks[-1]} Gaussians parts these spectra: all of them fall "
            'into one component; use another method, such as "pca"'
        )
    best = labels[int(np.nanargmax(score))]
    _, best = np.unique(best, return_inverse=True)  # a component without points is none
    sums = [points[best == each].sum(axis=0, dtype=np.float64) for each in range(best.max() + 1)]
    centers = np.stack(sums) / np.bincount(best)[:, None]
    numbered = by_size(best, centers.astype(np.float32))
    return NumberedClusters(*numbered, silhouette_curves(np.array(ks), score, error))


def _mixture_labels(points: np.ndarray, start: NumberedClusters) -> np.ndarray:
    """Return the likeliest component (n,) of every point."""
    k, d = start.centers.shape
    wide = points.astype(np.float64)
    middle, scale = wide.mean(axis=0), float(wide.std()) or 1.0
    wide = (wide - middle) / scale  # what is added to covariances is absolute
    means = (start.centers - middle) / scale
    precisions = np.zeros((k, d, d))
    for each in range(k):
        mine = wide[start.labels == each]  # among equal points a center may have none
        spread = np.cov(mine.T, bias=True).reshape(d, d) if len(mine) else np.zeros((d, d))
        precisions[each] = np.linalg.inv(spread + 1e-6 * np.eye(d))
    counts = np.maximum(1, np.bincount(start.labels, minlength=k))
    model = GaussianMixture(
        k,
        max_iter=1000,
        weights_init=counts / counts.sum(),
        means_init=means,
        precisions_init=precisions,
        random_state=0,  # all of its start is given
    )
    with threadpool_limits(1):  # as in embed
        return model.fit_predict(wide)
