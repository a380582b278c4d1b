"""Sums and maxima of rows of few numbers, column by column.

numpy starts anew for every row, which takes most of the time where rows are short.
"""

from __future__ import annotations

import numpy as np

# From so many columns on numpy adds them in eight sums side by side. Rows longer than this are no
# longer summed faster by columns.
_SIDE_BY_SIDE, _LONG = 8, 16


def row_sums(values: np.ndarray) -> np.ndarray:
    """Return the sums over the last axis, bit for bit those of ``values.sum(axis=-1)``.

    The columns are added in the order of numpy.

    Examples
    --------
    >>> row_sums(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])).tolist()
    [6.0, 15.0]
    """
    count = values.shape[-1]
    if not 1 < count <= _LONG:
        return np.asarray(values.sum(axis=-1))
    width = _SIDE_BY_SIDE if count >= _SIDE_BY_SIDE else 1
    sums = [values[..., column].copy() for column in range(width)]
    whole = count - count % width
    for column in range(width, whole):
        sums[column % width] += values[..., column]
    while len(sums) > 1:
        sums = [one + other for one, other in zip(sums[::2], sums[1::2], strict=True)]
    for column in range(whole, count):
        sums[0] += values[..., column]
    return np.asarray(sums[0])


def row_maxima(values: np.ndarray) -> np.ndarray:
    """Return the largest values over the last axis.

    Examples
    --------
    >>> row_maxima(np.array([[1.0, 2.0, 3.0], [4.0, 6.0, 5.0]])).tolist()
    [3.0, 6.0]
    """
    largest = values[..., 0].copy()
    for column in range(1, values.shape[-1]):
        np.maximum(largest, values[..., column], out=largest)
    return largest
