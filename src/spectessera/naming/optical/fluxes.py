"""Fluxes of all lines of the table at a known redshift, and peaks that are not in the table.

The lines of the gas share a redshift and a width, and so do those of stars; fluxes and linear
pieces of continuum are fitted together by least squares. A line is detected if its flux has five
standard errors and its own peak is at the expected position, independent of other lines.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera._util.constants import FWHM, SPEED_OF_LIGHT
from spectessera.optical.linefits import (
    REACH,
    PreparedSpectra,
    Shape,
    line_columns,
    line_kernel,
    linear_continuum,
    matched_filter,
    near_lines,
    significance,
)
from spectessera.optical.linetable import EMISSION, SKY, STELLAR, OpticalLine, rest_vacuum
from spectessera.optical.redshift import SIGNIFICANT, WIDTHS, first_shape, shape_near

BLENDED = 0.9  # full widths; closer lines of one ion are fitted as one
COINCIDENT = 1.2  # full widths; closer lines of the sky and of the object are not separated
STRAY = 0.7  # largest displacement of a peak, in standard deviations of the line, beyond its error
STELLAR_WIDTHS = (100.0, 200.0, 320.0)  # km/s
STELLAR_SPEEDS = np.arange(-500.0, 501.0, 50.0)  # km/s
# A blind search has thousands of trials, hence a higher threshold.
BLIND_SIGNIFICANCE = 6.0  # standard errors
FAINT = 3.0  # standard errors from which a line of the table explains a peak at its position
# A profile that is not Gaussian leaves residuals of a few percent beside the line.
WINGS = 300.0  # km/s beyond the fitted range of a line, with possible residuals
RESIDUAL = 0.04  # largest significance of residuals over that of the line


class LineBlend(NamedTuple):
    """One line, or several lines of an ion that are fitted as one.

    Attributes
    ----------
    name, ion : str
    kind : str
        "gas", "stars" or "sky".
    rest : tuple of float
        Vacuum wavelengths at rest, angstrom; the flux is shared equally.
    """

    name: str
    ion: str
    kind: str
    rest: tuple[float, ...]


class LineFluxes(NamedTuple):
    """The measured fluxes and positions of line blends.

    Attributes
    ----------
    blends : tuple of LineBlend
    center, sigma : array (blend,)
        Expected positions and widths, in vacuum, angstrom.
    flux, error : array (blend,)
        Sums over the channels.
    shift, shift_error : array (blend,)
        Shift of the peak from the expected position, angstrom; NaN if not significant.
    profiles : array (channel, blend)
        The fitted lines.
    """

    blends: tuple[LineBlend, ...]
    center: np.ndarray
    sigma: np.ndarray
    flux: np.ndarray
    error: np.ndarray
    shift: np.ndarray
    shift_error: np.ndarray
    profiles: np.ndarray

    @property
    def significance(self) -> np.ndarray:
        """Flux divided by its standard error, (blend,)."""
        return self.flux / self.error


class BlindPeak(NamedTuple):
    """A peak of the blind search; wavelengths in vacuum, angstrom."""

    center: float
    error: float
    sigma: float
    flux: float
    significance: float


def gas_shape(data: PreparedSpectra, redshift: float) -> tuple[Shape, bool]:
    """Return the shape of lines near a redshift, and whether it was fitted to strong lines."""
    shape = shape_near(data, 0, redshift)
    return (first_shape(data, redshift), False) if shape is None else (shape, True)


def measure(data: PreparedSpectra, shape: Shape, redshift: float | None) -> LineFluxes:
    """Fit all lines on the axis to the first spectrum.

    Without a redshift only those of the night sky. Assumes that channels are measured.
    """
    sky = Shape(0.0, 0.0, first_shape(data, 0.0).sigma, 0.0)
    gas = _blends(EMISSION, "gas", shape) if redshift is not None else []
    emission = [(each, shape) for each in gas]
    absorption = _blends(STELLAR, "stars", shape) if redshift is not None else []
    own = emission + [(each, shape) for each in absorption]
    emission += [(each, sky) for each in _blends(SKY, "sky", sky) if not _near(each, sky, own)]
    without_stars = _solve(data, _on_axis(data, emission))
    if redshift is None:
        return without_stars
    detected = np.abs(without_stars.significance) >= SIGNIFICANT
    names = _names(without_stars, detected)
    strong = [(e, s) for e, s in _on_axis(data, emission) if e.name in names]
    stars = _stellar_shape(data, without_stars, absorption, shape)
    items = [*emission, *((each, stars) for each in absorption if not _near(each, stars, strong))]
    return _solve(data, _on_axis(data, items))


def _names(fluxes: LineFluxes, which: np.ndarray) -> set[str]:
    return {blend.name for blend, yes in zip(fluxes.blends, which, strict=True) if yes}


def _blends(lines: tuple[OpticalLine, ...], kind: str, shape: Shape) -> list[LineBlend]:
    """Return the lines as blends; lines of one ion that are not resolved are one blend."""
    rest = rest_vacuum(lines)
    width = FWHM * shape.widths(rest * (1 + shape.redshift)) / (1 + shape.redshift)
    blends: list[LineBlend] = []
    for line, place, own in zip(lines, rest.tolist(), width.tolist(), strict=True):
        last = blends[-1] if blends else None
        if last and last.ion == line.ion and place - last.rest[-1] < BLENDED * own:
            name = f"{last.name}+{line.name.split()[-1]}"
            blends[-1] = LineBlend(name, line.ion, kind, (*last.rest, place))
        else:
            blends.append(LineBlend(line.name, line.ion, kind, (place,)))
    return blends


def _center(blend: LineBlend, shape: Shape) -> float:
    return float(np.mean(blend.rest)) * (1 + shape.redshift)


def _near(blend: LineBlend, shape: Shape, others: list[tuple[LineBlend, Shape]]) -> bool:
    """Return whether a blend coincides with one of the others."""
    place = _center(blend, shape)
    width = COINCIDENT * FWHM * float(shape.widths(np.array(place)))
    return any(abs(place - _center(one, own)) < width for one, own in others)


def _on_axis(
    data: PreparedSpectra, items: list[tuple[LineBlend, Shape]]
) -> list[tuple[LineBlend, Shape]]:
    """Return the blends with mostly measured channels, in the order of their positions."""
    measured = []
    for blend, shape in items:
        place = _center(blend, shape)
        sigma = float(shape.widths(np.array(place)))
        use = near_lines(data, 0, np.array([place]), np.array([2 * sigma + data.step]))
        wanted = (4 * sigma + 2 * data.step) / data.step
        inside = data.wave[0] + sigma < place < data.wave[-1] - sigma
        if inside and use.sum() >= max(3, 0.7 * wanted - 1):
            measured.append((blend, shape))
    return sorted(measured, key=lambda each: _center(*each))


def _design(
    data: PreparedSpectra, use: np.ndarray, items: list[tuple[LineBlend, Shape]]
) -> np.ndarray:
    """Return the profiles (used channel, blend), each with sum 1 on an infinite axis."""
    columns = [
        line_columns(data, use, np.array(blend.rest), shape).mean(axis=1) for blend, shape in items
    ]
    return np.array(columns).reshape(len(items), int(use.sum())).T


def _solve(data: PreparedSpectra, items: list[tuple[LineBlend, Shape]]) -> LineFluxes:
    """Fit all blends and the pieces of continuum together."""
    center = np.array([_center(*each) for each in items])
    sigma = np.array([shape.widths(at) for (_, shape), at in zip(items, center, strict=True)])
    use = near_lines(data, 0, center, REACH * sigma + 6 * data.step)
    root = np.sqrt(data.weight[0, use])
    lines, base = _design(data, use, items), linear_continuum(use, data.wave)
    value, covariance = _least_squares(root, np.hstack([lines, base]), data.flux[0, use])
    number = len(items)
    residuals = root * (data.flux[0, use] - np.hstack([lines, base]) @ value)
    flux, error = value[:number], np.sqrt(np.diag(covariance)[:number])
    error = error * _misfit(data.wave[use], residuals, center, sigma)
    detected = np.abs(flux) >= SIGNIFICANT * error
    shift, shift_error = np.full((2, number), np.nan)
    if detected.any():
        rest = [np.mean(blend.rest) for blend, _ in items]
        nudged = [(e, s._replace(redshift=s.redshift + 1e-6)) for e, s in items]
        slope = (_design(data, use, nudged) - lines) / (1e-6 * np.array(rest))
        slope = slope[:, detected] * flux[detected]
        extended = np.hstack([lines, base, slope])
        shifted, spread = _least_squares(root, extended, data.flux[0, use])
        count = int(detected.sum())
        shift[detected] = shifted[-count:]
        shift_error[detected] = np.sqrt(np.diag(spread)[-count:])
    profiles = np.zeros((len(data.wave), number))
    profiles[use] = lines * flux
    blends = tuple(blend for blend, _ in items)
    return LineFluxes(blends, center, sigma, flux, error, shift, shift_error, profiles)


def _least_squares(
    root: np.ndarray, design: np.ndarray, flux: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the solution and its covariance; degenerate columns are regularised."""
    weighted = root[:, None] * design
    size = np.linalg.norm(weighted, axis=0)
    size = np.where(size > 0, size, 1.0)
    gram = (weighted / size).T @ (weighted / size)
    gram[np.diag_indices_from(gram)] += 1e-10
    inverse = np.linalg.inv(gram) / size[:, None] / size
    return inverse @ (weighted.T @ (root * flux)), inverse


