"""What the maps of a whole cube say about pixels that have the kinematics of their neighbours."""

from __future__ import annotations

import numpy as np

from ._lineblocks import PROMISED, QUALITY, RADIUS

# Standard errors by which the spectra of pooled pixels must confirm the kinematics of their pools.
CONFIRMED = 3.0
# The bright side of a pool has more weight: how far its centre may be, as a share of its radius.
OFF_CENTRE = 0.25


def withdraw_pools(maps: dict[str, np.ndarray], labels: np.ndarray) -> None:
    """Mark pools as too faint, in place, in clusters whose pixels do not confirm them.

    At the kinematics of its neighbours, which are found without it, a pixel of noise has a gain of
    a half for every line, with a variance of 5/4. What exceeds that is significant in the sum of
    the pooled pixels of a cluster, or at least half of what their pools promise.
    """
    quality = maps["quality"][0]
    bits = np.nan_to_num(quality).astype(int)
    pooled = bits & 3 == QUALITY["pooled"]
    number = len(maps["flux"])
    for label in range(1, int(labels.max(initial=0)) + 1):
        own = pooled & (labels == label)
        count = int(own.sum())
        if not count:
            continue
        gain, promised = (
            float(each[own].astype(np.float64).sum())
            for each in (np.square(maps["signal_to_noise"][0]), maps[PROMISED][0])
        )
        excess = gain - 0.5 * number * count
        if excess < min(CONFIRMED * np.sqrt(1.25 * number * count), 0.5 * promised):
            quality[own] += QUALITY["too_faint"]
            for name in ("velocity", "velocity_error", "dispersion", "dispersion_error"):
                maps[name][0][own] = np.nan


def add_gradients(maps: dict[str, np.ndarray]) -> None:
    """Add to the errors of pooled velocities, in place, how much velocities change over a pool."""
    velocity = maps["velocity"][0].astype(np.float64)
    bits = np.nan_to_num(maps["quality"][0]).astype(int)
    pooled = (bits & 3 == QUALITY["pooled"]) & np.isfinite(velocity)
    padded = np.pad(velocity, 1, constant_values=np.nan)
    change = np.hypot(
        _slope(padded[1:-1, :-2], velocity, padded[1:-1, 2:]),
        _slope(padded[:-2, 1:-1], velocity, padded[2:, 1:-1]),
    )
    error = np.hypot(maps["velocity_error"][0], OFF_CENTRE * change * maps[RADIUS][0])
    maps["velocity_error"][0][pooled] = error[pooled]


def _slope(before: np.ndarray, here: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the change per pixel from the neighbours that have a value; 0 without any."""
    one = np.where(np.isfinite(before), here - before, after - here)
    both = (after - before) / 2
    return np.nan_to_num(np.where(np.isfinite(both), both, one))
