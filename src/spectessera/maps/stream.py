"""Apply a function to the spectra of every pixel of a cube, block by block, with their labels.

The numbers are the same bit for bit whether a cube is in memory, chunked or distributed, if those
of a pixel do not depend on the other pixels that the function is given: see
:func:`times_matrices`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import dask.array as da
import numpy as np
import xarray as xr
from dask.delayed import delayed

from spectessera._util.threads import single_threaded
from spectessera.cube import Block, Spectra, bare, blocks, check_cube, to_spectra
from spectessera.inference.blockwork import Shared, Task, process_blocks
from spectessera.preprocess.steps import UNUSABLE, screen

# Rows of every matrix product: of a fixed shape, so that a row does not depend on the others.
ROWS = 128

# Called with the name of a step, the blocks that are done and the number of all blocks.
Progress = Callable[[str, int, int], None]
# Called with a context, spectra (n, channel) and their labels (n,), from 1; returns (n, output).
PixelFunction = Callable[[Any, Spectra, np.ndarray], np.ndarray]


def map_pixels(
    function: PixelFunction,
    context: Any,
    cube: xr.DataArray,
    labels: np.ndarray | xr.DataArray,
    outputs: int,
    *,
    step: str = "maps",
    progress: Progress | None = None,
) -> np.ndarray:
    """Return the numbers that a function finds for every pixel of a cube.

    Each block of the cube is read once, in threads or on the workers of a ``distributed.Client``.

    Parameters
    ----------
    function : function of a module
        Of ``(context, spectra, labels)``: float32 spectra (n, good channel) of the pixels of a
        block that are usable and have a label, their variance if the cube has one, and their labels
        (n,). It returns an array (n, output). Missing values of a few channels are interpolated.
    context : object
        What the function needs besides; workers get a copy.
    cube : DataArray (y, x, channel)
    labels : array or DataArray (y, x), int
        From 1; 0 where a pixel has none.
    outputs : int
        How many numbers there are of a pixel.
    step : str
        Name of the step for the progress.
    progress : callable, optional
        Called with the name of the step, the number of blocks that are done, and that of all.

    Returns
    -------
    array (output, y, x), float32
        NaN where a pixel is masked, unusable or has no label.

    Raises
    ------
    ValueError
        If the image of the labels has another size than that of the cube.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> def mean_and_label(context, spectra, labels):
    ...     return np.stack([spectra.values.mean(axis=1), labels], axis=1)
    >>> cube = spt.make_cube(np.arange(1, 13).reshape(1, 3, 4))
    >>> map_pixels(mean_and_label, None, cube, np.array([[1, 0, 2]]), 2)[:, 0]
    array([[ 2.5,  nan, 10.5],
           [ 1. ,  nan,  2. ]], dtype=float32)
    """
    cube = check_cube(cube)
    labels = _checked(labels, cube)
    maps = np.full((outputs, cube.sizes["y"], cube.sizes["x"]), np.nan, np.float32)
    total = sum(1 for _ in blocks(cube))
    work = _Work(function, context, outputs)

    def tasks() -> Iterator[Task]:
        for block in blocks(cube):
            yield Task(block, (_inside(labels, block),))

    results = process_blocks(map_block, Shared(work), cube, tasks())
    for done, ((block, *_), found) in enumerate(results, start=1):
        maps[:, block.y, block.x] = found
        if progress is not None:
            progress(step, done, total)
    return maps


def map_pixels_lazily(
    function: PixelFunction,
    context: Any,
    cube: xr.DataArray,
    labels: np.ndarray | xr.DataArray,
    outputs: int,
) -> da.Array:
    """Return what :func:`map_pixels` returns, as a Dask array that is computed when it is used.

    Its chunks are the blocks of the cube; parameters and errors are the same.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> def total(context, spectra, labels):
    ...     return spectra.values.sum(axis=1, keepdims=True)
    >>> cube = spt.make_cube(np.ones((4, 3, 5), np.int16)).chunk({"y": 2})
    >>> map_pixels_lazily(total, None, cube, np.ones((4, 3), int), 1).chunks
    ((1,), (2, 2), (3,))
    """
    cube = check_cube(cube)
    labels = _checked(labels, cube)
    source = bare(cube)
    work = delayed(_Work(function, context, outputs), traverse=False)
    call = delayed(_map_block_alone, pure=False)
    rows: dict[int, list[da.Array]] = {}
    for block in blocks(cube):
        part = source.isel(y=block.y, x=block.x)
        found = call(work, part, _part(labels, block))
        shape = (outputs, block.y.stop - block.y.start, block.x.stop - block.x.start)
        whole = da.from_delayed(found, shape, dtype=np.float32)
        rows.setdefault(block.y.start, []).append(whole)
    return da.block([list(row) for row in rows.values()])


def times_matrices(
    values: np.ndarray, labels: np.ndarray, matrices: np.ndarray | list[np.ndarray]
) -> np.ndarray:
    """Return every spectrum times the matrix of its label; a row does not depend on the others.

    Parameters
    ----------
    values : array (n, channel), float32
    labels : array (n,), int
        From 1.
    matrices : array (k, channel, output), or list of k arrays, float32

    Returns
    -------
    array (n, output), float32

    Examples
    --------
    >>> import numpy as np
    >>> spectra = np.array([[1, 2], [3, 4]], np.float32)
    >>> sum_and_difference = np.array([[[1], [1]], [[1], [-1]]], np.float32)
    >>> times_matrices(spectra, np.array([1, 2]), sum_and_difference)
    array([[ 3.],
           [-1.]], dtype=float32)
    """
    products = np.zeros((len(values), matrices[0].shape[1]), np.float32)
    padded = np.zeros((ROWS, values.shape[1]), np.float32)
    for label in np.unique(labels):
        own, matrix = np.flatnonzero(labels == label), matrices[label - 1]
        for first in range(0, len(own), ROWS):
            rows = own[first : first + ROWS]
            some = padded if len(rows) < ROWS else _rows(values, rows)
            if len(rows) < ROWS:  # what else is in there does not matter
                padded[: len(rows)] = values[rows]
            products[rows] = (some @ matrix)[: len(rows)]
    return products


# --- the workers assume checked input ----------------------------------------------------------


class _Work(NamedTuple):
    """What every block is processed with."""

    function: PixelFunction
    context: Any
    outputs: int


def _checked(labels: np.ndarray | xr.DataArray, cube: xr.DataArray) -> np.ndarray | xr.DataArray:
    """Return the labels (y, x), if they are those of the image of a cube."""
    if isinstance(labels, xr.DataArray):
        labels = labels.transpose("y", "x")
    size = cube.sizes["y"], cube.sizes["x"]
    if labels.shape != size:
        raise ValueError(
            f"the labels are those of an image of {labels.shape} (y, x) pixels; the cube has "
            f"{size}: give the cube that was segmented"
        )
    return labels


def _part(labels: np.ndarray | xr.DataArray, block: Block) -> Any:
    """Return the labels of a block; those of a chunked result stay chunked."""
    part = labels[block.y, block.x]
    return part.data if isinstance(part, xr.DataArray) else part


def _inside(labels: np.ndarray | xr.DataArray, block: Block) -> np.ndarray:
    """Return the labels (y, x) of a block, in memory."""
    return np.asarray(_part(labels, block))


def _map_block_alone(work: _Work, part: xr.DataArray, labels: np.ndarray) -> np.ndarray:
    """Process a block in one thread: the scheduler of Dask has several."""
    with single_threaded():
        return map_block(work, part, np.asarray(labels))


def map_block(work: _Work, part: xr.DataArray, labels: np.ndarray) -> np.ndarray:
    """Return the numbers (output, y, x) of the pixels of a block, float32."""
    spectra = to_spectra(part)
    values, quality = screen(spectra.values)
    label = labels.ravel()[spectra.pixel]
    usable = (quality & UNUSABLE == 0) & (label > 0)
    variance, pixel = spectra.variance, spectra.pixel
    if not usable.all():
        values, pixel, label = values[usable], pixel[usable], label[usable]
        variance = None if variance is None else variance[usable]
    maps = np.full((work.outputs, labels.size), np.nan, np.float32)
    maps[:, pixel] = work.function(work.context, Spectra(values, variance, pixel), label).T
    return maps.reshape(work.outputs, *labels.shape)


def _rows(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return some rows of spectra, without a copy if they follow each other."""
    if rows[-1] - rows[0] + 1 == len(rows):
        return values[rows[0] : rows[-1] + 1]
    return values[rows]
