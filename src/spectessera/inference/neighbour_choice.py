"""How far the neighbours of a pixel help to label it.

Some square pieces of the cube are split in two parts of independent noise. Groups of like spectra
are made from the first part; every pixel is averaged with its neighbours of the same group; and the
window is that whose clusters predict best the second part of the pixel's own measurement, in which
none of its neighbours has a share.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr

from spectessera._util.check import check_number
from spectessera._util.threads import prefetch
from spectessera.axis import in_terms_of
from spectessera.channels import bad_channels, bad_windows
from spectessera.cube import check_cube, noise_of, spectral_axis
from spectessera.evidence import BEYOND, Gain, Parts, gain_of
from spectessera.evidence.around import neighbours_agree, structure_of_map
from spectessera.evidence.correlation import INDEPENDENT
from spectessera.evidence.groups import GROUPS, Groups, fit_groups
from spectessera.evidence.splits import SHARE
from spectessera.kmeans import Clusters, k_means
from spectessera.preprocess.auto import stabilisation_for
from spectessera.preprocess.intake import Intake, intake_of
from spectessera.preprocess.recipe import Preprocess
from spectessera.preprocess.steps import AUTO, inside_windows
from spectessera.variance import with_usable_variance

from .neighbours import Neighbours
from .patches import Patches, parts_of, patches_of

# Windows that are tried; the first is that of a given weight where the noise is not known.
WINDOWS = (3, 5)
# Windows of the averages that groups begin with, for details of several sizes.
_BEGINNINGS = (3, 9)
# With fewer usable pixels, a gain is not known well enough to choose by.
_LEAST = 400
# Numbers of clusters by whose gain windows are compared.
_TRIED = (4, 8, 12)
# A larger gain is no chance from so many standard errors on, and worth it from that share of the
# gain on; for a larger window, from that one on (benchmarks/neighbours.py).
_BETTER, _WORTH, _LARGER = 2.0, 0.002, 0.005
_COMPONENTS = 10
# What a new segmenter makes network inputs with.
NEW = Preprocess(stabilise=AUTO, normalise=AUTO)


def choose_neighbours(
    cube: xr.DataArray,
    intake: Intake | None = None,
    neighbours: str | float = "auto",
    *,
    seed: int = 0,
) -> Neighbours:
    """Return how far neighbours are used.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    intake : Intake, optional
        What makes network inputs of its spectra; by default as a new segmenter would make them.
    neighbours : "auto" or float
        "auto": as far as the spectra of neighbours predict the held-out part of the pixel's own,
        with the weight 1; not at all where nothing is gained, where the noise is not known, in
        maps of bins of several pixels, or of fewer than 400 pixels, or than three rows or columns.
        A number: the weight of a neighbour,
        from 0 (none) to 1; where the noise is not known the eight neighbours have it, whether they
        are alike or not.
    seed : int

    Returns
    -------
    Neighbours

    Raises
    ------
    ValueError
        If ``neighbours`` is neither.
    """
    check_neighbours(neighbours)
    cube = with_usable_variance(check_cube(cube), compute=True)
    if _alone(cube, neighbours) and "variance" not in cube.coords:
        return Neighbours()
    if intake is None:
        patches, intake = patches_before_training(cube, NEW, seed)
    else:
        intake = intake._replace(bad=bad_channels(cube))
        patches = patches_of(cube, intake, seed)
    return neighbours_in(cube, patches, intake, neighbours, seed=seed)


def check_neighbours(given: str | float | Neighbours) -> None:
    """Raise ValueError unless it is "auto", a number from 0 to 1, or an earlier answer."""
    if isinstance(given, str):
        if given != "auto":
            raise ValueError(f'neighbours must be "auto" or a number from 0 to 1; got {given!r}')
    elif not isinstance(given, Neighbours):
        check_number("neighbours", given, low=0, high=1)


def _alone(cube: xr.DataArray, neighbours: str | float) -> bool:
    """Return whether pixels stand alone, whatever their spectra are."""
    height, width = cube.sizes["y"], cube.sizes["x"]
    few = min(height, width) < WINDOWS[0] or height * width < _LEAST
    return neighbours == 0 or (neighbours == "auto" and few)


def neighbours_in(
    cube: xr.DataArray, patches: Patches, intake: Intake, neighbours: str | float, *, seed: int
) -> Neighbours:
    """Return how far neighbours are used, from some patches; as :func:`choose_neighbours`."""
    alone, weight = _alone(cube, neighbours), 1.0
    if not isinstance(neighbours, str):
        weight = float(neighbours)
    if alone and patches.variance is None:
        return Neighbours()
    if alone or (neighbours == "auto" and patches.binned):
        return Neighbours(correlation=patches.correlation)
    noise = noise_of(cube, patches.values[patches.usable])
    no_noise = noise == "variance" and not np.any(patches.variance)
    if noise == "residual" or no_noise or patches.usable.sum() < _LEAST:
        found = Neighbours(correlation=patches.correlation)
        given = found._replace(window=WINDOWS[0], weight=weight, noise=noise)
        return found if neighbours == "auto" else given
    if noise == "counts":
        patches = patches._replace(variance=None, correlation=INDEPENDENT)
    task = _Choice(patches, intake, weight, noise, neighbours != "auto", seed, cube)
    # In one thread: sums of matrix products depend on the number of threads.
    return next(prefetch(_chosen, [task], workers=1))


def intake_before_training(cube: xr.DataArray, preprocess: Preprocess, seed: int = 0) -> Intake:
    """Return what makes network inputs of spectra before settings are chosen for them.

    An open stabilisation is that which suits some pieces of the cube, as in a training.
    """
    cube = with_usable_variance(cube, compute=True)
    if preprocess.stabilise == AUTO:
        return patches_before_training(cube, preprocess, seed)[1]
    return intake_of(cube, _without_bad(preprocess, cube).settled(), spectral_axis(cube))


def patches_before_training(
    cube: xr.DataArray, preprocess: Preprocess, seed: int
) -> tuple[Patches, Intake]:
    """Return some patches of a cube, and as :func:`intake_before_training`."""
    preprocess = _without_bad(preprocess, cube)
    plain = replace(preprocess, stabilise=None, normalise=None)
    intake = intake_of(cube, plain, spectral_axis(cube))
    some = patches_of(cube, intake, seed)
    if preprocess.stabilise == AUTO:
        inputs = intake.apply(some.values[some.usable]).values
        stabilise = stabilisation_for(inputs) if len(inputs) else None
        preprocess = replace(preprocess, stabilise=stabilise)
    return some, intake._replace(preprocess=preprocess.settled())


def _without_bad(preprocess: Preprocess, cube: xr.DataArray) -> Preprocess:
    """Return a preprocessing without the bad channels of a cube, as that of a new model."""
    return preprocess.without(bad_windows(spectral_axis(cube), bad_channels(cube)))


class _Choice(NamedTuple):
    """What a choice is made from; ``given``: neighbours are used in any case."""

    patches: Patches
    intake: Intake
    weight: float
    noise: str
    given: bool
    seed: int
    cube: xr.DataArray


def _chosen(task: _Choice) -> Neighbours:
    """Return the smallest window whose gain is nearly the largest."""
    used = _compared(task.cube, task.intake)
    made, judged = task.patches.halves(task.seed)
    half = _groups(made, used, task)
    best = Neighbours(noise=task.noise, correlation=task.patches.correlation)
    if not task.given and not _agree(made, judged, half) and not _alike(task):
        return best
    largest = _gain(made, judged, best, half, task)
    for window in WINDOWS:
        tried = best._replace(window=window, weight=task.weight, groups=half, half=half)
        gain = _gain(made, judged, tried, half, task)
        apart = gain.each - largest.each
        error = apart.std(ddof=1) / np.sqrt(len(apart))
        worth = (_WORTH if best.window == 1 else _LARGER) * abs(largest.mean)
        if apart.mean() > max(_BETTER * error, worth) or (task.given and best.window == 1):
            best, largest = tried, gain
    if best.window == 1:
        return best
    # Those of the whole measurement begin where those of a part of it ended.
    whole = task.patches
    spectra = whole.values[whole.usable]
    noise = None if whole.variance is None else whole.variance[whole.usable]
    labels = (half.likelihood(spectra, noise) + half.log_share).argmax(axis=1)
    free = task.intake.preprocess.normalise is not None
    groups = fit_groups(*whole[:3], labels, used, free=free, count=len(half.patterns))
    return best._replace(groups=groups)


def _agree(made: Patches, judged: np.ndarray, groups: Groups) -> bool:
    """Return whether neighbours are of one group more often than chance.

    Averages of like pixels predict them better wherever these are, also in random order; but that
    is not what their neighbours say, and two measurements find other pixels alike.
    """
    usable, images = made.usable, []
    noise = None if made.variance is None else made.variance[usable]
    for spectra, share in ((made.values[usable], SHARE), (judged[usable], 1 - SHARE)):
        level = None if noise is None else noise * np.float32(SHARE / share)
        image = np.zeros((*usable.shape, len(groups.patterns)), np.float32)
        image[usable] = groups.likelihood(spectra, level)
        images.append(image)
    return neighbours_agree(images[0], images[1], groups.log_share, usable) > BEYOND


def _alike(task: _Choice) -> bool:
    """Return whether neighbours have like scores more often than chance.

    Groups of faint differences follow noise; the first principal components are better then.
    """
    usable = task.patches.usable
    inputs = task.intake.apply(task.patches.values[usable]).values
    return structure_of_map(inputs, usable, seed=task.seed % 2**32) > BEYOND


def _compared(cube: xr.DataArray, intake: Intake) -> np.ndarray:
    """Return which of the good channels of a cube a network gets, bool."""
    axis, preprocess = spectral_axis(cube), intake.preprocess
    if intake.weights is not None and axis.kind != intake.axis.kind:
        axis = in_terms_of(axis, intake.axis)
    used = inside_windows(axis.values, preprocess.keep, preprocess.exclude)
    if intake.bad is not None:
        used = used[~intake.bad]
    return used if used.any() else np.ones(len(used), bool)


def _groups(patches: Patches, used: np.ndarray, task: _Choice) -> Groups:
    """Return groups of the spectra of patches: those that predict them best of two beginnings."""
    free = task.intake.preprocess.normalise is not None
    best, largest = None, -np.inf
    for window in _BEGINNINGS:
        begun = Neighbours(window, 1.0)
        pooled = begun.pool(patches.values, None, patches.usable).values[patches.usable]
        labels = _clustered(_components(pooled, task), GROUPS, task.seed)
        groups = fit_groups(*patches[:3], labels, used, free=free, count=GROUPS)
        noise = None if patches.variance is None else patches.variance[patches.usable]
        logs = groups.likelihood(patches.values[patches.usable], noise) + groups.log_share
        found = float(np.logaddexp.reduce(logs.astype(np.float64), axis=1).mean())
        if found > largest:
            best, largest = groups, found
    assert best is not None
    return best


def _components(values: np.ndarray, task: _Choice) -> np.ndarray:
    """Return the principal components (n, component), float32, of the inputs of spectra."""
    from sklearn.utils.extmath import randomized_svd

    inputs = task.intake.apply(values).values
    centred = inputs - inputs.mean(axis=0)
    count = min(_COMPONENTS, *centred.shape)
    left, sizes, _ = randomized_svd(centred, count, n_iter=3, random_state=task.seed % 2**32)
    return np.ascontiguousarray(left * sizes, np.float32)


def _clustered(points: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Return labels (n,), from 0, of k clusters."""
    generator = torch.Generator().manual_seed(seed)
    settings = Clusters(k, k, restarts=3)
    return k_means(torch.from_numpy(points), k, settings, generator=generator).labels.numpy()


def _gain(
    made: Patches, judged: np.ndarray, tried: Neighbours, half: Groups, task: _Choice
) -> Gain:
    """Return the largest gain of clusters that were made with some neighbours."""
    usable = made.usable
    pooled = tried.pool(made.values, made.variance, usable, half=True).values[usable]
    parts = parts_of(made.values[usable], judged[usable], task.patches, task.intake)
    if parts.level is None:  # in bins of channels the gain is nearly the same, and faster
        parts = Parts(half.features(parts.made), half.features(parts.judged), parts.share)
    points = _components(pooled, task)
    gains = [gain_of(parts, _clustered(points, k, task.seed), k) for k in _TRIED]
    return max(gains, key=lambda gain: gain.mean)
