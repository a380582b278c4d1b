"""Mean spectra prepared for the fit of lines, and fits of Gaussians at known positions.

Internally wavelengths are in vacuum, rising, in angstrom, so that a redshift is one factor for all
lines. Errors are raised to the observed scatter: the significance of an unresolved line at every
position of a spectrum must scatter by 1. Stellar features, sky residuals and correlated noise are
therefore not mistaken for lines.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage, sparse
from scipy.optimize import least_squares
from scipy.special import ndtr

from spectessera._util.check import check_ndim, check_same_shape
from spectessera._util.constants import MAD_TO_SIGMA, SPEED_OF_LIGHT
from spectessera.axis import Axis, air_wavelengths, channel_edges

from .linetable import LEAST_AIR, vacuum_wavelengths

LEAST_CHANNELS = 30  # for a continuum
CONTINUUM = 180.0  # angstrom, window of the running median
SCATTER = 300  # channels, window of the scatter
NARROWEST = 70.0  # km/s, standard deviation of a narrow line with an instrument such as MUSE
REACH = 5.0  # standard deviations on either side of a line that are fitted
NEAR = 4.0  # the same for the matched filter
LINE_LIKE = 4.0  # standard errors above which a feature is left out of the continuum
BROADEST = 600.0  # km/s, standard deviation


class PreparedSpectra(NamedTuple):
    """Spectra without their continuum; channels by rising wavelength.

    Attributes
    ----------
    wave : array (channel,)
        In vacuum, angstrom.
    low, high : array (channel,)
        Edges of the channels.
    flux : array (k, channel)
        0 where there is no measurement.
    weight : array (k, channel)
        1 / variance; 0 where there is no measurement.
    step : float
        Median width of a channel, angstrom.
    narrow : float
        Standard deviation of the narrowest line, km/s.
    """

    wave: np.ndarray
    low: np.ndarray
    high: np.ndarray
    flux: np.ndarray
    weight: np.ndarray
    step: float
    narrow: float


class Shape(NamedTuple):
    """Redshift and width of lines.

    Attributes
    ----------
    redshift, error : float
        The redshift and its standard error.
    sigma : float
        Part of the standard deviation that is equal for all lines in angstrom.
    speed : float
        Part that is equal for all lines in km/s; both are added in quadrature.
    """

    redshift: float
    error: float
    sigma: float
    speed: float

    def widths(self, observed: np.ndarray) -> np.ndarray:
        """Return the standard deviations in angstrom of lines at observed wavelengths."""
        return np.hypot(self.sigma, self.speed / SPEED_OF_LIGHT * observed)


def check_spectra(spectra: Any, errors: Any, axis: Axis) -> tuple[np.ndarray, np.ndarray]:
    """Return spectra and errors (k, channel) as float64.

    Raises
    ------
    ValueError
        If shapes differ, or the axis is not of wavelengths.
    """
    if axis.kind != "wavelength":
        raise ValueError(f"emission lines need an axis of wavelengths; got one of kind {axis.kind}")
    spectra, errors = np.asarray(spectra, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    check_ndim("spectra", spectra, 2, "(k, channel)")
    check_same_shape("errors", errors.shape, spectra.shape, "spectra")
    check_same_shape("spectra", spectra.shape[1:], (len(axis),), "the axis")
    return spectra, errors


def observed_vacuum(values: np.ndarray, axis: Axis) -> np.ndarray:
    """Return positions on an axis as vacuum wavelengths in angstrom; unknown medium: air."""
    angstrom = values * (axis.to("angstrom").values[0] / axis.values[0])
    return angstrom if axis.medium == "vacuum" else vacuum_wavelengths(angstrom)


def on_axis(vacuum: np.ndarray, axis: Axis) -> np.ndarray:
    """Return vacuum wavelengths in angstrom as positions on an axis."""
    vacuum = np.asarray(vacuum, dtype=np.float64)
    angstrom = vacuum
    if axis.medium != "vacuum":
        air = air_wavelengths(np.maximum(vacuum, LEAST_AIR))
        angstrom = np.where(vacuum < LEAST_AIR, vacuum, air)
    return angstrom * (axis.values[0] / axis.to("angstrom").values[0])


def prepare(spectra: np.ndarray, errors: np.ndarray, axis: Axis) -> PreparedSpectra | None:
    """Subtract the continuum and raise errors to the scatter; None if there are too few channels.

    Assumes checked input, both (k, channel).
    """
    if len(axis) < LEAST_CHANNELS or not (axis.values > 0).all():
        return None
    order = np.argsort(axis.values)
    wave = observed_vacuum(axis.values[order], axis)
    low, high = (observed_vacuum(edge[order], axis) for edge in channel_edges(axis))
    step = float(np.median(high - low))
    narrow = max(NARROWEST, 0.6 * SPEED_OF_LIGHT * step / float(np.median(wave)))
    spectra, errors = spectra[:, order], errors[:, order]
    good = np.isfinite(spectra) & np.isfinite(errors) & (errors > 0)
    good &= good.sum(axis=1, keepdims=True) >= LEAST_CHANNELS
    weight = np.where(good, 1 / np.where(good, errors, 1.0) ** 2, 0.0)
    flux = np.where(good, spectra, 0.0)
    data = PreparedSpectra(wave, low, high, flux, weight, step, narrow)
    kernel = line_kernel(data, wave, narrow)
    for row in np.flatnonzero(good.any(axis=1)):
        _subtract_continuum(data, int(row), kernel)
    return data


def _subtract_continuum(data: PreparedSpectra, row: int, kernel: sparse.csr_array) -> None:
    """Subtract the continuum of one spectrum and raise its errors, in place."""
    flux, weight = data.flux[row], data.weight[row]
    good = weight > 0
    width = min(int(CONTINUUM / data.step), len(flux) // 2) // 2 * 2 + 1
    raw, keep = flux.copy(), good
    for _ in range(2):  # first with all channels, then without significant lines
        filled = np.interp(data.wave, data.wave[keep], raw[keep])
        level = running_median(filled, max(width, 15))
        flux[:] = np.where(good, raw - level, 0.0)
        rank = significance(*matched_filter(kernel, flux[None], weight[None]))[0]
        scale = scatter(rank, good)
        keep = good & (np.abs(rank) < LINE_LIKE * scale)
        if keep.sum() < LEAST_CHANNELS // 2:
            keep = good
    weight /= np.maximum(scale, 1.0) ** 2


def running_median(values: np.ndarray, size: int) -> np.ndarray:
    """Return the running median over an odd number of channels.

    At the ends the values are continued by point reflection about a median: with constant values
    a sloping continuum would leave steps that look like lines.
    """
    at = min(15, (len(values) - 1) // 4)
    extra = min(size // 2, len(values) - 2 * at - 1)
    left = 2 * np.median(values[: 2 * at + 1]) - values[2 * at + 1 : 2 * at + 1 + extra][::-1]
    back = values[::-1]
    right = 2 * np.median(back[: 2 * at + 1]) - back[2 * at + 1 : 2 * at + 1 + extra]
    whole = np.concatenate([left, values, right])
    return ndimage.median_filter(whole, size=size, mode="nearest")[extra : extra + len(values)]


def scatter(rank: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Return the scatter (channel,) of significances around each channel."""
    at = np.flatnonzero(good)
    size = min(SCATTER, len(at)) // 2 * 2 + 1
    own = ndimage.median_filter(np.abs(rank[at]), size=size, mode="reflect")
    return MAD_TO_SIGMA * np.interp(np.arange(len(rank)), at, own)


