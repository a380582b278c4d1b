"""How far the neighbours of a pixel help to label it, and the cube that is averaged with them.

Some square patches of the cube are split in two parts of independent noise. Groups of like spectra
are made from the first part; every pixel is averaged with its neighbours of the same group; and the
window is that whose clusters foretell best the second part of the pixel's own measurement, which
none of its neighbours has a share in.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import xarray as xr

from spectessera._util.check import check_number
from spectessera._util.threads import prefetch
from spectessera.axis import in_terms_of
from spectessera.cube import (
    DIMS,
    Block,
    load_block,
    mask_of,
    noise_of,
    spectral_axis,
    to_spectra,
)
from spectessera.evidence import Gain, Parts, gain_of, split_noise, thin_counts
from spectessera.evidence.splits import SHARE
from spectessera.evidence.groups import (
    GROUPS,
    STEPS,
    Groups,
    Pooled,
    belonging,
    fit_groups,
    pool,
)
from spectessera.kmeans import Clusters, k_means
from spectessera.preprocess.intake import Intake, saturation_of
from spectessera.preprocess.steps import UNUSABLE, inside_windows, screen

# Coordinates of a block that is averaged: the values as they were measured, and as how many
# measurements each spectrum is.
MEASURED, REPEATS = "measured", "repeats"
# Windows that are tried, and that of a given weight where the noise is not known.
WINDOWS = (3, 5)
# Windows of the averages that groups begin with, for details of several sizes.
_BEGINNINGS = (3, 9)
# Side of a patch, number of patches; a smaller cube than all of them is one patch.
_SIDE, _PATCHES = 24, 8
# Least number of usable pixels.
_LEAST = 64
# Numbers of clusters by whose gain windows are compared.
_TRIED = (4, 8, 12)
# A larger gain is no chance from so many standard errors on, and worth it from that share of the
# gain on; for a larger window, from that one on (benchmarks/neighbours.py).
_BETTER, _WORTH, _LARGER = 2.0, 0.002, 0.005
_COMPONENTS = 10


class Neighbours(NamedTuple):
    """How far neighbours are used.

    Attributes
    ----------
    window : int
        Rows and columns; 1: every pixel stands alone.
    weight : float
        Of a neighbour of the same group beside the pixel's own 1.
    noise : str
        See :func:`spectessera.cube.noise_of`.
    groups, half : Groups, or None
        Fitted to the whole measurement, and to the part of it that labels are made from where
        they are judged. None: neighbours are not compared.
    """

    window: int = 1
    weight: float = 0.0
    noise: str = "residual"
    groups: Groups | None = None
    half: Groups | None = None

    @property
    def reach(self) -> int:
        """Rows or columns from which a pixel is reached."""
        return self.window // 2 + (0 if self.groups is None else STEPS)

    def pool(
        self,
        values: np.ndarray,
        variance: np.ndarray | None,
        usable: np.ndarray,
        *,
        half: bool = False,
    ) -> Pooled:
        """Average pixels with their neighbours; see :func:`spectessera.evidence.groups.pool`."""
        groups = self.half if half else self.groups
        belongs = _belonging(groups, values, variance, usable)
        return pool(values, variance, belongs, self.window, self.weight)


class Patches(NamedTuple):
    """Square pieces of a cube.

    Attributes
    ----------
    values : array (piece, y, x, good channel), float32
        0 where a pixel is not usable.
    variance : array (piece, y, x, good channel), float32, or None
        Finite.
    usable : array (piece, y, x), bool
    """

    values: np.ndarray
    variance: np.ndarray | None
    usable: np.ndarray

    def halves(self, seed: int) -> tuple[Patches, np.ndarray]:
        """Return the part that labels are made from, and the other one, of independent noise.

        Parameters
        ----------
        seed : int
        """
        generator = np.random.default_rng([seed, 9])
        made, judged = np.zeros_like(self.values), np.zeros_like(self.values)
        own = self.values[self.usable]
        if self.variance is None:
            parts = thin_counts(np.rint(np.maximum(own, 0)), generator)
            noise = None
        else:
            sigma = np.sqrt(self.variance[self.usable])
            drawn = sigma * generator.standard_normal(sigma.shape, dtype=np.float32)
            parts = split_noise(own, drawn)
            noise = self.variance / np.float32(parts.share)
        made[self.usable], judged[self.usable] = parts.made, parts.judged
        return Patches(made, noise, self.usable), judged


def _belonging(
    groups: Groups | None, values: np.ndarray, variance: np.ndarray | None, usable: np.ndarray
) -> np.ndarray:
    """Return to which groups pixels belong; without groups all belong to one."""
    if groups is None:
        return usable[..., None].astype(np.float32)
    image = np.zeros((*usable.shape, len(groups.patterns)), np.float32)
    noise = None if variance is None else variance[usable]
    image[usable] = groups.likelihood(values[usable], noise)
    return belonging(image, groups.log_share, usable)


# --- patches -----------------------------------------------------------------------------------


def patches_of(cube: xr.DataArray, intake: Intake, seed: int) -> Patches:
    """Return some patches of a cube, which do not depend on its chunks.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    intake : Intake
    seed : int
    """
    height, width = cube.sizes["y"], cube.sizes["x"]
    if height * width <= _PATCHES * _SIDE**2:
        places = [Block(slice(0, height), slice(0, width))]
    else:
        places = _places(mask_of(cube), seed)
    pieces = [_screened(load_block(cube, place), intake) for place in places]
    variances = [each.variance for each in pieces if each.variance is not None]
    return Patches(
        np.stack([each.values for each in pieces]),
        np.stack(variances) if variances else None,
        np.stack([each.usable for each in pieces]),
    )


def _places(mask: np.ndarray, seed: int) -> list[Block]:
    """Return the places of patches, drawn from a grid; those with the fewest masked pixels."""
    height, width = (max(1, size // _SIDE) for size in mask.shape)
    sides = min(_SIDE, mask.shape[0]), min(_SIDE, mask.shape[1])
    order = np.random.default_rng([seed, 8]).permutation(height * width)
    masked = []
    for number in order:
        y, x = np.divmod(number, width) * np.array(_SIDE)
        masked.append(mask[y : y + sides[0], x : x + sides[1]].mean())
    best = order[np.argsort(masked, kind="stable")[:_PATCHES]]
    corners = [(int(number) // width * _SIDE, int(number) % width * _SIDE) for number in best]
    return [Block(slice(y, y + sides[0]), slice(x, x + sides[1])) for y, x in sorted(corners)]


def _screened(part: xr.DataArray, intake: Intake) -> Patches:
    """Return a part of a cube (y, x, channel) in memory, screened, as one piece without its axis.

    Values that their variance marks as bad, and pixels that are not usable, are not compared.
    """
    spectra = to_spectra(part)
    shape = part.sizes["y"], part.sizes["x"]
    values, quality = screen(
        spectra.values, max_missing=intake.preprocess.max_missing, saturation=intake.saturation
    )
    good = quality & UNUSABLE == 0
    image = np.zeros((shape[0] * shape[1], values.shape[1]), np.float32)
    usable = np.zeros(len(image), bool)
    image[spectra.pixel[good]], usable[spectra.pixel] = values[good], good
    noise = None
    if spectra.variance is not None:
        noise = np.zeros_like(image)
        noise[spectra.pixel[good]] = _finite(spectra.variance[good])
        noise = noise.reshape(*shape, -1)
    return Patches(image.reshape(*shape, -1), noise, usable.reshape(shape))


def _finite(variance: np.ndarray) -> np.ndarray:
    """Return variances (n, channel); those not finite become the mean of their spectrum.

    (Every pixel by itself, so that it does not depend on the block that it is in.)
    """
    known = np.isfinite(variance) & (variance >= 0)
    if known.all():
        return variance
    sums = np.where(known, variance, 0).sum(axis=1)
    mean = sums / np.maximum(known.sum(axis=1), 1)
    return np.where(known, variance, mean[:, None]).astype(np.float32)


# --- the choice --------------------------------------------------------------------------------


def choose_neighbours(
    cube: xr.DataArray, intake: Intake, neighbours: str | float = "auto", *, seed: int = 0
) -> Neighbours:
    """Return how far neighbours are used.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    intake : Intake
        What makes network inputs of its spectra.
    neighbours : "auto" or float
        "auto": as far as the spectra of neighbours foretell the held-out part of the pixel's own,
        with the weight 1; not at all where the noise is not known, where nothing is gained, or of
        fewer than three rows or columns. A number: the weight of a neighbour, from 0 (none) to 1;
        where the noise is not known the eight neighbours have it, whether they are alike or not.
    seed : int

    Returns
    -------
    Neighbours

    Raises
    ------
    ValueError
        If ``neighbours`` is neither.
    """
    if isinstance(neighbours, str):
        if neighbours != "auto":
            raise ValueError(
                f'neighbours must be "auto" or a number from 0 to 1; got {neighbours!r}'
            )
    else:
        check_number("neighbours", neighbours, low=0, high=1)
    few = min(cube.sizes["y"], cube.sizes["x"]) < WINDOWS[0]
    if neighbours == 0 or (neighbours == "auto" and few):
        return Neighbours()
    weight = 1.0 if isinstance(neighbours, str) else float(neighbours)
    patches = patches_of(cube, intake, seed)
    noise = noise_of(cube, patches.values[patches.usable])
    if noise == "residual" or patches.usable.sum() < _LEAST:
        given = neighbours != "auto"
        return Neighbours(WINDOWS[0], weight, noise) if given else Neighbours()
    if noise == "counts":
        patches = patches._replace(variance=None)
    task = _Choice(patches, intake, weight, noise, neighbours != "auto", seed, cube)
    # In one thread: sums of matrix products depend on the number of threads.
    return next(prefetch(_chosen, [task], workers=1))


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
    best = Neighbours(noise=task.noise)
    alone = largest = _gain(made, judged, best, half, task)
    for window in WINDOWS:
        tried = Neighbours(window, task.weight, task.noise, half, half)
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
    groups = fit_groups(*whole, labels, used, free=free, count=len(half.patterns))
    return best._replace(groups=groups)


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
    """Return groups of the spectra of patches: those that foretell them best of two beginnings."""
    free = task.intake.preprocess.normalise is not None
    best, largest = None, -np.inf
    for window in _BEGINNINGS:
        begun = Neighbours(window, 1.0)
        pooled = begun.pool(patches.values, None, patches.usable).values[patches.usable]
        labels = _clustered(_components(pooled, task), GROUPS, task.seed)
        groups = fit_groups(*patches, labels, used, free=free, count=GROUPS)
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
        binned = (half.features(each) for each in (parts.made, parts.judged))
        parts = Parts(*binned, parts.share)
    points = _components(pooled, task)
    gains = [gain_of(parts, _clustered(points, k, task.seed), k) for k in _TRIED]
    return max(gains, key=lambda gain: gain.mean)


def parts_of(made: np.ndarray, judged: np.ndarray, patches: Patches, intake: Intake) -> Parts:
    """Return the parts (n, channel) of the usable spectra of patches, as labels are judged by.

    Counts as they are; otherwise network inputs with the level of their noise. (Counts too, where
    their number is a difference.)
    """
    share = SHARE
    if patches.variance is None and intake.preprocess.normalise is not None:
        return Parts(made, judged, share)
    scales = (1 / share, 1 / (1 - share)) if patches.variance is None else (1.0, 1.0)
    whole = intake.apply(patches.values[patches.usable]).values
    first, second = (
        intake.apply(np.float32(scale) * each).values
        for scale, each in zip(scales, (made, judged), strict=True)
    )
    level = np.square(first - whole, dtype=np.float64).mean(axis=1) * share / (1 - share)
    return Parts(first, second, share, level)


# --- averages ----------------------------------------------------------------------------------


def around(block: Block, reach: int, cube: xr.DataArray) -> Block:
    """Return a block of a cube with all pixels that reach it."""
    rows, columns = (
        slice(max(0, side.start - reach), min(cube.sizes[name], side.stop + reach))
        for name, side in (("y", block.y), ("x", block.x))
    )
    return Block(rows, columns)


def inside(block: Block, outer: Block) -> Block:
    """Return where a block is in an outer one."""
    rows, columns = (
        slice(own.start - whole.start, own.stop - whole.start)
        for own, whole in zip(block, outer, strict=True)
    )
    return Block(rows, columns)


def averaged(
    part: xr.DataArray, inner: Block, neighbours: Neighbours, intake: Intake
) -> xr.DataArray:
    """Return a block whose pixels are averaged with their neighbours.

    Parameters
    ----------
    part : DataArray (y, x, channel)
        The block and all pixels that reach it, in memory.
    inner : Block
        Where the block is in it.
    neighbours : Neighbours
    intake : Intake

    Returns
    -------
    DataArray (y, x, channel)
        With the coordinates ``measured (y, x, channel)``, the values as they were measured, and
        ``repeats (y, x)``, as how many measurements of one pixel each spectrum is. Pixels that are
        not usable, and values that are missing, are not changed.
    """
    screened = _screened(part, intake)
    noise = screened.variance if neighbours.noise == "variance" else None
    pooled = neighbours.pool(
        screened.values[None], None if noise is None else noise[None], screened.usable[None]
    )
    own = part.isel(y=inner.y, x=inner.x)
    usable = screened.usable[inner.y, inner.x]
    coordinates = {
        MEASURED: (DIMS, np.array(own.values, np.float32)),
        REPEATS: (DIMS[:2], pooled.repeats[0][inner.y, inner.x]),
    }
    values = _replaced(own, pooled.values[0][inner.y, inner.x], usable, intake)
    if pooled.variance is not None:
        spread = pooled.variance[0][inner.y, inner.x]
        coordinates["variance"] = (DIMS, _replaced(own.variance, spread, usable, intake))
    return own.copy(data=values).assign_coords(coordinates)


def _replaced(
    own: xr.DataArray, pooled: np.ndarray, usable: np.ndarray, intake: Intake
) -> np.ndarray:
    """Return values (y, x, channel), float32, those of good channels averaged where they can be."""
    values = np.array(own.transpose(*DIMS).values, np.float32)
    whole = pooled
    if intake.bad is not None:
        whole = values.copy()
        whole[..., ~intake.bad] = pooled
    np.copyto(values, whole, where=usable[..., None] & np.isfinite(values))
    return values
