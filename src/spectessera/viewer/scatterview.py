"""The scatter plot of latents: each point is a pixel, in the colour of its cluster."""

from __future__ import annotations

from typing import Any

import numpy as np

from .latents import Latents
from .mapview import style

TOOLS = "pan,wheel_zoom,box_select,lasso_select,reset,save"
CLEAR, FAINT = 0.7, 0.08  # opacity of points that are chosen, and of others


class ScatterView:
    """The figure of latents, empty until it is asked for."""

    def __init__(self) -> None:
        from bokeh.models import ColumnDataSource, Range1d
        from bokeh.plotting import figure

        columns = ("x", "y", "colour", "alpha", "row", "column")
        self.source = ColumnDataSource({name: [] for name in columns}, name="scatter-points")
        self.figure: Any = figure(
            name="scatter", tools=TOOLS, active_drag="lasso_select", active_scroll="wheel_zoom",
            x_range=Range1d(), y_range=Range1d(), sizing_mode="stretch_both",
            toolbar_location="above", min_width=200, min_height=200, output_backend="canvas",
        )  # fmt: skip
        style(self.figure)
        self._dims: tuple[int, int] | None = None  # that are shown
        drawn = self.figure.scatter(
            "x", "y", source=self.source, size=4, fill_color="colour", fill_alpha="alpha",
            line_color=None,
        )  # fmt: skip
        drawn.nonselection_glyph = drawn.selection_glyph = None

    def show(
        self,
        latents: Latents,
        dims: tuple[int, int],
        colours: list[str],
        chosen: np.ndarray | None,
    ) -> None:
        """Show two dimensions of latents; points that are not among those chosen are faint."""
        alpha = np.full(len(colours), CLEAR) if chosen is None else np.where(chosen, CLEAR, FAINT)
        first, second = dims
        if dims != self._dims:
            self._dims = dims
            _fit(self.figure.x_range, latents.values[:, first])
            _fit(self.figure.y_range, latents.values[:, second])
        self.source.data = {
            "x": latents.values[:, first],
            "y": latents.values[:, second],
            "colour": colours,
            "alpha": alpha,
            "row": latents.y.astype(np.int32),
            "column": latents.x.astype(np.int32),
        }
        self.figure.xaxis[0].axis_label = f"latent {first + 1}"
        self.figure.yaxis[0].axis_label = f"latent {second + 1}"


def _fit(shown: Any, values: np.ndarray) -> None:
    """Let a range show all values, with a margin."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.5
    start, end = low - margin, high + margin
    shown.update(start=start, end=end, reset_start=start, reset_end=end)
