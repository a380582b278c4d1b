"""Lengths in a report: the size of the map and of its pixels, scale bars, areas of clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr

from spectessera.plots.scalebar import NAMES, scale_bar
from spectessera.result import PixelSize, pixel_size

TIMES = "\u00d7"
PLACE = 0.04, 0.06  # of the width and of the height of a map: the left end of its bar


def map_size(array: xr.DataArray | xr.Dataset) -> str:
    """Return height and width of a map (y, x) and of its pixels; "" where they are not known."""
    size = pixel_size(array)
    if size is None:
        return ""
    whole = _pair(size.y * array.sizes["y"], size.x * array.sizes["x"], size)
    return f"{whole}; a pixel is {_pair(size.y, size.x, size)} (height {TIMES} width)"


def each_map_is(array: xr.DataArray | xr.Dataset) -> str:
    """Return a sentence with the size of small maps, which have no room for a bar; or ""."""
    words = map_size(array)
    return f"Each map is {words}." if words else ""


def areas(array: xr.DataArray | xr.Dataset, pixels: Sequence[int]) -> list[str]:
    """Return the areas of so many pixels each, in words; "" where the size is not known."""
    size = pixel_size(array)
    if size is None:
        return [""] * len(pixels)
    one = size.y * size.x * size.metres**2
    return [_area(number * one) for number in pixels]


def add_scale_bars(figures: Sequence[Any], array: xr.DataArray | xr.Dataset, upright: bool) -> None:
    """Draw the bar of the still maps into the live ones (figures of bokeh), if there is one.

    It lies in the map and grows with it, so that it is right at any zoom. ``upright``: the first
    row is at the bottom.
    """
    from bokeh.models.annotations import Label

    height, width = array.sizes["y"], array.sizes["x"]
    bar = scale_bar(array, width)
    if bar is None:
        return
    left = PLACE[0] * width - 0.5
    share = PLACE[1] if upright else 1 - PLACE[1]
    ends, row = [left, left + bar.pixels], share * height - 0.5
    for drawn in figures:
        for colour, wide in (("white", 6), ("black", 2)):
            drawn.line(ends, [row, row], line_color=colour, line_width=wide, name="scale-bar")
        drawn.add_layout(
            Label(
                x=sum(ends) / 2, y=row, y_offset=5, text=bar.words, text_align="center",
                text_font_size="11px", text_color="black", background_fill_color="white",
                background_fill_alpha=0.75,
            )
        )  # fmt: skip


def _unit(metres: float) -> float:
    """Return the unit in which a length is a short number, in metres."""
    return next((one for one in NAMES if metres >= 0.999999 * one), min(NAMES))


def _pair(height: float, width: float, size: PixelSize) -> str:
    """Return two lengths in the unit of the larger one."""
    high, wide = height * size.metres, width * size.metres
    unit = _unit(max(high, wide))
    return f"{high / unit:.4g} {TIMES} {wide / unit:.4g} {NAMES[unit]}"


def _area(square_metres: float) -> str:
    """Return an area in the unit in which it is a short number."""
    unit = _unit(3 * square_metres**0.5)  # from 0.1 mm2 on in mm2
    number = float(f"{square_metres / unit**2:.3g}")
    return f"{number:.10g} {NAMES[unit]}²"
