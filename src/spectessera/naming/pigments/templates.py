"""Mixtures of pigment templates fitted to the counts of one spectrum.

The templates are interpolated to the energies of the spectrum. A fit is a non-negative mixture of
one pigment over thickness, with a bounded share of other pigments and of a smooth background.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import nnls
from scipy.special import rel_entr

from spectessera._util.constants import FWHM
from spectessera.axis import Axis, channel_edges, in_terms_of
from spectessera.synth.paint.palettes import Palette
from spectessera.synth.paint.pigments import SUPPORT

LEAST_ENERGY = 1.3  # keV; softer photons depend on whether the beam path is air or helium
WIDEST = 0.08  # keV, largest width of fitted channels: half the resolution of a detector
LEAST_CHANNELS = 50
GAINS = np.linspace(-0.006, 0.006, 7)
OFFSETS = np.linspace(-0.02, 0.02, 5)  # keV
NOISES = (0.0, 0.05, 0.08, 0.11)  # keV, additional full width at half maximum
DECAYS = (2.0, 6.0, 20.0)  # keV, decay lengths of the exponentials of the smooth background
ROUNDS = 4  # of the weights of a fit
PRESENT = 0.002  # least share of a pigment in the free mixture to be an admixture
FLOOR = 1e-7  # least expected share of the counts of a channel, for its weight


class Window(NamedTuple):
    """Counts (c,) and the edges (c,) of their channels in keV, ascending."""

    counts: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Columns(NamedTuple):
    """The columns of mixtures, normalised to a sum of 1 over the channels."""

    pigments: np.ndarray  # (p, f, c)
    smooth: np.ndarray  # (s, c)
    nominal: int  # index of the nominal thickness


class MixtureFit(NamedTuple):
    """A mixture fitted to shares of counts (c,)."""

    model: np.ndarray  # (c,)
    divergence: float  # nats per count
    shares: np.ndarray  # (k,) of the columns


class Match(NamedTuple):
    """One pigment fitted to the cluster."""

    pigment: int  # index in the palette
    fit: MixtureFit
    admixture: float  # share of other pigments and background
    thickness: float  # geometric mean over the counts


# --- the axis ----------------------------------------------------------------------------------


def window_of(counts: np.ndarray, axis: Axis, wanted: Axis) -> Window:
    """Return the counts within the range of the templates, up to the last channel with counts."""
    keV = in_terms_of(axis, wanted).to("keV")
    low, high = channel_edges(keV)
    last = channel_edges(wanted.to("keV"))[1].max()
    order = np.argsort(keV.values)
    # A calibration error may shift the end of the templates.
    inside = (low[order] >= LEAST_ENERGY) & (high[order] <= (1 - GAINS[-1]) * last + OFFSETS[0])
    used = order[inside]
    filled = np.flatnonzero(counts[used])
    used = used[: filled[-1] + 1] if len(filled) else used
    if len(used) < LEAST_CHANNELS:
        raise ValueError(
            f"{len(used)} channels with counts lie between {LEAST_ENERGY} and {last:g} keV; at "
            f"least {LEAST_CHANNELS} are needed: check the cube's axis"
        )
    return Window(counts[used], low[used], high[used])


def coarsen(window: Window) -> Window:
    """Sum neighbouring channels to a width of at most :data:`WIDEST`."""
    low, high = window.low, window.high
    factor = max(1, int(WIDEST / np.median(high - low)))
    gap = np.concatenate([[True], low[1:] > high[:-1] + 1e-6])
    place = np.arange(len(low))
    since = place - np.maximum.accumulate(np.where(gap, place, 0))
    first = np.flatnonzero(since % factor == 0)
    last = np.concatenate([first[1:], [len(low)]]) - 1
    return Window(np.add.reduceat(window.counts, first), low[first], high[last])


def shifted_templates(
    window: Window,
    paint: Palette,
    gain: float = 0.0,
    offset: float = 0.0,
    noise: float = 0.0,
    *,
    every: int = 1,
) -> Columns:
    """Return the templates as measured with these calibration errors, each normalised to 1.

    With ``every`` = n, only every nth thickness, including the nominal one.
    """
    nominal = int(np.flatnonzero(paint.factors == 1.0)[0])
    edges, below = _summed_templates(paint, noise, nominal % every, every)

    def until(energy: np.ndarray) -> np.ndarray:
        place = np.interp((energy - offset) / (1 + gain), edges, np.arange(len(edges)))
        whole = np.minimum(place.astype(int), len(edges) - 2)
        part = place - whole
        return below[..., whole] * (1 - part) + below[..., whole + 1] * part

    shifted = np.maximum(until(window.high) - until(window.low), 0)
    shifted /= np.maximum(shifted.sum(axis=2, keepdims=True), 1e-300)
    middle = (window.low + window.high) / 2
    smooth = np.exp(-middle / np.array(DECAYS)[:, None]) * (window.high - window.low)
    smooth /= smooth.sum(axis=1, keepdims=True)
    return Columns(shifted, smooth, nominal // every)


@lru_cache(maxsize=2 * len(NOISES))
def _summed_templates(
    paint: Palette, noise: float, first: int, every: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return edges (e,) in keV and the sums of the templates (p, f, e) up to them.

    The same for all clusters and all shifts. Of the thicknesses only every nth from ``first``.
    """
    keV = paint.axis.to("keV")
    low, high = channel_edges(keV)
    order = np.argsort(keV.values)
    spectra = paint.spectra[:, first::every, order]
    if noise > 0:
        sigma = noise / FWHM / np.median(high - low)
        spectra = gaussian_filter1d(spectra, sigma, axis=2, mode="constant")
    below = np.concatenate([np.zeros((*spectra.shape[:2], 1)), spectra.cumsum(axis=2)], axis=2)
    edges = np.append(low[order], high[order][-1])
    for each in (edges, below):
        each.setflags(write=False)
    return edges, below


