"""Square pieces of a cube, in which every pixel has its neighbours, in two parts.

They do not depend on the chunks of the cube.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera.cube import Block, load_block, mask_of, to_spectra
from spectessera.evidence import Parts, finite_variance, split_noise, thin_counts
from spectessera.evidence.correlation import INDEPENDENT, Correlation, measured_correlation
from spectessera.evidence.splits import SHARE
from spectessera.preprocess.intake import Intake
from spectessera.preprocess.steps import QUALITY, UNUSABLE, screen

# Side of a piece, number of pieces (at least two), and the bytes of their spectra that limit it; a
# cube of at most so many pixels, or less than all pieces, is one piece.
_SIDE, _PIECES, _BYTES = 24, 8, 2**26
_WHOLE = 2 * _PIECES * _SIDE**2
# So many times as many pieces are read to find those of usable pixels.
_TRIES = 16
# Share of neighbouring pixels with the same spectrum from which on a map is one of bins.
_BINNED = 0.1


class Patches(NamedTuple):
    """Square pieces of a cube.

    Attributes
    ----------
    values : array (piece, y, x, good channel), float32
        0 where a pixel is not usable.
    variance : array (piece, y, x, good channel), float32, or None
        Finite, but of a part that was only screened.
    usable : array (piece, y, x), bool
    as_measured : bool
        Whether no missing value of a usable pixel was interpolated.
    correlation : Correlation
        Of the noise, where there is a variance.
    """

    values: np.ndarray
    variance: np.ndarray | None
    usable: np.ndarray
    as_measured: bool = True
    correlation: Correlation = INDEPENDENT

    def halves(self, seed: int) -> tuple[Patches, np.ndarray]:
        """Return the part that labels are made from, and the other one, of independent noise.

        Parameters
        ----------
        seed : int
        """
        made, judged = self.split(np.random.default_rng([seed, 9]), SHARE)
        return made, judged.values

    def split(self, generator: np.random.Generator, share: float) -> tuple[Patches, Patches]:
        """Return two parts of independent noise; those of counts add up to the whole.

        Parameters
        ----------
        generator : numpy Generator
        share : float
            Of the information that is in the first.
        """
        own, noise = self.values[self.usable], self.variance
        if noise is None:
            parts = thin_counts(np.rint(np.maximum(own, 0)), generator, share=share)
        else:
            sigma = np.sqrt(noise[self.usable])
            drawn = sigma * self.correlation.draw(generator, sigma.shape, self.places)
            parts = split_noise(own, drawn, share=share)
        found = []
        for values, part in ((parts.made, parts.share), (parts.judged, 1 - parts.share)):
            image = np.zeros_like(self.values)
            image[self.usable] = values
            variance = None if noise is None else noise / np.float32(part)
            found.append(self._replace(values=image, variance=variance))
        return found[0], found[1]

    def inside(self, block: Block) -> Patches:
        """Return a part of the only piece, without the axis of pieces: its values in one piece."""
        y, x = block
        values, variance = (
            None if each is None else np.ascontiguousarray(each[y, x])
            for each in (self.values, self.variance)
        )
        assert values is not None
        return Patches(values, variance, self.usable[y, x], self.as_measured)

    @property
    def binned(self) -> bool:
        """Whether a tenth of neighbouring pixels have the same spectrum, of which one is known."""
        if self.variance is None:
            return False
        both = self.usable[:, :, 1:] & self.usable[:, :, :-1]
        same = (self.values[:, :, 1:] == self.values[:, :, :-1]).all(axis=-1)
        return bool(both.any()) and bool(same[both].mean() >= _BINNED)

    @property
    def places(self) -> np.ndarray:
        """Row and column (n, 2) of the usable pixels, those of two pieces far from each other."""
        piece, row, column = np.nonzero(self.usable)
        return np.stack([row + 2 * piece * self.usable.shape[1], column], axis=1)


def patches_of(cube: xr.DataArray, intake: Intake, seed: int) -> Patches:
    """Return some patches of a cube, which do not depend on its chunks.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    intake : Intake
    seed : int
    """
    height, width = cube.sizes["y"], cube.sizes["x"]
    count = int(np.clip(_BYTES // (4 * cube.sizes["channel"] * _SIDE**2), 2, _PIECES))
    whole = min(_WHOLE, _BYTES // (4 * cube.sizes["channel"]))
    if height * width <= max(whole, count * _SIDE**2):
        places, count = [Block(slice(0, height), slice(0, width))], 1
    else:
        places = _places(mask_of(cube), seed)
    pieces = _pieces(cube, intake, places, count)
    variances = [each.variance for each in pieces if each.variance is not None]
    found = Patches(
        np.stack([each.values for each in pieces]),
        np.stack(variances) if variances else None,
        np.stack([each.usable for each in pieces]),
    )
    if found.variance is None:
        return found
    known = np.zeros_like(found.variance)
    known[found.usable] = finite_variance(found.variance[found.usable])
    correlation = measured_correlation(found.values, known, found.usable)
    return found._replace(variance=known, correlation=correlation)


def _places(mask: np.ndarray, seed: int) -> list[Block]:
    """Return the places of patches, a grid in random order; those with the fewest masked first."""
    height, width = (max(1, size // _SIDE) for size in mask.shape)
    sides = min(_SIDE, mask.shape[0]), min(_SIDE, mask.shape[1])
    order = np.random.default_rng([seed, 8]).permutation(height * width)
    if mask.any():
        corners = zip(*(np.array(np.divmod(order, width)) * _SIDE), strict=True)
        masked = [mask[y : y + sides[0], x : x + sides[1]].mean() for y, x in corners]
        order = order[np.argsort(masked, kind="stable")]
    places = ((int(number) // width * _SIDE, int(number) % width * _SIDE) for number in order)
    return [Block(slice(y, y + sides[0]), slice(x, x + sides[1])) for y, x in places]


def _pieces(cube: xr.DataArray, intake: Intake, places: list[Block], count: int) -> list[Patches]:
    """Return the first pieces of which at least half is usable; of few such, also the fullest."""
    best: list[tuple[float, int, Patches]] = []
    for number, place in enumerate(places[: _TRIES * count]):
        piece = screened(load_block(cube, place), intake)
        best.append((-min(0.5, float(piece.usable.mean())), number, piece))
        best = sorted(best, key=lambda each: each[:2])[:count]
        if len(best) == count and best[-1][0] <= -0.5:
            break
    in_image = [
        (places[number].y.start, places[number].x.start, piece) for _, number, piece in best
    ]
    return [piece for *_, piece in sorted(in_image, key=lambda each: each[:2])]


def screened(part: xr.DataArray, intake: Intake) -> Patches:
    """Return a part of a cube (y, x, channel) in memory, screened, as one piece without its axis.

    Values that their variance marks as bad, and pixels that are not usable, are not compared.
    """
    spectra = to_spectra(part)
    shape = part.sizes["y"], part.sizes["x"]
    values, quality = screen(
        spectra.values, max_missing=intake.preprocess.max_missing, saturation=intake.saturation
    )
    good = quality & UNUSABLE == 0
    pixels, usable = spectra.pixel[good], np.zeros(shape[0] * shape[1], bool)
    usable[pixels] = True
    as_measured = not (quality & QUALITY["repaired"]).any()
    image = _image(values, good, usable, shape)
    found = Patches(image, None, usable.reshape(shape), as_measured)
    if spectra.variance is None:
        return found
    noise = spectra.variance[good]
    return found._replace(variance=_image(noise, np.ones(len(noise), bool), usable, shape))


def _image(
    rows: np.ndarray, good: np.ndarray, usable: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Return the good ones of some rows (n, channel) as an image, 0 where it is not usable."""
    if usable.all():
        return rows.reshape(*shape, -1)  # without a copy
    image = np.zeros((len(usable), rows.shape[1]), np.float32)
    image[usable] = rows[good]
    return image.reshape(*shape, -1)


