"""Training sets of X-ray fluorescence spectra, block by block, with their truth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera._util.check import check_choice, check_number
from spectessera.synth.stream import Stream

from .counts import Templates
from .palettes import Palette, load_palette

MODES = ("pure", "load", "mix")
THICKNESS = (0.25, 3.0)  # of a layer over the nominal one
MOST_MIXED = 0.4  # largest share of a second pigment


class XrfBlock(NamedTuple):
    """Spectra with their truth.

    Attributes
    ----------
    spectra : array (m, channel), uint16 or uint32
        Counts.
    expectation : array (m, channel), float32
        The expected counts behind them.
    label : array (m,), int64
        Pigment with the largest share, from 1 in the order of the palette.
    weight : array (m, pigment), float32
        Shares of the pigments in the counts (not of the area); every row sums to 1.
    thickness : array (m,), float32
        Of the layer, over the nominal one.
    """

    spectra: np.ndarray
    expectation: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    thickness: np.ndarray


def xrf_spectra(
    n: int,
    palette: Palette | str = "choirbook",
    mode: str = "pure",
    counts: float | tuple[float, float] = 400,
    *,
    seed: int = 0,
) -> Stream[XrfBlock]:
    """Return a stream of XRF spectra of the pigments of a palette, all equally frequent.

    Parameters
    ----------
    n : int
    palette : Palette or str
        See :func:`load_palette`.
    mode : "pure", "load" or "mix"
        Layers of nominal thickness; of a thickness drawn log-uniformly from 0.25 to 3 times the
        nominal one; of such a thickness, and with a second pigment that has up to 40 % of the
        counts.
    counts : int, or pair of int
        Counts of every spectrum, exactly; of a pair, drawn log-uniformly from that range.
    seed : int
        The same seed gives the same block, in whatever order blocks are made.

    Returns
    -------
    Stream of XrfBlock
        Blocks of 4096 spectra, made when they are asked for: ten million spectra need no more
        memory than one block.

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be, or a palette of plain spectra (without layers of
        several thicknesses) is asked for another mode than "pure".
    """
    check_number("seed", seed, low=0, high=2**63 - 1, integer=True)
    check_choice("mode", mode, MODES)
    paint = load_palette(palette) if isinstance(palette, str) else palette
    if not isinstance(paint, Palette):
        raise TypeError(f"palette must be a Palette or the name of one; got {paint!r}")
    bounds = counts if isinstance(counts, (tuple, list)) else (counts, counts)
    if len(bounds) != 2:
        raise ValueError(f"counts is a number or a pair (least, most); got {counts!r}")
    for bound in bounds:
        check_number("counts", bound, low=1, high=1e9, integer=True)
    if bounds[0] > bounds[1]:
        raise ValueError(f"counts is a number or a pair (least, most); got {counts!r}")
    if mode != "pure" and len(paint.factors) == 1:
        raise ValueError(
            f"the palette {paint.name!r} has spectra of one thickness only; use mode='pure'"
        )
    source = _Source(paint, mode, (int(bounds[0]), int(bounds[1])), seed)
    told = f"synthetic XRF: palette {paint.name}, mode {mode}, counts {counts}, seed {seed}"
    return Stream(source.block, n, paint.axis, names=("pigment", paint.pigments), source=told)


class _Source:
    """Makes the blocks of one stream."""

    def __init__(self, palette: Palette, mode: str, counts: tuple[int, int], seed: int) -> None:
        self.palette, self.mode, self.counts, self.seed = palette, mode, counts, seed
        pigments, steps, channels = palette.spectra.shape
        flat = palette.spectra.reshape(pigments * steps, channels)
        self.rate = palette.spectra.sum(axis=2)  # (pigment, step)
        self.templates = Templates(flat)

    def block(self, number: int, m: int) -> XrfBlock:
        """Make one block of m spectra."""
        generator = np.random.default_rng([30, number, self.seed])
        pigments = len(self.palette.pigments)
        first = generator.integers(pigments, size=m)
        weight = np.zeros((m, pigments))
        rows = np.arange(m)
        weight[rows, first] = 1.0
        thickness = np.ones(m)
        if self.mode != "pure":
            thickness = np.exp(generator.uniform(np.log(THICKNESS[0]), np.log(THICKNESS[1]), m))
        if self.mode == "mix" and pigments > 1:
            second = (first + generator.integers(1, pigments, size=m)) % pigments
            share = generator.uniform(0, MOST_MIXED, size=m)
            weight[rows, first] -= share
            weight[rows, second] += share
        least, most = self.counts
        total = np.full(m, least)
        if most > least:
            drawn = np.exp(generator.uniform(np.log(least), np.log(most), size=m))
            total = np.rint(drawn).astype(np.int64)
        parts = self._parts(weight, thickness)
        spectra = self.templates.draw(parts, total, generator)
        expectation = (parts @ self.templates.spectra) * total[:, None]
        return XrfBlock(
            spectra,
            expectation.astype(np.float32),
            first + 1,
            weight.astype(np.float32),
            thickness.astype(np.float32),
        )

    def _parts(self, weight: np.ndarray, thickness: np.ndarray) -> np.ndarray:
        """Return the shares (m, pigment * step) of all templates in the counts.

        Between two thicknesses of the table spectra are interpolated linearly, as counts.
        """
        counted = (
            self.palette.between(thickness)[:, None, :] * self.rate[None]
        )  # (m, pigment, step)
        counted /= counted.sum(axis=2, keepdims=True)
        parts = (weight[:, :, None] * counted).reshape(len(weight), -1)
        return parts / parts.sum(axis=1, keepdims=True)
