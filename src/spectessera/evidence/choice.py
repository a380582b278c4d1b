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

    The largest number that has at least nine tenths of the largest gain, foretells not
    significantly less than a smaller number, and is stable. The smallest number with nine tenths
    of the largest gain where none is stable.

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
    chosen, best = first, first
    for position in range(first, len(gains)):
        apart = gains[position].each - gains[best].each
        error = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else 0.0
        if stable[position] and apart.mean() >= -WORSE * error:
            chosen = position
        if means[position] > means[best]:
            best = position
    return chosen
