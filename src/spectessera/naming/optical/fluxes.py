"""Fluxes of all lines of the table at a known redshift, and the peaks that are none of them.

All lines of the gas share a redshift and a width, those of stars another; fluxes and straight
pieces of continuum are fitted at once, by least squares. A line counts as seen with five standard
errors and its own peak where it ought to be, never because others are there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera._util.constants import FWHM, SPEED_OF_LIGHT

from .linefits import (
    REACH,
    Prepared,
    Shape,
    columns_of,
    line_kernel,
    local_levels,
    matched,
    significance,
    windows,
)
from .linetable import EMISSION, SKY, STELLAR, OpticalLine, rest_vacuum
from .redshift import SIGNIFICANT, WIDTHS, first_shape, shape_near

BLENDED = 0.9  # full widths within which lines of one ion are fitted as one
SAME_PLACE = 1.2  # full widths within which a line of the sky cannot be told from another
STRAY = 0.7  # standard deviations that a peak may lie beside its place, beyond its error
STELLAR_WIDTHS = (100.0, 200.0, 320.0)  # km/s
STELLAR_SPEEDS = np.arange(-500.0, 501.0, 50.0)  # km/s
# Peaks that nobody asked for are looked for at thousands of places.
BLIND = 6.0  # standard errors
FAINT = 3.0  # from which on a line of the table is no unexplained peak, but not claimed either
# A profile that is no Gaussian leaves residuals of a few percent of the line beside it.
WINGS = 300.0  # km/s beyond the line where nothing else is looked for
LEFT_OVER = 0.04  # of the significance of a line near by


class Entry(NamedTuple):
    """Lines that are fitted as one.

    Attributes
    ----------
    name, ion : str
    kind : str
        "gas", "stars" or "sky".
    rest : tuple of float
        Wavelengths in vacuum at rest, angstrom; they share the flux alike.
    """

    name: str
    ion: str
    kind: str
    rest: tuple[float, ...]


class Measured(NamedTuple):
    """What was measured of the entries.

    Attributes
    ----------
    entries : tuple of Entry
    center, sigma : array (entry,)
        Where they are expected and how broad, in vacuum, angstrom.
    flux, error : array (entry,)
        Summed over channels.
    shift, shift_error : array (entry,)
        Of its own peak from where it is expected, angstrom; NaN for lines that are not seen.
    profiles : array (channel, entry)
        Of the lines, as they are fitted.
    """

    entries: tuple[Entry, ...]
    center: np.ndarray
    sigma: np.ndarray
    flux: np.ndarray
    error: np.ndarray
    shift: np.ndarray
    shift_error: np.ndarray
    profiles: np.ndarray

    @property
    def significance(self) -> np.ndarray:
        """Flux over its standard error, (entry,)."""
        return self.flux / self.error


class Blind(NamedTuple):
    """A peak that was found without being looked for; wavelengths in vacuum, angstrom."""

    center: float
    error: float
    sigma: float
    flux: float
    significance: float


def gas_shape(ready: Prepared, redshift: float) -> tuple[Shape, bool]:
    """Return the shape of lines near a redshift, and whether any strong line told it."""
    found = shape_near(ready, 0, redshift)
    return (first_shape(ready, redshift), False) if found is None else (found, True)


def measure(ready: Prepared, shape: Shape, redshift: float | None) -> Measured:
    """Fit all lines that are on the axis to the first spectrum.

    Without a redshift only those of the night sky. Assumes that the spectrum has channels.
    """
    sky = Shape(0.0, 0.0, first_shape(ready, 0.0).sigma, 0.0)
    gas = _entries(EMISSION, "gas", shape) if redshift is not None else []
    lit = [(each, shape) for each in gas]
    dark = _entries(STELLAR, "stars", shape) if redshift is not None else []
    own = lit + [(each, shape) for each in dark]
    lit += [(each, sky) for each in _entries(SKY, "sky", sky) if not _near(each, sky, own)]
    plain = _solve(ready, _on_axis(ready, lit))
    if redshift is None:
        return plain
    seen = np.abs(plain.significance) >= SIGNIFICANT
    strong = [(e, s) for e, s in _on_axis(ready, lit) if e.name in _names(plain, seen)]
    stars = _stellar_shape(ready, plain, dark, shape)
    both = [*lit, *((each, stars) for each in dark if not _near(each, stars, strong))]
    return _solve(ready, _on_axis(ready, both))


def _names(found: Measured, which: np.ndarray) -> set[str]:
    return {entry.name for entry, yes in zip(found.entries, which, strict=True) if yes}


def _entries(lines: tuple[OpticalLine, ...], kind: str, shape: Shape) -> list[Entry]:
    """Return the lines, those of one ion that this shape does not part as one entry."""
    rest = rest_vacuum(lines)
    width = FWHM * shape.widths(rest * (1 + shape.redshift)) / (1 + shape.redshift)
    found: list[Entry] = []
    for line, place, own in zip(lines, rest.tolist(), width.tolist(), strict=True):
        last = found[-1] if found else None
        if last and last.ion == line.ion and place - last.rest[-1] < BLENDED * own:
            name = f"{last.name}+{line.name.split()[-1]}"
            found[-1] = Entry(name, line.ion, kind, (*last.rest, place))
        else:
            found.append(Entry(line.name, line.ion, kind, (place,)))
    return found


def _center(entry: Entry, shape: Shape) -> float:
    return float(np.mean(entry.rest)) * (1 + shape.redshift)


def _near(entry: Entry, shape: Shape, others: list[tuple[Entry, Shape]]) -> bool:
    """Tell whether an entry cannot be told from one of the others."""
    place = _center(entry, shape)
    width = SAME_PLACE * FWHM * float(shape.widths(np.array(place)))
    return any(abs(place - _center(one, own)) < width for one, own in others)


def _on_axis(ready: Prepared, both: list[tuple[Entry, Shape]]) -> list[tuple[Entry, Shape]]:
    """Return the entries of which most is measured, by their place."""
    kept = []
    for entry, shape in both:
        place = _center(entry, shape)
        sigma = float(shape.widths(np.array(place)))
        use = windows(ready, 0, np.array([place]), np.array([2 * sigma + ready.step]))
        wanted = (4 * sigma + 2 * ready.step) / ready.step
        inside = ready.wave[0] + sigma < place < ready.wave[-1] - sigma
        if inside and use.sum() >= max(3, 0.7 * wanted - 1):
            kept.append((entry, shape))
    return sorted(kept, key=lambda each: _center(*each))


def _design(ready: Prepared, use: np.ndarray, both: list[tuple[Entry, Shape]]) -> np.ndarray:
    """Return the entries (used channel, entry), each of sum 1 on an endless axis."""
    columns = [
        columns_of(ready, use, np.array(entry.rest), shape).mean(axis=1) for entry, shape in both
    ]
    return np.array(columns).reshape(len(both), int(use.sum())).T


def _solve(ready: Prepared, both: list[tuple[Entry, Shape]]) -> Measured:
    """Fit all entries and the pieces of continuum at once."""
    center = np.array([_center(*each) for each in both])
    sigma = np.array([shape.widths(at) for (_, shape), at in zip(both, center, strict=True)])
    use = windows(ready, 0, center, REACH * sigma + 6 * ready.step)
    root = np.sqrt(ready.weight[0, use])
    lines, base = _design(ready, use, both), local_levels(use, ready.wave)
    value, covariance = _least_squares(root, np.hstack([lines, base]), ready.flux[0, use])
    many = len(both)
    left = root * (ready.flux[0, use] - np.hstack([lines, base]) @ value)
    flux, error = value[:many], np.sqrt(np.diag(covariance)[:many])
    error = error * _misfit(ready.wave[use], left, center, sigma)
    seen = np.abs(flux) >= SIGNIFICANT * error
    shift, shift_error = np.full((2, many), np.nan)
    if seen.any():
        rest = [np.mean(entry.rest) for entry, _ in both]
        nudged = [(e, s._replace(redshift=s.redshift + 1e-6)) for e, s in both]
        slope = (_design(ready, use, nudged) - lines) / (1e-6 * np.array(rest))
        slope = slope[:, seen] * flux[seen]
        wider = np.hstack([lines, base, slope])
        moved, spread = _least_squares(root, wider, ready.flux[0, use])
        count = int(seen.sum())
        shift[seen] = moved[-count:]
        shift_error[seen] = np.sqrt(np.diag(spread)[-count:])
    profiles = np.zeros((len(ready.wave), many))
    profiles[use] = lines * flux
    entries = tuple(entry for entry, _ in both)
    return Measured(entries, center, sigma, flux, error, shift, shift_error, profiles)


def _least_squares(
    root: np.ndarray, design: np.ndarray, flux: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the solution and its covariance; columns that the data do not tell get no weight."""
    weighted = root[:, None] * design
    size = np.linalg.norm(weighted, axis=0)
    size = np.where(size > 0, size, 1.0)
    gram = (weighted / size).T @ (weighted / size)
    gram[np.diag_indices_from(gram)] += 1e-10
    inverse = np.linalg.inv(gram) / size[:, None] / size
    return inverse @ (weighted.T @ (root * flux)), inverse


