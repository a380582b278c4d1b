"""Figures of a result and of a training: finished arrays in, a matplotlib Figure out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator

from spectessera._util.text import counted, in_figure
from spectessera.axis import Axis
from spectessera.result import (
    cluster_colours,
    cluster_names,
    number_chosen,
    require,
)

from .drawing import (
    MAX_SPECTRA,
    draw_image,
    figure_of,
    legend_handles,
    masked_handle,
    panel_size,
)
from .panels import confidence, labels, spectra

# Terms of the loss in the order of their panels, with the titles of the panels.
TERMS = {
    "total": "total loss",
    "reconstruction": "reconstruction",
    "discrepancy": "discrepancy (MMD)",
    "cluster": "cluster term",
    "silhouette": "silhouette",
}
LOGARITHMIC = ("total", "reconstruction", "discrepancy")


def clusters(
    result: xr.Dataset,
    names: Mapping[int, str] | None = None,
    *,
    lines: Mapping[str, float] | None = None,
    figure: FigureBase | None = None,
) -> Figure:
    """Draw the label map, the confidence map and the mean spectrum of every cluster.

    Channels that are marked as bad are a gap in the spectra, on grey.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment`.
    names : mapping of int to str, optional
        Names of clusters, for the legend, by their numbers; they come before those that are in
        the result.
    lines : mapping of str to float, optional
        Positions of lines to name: see :func:`spectra`.
    figure : Figure or SubFigure, optional
        To draw into, such as a part of a larger figure; a new one by default.

    Raises
    ------
    ValueError
        If it has no mean spectra.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> counts = np.random.default_rng(0).poisson(5, (8, 9, 40))
    >>> counts[:, :4, 10] += 60
    >>> cube = spt.make_cube(counts, energy=(1.0, 20.0))
    >>> segmenter = spt.SpectralSegmenter(training=spt.Training(epochs=2)).fit(cube)
    >>> figure = spt.plots.clusters(spt.segment(cube, segmenter, 2))
    >>> len(figure.axes) > 2
    True
    """
    require(result, "mean_spectrum", "confidence", "size", "cluster", purpose="this figure")
    shown = cluster_names(result) | dict(names or {})
    numbers = result["cluster"].values.tolist()
    # Names are as wide as a map: they go below, in two columns.
    below = any(shown.get(each) for each in numbers)
    rows = -(-min(len(numbers), MAX_SPECTRA) // 2)
    whole = figure_of(figure, (12, 8.5 + (0.4 + 0.23 * rows if below else 0.0)))
    grid = whole.add_gridspec(2, 2, height_ratios=(1.1, 1))
    labels(result, ax=whole.add_subplot(grid[0, 0]))
    confidence(result, ax=whole.add_subplot(grid[0, 1]))
    spectra(result, lines=lines, ax=whole.add_subplot(grid[1, :]))
    sizes = result["size"].values.tolist()
    keys = legend_handles(numbers, sizes, shown, cluster_colours(result))[:MAX_SPECTRA]
    keys += masked_handle(result["label"])
    place: dict[str, Any] = {"loc": "outside right center"}
    if below:
        place = {"loc": "outside lower center", "ncols": 2}
    whole.legend(handles=keys, title="cluster", **place)
    return whole


def integrated(result: xr.Dataset, *, figure: FigureBase | None = None) -> Figure:
    """Draw the images integrated over the channels: input, decoded, and summed latent.

    Figures 5 and 11 of arXiv 2401.17695.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment`.
    figure : Figure or SubFigure, optional
        To draw into, such as a part of a larger figure; a new one by default.

    Raises
    ------
    ValueError
        If an integrated image is missing, as that of decoded spectra is in a baseline.
    """
    titles = ("input", "decoded", "latent")
    require(result, *(f"integrated_{title}" for title in titles), purpose="this figure")
    wide, high = panel_size(result["label"].shape, 3.4)
    whole = figure_of(figure, (3 * (wide + 1.3), high + 1.0))
    for axes, title in zip(whole.subplots(1, 3), titles, strict=True):
        draw_image(whole, axes, result[f"integrated_{title}"].values, result, "sum (network units)")
        axes.set_title(f"integrated {title}")
    return whole


def scores(result: xr.Dataset, *, figure: FigureBase | None = None) -> Figure:
    """Draw the criteria for each number of clusters, with two standard errors.

    The silhouette; and, where it was computed, the stability: how well the worst cluster is
    recovered from half of the pixels, together with the mean agreement (adjusted Rand index); and,
    where evidence chose, the gain.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment` or a baseline.
    figure : Figure or SubFigure, optional
        To draw into, such as a part of a larger figure; a new one by default.

    Raises
    ------
    ValueError
        If it has no scores.
    """
    require(result, "score", "score_error", "k", purpose="this figure")
    if result.sizes["k"] == 0:
        raise ValueError("this figure needs the score of at least one k; this result has none")
    stable = all(each in result for each in ("stability", "stability_error", "agreement"))
    stable = stable and bool(np.isfinite(result["stability"]).any())
    judged = "gain" in result and "gain_error" in result
    rows = 1 + stable + judged
    whole = figure_of(figure, (6, 2 + 2 * rows))
    panels = whole.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    k = result["k"].values
    style = {"marker": "o", "color": "0.2", "capsize": 3, "lw": 1}
    panels[0].errorbar(k, result["score"].values, yerr=2 * result["score_error"].values, **style)
    panels[0].set_ylabel("silhouette")
    if stable:
        error = 2 * result["stability_error"].values
        panels[1].errorbar(
            k, result["stability"].values, yerr=error, label="worst cluster", **style
        )
        panels[1].plot(k, result["agreement"].values, "s:", color="0.55", ms=4, lw=1, label="ARI")
        if "stable_from" in result.attrs:
            panels[1].axhline(float(result.attrs["stable_from"]), color="0.8", lw=1, zorder=0)
        panels[1].set(ylabel="stability", ylim=(-0.03, 1.05))
        panels[1].legend(frameon=False)
    if judged:
        gain, error = result["gain"].values, 2 * result["gain_error"].values
        panels[-1].errorbar(k, gain, yerr=error, **style)
        shared = result.attrs.get("judged_by") == "neighbours"
        panels[-1].set_ylabel("share explained" if shared else "gain per pixel")
        panels[-1].axhline(0, color="0.8", lw=1, zorder=0)
        panels[-1].set_ylim(bottom=0 if np.nanmin(gain) >= 0 else None)
    for axes in panels:
        if number_chosen(result) in k:
            axes.axvline(number_chosen(result), color="0.6", ls="--", lw=1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0].set_title(_title_of_scores(result))
    panels[-1].set_xlabel("number of clusters k")
    return whole


def _title_of_scores(result: xr.Dataset) -> str:
    """Return how many clusters were chosen, by what, and how many rare groups there are."""
    count, rare = number_chosen(result), int(result.attrs.get("rare_clusters", 0))
    criterion = in_figure(result.attrs.get("criterion", "silhouette"))
    how = criterion if criterion == "given" else f"chosen by {criterion}"
    title = f"{counted(count, 'cluster')}, {how}"
    if rare:
        title += f", and {counted(rare, 'rare group')}"
    return title


def history(
    rows: Sequence[dict[str, Any]], best_epoch: int = -1, *, figure: FigureBase | None = None
) -> Figure:
    """Draw everything that was recorded during the training.

    A panel for every term of the loss that had a weight, then the k chosen in the batches, the
    weights beta and gamma and the learning rate.

    Parameters
    ----------
    rows : sequence of dict
        ``segmenter.history_.rows``.
    best_epoch : int
        Marked if it is not negative.
    figure : Figure or SubFigure, optional
        To draw into, such as a part of a larger figure; a new one by default.

    Raises
    ------
    ValueError
        If nothing was recorded.
    """
    if not rows:
        raise ValueError("there is no epoch to draw; train the segmenter first (fit)")
    names = [name for name in TERMS if np.isfinite(_column(rows, name)).any()]
    if any(row.get("k") for row in rows):
        names.append("k")
    names += [
        name
        for name in ("weights", "learning_rate")
        if any(row.get(each) for row in rows for each in _WEIGHTS.get(name, (name,)))
    ]
    columns = min(4, math.ceil(len(names) / 2) if len(names) > 3 else len(names))
    lines = math.ceil(len(names) / columns)
    whole = figure_of(figure, (3.4 * columns, 2.9 * lines))
    for place, name in enumerate(names, start=1):
        axes = whole.add_subplot(lines, columns, place)
        _draw_history(axes, rows, name)
        if best_epoch >= 0:
            axes.axvline(best_epoch, color="0.6", ls=":", lw=1)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        axes.set(xlabel="epoch", xlim=_epochs(rows))
    return whole


_WEIGHTS = {"weights": ("beta", "gamma")}


def _epochs(rows: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Return the limits of the x axis of all panels."""
    first, last = rows[0]["epoch"], rows[-1]["epoch"]
    margin = 0.04 * (last - first) or 0.5
    return first - margin, last + margin


def _column(rows: Sequence[dict[str, Any]], name: str) -> np.ndarray:
    """Return one value per epoch, NaN where there is none."""
    return np.array([row.get(name, np.nan) for row in rows], dtype=float)


def _draw_history(axes: Axes, rows: Sequence[dict[str, Any]], name: str) -> None:
    """Draw one panel of the history."""
    epochs = _column(rows, "epoch")
    style: dict[str, Any] = {
        "color": "0.15",
        "lw": 1.1,
        "marker": "o" if len(rows) == 1 else None,
        "ms": 4,
    }
    if name == "k":
        axes.set_title("k chosen in the batches")
        _draw_chosen(axes, rows)
    elif name == "weights":
        axes.set_title("weights of the terms")
        for each, dash in zip(_WEIGHTS[name], ("--", "-"), strict=True):
            axes.plot(epochs, _column(rows, each), dash, label=each, **style)
    elif name == "learning_rate":
        axes.set_title("learning rate")
        axes.plot(epochs, _column(rows, name), **style)
        axes.set_yscale("log")
    else:
        axes.set_title(TERMS[name])
        curves = _column(rows, name), _column(rows, f"validation_{name}")
        for part, word, dash in zip(curves, ("training", "validation"), ("-", "--"), strict=True):
            if np.isfinite(part).any():
                axes.plot(epochs, part, dash, label=word, **style)
        if name in LOGARITHMIC and np.nanmin(curves) > 0:
            axes.set_yscale("log")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8, loc="upper left" if name == "k" else "best")


def _draw_chosen(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    """Draw the distribution over the batches of the k that was chosen in each."""
    chosen = [row for row in rows if row.get("k")]
    epochs = _column(chosen, "epoch")
    low, quarter, middle, upper, high = np.array(
        [np.percentile(row["k"], (0, 25, 50, 75, 100)) for row in chosen]
    ).T
    axes.fill_between(epochs, low, high, color="0.87", lw=0, label="all batches")
    axes.fill_between(epochs, quarter, upper, color="0.7", lw=0, label="middle half")
    axes.plot(
        epochs,
        middle,
        color="0.15",
        lw=1.1,
        marker="o" if len(chosen) == 1 else None,
        label="median",
    )
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    room = 0.7 * (high.max() - low.min() + 1)  # for the legend
    axes.set_ylim(low.min() - 0.5, high.max() + 0.5 + room)


def spectra_of_palette(
    pigments: Sequence[str],
    rgb: np.ndarray,
    template: np.ndarray,
    axis: Axis,
    *,
    figure: FigureBase | None = None,
) -> Figure:
    """Draw the spectrum of every pigment of a palette, each beside its colour.

    Parameters
    ----------
    pigments : sequence of str
    rgb : array (pigment, 3), 0..255
    template : array (pigment, channel)
        Spectra normalised to 1.
    axis : Axis
    figure : Figure or SubFigure, optional
        To draw into, such as a part of a larger figure; a new one by default.
    """
    whole = figure_of(figure, (10, 1.0 + 0.8 * len(pigments)))
    panels = np.atleast_1d(whole.subplots(len(pigments), 1, sharex=True))
    for axes, name, colour, spectrum in zip(panels, pigments, rgb, template, strict=True):
        axes.fill_between(axis.values, spectrum, 1e-6, color=np.asarray(colour) / 255, lw=0)
        axes.plot(axis.values, spectrum, color="0.15", lw=0.7)
        axes.set(yscale="log", ylim=(1e-5, 1), yticks=[1e-4, 1e-2, 1])
        axes.tick_params(labelsize=7)
        axes.set_title(name, loc="left", fontsize=9, pad=2)
    panels[-1].set(xlabel=axis.label(), xlim=(axis.values.min(), axis.values.max()))
    whole.supylabel("share of the counts per channel")
    return whole
