"""Acts about maps: what there is to see, and the part of it that is seen."""

from __future__ import annotations

from dataclasses import asdict

from . import requests
from .actions import Answer, Apply, Request
from .session import SIDES, Session


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


def view(session: Session, request: Request) -> Apply:
    """Show a part of one or two maps."""
    number, layers = requests.number, session.state.layers
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
                drawn.show(layers[keys[side]], session.state, window, with_outlines=lines)
        return {"legends": legends}

    return apply
