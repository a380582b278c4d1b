"""Mean spectra made ready for lines to be fitted, and fits of Gaussians at known places.

Inside, wavelengths are in vacuum and rise, in angstrom; a redshift then is one factor for all
lines. The errors are not believed below the scatter that is seen: what a line of the width of the
instrument would have as significance anywhere in the spectrum must scatter by 1, or else the
errors are raised. So the features of stars, sky residuals and correlated noise are no lines.
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

LEAST_CHANNELS = 30  # fewer are no spectrum with a continuum
CONTINUUM = 180.0  # angstrom over which the running median is taken
SCATTER = 300  # channels over which the scatter is taken
NARROWEST = 70.0  # km/s, standard deviation of a narrow line with an instrument such as MUSE
REACH = 5.0  # standard deviations to either side of a line that are fitted
NEAR = 4.0  # the same where lines are only looked for
LINE_LIKE = 4.0  # standard errors from which on a feature is left out of the continuum
BROADEST = 600.0  # km/s, standard deviation


class Prepared(NamedTuple):
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
        Usual width of a channel, angstrom.
    narrow : float
        Standard deviation in km/s that the narrowest line has.
    """

    wave: np.ndarray
    low: np.ndarray
    high: np.ndarray
    flux: np.ndarray
    weight: np.ndarray
    step: float
    narrow: float


class Shape(NamedTuple):
    """Where lines are and how broad they are, with what is known of it.

    Attributes
    ----------
    redshift, error : float
    sigma : float
        The part of the standard deviation that is the same in angstrom for all lines.
    speed : float
        The part that is the same in km/s for all lines.
    """

    redshift: float
    error: float
    sigma: float
    speed: float

    def widths(self, observed: np.ndarray) -> np.ndarray:
        """Return standard deviations in angstrom of lines at observed wavelengths."""
        return np.hypot(self.sigma, self.speed / SPEED_OF_LIGHT * observed)