def _misfit(
    wave: np.ndarray, left: np.ndarray, center: np.ndarray, sigma: np.ndarray
) -> np.ndarray:
    """Return by how much the scatter of the residuals around each line exceeds its error."""
    factor = np.ones(len(center))
    for at, (place, width) in enumerate(zip(center, sigma, strict=True)):
        own = left[np.abs(wave - place) < REACH * width]
        if len(own) > 4:
            factor[at] = max(1.0, float(np.sqrt((own**2).sum() / (len(own) - 3))))
    return factor


def _stellar_shape(ready: Prepared, gas: Measured, dark: list[Entry], shape: Shape) -> Shape:
    """Return the speed and the width at which lines of stars take most off chi squared."""
    rest = np.array([place for entry in dark for place in entry.rest])
    seen = np.abs(gas.significance) >= SIGNIFICANT
    left = ready.flux[:1] - gas.profiles[:, seen].sum(axis=1)
    best, found = 0.0, shape
    for width in STELLAR_WIDTHS:
        speed = max(width, ready.narrow)
        place = rest * (1 + shape.redshift) * (1 + STELLAR_SPEEDS[:, None] / SPEED_OF_LIGHT)
        kernel = line_kernel(ready, place.ravel(), speed)
        own = significance(*matched(kernel, left, ready.weight[:1]))[0].reshape(place.shape)
        gain = (np.minimum(own + 2.0, 0.0) ** 2).sum(axis=1)
        at = int(gain.argmax())
        if gain[at] > best:
            best = float(gain[at])
            z = (1 + shape.redshift) * (1 + STELLAR_SPEEDS[at] / SPEED_OF_LIGHT) - 1
            found = Shape(float(z), 0.0, 0.0, speed)
    return found


