"""Figure of maps of emission lines."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap, TwoSlopeNorm
from matplotlib.figure import Figure, FigureBase
from matplotlib.patches import Patch

from spectessera._util.text import counted, in_figure
from spectessera.colours import colours
from spectessera.result import require

from .drawing import (
    GREY,
    draw_image,
    draw_pixels,
    figure_of,
    grey_where_missing,
    image_grid,
    keep_outer_labels,
)

UNDECIDED = (0.62, 0.62, 0.66)
MOST_LINES = 6  # fluxes that are drawn: of the lines that are detected in most pixels
DETECTED = 3.0  # standard errors
# How a pixel was fitted: name, bit of the quality, colour.
FITTED = (("alone", 0, "#21618c"), ("pooled", 1, "#a9cce3"), ("too faint", 2, "#e59866"))


def lines(maps: xr.Dataset, *, figure: FigureBase | None = None) -> Figure:
    """Draw the fluxes of the brightest lines, velocity, dispersion, class of the gas, and quality.

    Parameters
    ----------
    maps : Dataset
        Of :func:`spectessera.maps.lines`.
    figure : Figure or SubFigure, optional
        To draw into, such as a part of a larger figure; a new one by default.

    Raises
    ------
    ValueError
        If it has no velocity or no fluxes.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> wave = np.arange(6400, 6800, 1.25)
    >>> line = 50 * np.exp(-0.5 * ((wave - 6562.82) / 1.5) ** 2)
    >>> noise = np.random.default_rng(0).normal(size=(6, 7, len(wave)))
    >>> cube = spt.make_cube(20 + line + noise, wavelength=wave, medium="air",
    ...                      variance=np.ones(noise.shape))
    >>> result = spt.baselines.linear(cube, spt.Clusters(2, 2), seed=0)
    >>> maps = spt.maps.lines(cube, result, names=["Ha 6563"], redshift=0.0)
    >>> [axes.get_title() for axes in spt.plots.lines(maps).axes][:2]
    ['Ha 6563', 'velocity']
    """
    require(maps, "flux", "flux_error", "velocity", "dispersion", "quality", purpose="this figure")
    brightest = _brightest(maps)
    count = len(brightest) + 4
    columns, wide, high = image_grid(maps["velocity"].shape, count, 2.6)
    rows = -(-count // columns)
    whole = figure_of(figure, (columns * (wide + 1.3), rows * (high + 1.2)))
    panels = list(whole.subplots(rows, columns, squeeze=False).ravel())
    for axes in panels[count:]:
        axes.set_axis_off()
    unit = in_figure(str(maps["flux"].attrs.get("units", "")))
    for axes, line in zip(panels, brightest, strict=False):
        flux = maps["flux"].isel(line=line)
        draw_image(whole, axes, flux.values, maps, unit)
        axes.set_title(in_figure(str(maps["line"].values[line])))
    velocity, dispersion, gas, quality = panels[len(brightest) : count]
    _draw_velocity(whole, velocity, maps)
    draw_image(whole, dispersion, maps["dispersion"].values, maps, "km/s")
    dispersion.set_title("dispersion")
    _draw_class(gas, maps)
    _draw_quality(quality, maps)
    for place, axes in enumerate(panels[:count]):
        keep_outer_labels(axes, place, columns, count)
    if left := _left_out(maps, brightest):
        whole.supxlabel(in_figure(left, 200), fontsize=7)
    return whole


def _left_out(maps: xr.Dataset, drawn: list[int]) -> str:
    """Return the lines that are not drawn, with the number of pixels that show them."""
    with np.errstate(invalid="ignore"):
        seen = (maps["flux"].values > DETECTED * maps["flux_error"].values).sum(axis=(1, 2))
    names = maps["line"].values.tolist()
    rest = [at for at in np.argsort(-seen, kind="stable").tolist() if at not in drawn]
    words = ", ".join(f"{names[at]} ({counted(int(seen[at]), 'pixel')})" for at in rest)
    return f"not drawn: {words}" if words else ""


def _brightest(maps: xr.Dataset) -> list[int]:
    """Return the lines that are detected in most pixels, by wavelength."""
    with np.errstate(invalid="ignore"):
        seen = (maps["flux"].values > DETECTED * maps["flux_error"].values).sum(axis=(1, 2))
    best = np.argsort(-seen, kind="stable")[:MOST_LINES]
    return sorted(int(line) for line in best if seen[line]) or [0]


def _draw_velocity(figure: Figure, axes: Axes, maps: xr.Dataset) -> None:
    values = maps["velocity"].values.astype(float)
    finite = values[np.isfinite(values)]
    low, middle, high = np.percentile(finite, (2, 50, 98)) if finite.size else (-1.0, 0.0, 1.0)
    half = max(high - middle, middle - low, 1.0)
    norm = TwoSlopeNorm(middle, middle - half, middle + half)
    drawn = draw_pixels(axes, values, maps, cmap=grey_where_missing("RdBu_r"), norm=norm)
    figure.colorbar(drawn, ax=axes, shrink=0.8, extend="both", label="km/s")
    axes.set_title("velocity")


def _draw_class(axes: Axes, maps: xr.Dataset) -> None:
    axes.set_title("class of the gas")
    legend = json.loads(maps["gas_class"].attrs["legend"])
    values = maps["gas_class"].values
    present = [int(number) for number in legend if (values == int(number)).any()]
    palette = np.vstack([[GREY], colours(len(legend)) / 255])
    palette[[int(number) for number, name in legend.items() if name == "undecided"]] = UNDECIDED
    _draw_numbers(axes, values, palette, maps)
    names = [(legend[str(number)], tuple(palette[number])) for number in present]
    _legend(axes, [*names, ("no H alpha", GREY)] if (values == 0).any() else names)


def _draw_quality(axes: Axes, maps: xr.Dataset) -> None:
    axes.set_title("fitted")
    quality = maps["quality"].values
    number = np.where(quality & 2, 3, np.where(quality & 1, 2, 1))
    number = np.where(quality & 32, 0, number)
    colour_of = [GREY, *(name for *_, name in FITTED)]
    _draw_numbers(axes, number, colour_of, maps)
    _legend(
        axes,
        [
            (f"{name} ({int((number == at).sum())})", colour)
            for at, (name, _, colour) in enumerate(FITTED, start=1)
            if (number == at).any()
        ],
    )


def _draw_numbers(axes: Axes, values: np.ndarray, palette: Any, maps: xr.Dataset) -> None:
    """Draw numbers from 0, each in its colour."""
    bounds = np.arange(len(palette) + 1) - 0.5
    shown = ListedColormap(palette)
    draw_pixels(axes, values, maps, cmap=shown, norm=BoundaryNorm(bounds, len(palette)))


def _legend(axes: Axes, entries: list[tuple[str, Any]]) -> None:
    handles = [
        Patch(facecolor=colour, edgecolor="0.35", lw=0.5, label=in_figure(name))
        for name, colour in entries
    ]
    axes.legend(handles=handles, fontsize=6.5, loc="upper center", bbox_to_anchor=(0.5, -0.2))
