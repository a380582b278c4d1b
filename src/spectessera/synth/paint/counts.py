"""Counts drawn from mixtures of templates, many spectra at once.

A spectrum whose expectation is a mixture of templates is drawn photon by photon: each photon gets
one of the templates, then a channel of that template. This is exact, and the time depends on the
number of photons, not of channels.
"""

from __future__ import annotations

import numpy as np

# Number of spectra drawn together, so that their counts fit into the cache.
_ROWS = 256
_PER_CHANNEL = 4  # photons per channel from which channels are drawn instead of photons
_MOST = np.iinfo(np.uint16).max


class Templates:
    """Spectra as probabilities for Walker's alias method.

    Walker 1977 (ACM Trans. Math. Softw. 3, 253), with the tables of Vose 1991 (IEEE Trans. Softw.
    Eng. 17, 972): drawing a channel takes one random number.

    Parameters
    ----------
    spectra : array (template, channel)
        Non-negative, every row with a positive sum; rows are normalised to 1.
    """

    def __init__(self, spectra: np.ndarray) -> None:
        spectra = np.asarray(spectra, dtype=np.float64)
        self.spectra = spectra / spectra.sum(axis=1, keepdims=True)
        tables = [_alias(row) for row in self.spectra]
        self.keep = np.stack([keep for keep, _ in tables]).ravel()
        self.other = np.stack([other for _, other in tables]).astype(np.int32).ravel()

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.spectra.shape[1]

    def draw(
        self, weight: np.ndarray, total: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Draw spectra with exactly ``total`` counts each.

        Parameters
        ----------
        weight : array (n, template), float64
            Shares of the templates; every row sums to 1.
        total : array (n,), int
            0 or more.
        generator : numpy.random.Generator

        Returns
        -------
        array (n, channel), uint16, or uint32 if a total needs it
        """
        total = np.asarray(total, dtype=np.int64)
        dtype = np.uint16 if total.max(initial=0) <= _MOST else np.uint32
        counts = np.empty((len(total), self.channels), dtype=dtype)
        # For many counts it is faster to draw the channels than the photons.
        many = total.max(initial=0) > _PER_CHANNEL * self.channels
        for start in range(0, len(total), _ROWS):
            rows = slice(start, start + _ROWS)
            if many:
                mean = weight[rows] @ self.spectra
                mean /= mean.sum(axis=1, keepdims=True)
                counts[rows] = generator.multinomial(total[rows], mean)
            else:
                counts[rows] = self._draw_photons(weight[rows], total[rows], generator)
        return counts

    def _draw_photons(
        self, weight: np.ndarray, total: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        photons = generator.multinomial(total, weight)  # (n, template)
        size = self.channels
        template = np.repeat(np.tile(np.arange(weight.shape[1]), len(weight)), photons.ravel())
        place = generator.random(len(template))
        place *= size
        channel = place.astype(np.int32)
        np.minimum(channel, size - 1, out=channel)  # the largest number below 1 may round up
        place -= channel
        index = template * size + channel
        channel = np.where(place < self.keep.take(index), channel, self.other.take(index))
        flat = channel + np.repeat(np.arange(len(weight)) * size, total)
        return np.bincount(flat, minlength=len(weight) * size).reshape(-1, size)


def _alias(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of its column that each channel keeps, and the channel of the rest."""
    size = len(probability)
    scaled = (probability * size).tolist()
    keep, other = [1.0] * size, list(range(size))
    small = [channel for channel, value in enumerate(scaled) if value < 1]
    large = [channel for channel, value in enumerate(scaled) if value >= 1]
    while small and large:
        less, more = small.pop(), large.pop()
        keep[less], other[less] = scaled[less], more
        scaled[more] = (scaled[more] + scaled[less]) - 1
        (small if scaled[more] < 1 else large).append(more)
    # The rest is 1 except for rounding; a channel of probability 0 must not keep its column.
    for channel in small:
        if probability[channel] == 0:
            keep[channel], other[channel] = 0.0, int(np.argmax(probability))
    return np.array(keep), np.array(other)
