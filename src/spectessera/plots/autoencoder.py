"""Figures of the network of arXiv 2401.17695: its layers, its weights, its latent space.

One function each; finished arrays in, a matplotlib Figure out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Polygon
from matplotlib.ticker import MaxNLocator

from spectessera.axis import Axis

from .drawing import (
    colour,
    draw_image,
    draw_mesh,
    legend_handles,
    panel_size,
    rim,
    shades_of,
)

MAX_AXES = 4  # latent axes that a grid shows
# Tints of the parts of a network, paler than the colours of clusters.
TINTS = {"data": "#f2f2f2", "encoder": "#d3dfee", "latent": "#9a9a9a", "decoder": "#eee0cf"}
BINS = 60
MAX_ROWS = 96  # of an image of weights


def network(
    channels: int,
    encoder: Sequence[int],
    latent: int,
    decoder: Sequence[int],
    *,
    block: str = "mlp",
    dropout: float = 0.0,
    variational: bool = False,
    encoding_activation: str | None = None,
    latent_activation: str | None = None,
    linear_path: bool = False,
    output: str = "auto",
) -> Figure:
    """Draw a network: a bar per layer, its height by the logarithm of its width.

    Figure 1 of arXiv 2401.17695.

    Parameters
    ----------
    channels : int
        Channels of an input.
    encoder : sequence of int
        ``Network.encoder_widths(channels)``.
    latent : int
    decoder : sequence of int
        ``Network.decoder_widths(channels)``.
    block, dropout, variational, encoding_activation, latent_activation, linear_path, output
        As in :class:`spectessera.Network`.
    """
    widths = [channels, *encoder, latent, *decoder, channels]
    middle = 1 + len(encoder)
    # More space around the latent, for its two heads.
    places = [x + 0.6 * (x >= middle) + 0.6 * (x > middle) for x in range(len(widths))]
    figure = Figure(figsize=(min(18.0, 1.15 * len(widths) + 2.6), 4.6), layout="constrained")
    axes = figure.add_subplot()
    _draw_layers(axes, places, widths, middle, variational)
    for x, name in ((0, "input"), (middle, "latent"), (-1, "output")):
        axes.text(places[x], -1.75, name, ha="center", va="center", fontsize=10)
    for name, start, stop in (("encoder", 0, middle), ("decoder", middle, -1)):
        between = (places[start] + places[stop]) / 2
        axes.text(between, 2.15, name, ha="center", fontsize=11, style="italic")
    if linear_path:
        _draw_linear_path(axes, places[0], places[middle])
    axes.set(xlim=(-0.7, places[-1] + 0.7), ylim=(-2.9 if linear_path else -2.2, 2.5))
    axes.set_axis_off()
    notes = _notes(block, dropout, variational, latent_activation, output)
    if encoding_activation:
        notes.insert(1, f"last encoder layer: {encoding_activation}")
    figure.supxlabel(_lines(notes, int(12 * figure.get_figwidth())), fontsize=10)
    return figure


def _notes(
    block: str, dropout: float, variational: bool, latent_activation: str | None, output: str
) -> list[str]:
    """Return the settings of a network that its drawing does not show."""
    active, dropped = ("ReLU", "Dropout") if block == "mlp" else ("SELU", "AlphaDropout")
    hidden = f"hidden layer ({block.upper()}): Linear, {active}"
    notes = [hidden + (f", {dropped}({dropout:g})" if dropout else "")]
    if latent_activation:
        notes.append(f"latent: {latent_activation}")
    if variational:
        notes.append("z = mean + sigma x noise, in training only")
    return [*notes, f"output: Linear, {output}"]


def _lines(parts: Sequence[str], most: int) -> str:
    """Join parts into lines of at most ``most`` letters; a longer part has a line of its own."""
    lines = [parts[0]]
    for part in parts[1:]:
        joined = f"{lines[-1]}   |   {part}"
        lines[-1:] = [joined] if len(joined) <= most else [lines[-1], part]
    return "\n".join(lines)


def _draw_layers(
    axes: Axes, places: Sequence[float], widths: Sequence[int], middle: int, variational: bool
) -> None:
    """Draw all layers with their widths above, and the outline of the network behind them."""
    heights = [0.5 + 2.5 * np.log(width + 1) / np.log(max(widths) + 1) for width in widths]
    for (x0, h0), (x1, h1) in pairwise(zip(places, heights, strict=True)):
        corners = [(x0, -h0 / 2), (x1, -h1 / 2), (x1, h1 / 2), (x0, h0 / 2)]
        axes.add_patch(Polygon(corners, facecolor="0.95", edgecolor="none", zorder=0))
    last = len(widths) - 1
    for place, (x, high, width) in enumerate(zip(places, heights, widths, strict=True)):
        kind = "encoder" if place < middle else "decoder"
        kind = {0: "data", middle: "latent", last: "data"}.get(place, kind)
        if kind == "latent" and variational:
            _draw_heads(axes, x, width)
        else:
            _draw_layer(axes, x, 0.0, high, TINTS[kind])
        axes.text(x, 1.75, f"{width}", ha="center", va="center", fontsize=11)


def _draw_layer(axes: Axes, x: float, y: float, high: float, tint: str) -> None:
    """Draw one layer as an upright bar around (x, y)."""
    axes.add_patch(
        FancyBboxPatch(
            (x - 0.17, y - high / 2),
            0.34,
            high,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=tint,
            edgecolor="0.25",
            lw=1,
        )
    )


def _draw_heads(axes: Axes, x: float, width: int) -> None:
    """Draw the two heads of a variational network, and the latent that is sampled from them."""
    for y, word, below in ((0.72, "mean", False), (-0.72, "log variance", True)):
        _draw_layer(axes, x - 0.4, y, 0.75, TINTS["latent"])
        beside = y - 0.5 if below else y + 0.5
        axes.text(x - 0.4, beside, word, ha="center", va="center", fontsize=9)
        axes.annotate(
            "",
            (x + 0.2, 0.25 * np.sign(y)),
            (x - 0.2, y * 0.8),
            arrowprops={"arrowstyle": "-|>", "color": "0.25", "lw": 1},
        )
    _draw_layer(axes, x + 0.4, 0.0, 0.5 + 0.1 * min(width, 5), TINTS["latent"])
    axes.text(x + 0.4, 0.0, "z", ha="center", va="center", fontsize=10, style="italic")


def _draw_linear_path(axes: Axes, start: float, stop: float) -> None:
    """Draw the linear map that runs beside the encoder, from the input to the latent."""
    axes.plot([start, start, stop, stop], [-1.95, -2.45, -2.45, -2.05], color="0.25", lw=1)
    axes.plot(stop, -2.0, marker="^", color="0.25", ms=6)
    axes.text((start + stop) / 2, -2.55, "linear path", ha="center", va="top", fontsize=9)


def latent_grid(
    latent: Any, label: Any, *, generator: np.random.Generator, points: int = 1500
) -> Figure:
    """Draw maps of the latent axes, and every pair of them.

    Below the maps: histograms on the diagonal, stacked by cluster; scatter plots below it; above it
    contours of the density of every cluster, at a tenth and at half of its peak (with more than six
    clusters one contour, at 0.3).

    Parameters
    ----------
    latent : array (y, x, latent)
        With more than four axes the first four are drawn.
    label : array (y, x) of integers
        0 = masked, 1..K.
    generator : Generator
        Selects the points of the scatter plots.
    points : int
        Largest number of points.
    """
    image = np.asarray(latent, dtype=float)
    label_map = np.asarray(label)
    count, shades = min(image.shape[2], MAX_AXES), shades_of(label, int(label_map.max(initial=0)))
    values, labels = image[label_map > 0][:, :count], label_map[label_map > 0]
    shown = _some(len(labels), points, generator)
    small = count == MAX_AXES
    wide, high = panel_size(label_map.shape, 2.0 if small else 2.5)
    side = 1.9 if small else 2.3
    figure = Figure(
        figsize=(max(side + 0.4, wide + 1.0) * count + 1.2, high + 0.7 + side * count),
        layout="constrained",
    )
    heights = [high + 0.7] + [side] * count
    grid = figure.add_gridspec(count + 1, count, height_ratios=heights)
    for axis in range(count):
        axes = figure.add_subplot(grid[0, axis])
        draw_image(figure, axes, np.where(label_map > 0, image[..., axis], np.nan), label)
        axes.set_title(f"latent {axis + 1}", size=10)
    ranges = [_range(values[:, axis]) for axis in range(count)]
    for row in range(count):
        for column in range(count):
            axes = figure.add_subplot(grid[row + 1, column])
            pair, box = values[:, [column, row]], (ranges[column], ranges[row])
            if row == column:
                _draw_histogram(axes, values[:, row], labels, ranges[row], shades)
            elif row > column:
                _draw_points(axes, pair[shown], labels[shown], shades)
            else:
                _draw_contours(axes, pair, labels, box, shades)
            axes.set(xlim=box[0], xlabel=f"latent {column + 1}")
            if row != column:
                axes.set(ylim=box[1], ylabel=f"latent {row + 1}")
            axes.tick_params(labelsize=7)
    figure.legend(handles=_legend(labels, shades), title="cluster", loc="outside right center")
    return figure


def _legend(labels: np.ndarray, shades: np.ndarray) -> list[Any]:
    """Return the legend of the clusters that have pixels."""
    sizes = np.bincount(labels)
    numbers = [number for number in range(1, len(sizes)) if sizes[number]]
    return legend_handles(numbers, [int(sizes[n]) for n in numbers], shades=shades)


def _some(count: int, points: int, generator: np.random.Generator) -> np.ndarray:
    """Return at most ``points`` of the points, in random order: no cluster covers the others."""
    return generator.permutation(count)[:points]


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin


def _draw_histogram(
    axes: Axes,
    values: np.ndarray,
    labels: np.ndarray,
    limits: tuple[float, float],
    shades: np.ndarray,
) -> None:
    numbers = np.unique(labels)
    axes.hist(
        [values[labels == number] for number in numbers],
        bins=np.linspace(*limits, BINS + 1).tolist(),
        stacked=True,
        histtype="stepfilled",
        color=[colour(int(number), shades) for number in numbers],
    )
    axes.set_ylabel("pixels")
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))


def _draw_points(axes: Axes, pair: np.ndarray, labels: np.ndarray, shades: np.ndarray) -> None:
    # Without antialiasing: thousands of half-tones would make the file large.
    axes.scatter(pair[:, 0], pair[:, 1], c=shades[labels - 1] / 255, s=4, lw=0, antialiased=False)


def _draw_contours(
    axes: Axes,
    pair: np.ndarray,
    labels: np.ndarray,
    box: tuple[tuple[float, float], ...],
    shades: np.ndarray,
) -> None:
    from scipy.ndimage import gaussian_filter

    edges = [np.linspace(*limits, BINS + 1) for limits in box]
    middles = [(each[1:] + each[:-1]) / 2 for each in edges]
    numbers = np.unique(labels)
    levels = [0.1, 0.5] if len(numbers) <= 6 else [0.3]
    for number in numbers:
        members = pair[labels == number]
        density = gaussian_filter(np.histogram2d(members[:, 0], members[:, 1], edges)[0], 1.5)
        density /= density.max()
        shade = colour(int(number), shades)
        drawn = axes.contour(*middles, density.T, levels=levels, colors=[shade], linewidths=1)
        drawn.set_path_effects(rim(shade, 1.0))


def latent_3d(
    latent: Any,
    label: Any,
    *,
    generator: np.random.Generator,
    points: int = 3000,
    axes: tuple[int, int, int] = (0, 1, 2),
) -> Figure:
    """Draw three latent axes in three dimensions, coloured by cluster.

    Parameters
    ----------
    latent : array (y, x, latent)
    label : array (y, x) of integers
        0 = masked, 1..K.
    generator : Generator
        Selects the points.
    points : int
        Largest number of points.
    axes : three of int
        Which latent axes, from 0.

    Raises
    ------
    ValueError
        If the latent space does not have these axes.
    """
    image, label_map = np.asarray(latent, dtype=float), np.asarray(label)
    if max(axes) >= image.shape[2]:
        raise ValueError(
            f"the latent has {image.shape[2]} axes, but axes={axes} needs {max(axes) + 1}; "
            "draw latent_grid instead"
        )
    values, labels = image[label_map > 0][:, list(axes)], label_map[label_map > 0]
    shown = _some(len(labels), points, generator)
    figure = Figure(figsize=(7.5, 6), layout="constrained")
    space: Any = figure.add_subplot(projection="3d")
    shades = shades_of(label, int(label_map.max(initial=0)))
    space.scatter(
        *values[shown].T, c=shades[labels[shown] - 1] / 255, s=6, lw=0, alpha=0.8, depthshade=False
    )
    space.set_box_aspect((1, 1, 1), zoom=0.85)
    for name, axis in zip("xyz", axes, strict=True):
        getattr(space, f"set_{name}label")(f"latent {axis + 1}", labelpad=7)
        getattr(space, f"{name}axis").set_major_locator(MaxNLocator(5))
    figure.legend(handles=_legend(labels, shades), title="cluster", loc="outside right center")
    return figure


def weights(arrays: Mapping[str, Any], axis: Axis | None = None) -> Figure:
    """Draw the weights of the first layer as an image, and the histogram of every layer's.

    Parameters
    ----------
    arrays : mapping of str to array
        By name, starting at the input; arrays of two dimensions (unit, input of the layer) are
        weights, others (biases) are left out.
    axis : Axis, optional
        Spectral axis of the inputs.

    Raises
    ------
    ValueError
        If no array has two dimensions.
    """
    layers = {name: np.asarray(each, dtype=float) for name, each in arrays.items()}
    layers = {name: each for name, each in layers.items() if each.ndim == 2}
    if not layers:
        raise ValueError(
            f"no array of two dimensions among {sorted(arrays)}; give the weights of layers"
        )
    columns = min(4, max(2, len(layers)))
    lines = -(-len(layers) // columns)
    figure = Figure(figsize=(3.0 * columns, 3.3 + 2.2 * lines), layout="constrained")
    grid = figure.add_gridspec(lines + 1, columns, height_ratios=[1.6] + [1] * lines)
    _draw_first_layer(figure, figure.add_subplot(grid[0, :]), *next(iter(layers.items())), axis)
    for place, (name, values) in enumerate(layers.items()):
        axes = figure.add_subplot(grid[1 + place // columns, place % columns])
        axes.hist(values.ravel(), bins=BINS, color="0.35")
        axes.set_title(f"{name}\n{values.shape[0]} x {values.shape[1]}", size=9)
        axes.set(xlabel="weight", ylabel="number of weights" if place % columns == 0 else "")
        axes.tick_params(labelsize=8)
        axes.locator_params(axis="x", nbins=5)
    return figure


def _draw_first_layer(
    figure: Figure, axes: Axes, name: str, values: np.ndarray, axis: Axis | None
) -> None:
    """Draw weights (unit, channel), averaged over neighbours where there are too many rows."""
    axis = Axis(np.arange(values.shape[1])) if axis is None else axis
    starts = np.arange(0, len(values), -(-len(values) // MAX_ROWS))
    edges = np.append(starts, len(values))
    rows = np.add.reduceat(values, starts, axis=0) / np.diff(edges)[:, None]
    scale = Normalize()
    drawn = draw_mesh(axes, rows, edges, axis, cmap="RdBu_r", norm=scale)
    means = np.concatenate([np.asarray(each.get_array()).ravel() for each in drawn])
    scale.vmax = float(np.percentile(np.abs(means), 99)) or 1.0
    scale.vmin = -scale.vmax
    axes.invert_yaxis()
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.set(title=f"{name}: the first layer", ylabel="unit")
    figure.colorbar(drawn[0], ax=axes, label="weight", extend="both")
