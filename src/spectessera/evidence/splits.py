"""Two parts of one measurement whose noise is independent.

Labels are made from one part, and are believed as far as they foretell the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.utils.extmath import randomized_svd

from spectessera._util.check import check_number, check_same_shape

# Part of the information of a measurement that labels are made from. With more, labels are nearly
# those of the whole measurement; with less, there is more to judge them by.
SHARE = 0.8
# Principal components that are taken for signal where the noise is not known.
SIGNALS = 20
_ROUNDS = 2


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
    """

    made: np.ndarray
    judged: np.ndarray
    share: float
    level: np.ndarray | None = None


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
    made = generator.binomial(values.astype(np.int64), share)
    return Parts(made.astype(np.float32), (values - made).astype(np.float32), share)


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


def noise_like(
    residual: np.ndarray, generator: np.random.Generator, kept: np.ndarray | None = None
) -> np.ndarray:
    """Draw noise (n, channel), float32, with the variances and the correlation of residuals.

    The variance is that of the spectrum times that of the channel over the mean of all; the
    correlation of neighbouring channels is that of the residuals over their standard deviations,
    the same along the whole axis.

    Parameters
    ----------
    residual : array (n, channel)
        Measured minus expected values.
    generator : numpy Generator
    kept : array (channel // 2 + 1,), optional
        Share of the power of noise that is in a residual, for every frequency along the axis; by
        default all of it.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.evidence import noise_like
    >>> generator = np.random.default_rng(0)
    >>> noise = noise_like(2 * generator.standard_normal((1000, 50)), generator)
    >>> round(float(noise.std()), 1)
    2.0
    """
    squares = np.square(residual, dtype=np.float64)
    rows, columns = squares.mean(axis=1), squares.mean(axis=0)
    sigma = np.sqrt(rows[:, None] * (columns / max(float(columns.mean()), 1e-300)))
    power = _power(np.divide(residual, sigma, out=np.zeros_like(sigma), where=sigma > 0))
    scale = np.sqrt(power / (residual.shape[1] * (1.0 if kept is None else kept)))
    white = np.fft.rfft(generator.standard_normal(residual.shape, dtype=np.float32), axis=1)
    return (sigma * np.fft.irfft(white * scale, n=residual.shape[1], axis=1)).astype(np.float32)


def estimate_noise(
    values: np.ndarray, generator: np.random.Generator, *, seed: int = 0
) -> np.ndarray:
    """Draw noise as that of spectra of which no noise is known, (n, channel), float32.

    It is like what the first principal components leave, and what they take of noise is added: the
    drawn noise is decomposed in the same way, and what its own components take of it, for every
    frequency along the axis, is added in the next of a few rounds (parallel analysis, Horn 1965,
    Psychometrika 30, 179-185).

    Parameters
    ----------
    values : array (n, channel)
    generator : numpy Generator
    seed : int
        Of the randomised decomposition.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.evidence import estimate_noise
    >>> generator = np.random.default_rng(0)
    >>> values = np.sin(np.arange(60)) + 2 * generator.standard_normal((2000, 60))
    >>> round(float(estimate_noise(values, generator).std()), 1)
    2.0
    """
    count = max(1, min(SIGNALS, len(values) // 8, values.shape[1] // 8))

    def left(spectra: np.ndarray) -> np.ndarray:
        centred = spectra - spectra.mean(axis=0)
        _, _, axes = randomized_svd(centred, count, n_iter=4, random_state=seed)
        return np.asarray(centred - centred @ axes.T @ axes)

    residual = left(values)
    drawn = noise_like(residual, generator)
    for _ in range(_ROUNDS):
        whole, rest = _power(drawn), _power(left(drawn))
        kept = np.divide(rest, whole, out=np.ones_like(whole), where=whole > 0)
        drawn = noise_like(residual, generator, np.clip(kept, 0.5, 1.0))
    return drawn


def _power(values: np.ndarray) -> np.ndarray:
    """Return the mean power (frequency,) of spectra (n, channel) at every frequency."""
    return np.square(np.abs(np.fft.rfft(values, axis=1))).mean(axis=0)
