"""A map on the screen: a figure of bokeh whose image is made for the part that is seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from .drawing import Window, colour_numbers, label_numbers, outlines
from .layers import Layer
from .state import GREY, State

TOOLS = "pan,wheel_zoom,box_zoom,box_select,lasso_select,save"
FONT = "system-ui, Helvetica, Arial, sans-serif"
EMPTY = np.zeros((1, 1), dtype=np.uint8)
CLEAR, INK = "#00000000", "#ffffffdd"


def style(drawn: Any) -> None:
    """Give a figure the look of the page; script.js gives it the colours of light or dark."""
    drawn.toolbar.logo = None
    drawn.outline_line_color = None
    drawn.min_border = 6
    for axis in drawn.axis:
        axis.axis_label_text_font = axis.major_label_text_font = FONT
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = axis.major_label_text_font_size = "12px"
        axis.minor_tick_line_color = None
        axis.axis_label_standoff = 4


def image_source(image: np.ndarray = EMPTY) -> Any:
    """Return a source of one image, not yet at its place."""
    from bokeh.models import ColumnDataSource

    return ColumnDataSource({"image": [image], "x": [0.0], "y": [0.0], "dw": [0], "dh": [0]})


def _placed(image: np.ndarray, window: Window) -> dict[str, Any]:
    x, y, width, height = window.corner
    return {"image": [image], "x": [x], "y": [y], "dw": [width], "dh": [height]}


def packed(image: np.ndarray) -> np.ndarray:
    """Return red, green, blue and opacity (y, x, 4) as one number for each pixel (y, x), uint32."""
    return np.ascontiguousarray(image).view(np.uint32)[..., 0]


class MapView:
    """One map.

    Parameters
    ----------
    name : str
    ranges : (x_range, y_range)
        Shared by maps side by side.
    shared : dict of str to ColumnDataSource
        "region" (xs, ys), "pins" and "points" (x, y), "placed" (x, y, text): drawn on all maps.
    """

    def __init__(self, name: str, ranges: tuple[Any, Any], shared: dict[str, Any]) -> None:
        from bokeh.models import LinearColorMapper
        from bokeh.plotting import figure

        made: Any = figure(
            name=name, x_range=ranges[0], y_range=ranges[1], tools=TOOLS, active_drag="pan",
            active_scroll="wheel_zoom", sizing_mode="stretch_both", toolbar_location="above",
            x_axis_label="column", y_axis_label="row", min_width=200, min_height=200,
        )  # fmt: skip
        self.figure = made
        style(made)
        made.grid.visible = False
        self.source, self.lines = image_source(), image_source()
        self.mapper: Any = LinearColorMapper(palette=[GREY], low=-0.5, high=0.5)
        places: dict[str, Any] = {"image": "image", "x": "x", "y": "y", "dw": "dw", "dh": "dh"}
        self.photo = image_source(np.zeros((1, 1), dtype=np.uint32))
        made.image_rgba(**places, source=self.photo)
        made.image(**places, source=self.source, color_mapper=self.mapper, name="map-image")
        two: Any = LinearColorMapper(palette=[CLEAR, INK], low=-0.5, high=1.5)
        made.image(**places, source=self.lines, color_mapper=two)
        _draw_shared(made, shared)
        for each in made.renderers:  # a lasso chooses pixels, and dims no pin or point
            each.nonselection_glyph = each.selection_glyph = None

    def show(
        self, layer: Layer, state: State, window: Window, *, with_outlines: bool = False,
        under: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """Show a part of a map, and what lies under it: a photograph, (y, x, 4) uint8."""
        if under is not None:
            self.photo.data = _placed(packed(under), window)
        seen = layer.levels.view(*window)
        if layer.kind == "label":
            palette = state.palette()
            image = label_numbers(seen, len(palette) - 1)
        else:
            palette = value_palette()
            image = colour_numbers(seen, *layer.limits)
        if self.mapper.palette != palette:
            self.mapper.update(palette=palette, low=-0.5, high=len(palette) - 0.5)
        self.source.data = _placed(image if image.size else EMPTY, window)
        if with_outlines and "label" in state.layers:
            labels = state.layers["label"].levels.view(*window)
            self.lines.data = _placed(outlines(labels, window.height, window.width), window)
        elif self.lines.data["dw"] != [0]:
            self.lines.data = _placed(EMPTY, Window(0, 0, 0, 0, 1, 1))


def draw_numbers(drawn: Any, marks: Any) -> None:
    """Draw numbered points."""
    drawn.scatter(
        "x", "y", source=marks, size=9, marker="cross", line_color="#ffffff", line_width=4
    )
    drawn.scatter(
        "x", "y", source=marks, size=9, marker="cross", line_color="#d00000", line_width=2
    )
    drawn.text(
        "x", "y", "text", source=marks, x_offset=6, y_offset=-4, text_color="#d00000",
        text_font_size="12px", text_font_style="bold", text_outline_color="#ffffff",
    )  # fmt: skip


def _draw_shared(drawn: Any, shared: dict[str, Any]) -> None:
    """Draw the region, the pins and the points of the scatter plot."""
    drawn.multi_line(
        "xs", "ys", source=shared["region"], line_color="#ffffff", line_width=3.5, name="rim"
    )
    drawn.multi_line("xs", "ys", source=shared["region"], line_color="#111111", line_width=1.5)
    drawn.scatter(
        "x", "y", source=shared["points"], marker="circle", size=5, fill_color="#ffffff",
        line_color="#111111",
    )  # fmt: skip
    draw_numbers(drawn, shared["placed"])
    drawn.scatter(
        "x", "y", source=shared["pins"], marker="circle", size=12, fill_color="colour",
        line_color="#ffffff", line_width=2,
    )  # fmt: skip


def value_palette() -> list[str]:
    """Return the colours of a map of numbers; the first one is for missing values."""
    from bokeh.palettes import Cividis256

    return [GREY, *Cividis256[1:]]