# --- fitting -----------------------------------------------------------------------------------


def fit_mixture(data: np.ndarray, columns: np.ndarray, floor: float) -> MixtureFit:
    """Fit shares of counts (c,) by columns (k, c) with non-negative shares; Poisson likelihood.

    Least squares with weights from the previous model: at the fixed point this maximises the
    likelihood.
    """
    model = data
    for _ in range(ROUNDS):
        weight = 1 / np.sqrt(np.maximum(model, floor))
        shares, _ = nnls((columns * weight).T, data * weight, maxiter=30 * len(columns))
        model = shares @ columns
    safe = np.maximum(model, floor * 1e-3)
    divergence = rel_entr(data, safe).sum() - data.sum() + safe.sum()
    return MixtureFit(model, float(divergence), shares)


def calibrated_templates(window: Window, paint: Palette) -> Columns:
    """Return the templates with the calibration that fits best, for a free mixture of all."""
    total = window.counts.sum()
    data, floor = window.counts / total, 1 / total
    errors = {"gain": 0.0, "offset": 0.0, "noise": 0.0}

    def shifted(errors: dict[str, float], every: int = 1) -> Columns:
        return shifted_templates(
            window, paint, errors["gain"], errors["offset"], errors["noise"], every=every
        )

    known: dict[tuple[float, ...], float] = {}

    def divergence(name: str, value: float) -> float:
        trial = errors | {name: value}
        key = tuple(trial.values())
        if key not in known:
            columns = shifted(trial, every=4)
            known[key] = fit_mixture(data, _free(columns), floor).divergence
        return known[key]

    for name, grid in (("gain", GAINS), ("noise", NOISES), ("offset", OFFSETS), ("gain", GAINS)):
        values = [float(value) for value in grid]
        errors[name] = min(values, key=lambda value: divergence(name, value))
    return shifted(errors)


def _free(columns: Columns, every: int = 1) -> np.ndarray:
    """Return all columns (k, c): pigments at every nth thickness, and the smooth background."""
    pigments = columns.pigments[:, columns.nominal % every :: every]
    return np.concatenate([pigments.reshape(-1, pigments.shape[2]), columns.smooth])


def fit_all(data: np.ndarray, columns: Columns, paint: Palette, admixture: float) -> list[Match]:
    """Fit every pigment with its admixtures."""
    number = len(paint.pigments)
    shares = fit_mixture(data, _free(columns, every=2), FLOOR).shares[: -len(DECAYS)]
    share = shares.reshape(number, -1).sum(axis=1)
    present = share > PRESENT * share.sum()
    present |= np.array(paint.pigments) == SUPPORT
    return [_match(data, index, columns, present, paint, admixture) for index in range(number)]


def _match(
    data: np.ndarray,
    index: int,
    columns: Columns,
    present: np.ndarray,
    paint: Palette,
    admixture: float,
) -> Match:
    """Fit one pigment.

    The mixtures with a bounded admixture are the convex hull of the pure templates and of each
    template with the largest share of one admixture.
    """
    pure = columns.pigments[index]  # (f, c)
    others = present.copy()
    others[index] = False
    added = np.concatenate([columns.pigments[others, columns.nominal], columns.smooth])  # (o, c)
    mixed = (1 - admixture) * pure[:, None] + admixture * added  # (f, o, c)
    fit = fit_mixture(data, np.concatenate([pure, mixed.reshape(-1, len(data))]), FLOOR)
    steps = len(pure)
    spread = fit.shares[steps:].reshape(steps, -1).sum(axis=1)
    whole = max(fit.shares.sum(), 1e-300)
    step = (fit.shares[:steps] + (1 - admixture) * spread) / whole
    log_thickness = (step @ np.log(paint.factors)) / max(step.sum(), 1e-300)
    return Match(index, fit, float(admixture * spread.sum() / whole), float(np.exp(log_thickness)))
