"""The linear fit of a pixel: one matrix for every cluster, computed from mean spectra.

The amplitudes of the families of lines in a pixel are a weighted linear least-squares fit of its
counts. The weights are those of the counts that its cluster leads to expect, not of its own noisy
counts, which would make the amplitudes too small. So they are a product of the counts and a matrix
that is the same for all pixels of a cluster. Assumes checked input; energies are in keV.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera.naming.xray.components import Component, prepare
from spectessera.naming.xray.families import Response
from spectessera.naming.xray.solver import Solver, refine

from .families import (
    Contents,
    MeanSpectra,
    NothingToMap,
    Tail,
    components_of,
    name_of,
    with_tail,
)

EVEN = 0.05  # largest deviation of channels from equal widths, as a share of a width
ROUNDS = 2  # refinements of the calibration and the resolution, and then of the tails of lines
STEPS = 2  # of each refinement
# The ratios of lines in a cluster are as much its own as those of all pixels where a family has so
# many standard errors in its mean spectrum, and those of all pixels as much as the tabulated ones;
# its background, where that has so many counts.
OWN_SIGMA = 30.0
OWN_COUNTS = 2e4
LEAST_SHARE = 1e-4  # of the mean, least counts of a channel that are expected
RIDGE = 1e-9
# Shares and lengths (keV) of the tails that are tried.
SHARES, LENGTHS = (0.005, 0.01, 0.02, 0.03, 0.05), (0.15, 0.3, 0.5, 0.8)
# The background is estimated twice, the second time under the lines of the first fit: it then has
# no structures narrower than so many times the first one.
WIDTHS = (1.0, 3.0)
BACKGROUND = "background"


class PixelFit(NamedTuple):
    """How the pixels of every cluster are fitted; workers get a copy.

    Attributes
    ----------
    names : tuple of str
        Of the f terms: families, light of the instrument, background.
    estimate : array (k, channel, f), float32
        A spectrum times this matrix is its amplitudes without constraint.
    covariance : array (k, f, f), float64
        Of the amplitudes, for the mean spectrum of the cluster.
    order : array (k, f), int
        Of the terms, those first that are most significant in a mean pixel of the cluster.
    spread : array (k, f, f), float32
        Amplitudes times this matrix are the variances of the amplitudes, for Poisson counts.
    single : array (k, f), float32
        The variances of the amplitudes for one count with the spectrum of the cluster.
    typical : array (k, f), float32
        Shares of the terms in a count of the cluster.
    """

    names: tuple[str, ...]
    estimate: np.ndarray
    covariance: np.ndarray
    order: np.ndarray
    spread: np.ndarray
    single: np.ndarray
    typical: np.ndarray


class Design(NamedTuple):
    """What is expected of the pixels of every cluster.

    ``names`` of the f terms; ``shapes`` (k, e, f): their counts by channel, with a sum of 1;
    ``expected`` (k, e): counts of a mean pixel; ``energy`` (e,) and ``channel`` (e,): positions
    among the good channels of the cube; ``channels``: the number of all good channels.
    """

    names: tuple[str, ...]
    shapes: np.ndarray
    expected: np.ndarray
    energy: np.ndarray
    channel: np.ndarray
    channels: int


def design_of(means: MeanSpectra, contents: Contents) -> tuple[Design, Contents]:
    """Return the design, and the contents with their calibration refined.

    Raises
    ------
    NothingToMap
        If the channels have different widths.
    """
    low, high = contents.window
    inside = np.flatnonzero((means.energy >= low - 1e-9) & (means.energy <= high + 1e-9))
    energy = means.energy[inside]
    step = (energy[-1] - energy[0]) / (len(energy) - 1)
    if np.abs(energy - np.linspace(energy[0], energy[-1], len(energy))).max() > EVEN * step:
        raise NothingToMap(
            "element maps need channels of equal width; those of this cube differ: rebin it first"
        )
    counts, error = (each[inside] for each in means.whole)
    for _ in range(ROUNDS):
        contents = _refined(energy, counts, error, contents)
        contents = contents._replace(tail=_tail(energy, counts, error, contents))
    components = components_of(contents, energy)
    whole = _fitted(energy, counts, error, contents.response, components)
    clusters = []
    for row, usable in enumerate(means.usable):
        own = None
        if usable:
            mean = means.counts[row, inside]
            own_error = means.error[row, inside]
            own = _fitted(energy, mean, own_error, contents.response, components)
            own = _shrunk(own, whole, mean.sum() * means.size[row])
        clusters.append(own or whole)
    names = (*_names(contents, components), BACKGROUND)
    shapes = np.stack([_shapes(each, whole) for each in clusters])
    expected = np.stack([each.expected for each in clusters])
    channel = means.order[inside]
    return Design(names, shapes, expected, energy, channel, len(means.order)), contents


def pixel_fit(design: Design) -> PixelFit:
    """Return the matrices with which pixels are fitted."""
    clusters, _, terms = design.shapes.shape
    estimate = np.zeros((clusters, design.channels, terms), np.float32)
    covariance, spread = np.zeros((2, clusters, terms, terms))
    single, typical = np.zeros((2, clusters, terms), np.float32)
    for row, (shapes, expected) in enumerate(zip(design.shapes, design.expected, strict=True)):
        matrix, covariance[row] = least_squares(shapes, expected)
        estimate[row, design.channel] = matrix
        spread[row] = shapes.T @ matrix**2
        single[row] = expected @ matrix**2 / expected.sum()
        typical[row] = np.maximum(expected @ matrix, 0.0) / expected.sum()
    error = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    order = np.argsort(-typical / error, axis=1, kind="stable")
    return PixelFit(
        design.names, estimate, covariance, order, spread.astype(np.float32), single, typical,
    )  # fmt: skip


def least_squares(shapes: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix (e, f) of a fit, and the covariance (f, f) of its amplitudes.

    Parameters
    ----------
    shapes : array (e, f)
    expected : array (e,)
        Counts, above 0: the variances of the channels.
    """
    weighted = shapes / expected[:, None]
    gram = shapes.T @ weighted
    size = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    scaled = gram / size[:, None] / size + RIDGE * np.eye(len(size))
    covariance = np.linalg.inv(scaled) / size[:, None] / size
    covariance = (covariance + covariance.T) / 2
    return weighted @ covariance, covariance


