"""Parts that several figures share: colours of clusters, label maps, images, spectra, tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.ticker import MaxNLocator

from spectessera._util.text import in_figure, per_cent
from spectessera.axis import Axis
from spectessera.channels import Windows
from spectessera.colours import MASKED, colours
from spectessera.result import palette

from .scalebar import draw_lengths, draw_scale_bar

# Largest number of clusters whose spectra a figure shows; the map shows all clusters.
MAX_SPECTRA = 20
# Largest ratio of the sides of an image. A longer image is stretched, so that its rows are visible.
MAX_RATIO = 3.0
MIN_WIDTH = 1.4  # of an image in inches, enough for its title and ticks
# Lines in a colour lighter than this (relative luminance) get a dark rim, to be visible on white.
LIGHT = 0.6

NAME = 60  # characters of a name in a legend
MAX_COLUMNS = 200  # of an image whose columns are channels

RGB = tuple[float, float, float]
BAND = "0.92"  # grey of a window of the spectral axis that is not used
GREY = tuple((MASKED / 255).tolist())  # of masked pixels


def figure_of(figure: Any, size: tuple[float, float]) -> Any:
    """Return the figure, or part of one, that is drawn into; a new one of a size by default.

    An empty figure without a layout, such as ``plt.figure()``, gets the one of new figures:
    otherwise titles and bars would lie over the images beside them.

    Parameters
    ----------
    figure : Figure, SubFigure or None
    size : tuple of float
        Inches of a new one.
    """
    if figure is None:
        return Figure(figsize=size, layout="constrained")
    bare = isinstance(figure, Figure) and not (figure.axes or figure.subfigs)
    if bare and figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")
    return figure


def axes_of(ax: Axes | None, size: tuple[float, float]) -> tuple[Any, Axes]:
    """Return a figure and the axes that are drawn into; new ones of a size by default."""
    if ax is not None:
        return ax.get_figure(), ax
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.add_subplot()


def colour(label: int, shades: np.ndarray | None = None) -> RGB:
    """Return the colour of a cluster (1, 2, 3 ...) as red, green and blue in 0..1.

    ``shades (number, 3)`` are those of :func:`spectessera.result.palette`; by default, and for
    larger labels, the fixed colours.
    """
    table = colours(label) if shades is None or label > len(shades) else shades
    red, green, blue = (table[label - 1] / 255).tolist()
    return red, green, blue


def shades_of(like: Any, count: int = 0) -> np.ndarray:
    """Return the colours of clusters that the attributes of an array say, (number, 3) uint8."""
    if isinstance(like, (xr.DataArray, xr.Dataset)):
        return palette(like, count)
    return colours(count)


def grey_where_missing(name: str) -> Colormap:
    """Return a colour map of matplotlib in which values that are not finite are grey."""
    return matplotlib.colormaps[name].with_extremes(bad=GREY)


def origin(array: Any) -> Any:
    """Return where row 0 of an image is: "lower" for sky images, which have a WCS, else "upper"."""
    return "lower" if "wcs" in getattr(array, "attrs", {}) else "upper"


def panel_size(shape: Sequence[int], side: float) -> tuple[float, float]:
    """Return width and height, in inches, for an image (y, x) whose longer side is ``side``."""
    height, width = shape[:2]
    ratio = min(max(height / width, 1 / MAX_RATIO), MAX_RATIO)
    return (side, side * ratio) if ratio < 1 else (max(MIN_WIDTH, side / ratio), side)


def draw_pixels(
    axes: Axes,
    values: Any,
    like: Any,
    *,
    cmap: Colormap | None = None,
    norm: Normalize | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
) -> AxesImage:
    """Draw an image (y, x) or (y, x, 3), pixel by pixel.

    Parameters
    ----------
    axes : Axes
    values : array (y, x), or (y, x, 3) of colours
    like : array
        Its attributes decide where row 0 is: see :func:`origin`. Where it has positions of rows
        and columns in a unit of length, the axes are lengths from the first pixel and a scale bar
        is drawn; elsewhere the axes count pixels.
    cmap, norm, vmin, vmax
        As in :meth:`matplotlib.axes.Axes.imshow`.

    Returns
    -------
    AxesImage
    """
    height, width = np.shape(values)[:2]
    image = axes.imshow(
        values,
        origin=origin(like),
        interpolation="nearest",
        aspect="equal" if 1 / MAX_RATIO <= height / width <= MAX_RATIO else "auto",
        cmap=cmap,
        norm=norm,
        vmin=vmin,
        vmax=vmax,
    )
    most = 3 if height > width else 5, 5
    if not draw_lengths(axes, like, (height, width), most):
        for each, number in zip((axes.xaxis, axes.yaxis), most, strict=True):
            ticks = MaxNLocator(number, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
            each.set_major_locator(ticks)
        axes.set(xlabel="x (pixel)", ylabel="y (pixel)")
    draw_scale_bar(axes, like, width)
    return image


def image_grid(shape: Sequence[int], count: int, side: float) -> tuple[int, float, float]:
    """Return the number of images in a row, and the width and height of one in inches."""
    wide, high = panel_size(shape, side)
    columns = max(1, min(count, 6, round(math.sqrt(count * 1.6 * high / wide))))
    return math.ceil(count / math.ceil(count / columns)), wide, high


def keep_outer_labels(axes: Axes, place: int, columns: int, count: int) -> None:
    """Keep the labels of the axes at the left and at the bottom of a grid of images."""
    if place % columns:
        axes.set_ylabel("")
        axes.tick_params(labelleft=False)
    if place // columns < (count - 1) // columns:
        axes.set_xlabel("")
        axes.tick_params(labelbottom=False)


def draw_labels(axes: Axes, label: Any, n_clusters: int) -> AxesImage:
    """Draw a label map (y, x) in the colours of clusters.

    Its attributes decide where row 0 is, and which colours people have given.
    """
    shades = shades_of(label, n_clusters)[:n_clusters]
    table = np.concatenate([np.reshape(MASKED, (1, 3)), shades]) / 255
    return draw_pixels(
        axes,
        np.asarray(label),
        label,
        cmap=ListedColormap(table),
        norm=BoundaryNorm(np.arange(n_clusters + 2) - 0.5, n_clusters + 1),
    )


def draw_image(figure: Figure, axes: Axes, image: Any, like: Any, unit: str = "") -> AxesImage:
    """Draw an image (y, x) of numbers with its colour bar; for ``like`` see :func:`draw_pixels`."""
    values = np.asarray(image, dtype=float)
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, (1, 99)) if finite.size else (0.0, 1.0)
    cut = {(True, True): "both", (True, False): "min", (False, True): "max"}
    outside = bool(finite.size and finite.min() < low), bool(finite.size and finite.max() > high)
    drawn = draw_pixels(
        axes,
        values,
        like,
        cmap=grey_where_missing("cividis"),
        vmin=low,
        vmax=high if high > low else low + 1,
    )
    figure.colorbar(drawn, ax=axes, shrink=0.8, extend=cut.get(outside, "neither"), label=unit)
    return drawn


def rim(shade: RGB, width: float) -> list[AbstractPathEffect]:
    """Return a dark rim for a line of this width where its colour is light."""
    if np.dot(shade, (0.2126, 0.7152, 0.0722)) < LIGHT:
        return []
    return [withStroke(linewidth=width + 1.0, foreground="0.35")]


def with_gaps(axis: Axis, values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y (..., channel) of a line that is interrupted between windows of the axis."""
    breaks = [part.start for part in axis.segments()[1:]]
    values = np.asarray(values, dtype=float)
    return np.insert(axis.values, breaks, np.nan), np.insert(values, breaks, np.nan, axis=-1)


