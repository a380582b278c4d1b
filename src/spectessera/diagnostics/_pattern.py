"""Clusters whose map repeats every few pixels, as interference and scans in two directions do.

The periodogram of the map of a cluster is broad where its areas have any shape. A pattern that
repeats with the scan is one narrow peak in it. Ordinates of a periodogram without a period are
exponentially distributed about those around them (Fisher 1929, Proc. R. Soc. A 125, 54), so that of
a million one in 10^12 is 40 times as large.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from spectessera.warning import ResultWarning, make_warning

from ._clusters import ClusterMap, cluster_list

# A peak is so many times the mean of the ordinates around it, in a square of this side without the
# middle, which belongs to the peak itself.
PEAK = 40.0
AROUND, MIDDLE = 15, 3
# It is so many times the largest of them that is not within its width, in bins to each side.
ALONE, WIDTH = 4.0, 2
# It has this share of the variance of the map; two parallel lines have many peaks of less.
SEEN = 0.1
# Patterns are this many pixels long at most, in one direction; longer ones may be of the object.
LONGEST = 4.0
SMALLEST = 16  # rows and columns of a map
LARGEST = 512  # rows and columns that are looked at, in the middle of a map


def patterns(image: ClusterMap) -> list[ResultWarning]:
    """Return one warning of all clusters whose maps have the period of the strongest pattern."""
    label = _middle(image.label)
    if min(label.shape) < SMALLEST:
        return []
    found = {
        place: period
        for place in np.flatnonzero(image.pixels).tolist()
        if (period := _period((label == place + 1).astype(float))) is not None
    }
    if not found:
        return []
    numbers = np.sort(image.numbers[list(found)]).tolist()
    rows, columns = next(iter(found.values()))
    steps = [
        f"{steps:.3g} {word}"
        for steps, word in ((rows, "rows"), (columns, "columns"))
        if np.isfinite(steps)
    ]
    values = {"clusters": cluster_list(numbers), "steps": " and ".join(steps)}
    return [make_warning("W-CLUSTER-PATTERN", values, tuple(numbers))]


def _middle(label: np.ndarray) -> np.ndarray:
    """Return the middle of a large map."""
    first = [max(0, (size - LARGEST) // 2) for size in label.shape]
    return label[first[0] : first[0] + LARGEST, first[1] : first[1] + LARGEST]


def _period(inside: np.ndarray) -> tuple[float, float] | None:
    """Return after how many rows and columns a map (y, x) of 0 and 1 repeats; None if it does not.

    Infinite in a direction in which nothing repeats.
    """
    windows = [np.hanning(size + 2)[1:-1] for size in inside.shape]
    window = np.multiply.outer(*windows)
    flat = (inside - np.average(inside, weights=window)) * window
    power = np.abs(np.fft.fft2(flat)) ** 2
    total = float(power.sum())
    if not total > 0:
        return None
    whole, middle = (
        ndimage.uniform_filter(power, size, mode="wrap") * size**2 for size in (AROUND, MIDDLE)
    )
    around = np.maximum((whole - middle) / (AROUND**2 - MIDDLE**2), 1e-12 * total / power.size)
    fast = np.maximum.outer(*(np.abs(np.fft.fftfreq(size)) for size in power.shape)) >= 1 / LONGEST
    share = 2 * middle / total  # a pattern has two peaks, at a frequency and its negative
    narrow = (power > PEAK * around) & (share > SEEN)
    if not (narrow & fast).any():
        return None
    y, x = np.unravel_index(int(np.argmax(np.where(narrow, power, 0.0))), power.shape)
    if not fast[y, x] or not _alone(power, int(y), int(x)):
        return None  # the strongest is slow, and others are its harmonics; or a line makes many
    return _steps(power, int(y), axis=0, other=int(x)), _steps(power, int(x), axis=1, other=int(y))


def _alone(power: np.ndarray, y: int, x: int) -> bool:
    """Return whether a peak stands alone among the ordinates around it, but for its own width."""
    offsets = np.arange(AROUND) - AROUND // 2
    rows, columns = (y + offsets) % power.shape[0], (x + offsets) % power.shape[1]
    own = np.maximum.outer(np.abs(offsets), np.abs(offsets)) <= WIDTH
    return bool(power[y, x] > ALONE * power[np.ix_(rows, columns)][~own].max())


def _steps(power: np.ndarray, at: int, *, axis: int, other: int) -> float:
    """Return the period along one axis, from a peak and the ordinates beside it."""
    line = power[:, other] if axis == 0 else power[other]
    beside = np.array([-1, 0, 1])
    near = line[(at + beside) % len(line)]
    frequency = (at + (near @ beside) / near.sum()) / len(line)
    frequency = abs((frequency + 0.5) % 1 - 0.5)
    return float("inf") if frequency < 0.5 / len(line) else 1 / frequency
