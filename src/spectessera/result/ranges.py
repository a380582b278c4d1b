"""Whether the numbers and texts of a result are such as it may hold.

A result may come from a stranger, and what reads it (figures, reports, summaries) takes its values
as they are: an infinite number of neighbours or a significance of 1e308 would end there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.text import shown

from .given import check_given
from .schema import ATTRIBUTES, COORDINATES, VARIABLES, Attribute, Variable

# Means and shares of float32 numbers may be beyond their range by rounding.
_ROUNDING = 1e-4
_KINDS = {str: "text", int: "an integer", float: "a number"}


def check_attributes(result: xr.Dataset) -> None:
    """Raise ValueError if an attribute of the schema has another type, or is out of its range."""
    for known in ATTRIBUTES:
        owner = result.variables.get(known.owner) if known.owner else result
        if owner is not None and known.name in owner.attrs:
            _check_attribute(owner.attrs, known)
    if "quality" in result.variables:
        _check_bits(result.variables["quality"].attrs)
    _check_rare(result)
    check_given(result)


def _check_attribute(attributes: Mapping[Any, Any], known: Attribute) -> None:
    value = attributes[known.name]
    if not _is_right(value, known):
        limits = f" from {known.low:g} to {known.high:g}" if known.kind is not str else ""
        whose = known.owner and f" of {known.owner!r}"
        raise ValueError(
            f"{known.name!r}{whose} of a result must be {_KINDS[known.kind]}{limits} "
            f"({shown(known.meaning)}); got {_in_words(value)}"
        )


def _is_right(value: Any, known: Attribute) -> bool:
    """Return whether an attribute has the type and the range of the schema."""
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(
        value, bool
    )
    if known.kind is str:  # of a cube, FITS has a number as the name of an object
        return isinstance(value, str) or (number and known.segment == "cube")
    if not number or (known.kind is int and not isinstance(value, (int, np.integer))):
        return False
    return bool(known.low <= value <= known.high or (known.may_be_nan and value != value))


def _in_words(value: Any) -> str:
    plain = value.item() if isinstance(value, np.generic) else value
    return f"{shown(repr(plain), 60)} ({type(plain).__name__})"


def _check_bits(attributes: Mapping[Any, Any]) -> None:
    """Raise ValueError if the bits of the quality map are none of a byte."""
    masks = [each for each in str(attributes.get("flag_masks", "")).split(",") if each.strip()]
    bits = [each.strip() for each in masks]
    if not all(b.isascii() and b.isdecimal() and len(b) < 4 and int(b) < 256 for b in bits):
        raise ValueError(
            "'flag_masks' of 'quality' of a result must be the bits of a byte, such as '1, 2, 4'; "
            f"got {_in_words(attributes['flag_masks'])}"
        )


def _check_rare(result: xr.Dataset) -> None:
    """Raise ValueError unless there are fewer rare groups than clusters."""
    rare = result.attrs.get("rare_clusters", 0)
    number = result.attrs.get("n_clusters", result.sizes.get("cluster", 0))
    if rare and rare >= number:
        raise ValueError(
            f"'rare_clusters' of a result must be less than its {number} clusters; got {rare}"
        )


def check_values(result: xr.Dataset) -> None:
    """Raise ValueError if a value of a variable of the schema is out of its range.

    NaN is in every range of floats. Variables that are not computed yet are not looked at.
    """
    for known in (*VARIABLES.values(), *COORDINATES.values()):
        if known.name in result.variables and result.variables[known.name].chunks is None:
            _check_range(result.variables[known.name].values, known)
    if "rare" in result.variables:
        found, said = np.isfinite(result["rare"].values), result.attrs.get("rare_clusters", 0)
        if found.sum() > said or found[: len(found) - said].any():
            raise ValueError(
                "'rare' of a result must be NaN but for the last clusters, as many as "
                f"'rare_clusters', which is {said}; there are {int(found.sum())} such numbers"
            )


def _check_range(values: np.ndarray, known: Variable) -> None:
    if values.size == 0 or values.dtype.kind == "b":
        return
    flat = values.ravel()
    low, high = np.fmin.reduce(flat), np.fmax.reduce(flat)  # (without those that are NaN)
    slack = _ROUNDING * max(1.0, abs(known.low))
    if low < known.low - slack or high > known.high * (1 + _ROUNDING):
        worst = low if low < known.low - slack else high
        raise ValueError(
            f"{known.name!r} of a result must be numbers from {known.low:g} to {known.high:g} "
            f"({known.meaning}); got {worst}"
        )
