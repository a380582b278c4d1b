"""k-means of many points: most of the search is done on samples of them."""

from __future__ import annotations

import torch
from torch import Tensor

from ._lloyd import CenterSearch, KMeansRun, KMeansSettings, best_runs, continued, inertia_of
from ._silhouette import MANY_DIMENSIONS

# With more than twice this number of points, the restarts are compared on a sample of this size.
RESTART_POINTS = 8192
# The same for points of many dimensions, whole spectra, of which each iteration costs more.
RESTART_SPECTRA = 2048
# With more than twice this number of points, the best run converges on a sample of this size first.
_CONVERGE_POINTS = 65_536
# With so many points, Lloyd's iterations end where the centers move by less than this: the sum of
# the squared moves, in units of the mean variance of the points. (scikit-learn's default is 1e-4.)
CENTER_TOLERANCE = 1e-5


def best_runs_for(
    points: Tensor,
    ks: tuple[int, ...],
    settings: KMeansSettings,
    generator: torch.Generator,
    *,
    on_all_points: bool = True,
) -> list[KMeansRun]:
    """Return the best clustering for every k; assumes checked input without gradient.

    With many points, the restarts are compared on a sample, and the best one of every k is then
    continued on all points: ten restarts for little more than the time of one. With more than
    131,072 points, it converges on a larger sample in between, and on all points until the centers
    hardly move; with ``on_all_points=False`` the points only get the labels of the nearest centers
    (see :func:`converge`).
    """
    shift = points.mean(0, dtype=torch.float64).to(points.dtype)
    points = points - shift
    few_dimensions = points.shape[1] <= MANY_DIMENSIONS
    sample = RESTART_POINTS if few_dimensions else RESTART_SPECTRA
    if len(points) <= 2 * sample:
        best = best_runs(points, ks, settings, generator)
    else:
        order = torch.randperm(len(points), generator=generator, device=generator.device)
        order = order.to(points.device)
        large = _is_large(points)
        tolerance = _tolerance(points) if large else 0.0
        first = points[order[:sample].sort().values]
        best = best_runs(first, ks, settings, generator, tolerance=tolerance)
        if large:
            second = points[order[:_CONVERGE_POINTS].sort().values]
            finer = tolerance / 10 if on_all_points else tolerance
            best = continued(second, best, ks, settings.max_iter, finer)
        if large and not on_all_points:
            best = _labelled(points, best)
        else:
            best = continued(points, best, ks, settings.max_iter, tolerance)
    return [run._replace(centers=run.centers + shift) for run in best]


def converge(points: Tensor, run: KMeansRun, max_iter: int) -> KMeansRun:
    """Continue Lloyd's iterations over all points, of a run that found its centers on a sample."""
    if not _is_large(points):
        return run
    shift = points.mean(0, dtype=torch.float64).to(points.dtype)
    points, start = points - shift, run._replace(centers=run.centers - shift)
    (run,) = continued(points, [start], (len(run.centers),), max_iter, _tolerance(points))
    return run._replace(centers=run.centers + shift)


def _is_large(points: Tensor) -> bool:
    """Return whether runs converge on a second sample before they do on all points."""
    return len(points) > 2 * _CONVERGE_POINTS and points.shape[1] <= MANY_DIMENSIONS


def _tolerance(points: Tensor) -> float:
    return CENTER_TOLERANCE * float(points.var(0).mean())


def _labelled(points: Tensor, runs: list[KMeansRun]) -> list[KMeansRun]:
    """Return runs whose labels are those of all points, and whose centers are unchanged."""
    search, labelled = CenterSearch(points), []
    for run in runs:
        centers = run.centers[None]
        (labels,) = search.nearest(centers, centers.new_zeros(centers.shape[:2]))
        inertia = inertia_of(points, labels, run.centers)
        labelled.append(KMeansRun(labels, run.centers, inertia, run.converged))
    return labelled
