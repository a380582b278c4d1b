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
# Decades of the sum of two counts; those with fewer values in all pairs together say nothing.
_DECADES, _VALUES = np.array([0.5, 9.5, 99.5, 999.5, np.inf]), 200


def scatter_as_counts(pairs: Iterable[np.ndarray], channels: int) -> bool:
    """Return whether the spectra of neighbouring pixels differ as counts of one material do.

    With a and b the spectra of a pair, n = a + b and A, B, N their sums, (a B - b A)^2 / (n A B) is
    1 on average (a chi-square of homogeneity, to which it is no matter how bright either is). It
    must be in every decade of n too, since that is so of counts alone. Pairs that differ by more
    are of two materials; they must be fewer than half.

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
    for pair in pairs:
        if not _whole(pair):
            broken += 1
            if broken > (1 - LEAST_COUNTED) * PLACES:
                return False
        elif pair.any(axis=1).all():
            found.append(pair.astype(np.float64))
    # A mask has no other numbers than 0 and 1.
    if len(found) < max(_PAIRS, 9 * broken) or max(pair.max() for pair in found) <= 1:
        return False
    both = np.array(found).sum(axis=1)
    squares = np.array([_squares(pair) for pair in found])
    free = np.maximum((both > 0).sum(axis=1) - 1, 1)
    apart, chance = squares.sum(axis=1) / free - 1, _CHANCE * np.sqrt(2 / free)
    # Of other values, some pairs may differ by as much as counts; of counts, most do, and no less.
    if np.median(apart - chance) > _OFF or (apart < -_OFF - chance).mean() > 1 - LEAST_COUNTED:
        return False
    alike = apart <= _OFF + chance
    decade = np.where(alike[:, None], np.digitize(both, _DECADES), 0)
    groups = [squares[decade == each] for each in range(1, len(_DECADES))]
    groups = [each for each in (squares[decade > 0], *groups) if len(each) >= _VALUES]
    return len(groups) > 0 and all(_is_1(each) for each in groups)


def _whole(pair: np.ndarray) -> bool:
    """Return whether spectra hold whole numbers that were counted and float32 has exactly."""
    return bool(((pair >= 0) & (pair == np.rint(pair)) & (pair < LARGEST_COUNT)).all())


def _squares(pair: np.ndarray) -> np.ndarray:
    """Return the squares (channel,) of the differences of two spectra over their variance."""
    (one, other), (first, second) = pair, pair.sum(axis=1)
    apart = np.square(one * second - other * first)
    return apart / np.maximum((one + other) * first * second, 1)


def _is_1(squares: np.ndarray) -> bool:
    """Return whether squares are 1 on average."""
    return bool(abs(squares.mean() - 1) < _OFF + _CHANCE * np.sqrt(2 / len(squares)))
