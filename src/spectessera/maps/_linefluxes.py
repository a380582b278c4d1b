"""Fluxes of lines, and the continuum at them, at given kinematics.

Fluxes are free here, so that that of a line that is not there is 0 on average.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera._util.constants import SPEED_OF_LIGHT

from ._kinematics import Kinematics, parts_of, slopes
from ._linegroups import Window
from ._linemodel import Kept, Plan, Solved, measured, profiles, solve


class Fluxes(NamedTuple):
    """Fluxes of n spectra.

    Attributes
    ----------
    flux : array (n, column)
        NaN where nothing is measured.
    covariance : array (n, column, column)
        With the uncertainty of the kinematics.
    continuum, continuum_error : array (n, column)
        At the line, per unit of the axis.
    """

    flux: np.ndarray
    covariance: np.ndarray
    continuum: np.ndarray
    continuum_error: np.ndarray


def fluxes(plan: Plan, kept: Kept, found: Kinematics) -> Fluxes:
    """Measure the fluxes of all columns, free, at the given velocity and dispersion."""
    count = len(plan.columns)
    parts = [_fluxes(plan, kept.take(rows), found.take(rows)) for rows in parts_of(len(kept.flux))]
    if not parts:
        return Fluxes(np.zeros((0, count)), np.zeros((0, count, count)), *np.zeros((2, 0, count)))
    return Fluxes(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _fluxes(plan: Plan, kept: Kept, found: Kinematics) -> Fluxes:
    n, count = len(kept.flux), len(plan.columns)
    flux = np.full((n, count), np.nan)
    covariance = np.full((n, count, count), np.nan)
    level, level_error = np.full((2, n, count), np.nan)
    known = np.isfinite(found.covariance).all(axis=(1, 2))
    shared = np.where(known[:, None, None], found.covariance, 0.0)
    change = np.zeros((n, count, 2))  # of the fluxes with the kinematics
    for window in plan.windows:
        own_flux, weight = kept.flux[:, window.stored], kept.weight[:, window.stored]
        made = profiles(plan, window, found.velocity, found.square)
        solved = solve(window, made.value, own_flux, weight, positive=False)
        _, mixed = slopes(made, solved, solved.value, weight)
        moved = np.matmul(solved.inverse, mixed)  # (n, parameter, 2)
        lines = np.array(window.columns)
        number = len(lines)
        fitted = measured(window, made.value, weight)[:, :number]
        flux[:, lines] = np.where(fitted, solved.value[:, :number], np.nan)
        change[:, lines] = moved[:, :number]
        both = fitted[:, :, None] & fitted[:, None, :]
        part = np.where(both, solved.inverse[:, :number, :number], np.nan)
        covariance[:, lines[:, None], lines] = part
        own = _continuum(plan, window, kept, solved, found.velocity)
        level[:, lines], level_error[:, lines] = (np.where(fitted, each, np.nan) for each in own)
    covariance = np.where(np.isfinite(covariance), covariance, 0.0)
    covariance += np.matmul(np.matmul(change, shared), change.transpose(0, 2, 1))
    return Fluxes(flux, covariance, level, level_error)


def _continuum(
    plan: Plan, window: Window, kept: Kept, solved: Solved, velocity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the continuum at each column of a window, and its error, (n, column) each."""
    middle = (window.low + window.high) / 2
    factor = (1 + plan.redshift) * (1 + velocity / SPEED_OF_LIGHT)
    under, errors = [], []
    for number in window.columns:
        at = np.searchsorted(middle, plan.columns[number].rest[0] * factor)
        at = np.clip(at, 0, len(middle) - 1)
        base = window.base[at]  # (n, 2)
        rows = np.arange(len(at))
        corrected = np.matmul(base[:, None, :], solved.value[:, -2:, None])[:, 0, 0]
        under.append(kept.level[rows, window.stored.start + at] + corrected)
        spread = np.matmul(
            np.matmul(base[:, None, :], solved.inverse[:, -2:, -2:]), base[..., None]
        )
        errors.append(np.sqrt(np.maximum(spread[:, 0, 0], 0.0)))
    return np.stack(under, axis=1), np.stack(errors, axis=1)
