"""The number of clusters: what gain and stability say together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .gain import Gain

# A number of clusters with less than this share of the largest gain is too small.
ENOUGH = 0.9
# A gain is smaller than another by more than chance from this many standard errors of the paired
# difference on.
WORSE = 2.0


def best_number(gains: Sequence[Gain], stable: np.ndarray) -> int:
    """Return the position of the number of clusters that is chosen.

    The largest number that has at least nine tenths of the largest gain, predicts not
    significantly less than a smaller number, and is stable. Where none is, the largest stable one
    whose gain is not significantly below these nine tenths; else the smallest one of which this is
    true: what a few spectra alone speak for is no cluster then. Where all gains
    are below 0, as those of clusters of noise may be, it is the smallest of all.

    Parameters
    ----------
    gains : sequence of Gain
        Of ascending numbers of clusters, of the same spectra.
    stable : array (number of k,), bool
        Whether every cluster is recovered from half of the spectra.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.evidence import Gain, best_number
    >>> gains = [Gain(mean, 0.1, np.full(9, mean)) for mean in (5.0, 9.8, 10.0, 9.9)]
    >>> best_number(gains, np.array([True, True, True, False]))
    2
    """
    means = np.array([each.mean for each in gains])
    first = int(np.argmax(means >= ENOUGH * means.max()))
    chosen, best = None, first
    for position in range(first, len(gains)):
        if stable[position] and not _worse(gains[position].each - gains[best].each):
            chosen = position
        if means[position] > means[best]:
            best = position
    if chosen is not None:
        return chosen
    largest = gains[int(means.argmax())]
    near = [p for p in range(first + 1) if not falls_short(gains[p], largest)]
    return max((p for p in near if stable[p]), default=min(near, default=first))


def falls_short(gain: Gain, other: Gain) -> bool:
    """Return whether a gain has less than nine tenths of another one by more than chance.

    Parameters
    ----------
    gain, other : Gain
        Of the same spectra.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.evidence import Gain, falls_short
    >>> other = Gain(10.0, 0.1, 10 + np.tile([-1.0, 1.0], 50))
    >>> [falls_short(Gain(mean, 0.1, np.full(100, mean)), other) for mean in (5.0, 8.9, 9.5)]
    [True, False, False]
    """
    return _worse(gain.each - ENOUGH * other.each)


def _worse(apart: np.ndarray) -> bool:
    """Return whether paired differences (n,) are below 0 by more than chance."""
    error = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else 0.0
    return bool(apart.mean() < -WORSE * error)
