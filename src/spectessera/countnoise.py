"""Whether values are counts, by how they scatter.

A file may have whole numbers without saying what its channels are. If they were counted, two
pixels of the same material differ by Poisson noise: its size is known from the numbers alone, and
no gain, offset, read-out noise, smoothing or rounding of other values leaves it at all levels.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .scale import PLACES

# Least share of spectra of whole numbers among spectra of counts (others may have interpolated
# values); from the second number on every number of type float32 is whole.
LEAST_COUNTED, LARGEST_COUNT = 0.9, 2**24
# Of so many pairs of spectra, or more, and so many channels.
_PAIRS, _CHANNELS = 16, 32
# By how much the scatter may differ from that of counts, and by how many standard errors more.
_OFF, _CHANCE = 0.1, 3.0
# Ranges of the sum of two counts; those with fewer values in all pairs together say nothing. A sum
# of 1 never does: with it the square is near 1, whatever the values are.
_RANGES, _VALUES = np.array([1.5, 4.5, 9.5, 99.5, 999.5, np.inf]), 200
# By how much the scatter of single pairs may differ, beside chance.
_UNEQUAL = 0.05


def scatter_as_counts(pairs: Iterable[np.ndarray], channels: int) -> bool:
    """Return whether the spectra of neighbouring pixels differ as counts of one material do.

    With a and b the spectra of a pair, n = a + b and A, B, N their sums, (a B - b A)^2 / (n A B) is
    1 on average (a chi-square of homogeneity, to which it is no matter how bright either is). It
    must be in every range of n too, since that is so of counts alone, and in every pair: counts
    that were scaled to equal sums are such on average only. Pairs that differ by more are of two
    materials; they must be fewer than half.

    Parameters
    ----------
    pairs : iterable of array (2, channel)
        At least 16 with values; looked at no further than until too many are no whole numbers.
    channels : int
        At least 32: a picture of a few colours says too little.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.countnoise import scatter_as_counts
    >>> counts = np.random.default_rng(0).poisson(30, (20, 2, 100))
    >>> scatter_as_counts(counts, 100), scatter_as_counts(2 * counts, 100)
    (True, False)
    """
    if channels < _CHANNELS:
        return False
    found, broken = [], 0
    for each in pairs:
        pair = each.astype(np.float64)  # the largest count is none of 16 bits
        if np.isnan(pair).all(axis=1).any():
            continue  # one of them was not measured
        if not _whole(pair):
            broken += 1
            if broken > (1 - LEAST_COUNTED) * PLACES:
                return False
        elif pair.any(axis=1).all():
            found.append(pair)
    # A mask has no other numbers than 0 and 1.
    if len(found) < max(_PAIRS, 9 * broken) or max(pair.max() for pair in found) <= 1:
        return False
    counted = np.array(found)
    both = counted.sum(axis=1)
    squares = np.array([_squares(pair) for pair in found])
    free = np.maximum((both > 0).sum(axis=1) - 1, 1)
    apart, chance = squares.sum(axis=1) / free - 1, _CHANCE * np.sqrt(2 / free)
    # Of other values, some pairs may differ by as much as counts; of counts, most do, and no less.
    if np.median(apart - chance) > _OFF or (apart < -_OFF - chance).mean() > 1 - LEAST_COUNTED:
        return False
    alike = apart <= _OFF + chance
    if _unequal(apart[alike], _errors(counted[alike])):
        return False
    place = np.where(alike[:, None], np.digitize(both, _RANGES), 0)
    groups = [squares[place == each] for each in range(1, len(_RANGES))]
    groups = [each for each in (squares[place > 0], *groups) if len(each) >= _VALUES]
    return len(groups) > 0 and all(_is_1(each) for each in groups)


def _whole(pair: np.ndarray) -> bool:
    """Return whether spectra hold whole numbers that were counted and float32 has exactly."""
    return bool(((pair >= 0) & (pair == np.rint(pair)) & (pair < LARGEST_COUNT)).all())


def _squares(pair: np.ndarray) -> np.ndarray:
    """Return the squares (channel,) of the differences of two spectra over their variance."""
    (one, other), (first, second) = pair, pair.sum(axis=1)
    apart = np.square(one * second - other * first)
    return apart / np.maximum((one + other) * first * second, 1)


def _errors(pairs: np.ndarray) -> np.ndarray:
    """Return the standard errors (n,) of the mean squares of pairs (n, 2, channel) of counts.

    Those of a chi-square, or larger where counts are few and one of two spectra has most of them.
    """
    sums, both = pairs.sum(axis=2), pairs.sum(axis=1)
    values = (both > 0).sum(axis=1)
    inverse = np.where(both > 0, 1 / np.maximum(both, 1), 0).sum(axis=1) / values
    share = sums.prod(axis=1) / np.square(sums.sum(axis=1))
    return np.sqrt((2 + np.maximum(1 / share - 6, 0) * inverse) / np.maximum(values - 1, 1))


def _unequal(apart: np.ndarray, errors: np.ndarray) -> bool:
    """Return whether the scatter of some pairs is smaller than the mean by more than chance.

    (What is larger may be that of two materials.)
    """
    less = np.maximum(min(float(apart.mean()), 0.0) - apart, 0)
    squares = np.square(less) / (np.square(errors) + _UNEQUAL**2)
    # Half of the squares of normal numbers: the mean is 1 / 2, the variance 5 / 4.
    return bool(squares.mean() > 0.5 + _CHANCE * np.sqrt(1.25 / len(squares)))


def _is_1(squares: np.ndarray) -> bool:
    """Return whether squares are 1 on average."""
    return bool(abs(squares.mean() - 1) < _OFF + _CHANCE * np.sqrt(2 / len(squares)))
