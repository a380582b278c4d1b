"""One velocity and one dispersion for all lines of a spectrum.

For a velocity and a dispersion the fluxes and the continuum are linear, so only two parameters are
searched for: on a grid of velocities and widths first, then by damped Gauss-Newton steps (variable
projection: Golub & Pereyra 1973, SIAM Journal 10, 413, in the form of Kaufman 1975). For
the kinematics fluxes are not negative. The dispersion is fitted as its square, which may be
negative: noise can make a line narrower than the instrument does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import comb
from scipy.stats import chi2

from ._linemodel import Kept, Plan, Profiles, Solved, Trials, profiles, solve

BROADEST = 500.0  # km/s, largest dispersion
STEPS = 20  # of Gauss-Newton
CLOSE = 0.01  # standard errors: smaller steps are the last
LONGEST = 150.0  # km/s, longest step
FAR = 250.0  # km/s and two dispersions: further velocities are others
LEAST_STEP = 0.2  # errors of the square of the dispersion that it must be able to fall
TOGETHER = 256  # pixels that are fitted at a time


class Kinematics(NamedTuple):
    """Velocity and dispersion of n spectra.

    Attributes
    ----------
    velocity, square : array (n,)
        km/s, and the square of the dispersion.
    covariance : array (n, 2, 2)
        Of both; fluxes and continuum are free.
    gain : array (n,)
        Decrease of chi squared by the lines.
    lead : array (n,)
        How much more that is than at the best velocity far from the fitted one.
    misfit : array (n,)
        Chi squared per degree of freedom in the windows.
    """

    velocity: np.ndarray
    square: np.ndarray
    covariance: np.ndarray
    gain: np.ndarray
    lead: np.ndarray
    misfit: np.ndarray

    def take(self, rows: np.ndarray) -> Kinematics:
        """Return some of them."""
        return Kinematics(*(each[rows] for each in self))


class State(NamedTuple):
    """The fit of n spectra at some velocities and dispersions."""

    misfit: np.ndarray  # (n,) chi squared
    gradient: np.ndarray  # (n, 2), of half of chi squared, with its sign changed
    curvature: np.ndarray  # (n, 2, 2)


def state_at(plan: Plan, kept: Kept, velocity: np.ndarray, square: np.ndarray) -> State:
    """Return chi squared, its gradient and its curvature; fluxes are not negative."""
    chi = np.zeros(len(velocity))
    gradient, curvature = np.zeros((len(velocity), 2)), np.zeros((len(velocity), 2, 2))
    for window in plan.windows:
        flux, weight = kept.flux[:, window.stored], kept.weight[:, window.stored]
        found = profiles(plan, window, velocity, square)
        solved = solve(window, found.value, flux, weight, positive=True)
        slope, mixed = slopes(found, solved, solved.value, weight)
        weighted = slope * weight[:, :, None]
        chi += np.matmul((weight * solved.left)[:, None, :], solved.left[:, :, None])[:, 0, 0]
        gradient += np.matmul(weighted.transpose(0, 2, 1), solved.left[:, :, None])[:, :, 0]
        curvature += np.matmul(weighted.transpose(0, 2, 1), slope)
        curvature -= np.matmul(np.matmul(mixed.transpose(0, 2, 1), solved.inverse), mixed)
    return State(chi, gradient, curvature)


def slopes(
    found: Profiles, solved: Solved, value: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how the model changes (n, channel, 2), and that times the design (n, parameter, 2)."""
    flux = value[:, : found.value.shape[2], None]
    changes = [np.matmul(each, flux) for each in (found.by_velocity, found.by_square)]
    slope = np.concatenate(changes, axis=2)
    return slope, np.matmul((solved.design * weight[:, :, None]).transpose(0, 2, 1), slope)


