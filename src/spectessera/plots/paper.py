"""Figures of arXiv 2401.17695 that show one segmentation.

One function each; finished arrays in, a matplotlib Figure out. Label maps and images whose
attributes hold a ``wcs`` are drawn with y upwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from spectessera._util.text import in_figure, per_cent
from spectessera.axis import Axis
from spectessera.channels import bad_channels, hidden
from spectessera.colours import MASKED
from spectessera.cube import spectral_axis
from spectessera.result import (
    cluster_colours,
    cluster_names,
    input_axis_of,
    number_of_clusters,
    require,
)

from .drawing import (
    GREY,
    MAX_SPECTRA,
    NAME,
    RGB,
    colour,
    draw_labels,
    draw_mesh,
    draw_pixels,
    fit_channels,
    grey_where_missing,
    image_grid,
    keep_outer_labels,
    legend_handles,
    panel_size,
    shades_of,
    with_gaps,
)
from .meanspectra import cut_zero_peak, draw_spectra

INPUT = "network input (its own unit)"
MAX_ROWS = 240  # of the image of a flattened cube


def seed_image(image: Any, label: Any, rgb: Any) -> Figure:
    """Draw an image, the same image in its clustered colours, and the share of each colour.

    Figures 3 and 8 of arXiv 2401.17695.

    Parameters
    ----------
    image : array (y, x, 3), 0..255
    label : array (y, x) of integers
        1..K, the colour of every pixel; 0 = none.
    rgb : array (K, 3), 0..255
        The colours.
    """
    label_map, colours_of = np.asarray(label), np.asarray(rgb) / 255
    wide, high = panel_size(label_map.shape, 4.5)
    figure = Figure(figsize=(2 * wide + 3.2, max(3.0, high + 0.8)), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(wide, wide, 2.2))
    draw_pixels(left, np.asarray(image), label)
    left.set_title("seed image")
    draw_pixels(middle, np.concatenate([[GREY], colours_of])[label_map], label)
    middle.set(title="clustered colours", ylabel="")
    sizes = np.bincount(label_map.ravel(), minlength=len(colours_of) + 1)[1:]
    numbers = np.arange(1, len(colours_of) + 1)
    bars = right.barh(
        numbers, 100 * sizes / max(1, sizes.sum()), color=colours_of, ec="0.3", lw=0.6
    )
    right.bar_label(bars, fmt="%.1f", padding=2, fontsize=8)
    right.invert_yaxis()
    right.margins(x=0.25)
    right.set(xlabel="share of the pixels (%)", ylabel="colour", yticks=numbers)
    right.spines[["top", "right"]].set_visible(False)
    return figure


def segmentation(result: xr.Dataset, cube: xr.DataArray) -> Figure:
    """Draw the label map, the flattened cube in the order of the labels, and the mean spectra.

    Figures 4 and 9 of arXiv 2401.17695.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment`, with ``means=True``.
    cube : DataArray (y, x, channel)
        The cube that was segmented; a row of its flattened image is the mean of some pixels of one
        cluster.

    Raises
    ------
    ValueError
        If it has no mean spectra, as with ``means=False`` and from a baseline.
    """
    require(result, "reconstructed_mean", "input_mean", "size", "cluster", purpose="this figure")
    label = result["label"].assign_attrs(result.attrs)
    numbers, sizes = result["cluster"].values.tolist(), result["size"].values.tolist()
    figure = Figure(figsize=(12.5, 8.5))
    figure.set_layout_engine("constrained", w_pad=0.1)
    grid = figure.add_gridspec(2, 2, height_ratios=(1.15, 1))
    image = figure.add_subplot(grid[0, 0])
    draw_labels(image, label, number_of_clusters(result))
    image.set_title("clusters")
    _draw_flattened(figure, grid[0, 1], label, cube, numbers)
    filled = _with_pixels(result)
    axis, above = input_axis_of(result), None
    for place, (name, title) in enumerate(
        {"reconstructed_mean": "mean reconstruction", "input_mean": "mean input"}.items()
    ):
        axes = figure.add_subplot(grid[1, place], sharey=above)
        above = above or axes
        draw_spectra(axes, filled[name].assign_attrs(result.attrs), axis)
        axes.set(title=f"{title} of each cluster", ylabel=INPUT if place == 0 else "")
    keys = legend_handles(numbers, sizes, cluster_names(result), cluster_colours(result))
    keys = keys[:MAX_SPECTRA]
    figure.legend(handles=keys, title="cluster", loc="outside right center")
    return figure


def _with_pixels(result: xr.Dataset) -> xr.Dataset:
    """Return the first clusters, without those that have no pixels."""
    first = result.isel(cluster=slice(MAX_SPECTRA))
    return first.isel(cluster=first["size"].values > 0)


def _draw_flattened(
    figure: Figure, place: Any, image: xr.DataArray, cube: xr.DataArray, numbers: Sequence[int]
) -> None:
    """Draw pixels by channels in the order of the labels, beside a strip of the labels."""
    label, shades = image.values, shades_of(image, max(numbers, default=0))
    axis = spectral_axis(cube)
    values = cube.transpose("y", "x", "channel").values
    spectra = hidden(values, bad_channels(cube)).reshape(label.size, -1)
    rows, edges = _ordered(spectra, label.ravel())
    parts = place.subgridspec(1, 2, width_ratios=(1, 22), wspace=0.0)
    strip = figure.add_subplot(parts[0])
    axes = figure.add_subplot(parts[1], sharey=strip)
    total, start = edges[-1], 0
    for number in numbers:
        size = int((label == number).sum())
        strip.bar(0, size, bottom=start, width=1, color=colour(number, shades))
        if size > 0.04 * total:
            outline = [withStroke(linewidth=2, foreground="white")]
            middle = start + size / 2
            strip.text(0, middle, str(number), ha="center", va="center", path_effects=outline)
        start += size
    low, high = np.nanpercentile(rows, (1, 99.8))
    norm = PowerNorm(0.5, vmin=low, vmax=high if high > low else low + 1, clip=True)
    drawn, *_ = draw_mesh(axes, rows, edges, axis, norm=norm, cmap=grey_where_missing("cividis"))
    strip.set(xlim=(-0.5, 0.5), ylim=(total, 0), xticks=[], ylabel="pixel, in the order of labels")
    strip.yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.tick_params(labelleft=False, left=False)
    axes.set(title="flattened cube", xlabel=axis.label())
    bar = figure.colorbar(drawn, ax=axes, label=in_figure(cube.attrs.get("unit", "")), extend="max")
    bar.locator = MaxNLocator(4)  # on a square-root scale more ticks would overlap at the top


def _ordered(spectra: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means (row, channel) over some pixels of one cluster each, and the edges of the rows.

    Edges count pixels with a label. Values that are not finite are left out of the means.
    """
    total = int((labels > 0).sum())
    rows, edges = [], [0]
    for number in np.unique(labels[labels > 0]):
        members = np.flatnonzero(labels == number)
        for some in np.array_split(members, max(1, MAX_ROWS * len(members) // max(1, total))):
            if not some.size:
                continue
            values = spectra[some].astype(np.float64)
            good = np.isfinite(values)
            counts = good.sum(axis=0)
            sums = np.where(good, values, 0).sum(axis=0)
            rows.append(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))
            edges.append(edges[-1] + len(some))
    return np.array(rows), np.array(edges)


def means(result: xr.Dataset) -> Figure:
    """Draw three mean spectra of every cluster and the difference of two of them.

    The mean input (eq. 9), the mean reconstruction (eq. 8) and the decoded center (eq. 10), above
    the absolute difference of the first and the last. Figure 10 of arXiv 2401.17695. Clusters
    without pixels have no means and are left out.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment`, with ``means=True``.

    Raises
    ------
    ValueError
        If it has no mean spectra, as with ``means=False`` and from a baseline.
    """
    require(
        result, "input_mean", "reconstructed_mean", "decoded_mean", "size", purpose="this figure"
    )
    filled = _with_pixels(result)
    axis, count = input_axis_of(result), filled.sizes["cluster"]
    names, shades = cluster_names(result), cluster_colours(result)
    columns = min(count, 4)
    lines = math.ceil(count / columns)
    figure = Figure(figsize=(3.4 * columns + 0.4, 3.1 * lines + 0.9), layout="constrained")
    grid = figure.add_gridspec(lines, columns)
    total = max(1, int(result["size"].sum()))
    for place in range(count):
        one = filled.isel(cluster=place)
        parts = grid[place // columns, place % columns].subgridspec(
            2, 1, height_ratios=(3, 1), hspace=0.03
        )
        upper = figure.add_subplot(parts[0])
        lower = figure.add_subplot(parts[1], sharex=upper)
        number = int(one["cluster"])
        _draw_means(upper, lower, one, axis, colour(number, shades))
        words = f"{in_figure(names[number], NAME)}, " if number in names else ""
        words += per_cent(int(one["size"]) / total, 1)
        upper.set_title(f"cluster {number}: {words}", size=10)
        lower.set_xlabel(axis.label() if place + columns >= count else "")
        upper.set_ylabel("network input" if place % columns == 0 else "")
        lower.set_ylabel("difference" if place % columns == 0 else "")
    keys = [
        Patch(color="0.7", label="mean input"),
        *upper.lines,
        Patch(facecolor="0.35", label="|mean input - decoded center|"),
    ]
    side_by_side = {1: 1, 2: 2}.get(columns, 4)
    figure.legend(handles=keys, loc="outside upper center", ncols=side_by_side, frameon=False)
    return figure


def _draw_means(upper: Axes, lower: Axes, one: xr.Dataset, axis: Axis, shade: RGB) -> None:
    """Draw the means of one cluster above, the absolute difference below."""
    x, given = with_gaps(axis, one["input_mean"].values)
    reconstruction, center = (
        with_gaps(axis, one[f"{name}_mean"].values)[1] for name in ("reconstructed", "decoded")
    )
    mark = "." if len(axis) == 1 else None
    upper.fill_between(x, given, 0, color=shade, alpha=0.5, lw=0)
    upper.plot(x, reconstruction, color="black", lw=0.9, marker=mark, label="mean reconstruction")
    upper.plot(
        x, center, color="0.45", lw=1.0, ls=(0, (3, 1.5)), marker=mark, label="decoded center"
    )
    lower.fill_between(x, np.abs(given - center), 0, color=shade, lw=0.8)
    for axes in (upper, lower):
        fit_channels(axes, axis)
        axes.tick_params(labelsize=8)
        axes.yaxis.set_major_locator(MaxNLocator(4 if axes is upper else 2))
    upper.tick_params(labelbottom=False)
    cut_zero_peak(upper, axis, one["input_mean"].values)
    lower.set_ylim(bottom=0)


def masked_rgb(image: Any, label: Any, n_clusters: int) -> Figure:
    """Draw the image once per cluster, with the pixels of that cluster only.

    Figure 12 of arXiv 2401.17695.

    Parameters
    ----------
    image : array (y, x, 3), 0..255
    label : array (y, x) of integers
        0 = masked, 1..K.
    n_clusters : int
        K; clusters without pixels also have a panel.
    """
    label_map, picture = np.asarray(label), np.asarray(image)
    columns, wide, high = image_grid(label_map.shape, n_clusters, side=2.8)
    lines = math.ceil(n_clusters / columns)
    figure = Figure(
        figsize=((wide + 0.3) * columns + 0.5, (high + 0.4) * lines + 0.5), layout="constrained"
    )
    total = max(1, int((label_map > 0).sum()))
    shades = shades_of(label, n_clusters)
    for number in range(1, n_clusters + 1):
        axes = figure.add_subplot(lines, columns, number)
        inside = label_map == number
        draw_pixels(axes, np.where(inside[..., None], picture, MASKED), label)
        share = per_cent(inside.sum() / total, 1) if inside.any() else "no pixels"
        axes.set_title(f"cluster {number}: {share}", size=9)
        for spine in axes.spines.values():
            spine.set(edgecolor=colour(number, shades), linewidth=3)
        keep_outer_labels(axes, number - 1, columns, n_clusters)
    return figure
