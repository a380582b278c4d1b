"""Channels that are summed into bins, as one sparse matrix."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spectessera.axis import Axis

if TYPE_CHECKING:  # scipy is loaded by what needs it
    from scipy import sparse


class Rebinning(NamedTuple):
    """How channels are summed into bins.

    Attributes
    ----------
    weights : sparse array (bins, channels), float32
    axis : Axis
        Of the bins.
    windows : list of slice
        Runs of bins without a gap.
    """

    weights: sparse.csr_array
    axis: Axis
    windows: list[slice]


def rebin_weights(axis: Axis, bins: int) -> Rebinning:
    """Return the weights (bins, channels) that sum channels into bins, and the axis of the bins.

    Every channel is counted once: each column sums to 1. A window between gaps has bins in
    proportion to its channels, all of nearly the same number of channels. A channel on the edge of
    two bins is shared between them; no channel is shared if the number of bins of a window divides
    that of its channels.

    Raises
    ------
    ValueError
        If there are more bins than channels or fewer than windows.
    """
    values = np.ascontiguousarray(axis.values, dtype=np.float64)
    return _rebinning(values.tobytes(), axis.unit, axis.kind, axis.medium, bins)


# Spectra are preprocessed a few hundred at a time, all of them with the same bins.
@lru_cache(maxsize=16)
def _rebinning(positions: bytes, unit: str, kind: str, medium: str, bins: int) -> Rebinning:
    """Return the result of :func:`rebin_weights`; assumes a checked axis."""
    axis = Axis(np.frombuffer(positions), unit, kind, medium)
    from scipy import sparse

    windows = axis.segments()
    channels = len(axis)
    if not len(windows) <= bins <= channels:
        raise ValueError(
            f"{channels} channels in {len(windows)} window(s) cannot be rebinned to {bins}; "
            f"choose between {len(windows)} and {channels}"
        )
    sizes = np.array([part.stop - part.start for part in windows])
    share = np.maximum(1, np.floor(bins * sizes / channels).astype(int))
    while share.sum() != bins:  # largest remainder first, never more bins than channels
        gap = bins * sizes / channels - share
        step = 1 if share.sum() < bins else -1
        allowed = share < sizes if step > 0 else share > 1
        share[np.argmax(np.where(allowed, step * gap, -np.inf))] += step
    rows, columns, weights, centers = [], [], [], []
    first_bin = 0
    for part, count in zip(windows, share.tolist(), strict=True):
        size = part.stop - part.start
        edges = np.linspace(0, size, count + 1)
        for index, (low, high) in enumerate(pairwise(edges)):
            inside = np.arange(int(low), min(size, int(np.ceil(high))))
            weight = np.minimum(inside + 1, high) - np.maximum(inside, low)
            touched = weight > 1e-12
            inside, weight = inside[touched], weight[touched]
            rows.extend([first_bin + index] * len(inside))
            columns.extend((inside + part.start).tolist())
            weights.extend(weight.tolist())
            centers.append(np.average(axis.values[inside + part.start], weights=weight))
        first_bin += count
    matrix = sparse.csr_array((weights, (rows, columns)), shape=(bins, channels), dtype=np.float32)
    stops = np.cumsum(share).tolist()
    runs = [slice(stop - count, stop) for stop, count in zip(stops, share.tolist(), strict=True)]
    return Rebinning(matrix, Axis(np.array(centers), axis.unit, axis.kind, axis.medium), runs)