def in_place(found: Measured) -> np.ndarray:
    """Return which lines (entry,), bool, are seen, with the sign and the place that they ought to.

    Gas shines, only hydrogen and stars absorb; what the sky leaves may have any sign.
    """
    allowed = {"gas": "+", "stars": "-", "sky": "+-"}
    signs = [allowed[e.kind] + ("-" if e.ion == "H" else "") for e in found.entries]
    rising = np.array(["+" in sign for sign in signs], dtype=bool)
    falling = np.array(["-" in sign for sign in signs], dtype=bool)
    strength = found.significance
    seen = np.where(strength > 0, rising, falling) & (np.abs(strength) >= SIGNIFICANT)
    with np.errstate(invalid="ignore"):
        near = np.abs(found.shift) <= STRAY * found.sigma + 2 * found.shift_error
    return seen & near


def blind_peaks(ready: Prepared, found: Measured, claimed: np.ndarray) -> list[Blind]:
    """Return peaks of the first spectrum that no claimed line explains, by their place."""
    left = ready.flux[:1] - found.profiles[:, claimed].sum(axis=1)
    best = np.zeros(len(ready.wave))
    which = np.zeros((3, len(best)))
    for factor in WIDTHS:
        speed = factor * ready.narrow
        top, bottom = matched(line_kernel(ready, ready.wave, speed), left, ready.weight[:1])
        own = significance(top, bottom)[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            rows = np.array([np.full(len(best), speed), top[0] / bottom[0], own])
        better = np.abs(own) > np.abs(best)
        best, which = np.where(better, own, best), np.where(better, rows, which)
    peaks: list[Blind] = []
    for at in np.argsort(-np.abs(best), kind="stable"):
        if np.abs(best[at]) < BLIND:
            break
        place = float(ready.wave[at])
        sigma = place * which[0, at] / SPEED_OF_LIGHT
        if not ready.wave[0] + 2 * sigma < place < ready.wave[-1] - 2 * sigma:
            continue  # the continuum is guessed at the ends
        apart = [abs(place - each.center) > 3 * (sigma + each.sigma) for each in peaks]
        if all(apart) and not _beside(place, best[at], found, claimed):
            error = sigma / abs(float(best[at]))
            peaks.append(Blind(place, error, sigma, float(which[1, at]), float(best[at])))
    return sorted(peaks)


def _beside(place: float, strength: float, found: Measured, claimed: np.ndarray) -> bool:
    """Tell whether a peak is what a claimed line leaves beside itself."""
    half = REACH * found.sigma + WINGS / SPEED_OF_LIGHT * found.center
    near = claimed & (np.abs(found.center - place) < half)
    inner = near & (np.abs(found.center - place) < 2.5 * found.sigma)
    strength_here = np.sign(strength) * found.significance
    # Where it ought to be, only a little too faint for a claim.
    faint = (strength_here >= FAINT) & (strength_here < SIGNIFICANT + 1)
    inner |= faint & (np.abs(found.center - place) < found.sigma)
    limit = np.abs(found.significance[near]).max(initial=0.0)
    return bool(inner.any() or abs(strength) < LEFT_OVER * limit)
