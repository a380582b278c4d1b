"""Emission-line spectra of HII regions, planetary nebulae, shocks, diffuse gas, with their truth.

What the models are: :mod:`~spectessera.synth.nebulae.zones`. How lines become spectra:
:mod:`~spectessera.synth.nebulae.lines`. Reddening, velocities and the width of lines are drawn per
spectrum and alike for all classes, so that they tell nothing about the class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.check import check_choice, check_number
from spectessera.axis import Axis
from spectessera.synth.stream import BLOCK, Stream

from .lines import channel_edges, extinction, line_wavelengths, nebular_axis, paint
from .table import ModelTable
from .zones import Models, dig, hii, pn, shock

CLASSES = ("hii", "pn", "shock", "dig")
HALPHA = 6562.82  # angstrom
AROUND = 3.0  # angstrom to either side of H alpha where its peak is looked for
MOST_REDDENING = 0.4  # E(B-V)
MOST_VELOCITY = 30.0  # km/s
WIDTHS = (10.0, 80.0)  # km/s, standard deviation


class NebularBlock(NamedTuple):
    """Spectra with their truth.

    Attributes
    ----------
    spectra : array (m, channel), float32
        With noise. Flux per channel, in units of the flux of H beta before reddening.
    expectation : array (m, channel), float32
        Without noise; 0 for spectra of noise alone.
    label : array (m,), int64
        Class of the larger share, counted from 1 as the classes were given; 0 = noise alone.
    sigma : array (m,), float32
        Standard deviation of the noise, the same in all channels.
    weight : array (m, class), float32
        Share of each class in the H beta flux before reddening; all 0 for noise alone.
    """

    spectra: np.ndarray
    expectation: np.ndarray
    label: np.ndarray
    sigma: np.ndarray
    weight: np.ndarray


class _Recipe(NamedTuple):
    """All that a block depends on but its number; ``own`` are fluxes (n, line) of a user."""

    classes: tuple[str, ...]
    snr: tuple[float, float]
    seed: int
    axis: Axis
    peak: slice
    cross: float
    background: float
    low_excitation: float
    own: Mapping[str, np.ndarray]


def draw_models(
    kind: str, n: int, *, generator: np.random.Generator, low_excitation: float = 0.0
) -> Models:
    """Draw models of one class.

    Parameters
    ----------
    kind : str
        "hii" (HII region), "pn" (planetary nebula), "shock" (radiative shock, as in supernova
        remnants) or "dig" (diffuse ionised gas).
    n : int
    generator : numpy Generator
    low_excitation : float
        Share of HII regions with an ionisation parameter below the usual ones.

    Returns
    -------
    Models

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range, or ``low_excitation`` is asked of another class.
    """
    check_choice("class of nebula", kind, CLASSES)
    check_number("the number of models", n, low=0, integer=True)
    check_number("low_excitation", low_excitation, low=0.0, high=1.0)
    if kind == "hii":
        return hii(n, generator, low_excitation)
    if low_excitation:
        raise ValueError(f'low_excitation is a share of class "hii"; "{kind}" has no such tail')
    return {"pn": pn, "shock": shock, "dig": dig}[kind](n, generator)


def nebular_spectra(
    n: int,
    snr: float | tuple[float, float] = (10.0, 100.0),
    *,
    classes: Sequence[str] = ("hii", "pn", "shock"),
    seed: int = 0,
    axis: Axis | None = None,
    cross: float = 0.0,
    background: float = 0.0,
    low_excitation: float = 0.0,
    table: ModelTable | None = None,
) -> Stream[NebularBlock]:
    """Make spectra of nebulae, block by block.

    Each spectrum is a m1 + (1 - a) m2 of two models of one class, a uniform in 0-1; reddened by
    E(B-V) uniform in 0-0.4 (Cardelli et al. 1989, R_V = 3.1), moved by a velocity uniform in
    -30...30 km/s, widened by 10-80 km/s (uniform) and the line spread of MUSE. Gaussian noise is
    added. All classes are equally likely. A spectrum depends on the seed and its own number only,
    not on ``n``.

    Parameters
    ----------
    n : int
        Number of spectra.
    snr : float or (low, high)
        Peak of H alpha over the standard deviation of the noise; log-uniform within a range.
    classes : sequence of str
        Of "hii", "pn", "shock", "dig" and the classes of ``table``.
    seed : int
    axis : Axis, optional
        Air wavelengths; by default :func:`~spectessera.synth.nebulae.lines.nebular_axis`.
    cross : float
        Share of spectra whose two models are of different classes.
    background : float
        Share of spectra that are noise alone, as strong as that of the others.
    low_excitation : float
        See :func:`draw_models`.
    table : ModelTable, optional
        Its models stand in for ours in the classes that it has.

    Returns
    -------
    Stream of NebularBlock

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range, a class is not known, or the axis does not reach
        H alpha.
    """
    recipe = _recipe(snr, classes, seed, axis, cross, background, low_excitation, table)
    told = f"synthetic nebulae: S/N {snr}, seed {seed}"
    names = ("class", recipe.classes)
    return Stream(partial(_make_block, recipe), n, recipe.axis, names=names, source=told)


def _recipe(
    snr: float | tuple[float, float],
    classes: Sequence[str],
    seed: int,
    axis: Axis | None,
    cross: float,
    background: float,
    low_excitation: float,
    table: ModelTable | None,
) -> _Recipe:
    """Check the arguments of :func:`nebular_spectra` and return the recipe of its blocks."""
    names = (classes,) if isinstance(classes, str) else tuple(classes)
    kinds = [] if table is None else np.unique(table.kind).tolist()
    own = {} if table is None else {kind: table.flux[table.kind == kind] for kind in kinds}
    if not names or len(set(names)) < len(names):
        raise ValueError(f"classes must be different and at least one; got {names}")
    for name in names:
        check_choice("class of nebula", name, tuple(dict.fromkeys((*CLASSES, *own))))
    for word, share in (("cross", cross), ("background", background)):
        check_number(word, share, low=0.0, high=1.0)
    check_number("low_excitation", low_excitation, low=0.0, high=1.0)
    check_number("seed", seed, low=0, integer=True)
    if cross and len(names) < 2:
        raise ValueError(f"cross={cross} mixes two classes; got only {names[0]!r}")
    if low_excitation and ("hii" not in names or "hii" in own):
        raise ValueError('low_excitation is a share of our own class "hii", which is not used here')
    axis = nebular_axis() if axis is None else axis
    return _Recipe(
        names, _range(snr), seed, axis, _peak(axis), cross, background, low_excitation, own
    )


class NebularPainter:
    """Makes the spectra of pixels whose class is known; the side of :func:`nebular_cube`.

    Parameters
    ----------
    snr, classes, seed, axis, low_excitation, table
        As :func:`nebular_spectra` takes them.
    """

    def __init__(
        self,
        snr: float | tuple[float, float],
        classes: Sequence[str],
        seed: int,
        axis: Axis | None,
        low_excitation: float,
        table: ModelTable | None,
    ) -> None:
        self._recipe = _recipe(snr, classes, seed, axis, 0.0, 0.0, low_excitation, table)
        self.axis = self._recipe.axis

    def paint(self, kind: np.ndarray, number: int) -> NebularBlock:
        """Make the spectra of one tile.

        Parameters
        ----------
        kind : array (m,), int
            Class of every pixel, from 0 as the classes were given; -1 = noise alone.
        number : int
            Of the tile.
        """
        return _make_block(self._recipe, number, len(kind), kind)


def _range(snr: Any) -> tuple[float, float]:
    """Return the lowest and the highest signal-to-noise ratio."""
    low, high = snr if isinstance(snr, (tuple, list)) and len(snr) == 2 else (snr, snr)
    for value in (low, high):
        check_number("snr", value, low=0.0, open_low=True)
    if low > high:
        raise ValueError(f"snr must be a number or (low, high); got {snr}")
    return float(low), float(high)


def _peak(axis: Axis) -> slice:
    """Return the channels among which H alpha has its peak."""
    for part, edges in channel_edges(axis):
        low, high = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
        inside = np.flatnonzero((low < HALPHA + AROUND) & (high > HALPHA - AROUND))
        if edges.min() <= HALPHA - AROUND and edges.max() >= HALPHA + AROUND:
            return slice(part.start + int(inside[0]), part.start + int(inside[-1]) + 1)
    raise ValueError(
        f"the signal-to-noise ratio is that of H alpha at {HALPHA} angstrom, which the axis from "
        f"{axis.values[0]:g} to {axis.values[-1]:g} {axis.unit} does not hold"
    )


def _make_block(
    recipe: _Recipe, number: int, size: int, kind: np.ndarray | None = None
) -> NebularBlock:
    """Make one block, of the classes told or of drawn ones; assumes checked input.

    The models of a whole block are drawn and those that are not asked for dropped: so the first
    spectra of a block do not depend on how many it has.
    """
    # Spectra of a stream and pixels of a cube of the same seed have nothing in common.
    generator = np.random.default_rng([40 if kind is None else 41, number, recipe.seed])
    kinds = len(recipe.classes)
    first = generator.integers(kinds, size=BLOCK)
    second = first.copy()
    crossed = generator.random(BLOCK) < recipe.cross
    if kinds > 1:
        second[crossed] = (first + generator.integers(1, kinds, size=BLOCK))[crossed] % kinds
    part = generator.random(BLOCK)
    silent = generator.random(BLOCK) < recipe.background
    if kind is not None:
        first[:size] = second[:size] = np.maximum(kind, 0)
        silent[:size] = kind < 0
    low, high = np.log(recipe.snr)
    snr = np.exp(generator.uniform(low, high, BLOCK))
    reddening = generator.uniform(0, MOST_REDDENING, BLOCK)
    velocity = generator.uniform(-MOST_VELOCITY, MOST_VELOCITY, BLOCK)
    width = generator.uniform(*WIDTHS, BLOCK)
    flux = part[:, None] * _draw_flux(recipe, first, generator)  # (BLOCK, line)
    flux += (1 - part)[:, None] * _draw_flux(recipe, second, generator)
    flux *= 10 ** (-0.4 * reddening[:, None] * extinction(line_wavelengths()))

    weight = np.zeros((BLOCK, kinds), dtype=np.float32)
    np.add.at(weight, (np.arange(BLOCK), first), part)
    np.add.at(weight, (np.arange(BLOCK), second), 1 - part)
    weight[silent] = 0
    label = np.where(silent, 0, np.where(part >= 0.5, first, second) + 1)

    spectra = paint(flux[:size], recipe.axis, velocity=velocity[:size], width=width[:size])
    sigma = (spectra[:, recipe.peak].max(axis=1) / snr[:size]).astype(np.float32)
    spectra[silent[:size]] = 0
    noisy = generator.standard_normal(spectra.shape, dtype=np.float32)
    noisy *= sigma[:, None]
    noisy += spectra
    return NebularBlock(noisy, spectra, label[:size], sigma, weight[:size])


def _draw_flux(recipe: _Recipe, kind: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw a model of the class told for each row, (n,) -> (n, line)."""
    flux = np.empty((len(kind), len(line_wavelengths())), dtype=np.float32)
    for index, name in enumerate(recipe.classes):
        rows = np.flatnonzero(kind == index)
        if name in recipe.own:
            models = recipe.own[name]
            flux[rows] = models[generator.integers(len(models), size=len(rows))]
        else:
            low = recipe.low_excitation if name == "hii" else 0.0
            drawn = draw_models(name, len(rows), generator=generator, low_excitation=low)
            flux[rows] = drawn.flux
    return flux
