"""The metric in which principal components of counts are clustered, by evidence."""

from __future__ import annotations

import xarray as xr

from spectessera._util.threads import prefetch
from spectessera.cube import check_cube, noise_of
from spectessera.evidence import Gain, falls_short
from spectessera.kmeans import Clusters
from spectessera.network.codec import principal_codec
from spectessera.preprocess.auto import metric_for, noise_share
from spectessera.preprocess.intake import Intake
from spectessera.preprocess.steps import AUTO
from spectessera.scale import without_void_variance

from .evidence import Halves, halves_as_inputs
from .neighbour_choice import NEW, check_neighbours, neighbours_in, patches_before_training
from .neighbours import Neighbours
from .patches import patches_of

# Numbers of clusters whose gain is computed; the largest gain counts.
TRIED = (4, 8, 12)
# The metric in which components without signal have little weight.
QUIET = "half-whitened"


def choose_metric(
    cube: xr.DataArray,
    intake: Intake | None = None,
    *,
    neighbours: str | float | Neighbours = "auto",
    latent: int = 10,
    seed: int = 0,
) -> str:
    """Return the metric for a network that is to be trained on a cube.

    By the rule of :mod:`spectessera.preprocess.auto`, spectra with much noise are whitened. Where
    few components are more than noise, as in a map of few counts and few different spectra, that
    makes clusters of noise. So where the noise is that of counts, clusters of whitened components
    must foretell a held-out part of the measurement nearly as well (nine tenths of the gain, or
    less by no more than chance) as those of half-whitened ones. With a variance the gain does not
    tell which metric is better (docs/design/0010-metric.md).

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        In memory or chunked; a few pieces of it are read.
    intake : Intake, optional
        What makes network inputs of its spectra; by default as a new segmenter would make them.
    neighbours : "auto", float or Neighbours
        As of :func:`spectessera.segment`.
    latent : int
        Number of components.
    seed : int

    Returns
    -------
    str
        "half-whitened"; or "auto", which is the rule.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> from spectessera.inference import choose_metric
    >>> counts = np.random.default_rng(0).poisson(5, (8, 9, 40))
    >>> choose_metric(spt.make_cube(counts, energy=(0.5, 20)))
    'auto'
    """
    check_neighbours(neighbours)
    cube = without_void_variance(check_cube(cube), compute=True)
    if "variance" in cube.coords:
        return AUTO
    if intake is None:
        patches, intake = patches_before_training(cube, NEW, seed)
    else:
        patches = patches_of(cube, intake, seed)
    if noise_of(cube, patches.values[patches.usable]) != "counts":
        return AUTO
    if not isinstance(neighbours, Neighbours):
        neighbours = neighbours_in(cube, patches, intake, neighbours, seed=seed)
    halves = halves_as_inputs(cube, intake, neighbours, seed, patches)
    if halves is None:
        return AUTO
    # In one thread: sums of matrix products depend on the number of threads.
    task = (halves, latent, seed)
    chosen = prefetch(lambda given: gain_of_components(*given, counts=True), [task], workers=1)
    return next(chosen)[1]


def gain_of_components(halves: Halves, latent: int, seed: int, *, counts: bool) -> tuple[Gain, str]:
    """Return the gain of principal components of the first part, and the metric: see above."""
    held_out = halves.encoded_by(principal_codec(halves.inputs, latent), seed)
    rule = metric_for(noise_share(halves.inputs), latent)
    given = held_out.best_gain(TRIED, Clusters(metric=rule))
    if counts and rule != QUIET:
        quiet = held_out.best_gain(TRIED, Clusters(metric=QUIET))
        if quiet.mean > 0 and falls_short(given, quiet):
            return quiet, QUIET
    return given, AUTO
