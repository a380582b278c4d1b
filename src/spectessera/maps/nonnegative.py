"""Non-negative least squares for many pixels at once, in the space of the few amplitudes.

Assumes checked input. The amplitudes a of a fit without constraint, and their covariance C up to a
factor, determine those of the fit with a constraint: x = a + C m with x >= 0, m >= 0 and x m = 0.
Which of them are 0 is found by block principal pivoting (Kim & Park 2011, SIAM J. Sci. Comput. 33,
3261).

For given zeros, C is swept (Beaton 1964; Goodnight 1979, The American Statistician 33, 149) at one
term after the other that is 0. Pixels whose zeros agree in the first terms share these sweeps, so
the matrices form a tree: its branches are few where matrices are large, and matrices are small
where branches are many. The same sweeps turn a into x and m, and leave the variances of x. Every
pixel is computed by itself, to the last bit.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np

# Smallest violation of a condition that counts, in standard errors: rounding is below.
EPSILON = 1e-7
FULL_EXCHANGES = 3  # without progress, before amplitudes are exchanged one at a time
MOST_ROUNDS = 1000
_TOGETHER = 4096  # pixels that share a tree
_BITS = 62  # of a key by which pixels are sorted


class NonNegative(NamedTuple):
    """Amplitudes of fits in which none is negative.

    ``values`` (n, f), float32; ``left`` (n, f), float32: which part of its variance without
    constraint an amplitude has if those that are 0 are left out; 1 for those that are 0.
    """

    values: np.ndarray
    left: np.ndarray


def non_negative(
    values: np.ndarray, covariance: np.ndarray, order: np.ndarray | None = None
) -> NonNegative:
    """Return the amplitudes of fits in which they are not negative, and their variances.

    Parameters
    ----------
    values : array (n, f), float32
        Of the fits without constraint.
    covariance : array (f, f), float64
        The inverse of the matrix of their normal equations, positive definite.
    order : array (f,), int, optional
        Of the terms: those first that are rarely 0. It decides about the time, and about rounding.

    Returns
    -------
    NonNegative
        Rows without negative amplitudes are as given.

    Examples
    --------
    >>> import numpy as np
    >>> covariance = np.linalg.inv([[1.0, 0.5], [0.5, 1.0]])
    >>> given = np.array([[2.0, -1.0], [2.0, 1.0]], np.float32)
    >>> found = non_negative(given, covariance)
    >>> found.values.round(3)
    array([[1.5, 0. ],
           [2. , 1. ]], dtype=float32)
    >>> found.left
    array([[0.75, 1.  ],
           [1.  , 1.  ]], dtype=float32)
    """
    order = np.arange(values.shape[1]) if order is None else order
    negative = np.flatnonzero((values < 0).any(axis=1))
    found, left = values.copy(), np.ones(values.shape, np.float32)
    if negative.size == 0:
        return NonNegative(found, left)
    error = np.sqrt(np.diag(covariance))
    scaled = (covariance / error[:, None] / error)[np.ix_(order, order)]
    start = np.ascontiguousarray(values[negative].T, np.float64)[order]
    start /= error[order][:, None]
    value, part = _pivot(start, scaled)
    back = np.argsort(order)
    value *= error[order][:, None]
    found[negative] = value[back].T
    left[negative] = part[back].T
    return NonNegative(found, left)


def _pivot(start: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return amplitudes (f, n) in units of their standard errors, and the variances left (f, n)."""
    number, pixels = start.shape
    found, left, active = np.zeros_like(start), np.ones_like(start), np.arange(pixels)
    zero, now = start < 0, start
    fewest = np.full(pixels, number + 1)  # violations so far
    exchanges = np.full(pixels, FULL_EXCHANGES)
    for _ in range(MOST_ROUNDS):
        value, part, wrong = _swept(now, zero, covariance)
        many = wrong.sum(axis=0)
        found[:, active], left[:, active] = value, part
        going = np.flatnonzero(many)
        if going.size == 0:
            break
        active, many = active[going], many[going]
        zero, wrong = zero.take(going, axis=1), wrong.take(going, axis=1)
        now = start.take(active, axis=1)
        better = many < fewest[going]
        exchanges = np.where(better, FULL_EXCHANGES, exchanges[going] - 1)
        fewest = np.minimum(fewest[going], many)
        last = number - 1 - np.argmax(wrong[::-1], axis=0)  # one at a time: always ends
        wrong &= (exchanges >= 0) | (np.arange(number)[:, None] == last)
        zero = zero ^ wrong
    found = np.maximum(found, 0.0)
    return found, np.where(found == 0, 1.0, np.clip(left, 0.0, 1.0))


