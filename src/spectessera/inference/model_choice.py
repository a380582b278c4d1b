"""Which model suits a cube: one that ships with the package, or one trained on the cube itself."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.threads import prefetch
from spectessera.axis import WELL_COVERED
from spectessera.cube import check_cube, noise_of
from spectessera.evidence import Gain, falls_short
from spectessera.kmeans import Clusters
from spectessera.network.codec import principal_codec
from spectessera.network.modelfile import MODELS
from spectessera.preprocess.auto import OF_COUNTS, metric_for, noise_share
from spectessera.preprocess.frame import REST, Frame
from spectessera.preprocess.intake import Intake
from spectessera.result.metadata import AS_WELL
from spectessera.segmenter import SpectralSegmenter, load
from spectessera.segmenter.frame import NONE_FOUND, for_model
from spectessera.segmenter.novelty import NOVEL
from spectessera.variance import with_usable_variance

from .corridor import BlockProgress
from .evidence import LEAST_PIXELS, Halves, halves_as_inputs
from .neighbour_choice import NEW, check_neighbours, neighbours_in, patches_before_training
from .neighbours import Neighbours
from .patches import Patches

log = logging.getLogger(__name__)

# Numbers of clusters whose gain is computed; the largest counts.
_TRIED = (4, 8, 12)
_COMPONENTS = 10
# Share of novel spectra from which on a model must predict as well as the cube's own components.
# Of spectra like those of the training, by any simulator, at most a tenth are novel; of electron
# beams, which maxrf was not trained on, four tenths or more.
_MANY = 0.25
# A gain of up to so many standard errors is none.
_CHANCE = 2.0
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
    frame : Frame
        Redshift and continuum of the cube, where the shipped model needs them.
    """

    name: str
    segmenter: SpectralSegmenter | None
    gains: dict[str, float]
    reason: str
    frame: Frame = Frame()


