"""Spectra on another axis: every channel goes where its energy or wavelength belongs."""

from __future__ import annotations

import logging

import numpy as np
from scipy import sparse

from .axis import UNITS, Axis, channel_bounds

log = logging.getLogger(__name__)

# Less than this share of the wanted range is refused, less than the second is warned of.
LEAST_COVERED = 1 / 3
WELL_COVERED = 0.9


def channel_edges(axis: Axis) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and the upper edge of every channel (channel,), midway between channels.

    At the ends of the axis, and of each window between gaps, a channel is as wide to either side.
    """
    low, high = np.empty(len(axis)), np.empty(len(axis))
    for part in axis.segments():
        values = axis.values[part]
        if len(values) == 1:
            half = 0.5 * abs(axis.values[1] - axis.values[0]) if len(axis) > 1 else 0.5
            ends = np.array([values[0] - half, values[0] + half])
        else:
            ends = channel_bounds(values)
        low[part], high[part] = np.minimum(ends[:-1], ends[1:]), np.maximum(ends[:-1], ends[1:])
    return low, high


def air_wavelengths(vacuum: np.ndarray) -> np.ndarray:
    """Return wavelengths in air of wavelengths in vacuum, both in angstrom (Morton 2000).

    ApJS 130, 403, eq. 8, after Birch & Downs 1994; for wavelengths above 2000 angstrom.
    """
    s = (1e4 / vacuum) ** 2
    return vacuum / (1 + 8.34254e-5 + 2.406147e-2 / (130 - s) + 1.5998e-4 / (38.9 - s))


def in_terms_of(axis: Axis, wanted: Axis) -> Axis:
    """Return an axis in the unit and the medium of another one.

    Raises
    ------
    ValueError
        If they are not of one kind, or plain channels, which say nothing of energy or wavelength.
    """
    if axis.kind != wanted.kind or axis.kind == "channel":
        got = "plain channels" if axis.kind == "channel" else f"{axis.kind} in {axis.unit}"
        raise ValueError(
            f"the model works on {wanted.kind} in {wanted.unit or 'channels'}; the cube has "
            f"{got}: tell its axis (--energy FIRST,LAST or --wavelength FIRST,LAST, or "
            "make_cube(..., axis=Axis(...)))"
        )
    media = (axis.medium, wanted.medium)
    if media == ("vacuum", "air"):
        angstrom = axis.to("angstrom")
        axis = Axis(air_wavelengths(angstrom.values), "angstrom", axis.kind, "air")
    return axis.to(wanted.unit) if UNITS[axis.unit] != UNITS[wanted.unit] else axis


def resample_weights(axis: Axis, wanted: Axis) -> sparse.csr_array:
    """Return the weights (wanted channel, channel) that move spectra onto another axis.

    The content of a channel is shared among the new ones by how much of its width lies in each:
    what falls on the wanted axis is conserved.

    Raises
    ------
    ValueError
        If the axes are of different kinds, or the one covers less than a third of the other.
    """
    mine = in_terms_of(axis, wanted)
    order = np.argsort(mine.values)
    low, high = (each[order] for each in channel_edges(mine))
    wanted_low, wanted_high = channel_edges(wanted)
    rows, columns, weights = [], [], []
    covered = 0.0
    for row, (first, last) in enumerate(zip(wanted_low, wanted_high, strict=True)):
        start, stop = np.searchsorted(high, first, "right"), np.searchsorted(low, last, "left")
        overlap = np.minimum(high[start:stop], last) - np.maximum(low[start:stop], first)
        rows.append(np.full(stop - start, row))
        columns.append(order[start:stop])
        weights.append(overlap / (high[start:stop] - low[start:stop]))
        covered += overlap.sum()
    share = covered / (wanted_high - wanted_low).sum()
    _check_coverage(share, mine, wanted)
    shape = (len(wanted), len(axis))
    index = np.concatenate(rows), np.concatenate(columns)
    return sparse.csr_array((np.concatenate(weights), index), shape=shape, dtype=np.float32)


def _check_coverage(share: float, axis: Axis, wanted: Axis) -> None:
    """Refuse what the model cannot judge, and warn of what it has seldom seen."""
    has, needs = (
        f"{min(each.values[[0, -1]]):g} to {max(each.values[[0, -1]]):g} {each.unit}"
        for each in (axis, wanted)
    )
    if share < LEAST_COVERED:
        extent = f"only {100 * share:.0f} % of that" if share > 0 else "nothing of that"
        raise ValueError(
            f"the model works on {wanted.kind} {needs}; the cube goes from {has} and covers "
            f"{extent}: check the cube's axis, or train a model for it"
        )
    if share < WELL_COVERED:
        log.warning(
            "the cube goes from %s and covers %.0f %% of the model's %s; the rest counts as 0",
            has, 100 * share, needs,
        )  # fmt: skip
