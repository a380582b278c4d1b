"""Acts about spectra: of the pixel under the mouse, of pixels that are kept, and others beside."""

from __future__ import annotations

import numpy as np

from spectessera.result import per_cluster

from . import requests
from .actions import Answer, Apply, Request
from .session import SIDES, Pin, Session
from .spectrumview import ALL, DIFFERENCE, PINS, REGION, Curve


def _pixel(session: Session, request: Request) -> tuple[int, int]:
    rows, columns = session.state.shape
    return (
        requests.integer(request, "y", 0, rows - 1),
        requests.integer(request, "x", 0, columns - 1),
    )


def _spectrum(session: Session, y: int, x: int) -> np.ndarray | None:
    pixels = session.state.pixels
    return None if pixels is None else np.asarray(pixels.read(y, x), dtype=np.float64)


def _rough_spectrum(session: Session, y: int, x: int) -> np.ndarray | None:
    """Return the spectrum of a pixel; from the bins of the overview where reading it takes long."""
    state = session.state
    if state.pixels is not None and state.pixels.slow and state.overview is not None:
        return np.asarray(state.overview.spectrum(y, x))
    return _spectrum(session, y, x)


def hover(session: Session, request: Request) -> Apply:
    """Say what is known of a pixel, and show its spectrum."""
    y, x = _pixel(session, request)
    said, spectrum = session.state.pixel(y, x), _rough_spectrum(session, y, x)
    said["values"] = _values_at(session, request, y, x)

    def apply() -> Answer:
        if session.spectrum is not None:
            session.spectrum.show_hover(spectrum)
        return {"pixel": said}

    return apply


def _values_at(session: Session, request: Request, y: int, x: int) -> Answer:
    """Return the value of the maps that are shown, at a pixel."""
    found: Answer = {}
    for side in SIDES:
        key = request.get(side)
        layer = session.layers.get(key) if isinstance(key, str) else None
        if layer is not None and layer.kind == "value":
            value = _known(layer.values[y, x])
            error = None if layer.error is None else _known(layer.error()[y, x])
            found[layer.title] = {"value": value, "error": error, "unit": layer.unit}
    return found


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def leave(session: Session, _request: Request) -> Apply:
    """Take the spectrum away: the mouse has left the map."""

    def apply() -> Answer:
        if session.spectrum is not None:
            session.spectrum.show_hover(None)
        return {}

    return apply


def pin(session: Session, request: Request) -> Apply:
    """Keep the spectrum of a pixel, or take it away if it is kept already."""
    y, x = _pixel(session, request)
    spectrum = _spectrum(session, y, x)

    def apply() -> Answer:
        kept = [each for each in session.pins if (each.y, each.x) != (y, x)]
        if len(kept) == len(session.pins):
            kept = [*kept, Pin(y, x, spectrum)][-len(PINS) :]
        session.pins = kept
        return show_pins(session)

    return apply


def unpin(session: Session, _request: Request) -> Apply:
    """Take all pinned spectra away."""

    def apply() -> Answer:
        session.pins = []
        return show_pins(session)

    return apply


def show_pins(session: Session) -> Answer:
    """Show the pixels that are kept, with what is known of them now."""
    colours = PINS[: len(session.pins)]
    session.pinned.data = {
        "x": [each.x for each in session.pins],
        "y": [each.y for each in session.pins],
        "colour": list(colours),
    }
    curves = [
        Curve(each.spectrum, colour, f"row {each.y}, column {each.x}")
        for each, colour in zip(session.pins, colours, strict=True)
        if each.spectrum is not None
    ]
    if session.spectrum is not None:
        session.spectrum.show_pins(curves)
    state = session.state
    pins = [
        state.pixel(each.y, each.x) | {"colour": colour}
        for each, colour in zip(session.pins, colours, strict=True)
    ]
    return {"pins": pins}


# --- lines beside -------------------------------------------------------------------------------


def curves(session: Session, request: Request) -> Apply:
    """Show mean spectra of clusters, the mean and the maximum of all, and a difference."""
    numbers = [each.number for each in session.state.clusters]
    wanted = [f"cluster-{n}" for n in requests.integers(request, "clusters", numbers)]
    wanted += [name for name in ("mean", "maximum") if requests.flag(request, name)]
    drawn = [each for each in (_curve(session, name) for name in wanted) if each is not None]
    pair = request.get("difference")
    if pair is not None:
        drawn.append(_difference(session, pair))

    def apply() -> Answer:
        if session.spectrum is not None:
            session.spectrum.show_curves(drawn)
        return {}

    return apply


def _difference(session: Session, pair: object) -> Curve:
    if not isinstance(pair, list) or len(pair) != 2:
        raise ValueError("a difference is of two spectra")
    first, second = (_curve(session, str(name)) for name in pair)
    if first is None or second is None:
        raise ValueError("one of the two spectra is no longer there; choose another one")
    name = f"{first.name} minus {second.name}"
    return Curve(first.values - second.values, DIFFERENCE, name, "dashed")


def _curve(session: Session, name: str) -> Curve | None:
    """Return a spectrum by its name; None if there is none."""
    state = session.state
    kind, _, number = name.partition("-")
    if kind == "cluster":
        return _of_cluster(session, number)
    if kind == "pin" and number.isdecimal() and int(number) < len(session.pins):
        pin = session.pins[int(number)]
        kept = f"row {pin.y}, column {pin.x}"
        return None if pin.spectrum is None else Curve(pin.spectrum, PINS[int(number)], kept)
    if name == "region" and session.region is not None:
        return Curve(session.region.mean, REGION, "region")
    if state.overview is not None and name == "mean":
        return Curve(np.asarray(state.overview.mean), ALL, "mean of all")
    if state.overview is not None and name == "maximum":
        return Curve(np.asarray(state.overview.maximum), ALL, "maximum of each channel", "dotted")
    return None


def _of_cluster(session: Session, number: str) -> Curve | None:
    state = session.state
    for at, each in enumerate(state.clusters):
        if str(each.number) == number and state.result is not None:
            if "mean_spectrum" not in state.result:
                return None
            mean = per_cluster(state.result, "mean_spectrum")[at]
            return Curve(mean, each.colour, f"cluster {state.about(each.number)}")
    return None


def scale(session: Session, request: Request) -> Apply:
    """Draw values on a logarithmic scale, or on a linear one."""
    log = requests.flag(request, "log")

    def apply() -> Answer:
        if session.spectrum is not None:
            session.spectrum.show_scale(log=log)
        return {}

    return apply
