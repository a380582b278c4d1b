"""The figure of maps of bands."""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure, FigureBase

from spectessera._util.text import in_figure
from spectessera.result import require

from .drawing import draw_image, figure_of, image_grid, keep_outer_labels

SIDE = 2.6  # inches, of one map


def bands(maps: xr.Dataset, *, figure: FigureBase | None = None) -> Figure:
    """Draw the maps of bands, each on its own scale.

    Parameters
    ----------
    maps : Dataset
        Of :func:`spectessera.maps.bands`.
    figure : Figure or SubFigure, optional
        To draw into, such as a part of a larger figure; a new one by default.

    Raises
    ------
    ValueError
        If it has no maps of bands.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> cube = spt.make_cube(np.ones((2, 3, 11)), axis=(0.0, 10.0), unit="cm-1")
    >>> maps = spt.maps.bands(cube, [(2.0, 5.0)])
    >>> spt.plots.bands(maps).axes[0].get_title()
    '2 to 5 cm-1'
    """
    require(maps, "band_sum", "band", purpose="this figure")
    sums = maps["band_sum"].transpose("band", "y", "x")
    columns, wide, high = image_grid(sums.shape[1:], len(sums), SIDE)
    rows = -(-len(sums) // columns)
    whole = figure_of(figure, (columns * (wide + 1.1), rows * (high + 0.55)))
    grid = whole.subplots(rows, columns, squeeze=False).ravel()
    unit = in_figure(str(sums.attrs.get("units", "")))
    for place, (axes, name) in enumerate(zip(grid, maps["band"].values.tolist(), strict=False)):
        draw_image(whole, axes, sums.values[place], maps, unit)
        axes.set_title(in_figure(name))
        keep_outer_labels(axes, place, columns, len(sums))
    for axes in grid[len(sums) :]:
        axes.remove()
    return whole