def choose_model(
    cube: xr.DataArray,
    *,
    neighbours: str | float | Neighbours = "auto",
    redshift: float | None = None,
    continuum: str | None = None,
    seed: int = 0,
    progress: BlockProgress | None = None,
) -> ModelChoice:
    """Choose between the shipped models and one that is to be trained on the cube.

    A shipped model must be able to read the axis of the cube, and find its redshift if it expects
    wavelengths at rest. Its clusters, made from one part of the measurement, must predict the
    other part nearly as well (nine tenths of the gain, or less by no more than chance) as those of
    the principal components of the cube itself, with which a training on it begins. So nothing is
    trained in order to choose. A small difference of the gain says nothing (docs/models.md). If
    more than a quarter of the spectra are unlike those that the model was trained on, its gain must
    be as large as that of the cube itself, where this is beyond chance.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        In memory or chunked; a few pieces of it are read.
    neighbours : "auto", float or Neighbours
        As of :func:`spectessera.segment`.
    redshift, continuum
        As of :func:`spectessera.segment`; they concern only models of lines at rest.
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
    cube = with_usable_variance(check_cube(cube), compute=True)
    check_neighbours(neighbours)
    readable = _readable(cube, redshift, continuum)
    if not readable:
        return ModelChoice("", None, {}, "no shipped model reads its axis")
    patches, intake = patches_before_training(cube, NEW, seed)
    if not isinstance(neighbours, Neighbours):
        neighbours = neighbours_in(cube, patches, intake, neighbours, seed=seed)
    report = progress or (lambda *_: None)
    task = _Task(cube, readable, patches, intake, neighbours, seed, report)
    # In one thread: sums of matrix products depend on the number of threads.
    return next(prefetch(_compared, [task], workers=1))


class _Shipped(NamedTuple):
    """A shipped model, and what makes its inputs of the spectra of a cube."""

    segmenter: SpectralSegmenter
    intake: Intake
    frame: Frame


class _Task(NamedTuple):
    """What a choice is made from."""

    cube: xr.DataArray
    shipped: dict[str, _Shipped]
    patches: Patches
    intake: Intake
    neighbours: Neighbours
    seed: int
    report: BlockProgress


def _readable(
    cube: xr.DataArray, redshift: float | None, continuum: str | None
) -> dict[str, _Shipped]:
    """Return the shipped models that can read the axis of a cube.

    None is warned of, because it may not be chosen.
    """
    found: dict[str, _Shipped] = {}
    known: Frame | None = None
    for name in MODELS:
        segmenter = load(name)
        try:
            rest = segmenter.expects_.frame == REST
            if rest and known is None:
                known = segmenter.frame(cube, redshift, continuum)
            frame = for_model(known, segmenter.expects_) if rest and known else Frame()
            intake = segmenter.intake(cube, frame=frame, warn=False)
        except ValueError as error:  # another kind of axis, or too little of it
            log.debug("the model %s is not tried: %s", name, error)
            continue
        if frame.warning == NONE_FOUND:
            log.debug("the model %s is not tried: %s", name, frame.words)
            continue
        found[name] = _Shipped(segmenter, intake, frame)
    return _one_at_rest(found)


def _one_at_rest(found: dict[str, _Shipped]) -> dict[str, _Shipped]:
    """Return shipped models with one at most of those for lines at rest.

    Their gains do not tell which has the better map. The model of the narrowest range is used
    where the cube covers that well and the others not (docs/models.md has both on such cubes).
    """
    rest = [name for name, each in found.items() if each.segmenter.expects_.frame == REST]
    if len(rest) < 2:
        return found
    well = [name for name in rest if _covered(found[name].intake) >= WELL_COVERED]
    rest.sort(key=lambda name: np.ptp(np.log(found[name].segmenter.axis_.values)))
    used = well[0] if len(well) == 1 else rest[-1]
    return {name: each for name, each in found.items() if name not in rest or name == used}


def _covered(intake: Intake) -> float:
    """Return the share of the channels of a model that a cube covers."""
    if intake.weights is None:
        return 1.0
    return float((intake.weights.sum(axis=1) > 0).mean())


def _compared(task: _Task) -> ModelChoice:
    """Return the shipped model of the largest gain, if it does not fall short of the cube's own."""
    spectra = task.patches.values[task.patches.usable]
    if len(spectra) > 1 and (spectra == spectra[0]).all():
        # A training on the cube says in words that there are no groups, if the others are the same.
        return ModelChoice("", None, {}, "the spectra that were compared are all the same")
    if len(spectra) < LEAST_PIXELS:
        name, shipped = next(iter(task.shipped.items()))
        why = "too few pixels are usable to train a model"
        return ModelChoice(name, shipped.segmenter, {}, why, shipped.frame)
    own = _gain_of_own(task)
    if own is None:
        return ModelChoice("", None, {}, "the noise of the cube is not known")
    gains, made, steps = {OWN: own}, {}, len(task.shipped) + 1
    for done, (name, shipped) in enumerate(task.shipped.items(), start=1):
        task.report("models", done, steps)
        halves = _halves(task, shipped.intake)
        if halves is not None:
            gains[name], made[name] = _gain(halves, shipped, task.seed), halves
    task.report("models", steps, steps)
    best = max(task.shipped, key=lambda name: gains[name].mean if name in gains else -np.inf)
    means = {name: gain.mean for name, gain in gains.items()}
    less = False
    if best in gains and own.mean > _CHANCE * own.error:
        short = gains[best].mean < own.mean
        less = short and _novel(made[best], task.shipped[best]) > _MANY
    if best not in gains or less or falls_short(gains[best], own):
        said = f"; {best} predicts less of them" if best in gains else ""
        said += ", and they are unlike those that it was trained on" if less else ""
        return ModelChoice("", None, means, f"its own spectra are the better guide{said}")
    why = AS_WELL
    if all(each.mean <= _CHANCE * each.error for each in (gains[best], own)):
        why = "no model predicts any difference between the spectra, and this one is trained"
    shipped = task.shipped[best]
    return ModelChoice(best, shipped.segmenter, means, why, shipped.frame)


def _gain_of_own(task: _Task) -> Gain | None:
    """Return the gain of the principal components of the cube."""
    halves = _halves(task, task.intake)
    if halves is None:
        return None
    codec = principal_codec(halves.inputs, _COMPONENTS)
    counts = noise_of(task.cube, task.patches.values[task.patches.usable]) == "counts"
    metric = OF_COUNTS if counts else metric_for(noise_share(halves.inputs), _COMPONENTS)
    return halves.encoded_by(codec, task.seed).best_gain(_TRIED, Clusters(metric=metric))


def _gain(halves: Halves, shipped: _Shipped, seed: int) -> Gain:
    """Return the largest gain of a shipped model."""
    clusters = shipped.segmenter.config("clusters")
    return halves.encoded_by(shipped.segmenter.codec, seed).best_gain(_TRIED, clusters)


def _novel(halves: Halves, shipped: _Shipped) -> float:
    """Return the share of spectra that are unlike those that a shipped model was trained on."""
    codec = shipped.segmenter.codec
    latent = codec.encode(halves.inputs)
    novelty = shipped.segmenter.reference.novelty(halves.inputs, latent, codec.decode(latent))
    return float((novelty > NOVEL).mean())


def _halves(task: _Task, intake: Intake) -> Halves | None:
    """Return the pieces of the cube in two parts; they are read again if others are usable."""
    same = intake.preprocess.max_missing == task.intake.preprocess.max_missing
    patches = task.patches if same else None
    return halves_as_inputs(task.cube, intake, task.neighbours, task.seed, patches)
