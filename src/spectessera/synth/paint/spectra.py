"""Streams of X-ray fluorescence spectra with their truth, for training."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera._util.check import check_choice, check_number
from spectessera.synth.stream import Stream

from .counts import Templates
from .palettes import Palette, load_palette

MODES = ("pure", "load", "mix")
THICKNESS = (0.25, 3.0)  # range of the relative thickness of a layer
MOST_MIXED = 0.4  # largest share of a second pigment


class XrfBlock(NamedTuple):
    """Spectra with their truth.

    Attributes
    ----------
    spectra : array (m, channel), uint16 or uint32
        Counts.
    expectation : array (m, channel), float32
        Expected counts.
    label : array (m,), int64
        Pigment with the largest share, from 1 in the order of the palette.
    weight : array (m, pigment), float32
        Shares of the pigments in the counts (not in the area); every row sums to 1.
    thickness : array (m,), float32
        Relative to the nominal thickness of the layer.
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
    """Return a stream of XRF spectra of the pigments of a palette, with equal frequency.

    Parameters
    ----------
    n : int
    palette : Palette or str
        See :func:`load_palette`.
    mode : "pure", "load" or "mix"
        "pure": layers of nominal thickness; "load": thickness log-uniform from 0.25 to 3 times the
        nominal one; "mix": such layers, with up to 40 % of the counts from a second pigment.
    counts : int, or pair of int
        Exact counts of every spectrum; for a pair, log-uniform in this range.
    seed : int
        Equal seeds give equal blocks, in any order of the blocks.

    Returns
    -------
    Stream of XrfBlock
        Blocks of 4096 spectra, made on request: any number of spectra needs the memory of one
        block.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid, or the mode is not "pure" for a palette with spectra of one
        thickness only.

    Examples
    --------
    >>> import spectessera as spt
    >>> block = spt.synth.xrf_spectra(100, "choirbook", counts=400, seed=0).collect()
    >>> block.spectra.shape, int(block.spectra[0].sum())
    ((100, 1024), 400)
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
    text = f"synthetic XRF: palette {paint.name}, mode {mode}, counts {counts}, seed {seed}"
    return Stream(source.block, n, paint.axis, names=("pigment", paint.pigments), source=text)


class _Source:
    """The blocks of one stream."""

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
            values = np.exp(generator.uniform(np.log(least), np.log(most), size=m))
            total = np.rint(values).astype(np.int64)
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

        Counts are interpolated linearly between two tabulated thicknesses.
        """
        steps = self.palette.between(thickness)[:, None, :] * self.rate  # (m, pigment, step)
        steps /= steps.sum(axis=2, keepdims=True)
        parts = (weight[:, :, None] * steps).reshape(len(weight), -1)
        return parts / parts.sum(axis=1, keepdims=True)
