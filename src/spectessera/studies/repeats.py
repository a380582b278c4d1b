"""Agreement of repeated segmentations of one cube: with new clusterings or new trainings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import xarray as xr

from spectessera._util.check import check_number
from spectessera.evaluate import adjusted_rand_index
from spectessera.inference.pipeline import segment
from spectessera.result import number_chosen
from spectessera.segmenter.estimator import SpectralSegmenter


@dataclass(frozen=True, eq=False)
class Stability:
    """Agreement of several segmentations of one cube.

    Attributes
    ----------
    label : array (run, y, x), int32
    k : array (run,), int64
        Chosen numbers of clusters, without rare groups.
    seeds : array (run,), int64
    ari : array (run, run)
        Adjusted Rand index of every pair of runs; 1 on the diagonal.
    retrained : bool
        Whether a network was trained for every run, or only the clustering repeated.
    """

    label: np.ndarray
    k: np.ndarray
    seeds: np.ndarray
    ari: np.ndarray
    retrained: bool

    @property
    def mean(self) -> float:
        """Mean adjusted Rand index over the pairs of different runs; 1 for a single run."""
        pairs = self.ari[np.triu_indices(len(self.ari), 1)]
        return float(pairs.mean()) if len(pairs) else 1.0


def stability(
    cube: xr.DataArray,
    segmenter: SpectralSegmenter,
    runs: int = 5,
    *,
    retrain: bool = False,
    clusters: str | int = "cube",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Stability:
    """Segment a cube several times with different seeds and compare the labels.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    segmenter : SpectralSegmenter
        Trained; with ``retrain`` only its settings are used.
    runs : int
        Number of runs; their seeds are ``seed``, ``seed + 1`` ...
    retrain : bool
        Train a network on the cube for every run, each with its own seed.
    clusters : "cube", "trained" or int
        See :func:`spectessera.segment`.
    seed : int
    progress : callable, optional
        Called with the number of finished runs and of all runs.

    Returns
    -------
    Stability

    Raises
    ------
    ValueError
        If ``runs`` is below 2.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> counts = np.random.default_rng(0).poisson(5, (8, 9, 40))
    >>> counts[:, :4, 10] += 60
    >>> cube = spt.make_cube(counts, energy=(1.0, 20.0))
    >>> segmenter = spt.SpectralSegmenter(training=spt.Training(epochs=2)).fit(cube)
    >>> found = spt.stability(cube, segmenter, runs=2, clusters=2)
    >>> len(found.k)
    2
    """
    check_number("runs", runs, low=2, integer=True)
    check_number("seed", seed, low=0, integer=True)
    labels, chosen = [], []
    seeds = np.arange(seed, seed + runs)
    for done, each in enumerate(seeds.tolist(), start=1):
        trained = segmenter
        if retrain:
            settings = {name: segmenter.config(name) for name in segmenter.settings()}
            settings["training"] = replace(settings["training"], seed=each)
            trained = SpectralSegmenter(**settings, device=segmenter.device).fit(cube)
        result = segment(cube, trained, clusters, seed=each, neighbours=0)
        labels.append(result["label"].values)
        chosen.append(number_chosen(result))
        if progress is not None:
            progress(done, runs)
    ari = np.eye(runs)
    for one, other in combinations(range(runs), 2):
        ari[one, other] = ari[other, one] = adjusted_rand_index(labels[one], labels[other])
    return Stability(np.stack(labels), np.array(chosen), seeds, ari, retrain)
