"""Two parts of one measurement whose noise is independent.

Labels are made from one part, and are believed as far as they predict the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera._util.check import check_number, check_same_shape

# Part of the information of a measurement that labels are made from. With more, labels are nearly
# those of the whole measurement; with less, there is more to judge them by.
SHARE = 0.8
# A variance larger by this factor than what is usual in its channel, the median of about so many
# spectra, marks a bad value: some programs write an error of 1e10 there.
_ABSURD, _SOME = 1e12, 256


class Parts(NamedTuple):
    """Two parts of the same spectra, each (n, channel).

    Attributes
    ----------
    made : array
        From this one labels and mean spectra are made.
    judged : array
        By this one they are judged.
    share : float
        Of the information that is in ``made``.
    level : array (n,), or None
        Variance of the noise in a channel of each whole spectrum; None for counts.
    alike : float
        So many spectra count as one, because their noise is correlated.
    """

    made: np.ndarray
    judged: np.ndarray
    share: float
    level: np.ndarray | None = None
    alike: float = 1.0


def thin_counts(
    counts: np.ndarray, generator: np.random.Generator, *, share: float = SHARE
) -> Parts:
    """Send each count to one of two parts: data thinning (Neufeld et al. 2023, arXiv 2301.07276).

    The parts of Poisson counts are independent Poisson counts. (Those of counts with a fixed total
    are nearly so: the correlation of two channels is minus the product of their shares.)

    Parameters
    ----------
    counts : array (n, channel)
        Integers from 0, of any type.
    generator : numpy Generator
    share : float
        Probability of a count to be in ``made``, from 0.01 to 0.99.

    Raises
    ------
    ValueError
        If a count is negative, not finite or not an integer.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.evidence import thin_counts
    >>> parts = thin_counts(np.full((2, 3), 100), np.random.default_rng(0))
    >>> (parts.made + parts.judged).tolist()
    [[100.0, 100.0, 100.0], [100.0, 100.0, 100.0]]
    """
    check_number("share", share, low=0.01, high=0.99)
    values = np.asarray(counts)
    if not np.isfinite(values).all() or (values < 0).any() or (values != np.rint(values)).any():
        raise ValueError(
            "only counts, integers from 0, can be thinned; split other spectra by their variance"
        )
    made, judged = np.zeros((2, values.size), np.float32)
    # No random number is drawn for a count of 0, which only takes time.
    counted = np.flatnonzero(values)
    some = values.ravel()[counted]
    drawn = generator.binomial(some.astype(np.int64), share)
    made[counted], judged[counted] = drawn, some - drawn
    return Parts(made.reshape(values.shape), judged.reshape(values.shape), share)


def finite_variance(variance: np.ndarray) -> np.ndarray:
    """Return variances (n, channel) as noise is drawn from them: bad ones are the usual one.

    That is the median of the channel, 0 where there is none. Bad are NaN, a variance a trillion
    times the usual one or above 0 and below a trillionth of it, and all of a spectrum whose
    variance is nowhere above that: these values are part of a measurement, and would have no noise,
    or hide all others. (What of 0 is none is NaN already: see
    :func:`spectessera.variance.known_variance`.)

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.evidence import finite_variance
    >>> finite_variance(np.array([[1.0, 4.0], [np.nan, 5.0], [0.0, 0.0]])).tolist()
    [[1.0, 4.0], [1.0, 5.0], [1.0, 4.5]]
    """
    if not len(variance):
        return variance
    bad = np.isnan(variance) | ~(variance > 0).any(axis=1, keepdims=True)
    some = slice(None, None, max(1, len(variance) // _SOME))
    usual = _median(np.where(bad[some], np.nan, variance[some]))
    usual = usual.astype(np.float64)
    bad |= (variance > _ABSURD * usual) & (usual > 0)
    bad |= (variance > 0) & (variance < usual / _ABSURD)
    bad |= ~(variance > usual / _ABSURD).any(axis=1, keepdims=True)
    if not bad.any():
        return variance
    return np.where(bad, _median(np.where(bad, np.nan, variance)), variance)


def _median(variance: np.ndarray) -> np.ndarray:
    """Return the medians (channel,) of variances (n, channel) but for NaN, 0 where all are."""
    missing = np.isnan(variance)
    if not missing.any():  # (much faster)
        return np.median(variance, axis=0)
    none = missing.all(axis=0)
    return np.nanmedian(np.where(none, variance.dtype.type(0), variance), axis=0)


def split_noise(values: np.ndarray, noise: np.ndarray, *, share: float = SHARE) -> Parts:
    """Add noise to one part and subtract it from the other: data fission (Leiner et al. 2023).

    With a further draw e of the noise and t^2 = (1 - share) / share, the parts are x + t e and
    x - e / t. For Gaussian noise of that distribution they are independent; their variances are
    1 / share and 1 / (1 - share) times that of the values. Section 2 of arXiv 2112.11079.

    Parameters
    ----------
    values : array (n, channel)
    noise : array (n, channel)
        Drawn from the distribution of the noise of the values.
    share : float
        From 0.01 to 0.99.

    Returns
    -------
    Parts
        ``level`` is the mean square of the drawn noise of each spectrum.

    Raises
    ------
    ValueError
        If the shapes differ, or the noise is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.evidence import split_noise
    >>> noise = np.random.default_rng(0).standard_normal((4000, 2))
    >>> parts = split_noise(noise[:2000], noise[2000:])
    >>> bool(abs(np.corrcoef(parts.made.ravel(), parts.judged.ravel())[0, 1]) < 0.05)
    True
    """
    check_number("share", share, low=0.01, high=0.99)
    check_same_shape("noise", np.shape(noise), np.shape(values), "the values")
    if not np.isfinite(noise).all():
        raise ValueError("the noise has values that are not finite; replace those of bad values")
    ratio = np.float32(np.sqrt((1 - share) / share))
    level = np.square(noise, dtype=np.float64).mean(axis=1)
    return Parts(values + ratio * noise, values - noise / ratio, share, level)