def shade_channels(axes: Axes, windows: Windows) -> None:
    """Draw windows (low, high) of the spectral axis, such as those of bad channels, in grey."""
    for low, high in windows:
        axes.axvspan(low, high, color=BAND, lw=0, zorder=0)


def draw_mesh(
    axes: Axes,
    rows: np.ndarray,
    edges: np.ndarray,
    axis: Axis,
    *,
    cmap: str | Colormap,
    norm: Normalize,
) -> list[QuadMesh]:
    """Draw an image of spectra, window by window of the spectral axis.

    Neighbouring channels are averaged where there are too many to be visible.

    Parameters
    ----------
    axes : Axes
    rows : array (row, channel)
    edges : array (row + 1,)
        Of the rows, along y.
    axis : Axis
    cmap, norm
        As in :meth:`matplotlib.axes.Axes.pcolormesh`.

    Returns
    -------
    list of QuadMesh
        One for every window.
    """
    meshes = []
    x = axis.values
    usual = float(np.median(np.diff(x))) if len(x) > 1 else 1.0
    step = math.ceil(len(x) / MAX_COLUMNS)
    for part in axis.segments():
        inside = x[part]
        steps = np.diff(inside) if len(inside) > 1 else np.array([usual])
        middles = (inside[1:] + inside[:-1]) / 2
        ends = inside[0] - steps[0] / 2, inside[-1] + steps[-1] / 2
        bounds = np.concatenate([ends[:1], middles, ends[1:]])
        starts = np.arange(0, len(inside), step)
        sums = np.add.reduceat(rows[:, part], starts, axis=1)
        values = sums / np.diff(np.append(starts, len(inside)))
        columns = np.append(bounds[starts], bounds[-1])
        meshes.append(axes.pcolormesh(columns, edges, values, cmap=cmap, norm=norm))
    axes.set_xlabel(axis.label())
    fit_channels(axes, axis)
    return meshes


