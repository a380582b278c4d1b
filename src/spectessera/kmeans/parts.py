"""Points that are read part by part, and the counts and sums of their clusters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

# Number of points of an array that are read together.
PART = 65_536


class Points(Protocol):
    """Many points (n, d), float32, of which only a part is in memory at a time."""

    def __len__(self) -> int:
        """Return the number of points."""
        ...

    def take(self, ranks: np.ndarray) -> np.ndarray:
        """Return the points of ascending positions."""
        ...

    def parts(self) -> Iterator[np.ndarray]:
        """Yield all points in order, part by part."""
        ...


class ArrayPoints:
    """Points (n, d) that are one array in memory."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = np.ascontiguousarray(array)

    def __len__(self) -> int:
        return len(self.array)

    def take(self, ranks: np.ndarray) -> np.ndarray:
        """Return the points of ascending positions."""
        return self.array[ranks]

    def parts(self) -> Iterator[np.ndarray]:
        """Yield all points in order, part by part."""
        for first in range(0, len(self.array), PART):
            yield self.array[first : first + PART]


class ClusterSums:
    """Counts (k,) and sums (k, d) of the points of each cluster, float64, part by part."""

    def __init__(self, k: int, d: int) -> None:
        self.counts, self.sums = np.zeros(k), np.zeros((k, d))

    def add(self, points: np.ndarray, labels: np.ndarray) -> None:
        """Add points (n, d) with labels (n,), from 0."""
        k = len(self.counts)
        self.counts += np.bincount(labels, minlength=k)
        for column, values in enumerate(points.T):
            self.sums[:, column] += np.bincount(labels, values, minlength=k)

    def means(self, empty: np.ndarray) -> np.ndarray:
        """Return the means (k, d), float32; ``empty``, (d,) or (k, d), where there is no point."""
        counts = self.counts[:, None]
        return np.where(counts > 0, self.sums / np.maximum(counts, 1), empty).astype(np.float32)
