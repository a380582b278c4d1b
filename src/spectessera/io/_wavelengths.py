"""Lists of wavelengths that are no axis yet: some are 0, or several channels have the same one."""

from __future__ import annotations

import numpy as np

from spectessera._util.text import counted

from ._channels import mark_bad
from ._common import StoredCube

FEWEST_DISTINCT = 0.25  # share of distinct wavelengths; with fewer they are no axis


def without_gaps(cube: StoredCube, values: np.ndarray) -> np.ndarray | None:
    """Return wavelengths with a line across those that are 0: such channels are bad.

    Some sensors give channels that are not used no wavelength.
    """
    known = np.isfinite(values) & (values > 0)
    count = len(values)
    if known.all() or not np.isfinite(values).all() or (values < 0).any():
        return values
    if known.sum() < 2 or 2 * known.sum() < count:
        return values
    places = np.flatnonzero(known)
    filled = np.interp(np.arange(count), places, values[places])
    for first, second, outside in (
        (places[0], places[1], slice(0, places[0])),
        (places[-1], places[-2], slice(places[-1] + 1, count)),
    ):
        step = (values[first] - values[second]) / (first - second)
        filled[outside] = values[first] + step * (np.arange(count)[outside] - first)
    cube.notes.append(
        f"{count - known.sum()} of {count} channels have wavelength 0: they are marked as bad"
    )
    mark_bad(cube, ~known)
    return filled


def without_repeats(cube: StoredCube, values: np.ndarray) -> np.ndarray:
    """Return wavelengths of which equal ones are put evenly up to the next.

    They are rounded, or those of two spectrometers that overlap.
    """
    distinct = len(np.unique(values))
    few = distinct < max(2, FEWEST_DISTINCT * len(values))
    if not np.isfinite(values).all() or distinct == len(values) or few:
        return values
    falls = (np.diff(values) <= 0).all()
    order = np.argsort(-values if falls else values, kind="stable")
    ordered = values[order]
    first = np.flatnonzero(np.append(True, np.diff(ordered) != 0))
    last = 2 * ordered[first[-1]] - ordered[first[-2]]
    cube.notes.append(
        f"{counted(len(values) - distinct, 'channel')} with the wavelength of another one, put "
        "evenly up to the next"
    )
    spread = np.empty_like(values)
    spread[order] = np.interp(
        np.arange(len(values)), np.append(first, len(values)), np.append(ordered[first], last)
    )
    return spread
