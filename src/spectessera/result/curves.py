"""What is known of every number of clusters k that was tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spectessera.evidence import Gain


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


def curves_of(
    curves: KCurves,
    excess: np.ndarray | None = None,
    gains: Sequence[Gain] | None = None,
) -> dict[str, np.ndarray]:
    """Return the curves (number of k,) by their names in a result.

    ``excess`` and ``gains`` are those of :class:`spectessera.kmeans.Choice`.
    """
    names = ("score", "score_error", "stability", "stability_error", "agreement")
    found = dict(zip(names, curves[1:], strict=True))
    if excess is not None:
        found["excess"] = excess
    if gains is not None:
        found["gain"] = np.array([each.mean for each in gains])
        found["gain_error"] = np.array([each.error for each in gains])
    return found
