"""Two parts of one measurement whose noise is independent.

Labels are made from one part, and are believed as far as they foretell the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera._util.check import check_number, check_same_shape


class Parts(NamedTuple):
    """Two parts of the same spectra, each (n, channel).

    Attributes
    ----------
    made : array
        From this one labels and mean spectra are made.
    judged : array
        By this one they are judged.
    variance : array or None
        Of the noise of ``judged``; None for counts.
    """

    made: np.ndarray
    judged: np.ndarray
    variance: np.ndarray | None = None


def thin_counts(counts: np.ndarray, generator: np.random.Generator, *, share: float = 0.5) -> Parts:
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
    made = generator.binomial(values.astype(np.int64), share)
    return Parts(made.astype(np.float32), (values - made).astype(np.float32))


def split_noise(values: np.ndarray, variance: np.ndarray, generator: np.random.Generator) -> Parts:
    """Add noise to one part and subtract it from the other: data fission (Leiner et al. 2023).

    The parts of values with Gaussian noise of a known variance are independent, each with twice
    that variance. Equation 2 of arXiv 2112.11079, with tau = 1.

    Parameters
    ----------
    values : array (n, channel)
    variance : array (n, channel)
        Of the noise. Where it is 0, both parts have the value itself.
    generator : numpy Generator

    Raises
    ------
    ValueError
        If the shapes differ, or a variance is negative or not finite.
    """
    check_same_shape("variance", np.shape(variance), np.shape(values), "the values")
    known = np.asarray(variance, dtype=np.float32)
    if not np.isfinite(known).all() or (known < 0).any():
        raise ValueError("variances must be finite and not negative; replace those of bad values")
    noise = np.sqrt(known) * generator.standard_normal(known.shape, dtype=np.float32)
    return Parts(values + noise, values - noise, 2 * known)


def alternate_blocks(channels: int, length: int = 1) -> np.ndarray:
    """Return which channels are judged (channel,), bool, where the noise is not known.

    Blocks of channels belong to the two parts in turn. A block has to be longer than the noise is
    correlated along the axis.

    Parameters
    ----------
    channels : int
    length : int
        Of a block, at most half of the channels.

    Examples
    --------
    >>> from spectessera.evidence import alternate_blocks
    >>> alternate_blocks(6, 2).tolist()
    [False, False, True, True, False, False]
    """
    check_number("length", length, low=1, high=max(1, channels // 2), integer=True)
    return np.arange(channels) // length % 2 == 1


def correlation_length(residual: np.ndarray, *, least: float = 0.1, most: int = 64) -> int:
    """Return how many channels apart noise has no correlation any more.

    The first lag at which the autocorrelation, averaged over the spectra, is below ``least``.

    Parameters
    ----------
    residual : array (n, channel)
        Noise alone, such as differences of neighbouring pixels.
    least : float
    most : int
        Largest lag.
    """
    centred = residual - residual.mean(axis=1, keepdims=True)
    power = np.square(centred, dtype=np.float64).mean()
    lags = min(most, residual.shape[1] // 2)
    for lag in range(1, lags):
        product = (centred[:, lag:] * centred[:, :-lag]).mean(dtype=np.float64)
        if product < least * power:
            return lag
    return max(1, lags)
