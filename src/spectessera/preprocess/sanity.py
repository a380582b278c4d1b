"""What a few spectra of a cube show that a user should know before believing any cluster.

The checks are about mistakes of a factor of thousands, or of the kind of data, not about quality:
nothing is found in a normal cube. The thresholds are the constants of this module.
"""

from __future__ import annotations

import numpy as np

from spectessera._util.text import per_cent
from spectessera.warning import ResultWarning, make_warning

# Fewer spectra, or channels, show none of this.
FEWEST_SPECTRA, FEWEST_CHANNELS = 8, 8
# Variance over that of the scatter between neighbouring channels, from which on it is implausible.
# Lines of a spectrum add to the scatter, correlated noise hides some of it: both are far from this.
TOO_SMALL, TOO_LARGE = 1e-4, 1e5
# Share of the spectra that have neighbouring channels at the largest value ...
CLIPPED_SHARE = 0.02
# ... which holds more values than the fifth below it: in a tail they become fewer.
BELOW, PILED = 0.8, 2.0
# Sine of the angle below which two spectra have the same shape, whatever their brightness.
SAME_SHAPE = 0.01


def sanity_warnings(values: np.ndarray, variance: np.ndarray | None = None) -> list[ResultWarning]:
    """Return warnings about some spectra of a cube: its variance, clipped values, no differences.

    Parameters
    ----------
    values : array (n, channel)
        Finite.
    variance : array (n, channel), optional

    Examples
    --------
    >>> import numpy as np
    >>> spectra = np.outer(np.arange(1.0, 11.0), np.arange(1.0, 21.0))
    >>> [each.code for each in sanity_warnings(spectra)]
    ['W-DATA-ONE-SHAPE']
    """
    if len(values) < FEWEST_SPECTRA:
        return []
    wide = values.astype(np.float64)
    found = [] if variance is None else _variance(wide, variance.astype(np.float64))
    if (values == values[0]).all():
        return [*found, make_warning("W-DATA-CONSTANT")]
    if values.shape[1] >= FEWEST_CHANNELS:
        found += _clipped(wide) + _one_shape(wide)
    return found


def _variance(values: np.ndarray, variance: np.ndarray) -> list[ResultWarning]:
    """Return a warning where a variance is none, or far from what the values show."""
    good = (variance > 0) & (variance < np.inf)
    if not good.any(axis=1).all():
        share = 1 - good.any(axis=1).mean()
        return [make_warning("W-DATA-VARIANCE-NONE", {"share": per_cent(share)})]
    if values.shape[1] < FEWEST_CHANNELS:
        return []
    # A second difference of independent values has six times their variance.
    scatter = np.square(np.diff(values, 2, axis=1)).mean(axis=0) / 6
    given = np.zeros(values.shape[1])
    seen = good.any(axis=0)
    given[seen] = np.nanmedian(np.where(good, variance, np.nan)[:, seen], axis=0)
    known = (scatter > 0) & (given[1:-1] > 0)
    if known.sum() < FEWEST_CHANNELS // 2:
        return []
    low, high = np.percentile(given[1:-1][known] / scatter[known], (25, 75))
    if high >= TOO_SMALL and low <= TOO_LARGE:
        return []
    word, factor = ("smaller", 1 / high) if high < TOO_SMALL else ("larger", low)
    return [make_warning("W-DATA-VARIANCE", {"factor": factor, "word": word})]


def _clipped(values: np.ndarray) -> list[ResultWarning]:
    """Return a warning where spectra are flat at the largest value of all."""
    largest = values.max()
    at = values == largest
    share = (at[:, 1:] & at[:, :-1]).any(axis=1).mean()
    below = (values >= min(BELOW * largest, largest - 1)) & ~at
    if largest <= 0 or share < CLIPPED_SHARE or at.sum() <= PILED * below.sum():
        return []
    return [make_warning("W-DATA-CLIPPED", {"share": per_cent(share), "value": largest})]


def _one_shape(values: np.ndarray) -> list[ResultWarning]:
    """Return a warning where all spectra are the same but for a factor."""
    size = np.sqrt(np.square(values).sum(axis=1))
    if not (size > 0).all():
        return []
    shapes = values / size[:, None]
    mean = shapes.mean(axis=0)
    cosine = shapes @ (mean / np.sqrt(np.square(mean).sum()))
    off = shapes - cosine[:, None] * (mean / np.sqrt(np.square(mean).sum()))
    sine = np.sqrt(np.square(off).sum(axis=1))
    alike = bool((cosine > 0).all() and sine.max() < SAME_SHAPE)
    return [make_warning("W-DATA-ONE-SHAPE")] if alike else []
