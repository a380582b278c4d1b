"""Figures: one function each; finished arrays in, a matplotlib Figure out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from .axis import Axis
from .cube import spectral_axis
from .palette import MASKED, colours

# More clusters than this get no spectrum of their own in a figure, the map shows them all.
MAX_SPECTRA = 20


def _colour(label: int) -> tuple[float, float, float]:
    red, green, blue = (colours(label)[label - 1] / 255).tolist()
    return red, green, blue


def draw_labels(axes: Axes, label: xr.DataArray, n_clusters: int) -> None:
    """Draw a label map (y, x) with the palette of the package; row 0 is where the cube has it."""
    table = np.concatenate([np.reshape(MASKED, (1, 3)), colours(n_clusters)]) / 255
    axes.imshow(
        label.values,
        cmap=ListedColormap(table),
        norm=BoundaryNorm(np.arange(n_clusters + 2) - 0.5, n_clusters + 1),
        interpolation="nearest",
        origin=_origin(label),
    )
    axes.set(xlabel="x (pixel)", ylabel="y (pixel)")


def _origin(array: Any) -> Any:
    """Sky images have y upwards, scans of objects downwards."""
    return "lower" if "wcs" in array.attrs else "upper"


def _draw_image(figure: Figure, axes: Axes, image: xr.DataArray, title: str, origin: Any) -> None:
    low, high = np.nanpercentile(image.values, (1, 99))
    drawn = axes.imshow(
        image.values,
        origin=origin,
        interpolation="nearest",
        cmap="cividis",
        vmin=low,
        vmax=high if high > low else low + 1,
    )
    axes.set(title=title, xlabel="x (pixel)", ylabel="y (pixel)")
    figure.colorbar(drawn, ax=axes, shrink=0.8)


def clusters(result: xr.Dataset) -> Figure:
    """Draw the label map, the confidence map and the mean spectrum of every cluster.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment`.
    """
    count = int(result.attrs["n_clusters"])
    axis = spectral_axis(result["mean_spectrum"])
    figure = Figure(figsize=(12, 8.5), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1.1, 1))
    image, sure = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    label = result["label"].assign_attrs(result.attrs)
    draw_labels(image, label, count)
    image.set_title("clusters")
    drawn = sure.imshow(
        result["confidence"].values,
        origin=_origin(label),
        cmap="cividis",
        vmin=0.5,
        vmax=1,
        interpolation="nearest",
    )
    sure.set(title="confidence", xlabel="x (pixel)", ylabel="y (pixel)")
    figure.colorbar(drawn, ax=sure, shrink=0.8, extend="min")
    spectra = figure.add_subplot(grid[1, :])
    _draw_spectra(spectra, result, "mean_spectrum", axis)
    unit = result.attrs.get("unit", "")
    spectra.set(
        xlabel=axis.label(),
        ylabel=f"mean ({unit})" if unit else "mean",
        title="mean spectrum of each cluster",
    )
    _legend(spectra, result)
    return figure


def _draw_spectra(axes: Axes, result: xr.Dataset, name: str, axis: Axis) -> None:
    x = axis.values
    breaks = [part.start for part in axis.segments()[1:]]
    for label, size in zip(result["cluster"].values, result["size"].values, strict=True):
        if size == 0 or label > MAX_SPECTRA:
            continue
        y = result[name].sel(cluster=label).values
        # A gap between two windows is a gap in the line.
        axes.plot(
            np.insert(x, breaks, np.nan),
            np.insert(y.astype(float), breaks, np.nan),
            color=_colour(int(label)),
            lw=1.2,
            marker="o" if len(x) == 1 else None,
        )
    if len(x) > 1:
        axes.set_xlim(min(x), max(x))


def _legend(axes: Axes, result: xr.Dataset) -> None:
    total = max(1, int(result["size"].sum()))
    handles = [
        Patch(color=_colour(int(label)), label=f"{label}: {100 * size / total:.1f} %")
        for label, size in zip(result["cluster"].values, result["size"].values, strict=True)
        if label <= MAX_SPECTRA
    ]
    axes.legend(
        handles=handles,
        title="cluster",
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
    )


def integrated(result: xr.Dataset) -> Figure:
    """Draw the images integrated over the channels: input, decoded, and summed latent.

    Figures 5 and 11 of arXiv 2401.17695.
    """
    figure = Figure(figsize=(14, 4.5), layout="constrained")
    titles = ("input", "decoded", "latent")
    for axes, title in zip(figure.subplots(1, 3), titles, strict=True):
        _draw_image(
            figure, axes, result[f"integrated_{title}"], f"integrated {title}", _origin(result)
        )
    return figure


def scores(result: xr.Dataset) -> Figure:
    """Draw the silhouette against the number of clusters, with two standard errors."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.errorbar(
        result["k"].values,
        result["score"].values,
        yerr=2 * result["score_error"].values,
        marker="o",
        color="0.2",
        capsize=3,
        lw=1,
    )
    count = int(result.attrs["n_clusters"])
    if count in result["k"].values:
        axes.axvline(count, color="0.6", ls="--", lw=1, label=f"chosen: {count}")
        axes.legend(frameon=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="number of clusters k", ylabel="silhouette")
    return figure


def history(rows: Sequence[dict[str, Any]], best_epoch: int = -1) -> Figure:
    """Draw the terms of the loss along the training.

    Parameters
    ----------
    rows : sequence of dict
        ``segmenter.history_.rows``.
    best_epoch : int
        Marked, if not negative.
    """
    figure = Figure(figsize=(12, 4), layout="constrained")
    panels = figure.subplots(1, 3)
    epochs = [row["epoch"] for row in rows]
    for axes, name in zip(panels, ("total", "reconstruction", "silhouette"), strict=True):
        for prefix, style in (("", "-"), ("validation_", "--")):
            values = [row.get(prefix + name, np.nan) for row in rows]
            if np.isfinite(values).any():
                axes.plot(
                    epochs,
                    values,
                    style,
                    color="0.2",
                    lw=1,
                    label="validation" if prefix else "training",
                )
        if not axes.lines:
            axes.text(0.5, 0.5, "no cluster term", ha="center", transform=axes.transAxes)
        else:
            if name != "silhouette":
                axes.set_yscale("log")
            axes.legend(frameon=False)
        if best_epoch >= 0:
            axes.axvline(best_epoch, color="0.7", ls=":", lw=1)
        axes.set(title=name, xlabel="epoch")
    return figure