def line_kernel(data: PreparedSpectra, centers: np.ndarray, speed: float) -> sparse.csr_array:
    """Return lines (center, channel), each with sum 1, of one width in km/s.

    For the matched filter: Gaussians are evaluated at the channels, widened by the channel width,
    and not integrated.
    """
    sigma = centers * speed / SPEED_OF_LIGHT
    first = np.searchsorted(data.high, centers - NEAR * sigma)
    stop = np.searchsorted(data.low, centers + NEAR * sigma)
    counts = np.maximum(stop - first, 0)
    rows = np.repeat(np.arange(len(centers)), counts)
    starts = np.concatenate([[0], np.cumsum(counts)])
    columns = np.arange(starts[-1]) - starts[rows] + first[rows]
    width = data.high - data.low
    spread = np.sqrt(sigma[rows] ** 2 + width[columns] ** 2 / 12)
    values = np.exp(-0.5 * ((data.wave[columns] - centers[rows]) / spread) ** 2)
    values *= width[columns] / (np.sqrt(2 * np.pi) * spread)
    shape = (len(centers), len(data.wave))
    return sparse.csr_array((values, columns, starts), shape=shape)


def matched_filter(
    kernel: sparse.csr_array, flux: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return numerator and denominator (k, center) of the best-fitting flux at each centre."""
    squared = kernel.copy()
    squared.data = kernel.data**2
    return (kernel @ (weight * flux).T).T, (squared @ weight.T).T


def significance(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the flux divided by its standard error; 0 without measured channels."""
    return numerator / np.sqrt(np.where(denominator > 0, denominator, np.inf))


def line_columns(
    data: PreparedSpectra, use: np.ndarray, rest: np.ndarray, shape: Shape
) -> np.ndarray:
    """Return the lines (channel, line), each with sum 1, in the channels ``use``."""
    center = rest * (1 + shape.redshift)
    sigma = shape.widths(center)
    high = ndtr((data.high[use, None] - center) / sigma)
    return high - ndtr((data.low[use, None] - center) / sigma)


def near_lines(
    data: PreparedSpectra, row: int, centers: np.ndarray, half: np.ndarray
) -> np.ndarray:
    """Return a mask (channel,) of measured channels near one of the centres."""
    near = np.zeros(len(data.wave), dtype=bool)
    first = np.searchsorted(data.wave, centers - half)
    stop = np.searchsorted(data.wave, centers + half)
    for start, end in zip(first, stop, strict=True):
        near[start:end] = True
    return near & (data.weight[row] > 0)


def linear_continuum(use: np.ndarray, wave: np.ndarray) -> np.ndarray:
    """Return columns (used channel, 2 * run) of a straight line for every run of used channels.

    They correct the running median, which follows the continuum under a line only roughly.
    """
    at = np.flatnonzero(use)
    if not len(at):
        return np.zeros((0, 0))
    run = np.concatenate([[0], np.cumsum(np.diff(at) > 3)])
    own = run[:, None] == np.arange(run[-1] + 1)
    middle = (own * wave[at, None]).sum(axis=0) / own.sum(axis=0)
    slope = own * (wave[at, None] - middle)
    reach = np.abs(slope).max(axis=0)
    return np.hstack([own, slope[:, reach > 0] / reach[reach > 0]])


def refine(
    data: PreparedSpectra, row: int, rest: np.ndarray, start: Shape, most: float = 500.0
) -> Shape:
    """Fit a common redshift and width to detected lines with free fluxes.

    Parameters
    ----------
    data : PreparedSpectra
    row : int
        Index of the spectrum.
    rest : array (line,)
        Vacuum wavelengths of the lines at rest, angstrom.
    start : Shape
    most : float
        Largest change of the redshift, km/s.

    Returns
    -------
    Shape
        With the standard error of the redshift.
    """
    center = rest * (1 + start.redshift)
    use = near_lines(data, row, center, (most + REACH * 150.0) / SPEED_OF_LIGHT * center)
    root = np.sqrt(data.weight[row, use])
    base = linear_continuum(use, data.wave)
    goal = root * data.flux[row, use]

    def at(values: np.ndarray) -> Shape:
        z = start.redshift + (1 + start.redshift) * values[0] / SPEED_OF_LIGHT
        return Shape(z, 0.0, float(values[1]) * data.step, float(values[2]))

    def misfit(values: np.ndarray) -> np.ndarray:
        design = root[:, None] * np.hstack([line_columns(data, use, rest, at(values)), base])
        gram = design.T @ design
        gram[np.diag_indices_from(gram)] *= 1 + 1e-9
        return goal - design @ np.linalg.lstsq(gram, design.T @ goal, rcond=1e-12)[0]

    first = np.array([0.0, start.sigma / data.step, start.speed])
    bounds = ([-most, 0.4, 0.0], [most, 4.0, BROADEST])
    first = np.clip(
        first, *[np.array(each) + s * 1e-3 for each, s in zip(bounds, (1, -1), strict=True)]
    )
    solution = least_squares(
        misfit, first, bounds=bounds, x_scale=(30, 0.3, 50), max_nfev=15, xtol=1e-4
    )
    moved = solution.jac[:, :1]
    others = solution.jac[:, 1:]
    moved = moved - others @ np.linalg.lstsq(others, moved, rcond=1e-6)[0]
    spread = 1 / np.sqrt(max(float((moved**2).sum()), 1e-12))
    freedom = max(len(goal) - len(rest) - base.shape[1] - 3, 1)
    spread *= np.sqrt(max(1.0, 2 * solution.cost / freedom))
    error = (1 + start.redshift) * spread / SPEED_OF_LIGHT
    return at(solution.x)._replace(error=float(error))
