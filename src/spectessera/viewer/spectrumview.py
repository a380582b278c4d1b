"""The spectra on the screen: a figure of bokeh with lines that come and go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from spectessera.axis import Axis
from spectessera.channels import bad_windows
from spectessera.htmlreport.figures import without_math, y_label
from spectessera.plots.drawing import with_gaps

from .mapview import style

TOOLS = "xpan,xwheel_zoom,xbox_zoom,xbox_select,reset,save"
HOVER, REGION = "#e34a33", "#9e4fbf"
ALL, DIFFERENCE = "#808890", "#1b9e77"
# Colours of pinned spectra: other than the first ones of clusters.
PINS = ("#c51b7d", "#4d9221", "#8c510a", "#542788", "#01665e", "#b2182b")


class Curve(NamedTuple):
    """A spectrum that is drawn as a line.

    Attributes
    ----------
    values : array (channel,)
    colour, name, dash : str
    """

    values: np.ndarray
    colour: str
    name: str
    dash: str = "solid"


class SpectrumView:
    """The figure of spectra.

    Parameters
    ----------
    axis : Axis
    unit : str
        Of the values.
    held : array (channel,) of bool, optional
        Channels of the zero peak of the detector, which may be cut off.
    """

    def __init__(self, axis: Axis, unit: str, held: np.ndarray | None = None) -> None:
        from bokeh.models import ColumnDataSource, Range1d
        from bokeh.plotting import figure

        self.axis = axis
        low, high = float(axis.values.min()), float(axis.values.max())
        margin = 0.5 if low == high else 0.0
        ends: dict[str, Any] = {"start": low - margin, "end": high + margin}
        # The range of y is set by script.js, from what is seen.
        self.figure: Any = figure(
            name="spectrum", x_range=Range1d(**ends, reset_start=ends["start"],
            reset_end=ends["end"]), y_range=Range1d(start=0, end=1), tools=TOOLS,
            active_drag="xbox_zoom", active_scroll="xwheel_zoom", sizing_mode="stretch_both",
            toolbar_location="above", x_axis_label=without_math(axis.label()),
            y_axis_label=without_math(y_label(unit).replace("mean", "value", 1)),
            min_width=200, min_height=200,
        )  # fmt: skip
        style(self.figure)
        # Where the zero peak ends: script.js does not scale to it.
        self.figure.tags = [high for _, high in bad_windows(axis, held)]
        many: dict[str, Any] = {"xs": [], "ys": [], "colour": [], "dash": [], "name": []}
        one: dict[str, Any] = {"x": [], "y": []}
        self.curves = ColumnDataSource(many, name="curves")
        self.pins = ColumnDataSource(dict(many), name="pin-curves")
        self.hover = ColumnDataSource(one, name="hover-curve")
        self.band = ColumnDataSource({"x": [], "low": [], "high": []}, name="band")
        self.region = ColumnDataSource(dict(one), name="region-curve")
        self.marks = ColumnDataSource({"x": [], "y": [], "text": []}, name="marks")
        self._draw()

    def _draw(self) -> None:
        from bokeh.core.properties import value
        from bokeh.models.annotations import BoxAnnotation

        drawn = self.figure
        drawn.add_layout(
            BoxAnnotation(
                name="window",
                visible=False,
                fill_color="#f0a000",
                fill_alpha=0.25,
                level="underlay",
            )
        )
        drawn.varea("x", "low", "high", source=self.band, fill_color=REGION, fill_alpha=0.2)
        for source in (self.curves, self.pins):
            drawn.multi_line(
                "xs", "ys", source=source, line_color="colour", line_dash="dash", line_width=1.5
            )
        drawn.line("x", "y", source=self.region, line_color=REGION, line_width=2)
        drawn.line("x", "y", source=self.hover, line_color=HOVER, line_width=1.2, name="hover-line")
        if len(self.axis) == 1:  # one channel is no line
            for each, ink in ((self.region, REGION), (self.hover, HOVER)):
                drawn.scatter("x", "y", source=each, size=8, color=ink)
        drawn.text(
            "x", "y", "text", source=self.marks, angle=np.pi / 2, text_font_size="11px",
            text_font=value("sans-serif"), text_baseline="middle", y_offset=-4, name="line-names",
        )  # fmt: skip

    def show_hover(self, spectrum: np.ndarray | None) -> None:
        """Show the spectrum of the pixel under the mouse, or none."""
        self.hover.data = self._one(spectrum)

    def show_region(self, mean: np.ndarray | None, std: np.ndarray | None) -> None:
        """Show the mean and the spread of a region, or none."""
        self.region.data = self._one(mean)
        if mean is None or std is None:
            self.band.data = {"x": [], "low": [], "high": []}
            return
        known = np.isfinite(mean) & np.isfinite(std)
        low, high = np.where(known, mean - std, np.nan), np.where(known, mean + std, np.nan)
        x, both = with_gaps(self.axis, np.stack([low, high]))
        self.band.data = {"x": x, "low": both[0], "high": both[1]}

    def show_curves(self, curves: Sequence[Curve]) -> None:
        """Show these lines instead of those that are there."""
        self.curves.data = self._many(curves)

    def show_pins(self, curves: Sequence[Curve]) -> None:
        """Show these spectra of pinned pixels instead of those that are there."""
        self.pins.data = self._many(curves)

    def show_marks(self, marks: Sequence[tuple[float, float, str]]) -> None:
        """Write names of lines: position, value there and name."""
        x, y, text = zip(*marks, strict=True) if marks else ((), (), ())
        self.marks.data = {"x": list(x), "y": list(y), "text": list(text)}

    def show_scale(self, *, log: bool) -> None:
        """Draw values on a logarithmic scale, or on a linear one."""
        from bokeh import models

        ticker = models.LogTicker() if log else models.BasicTicker()
        self.figure.y_scale = models.LogScale() if log else models.LinearScale()
        self.figure.yaxis[0].ticker = ticker
        self.figure.ygrid[0].ticker = ticker
        self.figure.yaxis[0].formatter = (
            models.LogTickFormatter() if log else models.BasicTickFormatter()
        )

    def _one(self, spectrum: np.ndarray | None) -> dict[str, Any]:
        if spectrum is None:
            return {"x": [], "y": []}
        x, y = with_gaps(self.axis, spectrum)
        return {"x": x, "y": y.astype(np.float32)}

    def _many(self, curves: Sequence[Curve]) -> dict[str, Any]:
        drawn = [with_gaps(self.axis, each.values) for each in curves]
        return {
            "xs": [x for x, _ in drawn],
            "ys": [y.astype(np.float32) for _, y in drawn],
            "colour": [each.colour for each in curves],
            "dash": [each.dash for each in curves],
            "name": [without_math(each.name) for each in curves],
        }