def fit_channels(axes: Axes, axis: Axis) -> None:
    """Limit the x axis of a panel to the spectral axis."""
    if len(axis) > 1:
        axes.set_xlim(axis.values.min(), axis.values.max())


def legend_handles(
    labels: Sequence[int],
    sizes: Sequence[int],
    names: Mapping[int, str] | None = None,
    shades: np.ndarray | None = None,
) -> list[Patch]:
    """Return the entries of a legend: every cluster with its name and share of the pixels."""
    names = {label: f"{in_figure(name, NAME)}, " for label, name in (names or {}).items()}
    total = max(1, sum(sizes))
    return [
        Patch(
            facecolor=colour(label, shades),
            edgecolor="0.35",
            lw=0.5,
            label=f"{label}: {names.get(label, '')}{per_cent(size / total, 1)}",
        )
        for label, size in zip(labels, sizes, strict=True)
    ]


def masked_handle(label: Any) -> list[Patch]:
    """Return the entry of a legend for the pixels of no cluster, if there are any."""
    some = bool((np.asarray(label) == 0).any())
    return [Patch(facecolor=GREY, edgecolor="0.35", lw=0.5, label="masked")] * some


def draw_table(axes: Axes, shade: Any, texts: Sequence[Sequence[str]], size: float) -> None:
    """Draw a table: an image of greys, ``shade (row, column)`` in 0..1, with texts on top."""
    shade = np.asarray(shade, dtype=float)
    axes.imshow(shade, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            dark = shade[row, column] > 0.6
            axes.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                fontsize=size,
                color="white" if dark else "black",
            )
    axes.set(xticks=range(shade.shape[1]), yticks=range(shade.shape[0]))
    axes.tick_params(length=0)


def save_png(
    figure: Figure,
    file: Path | IO[bytes],
    dpi: float,
    metadata: Mapping[str, str | None] | None = None,
) -> None:
    """Write a finished figure as PNG, the same bytes as its ``savefig`` in less time.

    ``savefig`` draws a figure twice, first without output for the bounding box of all artists.
    """
    figure.set_dpi(dpi)
    FigureCanvasAgg(figure).print_png(file, metadata=metadata)  # type: ignore[no-untyped-call]
