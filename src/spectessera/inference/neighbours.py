"""Spectra that are averaged with those of their neighbours, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera.channels import bad_channels, marked, put_good
from spectessera.cube import (
    DIMS,
    Block,
    blocks,
    check_cube,
    in_image,
    mask_of,
    spectral_axis,
    with_axis,
)
from spectessera.evidence.correlation import INDEPENDENT, Correlation
from spectessera.evidence.groups import STEPS, Groups, Pooled, belonging, pool_by, weights_around
from spectessera.preprocess.auto import AVERAGED
from spectessera.preprocess.intake import Intake
from spectessera.preprocess.training_spectra import draw_rows
from spectessera.variance import with_usable_variance

from .blockwork import Shared, Task, process_blocks
from .patches import Patches, finite_alone, screened

# Coordinate of a block that is averaged: as how many measurements each spectrum is.
REPEATS = "repeats"


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
    correlation : Correlation
        Of the noise between channels and between pixels.
    """

    window: int = 1
    weight: float = 0.0
    noise: str = "residual"
    groups: Groups | None = None
    half: Groups | None = None
    correlation: Correlation = INDEPENDENT

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
        weights = self.weights(values, variance, usable, half=half)
        return self.pool_by(values, variance, weights)

    def weights(
        self,
        values: np.ndarray,
        variance: np.ndarray | None,
        usable: np.ndarray,
        *,
        half: bool = False,
        inside: tuple[slice, slice] = (slice(None), slice(None)),
    ) -> np.ndarray:
        """Return the weights of the pixels around every pixel, (piece, y, x, place), float32."""
        belongs = _belonging(self.half if half else self.groups, values, variance, usable)
        return weights_around(belongs, self.window, self.weight, inside)

    def pool_by(
        self,
        values: np.ndarray,
        variance: np.ndarray | None,
        weights: np.ndarray,
        inside: tuple[slice, slice] = (slice(None), slice(None)),
    ) -> Pooled:
        """Average pixels with their neighbours by given weights of these."""
        shared = None if variance is None else self.correlation.between_pixels
        return pool_by(values, variance, weights, shared, inside)


