"""Composition of every pixel of a painted cube, and its counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spectessera._util.check import check_number
from spectessera.axis import Axis

from .counts import Templates
from .palettes import Palette
from .rgb import pigment_weights
from .tiles import TILE, tile_pixels

LEAST, MOST = 0.1, 4.0  # range of the relative thickness in the table of spectra


@dataclass(frozen=True)
class Realism:
    """Effects of a real scan and of real paint, in addition to the algorithm of ganX.

    Parameters
    ----------
    poisson : bool
        Poisson counts, with expectations according to the count rates of the pigments; otherwise
        every pixel has exactly the given counts (except dead and hot pixels).
    thickness : (float, float)
        Bounds of the relative thickness of the layer, which varies smoothly; within 0.1 to 4.
        (1, 1): nominal thickness.
    scale : float
        Length scale in pixels of the variation of thickness and mixtures.
    mixture : float
        Largest share of a second pigment (the most similar one), varying smoothly.
    background : float
        Share of a smooth background in the counts of every pixel.
    dead, hot : float
        Shares of pixels without counts, and of pixels with ``hot_factor`` times too many.
    hot_factor : float
    """

    poisson: bool = True
    thickness: tuple[float, float] = (0.3, 2.0)
    scale: float = 12.0
    mixture: float = 0.2
    background: float = 0.03
    dead: float = 0.0
    hot: float = 0.0
    hot_factor: float = 10.0

    def __post_init__(self) -> None:
        bounds: Any = self.thickness  # users may give anything
        if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
            raise TypeError(f"thickness is a pair (least, most); got {bounds!r}")
        for bound in bounds:
            check_number("a bound of the thickness", bound, low=LEAST, high=MOST)
        if bounds[0] > bounds[1]:
            raise ValueError(f"thickness is a pair (least, most); got {bounds}")
        object.__setattr__(self, "thickness", (float(bounds[0]), float(bounds[1])))
        check_number("scale", self.scale, low=0.0, high=1e4, open_low=True)
        check_number("mixture", self.mixture, low=0.0, high=0.5)
        check_number("background", self.background, low=0.0, high=0.9)
        check_number("dead", self.dead, low=0.0, high=1.0)
        check_number("hot", self.hot, low=0.0, high=1.0 - self.dead)
        check_number("hot_factor", self.hot_factor, low=1.0, high=1000.0)


class Scene:
    """The composition of every pixel, as maps without spectra; counts are drawn by tiles."""

    def __init__(
        self,
        palette: Palette,
        index: np.ndarray,
        weight: np.ndarray,
        counts: float,
        realism: Realism | None,
        seed: int,
    ) -> None:
        if realism is not None and realism.thickness != (1.0, 1.0) and len(palette.factors) == 1:
            raise ValueError(
                f"the palette {palette.name!r} has spectra of one thickness only; use "
                "thickness=(1, 1)"
            )
        self.palette, self.index, self.weight = palette, index, weight
        self.counts, self.realism, self.seed = counts, realism, seed
        self.shape = index.shape
        spectra = palette.spectra if realism else palette.template[:, None]
        pigments, steps, channels = spectra.shape
        flat = spectra.reshape(pigments * steps, channels)
        # Count rates relative to the mean rate of the palette at nominal thickness.
        mean = palette.nominal.sum(axis=1).mean()
        self.rate = flat.sum(axis=1) / mean if realism else np.ones(len(flat))
        self.templates = Templates(np.concatenate([flat, _background(palette.axis)[None]]))
        size = index.size
        self.thickness = np.ones(size, np.float32)
        self.second = np.zeros(size, np.float32)
        self.gain = np.ones(size, np.float32)
        if realism is not None:
            self._vary(realism)
        expected = self.expected_totals()
        most = float(expected.max())
        fits = most + 10 * np.sqrt(most) < np.iinfo(np.uint16).max
        if most + 10 * np.sqrt(most) >= np.iinfo(np.uint32).max:
            raise ValueError(
                f"{most:.3g} counts in a pixel exceed 32-bit integers; use fewer counts"
            )
        self.dtype = np.uint16 if fits else np.uint32

    def _vary(self, realism: Realism) -> None:
        """Draw the smooth maps, and the dead and hot pixels."""
        least, most = np.log(realism.thickness)
        field = _smooth_field(self.shape, realism.scale, [1, self.seed])
        self.thickness = np.exp(least + (most - least) * field).astype(np.float32).ravel()
        field = _smooth_field(self.shape, realism.scale, [2, self.seed])
        self.second = (realism.mixture * field).astype(np.float32).ravel()
        generator = np.random.default_rng([3, self.seed])
        order = generator.permutation(self.index.size)
        dead = round(realism.dead * len(order))
        hot = round(realism.hot * len(order))
        self.gain[order[:dead]] = 0.0
        self.gain[order[dead : dead + hot]] = realism.hot_factor

    def pigment_shares(self, pixel: np.ndarray) -> np.ndarray:
        """Return the shares of the pigments (n, pigment) at flattened positions."""
        index = self.index.ravel()[pixel]
        shares = self.weight[index]
        if self.realism is not None and self.realism.mixture > 0 and shares.shape[1] > 1:
            extra = self.second[pixel][:, None]
            shares = (1 - extra) * shares + extra * self._next_pigments()[index]
        return shares

    def _next_pigments(self) -> np.ndarray:
        """Return for every colour the pigment most similar to its main one, one-hot (colour, p)."""
        first = self.weight.argmax(axis=1)
        order = pigment_weights(self.palette.rgb[first], self.palette.rgb, 0.0)
        order[np.arange(len(first)), first] = -1
        second = np.zeros_like(self.weight)
        second[np.arange(len(first)), order.argmax(axis=1)] = 1.0
        return second

    def rates(self, pixel: np.ndarray) -> np.ndarray:
        """Return the expected counts (n, template) from every template."""
        shares = self.pigment_shares(pixel)
        if self.realism is None:
            return np.concatenate([shares, np.zeros((len(shares), 1))], axis=1) * self.counts
        steps = self.palette.between(self.thickness[pixel])
        rates = (shares[:, :, None] * steps[:, None, :]).reshape(len(pixel), -1) * self.rate
        background = self.realism.background / (1 - self.realism.background)
        rates = np.concatenate([rates, background * rates.sum(axis=1, keepdims=True)], axis=1)
        if not self.realism.poisson:
            rates /= rates.sum(axis=1, keepdims=True)
        return rates * (self.counts * self.gain[pixel])[:, None]

    def expected_totals(self) -> np.ndarray:
        """Return the expected total counts (y * x,) of every pixel."""
        parts = [
            self.rates(pixel).sum(axis=1)
            for pixel in np.array_split(np.arange(self.index.size), 1 + self.index.size // TILE)
        ]
        return np.concatenate(parts)

    def tile(self, number: int) -> np.ndarray:
        """Draw the counts (n, channel) of one tile of pixels."""
        pixel = tile_pixels(number, self.index.size)
        rates = self.rates(pixel)
        expected = rates.sum(axis=1)
        generator = np.random.default_rng([4, number, self.seed])
        if self.realism is not None and self.realism.poisson:
            total = generator.poisson(expected)
        else:
            total = np.rint(expected).astype(np.int64)
        alive = expected > 0
        weight = np.zeros_like(rates)
        weight[:, 0] = 1.0
        weight[alive] = rates[alive] / expected[alive, None]
        return self.templates.draw(weight, total, generator).astype(self.dtype)

    def expected_tile(self, number: int) -> np.ndarray:
        """Return the expected counts (n, channel) of one tile of pixels."""
        rates = self.rates(tile_pixels(number, self.index.size))
        return (rates @ self.templates.spectra).astype(np.float32)


def _background(axis: Axis) -> np.ndarray:
    """Return a smooth background (channel,), similar to scattered bremsstrahlung; our choice."""
    share = np.linspace(0, 1, len(axis))
    return share**0.5 * np.exp(-4 * share) + 1e-3


def _smooth_field(shape: tuple[int, int], scale: float, seed: list[int]) -> np.ndarray:
    """Return a random field (y, x) with length ``scale`` in pixels, uniform in [0, 1]."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).standard_normal(shape)
    smooth = gaussian_filter(noise, scale, mode="reflect").ravel()
    rank = np.empty(smooth.size)
    rank[np.argsort(smooth, kind="stable")] = np.arange(smooth.size)
    return (rank / max(1, smooth.size - 1)).reshape(shape)
