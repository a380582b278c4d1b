"""Checks of shape, type and finite values, with the wording of their errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .text import counted


def check_choice(name: str, value: Any, allowed: Sequence[Any]) -> None:
    """Raise ValueError unless ``value`` is one of ``allowed``."""
    if value not in allowed:
        options = ", ".join(repr(option) for option in allowed)
        raise ValueError(f"{name} must be one of {options}; got {value!r}")


def check_number(
    name: str,
    value: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    integer: bool = False,
    open_low: bool = False,
) -> None:
    """Raise unless ``value`` is a finite real number (or integer) within ``[low, high]``.

    With ``open_low`` the lower bound itself is not allowed.
    """
    kinds = (int, np.integer) if integer else (int, float, np.integer, np.floating)
    if isinstance(value, bool) or not isinstance(value, kinds):
        kind = "an integer" if integer else "a number"
        raise TypeError(f"{name} must be {kind}; got {value!r} ({type(value).__name__})")
    if isinstance(value, int):
        if abs(value) > np.iinfo(np.uint64).max:
            raise ValueError(f"{name} is too large: {value}")
    elif not np.isfinite(value):
        raise ValueError(f"{name} must be finite; got {value!r}")
    if low is not None and (value < low or (open_low and value == low)):
        raise ValueError(f"{name} must be {'above' if open_low else 'at least'} {low}; got {value}")
    if high is not None and value > high:
        raise ValueError(f"{name} must be at most {high}; got {value}")


def check_ndim(name: str, array: Any, ndim: int, axes: str) -> None:
    """Raise ValueError unless ``array`` has ``ndim`` axes, named by ``axes`` in the message."""
    if array.ndim != ndim:
        raise ValueError(
            f"{name} must have {ndim} axes {axes}; got {array.ndim} (shape {tuple(array.shape)})"
        )


def check_numeric(name: str, array: Any) -> None:
    """Raise TypeError unless ``array`` holds real numbers."""
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers; got dtype {array.dtype}")


def check_same_shape(name: str, shape: Sequence[int], expected: Sequence[int], of: str) -> None:
    """Raise ValueError unless the two shapes agree."""
    if tuple(shape) != tuple(expected):
        raise ValueError(f"{name} has shape {tuple(shape)} but {of} has shape {tuple(expected)}")


def check_channels(got: int, want: int) -> None:
    """Raise ValueError unless spectra have as many channels as the model was trained on."""
    if got != want:
        raise ValueError(
            f"spectra have {counted(got, 'channel')} but this model was trained on {want}; "
            "give a cube on the same axis, or train a model for this one"
        )
