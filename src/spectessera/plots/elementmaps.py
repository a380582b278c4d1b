"""The figure of element maps."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure, FigureBase

from .drawing import draw_image, figure_of, image_grid, keep_outer_labels

SIDE = 2.6  # inches, of one map


def elements(maps: xr.Dataset, *, figure: FigureBase | None = None) -> Figure:
    """Draw the maps of net counts, each on its own scale, those of the instrument last.

    Parameters
    ----------
    maps : Dataset
        Of :func:`spectessera.maps.elements`.
    figure : Figure or SubFigure, optional
        To draw into, such as a part of a larger figure; a new one by default.

    Raises
    ------
    ValueError
        If it has no maps.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> import spectessera as spt
    >>> counts = ("element", "y", "x"), np.ones((1, 2, 3))
    >>> coords = {"element": ["Fe K"], "kind": ("element", ["element"])}
    >>> maps = xr.Dataset({"net_counts": counts}, coords=coords)
    >>> len(spt.plots.elements(maps).axes)
    2
    """
    if "net_counts" not in maps or maps.sizes.get("element", 0) == 0:
        raise ValueError(
            "this figure needs net_counts (element, y, x), as spectessera.maps.elements returns "
            f"them; got {', '.join(map(str, maps.data_vars)) or 'no variables'}"
        )
    order = np.argsort(maps["kind"].values != "element", kind="stable")
    count = len(order)
    counts = maps["net_counts"].transpose("element", "y", "x")
    columns, wide, high = image_grid(counts.shape[1:], count, SIDE)
    rows = -(-count // columns)
    whole = figure_of(figure, (columns * (wide + 0.9), rows * (high + 0.55)))
    grid = whole.subplots(rows, columns, squeeze=False).ravel()
    for place, (axes, index) in enumerate(zip(grid, order, strict=False)):
        image = counts[index]
        draw_image(whole, axes, image.values, image.assign_attrs(maps.attrs))
        axes.set_title(f"{maps['element'].values[index]}{remark_of(maps, int(index))}")
        keep_outer_labels(axes, place, columns, count)
    for axes in grid[count:]:
        axes.remove()
    return whole


def remark_of(maps: xr.Dataset, index: int) -> str:
    """Return what must be known of a map of an element, behind its name: " (instrument)" or ""."""
    if maps["kind"].values[index] != "element":
        return " (instrument)"
    words = {each: str(maps[each].values[index]) for each in ("found_in", "surer") if each in maps}
    if words.get("found_in") == "single pixels":
        return " (single pixels)"
    return f" (also {words['surer']})" if words.get("surer") else ""