def fit_kinematics(plan: Plan, kept: Kept, start: np.ndarray | None = None) -> Kinematics:
    """Fit one velocity and one dispersion to every spectrum.

    Parameters
    ----------
    plan : Plan
    kept : Kept
        Of n spectra.
    start : array (n, 2), optional
        A velocity and a square of a dispersion that are tried besides those of the grid; NaN: none.
    """
    parts = [
        _fit(plan, kept.take(rows), None if start is None else start[rows])
        for rows in parts_of(len(kept.flux))
    ]
    if not parts:
        none = np.zeros(0)
        return Kinematics(none, none, np.zeros((0, 2, 2)), none, none, none)
    return Kinematics(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def parts_of(count: int) -> list[np.ndarray]:
    """Return the numbers of the spectra that are fitted together."""
    return [np.arange(at, min(at + TOGETHER, count)) for at in range(0, count, TOGETHER)]


def _fit(plan: Plan, kept: Kept, start: np.ndarray | None) -> Kinematics:
    velocity, square, rival = first_guess(plan, kept)
    state = state_at(plan, kept, velocity, square)
    if start is not None:
        known = np.isfinite(start).all(axis=1)
        other = np.clip(np.where(known, start[:, 0], velocity), -plan.reach, plan.reach)
        wide = np.clip(np.where(known, start[:, 1], square), plan.narrowest, BROADEST**2)
        state, velocity, square = _better(
            (state, velocity, square), (state_at(plan, kept, other, wide), other, wide)
        )
    state, velocity, square = _descend(plan, kept, state, velocity, square)
    without, freedom = without_lines(plan, kept)
    gain = np.maximum(without - state.misfit, 0.0)
    covariance = _covariance(plan, kept, state, velocity, square)
    # Noise adds 1 to the gain for every line, and as much to the curvature.
    more = np.maximum(gain / np.maximum(gain - len(plan.columns), 1.0), 1.0)
    misfit = state.misfit / np.maximum(freedom, 1.0)
    return Kinematics(
        velocity, square, covariance * more[:, None, None], gain, gain - rival, misfit
    )


def _covariance(
    plan: Plan, kept: Kept, state: State, velocity: np.ndarray, square: np.ndarray
) -> np.ndarray:
    """Return the covariance (n, 2, 2) of velocity and square from chi squared one error away.

    The curvature of Gauss-Newton leaves the noise out, and makes the errors of faint lines too
    small. It is used where the square cannot be changed by an error.
    """
    first = inverse_of(state.curvature)
    known = np.isfinite(first).all(axis=(1, 2))
    v, q = (np.sqrt(np.where(known, first[:, at, at], 1.0)) for at in (0, 1))
    v, room = np.minimum(v, LONGEST), square - plan.narrowest
    known &= room > LEAST_STEP * q
    q = np.where(known, np.minimum(q, room), 1.0)

    def change(right: float, up: float) -> np.ndarray:
        there = np.maximum(square + up * q, plan.narrowest)
        return (state_at(plan, kept, velocity + right * v, there).misfit - state.misfit) / 2

    side = (change(1, 0) + change(-1, 0)) / v**2
    height = (change(0, 1) + change(0, -1)) / q**2
    cross = change(1, 1) + change(-1, -1) - change(1, -1) - change(-1, 1)
    cross = cross / (4 * v * q)
    second = inverse_of(np.stack([side, cross, cross, height], axis=1).reshape(-1, 2, 2))
    known &= np.isfinite(second).all(axis=(1, 2))
    return np.where(known[:, None, None], second, first)


Point = tuple[State, np.ndarray, np.ndarray]


def _better(one: Point, other: Point) -> Point:
    """Return for every spectrum the point with the smaller chi squared."""
    take = other[0].misfit < one[0].misfit

    def chosen(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.where(take.reshape(-1, *[1] * (first.ndim - 1)), second, first)

    state = State(*(chosen(a, b) for a, b in zip(one[0], other[0], strict=True)))
    return state, chosen(one[1], other[1]), chosen(one[2], other[2])


def _descend(
    plan: Plan, kept: Kept, state: State, velocity: np.ndarray, square: np.ndarray
) -> Point:
    """Lower chi squared by damped Gauss-Newton steps (Levenberg 1944, Marquardt 1963)."""
    damping = np.full(len(velocity), 1e-3)
    active = np.arange(len(velocity))
    for _ in range(STEPS):
        if not len(active):
            break
        here = State(*(each[active] for each in state))
        v, q = velocity[active], square[active]
        new_v, new_q, small = _step(plan, here, v, q, damping[active])
        trial = state_at(plan, kept.take(active), new_v, new_q)
        good = trial.misfit <= here.misfit
        damping[active] = np.where(good, damping[active] / 10, damping[active] * 10)
        moved, velocity[active] = good, np.where(good, new_v, v)
        square[active] = np.where(good, new_q, q)
        for old, new in zip(state, trial, strict=True):
            old[active[moved]] = new[moved]
        active = active[~(small & good) & (damping[active] < 1e6)]
    return state, velocity, square


def _step(
    plan: Plan, here: State, velocity: np.ndarray, square: np.ndarray, damping: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the next velocities and squares, and whether the step is small beside the errors."""
    diagonal = np.einsum("npp->np", here.curvature)
    safe = np.where(diagonal > 0, diagonal, 1.0)
    # At the least square only the velocity is free.
    stuck = (square <= plan.narrowest) & (here.gradient[:, 1] <= 0)
    stuck |= (square >= BROADEST**2) & (here.gradient[:, 1] >= 0)
    free = ~stuck[:, None] | np.array([True, False])
    damped = here.curvature * (free[:, :, None] & free[:, None, :])
    damped = damped + np.eye(2) * (safe * np.where(free, damping[:, None], 1.0))[:, None, :]
    step = np.matmul(inverse_of(damped), (here.gradient * free)[:, :, None])[:, :, 0]
    longest = np.stack([np.full(len(velocity), LONGEST), 0.5 * np.abs(square) + 50.0**2], axis=1)
    step = np.clip(step, -longest, longest)
    v = np.clip(velocity + step[:, 0], -plan.reach, plan.reach)
    q = np.clip(square + step[:, 1], plan.narrowest, BROADEST**2)
    small = np.abs(v - velocity) * np.sqrt(safe[:, 0]) < CLOSE
    small &= np.abs(q - square) * np.sqrt(safe[:, 1]) < CLOSE
    return v, q, small


def inverse_of(matrix: np.ndarray) -> np.ndarray:
    """Return the inverse of positive matrices (n, 2, 2); infinite variances where there is none."""
    a, b, d = matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 1]
    size = a * d
    determinant = size - b**2
    fine = (a > 0) & (d > 0) & (determinant > 1e-12 * size)
    safe = np.where(fine, determinant, 1.0)
    inverse = np.stack([d, -b, -b, a], axis=1) / safe[:, None]
    inverse = np.where(fine[:, None], inverse, np.array([np.inf, 0.0, 0.0, np.inf]))
    return inverse.reshape(-1, 2, 2)


def first_guess(plan: Plan, kept: Kept) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the trial of the grid whose positive lines are the most significant.

    Returns
    -------
    velocity, square : array (n,)
    rival : array (n,)
        The gain of the best trial with another velocity.
    """
    gain = np.zeros((len(kept.flux), len(plan.first.velocity)))
    for window, lines in zip(plan.windows, plan.first.profiles, strict=True):
        flux, weight = kept.flux[:, window.stored], kept.weight[:, window.stored]
        # One product per spectrum: in a common one its bits could depend on the others.
        top = np.matmul((flux * weight)[:, None, :], lines)[:, 0]
        bottom = np.matmul(weight[:, None, :], lines**2)[:, 0]
        own = np.maximum(top, 0.0) ** 2 / np.where(bottom > 0, bottom, np.inf)
        shape = len(flux), len(plan.first.velocity), len(window.columns)
        for number in range(shape[2]):
            gain += own.reshape(shape)[:, :, number]
    best = gain.argmax(axis=1)
    velocity, square = plan.first.velocity[best], plan.first.square[best]
    far = FAR + 2 * np.sqrt(np.maximum(square, 0.0))
    near = np.abs(plan.first.velocity - velocity[:, None]) < far[:, None]
    return velocity, square, np.where(near, 0.0, gain).max(axis=1)


def first_guess_grid(plan: Plan, widths: tuple[float, ...], step: float) -> Trials:
    """Return the grid of velocities, ``step`` km/s apart, and of dispersions."""
    count = int(np.ceil(plan.reach / step))
    velocities = np.linspace(-plan.reach, plan.reach, 2 * count + 1)
    velocity = np.tile(velocities, len(widths))
    square = np.repeat(np.maximum(np.square(widths), plan.narrowest), len(velocities))
    found = []
    for window in plan.windows:
        lines = profiles(plan, window, velocity, square).value  # (trial, channel, column)
        found.append(lines.transpose(1, 0, 2).reshape(len(window.low), -1))
    return Trials(velocity, square, tuple(found))


def without_lines(plan: Plan, kept: Kept) -> tuple[np.ndarray, np.ndarray]:
    """Return chi squared with the continuum alone, and the degrees of freedom with lines, (n,)."""
    chi, freedom = np.zeros(len(kept.flux)), np.full(len(kept.flux), -2.0)
    for window in plan.windows:
        flux, weight = kept.flux[:, window.stored], kept.weight[:, window.stored]
        none = np.zeros((len(flux), len(window.low), 0))
        left = solve(window, none, flux, weight, positive=False).left
        chi += np.matmul((weight * left)[:, None, :], left[:, :, None])[:, 0, 0]
        freedom += (weight > 0).sum(axis=1) - len(window.columns) - 2
    return chi, freedom


def least_gain(plan: Plan, false_alarm: float, speed: float) -> float:
    """Return the gain that noise alone exceeds with a small probability, at any velocity.

    At one velocity the gain of m columns that are not negative is a mixture of chi squared
    distributions with 0 to m degrees of freedom (Chernoff 1954, Ann. Math. Stat. 25, 573). The
    velocities that are searched have as many independent ones as there are widths of a line, and
    every dispersion of the grid is one more try.

    Parameters
    ----------
    plan : Plan
    false_alarm : float
        The probability.
    speed : float
        Standard deviation of a line, km/s.
    """
    count = len(plan.columns)
    share = comb(count, np.arange(1, count + 1)) / 2.0**count
    tries = max(1.0, 2 * plan.reach / speed) * len(np.unique(plan.first.square))

    def excess(gain: float) -> float:
        tail = float((share * chi2.sf(gain, np.arange(1, count + 1))).sum())
        return float(np.log(tries * max(tail, 1e-300)) - np.log(false_alarm))

    return float(brentq(excess, 1.0, 1000.0))
