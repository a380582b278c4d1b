"""A cube once more, as an earlier run saw it: for results whose labels people have changed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera.cube import check_cube
from spectessera.preprocess.frame import Frame
from spectessera.preprocess.spikes import despiked
from spectessera.result import mean_spectra, provenance
from spectessera.segmenter.estimator import SpectralSegmenter
from spectessera.variance import with_usable_variance

from .corridor import BlockProgress, Corridor, context_of
from .neighbour_choice import choose_neighbours
from .neighbours import Neighbours
from .pixelstore import MEMORY, is_usable
from .resultmaps import ResultMaps


class Seen(NamedTuple):
    """A cube as a run saw it: without spikes, at rest, with its neighbours."""

    cube: xr.DataArray
    frame: Frame
    neighbours: Neighbours


def as_in_run(result: xr.Dataset, cube: xr.DataArray, segmenter: SpectralSegmenter) -> Seen:
    """Return the cube of a result with the redshift and the neighbours of its run.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment`.
    cube : DataArray (y, x, channel)
        The one that was segmented.
    segmenter : SpectralSegmenter
        With which it was segmented.

    Raises
    ------
    ValueError
        If the cube has another size, or its neighbours would be used otherwise than in the run.
    """
    cube = with_usable_variance(check_cube(cube), compute=True)
    sizes = tuple(result.sizes.get(name, 0) for name in ("y", "x", "channel"))
    if cube.shape != sizes:
        raise ValueError(
            f"the cube is {cube.shape} (y, x, channel), the result is of one of {sizes}; give the "
            "cube that was segmented"
        )
    cube = despiked(cube, segmenter.config("preprocess"))
    frame = segmenter.frame(cube, *_at_rest(result, segmenter))
    reach = int(result.attrs.get("neighbours", 0))
    if reach == 0:
        return Seen(cube, frame, Neighbours())
    intake = segmenter.intake(cube, frame=frame, warn=False)
    seed = int(provenance(result).get("seed", 0))
    for given in (float(result.attrs["neighbour_weight"]), "auto"):
        used = choose_neighbours(cube, intake, given, seed=seed)
        if used.window // 2 == reach:
            return Seen(cube, frame, used)
    raise ValueError(
        f"the result used neighbours up to {reach} away, this cube would not; give the cube and "
        "the model of the run"
    )


def _at_rest(result: xr.Dataset, segmenter: SpectralSegmenter) -> tuple[float | None, str | None]:
    """Return redshift and continuum of a result of a model of lines at rest."""
    if segmenter.expects_.frame == "measured" or "redshift" not in result.attrs:
        return None, None
    return float(result.attrs["redshift"]), str(result.attrs.get("continuum", "none"))


def spectra_of_labels(
    seen: Seen,
    segmenter: SpectralSegmenter,
    label: np.ndarray,
    size: np.ndarray,
    progress: BlockProgress | None = None,
) -> dict[str, np.ndarray]:
    """Return the mean spectra of given clusters, as :func:`spectessera.segment` computes them.

    Parameters
    ----------
    seen : Seen
        Of :func:`as_in_run`.
    segmenter : SpectralSegmenter
    label : array (y, x)
        1..K; 0: pixels that belong to no cluster.
    size : array (K,)
        Pixels of each cluster.
    progress : callable, optional
        See :func:`spectessera.segment`.

    Returns
    -------
    dict of str to array (K, channel) or (K, input channel), float32
        By their names in a result.
    """
    context = context_of(seen.cube, segmenter, seen.frame)
    context = context._replace(neighbours=seen.neighbours)
    corridor = Corridor(seen.cube, context, ResultMaps(seen.cube), progress=progress)
    pixels, _ = corridor.encode(segmenter.cluster_centers_.shape[1], memory=MEMORY)
    rest, k = is_usable(pixels.quality), len(size)
    labels = np.where(label > 0, label, k + 1) * rest  # those left out are a cluster of their own
    sums = corridor.describe(pixels, labels.ravel(), k + 1).sums
    decoded = None if sums.decoded is None else sums.decoded[:k]
    return mean_spectra(size, sums.measured[:k], sums.squares[:k], sums.inputs[:k], decoded)
