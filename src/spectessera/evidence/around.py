"""Evidence where the noise is not known: the neighbours of a pixel against the pixel itself.

The noise of neighbouring pixels is taken to be independent, so labels that are made from the
neighbours of a pixel predict the pixel only as far as both belong to the same object.
"""

from __future__ import annotations

import numpy as np
from sklearn.utils.extmath import randomized_svd

from .gain import Gain
from .groups import normalised, shift
from .structure import COMPONENTS

# Every pair of neighbours once.
_PAIRS = ((0, 1), (1, -1), (1, 0), (1, 1))
# Noise is independent between channels from the distance on at which its correlation is below this.
_INDEPENDENT = 0.05
# Least number of blocks of channels of each of both parts.
_BLOCKS = 2


def mean_of_neighbours(values: np.ndarray, usable: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean spectrum of the usable ones of the eight neighbours of every pixel.

    Parameters
    ----------
    values : array (piece, y, x, channel), float32
        0 where a pixel is not usable.
    usable : array (piece, y, x), bool

    Returns
    -------
    mean : array (piece, y, x, channel), float32
        0 where there is none.
    count : array (piece, y, x), int
        Of usable neighbours.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.array([[0, 8, 0], [0, 9, 0], [0, 0, 8]], np.float32)[None, :, :, None]
    >>> mean, count = mean_of_neighbours(values, np.ones((1, 3, 3), bool))
    >>> float(mean[0, 1, 1, 0]), int(count[0, 1, 1]), int(count[0, 0, 0])
    (2.0, 8, 3)
    """
    total, count = np.zeros_like(values), np.zeros(usable.shape, int)
    for step in _PAIRS:
        here, there = shift(step, usable.shape)
        for one, other in ((here, there), (there, here)):
            total[one] += values[other]
            count[one] += usable[other]
    return total / np.maximum(count, 1)[..., None].astype(np.float32), count


def neighbours_agree(
    one: np.ndarray, other: np.ndarray, log_share: np.ndarray, usable: np.ndarray
) -> float:
    """Return how much more often neighbours are of one group than chance, in standard errors.

    One of every two neighbours is judged by a part of the measurement that the groups were fitted
    to, the other one by the other part: the answer is about 0 for pixels in random order, however
    unlike their groups. (A fit makes neighbours a little more alike in the part that it has seen.)

    Parameters
    ----------
    one, other : array (piece, y, x, group), float32
        Log-likelihoods of either part.
    log_share : array (group,), float32
    usable : array (piece, y, x), bool

    Examples
    --------
    >>> import numpy as np
    >>> halves = np.zeros((1, 20, 20, 2), np.float32)
    >>> halves[:, :10, :, 0] = halves[:, 10:, :, 1] = 5
    >>> share, usable = np.log(np.full(2, 0.5, np.float32)), np.ones((1, 20, 20), bool)
    >>> neighbours_agree(halves, halves, share, usable) > 20
    True
    """
    parts = []
    for likelihood in (one, other):
        found = normalised(likelihood + log_share, usable)
        parts.append((found - found[usable].mean(axis=0)) * usable[..., None])
    total = squares = 0.0
    for step in _PAIRS:
        for here, there in (shift(step, usable.shape), shift(step, usable.shape)[::-1]):
            products = (parts[0][here] * parts[1][there]).sum(axis=-1, dtype=np.float64)
            total, squares = total + products.sum(), squares + np.square(products).sum()
    return float(total / np.sqrt(max(squares, np.finfo(float).tiny)))


def structure_of_map(inputs: np.ndarray, usable: np.ndarray, *, seed: int = 0) -> float:
    """Return how significantly neighbours are like each other, in standard errors.

    Of the scores of the pixels in each of ten principal components, the sum of the products of all
    pairs of neighbours over its standard error; the largest of the ten. The components are those of
    all pixels wherever they are, so every one of them gives 0 on average for noise alone.

    Parameters
    ----------
    inputs : array (n, channel)
        Of the usable pixels.
    usable : array (piece, y, x), bool
    seed : int
        Of the randomised decomposition.
    """
    scores = np.zeros((*usable.shape, min(COMPONENTS, *inputs.shape)))
    scores[usable] = _scores(inputs, scores.shape[-1], seed)
    total, squares = np.zeros(scores.shape[-1]), np.zeros(scores.shape[-1])
    for step in _PAIRS:
        here, there = shift(step, usable.shape)
        products = scores[here] * scores[there]
        total += products.sum(axis=(0, 1, 2))
        squares += np.square(products).sum(axis=(0, 1, 2))
    found = total / np.sqrt(np.maximum(squares, np.finfo(float).tiny))
    return float(found.max())


def _scores(inputs: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the scores (n, count) of spectra in their first principal components."""
    centred = inputs - inputs.mean(axis=0, dtype=np.float64).astype(np.float32)
    left, sizes, _ = randomized_svd(centred, count, n_iter=4, random_state=seed)
    return left * sizes


def structure_of_blocks(values: np.ndarray, *, seed: int = 0, scaled: bool = False) -> float | None:
    """Return how significantly two sets of channels say the same, in standard errors.

    Blocks of neighbouring channels alternate between the sets, with gaps between them that are
    longer than the correlation of the noise along the axis; so noise alone gives 0 on average. The
    largest, in size, of the correlations of ten components of one set with ten of the other.

    Parameters
    ----------
    values : array (n, channel)
        As measured; a normalisation would correlate all channels.
    seed : int
        Of the randomised decompositions.
    scaled : bool
        Whether the brightness of a spectrum is no difference. Each set of channels is then divided
        by its own norm: the norm of all would be common to both.

    Returns
    -------
    float or None
        None where the channels are too few for their correlation.
    """
    gap = _reach(_of_norm_1(values) if scaled else values)
    if values.shape[1] < 6 * gap * _BLOCKS:
        return None
    place = np.arange(values.shape[1]) % (6 * gap) // gap  # 0 and 1, a gap, 3 and 4, a gap
    parts = [values[:, (place // 3 == number) & (place % 3 < 2)] for number in (0, 1)]
    if scaled:
        parts = [_of_norm_1(part) for part in parts]
    one, other = (_scores(part, min(COMPONENTS, *part.shape), seed) for part in parts)
    products = one[:, :, None] * other[:, None]
    error = np.sqrt(np.square(products).sum(axis=0))
    return float(np.abs(products.sum(axis=0) / np.maximum(error, np.finfo(float).tiny)).max())


def _of_norm_1(values: np.ndarray) -> np.ndarray:
    """Return spectra (n, channel) of norm 1; spectra of zeros stay such."""
    norm = np.sqrt(np.square(values, dtype=np.float64).sum(axis=1, keepdims=True))
    return (values / np.where(norm > 0, norm, 1.0)).astype(np.float32)


def _reach(values: np.ndarray) -> int:
    """Return the distance of channels from which on deviations from the mean are independent."""
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    # What is left of channels that are all equal is the rounding of their mean.
    rounding = np.finfo(np.float32).eps * np.abs(values).max(axis=0)
    centred /= np.where(spread > rounding, spread, np.float32(np.inf))
    channels = values.shape[1]
    for distance in range(1, channels):
        if abs((centred[:, distance:] * centred[:, :-distance]).mean()) < _INDEPENDENT:
            return distance
    return channels


def explained(points: np.ndarray, labels: np.ndarray, k: int) -> Gain:
    """Return the share of the variance of points that the means of their clusters explain.

    The mean is that of the other points of the cluster. Labels must not be made from the points
    that they are judged by.

    Parameters
    ----------
    points : array (n, d)
    labels : array (n,)
        From 0.
    k : int

    Returns
    -------
    Gain
        1 where all is explained, 0 or less where nothing is.

    Examples
    --------
    >>> import numpy as np
    >>> points = np.array([[0.0], [0.1], [9.0], [9.1]])
    >>> explained(points, np.array([0, 0, 1, 1]), 2).mean > 0.99
    True
    """
    points = points - points.mean(axis=0, dtype=np.float64)
    counts = np.bincount(labels, minlength=k)[labels]
    sums = np.stack([np.bincount(labels, column, minlength=k) for column in points.T], axis=1)
    # A cluster of one point predicts nothing: its mean is that of all.
    means = (sums[labels] - points) / np.maximum(counts - 1, 1)[:, None]
    alone = np.square(points).sum(axis=1)
    each = (alone - np.square(points - means).sum(axis=1)) / max(alone.mean(), 1e-300)
    return Gain(float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each))), each)
