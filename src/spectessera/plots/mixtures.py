"""Figures of mixtures: abundances of clusters, and the tree of clusters."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from spectessera.channels import outside, zero_peak
from spectessera.cube import spectral_axis

from .drawing import (
    axes_of,
    colour,
    draw_pixels,
    figure_of,
    grey_where_missing,
    image_grid,
    keep_outer_labels,
    rim,
    shades_of,
    with_gaps,
)
from .meanspectra import cut_zero_peak

SIDE = 2.6  # inches, of one map
MOST = 10  # components in the scale of their number


def abundances(maps: xr.Dataset, *, figure: FigureBase | None = None) -> Figure:
    """Draw the abundance of every cluster from 0 to 1, the number of components, end spectra.

    Parameters
    ----------
    maps : Dataset
        Of :func:`spectessera.maps.abundances`.
    figure : Figure or SubFigure, optional
        To draw into, such as a part of a larger figure; a new one by default.

    Raises
    ------
    ValueError
        If it has no abundances.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> import spectessera as spt
    >>> data = {"abundance": (("cluster", "y", "x"), np.full((2, 3, 4), 0.5)),
    ...         "components": (("y", "x"), np.full((3, 4), 2)),
    ...         "end_spectrum": (("cluster", "channel"), np.ones((2, 5)))}
    >>> maps = xr.Dataset(data, coords={"cluster": [1, 2]})
    >>> [axes.get_title() for axes in spt.plots.abundances(maps).axes][:3]
    ['cluster 1', 'cluster 2', 'components']
    """
    if "abundance" not in maps or "components" not in maps:
        raise ValueError(
            "this figure needs abundance (cluster, y, x) and components (y, x), as "
            f"spectessera.maps.abundances returns them; got "
            f"{', '.join(map(str, maps.data_vars)) or 'no variables'}"
        )
    shares = maps["abundance"].transpose("cluster", "y", "x").values
    count = len(shares) + 1
    columns, wide, high = image_grid(shares.shape[1:], count, SIDE)
    rows = -(-count // columns)
    size = (max(columns * (wide + 0.9), 6.0), rows * (high + 0.55) + 2.6)
    whole = figure_of(figure, size)
    upper, lower = _parts(whole, size[1] - 2.6, 2.6)
    grid = upper.subplots(rows, columns, squeeze=False).ravel()
    drawn = None
    for place, (axes, number) in enumerate(zip(grid, maps["cluster"].values, strict=False)):
        shown = grey_where_missing("cividis")
        drawn = draw_pixels(axes, shares[place], maps, cmap=shown, vmin=0, vmax=1)
        axes.set_title(f"cluster {int(number)}")
        keep_outer_labels(axes, place, columns, count)
    upper.colorbar(
        drawn, ax=list(grid[: count - 1]), shrink=0.7, label="abundance", location="left"
    )  # at the right is that of the components
    _draw_components(upper, grid[count - 1], maps, shares)
    keep_outer_labels(grid[count - 1], count - 1, columns, count)
    for axes in grid[count:]:
        axes.remove()
    _draw_spectra(lower.subplots(), maps)
    return whole


def _parts(figure: Figure, upper: float, lower: float) -> list[Any]:
    """Return two parts of a figure, of these heights."""
    parts: Any = figure.subfigures(2, 1, height_ratios=(upper, lower))
    return list(parts)


def _draw_components(figure: Any, axes: Axes, maps: xr.Dataset, shares: np.ndarray) -> None:
    """Draw how many clusters are in every pixel."""
    values = np.where(np.isfinite(shares[0]), maps["components"].values.astype(float), np.nan)
    most = max(2, min(MOST, int(np.nanmax(values, initial=0.0))))
    shown = grey_where_missing("viridis").resampled(most + 1)
    drawn = draw_pixels(axes, values, maps, cmap=shown, vmin=-0.5, vmax=most + 0.5)
    axes.set_title("components")
    figure.colorbar(drawn, ax=axes, shrink=0.8, ticks=range(most + 1), label="beyond errors")


def _draw_spectra(axes: Axes, maps: xr.Dataset) -> None:
    """Draw the end spectra, each over its largest value."""
    axis, shades = spectral_axis(maps["end_spectrum"]), shades_of(maps)
    spectra = maps["end_spectrum"].values.astype(float)
    held = zero_peak(axis, spectra)
    for row, number in enumerate(maps["cluster"].values):
        seen = np.abs(outside(spectra[row], held))
        largest = np.nanmax(seen) if np.isfinite(seen).any() else 0.0
        spectra[row] /= largest if largest > 0 else 1.0
        x, y = with_gaps(axis, spectra[row])
        shade = colour(int(number), shades)
        axes.plot(
            x, y, color=shade, lw=1, label=str(int(number)), path_effects=rim(shade, 1) or None,
        )  # fmt: skip
    cut_zero_peak(axes, axis, spectra)
    without = ", ".join(json.loads(str(maps.attrs.get("mixed_clusters", "{}"))))
    title = "end spectra" + (f" (none of its own: cluster {without})" if without else "")
    axes.set(xlabel=axis.label(), ylabel="share of the largest value", title=title)
    axes.legend(title="cluster", fontsize=7, ncols=-(-maps.sizes["cluster"] // 10))


class _Branch(NamedTuple):
    """A group of clusters in the drawing: its place, and the height that it goes on from."""

    place: float
    height: float


def tree(tree: xr.Dataset, *, ax: Axes | None = None) -> Figure:
    """Draw the tree of clusters: the height of a merge is the evidence that it costs.

    Parameters
    ----------
    tree : Dataset
        Of :func:`spectessera.maps.tree` or :func:`spectessera.maps.abundances`.
    ax : Axes, optional
        To draw into; those of a new figure by default.

    Raises
    ------
    ValueError
        If it has no merges.

    Examples
    --------
    >>> import xarray as xr
    >>> import spectessera as spt
    >>> steps = {"first": ("merge", [1, 1]), "second": ("merge", [3, 2]),
    ...          "cost": ("merge", [0.5, 20.0]), "cost_error": ("merge", [0.1, 0.4])}
    >>> spt.plots.tree(xr.Dataset(steps)).axes[0].get_ylabel()
    'evidence that a merge costs'
    """
    if "first" not in tree or tree.sizes.get("merge", 0) == 0:
        raise ValueError(
            "this figure needs first, second and cost (merge), as spectessera.maps.tree returns "
            f"them; got {', '.join(map(str, tree.data_vars)) or 'no variables'}"
        )
    steps = [tree[name].values.tolist() for name in ("first", "second", "cost", "cost_error")]
    order = leaves(list(zip(steps[0], steps[1], strict=True)))
    figure, axes = axes_of(ax, (max(4.5, 1.2 + 0.32 * len(order)), 3.6))
    branches = {number: _Branch(place, 0.0) for place, number in enumerate(order)}
    for first, second, cost, error in zip(*steps, strict=True):
        one, other = branches[first], branches.pop(second)
        # A merge is drawn no lower than those before it; by chance a cost may be less.
        high = max(cost, one.height, other.height, 0.0)
        x = [one.place, one.place, other.place, other.place]
        axes.plot(x, [one.height, high, high, other.height], color="0.25", lw=1.2)
        middle = (one.place + other.place) / 2
        axes.errorbar(middle, high, 2 * error, color="0.25", lw=0.8, capsize=2)
        branches[first] = _Branch(middle, high)
    axes.set_xticks(range(len(order)), [str(each) for each in order])
    shades = shades_of(tree)
    for place, number in enumerate(order):
        axes.plot(
            place, 0, "s", color=colour(number, shades), ms=7, mec="0.35", mew=0.5, clip_on=False
        )
    _scale(axes, np.array(steps[2]))
    axes.set(xlabel="cluster", ylabel="evidence that a merge costs")
    return figure


def _scale(axes: Axes, cost: np.ndarray) -> None:
    """Make the axis logarithmic above small costs, where costs differ by orders of magnitude."""
    positive = cost[cost > 0]
    if len(positive) and positive.max() > 20 * np.median(positive):
        axes.set_yscale("symlog", linthresh=max(float(np.min(positive)), positive.max() / 1e4))
    axes.set_ylim(bottom=0)


def leaves(pairs: list[tuple[int, int]]) -> list[int]:
    """Return the clusters of a tree in an order in which no lines cross.

    >>> leaves([(1, 3), (1, 2)])
    [1, 3, 2]
    """
    groups = {number: [number] for pair in pairs for number in pair}
    for first, second in pairs:
        groups[first] = groups[first] + groups.pop(second)
    return [number for members in groups.values() for number in members]
