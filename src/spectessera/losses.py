"""The terms of the loss and how training weights them (arXiv 2401.17695, eqs. 1-6)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ._check import check_choice, check_number

TOTALS = ("normalised", "sum")


@dataclass(frozen=True)
class Schedule:
    """A weight that goes linearly from one value to another between two epochs.

    Parameters
    ----------
    first, last : float
        Value until epoch ``start`` and from epoch ``end`` on; rising, falling or equal.
    start, end : int
        Epochs counted from 0.
    """

    first: float
    last: float
    start: int = 0
    end: int = 0

    def __post_init__(self) -> None:
        check_number("first", self.first, low=0.0)
        check_number("last", self.last, low=0.0)
        check_number("start", self.start, low=0, integer=True)
        check_number("end", self.end, low=0, integer=True)
        if self.end < self.start:
            raise ValueError(f"a schedule ends at or after its start; got {self.start}..{self.end}")

    def at(self, epoch: int) -> float:
        """Return the value at an epoch."""
        if epoch >= self.end:
            return float(self.last)
        if epoch <= self.start:
            return float(self.first)
        share = (epoch - self.start) / (self.end - self.start)
        return float(self.first + share * (self.last - self.first))


def as_schedule(value: float | Schedule, name: str) -> Schedule:
    """Return a schedule; a plain number is a constant one."""
    if isinstance(value, Schedule):
        return value
    check_number(name, value, low=0.0)
    return Schedule(float(value), float(value))


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error over all elements (eq. 1)."""
    return torch.nn.functional.mse_loss(output, target)


def cluster_term(silhouette: Tensor) -> Tensor:
    """Return L_s = (1 - silhouette) / 2, in [0, 1] (eq. 3)."""
    return (1 - silhouette) / 2


def total_loss(base: Tensor, cluster: Tensor, gamma: float, form: str) -> Tensor:
    """Join the terms: base + gamma L_s ("sum"), or base (1 + gamma L_s)/(1 + gamma) ("normalised").

    Eqs. 4-6. The normalised form does not depend on the unit of the spectra.
    """
    check_choice("total", form, TOTALS)
    if form == "sum":
        return base + gamma * cluster
    return base * (1 + gamma * cluster) / (1 + gamma)
