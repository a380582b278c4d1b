"""Emission-line spectra of HII regions, planetary nebulae, shocks and diffuse gas, with truth.

The models are in :mod:`~spectessera.synth.nebulae.zones`, line profiles and extinction in
:mod:`~spectessera.synth.nebulae.lines`. Reddening, velocities and widths are drawn for every
spectrum from the same distributions for all classes, so they contain no information on the class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.check import check_choice, check_number
from spectessera.axis import Axis
from spectessera.synth.stream import BLOCK, Stream

from .lines import channel_edges, extinction, line_wavelengths, nebular_axis, paint_lines
from .table import ModelTable
from .zones import Models, dig, hii, pn, shock

CLASSES = ("hii", "pn", "shock", "dig")
HALPHA = 6562.82  # angstrom
AROUND = 3.0  # angstrom on either side of H alpha that contain its peak
MOST_REDDENING = 0.4  # E(B-V)
MOST_VELOCITY = 30.0  # km/s
WIDTHS = (10.0, 80.0)  # km/s, standard deviation


class NebularBlock(NamedTuple):
    """Spectra with their truth.

    Attributes
    ----------
    spectra : array (m, channel), float32
        With noise. Flux per channel, in units of the H beta flux before reddening.
    expectation : array (m, channel), float32
        Without noise; 0 for spectra of pure noise.
    label : array (m,), int64
        Class of the larger share, from 1 in the order of the classes; 0 = pure noise.
    sigma : array (m,), float32
        Standard deviation of the noise, the same in all channels.
    weight : array (m, class), float32
        Share of each class in the H beta flux before reddening; all 0 for pure noise.
    """

    spectra: np.ndarray
    expectation: np.ndarray
    label: np.ndarray
    sigma: np.ndarray
    weight: np.ndarray


class _Recipe(NamedTuple):
    """Everything that determines a block, except its number; ``own``: fluxes of a user's table."""

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
        Share of HII regions with an ionisation parameter below the usual range.

    Returns
    -------
    Models

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or ``low_excitation`` is given for another class.
    """
    check_choice("class of nebula", kind, CLASSES)
    check_number("the number of models", n, low=0, integer=True)
    check_number("low_excitation", low_excitation, low=0.0, high=1.0)
    if kind == "hii":
        return hii(n, generator, low_excitation)
    if low_excitation:
        raise ValueError(f'low_excitation applies to class "hii" only; got class "{kind}"')
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

    Each spectrum is a m1 + (1 - a) m2 of two models of one class, with a uniform in 0 to 1. It has
    a reddening E(B-V) uniform in 0 to 0.4 (Cardelli et al. 1989, R_V = 3.1), a velocity uniform in
    -30 to 30 km/s, a velocity dispersion uniform in 10 to 80 km/s, the line spread of MUSE and
    Gaussian noise. All classes are equally likely. A spectrum depends only on the seed and its
    number, not on ``n``.

    Parameters
    ----------
    n : int
        Number of spectra.
    snr : float or (low, high)
        Peak of H alpha divided by the standard deviation of the noise; log-uniform in a range.
    classes : sequence of str
        Out of "hii", "pn", "shock", "dig" and the classes of ``table``.
    seed : int
    axis : Axis, optional
        Air wavelengths; by default :func:`~spectessera.synth.nebulae.lines.nebular_axis`.
    cross : float
        Share of spectra whose two models are of different classes.
    background : float
        Share of spectra with pure noise, of the same strength.
    low_excitation : float
        See :func:`spectessera.synth.nebulae.nebula.draw_models`.
    table : ModelTable, optional
        Its models replace the built-in ones in its classes.

    Returns
    -------
    Stream of NebularBlock

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, a class is unknown, or the axis does not contain H alpha.

    Examples
    --------
    >>> import spectessera as spt
    >>> block = spt.synth.nebular_spectra(50, snr=(10.0, 30.0), seed=0).collect()
    >>> block.spectra.shape
    (50, 3681)
    """
    recipe = _recipe(snr, classes, seed, axis, cross, background, low_excitation, table)
    text = f"synthetic nebulae: S/N {snr}, seed {seed}"
    names = ("class", recipe.classes)
    return Stream(partial(_make_block, recipe), n, recipe.axis, names=names, source=text)


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
        raise ValueError(f"classes must be one or more different names; got {names}")
    for name in names:
        check_choice("class of nebula", name, tuple(dict.fromkeys((*CLASSES, *own))))
    for word, share in (("cross", cross), ("background", background)):
        check_number(word, share, low=0.0, high=1.0)
    check_number("low_excitation", low_excitation, low=0.0, high=1.0)
    check_number("seed", seed, low=0, integer=True)
    if cross and len(names) < 2:
        raise ValueError(f"cross={cross} mixes two classes, but the only class is {names[0]!r}")
    if low_excitation and ("hii" not in names or "hii" in own):
        raise ValueError('low_excitation needs the built-in class "hii", which is not used here')
    axis = nebular_axis() if axis is None else axis
    return _Recipe(
        names, _range(snr), seed, axis, _peak(axis), cross, background, low_excitation, own
    )


class NebularPainter:
    """Makes the spectra of pixels with given classes, for :func:`nebular_cube`.

    Parameters
    ----------
    snr, classes, seed, axis, low_excitation, table
        As for :func:`nebular_spectra`.
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
            Class of every pixel, from 0 in the order of the classes; -1 = pure noise.
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
    """Return the channels that contain the peak of H alpha."""
    for part, edges in channel_edges(axis):
        low, high = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
        inside = np.flatnonzero((low < HALPHA + AROUND) & (high > HALPHA - AROUND))
        if edges.min() <= HALPHA - AROUND and edges.max() >= HALPHA + AROUND:
            return slice(part.start + int(inside[0]), part.start + int(inside[-1]) + 1)
    raise ValueError(
        f"the signal-to-noise ratio is that of H alpha at {HALPHA} angstrom, but the axis from "
        f"{axis.values[0]:g} to {axis.values[-1]:g} {axis.unit} does not contain it"
    )


def _make_block(
    recipe: _Recipe, number: int, size: int, kind: np.ndarray | None = None
) -> NebularBlock:
    """Make one block, with given classes or with drawn ones; assumes checked input.

    The models of a whole block are always drawn, so that its first spectra do not depend on the
    number of requested ones.
    """
    # Streams and cubes of the same seed have independent spectra.
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

    spectra = paint_lines(flux[:size], recipe.axis, velocity=velocity[:size], width=width[:size])
    sigma = (spectra[:, recipe.peak].max(axis=1) / snr[:size]).astype(np.float32)
    spectra[silent[:size]] = 0
    noisy = generator.standard_normal(spectra.shape, dtype=np.float32)
    noisy *= sigma[:, None]
    noisy += spectra
    return NebularBlock(noisy, spectra, label[:size], sigma, weight[:size])


def _draw_flux(recipe: _Recipe, kind: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw a model of the given class for each row, (n,) -> (n, line)."""
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