def _swept(
    start: np.ndarray, zero: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return amplitudes (f, n), their variances, and which of them or their multipliers are wrong.

    Parameters
    ----------
    start : array (f, n)
        The amplitudes without constraint.
    zero : array (f, n), bool
        Which amplitudes are 0.
    covariance : array (f, f)
    """
    found, left, wrong = np.empty_like(start), np.empty_like(start), np.empty_like(zero)
    order = _sorted(zero)
    spare = [np.empty(0) for _ in range(4)]
    for first in range(0, len(order), _TOGETHER):
        some = order[first : first + _TOGETHER]
        out = zero.take(some, axis=1)
        value, left[:, some] = _swept_together(start.take(some, axis=1), out, covariance, spare)
        np.negative(value, out=value, where=out)  # the multipliers
        wrong[:, some] = value < -EPSILON
        np.copyto(value, 0.0, where=out)
        found[:, some] = value
    return found, left, wrong


def _sorted(zero: np.ndarray) -> np.ndarray:
    """Return the order (n,) of pixels in which those with the same first zeros are neighbours."""
    keys = []
    for first in range(0, len(zero), _BITS):
        key = np.zeros(zero.shape[1], np.int64)
        for row in zero[first : first + _BITS]:
            key += key
            key += row
        keys.append(key)
    return np.lexsort(keys[::-1])


def _swept_together(
    value: np.ndarray, zero: np.ndarray, covariance: np.ndarray, spare: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return amplitudes, or minus multipliers, and variances of pixels (f, n) in order.

    ``value`` are the amplitudes without constraint, and are changed.
    ``spare`` memory is used again: to ask for new memory takes longer than the work.
    """
    rest, variance = covariance[:, :, None], np.ones((0, 1))  # the terms to come: (rest, f, node)
    node, which = np.zeros(zero.shape[1], int), 0
    apart = np.zeros(zero.shape[1], bool)  # a pixel has other zeros than the one before it
    for term, now in enumerate(zero):
        if not now.any():
            variance = np.concatenate([variance, rest[:1, term]])
            rest = rest[1:]
            continue
        apart[1:] |= now[1:] != now[:-1]
        starts = np.concatenate([[0], np.flatnonzero(apart)])
        parent, swept = node[starts], now[starts]
        pivot = rest[0, term]
        factor = rest[0] / pivot
        factor[term] = 1 - 1 / pivot
        factor = np.take(factor, parent, axis=1)
        factor *= swept
        pivot = pivot[parent]
        variance = np.take(variance, parent, axis=1)
        variance -= factor[:term] ** 2 * pivot
        variance = np.concatenate([variance, pivot[None]])
        across = np.take(rest[1:, term], parent, axis=1)
        less = _taken(rest[1:], parent, spare, which)
        change = _memory(spare, 2, less.shape)
        np.multiply(across[:, None], factor, out=change)
        less -= change
        rest, which = less, 1 - which
        np.cumsum(apart, out=node)
        own = _taken(factor, node, spare, 3)
        own *= value[term].copy()
        value -= own
    return value, np.take(variance, node, axis=1)


def _memory(spare: list[np.ndarray], which: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array of a shape in spare memory."""
    size = prod(shape)
    if spare[which].size < size:
        spare[which] = np.empty(2 * size)
    return spare[which][:size].reshape(shape)


def _taken(array: np.ndarray, index: np.ndarray, spare: list[np.ndarray], which: int) -> np.ndarray:
    """Return the elements (..., n) at an index of the last axis, in spare memory."""
    out = _memory(spare, which, (*array.shape[:-1], len(index)))
    return np.take(array, index, axis=-1, out=out, mode="clip")