def _misfit(
    wave: np.ndarray, residuals: np.ndarray, center: np.ndarray, sigma: np.ndarray
) -> np.ndarray:
    """Return the factor (blend,) by which the residuals around each line exceed their errors."""
    factor = np.ones(len(center))
    for at, (place, width) in enumerate(zip(center, sigma, strict=True)):
        own = residuals[np.abs(wave - place) < REACH * width]
        if len(own) > 4:
            factor[at] = max(1.0, float(np.sqrt((own**2).sum() / (len(own) - 3))))
    return factor


def _stellar_shape(
    data: PreparedSpectra, gas: LineFluxes, absorption: list[LineBlend], shape: Shape
) -> Shape:
    """Return the speed and the width at which absorption lines lower chi squared most."""
    rest = np.array([place for blend in absorption for place in blend.rest])
    detected = np.abs(gas.significance) >= SIGNIFICANT
    left = data.flux[:1] - gas.profiles[:, detected].sum(axis=1)
    best, stars = 0.0, shape
    for width in STELLAR_WIDTHS:
        speed = max(width, data.narrow)
        place = rest * (1 + shape.redshift) * (1 + STELLAR_SPEEDS[:, None] / SPEED_OF_LIGHT)
        kernel = line_kernel(data, place.ravel(), speed)
        own = significance(*matched_filter(kernel, left, data.weight[:1]))[0].reshape(place.shape)
        gain = (np.minimum(own + 2.0, 0.0) ** 2).sum(axis=1)
        at = int(gain.argmax())
        if gain[at] > best:
            best = float(gain[at])
            z = (1 + shape.redshift) * (1 + STELLAR_SPEEDS[at] / SPEED_OF_LIGHT) - 1
            stars = Shape(float(z), 0.0, 0.0, speed)
    return stars