def _belonging(
    groups: Groups | None, values: np.ndarray, variance: np.ndarray | None, usable: np.ndarray
) -> np.ndarray:
    """Return to which groups pixels belong; without groups all belong to one."""
    if groups is None:
        return usable[..., None].astype(np.float32)
    image = np.zeros((*usable.shape, len(groups.patterns)), np.float32)
    noise = None if variance is None else variance[usable]
    spectra = values.reshape(-1, values.shape[-1]) if usable.all() else values[usable]
    image[usable] = groups.likelihood(spectra, noise)
    return belonging(image, groups.log_share, usable)


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
    part: xr.DataArray,
    inner: Block,
    neighbours: Neighbours,
    intake: Intake,
    read: Patches | None = None,
    weights: np.ndarray | None = None,
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
    read : Patches, optional
        The part after screening.
    weights : array (y, x, place), optional
        Of the pixels around every pixel of the block, if they are known.

    Returns
    -------
    DataArray (y, x, channel)
        With the coordinate ``repeats (y, x)``, as how many measurements of one pixel each spectrum
        is. Pixels that are not usable, and values that are missing, are not changed.
    """
    read = screened(part, intake) if read is None else read
    if weights is None:
        weights = weights_in(read, inner, neighbours)
    noise = _noise_in(read, neighbours)
    pooled = neighbours.pool_by(read.values[None], noise, weights[None], inner)
    own = part.isel(y=inner.y, x=inner.x)
    usable = read.usable[inner.y, inner.x]
    coordinates: dict[str, Any] = {REPEATS: (DIMS[:2], pooled.repeats[0])}
    values = pooled.values[0]
    if not (usable.all() and read.as_measured and intake.bad is None):
        values = _replaced(own, values, usable, intake)
    if pooled.variance is not None:
        spread = _replaced(own.variance, pooled.variance[0], usable, intake)
        coordinates["variance"] = (DIMS, spread)
    return own.copy(data=values).assign_coords(coordinates)


def weights_in(read: Patches, inner: Block, neighbours: Neighbours) -> np.ndarray:
    """Return the weights (y, x, place), float32, of the pixels around every pixel of a block.

    They are 0 where a pixel is not usable or not in the image, and do not depend on the block.

    Parameters
    ----------
    read : Patches
        A part of a cube after screening, of the block and all pixels that reach it.
    inner : Block
        Where the block is in it.
    neighbours : Neighbours
    """
    noise = _noise_in(read, neighbours)
    return neighbours.weights(read.values[None], noise, read.usable[None], inside=inner)[0]


def _noise_in(read: Patches, neighbours: Neighbours) -> np.ndarray | None:
    """Return the variance (1, y, x, channel) of a part; None where it is not what noise is."""
    if read.variance is None or neighbours.noise != "variance":
        return None
    return finite_alone(read.variance)[None]


def _replaced(
    own: xr.DataArray, pooled: np.ndarray, usable: np.ndarray, intake: Intake
) -> np.ndarray:
    """Return values (y, x, channel), float32, those of good channels averaged where they can be."""
    values = np.array(own.transpose(*DIMS).values, np.float32)
    whole = pooled
    if intake.bad is not None:
        whole = values.copy()
        put_good(whole, pooled, intake.bad)
    np.copyto(values, whole, where=usable[..., None] & np.isfinite(values))
    return values


# --- spectra to train on -----------------------------------------------------------------------


def averaged_spectra(
    cube: xr.DataArray,
    neighbours: Neighbours,
    intake: Intake,
    *,
    most: int = 100_000,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> xr.DataArray:
    """Return spectra averaged with those of their neighbours, to train on, as a cube of one column.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        In memory or chunked; read once, a block at a time.
    neighbours : Neighbours
    intake : Intake
        See :func:`spectessera.inference.choose_neighbours` for both.
    most : int
        Number of pixels that are drawn of a larger cube.
    seed : int
        Of the draw.
    progress : callable, optional
        Called with the name of the step, the number of blocks that are done, and that of all.

    Returns
    -------
    DataArray (y, x, channel)
        One row for each usable pixel that was drawn, in the order of the image, for any chunks.
    """
    cube = with_usable_variance(check_cube(cube), compute=True)
    intake = intake._replace(bad=bad_channels(cube))
    mask = mask_of(cube)
    some = np.isin(np.arange(mask.size), draw_rows(mask.size, most, seed))
    drawn = some.reshape(mask.shape) & ~mask
    total = list(blocks(cube))

    def tasks() -> Iterator[Task]:
        for block in total:
            read = around(block, neighbours.reach, cube)
            wanted = drawn[block.y, block.x]
            yield Task(block, (wanted, inside(block, read)), read)

    parts, pixels = [], []
    shared = Shared((neighbours, intake))
    for done, ((block, *_), rows) in enumerate(
        process_blocks(_drawn_of, shared, cube, tasks(), reach=neighbours.reach), start=1
    ):
        parts.append(rows[1:])
        pixels.append(in_image(cube, block, rows[0]))
        if progress is not None:
            progress("average", done, len(total))
    order = np.argsort(np.concatenate(pixels))
    values = np.concatenate([each for each, _ in parts])[order]
    noise = {"noise": "residual", AVERAGED: neighbours.noise}
    column = xr.DataArray(values[:, None], dims=DIMS, attrs=cube.attrs | noise)
    column = with_axis(column, spectral_axis(cube))
    bad = bad_channels(cube)
    column = column if bad is None else marked(column, bad)
    known = [each for _, each in parts if each is not None]
    if not known:
        return column
    return column.assign_coords(variance=(DIMS, np.concatenate(known)[order, None]))


def _drawn_of(
    shared: tuple[Neighbours, Intake], part: xr.DataArray, wanted: np.ndarray, inner: Block
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return the averaged spectra and variances (n, channel) of pixels that are wanted (y, x).

    First their positions in the flattened block.
    """
    found = averaged(part, inner, *shared)
    usable = screened(part.isel(y=inner.y, x=inner.x), shared[1]).usable & wanted
    variance = found.coords["variance"].values[usable] if "variance" in found.coords else None
    return np.flatnonzero(usable), found.values[usable], variance
