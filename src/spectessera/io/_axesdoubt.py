"""Whether an order of axes that a user gives, and nothing in the file confirms, may be wrong.

A cube of a few materials has a few shapes of spectra: as a matrix of pixels and channels it is
nearly of low rank, whatever the image is. An image has no such reason to be of low rank along its
rows and columns. So an axis that is called the spectrum, but needs many more components than one
that is called space, looks like space. Images of layers along one axis are of low rank there, too;
but their mean along that axis varies little, in comparison with that along the channels, and one
component is enough.
"""

from __future__ import annotations

from typing import Any

import numpy as np

POINTS, BINS = 48, 12  # of every axis: that are looked at, and the means that are compared
COMPONENTS = 4
FEWEST = 8  # points of the shortest axis
MORE = 3.0  # times what is left over of the other axis: up to 1.3 were seen in the right order
SHARE = 0.5  # of the variance of the mean along the axis that is called the spectrum
SHAPES = 2.0  # times what is left over: one component must not be enough
MOST_BYTES = 2**28  # of a cube that stays in its file, all of which may be read


def doubts_of_axes(values: Any, letters: str) -> list[str]:
    """Return a note where another axis than the last one looks like the spectrum; else none.

    Parameters
    ----------
    values : numpy or dask array (y, x, channel)
        As read in the order that a user gave, or that is assumed.
    letters : str
        That order, such as "cyx".

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> image = random.random((20, 30, 2)).cumsum(axis=0)
    >>> cube = image @ random.random((2, 40))
    >>> doubts_of_axes(cube, "yxc")
    []
    >>> doubts_of_axes(cube.transpose(2, 1, 0), "yxc")[0][-26:]
    'give axes=cxy (--axes cxy)'
    """
    if min(values.shape) < FEWEST or (hasattr(values, "dask") and values.nbytes > MOST_BYTES):
        return []
    other = _spectrum_instead(_sample(values))
    if other is None:
        return []
    name = "yx"[other]
    better = "".join({"c": name, name: "c"}.get(each, each) for each in letters)
    return [
        f"the axis called channel (length {values.shape[2]}) looks like one of the image, and that "
        f"called {name} (length {values.shape[other]}) like the spectrum; if so, give "
        f"axes={better} (--axes {better})"
    ]


def _sample(values: Any) -> np.ndarray:
    """Return some values along every axis, as float64; what is not finite is their mean."""
    places = [np.unique(np.linspace(0, n - 1, min(n, POINTS)).astype(int)) for n in values.shape]
    if hasattr(values, "dask"):
        for axis, chosen in enumerate(places):
            values = values[(slice(None),) * axis + (chosen,)]
        part = values.compute()
    else:
        part = values[np.ix_(*places)]
    part = np.asarray(part, dtype=np.float64)
    known = np.isfinite(part)
    return np.where(known, part, part[known].mean() if known.any() else 0.0)


def _spectrum_instead(sample: np.ndarray) -> int | None:
    """Return which of the first two axes looks like the spectrum, more than the last does."""
    binned = sample
    for axis in range(3):
        binned = _means(binned, axis)
    left = [_left_over(binned, axis) for axis in range(3)]  # by one, and by some components
    spread = [sample.mean(axis=tuple({0, 1, 2} - {axis})).var() for axis in range(3)]
    fitting = [
        axis
        for axis in (0, 1)
        if left[2][1] > MORE * left[axis][1]
        and left[axis][0] > SHAPES * left[axis][1]
        and spread[axis] > SHARE * spread[2]
    ]
    return min(fitting, key=lambda axis: left[axis][1]) if fitting else None


def _means(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the means of neighbouring values along an axis."""
    count = values.shape[axis]
    edges = np.linspace(0, count, min(count, BINS) + 1).astype(int)
    sums = np.add.reduceat(values, edges[:-1], axis=axis)
    return np.moveaxis(np.moveaxis(sums, axis, -1) / np.diff(edges), -1, axis)


def _left_over(values: np.ndarray, axis: int) -> tuple[float, float]:
    """Return the squares that one component, and some, of the values along an axis leave over."""
    rows = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
    squares = np.linalg.svd(rows, compute_uv=False) ** 2
    return float(squares[1:].sum()), float(squares[COMPONENTS:].sum())
