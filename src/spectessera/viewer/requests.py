"""Requests of the page, checked: numbers in their ranges, words of a list, and nothing else.

What a page sends is not trusted: no path, no code and no name of a function is taken from it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from typing import Any

import numpy as np

MOST_CORNERS = 10_000  # of a polygon
MOST_LETTERS = 2**21  # of a request


def parse(text: Any) -> dict[str, Any]:
    """Return a request: an object of JSON with its act and its number.

    Raises
    ------
    ValueError
        If it is not.
    """
    if not isinstance(text, str) or len(text) > MOST_LETTERS:
        raise ValueError("a request is a text of JSON")
    try:
        request = json.loads(text)
    except RecursionError as error:
        raise ValueError("a request is not so deep") from error
    if not isinstance(request, dict) or not isinstance(request.get("act"), str):
        raise ValueError("a request is an object with its act")
    integer(request, "n", 0, 2**53)
    return request


def number(request: dict[str, Any], name: str, low: float, high: float) -> float:
    """Return a number from low to high.

    Examples
    --------
    >>> number({"x": 2.5}, "x", 0, 3)
    2.5
    """
    value = request.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"{name} is a number from {low:g} to {high:g}; got {value!r}")
    return float(value)


def integer(request: dict[str, Any], name: str, low: int, high: int) -> int:
    """Return a whole number from low to high."""
    value = number(request, name, low, high)
    if value != int(value):
        raise ValueError(f"{name} is a whole number; got {value!r}")
    return int(value)


def flag(request: dict[str, Any], name: str) -> bool:
    """Return whether something is wanted; it is not where nothing is said."""
    value = request.get(name, False)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is true or false; got {value!r}")
    return value


def word(request: dict[str, Any], name: str, words: Collection[str]) -> str:
    """Return one of some words."""
    value = request.get(name)
    if not isinstance(value, str) or value not in words:
        raise ValueError(f"{name} is none of the words that are known")
    return value


def text(request: dict[str, Any], name: str, most: int) -> str:
    """Return a text of at most so many letters."""
    value = request.get(name)
    if not isinstance(value, str) or len(value) > most:
        raise ValueError(f"{name} is a text of at most {most} letters")
    return value


def integers(request: dict[str, Any], name: str, allowed: Collection[int]) -> list[int]:
    """Return a list of different whole numbers, each one of those that are allowed."""
    values = request.get(name)
    if not isinstance(values, list) or len(values) > len(allowed):
        raise ValueError(f"{name} is a list of numbers")
    checked = [integer({name: value}, name, 0, 2**31) for value in values]
    if not set(checked) <= set(allowed) or len(set(checked)) < len(checked):
        raise ValueError(f"{name} has a number that is not known, or one twice")
    return checked


def corners(request: dict[str, Any], name: str = "corners") -> np.ndarray:
    """Return the corners of a polygon, (n, 2): x and y."""
    values = request.get(name)
    if not isinstance(values, list) or not 3 <= len(values) <= MOST_CORNERS:
        raise ValueError(f"{name} is a list of 3 to {MOST_CORNERS} points")
    found = np.empty((len(values), 2))
    for place, each in enumerate(values):
        if not isinstance(each, list) or len(each) != 2 or not all(map(_is_finite, each)):
            raise ValueError(f"a point is two numbers; got {each!r}")
        found[place] = each
    return found


def _is_finite(value: Any) -> bool:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return plain and math.isfinite(value) and abs(value) < 1e9
