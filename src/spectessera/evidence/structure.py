"""Whether spectra differ by more than their noise."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh
from sklearn.utils.extmath import randomized_svd

from .splits import Parts

# Principal components in which differences are looked for.
COMPONENTS = 10
# Differences of more standard errors than this, in the best of the components, are no noise: noise
# alone exceeds it once in 400 cubes.
BEYOND = 3.5
# Least number of counts, in all spectra together, of a bin of channels.
_COUNTS = 100
# Spectra whose residuals stay in the processor's cache.
_IN_CACHE = 64
# Largest size of a matrix of which all principal components are found.
_EXACT = 1024


def structure_of(parts: Parts, *, seed: int = 0, exact: bool = False) -> float:
    """Return how significantly spectra differ by more than noise, in standard errors.

    The principal components of one part of the measurement are found; if they are only noise, the
    scores of the other part are not correlated with those of the first. Returned is the largest of
    the correlations over its standard error, which allows for noise of unequal size, and for
    spectra that share a part of their noise. Of counts,
    Pearson residuals are used, (v_c - n p_c) / sqrt(n p_c), with n the counts of the spectrum:
    their number is no difference.

    Parameters
    ----------
    parts : Parts
        At least 3 spectra, else 0.
    seed : int
        Of the randomised decomposition.
    exact : bool
        Find the principal components without one, if there are not more than a thousand spectra or
        channels: a component whose variance is hardly above that of noise is else not found.

    Returns
    -------
    float
        Above :data:`BEYOND` there are differences. Below -:data:`BEYOND`, the parts say the
        opposite of each other: the noise that they were split by is larger than that of the
        spectra, and nothing can be said.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.evidence import structure_of, thin_counts
    >>> generator = np.random.default_rng(0)
    >>> structure_of(thin_counts(generator.poisson(5.0, (500, 20)), generator)) < 3.5
    True
    """
    made, judged = parts.made, parts.judged
    if parts.level is None:
        made, judged = _residuals(made, judged)
    if len(made) < 3 or made.shape[1] < 1:
        return 0.0
    made = made - made.mean(axis=0)
    directions = _directions(made, seed, exact)
    scores = made @ directions.T, (judged - judged.mean(axis=0)) @ directions.T
    products = scores[0].astype(np.float64) * scores[1]
    error = np.sqrt(parts.alike * np.square(products).sum(axis=0))
    found = products.sum(axis=0) / np.maximum(error, np.finfo(float).tiny)
    too_large = found.max() <= BEYOND and found.min() < -BEYOND
    return float(found.min() if too_large else found.max())


def _directions(centred: np.ndarray, seed: int, exact: bool) -> np.ndarray:
    """Return the first principal directions (component, channel) of centred spectra."""
    count = min(COMPONENTS, *centred.shape)
    if not exact or min(centred.shape) > _EXACT:
        return randomized_svd(centred, count, n_iter=4, random_state=seed)[2]
    wide = centred.shape[0] < centred.shape[1]
    gram = centred @ centred.T if wide else centred.T @ centred
    size = len(gram)
    vectors = eigh(gram, subset_by_index=(size - count, size - 1), check_finite=False)[1].T
    if not wide:
        return vectors
    directions = vectors @ centred
    length = np.linalg.norm(directions, axis=1, keepdims=True)
    return directions / np.maximum(length, np.finfo(np.float32).tiny)


def _residuals(made: np.ndarray, judged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the Pearson residuals of counts, in bins of channels with enough of them."""
    starts = _bins(made.sum(axis=0, dtype=np.float64))
    binned = [np.add.reduceat(each, starts, axis=1) for each in (made, judged)]
    expected = binned[0].sum(axis=0, dtype=np.float64)
    share = expected / max(expected.sum(), np.finfo(float).tiny)
    return _pearson(binned[0], share), _pearson(binned[1], share)


def _pearson(counts: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return the residuals (n, bin), float64, few spectra at a time."""
    residuals = np.zeros(counts.shape)
    for first in range(0, len(counts), _IN_CACHE):
        part = slice(first, first + _IN_CACHE)
        expected = counts[part].sum(axis=1, keepdims=True) * share
        apart = counts[part] - expected
        np.divide(apart, np.sqrt(expected), out=residuals[part], where=expected > 0)
    return residuals


def _bins(total: np.ndarray) -> np.ndarray:
    """Return the first channels of neighbouring channels that have enough counts together."""
    starts, found = [0], 0.0
    for channel, counts in enumerate(total[:-1], start=1):
        found += counts
        if found >= _COUNTS and total[channel:].sum() >= _COUNTS:
            starts.append(channel)
            found = 0.0
    return np.array(starts)
