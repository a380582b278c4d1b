"""Non-negative least squares for many pixels at once, in the space of the few amplitudes.

Assumes checked input. The amplitudes a of a fit without constraint, and their covariance C up to a
factor, determine those of the fit with a constraint: x = a + C m with x >= 0, m >= 0 and x m = 0.
Which of them are 0 is found by block principal pivoting (Kim & Park 2011, SIAM J. Sci. Comput. 33,
3261), with equations of only those that are 0. Every pixel is computed by itself, to the last bit.
"""

from __future__ import annotations

import numpy as np

# Smallest violation of a condition that counts, in standard errors: rounding is below.
EPSILON = 1e-7
FULL_EXCHANGES = 3  # without progress, before amplitudes are exchanged one at a time
MOST_ROUNDS = 1000
_IN_CACHE = 2048  # pixels at a time


def non_negative(values: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the amplitudes (n, f) of fits in which they are not negative.

    Parameters
    ----------
    values : array (n, f), float32
        Of the fits without constraint.
    covariance : array (f, f), float64
        The inverse of the matrix of their normal equations, positive definite.

    Returns
    -------
    array (n, f), float32
        Rows without negative amplitudes are as given.

    Examples
    --------
    >>> import numpy as np
    >>> covariance = np.linalg.inv([[1.0, 0.5], [0.5, 1.0]])
    >>> given = np.array([[2.0, -1.0], [2.0, 1.0]], np.float32)
    >>> non_negative(given, covariance).round(3)
    array([[1.5, 0. ],
           [2. , 1. ]], dtype=float32)
    """
    negative = np.flatnonzero((values < 0).any(axis=1))
    found = values.copy()
    error = np.sqrt(np.diag(covariance))
    scaled = covariance / error[:, None] / error
    for first in range(0, len(negative), _IN_CACHE):
        rows = negative[first : first + _IN_CACHE]
        found[rows] = _pivot(values[rows] / error, scaled) * error
    return found


def variance_left(values: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return which part (n, f) of its variance an amplitude has if those that are 0 are left out.

    1 for those that are 0 themselves.

    Parameters
    ----------
    values : array (n, f), float32
        Of :func:`non_negative`.
    covariance : array (f, f), float64

    Examples
    --------
    >>> import numpy as np
    >>> covariance = np.array([[1.0, 0.5], [0.5, 1.0]])
    >>> variance_left(np.array([[2.0, 0.0], [2.0, 1.0]], np.float32), covariance)
    array([[0.75, 1.  ],
           [1.  , 1.  ]], dtype=float32)
    """
    error = np.sqrt(np.diag(covariance))
    scaled = covariance / error[:, None] / error
    zero = values == 0
    counts = zero.sum(axis=1)
    left = np.ones(values.shape, np.float32)
    for count in np.unique(counts[counts > 0]):
        rows = np.flatnonzero(counts == count)
        which = np.nonzero(zero[rows])[1].reshape(-1, count)
        small = scaled[which[:, :, None], which[:, None, :]]
        across = scaled[which]  # (n, count, f)
        solved = np.linalg.solve(small, across)
        left[rows] = 1 - (across * solved).sum(axis=1)
    left[zero] = 1.0
    return np.clip(left, 0.0, 1.0)


def _pivot(start: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return amplitudes (n, f), all in units of their standard errors."""
    number = start.shape[1]
    found, active = np.maximum(start, 0.0), np.arange(len(start))
    zero = start < 0
    fewest = np.full(len(start), number + 1)  # violations so far
    left = np.full(len(start), FULL_EXCHANGES)
    for _ in range(MOST_ROUNDS):
        forces = _forces(start[active], covariance, zero)
        value = start[active] + _times(forces, covariance)
        value[zero] = 0.0
        wrong = np.where(zero, forces < -EPSILON, value < -EPSILON)
        many = wrong.sum(axis=1)
        found[active] = value
        going = many > 0
        if not going.any():
            break
        active, zero, wrong, many = active[going], zero[going], wrong[going], many[going]
        fewest, left = fewest[going], left[going]
        better = many < fewest
        left = np.where(better, FULL_EXCHANGES, left - 1)
        fewest = np.minimum(fewest, many)
        last = number - 1 - np.argmax(wrong[:, ::-1], axis=1)  # one at a time: always ends
        wrong[left < 0] &= np.arange(number) == last[left < 0, None]
        zero = zero ^ wrong
    return np.maximum(found, 0.0)


def _forces(start: np.ndarray, covariance: np.ndarray, zero: np.ndarray) -> np.ndarray:
    """Return the multipliers (n, f) with which some amplitudes are 0; those of others are 0."""
    forces = np.zeros_like(start)
    counts = zero.sum(axis=1)
    for count in np.unique(counts[counts > 0]):
        rows = np.flatnonzero(counts == count)
        which = np.nonzero(zero[rows])[1].reshape(-1, count)
        small = covariance[which[:, :, None], which[:, None, :]]
        target = -np.take_along_axis(start[rows], which, axis=1)
        forces[rows[:, None], which] = np.linalg.solve(small, target[:, :, None])[:, :, 0]
    return forces


def _times(forces: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the product (n, f), added up in the same order for any number of pixels."""
    product = np.zeros_like(forces)
    for force, row in zip(forces.T, covariance, strict=True):
        product += force[:, None] * row
    return product