def finite_alone(variance: np.ndarray) -> np.ndarray:
    """Return variances (..., channel); those that are NaN become the mean of their spectrum.

    (Every pixel by itself, so that it does not depend on the block that it is in.)
    """
    known = ~np.isnan(variance)
    if known.all():
        return variance
    sums = np.where(known, variance, 0).sum(axis=-1, keepdims=True)
    mean = sums / np.maximum(known.sum(axis=-1, keepdims=True), 1)
    return np.where(known, variance, mean).astype(np.float32)


def parts_of(made: np.ndarray, judged: np.ndarray, patches: Patches, intake: Intake) -> Parts:
    """Return the parts (n, channel) of the usable spectra of patches, as labels are judged by.

    Counts as they are; otherwise network inputs with the level of their noise. (Counts too, where
    their number is a difference.)
    """
    counted, usable = patches.variance is None, patches.usable
    parts = Parts(made, judged, SHARE, alike=patches.correlation.alike(patches.places))
    if counted and intake.preprocess.normalise is not None:
        return parts
    return as_inputs(parts, intake.apply(patches.values[usable]).values, intake, counted=counted)


def as_inputs(parts: Parts, inputs: np.ndarray, intake: Intake, *, counted: bool) -> Parts:
    """Return parts of measured values as network inputs, with the level of their noise.

    Parameters
    ----------
    parts : Parts
    inputs : array (n, input channel)
        Of the whole spectra.
    intake : Intake
    counted : bool
        Whether the parts are counts, which add up to the whole spectra.
    """
    share = parts.share
    scales = (1 / share, 1 / (1 - share)) if counted else (1.0, 1.0)
    made, judged = (
        intake.apply(np.float32(scale) * each).values
        for scale, each in zip(scales, (parts.made, parts.judged), strict=True)
    )
    level = np.square(made - inputs, dtype=np.float64).mean(axis=1) * share / (1 - share)
    return Parts(made, judged, share, level, parts.alike)
