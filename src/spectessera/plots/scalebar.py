"""Lengths in a map whose pixels have a size: its axes, and a bar of a round length."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from spectessera.result import pixel_size

SHARE = 0.3  # of the width of the map, the longest that a bar may be
NAMES = {1e3: "km", 1.0: "m", 1e-3: "mm", 1e-6: "µm", 1e-9: "nm"}  # metres; the first that fits


def round_length(longest: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is no longer.

    Examples
    --------
    >>> [round_length(each) for each in (0.7, 3.0, 99.0)]
    [0.5, 2.0, 50.0]
    """
    power = 10.0 ** math.floor(math.log10(longest))
    found = max(each for each in (1.0, 2.0, 5.0) if each * power <= longest * (1 + 1e-9))
    return found * power


def in_words(metres: float) -> str:
    """Return a length with the unit in which it is a short number.

    >>> in_words(0.002), in_words(5e-7), in_words(2e4)
    ('2 mm', '500 nm', '20 km')
    """
    size = next((one for one in NAMES if metres >= 0.999999 * one), 1e-9)
    return f"{metres / size:.6g} {NAMES[size]}"


class Bar(NamedTuple):
    """A scale bar: how many pixels long it is, and its length in words."""

    pixels: float
    words: str


def scale_bar(array: Any, columns: int) -> Bar | None:
    """Return the scale bar of a map (y, x) with so many columns.

    None unless rows and columns of ``array`` have positions in a length.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> places = {n: (n, 0.5 * np.arange(9), {"units": "mm"}) for n in ("y", "x")}
    >>> scale_bar(xr.DataArray(np.zeros((9, 9)), dims=("y", "x"), coords=places), 9)
    Bar(pixels=2.0, words='1 mm')
    """
    size = pixel_size(array)
    if size is None:
        return None
    metres = size.x * size.metres  # of a pixel
    length = round_length(SHARE * columns * metres)
    return Bar(length / metres, in_words(length))


class _Lengths(MaxNLocator):
    """Ticks at round lengths along an axis whose positions are pixels.

    Parameters
    ----------
    length : float
        Of a pixel.
    most : int
        Number of ticks.
    """

    def __init__(self, length: float, most: int) -> None:
        super().__init__(most, min_n_ticks=1, steps=[1, 2, 5, 10])
        self.length = length

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        """Return the positions in pixels."""
        ticks = super().tick_values(vmin * self.length, vmax * self.length)
        return [float(each) / self.length for each in ticks]


def draw_lengths(axes: Axes, array: Any, shape: tuple[int, int], most: tuple[int, int]) -> bool:
    """Let the axes of a map (y, x) be lengths from its first pixel; return whether it has them.

    Positions in the axes stay pixels, so that everything else is drawn in pixels.

    Parameters
    ----------
    axes : Axes
        In which the map is drawn, pixel by pixel.
    array : DataArray or Dataset
        Whose coordinates y and x say how large a pixel is.
    shape : tuple of int
        (y, x)
    most : tuple of int
        Number of ticks along x and y.
    """
    size = pixel_size(array)
    if size is None:
        return False
    metres = size.x * size.metres, size.y * size.metres
    longest = max(metres[0] * shape[1], metres[1] * shape[0])
    unit = next((one for one in NAMES if longest >= one), min(NAMES))
    lengths = [each / unit for each in metres]
    for axis, length, number in zip((axes.xaxis, axes.yaxis), lengths, most, strict=True):
        axis.set_major_locator(_Lengths(length, number))
        axis.set_major_formatter(FuncFormatter(lambda at, _, length=length: f"{at * length:.6g}"))
    axes.set(xlabel=f"x ({NAMES[unit]})", ylabel=f"y ({NAMES[unit]})")
    return True


def draw_scale_bar(axes: Axes, array: Any, columns: int) -> None:
    """Draw a scale bar in a map (y, x); none unless rows and columns have positions in a length.

    Parameters
    ----------
    axes : Axes
        In which the map is drawn, pixel by pixel.
    array : DataArray or Dataset
        Whose coordinates y and x say how large a pixel is.
    columns : int
        Width of the map.
    """
    bar = scale_bar(array, columns)
    if bar is None:
        return
    share = bar.pixels / columns
    rim = [withStroke(linewidth=4, foreground="white")]
    axes.plot(
        [0.04, 0.04 + share], [0.05, 0.05], color="black", lw=2, solid_capstyle="butt",
        transform=axes.transAxes, path_effects=rim, gid="scale-bar", zorder=5,
    )  # fmt: skip
    axes.text(
        0.04 + share / 2, 0.08, bar.words, transform=axes.transAxes, ha="center",
        va="bottom", fontsize=8, color="black", zorder=5,
        bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1},
    )  # fmt: skip