# --- shapes ------------------------------------------------------------------------------------


class _Fitted(NamedTuple):
    """A fitted mean spectrum.

    ``weights`` of the columns of every component; ``sigma`` (c,): standard errors of a component;
    ``background`` and ``expected`` (e,).
    """

    solver: Solver
    weights: list[np.ndarray]
    sigma: np.ndarray
    background: np.ndarray
    expected: np.ndarray


def _fitted(
    energy: np.ndarray,
    counts: np.ndarray,
    error: np.ndarray,
    response: Response,
    components: list[Component],
) -> _Fitted:
    """Fit a mean spectrum with all components."""
    every, lines = list(range(len(components))), np.zeros(len(energy))
    for widths in WIDTHS:
        data = prepare(energy, counts, error, response, lines, widths)
        solver = Solver(data, components)
        fit = solver.fit(every)
        lines = sum((fit.counts(i) for i in every), np.zeros(len(energy)))
    background = np.maximum(fit.model - lines, 0.0)
    expected = np.maximum(fit.model, LEAST_SHARE * fit.model.mean())
    sigma = np.sqrt(np.maximum(solver.approximate_increases(every), 0.0))
    return _Fitted(solver, fit.weights, sigma, background, expected)


def _refined(
    energy: np.ndarray, counts: np.ndarray, error: np.ndarray, contents: Contents
) -> Contents:
    """Return the contents with a calibration and a resolution that fit a mean spectrum better."""
    for _ in range(STEPS):
        components = components_of(contents, energy)
        fitted = _fitted(energy, counts, error, contents.response, components)
        fit = fitted.solver.fit(list(range(len(components))))
        contents = contents._replace(response=refine(fitted.solver.data, fit, contents.response))
    return contents


