"""Acts about maps: what there is to see, and the part of it that is seen."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from spectessera._util.text import counted

from . import requests
from .actions import Answer, Apply, Request
from .drawing import Window
from .layers import Layer
from .naming import lines_named
from .session import SIDES, Session
from .spectra import channels_between
from .state import State

WINDOW = "window"  # the key of the map of a window of channels


def hello(session: Session, _request: Request) -> Apply:
    """Say what there is to see."""
    state = session.state
    axis = state.axis
    said: Answer = {
        "title": state.title,
        "shape": list(state.shape),
        "upwards": state.upwards,
        "cube": state.cube is not None,
        "unit": state.unit,
        "layers": [
            {"key": each.key, "title": each.title, "group": each.group}
            for each in state.layers.values()
        ],
        "clusters": [asdict(each) for each in state.clusters],
        "axis": None,
        "edits": _edits(state),
        "photo": state.underlay is not None,
        "photo_size": None if state.underlay is None else list(state.underlay.shape[::-1]),
        "slow": _about_slow(state),
        "lines": lines_named(state.namings),
        "exact": state.overview is None or state.overview.exact,
    }
    if axis is not None:
        low, high = float(axis.values.min()), float(axis.values.max())
        said["axis"] = {
            "low": low,
            "high": high,
            "step": (high - low) / max(1, len(axis) - 1),
            "label": axis.label(),
            "unit": axis.unit,
        }
    return lambda: said


def _about_slow(state: State) -> str:
    """Return what is different where the spectrum of a single pixel is slow to read, in words."""
    slow = "" if state.pixels is None else state.pixels.slow
    if not slow or state.overview is None:
        return slow
    bins = len(state.overview.edges) - 1
    return f"Under the mouse: {bins} bins of channels; click for the spectrum itself. {slow}."


def _edits(state: State) -> Answer:
    """Return what people have done to the result."""
    editing = state.editing
    if editing is None:
        return {"undo": False, "redo": False, "words": ""}
    words = f"{counted(len(editing.acts), 'correction')}. The last one: {editing.words()}"
    return {
        "undo": bool(editing.acts),
        "numbering": state.numbering,
        "redo": bool(editing.undone),
        "words": words if editing.acts else "",
    }


def view(session: Session, request: Request) -> Apply:
    """Show a part of one or two maps."""
    number, layers = requests.number, session.layers
    ends = {name: number(request, name, -1e7, 1e7) for name in ("y0", "y1", "x0", "x1")}
    size = tuple(requests.integer(request, each, 1, 8192) for each in ("height", "width"))
    window = session.window(
        (min(ends["y0"], ends["y1"]), max(ends["y0"], ends["y1"])),
        (min(ends["x0"], ends["x1"]), max(ends["x0"], ends["x1"])),
        (size[0], size[1]),
    )
    keys = {"left": requests.word(request, "left", layers)}
    if request.get("right") is not None:
        keys["right"] = requests.word(request, "right", layers)
    lines = requests.flag(request, "outlines")
    under = _under(session, request, window)
    legends: Answer = {}
    for side, key in keys.items():
        layer = layers[key]
        legends[side] = {"title": layer.title, "kind": layer.kind, "unit": layer.unit}
        if layer.kind == "value":
            legends[side] |= dict(zip(("low", "high"), layer.limits, strict=True))

    def apply() -> Answer:
        for side in SIDES:
            drawn = session.maps[side]
            if drawn.figure.visible != (side in keys):
                drawn.figure.visible = side in keys
            if side in keys:
                drawn.show(
                    layers[keys[side]], session.state, window, with_outlines=lines, under=under
                )
        return {"legends": legends}

    return apply


def _under(session: Session, request: Request, window: Window) -> np.ndarray | None:
    """Return what lies under the part of the map; None where nothing changes."""
    underlay = session.state.underlay
    if underlay is None:
        return None
    image = underlay.under(window) if requests.flag(request, "photo") else None
    return np.zeros((1, 1, 4), dtype=np.uint8) if image is None else image


# --- windows of channels ------------------------------------------------------------------------


def window(session: Session, request: Request) -> Apply:
    """Make the map of a window of the spectral axis, from whole bins of channels: at once."""
    return _window(session, request, exact=False)


def exact_window(session: Session, request: Request) -> Apply:
    """Make the map of exactly a window of channels, which are read from the file."""
    return _window(session, request, exact=True)


def _window(session: Session, request: Request, *, exact: bool) -> Apply:
    state = session.state
    if state.cube is None or state.overview is None or state.axis is None:
        raise ValueError("a map of a window needs the cube; start with --cube FILE")
    ends = (requests.number(request, name, -1e30, 1e30) for name in ("low", "high"))
    first, stop = channels_between(state.cube, *ends)
    if exact:
        found = state.overview.exact_window(state.cube, first, stop, stop=state.closing.is_set)
    else:
        found = state.overview.window(first, stop)
    middle = state.axis.values
    low, high = sorted((float(middle[found.low]), float(middle[found.high - 1])))
    unit = state.axis.unit
    words = f"{low:.5g} to {high:.5g} {unit}".strip()
    said = {"low": low, "high": high, "first": found.low, "stop": found.high, "words": words}
    said["exact"] = (found.low, found.high) == (first, stop)
    image = found.map
    layer = Layer(WINDOW, f"Band: {words}", "Cube", "value", lambda: image)
    _ = layer.levels, layer.limits  # in this thread

    def apply() -> Answer:
        session.window_layer = layer
        return {"window": said}

    return apply
