"""What is fixed for a whole cube before its lines are fitted: channels, instrument, noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera._util.constants import FWHM, MAD_TO_SIGMA, SPEED_OF_LIGHT
from spectessera.axis import Axis
from spectessera.optical.linefits import (
    NARROWEST,
    PreparedSpectra,
    line_kernel,
    matched_filter,
    prepare,
    scatter,
    significance,
)
from spectessera.synth.nebulae.lines import line_spread

from ._kinematics import first_guess_grid, least_gain
from ._linegroups import Grid, columns_of, grid_of, sky_channels, windows_of
from ._linemodel import Kept, Plan, Trials

FALSE_ALARM = 1e-4  # of a pixel without lines
# km/s, velocities of the grid of first guesses over the width of a line.
STEP = 0.5
KNOWN_WIDTHS = (0.0, 100.0, 250.0)  # km/s, dispersions tried first if the instrument is known
WIDTHS = (1.0, 2.0, 4.0)  # the same as multiples of the narrowest width if it is not
NARROWER = 0.5  # least variance of a line over that of the instrument
LEAST_CHANNEL = 0.4  # least standard deviation of a line, in channels, if the instrument is unknown
PREPARED = 256  # spectra that are prepared together
LEAST_OUTSIDE = 100  # channels outside of the windows that show the noise


class Setup(NamedTuple):
    """What the spectra of a cube are prepared and fitted with.

    Attributes
    ----------
    axis : Axis
    grid : Grid
    plan : Plan
    least_gain : float
        Decrease of chi squared from which lines are there.
    noise : array (channel,)
        Measured noise over that of the cube, along the axis.
    good : array (channel,)
        Channels along the axis that are used.
    """

    axis: Axis
    grid: Grid
    plan: Plan
    least_gain: float
    noise: np.ndarray
    good: np.ndarray


def make_setup(
    axis: Axis,
    good: np.ndarray,
    names: tuple[str, ...],
    redshift: float,
    *,
    reach: float,
    resolution: np.ndarray | None,
    false_alarm: float,
) -> Setup:
    """Return the setup of a cube; its noise is taken to be as given.

    Parameters
    ----------
    axis : Axis
        Of wavelengths.
    good : array (channel,)
        Which channels are used.
    names : tuple of str
        Of the lines.
    redshift : float
    reach : float
        Largest velocity, km/s.
    resolution : array (channel,), or None
        Full width at half maximum of the instrument in angstrom; None: not known.
    false_alarm : float
        Probability that noise alone counts as lines.
    """
    grid = grid_of(axis)
    step = float(np.median(grid.high - grid.low)) / float(np.median(grid.low)) * SPEED_OF_LIGHT
    narrow = max(NARROWEST, 0.6 * step)
    columns = columns_of(names, grid, redshift, narrow, reach)
    windows = windows_of(columns, grid, redshift, reach)
    places = np.array([np.mean(each.rest) * (1 + redshift) for each in columns])
    instrument, narrowest = np.zeros(len(columns)), (LEAST_CHANNEL * step) ** 2
    widths = tuple(narrow * each for each in WIDTHS)
    if resolution is not None and len(columns):
        middle = (grid.low + grid.high) / 2
        instrument = np.interp(places, middle, resolution[grid.order]) / FWHM
        speeds = SPEED_OF_LIGHT * instrument / places
        narrowest, widths = -NARROWER * float((speeds**2).min()), KNOWN_WIDTHS
        narrow = max(float(speeds.min()), 0.6 * step)
    plan = Plan(
        columns,
        windows,
        redshift,
        reach,
        instrument,
        narrowest,
        Trials(np.zeros(0), np.zeros(0), ()),
    )
    plan = plan._replace(first=first_guess_grid(plan, widths, STEP * narrow))
    least = least_gain(plan, false_alarm, narrow) if columns else np.inf
    return Setup(axis, grid, plan, least, np.ones(len(axis)), good)


def resolution_of(instrument: str, axis: Axis) -> np.ndarray | None:
    """Return the full width at half maximum (channel,), angstrom, of an instrument; None: unknown.

    Known is MUSE (Bacon et al. 2017, A&A 608, A1).
    """
    if instrument.strip().upper() != "MUSE":
        return None
    return line_spread(axis.to("angstrom").values)


def keep(setup: Setup, values: np.ndarray, variance: np.ndarray | None) -> Kept:
    """Return spectra without their continuum, in the windows of the lines.

    Parameters
    ----------
    setup : Setup
    values, variance : array (n, channel)
        Along the axis; NaN where nothing is measured. Without a variance the noise is the scatter
        of the spectrum.
    """
    parts = [
        _keep(
            setup,
            values[at : at + PREPARED],
            None if variance is None else variance[at:][:PREPARED],
        )
        for at in range(0, len(values), PREPARED)
    ]
    size = setup.plan.windows[-1].stored.stop if setup.plan.windows else 0
    if not parts:
        return Kept(*np.zeros((3, 0, size)))
    return Kept(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _keep(setup: Setup, values: np.ndarray, variance: np.ndarray | None) -> Kept:
    values = np.where(setup.good, values, np.nan).astype(np.float64)
    errors = setup.noise * errors_of(values, variance)
    data, weight, rank, outside = _ranked(setup, values, errors)
    own = np.array([_size(row[used]) for row, used in zip(rank, outside, strict=True)])
    own = own if variance is None else np.maximum(own, 1.0)
    weight = weight / own[:, None] ** 2
    weight = np.where(sky_channels(setup.grid), 0.0, weight)
    level = np.where(data.weight > 0, values[:, setup.grid.order] - data.flux, np.nan)
    for row in np.flatnonzero(np.isnan(level).any(axis=1)):
        known = np.isfinite(level[row])
        if known.any():
            at = np.arange(level.shape[1])
            level[row] = np.interp(at, at[known], level[row, known])
    places = [each.channels for each in setup.plan.windows]
    return Kept(
        *(
            np.concatenate([one[:, place] for place in places], axis=1)
            for one in (data.flux, weight, level)
        )
    )


def errors_of(values: np.ndarray, variance: np.ndarray | None) -> np.ndarray:
    """Return the standard errors (n, channel) of spectra; equal ones if no variance is known."""
    if variance is None:
        return np.broadcast_to(noise_in(values)[:, None], values.shape)
    return np.sqrt(variance.astype(np.float64))


def _ranked(
    setup: Setup, values: np.ndarray, errors: np.ndarray
) -> tuple[PreparedSpectra, np.ndarray, np.ndarray, np.ndarray]:
    """Return spectra without continuum, their weights, and the noise around the lines.

    The noise is the significance of an unresolved line at every place, and the channels (n,
    channel) outside of the windows where it is one, or everywhere if these are too few.
    """
    data = prepare(values, errors, setup.axis)
    assert data is not None  # the axis has channels enough
    used = data.weight > 0
    weight = np.where(used, 1 / np.where(used, errors[:, setup.grid.order], 1.0) ** 2, 0.0)
    kernel = line_kernel(data, data.wave, data.narrow)
    rank = significance(*matched_filter(kernel, data.flux, weight))
    outside = np.ones(len(data.wave), dtype=bool)
    for window in setup.plan.windows:
        outside[window.channels] = False
    outside = used & outside if outside.sum() > LEAST_OUTSIDE else used
    return data, weight, rank, outside


def _size(rank: np.ndarray) -> float:
    """Return the standard deviation of significances; 1 if there are none, or all are 0."""
    size = MAD_TO_SIGMA * float(np.median(np.abs(rank))) if len(rank) else 1.0
    return size if size > 0 else 1.0


def noise_in(values: np.ndarray) -> np.ndarray:
    """Return the noise (n,) of spectra from differences of channels, above 0; NaNs are left out."""
    differences = np.diff(values, axis=1)
    noise = np.zeros(len(values))
    for row, own in enumerate(differences):
        own = np.abs(own[np.isfinite(own)])
        noise[row] = MAD_TO_SIGMA / np.sqrt(2) * float(np.median(own)) if len(own) else 0.0
    return np.where(noise > 0, noise, 1.0)


def measured_noise(setup: Setup, values: np.ndarray, variance: np.ndarray | None) -> np.ndarray:
    """Return the noise (channel,) over the errors: the median of some spectra.

    The scatter of the significance of unresolved lines at all places: 1 if the errors are right and
    those of channels independent.
    """
    if not len(values):
        return np.ones(len(setup.axis))
    values = np.where(setup.good, values, np.nan).astype(np.float64)
    *_, rank, outside = _ranked(setup, values, errors_of(values, variance))
    noise = np.ones(len(setup.axis))
    some = outside.any(axis=1)
    if not some.any():
        return noise
    rows = zip(rank[some], outside[some], strict=True)
    found = np.median([scatter(row, used) for row, used in rows], axis=0)
    noise[setup.grid.order] = np.where(found > 0, found, 1.0)
    return noise
