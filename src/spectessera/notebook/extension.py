"""``%load_ext spectessera``: results and cubes at the end of a cell show themselves."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import xarray as xr

from .display import is_cube, is_result, is_segmenter, show

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = ("matplotlib.figure", "Figure")
SEGMENTER = ("spectessera.segmenter.estimator", "SpectralSegmenter")  # need not be loaded


def register(shell: Any) -> None:
    """Have IPython show results, cubes and segmenters as :func:`spectessera.show` does.

    Other arrays and datasets of xarray are shown as before. Figures are pictures also where
    ``matplotlib.pyplot``, which has IPython show them so, was never imported.

    Parameters
    ----------
    shell : InteractiveShell
        Of IPython.
    """
    html = shell.display_formatter.formatters["text/html"]
    html.for_type(xr.Dataset, as_html)
    html.for_type(xr.DataArray, as_html)
    html.for_type_by_name(*SEGMENTER, as_html)
    png = shell.display_formatter.formatters["image/png"]
    if ".".join(FIGURE) not in png:
        png.for_type_by_name(*FIGURE, as_png)


def unregister(shell: Any) -> None:
    """Have IPython show them as it did before."""
    html = shell.display_formatter.formatters["text/html"]
    for kind in (xr.Dataset, xr.DataArray, ".".join(SEGMENTER)):
        html.pop(kind, None)
    png, figure = shell.display_formatter.formatters["image/png"], ".".join(FIGURE)
    if figure in png and png.lookup_by_type(figure) is as_png:
        png.pop(figure)


def as_png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=figure.dpi)
    return picture.getvalue()


def as_html(value: Any) -> str:
    """Return the HTML of a result, a cube or a segmenter; of others, their own."""
    ours = is_result(value) or is_cube(value) or is_segmenter(value)
    return str(show(value)._repr_html_() if ours else value._repr_html_())
