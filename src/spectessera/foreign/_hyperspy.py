"""Signals of HyperSpy: spectra at the points of an image, or images along a spectrum."""

from __future__ import annotations

from typing import Any

import numpy as np

from spectessera.axis import UNITS, Axis
from spectessera.conventions.dims import Axes
from spectessera.conventions.units import guessed_unit

from ._parts import Parts, arranged, as_array, known_unit

UNDEFINED = "<undefined>"


def of_signal(thing: Any) -> Parts:
    """Take a signal apart, with its axes, its variance and its title."""
    axes, channel = _axes(thing)
    parts = Parts(arranged(thing.data, axes))
    title = str(_metadata(thing, "General.title") or "")
    parts.attrs |= {"object": title} if title else {}
    unit = str(_metadata(thing, "Signal.quantity") or "")
    parts.attrs |= {"unit": unit} if unit else {}
    _take_axis(parts, thing, channel)
    _take_positions(parts, thing, axes)
    noise = getattr(thing, "get_noise_variance", lambda: None)()
    if noise is not None:
        noise = np.broadcast_to(as_array(getattr(noise, "data", noise)), thing.data.shape)
        parts.take_noise(arranged(noise.astype(np.float32), axes), "var")
    return parts


def _axes(thing: Any) -> tuple[Axes, Any]:
    """Return the order of the axes, and the axis of the spectrum."""
    manager = thing.axes_manager
    image, signal = list(manager.navigation_axes), list(manager.signal_axes)
    if len(image) == 1 and len(signal) == 2:  # images along a spectrum
        image, signal = signal, image
    if len(image) != 2 or len(signal) != 1:
        raise ValueError(
            "a cube has 2 axes of the image and 1 of the spectrum; this "
            f"{type(thing).__name__} has {len(manager.navigation_axes)} navigation and "
            f"{len(manager.signal_axes)} signal axes"
        )
    y, x = sorted(int(each.index_in_array) for each in image)
    return Axes((y, x, int(signal[0].index_in_array)), (), "", ""), signal[0]


def _text(value: Any) -> str:
    """Return the name or the unit of an axis, which may be undefined."""
    text = str(value)
    return "" if value is None or text == UNDEFINED else text


def _take_axis(parts: Parts, thing: Any, channel: Any) -> None:
    """Keep the spectral axis; a spectrum of energy losses has them in its name or its type."""
    name, text = _text(channel.name), _text(channel.units)
    values = np.asarray(channel.axis, dtype=np.float64)
    unit, kind = known_unit(text), ""
    if not unit and text:
        parts.attrs["axis_note"] = f"{name!r} is in {text!r}"
        return
    if not unit:
        unit, kind, note = guessed_unit(name, values)
        parts.notes += [note] if note else []
    loss = "loss" in name.lower() or _text(_metadata(thing, "Signal.signal_type")) == "EELS"
    if loss and unit and UNITS[unit][0] == "energy":
        kind = "energy_loss"
    if unit:
        parts.axis = Axis(values, unit=unit, kind=kind)


def _take_positions(parts: Parts, thing: Any, axes: Axes) -> None:
    """Keep the positions of rows and columns, where they have a unit."""
    manager = thing.axes_manager
    every = [*manager.navigation_axes, *manager.signal_axes]
    for name, number in zip(("y", "x"), axes.order[:2], strict=True):
        (axis,) = [each for each in every if int(each.index_in_array) == number]
        if _text(axis.units):
            attrs = {"units": _text(axis.units)}
            parts.coords[name] = ((name,), np.asarray(axis.axis, dtype=np.float64), attrs)


def _metadata(thing: Any, path: str) -> Any:
    """Return an entry of the metadata, or None."""
    get = getattr(getattr(thing, "metadata", None), "get_item", None)
    return None if get is None else get(path, default=None)
