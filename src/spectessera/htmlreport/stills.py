"""The still figures of a report, for print and for readers without scripts: PNG in the page."""

from __future__ import annotations

import base64
import io
import warnings

import numpy as np
import xarray as xr
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from spectessera._util.text import in_figure
from spectessera.axis import Axis
from spectessera.plots import mixtures
from spectessera.plots import result as plots
from spectessera.plots.drawing import (
    draw_labels,
    draw_pixels,
    fit_channels,
    grey_where_missing,
    panel_size,
    rim,
    save_png,
    shade_channels,
    with_gaps,
)
from spectessera.plots.meanspectra import ZERO_PEAK

from .facts import Card
from .figures import Scale, is_cut, labelled_lines, windows, y_label, zero_channels

DPI = 160


def uri(figure: Figure) -> str:
    """Return a figure as a data URI of a PNG."""
    stream = io.BytesIO()
    with warnings.catch_warnings():  # a letter that the font lacks is an empty box
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        save_png(figure, stream, DPI, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def label_map(result: xr.Dataset, name: str = "label") -> Figure:
    """Draw the map of the clusters: "label", or "label_alone"."""
    label = result[name].assign_attrs(result.attrs)
    wide, high = panel_size(label.shape, 4.0)
    figure = Figure(figsize=(wide + 0.8, high + 0.6), layout="constrained")
    axes = figure.add_subplot()
    draw_labels(axes, label, int(result["cluster"].values.max()))
    return figure


def share_map(result: xr.Dataset, name: str) -> Figure:
    """Draw a map of shares from 0 to 1: "confidence" or "novelty"."""
    label = result["label"].assign_attrs(result.attrs)
    wide, high = panel_size(label.shape, 4.0)
    figure = Figure(figsize=(wide + 0.8, high + 0.6), layout="constrained")
    axes = figure.add_subplot()
    shown = grey_where_missing("cividis")
    draw_pixels(axes, result[name].values, label, cmap=shown, vmin=0.5, vmax=1)
    return figure


def scores(result: xr.Dataset) -> Figure:
    """Draw silhouette, stability and gain against the number of clusters."""
    words = in_figure(result.attrs.get("criterion", "silhouette"))
    count = int(result.sizes["cluster"])
    return plots.scores(result.assign_attrs(criterion=words, n_clusters=count))


def tree(maps: xr.Dataset) -> Figure:
    """Draw the tree of clusters."""
    return mixtures.tree(maps)


def spectrum(card: Card, axis: Axis, unit: str) -> Figure:
    """Draw the mean spectrum of a cluster, its standard deviation and its lines."""
    names = labelled_lines(card, axis)
    held = zero_channels(card, axis)
    scale = Scale(card.mean, card.deviation, [each[2] for each in names], held)
    figure = Figure(figsize=(8.5, 3.0))
    axes = figure.add_axes((0.085, 0.16, 0.905, 0.81))  # fixed: the spectra are aligned
    ink = to_rgb(card.colour)
    shade_channels(axes, card.bad)
    for part in windows(card, axis):
        low, high = card.mean[part] - card.deviation[part], card.mean[part] + card.deviation[part]
        axes.fill_between(
            axis.values[part], scale.inside(low), scale.inside(high), color=ink, alpha=0.22, lw=0
        )
    x, y = with_gaps(axis, card.mean)
    dot = "o" if len(axis) == 1 else None
    axes.plot(x, scale.inside(y), color=ink, lw=1.1, marker=dot, path_effects=rim(ink, 1.1))
    for position, height, name in names:
        bottom = float(np.max(scale.inside(height)))
        axes.plot([position] * 2, [bottom, scale.names], ":", color="0.6", lw=0.8)
        axes.text(position, scale.names, in_figure(name), rotation=90, fontsize=8, ha="center")
    if is_cut(card, scale, held):
        axes.text(0, scale.high, f" {ZERO_PEAK}", rotation=90, fontsize=7, va="top", color="0.35")
    axes.set(
        yscale="log" if scale.log else "linear",
        ylim=(scale.low, scale.high),
        xlabel=axis.label(),
    )
    axes.set_ylabel(in_figure(y_label(unit)), fontsize=8)
    fit_channels(axes, axis)
    return figure
