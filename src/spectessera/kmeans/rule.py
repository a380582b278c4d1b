"""How a new point gets its label, and what can check such a rule before it is chosen."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from spectessera.evidence import Gain

from ._seeding import assign
from .metric import Metric


class Rule(NamedTuple):
    """How a point gets its label: that of the nearest center, in a metric.

    Attributes
    ----------
    metric : str
        One of :data:`spectessera.kmeans.settings.METRICS`.
    mean : array (d,), float32
    matrix : array (d, d), float32
        See :class:`spectessera.kmeans.metric.Metric`.
    centers : array (k, d), float32
        In the space of the metric.
    """

    metric: str
    mean: np.ndarray
    matrix: np.ndarray
    centers: np.ndarray

    def move(self, points: np.ndarray, device: str | None = None) -> np.ndarray:
        """Return points (n, d) in the space of the metric; each point is computed on its own."""
        return self._moved(points, device).numpy(force=True)

    def label(self, points: np.ndarray, device: str | None = None) -> np.ndarray:
        """Return the labels (n,), int64 from 0, of points (n, d)."""
        centers = torch.from_numpy(np.array(self.centers)).to(device)
        return assign(self._moved(points, device), centers).numpy(force=True)

    def _moved(self, points: np.ndarray, device: str | None) -> Tensor:
        arrays = (torch.from_numpy(np.array(each)).to(device) for each in (self.mean, self.matrix))
        tensor = torch.from_numpy(np.ascontiguousarray(points)).to(device)
        return Metric(self.metric, *arrays).move(tensor)


def rule_of(centers: Tensor, metric: Metric) -> Rule:
    """Return the rule of centers (k, d) that are in the space of a metric."""
    arrays = (each.numpy(force=True) for each in (metric.mean, metric.matrix, centers))
    return Rule(metric.name, *arrays)


class SplitCheck(Protocol):
    """Checks whether a clustering splits the noise of one cluster into two.

    :func:`spectessera.kmeans.choose_k` asks it about a k before choosing that k;
    :class:`spectessera.inference.noise.SeparationOverNoise` is the one for spectra.
    """

    @property
    def most_equal(self) -> int:
        """Return how many different spectra are too few for noise to be why they differ."""
        ...

    def separation(self, rule: Rule) -> float:
        """Return the smallest separation of two neighbouring clusters, in units of noise.

        The unit is the separation of the two parts into which noise alone would be split: 1 means
        that the two clusters differ by no more than the noise. NaN where it is not known. Below
        :data:`spectessera.result.SPLIT_BELOW` the k of this rule is not chosen.
        """
        ...


class Evidence(Protocol):
    """Judges clusterings by a part of the measurement that they were not made from.

    :class:`spectessera.inference.evidence.HeldOut` is the one for spectra.
    """

    @property
    def structure(self) -> float:
        """Return how significantly the spectra differ by more than noise, in standard errors."""
        ...

    @property
    def judged_by(self) -> str:
        """Return "noise", of which two parts are independent, or "neighbours" of a pixel."""
        ...

    def gain(self, rule: Rule) -> Gain:
        """Return how much better the clusters of a rule predict the spectra than one cluster."""
        ...
