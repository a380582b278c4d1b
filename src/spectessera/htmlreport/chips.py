"""Squares in the colours of clusters, as HTML."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from spectessera.colours import as_hex
from spectessera.result import palette


def chip(colour: str) -> str:
    """Return a square of a colour "#rrggbb"."""
    return f'<span class="chip" aria-hidden="true" style="background:{colour}"></span>'


def chips(maps: xr.Dataset, numbers: Sequence[int]) -> list[str]:
    """Return the numbers of clusters, each beside a square of its colour.

    The attributes of the maps say which colours people have given.
    """
    shades = palette(maps, max(numbers, default=0))
    return [f"{chip(as_hex(shades[number - 1]))} {number}" for number in numbers]