def _tail(energy: np.ndarray, counts: np.ndarray, error: np.ndarray, contents: Contents) -> Tail:
    """Return the tail of lines with which the mean spectrum of all pixels is fitted best."""
    whole = components_of(contents._replace(tail=Tail(0.0, 1.0)), energy)

    def misfit(tail: Tail) -> float:
        components = with_tail(whole, tail, energy)
        fitted = _fitted(energy, counts, error, contents.response, components)
        return fitted.solver.solve(list(range(len(fitted.weights))))[0]

    tails = [Tail(0.0, 1.0), *(Tail(share, length) for share in SHARES for length in LENGTHS)]
    return min(tails, key=misfit)


def _shrunk(own: _Fitted, whole: _Fitted, counts: float) -> _Fitted:
    """Return the fit of a cluster with a background closer to that of all pixels.

    ``counts`` are those of all pixels of the cluster.
    """
    total = own.background.sum()
    if whole.background.sum() == 0 or total == 0:
        return own
    share = counts / (counts + OWN_COUNTS)
    common = whole.background * (total / whole.background.sum())
    background = share * own.background + (1 - share) * common
    expected = own.expected - own.background + background
    return own._replace(background=background, expected=expected)


def _shapes(own: _Fitted, whole: _Fitted) -> np.ndarray:
    """Return the shape (e, f) of every term of the fit of a cluster, with a sum of 1."""
    columns = []
    for i, component in enumerate(own.solver.components):
        weight = _common_weights(whole, i)
        mine = own.weights[i] @ component.columns
        if mine.any():
            share = own.sigma[i] ** 2 / (own.sigma[i] ** 2 + OWN_SIGMA**2)
            mine_normalised = _normalised(own.weights[i], component.columns)
            weight = share * mine_normalised + (1 - share) * weight
        columns.append(weight @ component.columns)
    background = own.background if own.background.any() else np.ones(len(own.expected))
    columns.append(background)
    shapes = np.array(columns).T
    return shapes / np.maximum(shapes.sum(axis=0), 1e-300)


def _common_weights(whole: _Fitted, number: int) -> np.ndarray:
    """Return the weights (c,) of the columns of a component in the mean spectrum of all pixels.

    Where a family is faint, the ratios of its lines may have been used to fit a neighbour: they are
    closer to the tabulated ones.
    """
    component = whole.solver.components[number]
    weight = _normalised(whole.weights[number], component.columns)
    if component.factors is None or not whole.weights[number].any():
        return weight
    low, high = component.factors.min(axis=0), component.factors.max(axis=0)
    part = np.where(component.factors == low, high - 1, 1 - low)
    part = np.where(high > low, part / np.where(high > low, high - low, 1.0), 1.0)
    tabulated = _normalised(part.prod(axis=1), component.columns)
    share = whole.sigma[number] ** 2 / (whole.sigma[number] ** 2 + OWN_SIGMA**2)
    return share * weight + (1 - share) * tabulated


def _normalised(weights: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return weights (c,) with which columns (c, e) have one count; equal ones if all are 0."""
    weights = weights if weights.any() else np.ones(len(weights))
    return weights / max(float(weights @ columns.sum(axis=1)), 1e-300)


def _names(contents: Contents, components: list[Component]) -> list[str]:
    """Return the names of all components."""
    names = [name_of(family) for family in contents.families]
    words = {"compton": "{} Compton", "beam": "beam {} keV", "sum": "{}"}
    return names + [words[each.kind].format(each.name) for each in components[len(names) :]]
