"""Figures of one panel: the map of the clusters, its confidence, the mean spectra."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spectessera._util.text import in_figure
from spectessera.channels import bad_channels, bad_windows, hidden
from spectessera.cube import spectral_axis
from spectessera.result import cluster_names, number_of_clusters, require
from spectessera.scans.places import places_of

from .drawing import (
    MAX_SPECTRA,
    axes_of,
    draw_labels,
    draw_pixels,
    grey_where_missing,
    legend_handles,
    masked_handle,
    panel_size,
    shade_channels,
    shades_of,
)
from .meanspectra import draw_spectra

LEGEND, LETTER = 1.6, 0.08  # inches, of a legend beside a map, and of a letter of a name
MOST_NAMED = 20  # scans in one image


def labels(result: xr.Dataset, *, ax: Axes | None = None, legend: bool | None = None) -> Figure:
    """Draw the map of the clusters in their colours.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment` or a baseline.
    ax : Axes, optional
        To draw into; those of a new figure by default.
    legend : bool, optional
        Whether numbers, names and shares of the clusters are beside the map (the first 20); by
        default in a new figure, where there is room.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> import spectessera as spt
    >>> result = xr.Dataset({"label": (("y", "x"), np.eye(3, 4, dtype=int))})
    >>> spt.plots.labels(result.assign_attrs(n_clusters=1)).axes[0].get_title()
    'clusters'
    """
    require(result, "label", purpose="this figure")
    wide, high = panel_size(result["label"].shape, 4.0)
    count = number_of_clusters(result)
    keyed = count > 0 and (ax is None if legend is None else legend)
    names = cluster_names(result)
    beside = LEGEND + LETTER * max(map(len, names.values()), default=0) if keyed else 0.0
    figure, axes = axes_of(ax, (wide + 0.8 + beside, high + 0.8))
    draw_labels(axes, result["label"].assign_attrs(result.attrs), count)
    _name_scans(axes, result)
    axes.set_title("clusters")
    if keyed:
        numbers = range(1, count + 1)
        sizes = np.bincount(result["label"].values.ravel(), minlength=count + 1)[1:].tolist()
        shades = shades_of(result, count)
        keys = legend_handles(numbers, sizes, names, shades)[:MAX_SPECTRA]
        keys += masked_handle(result["label"])
        axes.legend(handles=keys, title="cluster", loc="upper left", bbox_to_anchor=(1.02, 1.0))
    return figure


def _name_scans(axes: Axes, result: xr.Dataset) -> None:
    """Write the names of several scans into the corners of their parts of the image."""
    for place in places_of(result.attrs)[:MOST_NAMED]:
        axes.text(
            place.x, place.y, in_figure(place.name), va="top", ha="left", fontsize="small",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.5},
            clip_on=True,
        )  # fmt: skip


def confidence(result: xr.Dataset, *, ax: Axes | None = None) -> Figure:
    """Draw the probability that a repeated measurement of a pixel gives the same cluster.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment`.
    ax : Axes, optional
        To draw into; those of a new figure by default.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> import spectessera as spt
    >>> maps = {"label": (("y", "x"), np.ones((3, 4), int))}
    >>> maps["confidence"] = ("y", "x"), np.ones((3, 4))
    >>> spt.plots.confidence(xr.Dataset(maps)).axes[0].get_title()
    'confidence'
    """
    require(result, "label", "confidence", purpose="this figure")
    wide, high = panel_size(result["label"].shape, 4.0)
    figure, axes = axes_of(ax, (wide + 1.6, high + 0.8))
    like, shades = result["label"].assign_attrs(result.attrs), grey_where_missing("cividis")
    drawn = draw_pixels(axes, result["confidence"].values, like, cmap=shades, vmin=0.5, vmax=1)
    axes.set_title("confidence")
    figure.colorbar(drawn, ax=axes, shrink=0.8, extend="min", label="probability")
    return figure


def spectra(
    result: xr.Dataset, *, lines: Mapping[str, float] | None = None, ax: Axes | None = None
) -> Figure:
    """Draw the mean spectrum of every cluster that has pixels; bad channels are gaps, on grey.

    Of X-ray energies, an upper end in which there is nothing to be seen is not drawn: above it no
    mean spectrum rises above 0 by its errors and by 0.5 % of the tallest. The label of the axis
    says so.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment`.
    lines : mapping of str to float, optional
        Positions of lines to name, in the unit of the axis, the most important first; as many are
        named as can be read.
    ax : Axes, optional
        To draw into; those of a new figure by default.

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
    >>> result = spt.baselines.linear(cube, spt.Clusters(2, 2), seed=0)
    >>> len(spt.plots.spectra(result).axes[0].lines) >= 2
    True
    """
    require(result, "mean_spectrum", "size", "cluster", purpose="this figure")
    axis = spectral_axis(result["mean_spectrum"])
    figure, axes = axes_of(ax, (10, 4))
    first = result.isel(cluster=slice(MAX_SPECTRA))
    filled = first.isel(cluster=first["size"].values > 0)
    bad = bad_channels(result)
    means = filled["mean_spectrum"].transpose("cluster", "channel")
    means = means.copy(data=hidden(means.values, bad)).assign_attrs(result.attrs)
    errors = None
    if "std_spectrum" in filled:
        spread = filled["std_spectrum"].transpose("cluster", "channel").values
        errors = spread / np.sqrt(filled["size"].values)[:, None]
    draw_spectra(axes, means, axis, errors, lines)
    shade_channels(axes, bad_windows(axis, bad))
    unit = in_figure(result.attrs.get("unit", ""))
    axes.set(ylabel=f"mean ({unit})" if unit else "mean", title="mean spectrum of each cluster")
    return figure
