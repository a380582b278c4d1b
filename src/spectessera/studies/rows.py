"""The scores of every method of a reproduction, and their means over the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from spectessera.evaluate import compare

from .experiments import Experiment

COLUMNS = (
    "accuracy", "weighted_accuracy", "f1", "tversky", "ari", "k", "ari_true_k", "ari_colours",
    "background", "fit_seconds", "segment_seconds",
)  # fmt: skip


class Row(NamedTuple):
    """Scores of one method on one image.

    Attributes
    ----------
    experiment, method, words : str
        ``words`` describes the method.
    seed : int
    k : int
        Chosen number of clusters.
    accuracy, weighted_accuracy, f1, tversky, ari : float
        Against the true labels, for the chosen k.
    ari_true_k : float
        With as many clusters as there are classes.
    k_open : int
        Number of clusters chosen from 2 to 10.
    ari_colours : float
        Against the clustered colours of the picture.
    background : float
        F1 of the class that is not in the training data; NaN if there is none.
    fit_seconds, segment_seconds : float
        Of the training, and of the segmentation of a new image. For methods that are fitted on
        that image, the latter includes the fit.
    """

    experiment: str
    method: str
    words: str
    seed: int
    k: int
    accuracy: float
    weighted_accuracy: float
    f1: float
    tversky: float
    ari: float
    ari_true_k: float
    k_open: int
    ari_colours: float
    background: float
    fit_seconds: float
    segment_seconds: float


def row_of(
    experiment: Experiment,
    name: str,
    description: str,
    seed: int,
    label: np.ndarray,
    true_k: np.ndarray,
    k_open: int,
    seconds: tuple[float, float],
) -> Row:
    """Return the row of a label map and of one with the true number of clusters (``true_k``)."""
    scores = compare(label, experiment.truth)
    background = np.flatnonzero(scores.classes == experiment.background)
    return Row(
        experiment=experiment.name,
        method=name,
        words=description,
        seed=seed,
        k=scores.clusters,
        accuracy=scores.accuracy,
        weighted_accuracy=scores.weighted_accuracy,
        f1=scores.f1,
        tversky=scores.tversky,
        ari=scores.ari,
        ari_true_k=compare(true_k, experiment.truth).ari,
        k_open=k_open,
        ari_colours=compare(label, experiment.colours).ari,
        background=float(scores.class_f1[background[0]]) if len(background) else float("nan"),
        fit_seconds=round(seconds[0], 2),
        segment_seconds=round(seconds[1], 2),
    )


def mean_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the mean and the standard deviation over the seeds for every experiment and method.

    For times the median instead of the mean: the machine may have been busy with other work.
    """
    means = []
    keys = list(dict.fromkeys((row.experiment, row.method) for row in rows))
    for experiment, method in keys:
        runs = [row for row in rows if (row.experiment, row.method) == (experiment, method)]
        mean: dict[str, Any] = {"experiment": experiment, "method": method, "words": runs[0].words}
        for name in COLUMNS:
            values = np.array([getattr(row, name) for row in runs], dtype=float)
            mean[name] = float(np.median(values) if name.endswith("_seconds") else values.mean())
            mean[f"{name}_sd"] = float(values.std())
        mean["ks"] = [row.k for row in runs]
        mean["ks_open"] = [row.k_open for row in runs]
        means.append(mean)
    return means
