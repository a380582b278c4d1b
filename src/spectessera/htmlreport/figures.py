"""The live spectra and scores of a report: figures of bokeh whose text neither loads nor runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from spectessera.axis import Axis
from spectessera.channels import hidden, runs
from spectessera.plots.drawing import with_gaps
from spectessera.plots.meanspectra import LETTER, LONGEST_LABEL, ZERO_PEAK, spaced
from spectessera.result import number_chosen

from .facts import Card

SPECTRUM_HEIGHT = 330  # pixels of the screen
LONGEST_UNIT = 34  # letters; a longer one does not fit beside an axis
RANGE = 30.0  # a spectrum whose maximum is so many times its median is drawn on a logarithmic scale
DECADES = 1e-4  # of its maximum: the least that is drawn on a logarithmic scale
INK = "#333333"
BAND = "#ebebeb"  # behind channels that are marked as bad
FONT = "Helvetica, Arial, sans-serif"
TOOLS = "pan,box_zoom,wheel_zoom,reset,save"


def without_math(text: str) -> str:
    """Return text for a canvas: marks of formulas, for which bokeh would load a library, are cut.

    Ends of lines become blanks, and half letters (lone surrogates) question marks.
    """
    for mark, instead in (("$$", "$ "), ("\\[", "["), ("\\]", "]"), ("\\(", "("), ("\\)", ")")):
        text = text.replace(mark, instead)
    return " ".join(text.split()).encode("utf-8", "replace").decode("utf-8")


def style(drawn: Any) -> None:
    """Give a figure the calm look of the page."""
    drawn.toolbar.logo = None
    drawn.toolbar_location = "above"
    drawn.toolbar.autohide = True
    drawn.outline_line_color = "#bbbbbb"
    drawn.grid.grid_line_color = "#eeeeee"
    drawn.background_fill_color = "#ffffff"
    drawn.border_fill_color = "#ffffff"
    for axis in drawn.axis:
        axis.axis_label_text_font = axis.major_label_text_font = FONT
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = "13px"
        axis.major_label_text_font_size = "12px"
        axis.axis_label_text_color = axis.major_label_text_color = INK
        axis.axis_line_color = axis.major_tick_line_color = "#888888"
        axis.minor_tick_line_color = None
        axis.axis_label_standoff = 6


# --- spectra -----------------------------------------------------------------------------------


def with_figure(made: Sequence[Card], most: int) -> list[Card]:
    """Return the cards that get a figure: of the ``most`` largest clusters that are not empty."""
    filled = [card for card in made if card.size > 0]
    largest = sorted(filled, key=lambda card: -card.size)[:most]
    return [card for card in filled if card in largest]


class Scale:
    """How high a spectrum is drawn: the limits of y, where names of lines stand, log or not.

    Parameters
    ----------
    mean, deviation : array (channel,)
    names : sequence of str
        Of the lines, for which room is left above.
    held : array (channel,) of bool, optional
        Channels that may be cut off, such as those of the zero peak.
    """

    def __init__(
        self,
        mean: np.ndarray,
        deviation: np.ndarray,
        names: Sequence[str],
        held: np.ndarray | None = None,
    ) -> None:
        mean, deviation = hidden(mean, held), hidden(deviation, held)
        finite = np.isfinite(mean)
        values = mean[finite] if finite.any() else np.zeros(1)
        positive = values[values > 0]
        self.log = bool(
            values.min() >= 0 and positive.size and values.max() > RANGE * np.median(values)
        )
        low, high = mean - deviation, mean + deviation
        bottom, top = (float(np.nanmin(low)), float(np.nanmax(high))) if finite.any() else (0, 1)
        share = 0.05 + (0.05 + LETTER * max(map(len, names)) if names else 0.0)  # of the height
        if self.log:
            self.low = max(float(np.percentile(positive, 2)), DECADES * top)
            span = math.log10(top / self.low) / (1 - share)
            self.names = top * 10 ** (0.05 * span)
            self.high = self.low * 10**span
        else:
            span = ((top - bottom) or abs(top) or 1.0) / (0.95 - share)
            self.low = bottom - 0.05 * span
            self.names = top + 0.05 * span
            self.high = self.low + span

    def inside(self, values: Any) -> np.ndarray:
        """Return values (...), those below the lower limit on it."""
        return np.maximum(values, self.low)


def labelled_lines(card: Card, axis: Axis) -> list[tuple[float, float, str]]:
    """Return position, mean there and name of the lines that are marked, by position."""
    found: list[tuple[float, float, str]] = []
    for line in card.lines():
        assert line.peak is not None  # those of a card are seen
        x = line.peak.position
        at = int(np.argmin(np.abs(axis.values - x)))
        around = card.mean[max(0, at - 1) : at + 2]
        if np.isfinite(around).any():  # not among bad channels
            found.append((x, float(np.nanmax(around)), without_math(line.name)[:LONGEST_LABEL]))
    first, last = float(axis.values.min()), float(axis.values.max())
    return sorted(found[each] for each in spaced([x for x, *_ in found], first, last))


def zero_channels(card: Card, axis: Axis) -> np.ndarray | None:
    """Return which channels hold the zero peak of the detector; None if none do."""
    if not card.zero:
        return None
    low, high = card.zero[0]
    return (axis.values >= low) & (axis.values <= high)


def is_cut(card: Card, scale: Scale, held: np.ndarray | None) -> bool:
    """Whether the zero peak is taller than what is drawn."""
    return held is not None and bool((card.mean[held] > scale.high).any())


def windows(card: Card, axis: Axis) -> list[slice]:
    """Return the runs of channels in which a mean spectrum is drawn."""
    known = np.isfinite(card.mean)
    return [
        slice(part.start + run.start, part.start + run.stop)
        for part in axis.segments()
        for run in runs(known[part])
    ]


def y_label(unit: str) -> str:
    """Return the label of the axis of a mean spectrum."""
    return f"mean ({unit})" if 0 < len(unit) <= LONGEST_UNIT else "mean"


def spectrum(card: Card, axis: Axis, unit: str, x_range: Any) -> Any:
    """Return the mean spectrum of a cluster, its standard deviation and its lines."""
    from bokeh.models import HoverTool, Range1d
    from bokeh.plotting import figure

    names = labelled_lines(card, axis)
    held = zero_channels(card, axis)
    scale = Scale(card.mean, card.deviation, [each[2] for each in names], held)
    drawn: Any = figure(
        name=f"spectrum-{card.cluster}",
        height=SPECTRUM_HEIGHT,
        min_width=240,
        sizing_mode="stretch_width",
        x_range=x_range,
        y_range=Range1d(start=scale.low, end=scale.high),
        y_axis_type="log" if scale.log else "linear",
        tools=TOOLS,
        active_drag="box_zoom",
        x_axis_label=without_math(axis.label()),
        y_axis_label=without_math(y_label(unit)),
    )
    ink = card.colour
    _draw_bands(drawn, card, axis, scale)
    x, y = with_gaps(axis, np.stack([card.mean, card.deviation]))
    data = {"x": x, "mean": y[0], "sd": y[1], "drawn": scale.inside(y[0])}
    source = {name: values.astype(np.float32) for name, values in data.items()}
    line = _line(drawn, source, ink)
    if names:
        _mark(drawn, names, scale)
    if is_cut(card, scale, held):
        _say_cut(drawn, scale)
    word = without_math(axis.kind.replace("_", " "))
    rows = [(word, f"@x{{%.6g}} {_plain(axis.unit)}"), ("mean", "@mean{%.4g}")]
    rows.append(("standard deviation", "@sd{%.4g}"))
    printed: dict[str, Any] = dict.fromkeys(("@x", "@mean", "@sd"), "printf")
    drawn.add_tools(HoverTool(tooltips=rows, formatters=printed, renderers=[line], mode="vline"))
    style(drawn)
    return drawn


def _draw_bands(drawn: Any, card: Card, axis: Axis, scale: Scale) -> None:
    """Draw the standard deviation, and the windows of bad channels."""
    from bokeh.models.annotations import BoxAnnotation

    for low, high in card.bad:
        drawn.add_layout(BoxAnnotation(left=low, right=high, fill_color=BAND, level="underlay"))
    for part in windows(card, axis):
        drawn.varea(
            x=axis.values[part].astype(np.float32),
            y1=scale.inside(card.mean[part] - card.deviation[part]).astype(np.float32),
            y2=scale.inside(card.mean[part] + card.deviation[part]).astype(np.float32),
            fill_color=card.colour,
            fill_alpha=0.22,
        )


def _plain(unit: str) -> str:
    """Return a unit for a template of bokeh, where @, $ and braces have a meaning."""
    return "".join(each for each in unit if each.isalnum() or each in "/-^. ")


def _line(drawn: Any, data: dict[str, np.ndarray], ink: str) -> Any:
    """Draw the line of a mean spectrum, with a dark rim that light colours need on white."""
    from bokeh.models import ColumnDataSource

    source = ColumnDataSource(data=data)
    if len(data["x"]) == 1:
        return drawn.scatter("x", "drawn", source=source, size=9, color=ink, line_color=INK)
    if light(ink):
        drawn.line("x", "drawn", source=source, color="#555555", line_width=2.6)
    return drawn.line("x", "drawn", source=source, color=ink, line_width=1.5)


def light(ink: str) -> bool:
    """Return whether a colour "#rrggbb" is hard to see on white."""
    rgb = [int(ink[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return float(np.dot(rgb, (0.2126, 0.7152, 0.0722))) >= 0.6


def _mark(drawn: Any, names: list[tuple[float, float, str]], scale: Scale) -> None:
    """Write the names of lines above the spectrum, each with a dotted line down to its peak."""
    from bokeh.core.properties import value

    x = [each[0] for each in names]
    drawn.segment(
        x0=x,
        y0=[float(scale.inside(each[1])) for each in names],
        x1=x,
        y1=[scale.names] * len(names),
        line_color="#999999",
        line_dash="dotted",
    )
    drawn.text(
        x=x,
        y=[scale.names] * len(names),
        text=[each[2] for each in names],
        angle=math.pi / 2,
        x_offset=0,
        y_offset=-3,
        text_baseline="middle",
        text_font=value(FONT),
        text_font_size="12px",
        text_color=INK,
    )


def _say_cut(drawn: Any, scale: Scale) -> None:
    """Write at the zero peak that it is cut off."""
    from bokeh.core.properties import value

    drawn.text(
        x=[0.0],
        y=[scale.high],
        text=[ZERO_PEAK],
        angle=math.pi / 2,
        text_align="right",
        text_baseline="top",
        x_offset=4,
        y_offset=4,
        text_font=value(FONT),
        text_font_size="11px",
        text_color=INK,
    )


# --- the choice of k ---------------------------------------------------------------------------


def score_panels(result: xr.Dataset) -> list[Any]:
    """Return a panel of the silhouette and, where they are known, of stability and evidence."""
    if "score" not in result or "score_error" not in result or result.sizes["k"] < 2:
        return []
    found = [_score_panel(result, "silhouette", "score")]
    drawn = all(each in result for each in ("stability", "stability_error", "agreement"))
    if drawn and np.isfinite(result["stability"].values).any():
        found.append(_score_panel(result, "stability", "stability"))
    known = "gain" in result and "gain_error" in result
    if known and np.isfinite(result["gain"].values).any():
        found.append(_score_panel(result, "evidence", "gain"))
    return found


def _score_panel(result: xr.Dataset, word: str, name: str) -> Any:
    from bokeh.models import ColumnDataSource, HoverTool, Range1d
    from bokeh.models.annotations import Span
    from bokeh.plotting import figure

    k, value = result["k"].values, result[name].values
    error = 2 * np.nan_to_num(result[f"{name}_error"].values)
    drawn: Any = figure(
        name=f"score-{word}",
        height=260,
        min_width=240,
        sizing_mode="stretch_width",
        tools="reset,save",
        x_axis_label="number of clusters k",
        y_axis_label=word,
        x_range=Range1d(start=float(k.min()) - 0.5, end=float(k.max()) + 0.5),
    )
    chosen = number_chosen(result)
    drawn.add_layout(Span(location=chosen, dimension="height", line_color="#aaaaaa", line_dash=[4]))
    if name == "stability" and "stable_from" in result.attrs:
        edge = float(result.attrs["stable_from"])
        drawn.add_layout(Span(location=edge, dimension="width", line_color="#cccccc"))
    data = {"k": k, "value": value, "low": value - error, "high": value + error, "error": error / 2}
    source = ColumnDataSource(data={key: np.asarray(each, float) for key, each in data.items()})
    drawn.segment("k", "low", "k", "high", source=source, line_color=INK)
    drawn.line("k", "value", source=source, line_color=INK)
    dots = drawn.scatter("k", "value", source=source, size=7, color=INK)
    rows = [("k", "@k{%d}"), (word, "@value{%.3f}"), ("standard error", "@error{%.3f}")]
    printed: dict[str, Any] = dict.fromkeys(("@k", "@value", "@error"), "printf")
    drawn.add_tools(HoverTool(tooltips=rows, formatters=printed, renderers=[dots]))
    style(drawn)
    drawn.xaxis.ticker.mantissas = [1, 2, 5]
    drawn.xaxis.ticker.min_interval = 1
    return drawn
