"""The forms of the loss, and weights that change during a training; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from spectessera._util.check import check_number

TOTALS = ("normalised", "sum", "balanced")
RECONSTRUCTIONS = ("squared", "variance", "poisson", "multinomial")


@dataclass(frozen=True)
class Schedule:
    """A weight that goes linearly from one value to another between two epochs.

    Parameters
    ----------
    first, last : float
        Value until epoch ``start``, and from epoch ``end`` on.
    start, end : int
        Epochs counted from 0.

    Examples
    --------
    >>> Schedule(0.0, 0.01, start=10, end=20).at(15)
    0.005
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
            raise ValueError(
                f"a schedule cannot end before its start; got {self.start}..{self.end}"
            )

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
