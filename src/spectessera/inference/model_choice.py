"""Which model suits a cube: one that ships with the package, or one trained on the cube itself."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.threads import prefetch
from spectessera.cube import check_cube
from spectessera.evidence import Gain, falls_short
from spectessera.kmeans import Clusters
from spectessera.network.codec import principal_codec
from spectessera.network.modelfile import MODELS
from spectessera.preprocess.auto import metric_for, noise_share
from spectessera.preprocess.intake import Intake
from spectessera.preprocess.recipe import Preprocess
from spectessera.preprocess.steps import AUTO
from spectessera.scale import without_void_variance
from spectessera.segmenter import SpectralSegmenter, load

from .corridor import BlockProgress, context_of
from .evidence import LEAST_PIXELS, halves_as_inputs
from .neighbour_choice import choose_neighbours, intake_before_training
from .neighbours import Neighbours
from .passes import Encoder
from .patches import patches_of

log = logging.getLogger(__name__)

# Numbers of clusters whose gain is computed; the largest counts.
_TRIED = (4, 8, 12)
_COMPONENTS = 10
# Name of the linear map of the cube among the gains.
OWN = "linear"


class ModelChoice(NamedTuple):
    """Which model suits a cube.

    Attributes
    ----------
    name : str
        Of the shipped model; "" for one that is to be trained on the cube.
    segmenter : SpectralSegmenter or None
        The shipped model.
    gains : dict of str to float
        Largest gain of every model that was tried, in natural logarithms per pixel; "linear" is
        the linear map that a training on the cube begins with. Empty where nothing was compared.
    reason : str
        In words.
    """

    name: str
    segmenter: SpectralSegmenter | None
    gains: dict[str, float]
    reason: str


def choose_model(
    cube: xr.DataArray,
    *,
    neighbours: str | float | Neighbours = "auto",
    seed: int = 0,
    progress: BlockProgress | None = None,
) -> ModelChoice:
    """Choose between the shipped models and one that is to be trained on the cube.

    A shipped model must be able to read the axis of the cube. Its clusters, made from one part of
    the measurement, must foretell the other part nearly as well (nine tenths of the gain, or less
    by no more than chance) as those of the principal components of the cube itself, with which a
    training on it begins. So nothing is trained in order to choose. A small difference of the gain
    says nothing: see docs/models.md.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        In memory or chunked; a few pieces of it are read.
    neighbours : "auto", float or Neighbours
        As of :func:`spectessera.segment`.
    seed : int
    progress : callable, optional
        Called with the name of the step, the number of models that are done, and that of all.

    Returns
    -------
    ModelChoice

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> from spectessera.inference import choose_model
    >>> cube = spt.make_cube(np.random.default_rng(0).poisson(5, (8, 9, 40)))
    >>> choose_model(cube).reason
    'no shipped model reads its axis'
    """
    cube = without_void_variance(check_cube(cube), compute=True)
    readable = _readable(cube)
    if not readable:
        return ModelChoice("", None, {}, "no shipped model reads its axis")
    if not isinstance(neighbours, Neighbours):
        neighbours = choose_neighbours(cube, None, neighbours, seed=seed)
    task = _Task(cube, readable, neighbours, seed, progress or (lambda *_: None))
    # In one thread: sums of matrix products depend on the number of threads.
    return next(prefetch(_compared, [task], workers=1))


class _Task(NamedTuple):
    """What a choice is made from."""

    cube: xr.DataArray
    shipped: dict[str, SpectralSegmenter]
    neighbours: Neighbours
    seed: int
    report: BlockProgress


def _readable(cube: xr.DataArray) -> dict[str, SpectralSegmenter]:
    """Return the shipped models that can read the axis of a cube."""
    found = {}
    for name in MODELS:
        segmenter = load(name)
        try:
            segmenter.intake(cube)
        except ValueError as error:  # another kind of axis, or too little of it
            log.debug("the model %s is not tried: %s", name, error)
            continue
        found[name] = segmenter
    return found


def _compared(task: _Task) -> ModelChoice:
    """Return the shipped model of the largest gain, if it does not fall short of the cube's own."""
    intake = intake_before_training(
        task.cube, Preprocess(stabilise=AUTO, normalise=AUTO), task.seed
    )
    if patches_of(task.cube, intake, task.seed).usable.sum() < LEAST_PIXELS:
        name, segmenter = next(iter(task.shipped.items()))
        return ModelChoice(name, segmenter, {}, "too few pixels are usable to train a model")
    own = _gain_of_own(task, intake)
    if own is None:
        return ModelChoice("", None, {}, "the noise of the cube is not known")
    gains, steps = {OWN: own}, len(task.shipped) + 1
    for done, (name, segmenter) in enumerate(task.shipped.items(), start=1):
        task.report("models", done, steps)
        context = context_of(task.cube, segmenter)
        gain = _gain(task, context.intake, context.encoder, segmenter.config("clusters"))
        if gain is not None:
            gains[name] = gain
    task.report("models", steps, steps)
    best = max(task.shipped, key=lambda name: gains[name].mean if name in gains else -np.inf)
    means = {name: gain.mean for name, gain in gains.items()}
    if best not in gains or falls_short(gains[best], own):
        said = f"; {best} foretells less of them" if best in gains else ""
        return ModelChoice("", None, means, f"its own spectra are the better guide{said}")
    return ModelChoice(best, task.shipped[best], means, "it foretells the spectra as well")


def _gain_of_own(task: _Task, intake: Intake) -> Gain | None:
    """Return the gain of the whitened principal components of the cube."""
    halves = halves_as_inputs(task.cube, intake, task.neighbours, task.seed)
    if halves is None:
        return None
    codec = principal_codec(halves.inputs, _COMPONENTS)
    clusters = Clusters(metric=metric_for(noise_share(halves.inputs), _COMPONENTS))
    return halves.encoded_by(codec, task.seed).best_gain(_TRIED, clusters)


def _gain(task: _Task, intake: Intake, encoder: Encoder, clusters: Clusters) -> Gain | None:
    """Return the largest gain of an encoder."""
    halves = halves_as_inputs(task.cube, intake, task.neighbours, task.seed)
    if halves is None:
        return None
    return halves.encoded_by(encoder, task.seed).best_gain(_TRIED, clusters)
