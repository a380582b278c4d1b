"""The photograph on the screen, on which points are clicked."""

from __future__ import annotations

from typing import Any

import numpy as np

from .mapview import draw_numbers, packed, style

TOOLS = "pan,wheel_zoom,reset"


class PhotoView:
    """The figure of the photograph, empty until it is asked for.

    Positions count from the corner of its first pixel.

    Parameters
    ----------
    shape : (rows, columns)
        Of the photograph.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        from bokeh.models import ColumnDataSource, Range1d
        from bokeh.plotting import figure

        height, width = shape
        self.shape = shape
        self.source = ColumnDataSource({"image": [np.zeros((1, 1), dtype=np.uint32)]})
        self.marks = ColumnDataSource({"x": [], "y": [], "text": []}, name="photo-points")
        self.figure: Any = figure(
            name="photo", tools=TOOLS, active_scroll="wheel_zoom", active_drag="pan",
            x_range=Range1d(start=0, end=width),
            y_range=Range1d(start=height, end=0), sizing_mode="stretch_both",
            toolbar_location="above", min_width=200, min_height=200, match_aspect=True,
        )  # fmt: skip
        style(self.figure)
        self.figure.grid.visible = False
        self.figure.image_rgba(image="image", x=0, y=0, dw=width, dh=height, source=self.source)
        draw_numbers(self.figure, self.marks)

    def show(self, image: np.ndarray) -> None:
        """Show the photograph, or a smaller copy of it."""
        self.source.data = {"image": [packed(image)]}
