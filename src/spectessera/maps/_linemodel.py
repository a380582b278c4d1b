"""The model of lines in a window, and the solution of its linear part: fluxes and continuum.

Lines are Gaussians, integrated over the channels; every window has a straight line of continuum.
Every spectrum is solved by itself: the others do not change it by a bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from spectessera._util.constants import SPEED_OF_LIGHT

from ._linegroups import Column, Window

LEAST_SEEN = 0.7  # share of a line in measured channels without which it is not fitted
RIDGE = 1e-10
SQRT_2PI = np.sqrt(2 * np.pi)


class Plan(NamedTuple):
    """What all fits of a cube share.

    Attributes
    ----------
    columns : tuple of Column
    windows : tuple of Window
    redshift : float
        At which velocities are 0.
    reach : float
        Largest velocity, km/s.
    instrument : array (column,)
        Standard deviation of the instrument at each column, angstrom; 0: not known.
    narrowest : float
        Least square of the dispersion, (km/s)^2.
    first : Trials
        Velocities and widths that are tried first.
    """

    columns: tuple[Column, ...]
    windows: tuple[Window, ...]
    redshift: float
    reach: float
    instrument: np.ndarray
    narrowest: float
    first: Trials


class Trials(NamedTuple):
    """The grid of velocities and widths.

    Attributes
    ----------
    velocity, square : array (trial,)
        km/s, and the square of the dispersion.
    profiles : tuple of array (channel, trial * column of the window)
        Of each window.
    """

    velocity: np.ndarray
    square: np.ndarray
    profiles: tuple[np.ndarray, ...]


class Kept(NamedTuple):
    """Spectra without their continuum in the windows, one after the other.

    Attributes
    ----------
    flux, weight : array (n, stored)
        Weight: 1 / variance, 0 where nothing is measured.
    level : array (n, stored)
        The continuum that was subtracted.
    """

    flux: np.ndarray
    weight: np.ndarray
    level: np.ndarray

    def take(self, rows: np.ndarray) -> Kept:
        """Return some of the spectra."""
        return Kept(*(each[rows] for each in self))


class Profiles(NamedTuple):
    """Columns (n, channel, column) of a window, and their derivatives."""

    value: np.ndarray
    by_velocity: np.ndarray
    by_square: np.ndarray


def profiles(plan: Plan, window: Window, velocity: np.ndarray, square: np.ndarray) -> Profiles:
    """Return the columns of a window for velocities and squares of dispersions, (n,) each."""
    systemic = 1 + plan.redshift
    factor = systemic * (1 + velocity / SPEED_OF_LIGHT)
    edges, left, right = _edges(window)
    found = Profiles(*np.zeros((3, len(velocity), len(window.low), len(window.columns))))
    for at, number in enumerate(window.columns):
        column = plan.columns[number]
        for rest, share in zip(column.rest, column.share, strict=True):
            center = (rest * factor)[:, None]  # (n, 1)
            relative = (center / SPEED_OF_LIGHT) ** 2
            sigma = np.sqrt(plan.instrument[number] ** 2 + relative * square[:, None])
            place = (edges - center) / sigma  # (n, edge)
            below = ndtr(place)
            density = np.exp(-0.5 * place**2) / SQRT_2PI
            found.value[:, :, at] += share * (below[:, right] - below[:, left])
            change = (density[:, left] - density[:, right]) / sigma
            found.by_velocity[:, :, at] += share * rest * systemic / SPEED_OF_LIGHT * change
            moment = place * density
            change = (moment[:, left] - moment[:, right]) / sigma
            found.by_square[:, :, at] += share * relative / (2 * sigma) * change
    width = window.width[:, None]
    return Profiles(*(each / width for each in found))


def _edges(window: Window) -> tuple[np.ndarray, slice, slice]:
    """Return edges of channels, and which of them are the lower and the upper ones."""
    count = len(window.low)
    if np.allclose(window.low[1:], window.high[:-1], rtol=1e-9, atol=0):
        return np.append(window.low, window.high[-1]), slice(0, count), slice(1, count + 1)
    return np.append(window.low, window.high), slice(0, count), slice(count, 2 * count)


# --- linear: fluxes and continuum --------------------------------------------------------------


class Solved(NamedTuple):
    """The linear part of a window, for n spectra; parameters are the columns and the continuum.

    Attributes
    ----------
    value : array (n, parameter)
    inverse : array (n, parameter, parameter)
        Covariance of the parameters; 0 for those that are not fitted.
    design : array (n, channel, parameter)
    left : array (n, channel)
        The spectrum without its model.
    """

    value: np.ndarray
    inverse: np.ndarray
    design: np.ndarray
    left: np.ndarray


def solve(
    window: Window, lines: np.ndarray, flux: np.ndarray, weight: np.ndarray, *, positive: bool
) -> Solved:
    """Fit fluxes and continuum of a window by least squares.

    Parameters
    ----------
    window : Window
    lines : array (n, channel, column)
    flux, weight : array (n, channel)
    positive : bool
        Whether columns of a negative flux are left out.
    """
    base = np.broadcast_to(window.base, (len(flux), *window.base.shape))
    design = np.concatenate([lines, base], axis=2)
    weighted = design * weight[:, :, None]
    gram = np.matmul(weighted.transpose(0, 2, 1), design)
    right = np.matmul(weighted.transpose(0, 2, 1), flux[:, :, None])[:, :, 0]
    number = lines.shape[2]
    fitted = measured(window, lines, weight)
    value, inverse = _least_squares(gram, right, fitted)
    for _ in range(2 if positive else 0):
        fitted = fitted.copy()
        fitted[:, :number] &= value[:, :number] >= 0
        value, inverse = _least_squares(gram, right, fitted)
    left = flux - np.matmul(design, value[:, :, None])[:, :, 0]
    return Solved(value, inverse, design, left)


def measured(window: Window, lines: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return which parameters (n, parameter) are fitted: 0.7 of a line must be in good channels."""
    good = weight > 0
    inside = np.matmul(good[:, None, :] * window.width, lines)[:, 0]
    whole = np.matmul(np.broadcast_to(window.width, good.shape)[:, None, :], lines)[:, 0]
    enough = (whole > 0) & (inside > LEAST_SEEN * whole)
    both = np.broadcast_to((good.sum(axis=1) > 2)[:, None], (len(good), 2))
    return np.concatenate([enough & both[:, :1], both], axis=1)


def _least_squares(
    gram: np.ndarray, right: np.ndarray, fitted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the solution (n, p) and its covariance (n, p, p) of the fitted parameters."""
    diagonal = np.einsum("npp->np", gram)
    size = np.sqrt(np.where(fitted & (diagonal > 0), diagonal, 1.0))
    used = (fitted & (diagonal > 0)).astype(np.float64)
    scaled = gram / size[:, :, None] / size[:, None, :] * used[:, :, None] * used[:, None, :]
    scaled += np.eye(gram.shape[1]) * (1.0 - used + RIDGE)[:, None, :]
    inverse = np.linalg.inv(scaled) * used[:, :, None] * used[:, None, :]
    inverse = inverse / size[:, :, None] / size[:, None, :]
    return np.matmul(inverse, right[:, :, None])[:, :, 0], inverse
