"""What one page shows: its figures, the pixels that are pinned, the region that is drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .drawing import MOST_SIDE, Window
from .layers import Layer
from .mapview import MapView
from .photoview import PhotoView
from .scatterview import ScatterView
from .spectrumview import SpectrumView
from .state import State

SIDES = ("left", "right")
MARGIN = 0.15  # of the part that is seen, to either side


@dataclass
class Region:
    """Pixels that were drawn around, and their spectrum.

    Attributes
    ----------
    mask : array (y, x), bool
    mean, std : array (channel,)
    n : int
        Pixels.
    """

    mask: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    n: int


@dataclass
class Pin:
    """A pixel that was clicked, and its spectrum."""

    y: int
    x: int
    spectrum: np.ndarray | None = field(repr=False)


class Session:
    """The figures of a page and what is chosen on it.

    Parameters
    ----------
    state : State
    """

    def __init__(self, state: State) -> None:
        from bokeh.models import ColumnDataSource, Range1d

        self.state = state
        self.pins: list[Pin] = []
        self.region: Region | None = None
        self.mask: np.ndarray | None = None  # of the region, also where there is no cube
        self.polygon: np.ndarray | None = None  # its corners, (n, 2): x and y
        self.scatter = ScatterView() if "label" in state.layers else None
        self.scatter_dims: tuple[int, int] | None = None
        self.window_layer: Layer | None = None  # the map of a window of channels
        height, width = state.shape
        ends = (-0.5, height - 0.5) if state.upwards else (height - 0.5, -0.5)
        ranges = (
            Range1d(start=-0.5, end=width - 0.5),
            Range1d(start=ends[0], end=ends[1]),
        )
        self.outline = ColumnDataSource({"xs": [], "ys": []}, name="region")
        self.pinned = ColumnDataSource({"x": [], "y": [], "colour": []}, name="pins")
        self.points = ColumnDataSource({"x": [], "y": []}, name="points")
        self.placed = ColumnDataSource({"x": [], "y": [], "text": []}, name="placed")
        shared = {
            "placed": self.placed,
            "region": self.outline,
            "pins": self.pinned,
            "points": self.points,
        }
        self.maps = {side: MapView(f"map-{side}", ranges, shared) for side in SIDES}
        self.maps["right"].figure.visible = False
        self.photo = None if state.underlay is None else PhotoView(state.underlay.shape)
        self.spectrum: SpectrumView | None = None
        if state.axis is not None:
            self.spectrum = SpectrumView(state.axis, state.unit, state.zero_peak())

    @property
    def layers(self) -> dict[str, Layer]:
        """The maps that can be shown."""
        own = self.window_layer
        return self.state.layers if own is None else self.state.layers | {own.key: own}

    def roots(self) -> list[Any]:
        """Return the figures, each with a name."""
        found = [view.figure for view in self.maps.values()]
        others = (self.spectrum, self.scatter, self.photo)
        return found + [each.figure for each in others if each is not None]

    def mark_scatter(self) -> None:
        """Show in the scatter plot which pixels are in the region, and the colours of today."""
        if self.scatter is None or self.scatter_dims is None:
            return
        known = self.state.latents()
        palette, label = self.state.palette(), self.state.layers["label"].values
        colours = [palette[each] for each in label[known.y, known.x].tolist()]
        chosen = None if self.mask is None else self.mask[known.y, known.x]
        self.scatter.show(known, self.scatter_dims, colours, chosen)

    def window(
        self, y: tuple[float, float], x: tuple[float, float], size: tuple[int, int]
    ) -> Window:
        """Return the part of the image between two ends of y and of x, seen in a size.

        A margin is added, so that a small move shows no empty edge.
        """
        rows, columns = self.state.shape
        parts = []
        for (low, high), count, pixels in ((y, rows, size[0]), (x, columns, size[1])):
            margin = MARGIN * (high - low)
            first = min(max(0, int(np.floor(low - margin + 0.5))), count - 1)
            stop = max(min(count, int(np.ceil(high + margin + 0.5))), first + 1)
            seen = max(1, round(pixels * (stop - first) / max(high - low, 1e-9)))
            parts.append((first, stop, min(seen, MOST_SIDE)))
        (y0, y1, height), (x0, x1, width) = parts
        return Window(y0, y1, x0, x1, height, width)
