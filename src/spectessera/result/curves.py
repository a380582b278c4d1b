"""What is known of every number of clusters k that was tried."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class KCurves(NamedTuple):
    """Criteria for the choice of k, one value for every k that was tried: arrays (number of k,).

    Attributes
    ----------
    k : array, int64
    score, error : array, float64
        Mean silhouette and its standard error.
    stability, stability_error : array, float64
        Jaccard index of the worst cluster when half of the points are clustered, and its standard
        error; NaN where it was not computed.
    agreement : array, float64
        Adjusted Rand index of those clusterings with the one of all points.
    """

    k: np.ndarray
    score: np.ndarray
    error: np.ndarray
    stability: np.ndarray
    stability_error: np.ndarray
    agreement: np.ndarray


def silhouette_curves(k: np.ndarray, score: np.ndarray, error: np.ndarray) -> KCurves:
    """Return curves without stability, which is NaN then."""
    return KCurves(k, score, error, *np.full((3, len(k)), np.nan))


def curves_of(curves: KCurves, excess: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return the curves (number of k,) by their names in a result.

    ``excess`` is :attr:`spectessera.kmeans.Choice.excess`.
    """
    names = ("score", "score_error", "stability", "stability_error", "agreement")
    return dict(zip(names, curves[1:], strict=True)) | (
        {} if excess is None else {"excess": excess}
    )