def check_spectra(spectra: Any, errors: Any, axis: Axis) -> tuple[np.ndarray, np.ndarray]:
    """Return spectra and errors (k, channel) as float64.

    Raises
    ------
    ValueError
        If the shapes do not agree, or the axis is not of wavelengths.
    """
    if axis.kind != "wavelength":
        raise ValueError(f"emission lines need an axis of wavelengths; got one of {axis.kind}")
    spectra, errors = np.asarray(spectra, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    check_ndim("spectra", spectra, 2, "(k, channel)")
    check_same_shape("errors", errors.shape, spectra.shape, "spectra")
    check_same_shape("spectra", spectra.shape[1:], (len(axis),), "the axis")
    return spectra, errors


def observed_vacuum(values: np.ndarray, axis: Axis) -> np.ndarray:
    """Return positions on an axis as wavelengths in vacuum, angstrom; unknown medium is air."""
    angstrom = values * (axis.to("angstrom").values[0] / axis.values[0])
    return angstrom if axis.medium == "vacuum" else vacuum_wavelengths(angstrom)


def on_axis(vacuum: np.ndarray, axis: Axis) -> np.ndarray:
    """Return wavelengths in vacuum, angstrom, as positions on an axis."""
    vacuum = np.asarray(vacuum, dtype=np.float64)
    angstrom = vacuum
    if axis.medium != "vacuum":
        air = air_wavelengths(np.maximum(vacuum, LEAST_AIR))
        angstrom = np.where(vacuum < LEAST_AIR, vacuum, air)
    return angstrom * (axis.values[0] / axis.to("angstrom").values[0])


def prepare(spectra: np.ndarray, errors: np.ndarray, axis: Axis) -> Prepared | None:
    """Take the continuum away and raise errors to what is seen; None if too little is there.

    Assumes checked input, (k, channel) both.
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
    ready = Prepared(wave, low, high, flux, weight, step, narrow)
    kernel = line_kernel(ready, wave, narrow)
    for row in np.flatnonzero(good.any(axis=1)):
        _flatten(ready, int(row), kernel)
    return ready


def _flatten(ready: Prepared, row: int, kernel: sparse.csr_array) -> None:
    """Take the continuum of one spectrum away, in place, and raise its errors."""
    flux, weight = ready.flux[row], ready.weight[row]
    good = weight > 0
    width = min(int(CONTINUUM / ready.step), len(flux) // 2) // 2 * 2 + 1
    raw, keep = flux.copy(), good
    for _ in range(2):  # once with the lines, once without those that were seen
        filled = np.interp(ready.wave, ready.wave[keep], raw[keep])
        level = _running_median(filled, max(width, 15))
        flux[:] = np.where(good, raw - level, 0.0)
        seen = significance(*matched(kernel, flux[None], weight[None]))[0]
        scale = _scatter(seen, good)
        keep = good & (np.abs(seen) < LINE_LIKE * scale)
        if keep.sum() < LEAST_CHANNELS // 2:
            keep = good
    weight /= np.maximum(scale, 1.0) ** 2


def _running_median(values: np.ndarray, size: int) -> np.ndarray:
    """Return the running median over an odd number of channels.

    At the ends it goes on by point reflection, about a median that noise hardly moves: with
    values repeated there a sloping continuum would leave steps that look like lines.
    """
    at = min(15, (len(values) - 1) // 4)
    more = min(size // 2, len(values) - 2 * at - 1)
    left = 2 * np.median(values[: 2 * at + 1]) - values[2 * at + 1 : 2 * at + 1 + more][::-1]
    back = values[::-1]
    right = 2 * np.median(back[: 2 * at + 1]) - back[2 * at + 1 : 2 * at + 1 + more]
    whole = np.concatenate([left, values, right])
    return ndimage.median_filter(whole, size=size, mode="nearest")[more : more + len(values)]


def _scatter(seen: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Return the scatter (channel,) of significances around each channel."""
    at = np.flatnonzero(good)
    size = min(SCATTER, len(at)) // 2 * 2 + 1
    own = ndimage.median_filter(np.abs(seen[at]), size=size, mode="reflect")
    return MAD_TO_SIGMA * np.interp(np.arange(len(seen)), at, own)


def line_kernel(ready: Prepared, centers: np.ndarray, speed: float) -> sparse.csr_array:
    """Return lines (center, channel), each of sum 1, of one width in km/s.

    Only for looking, so a channel widens a line by its variance and is not integrated over.
    """
    sigma = centers * speed / SPEED_OF_LIGHT
    first = np.searchsorted(ready.high, centers - NEAR * sigma)
    stop = np.searchsorted(ready.low, centers + NEAR * sigma)
    counts = np.maximum(stop - first, 0)
    rows = np.repeat(np.arange(len(centers)), counts)
    starts = np.concatenate([[0], np.cumsum(counts)])
    columns = np.arange(starts[-1]) - starts[rows] + first[rows]
    width = ready.high - ready.low
    spread = np.sqrt(sigma[rows] ** 2 + width[columns] ** 2 / 12)
    values = np.exp(-0.5 * ((ready.wave[columns] - centers[rows]) / spread) ** 2)
    values *= width[columns] / (np.sqrt(2 * np.pi) * spread)
    shape = (len(centers), len(ready.wave))
    return sparse.csr_array((values, columns, starts), shape=shape)


def matched(
    kernel: sparse.csr_array, flux: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return numerator and denominator (k, center) of the best flux of a line at each centre."""
    squared = kernel.copy()
    squared.data = kernel.data**2
    return (kernel @ (weight * flux).T).T, (squared @ weight.T).T


def significance(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return flux over its standard error, 0 where nothing is measured."""
    return numerator / np.sqrt(np.where(denominator > 0, denominator, np.inf))


def columns_of(ready: Prepared, use: np.ndarray, rest: np.ndarray, shape: Shape) -> np.ndarray:
    """Return the lines (channel, line), each of sum 1, in the channels ``use``."""
    center = rest * (1 + shape.redshift)
    sigma = shape.widths(center)
    high = ndtr((ready.high[use, None] - center) / sigma)
    return high - ndtr((ready.low[use, None] - center) / sigma)


def windows(ready: Prepared, row: int, centers: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Return which measured channels (channel,), bool, are near one of the centres."""
    near = np.zeros(len(ready.wave), dtype=bool)
    first = np.searchsorted(ready.wave, centers - half)
    stop = np.searchsorted(ready.wave, centers + half)
    for start, end in zip(first, stop, strict=True):
        near[start:end] = True
    return near & (ready.weight[row] > 0)


def local_levels(use: np.ndarray, wave: np.ndarray) -> np.ndarray:
    """Return a straight line (used channel, 2 * run) for every run of used channels.

    The running median follows the continuum under a line only roughly.
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


def refine(ready: Prepared, row: int, rest: np.ndarray, start: Shape, most: float = 500.0) -> Shape:
    """Fit a common redshift and width to lines that are there; fluxes are free.

    Parameters
    ----------
    ready : Prepared
    row : int
        Which spectrum.
    rest : array (line,)
        Wavelengths in vacuum of the lines.
    start : Shape
    most : float
        How far, in km/s, the redshift may go.

    Returns
    -------
    Shape
        With the standard error of the redshift.
    """
    center = rest * (1 + start.redshift)
    use = windows(ready, row, center, (most + REACH * 150.0) / SPEED_OF_LIGHT * center)
    root = np.sqrt(ready.weight[row, use])
    base = local_levels(use, ready.wave)
    goal = root * ready.flux[row, use]

    def at(values: np.ndarray) -> Shape:
        z = start.redshift + (1 + start.redshift) * values[0] / SPEED_OF_LIGHT
        return Shape(z, 0.0, float(values[1]) * ready.step, float(values[2]))

    def misfit(values: np.ndarray) -> np.ndarray:
        design = root[:, None] * np.hstack([columns_of(ready, use, rest, at(values)), base])
        gram = design.T @ design
        gram[np.diag_indices_from(gram)] *= 1 + 1e-9
        return goal - design @ np.linalg.lstsq(gram, design.T @ goal, rcond=1e-12)[0]

    first = np.array([0.0, start.sigma / ready.step, start.speed])
    bounds = ([-most, 0.4, 0.0], [most, 4.0, BROADEST])
    first = np.clip(
        first, *[np.array(each) + s * 1e-3 for each, s in zip(bounds, (1, -1), strict=True)]
    )
    found = least_squares(
        misfit, first, bounds=bounds, x_scale=(30, 0.3, 50), max_nfev=15, xtol=1e-4
    )
    moved = found.jac[:, :1]
    others = found.jac[:, 1:]
    moved = moved - others @ np.linalg.lstsq(others, moved, rcond=1e-6)[0]
    spread = 1 / np.sqrt(max(float((moved**2).sum()), 1e-12))
    freedom = max(len(goal) - len(rest) - base.shape[1] - 3, 1)
    spread *= np.sqrt(max(1.0, 2 * found.cost / freedom))
    error = (1 + start.redshift) * spread / SPEED_OF_LIGHT
    return at(found.x)._replace(error=float(error))
