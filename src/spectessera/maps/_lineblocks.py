"""The maps of lines of one block of a cube, with the pixels around it.

Pixels with lines are fitted alone. The kinematics of a fainter pixel are those of the sum of its
neighbours in the same cluster, in the smallest square in which these have lines together; the
pixel itself is left out, so that its own spectrum can say whether they hold for it. Its fluxes are
its own, at these kinematics.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.constants import SPEED_OF_LIGHT
from spectessera.cube import Block, to_spectra

from ._gasmaps import gas_class, log_ratios, ratio_names
from ._kinematics import BROADEST, Kinematics, fit_kinematics, state_at, without_lines
from ._linefluxes import Fluxes, fluxes
from ._linemodel import Kept
from ._lineplan import Setup, keep

POOLED, FAINT, UNRESOLVED, MISFIT, LIMIT, UNUSED = 1, 2, 4, 8, 16, 32
# The bits of the map `quality`; 0: fitted alone. Pixels that are not used are NaN everywhere.
QUALITY = {
    "pooled": POOLED,
    "too_faint": FAINT,
    "unresolved": UNRESOLVED,
    "poor_fit": MISFIT,
    "velocity_at_limit": LIMIT,
    "not_used": UNUSED,
}
LEAST_LEAD = 12.0  # chi squared: another velocity is 400 times less likely
POOR = 2.0  # chi squared per degree of freedom of a poor fit
# Not in the result: the decrease of chi squared if a pixel had the mean lines of its pool, and the
# rows and columns up to which that reaches.
PROMISED, RADIUS = INTERNAL = ("promised", "radius")
PER_LINE = ("flux", "flux_error", "equivalent_width", "equivalent_width_error")
PER_PIXEL = (
    "velocity", "velocity_error", "dispersion", "dispersion_error", "signal_to_noise",
    "reduced_chi_squared", "pixels", "quality", "gas_class", "class_share", *INTERNAL,
)  # fmt: skip
PER_RATIO = ("log_ratio", "log_ratio_error")


class LineContext(NamedTuple):
    """What every block is fitted with.

    Attributes
    ----------
    setup : Setup
    starts : array (k, 2)
        Velocity and square of the dispersion of every cluster; NaN where it has no lines.
    reach : int
        Rows and columns of neighbours.
    """

    setup: Setup
    starts: np.ndarray
    reach: int

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(each.name for each in self.setup.plan.columns)

    @property
    def outputs(self) -> list[tuple[str, int]]:
        """Names of the maps and how many there are of each, in the order of the numbers."""
        count, ratios = len(self.names), len(ratio_names(self.names))
        return [
            *((name, count) for name in PER_LINE),
            *((name, 1) for name in PER_PIXEL),
            *((name, ratios) for name in PER_RATIO),
        ]


class _Spectra:
    """The spectra of a block and of what is around it; they are prepared when they are needed."""

    def __init__(self, context: LineContext, part: xr.DataArray, labels: np.ndarray) -> None:
        spectra = to_spectra(part, all_channels=True)
        self.setup = context.setup
        self.values, self.variance = spectra.values, spectra.variance
        place = np.full(labels.size, -1)
        place[spectra.pixel] = np.arange(len(spectra.pixel))
        self.labels = np.where(place.reshape(labels.shape) >= 0, labels, 0)  # (y, x)
        self._place = place.reshape(labels.shape)  # (y, x), of the spectra
        self.row = np.full(labels.shape, -1)  # (y, x), of the prepared ones
        self.kept = keep(self.setup, self.values[:0], None)

    def prepare(self, wanted: np.ndarray) -> None:
        """Prepare the spectra of some pixels (y, x), in the order of the image."""
        new = wanted & (self.labels > 0) & (self.row < 0)
        rows = self._place[new]
        if not len(rows):
            return
        variance = None if self.variance is None else self.variance[rows]
        kept = keep(self.setup, self.values[rows], variance)
        self.row[new] = len(self.kept.flux) + np.arange(len(rows))
        pairs = zip(self.kept, kept, strict=True)
        self.kept = Kept(*(np.concatenate(pair) for pair in pairs))


def fit_block(
    context: LineContext, part: xr.DataArray, labels: np.ndarray, inner: Block
) -> np.ndarray:
    """Return the maps (output, y, x), float32, of the inner part of a block.

    Parameters
    ----------
    context : LineContext
    part : DataArray (y, x, channel)
        The block with the pixels around it.
    labels : array (y, x)
        Of all of these.
    inner : Block
        The block in this part.
    """
    plan = context.setup.plan
    spectra = _Spectra(context, part, labels)
    own = np.zeros(labels.shape, dtype=bool)
    own[inner.y, inner.x] = True
    own &= spectra.labels > 0
    spectra.prepare(own)
    y, x = np.nonzero(own)
    kept = spectra.kept
    start = context.starts[spectra.labels[y, x] - 1]
    found = fit_kinematics(plan, kept, start)
    faint = ~_seen(context, found)
    pixels, internal = np.ones(len(y)), np.zeros((len(y), len(INTERNAL)))
    quality = np.zeros(len(y), dtype=np.int64)
    if faint.any():
        rows = np.flatnonzero(faint)
        pooled, number, about = _pooled(context, spectra, y[rows], x[rows], kept.take(rows))
        _put(found, rows, pooled)
        pixels[rows], internal[rows] = number, about
        quality[rows] = np.where(number > 0, POOLED, FAINT)
    measured = fluxes(plan, kept, found)
    numbers = _numbers(context, found, measured, pixels, quality, internal)
    numbers[~(kept.weight > 0).any(axis=1)] = np.nan  # nothing is measured
    maps = np.full((numbers.shape[1], *labels.shape), np.nan, np.float32)
    maps[:, y, x] = numbers.T
    return maps[:, inner.y, inner.x]


def _seen(context: LineContext, found: Kinematics) -> np.ndarray:
    """Return where lines are significant, and no other velocity is nearly as good."""
    known = np.isfinite(found.covariance).all(axis=(1, 2))
    return known & (found.gain >= context.setup.least_gain) & (found.lead >= LEAST_LEAD)


def _put(found: Kinematics, rows: np.ndarray, part: Kinematics) -> None:
    for whole, own in zip(found, part, strict=True):
        whole[rows] = own


# --- pixels that are too faint alone -----------------------------------------------------------


def _pooled(
    context: LineContext, spectra: _Spectra, y: np.ndarray, x: np.ndarray, kept: Kept
) -> tuple[Kinematics, np.ndarray, np.ndarray]:
    """Return the kinematics of faint pixels, and the numbers of neighbours that they are from.

    Where there are none, 0, and the kinematics are those of the cluster. The gain is that of the
    pixel's own spectrum. Third are the internal numbers of the pixels (n, 2).
    """
    plan = context.setup.plan
    start = context.starts[spectra.labels[y, x] - 1]
    best = _known(context, start)
    number, internal = np.zeros(len(y)), np.zeros((len(y), len(INTERNAL)))
    sums = _Sums(len(y), kept.flux.shape[1])
    left = np.arange(len(y))
    for radius in range(1, context.reach + 1):
        _prepare_around(spectra, y[left], x[left], radius)
        sums.add_ring(spectra, y, x, left, radius)
        pool = fit_kinematics(plan, sums.as_spectra(left), start[left])
        seen = _seen(context, pool)
        _put(best, left[seen], pool.take(np.flatnonzero(seen)))
        number[left[seen]] = sums.count[left[seen]]
        real = np.maximum(pool.gain[seen] - 0.5 * len(plan.columns), 0.0)
        internal[left[seen], 0] = real / number[left[seen]]
        internal[left[seen], 1] = radius
        left = left[~seen]
        if not len(left):
            break
    state = state_at(plan, kept, best.velocity, best.square)
    without, freedom = without_lines(plan, kept)
    best = best._replace(
        gain=np.maximum(without - state.misfit, 0.0), misfit=state.misfit / np.maximum(freedom, 1)
    )
    return best, number, internal


def _known(context: LineContext, start: np.ndarray) -> Kinematics:
    """Return given kinematics (n, 2) as if they were known exactly; 0 where they are not."""
    velocity = np.where(np.isfinite(start[:, 0]), start[:, 0], 0.0)
    square = np.where(np.isfinite(start[:, 1]), start[:, 1], np.maximum(_narrow(context), 0.0))
    velocity = np.clip(velocity, -context.setup.plan.reach, context.setup.plan.reach)
    square = np.clip(square, context.setup.plan.narrowest, BROADEST**2)
    none = np.zeros(len(start))
    return Kinematics(
        velocity, square, np.zeros((len(start), 2, 2)), none, none.copy(), none.copy()
    )


def _narrow(context: LineContext) -> float:
    """Return the square of the dispersion of narrow lines."""
    return float(context.setup.plan.first.square.min())


class _Sums:
    """Weighted sums of the spectra of neighbours, of n pixels."""

    def __init__(self, pixels: int, stored: int) -> None:
        self.top, self.weight = np.zeros((2, pixels, stored))
        self.count = np.zeros(pixels)

    def add_ring(
        self, spectra: _Spectra, y: np.ndarray, x: np.ndarray, which: np.ndarray, radius: int
    ) -> None:
        """Add the neighbours in a square ring that are in the cluster of the pixel."""
        height, width = spectra.labels.shape
        for down in range(-radius, radius + 1):
            for right in range(-radius, radius + 1):
                if max(abs(down), abs(right)) != radius:
                    continue
                row, column = y[which] + down, x[which] + right
                inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
                row, column, to = row[inside], column[inside], which[inside]
                same = spectra.labels[row, column] == spectra.labels[y[to], x[to]]
                at, to = spectra.row[row[same], column[same]], to[same]
                weight = spectra.kept.weight[at]
                self.top[to] += spectra.kept.flux[at] * weight
                self.weight[to] += weight
                self.count[to] += 1

    def as_spectra(self, which: np.ndarray) -> Kept:
        """Return weighted means of some pixels."""
        weight = self.weight[which]
        flux = self.top[which] / np.where(weight > 0, weight, 1.0)
        return Kept(flux, weight, np.zeros_like(flux))


def _prepare_around(spectra: _Spectra, y: np.ndarray, x: np.ndarray, radius: int) -> None:
    """Prepare all neighbours that are in the same cluster as one of the pixels."""
    height, width = spectra.labels.shape
    wanted = np.zeros((height, width), dtype=bool)
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            row, column = y + down, x + right
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            row, column = row[inside], column[inside]
            same = spectra.labels[row, column] == spectra.labels[y[inside], x[inside]]
            wanted[row[same], column[same]] = True
    spectra.prepare(wanted)


# --- the numbers of a pixel --------------------------------------------------------------------


def _numbers(
    context: LineContext,
    found: Kinematics,
    measured: Fluxes,
    pixels: np.ndarray,
    quality: np.ndarray,
    internal: np.ndarray,
) -> np.ndarray:
    """Return all numbers (n, output) in the order of the outputs."""
    plan = context.setup.plan
    error = np.sqrt(np.maximum(np.einsum("npp->np", measured.covariance), 0.0))
    error = np.where(np.isfinite(measured.flux), error, np.nan)
    width, width_error = _equivalent_widths(context, found, measured, error)
    spread = np.sqrt(np.maximum(np.einsum("npp->np", found.covariance), 0.0))
    dispersion = np.sqrt(np.maximum(found.square, 0.0))
    quality = quality | np.where(found.square < spread[:, 1], UNRESOLVED, 0)
    quality |= np.where(found.misfit > POOR, MISFIT, 0)
    quality |= np.where(np.abs(found.velocity) >= plan.reach, LIMIT, 0)
    faint = quality & FAINT > 0
    lower, upper = (
        np.sqrt(np.maximum(np.maximum(found.square, 0.0) + sign * spread[:, 1], 0.0))
        for sign in (-1, 1)
    )
    ratio, ratio_error = log_ratios(measured.flux, measured.covariance, context.names)
    kind = gas_class(measured.flux, error, context.names)
    unknown = np.where(faint, np.nan, 1.0)
    columns = [
        measured.flux, error, width, width_error,
        found.velocity * unknown, spread[:, 0] * unknown,
        dispersion * unknown, np.maximum(upper - dispersion, dispersion - lower) * unknown,
        np.sqrt(found.gain), found.misfit, pixels, quality, kind.number, kind.share, internal,
        ratio, ratio_error,
    ]  # fmt: skip
    with np.errstate(over="ignore"):
        return np.column_stack(columns).astype(np.float32)


def _equivalent_widths(
    context: LineContext, found: Kinematics, measured: Fluxes, error: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return equivalent widths at rest and their errors; NaN without a significant continuum."""
    plan = context.setup.plan
    factor = (1 + plan.redshift) * (1 + found.velocity / SPEED_OF_LIGHT)
    under, spread = measured.continuum, measured.continuum_error
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = under > 3 * spread
        width = measured.flux / under / factor[:, None]
        width_error = np.hypot(error / under / factor[:, None], np.abs(width) * spread / under)
    return np.where(seen, width, np.nan), np.where(seen, width_error, np.nan)