def identified_lines(fluxes: LineFluxes) -> np.ndarray:
    """Return a mask (blend,) of lines that are detected with the expected sign and position.

    Gas emits, only hydrogen and stars absorb; residuals of the sky have either sign.
    """
    allowed = {"gas": "+", "stars": "-", "sky": "+-"}
    signs = [allowed[e.kind] + ("-" if e.ion == "H" else "") for e in fluxes.blends]
    rising = np.array(["+" in sign for sign in signs], dtype=bool)
    falling = np.array(["-" in sign for sign in signs], dtype=bool)
    strength = fluxes.significance
    detected = np.where(strength > 0, rising, falling) & (np.abs(strength) >= SIGNIFICANT)
    with np.errstate(invalid="ignore"):
        near = np.abs(fluxes.shift) <= STRAY * fluxes.sigma + 2 * fluxes.shift_error
    return detected & near


def blind_peaks(
    data: PreparedSpectra, fluxes: LineFluxes, identified: np.ndarray
) -> list[BlindPeak]:
    """Return the peaks of the first spectrum that no identified line explains, by position."""
    left = data.flux[:1] - fluxes.profiles[:, identified].sum(axis=1)
    best = np.zeros(len(data.wave))
    which = np.zeros((3, len(best)))
    for factor in WIDTHS:
        speed = factor * data.narrow
        top, bottom = matched_filter(line_kernel(data, data.wave, speed), left, data.weight[:1])
        own = significance(top, bottom)[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            rows = np.array([np.full(len(best), speed), top[0] / bottom[0], own])
        better = np.abs(own) > np.abs(best)
        best, which = np.where(better, own, best), np.where(better, rows, which)
    peaks: list[BlindPeak] = []
    for at in np.argsort(-np.abs(best), kind="stable"):
        if np.abs(best[at]) < BLIND_SIGNIFICANCE:
            break
        place = float(data.wave[at])
        sigma = place * which[0, at] / SPEED_OF_LIGHT
        if not data.wave[0] + 2 * sigma < place < data.wave[-1] - 2 * sigma:
            continue  # the continuum is uncertain at the ends
        resolved = [abs(place - each.center) > 3 * (sigma + each.sigma) for each in peaks]
        if all(resolved) and not _is_residual(place, best[at], fluxes, identified):
            error = sigma / abs(float(best[at]))
            peaks.append(BlindPeak(place, error, sigma, float(which[1, at]), float(best[at])))
    return sorted(peaks)


def _is_residual(place: float, strength: float, fluxes: LineFluxes, identified: np.ndarray) -> bool:
    """Return whether a peak is a residual of an identified line, or a faint line of the table."""
    half = REACH * fluxes.sigma + WINGS / SPEED_OF_LIGHT * fluxes.center
    near = identified & (np.abs(fluxes.center - place) < half)
    inner = near & (np.abs(fluxes.center - place) < 2.5 * fluxes.sigma)
    strength_here = np.sign(strength) * fluxes.significance
    # A line at its expected position, slightly too faint to be identified.
    faint = (strength_here >= FAINT) & (strength_here < SIGNIFICANT + 1)
    inner |= faint & (np.abs(fluxes.center - place) < fluxes.sigma)
    limit = np.abs(fluxes.significance[near]).max(initial=0.0)
    return bool(inner.any() or abs(strength) < RESIDUAL * limit)
