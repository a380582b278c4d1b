"""Which clusters are most alike: what it costs to take two of them for one.

The cost is the gain that is lost (:mod:`spectessera.evidence.gain`): how much less likely pixels
are under the mean spectrum of both than under that of their own cluster. Means come from one part
of the data and are judged by another.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .gain import LEAST_NOISE, binned
from .splits import Parts

_MIXED = 0.02  # share of the mean of all, so that no channel has probability 0


class Merge(NamedTuple):
    """One step of a tree.

    Attributes
    ----------
    first, second : int
        From 0; the group of both goes on under the number of the first, which is the smaller one.
    cost : float
        Natural logarithm of a likelihood ratio, per pixel of all clusters; below 0 where the means
        of both predict less than that of all their pixels.
    error : float
        Its standard error.
    """

    first: int
    second: int
    cost: float
    error: float


def merge_clusters(
    parts: Parts, labels: np.ndarray, share: np.ndarray, fold: np.ndarray | None = None
) -> list[Merge]:
    """Return the tree of clusters: in every step those two are merged that cost least.

    Parameters
    ----------
    parts : Parts
        Of n spectra. Without a level, they are counts, and the number of counts of a spectrum does
        not matter; with one, values in units in which all channels have the same noise.
    labels : array (n,)
        From 0, of k clusters; there need not be as many spectra of each as there are pixels.
    share : array (k,)
        Of all pixels that are in each cluster. Those of clusters without spectra are left out.
    fold : array (n,) of 0 and 1, optional
        Where both parts are the same measurement: a spectrum is judged by the means of the spectra
        with the other number.

    Returns
    -------
    list of Merge
        One fewer than there are clusters with spectra.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.evidence import merge_clusters, thin_counts
    >>> generator = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1, 2], 200)
    >>> rates = np.array([[9.0, 1.0, 5.0], [1.0, 9.0, 5.0], [9.0, 2.0, 5.0]])
    >>> parts = thin_counts(generator.poisson(rates[labels]), generator)
    >>> tree = merge_clusters(parts, labels, np.full(3, 1 / 3))
    >>> [(each.first, each.second) for each in tree]
    [(0, 2), (0, 1)]
    """
    work = _Likelihood(parts, labels, share, fold)
    groups = {int(c): [int(c)] for c in np.unique(labels)}
    costs: dict[tuple[int, int], tuple[float, float]] = {}
    tree = []
    while len(groups) > 1:
        names = sorted(groups)
        for place, one in enumerate(names):
            for other in names[place + 1 :]:
                if (one, other) not in costs:
                    costs[one, other] = work.cost(groups[one], groups[other])
        first, second = min(costs, key=lambda pair: (costs[pair][0], pair))
        tree.append(Merge(first, second, *costs[first, second]))
        groups[first] = groups[first] + groups.pop(second)
        costs = {pair: cost for pair, cost in costs.items() if not {first, second} & set(pair)}
    return tree


def cut(tree: list[tuple[int, int]], numbers: list[int], k: int) -> dict[int, list[int]]:
    """Return the members of k groups, by the smallest of them, after the first merges of a tree.

    Parameters
    ----------
    tree : list of (first, second)
        In their order.
    numbers : list of int
        Of all clusters.
    k : int
        From the number of clusters that no merge joins to that of all.

    Raises
    ------
    ValueError
        If k is out of this range.

    Examples
    --------
    >>> cut([(1, 3), (1, 2)], [1, 2, 3], 2)
    {1: [1, 3], 2: [2]}
    """
    fewest = len(numbers) - len(tree)
    if not fewest <= k <= len(numbers):
        raise ValueError(
            f"the tree has from {fewest} to {len(numbers)} clusters; got k={k}; for more, segment "
            f"with a larger number (--clusters {k}) and look at the tree of that result"
        )
    groups = {number: [number] for number in numbers}
    for first, second in tree[: len(numbers) - k]:
        groups[first] = sorted(groups[first] + groups.pop(second))
    return groups


class _Likelihood:
    """The likelihoods of spectra under the means of groups of clusters."""

    def __init__(
        self, parts: Parts, labels: np.ndarray, share: np.ndarray, fold: np.ndarray | None
    ) -> None:
        made, judged = parts.made, parts.judged
        self.counted = parts.level is None
        if self.counted:
            made, judged = binned(made, judged)
        self.judged, self.labels = judged, labels
        self.rows = {int(c): np.flatnonzero(labels == c) for c in np.unique(labels)}
        there = np.zeros(len(share))
        there[list(self.rows)] = share[list(self.rows)]
        self.share = there / there.sum()
        self.fold = np.zeros(len(labels), int) if fold is None else 1 - fold
        source = np.zeros(len(labels), int) if fold is None else fold
        self.means = [self._means(made, source == each) for each in range(int(source.max()) + 1)]
        # That of the counts of the second part, times this, is that of all of the measurement.
        self.factor = 1 / (1 - parts.share)
        if parts.level is not None:
            level = np.maximum(parts.level, LEAST_NOISE * float(np.median(parts.level)))
            self.level = np.maximum(level, 1e-30)
        self.alike = max(parts.alike, 1.0)

    def _means(self, made: np.ndarray, some: np.ndarray) -> dict[int, np.ndarray]:
        """Return the mean spectra of the clusters in some of the spectra."""
        whole = made[some].mean(axis=0, dtype=np.float64)
        means = {}
        for c, rows in self.rows.items():
            own = rows[some[rows]]
            means[c] = made[own].mean(axis=0, dtype=np.float64) if len(own) else whole
        return means

    def _pattern(self, members: list[int], fold: int) -> np.ndarray:
        """Return the mean (channel,) of a group, or the logarithm of its probabilities."""
        mean = self._mean(members, fold)
        if not self.counted:
            return mean
        overall = self._mean(list(self.rows), fold)
        mean, overall = (each / max(each.sum(), 1e-300) for each in (mean, overall))
        least = 1e-6 / len(mean)  # in channels in which no spectrum has any
        return np.log((1 - _MIXED) * mean + _MIXED * overall + least)

    def _mean(self, members: list[int], fold: int) -> np.ndarray:
        weight = self.share[members]
        weight = weight / weight.sum() if weight.sum() > 0 else np.full(len(members), 1.0)
        return sum(w * self.means[fold][c] for w, c in zip(weight, members, strict=True))

    def cost(self, one: list[int], other: list[int]) -> tuple[float, float]:
        """Return what it costs to take two groups for one, and its standard error."""
        cost = square = 0.0
        for group in (one, other):
            for fold in range(len(self.means)):
                own, both = self._pattern(group, fold), self._pattern([*one, *other], fold)
                for c in group:
                    rows = self.rows[c]
                    rows = rows[self.fold[rows] == fold]
                    if not len(rows):
                        continue
                    each = self._each(rows, own, both)
                    part = self.share[c] * len(rows) / len(self.rows[c])
                    cost += part * float(each.mean())
                    spread = float(each.var(ddof=1)) if len(rows) > 1 else float(each[0]) ** 2
                    square += part**2 * spread * self.alike / len(rows)
        return cost, float(np.sqrt(square))

    def _each(self, rows: np.ndarray, own: np.ndarray, both: np.ndarray) -> np.ndarray:
        """Return the logarithm (n,) of how much likelier spectra are under the one pattern."""
        values = self.judged[rows]
        if self.counted:
            return self.factor * (values @ (own - both))
        apart = own - both
        middle = 0.5 * float((own**2 - both**2).sum())
        return (values @ apart - middle) / self.level[rows]
