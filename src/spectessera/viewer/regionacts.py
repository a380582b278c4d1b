"""Acts about a region that is drawn: its spectrum, with named lines."""

from __future__ import annotations

import numpy as np

from spectessera.edits import Polygon

from . import requests
from .actions import Answer, Apply, Request
from .naming import marks_of, names_of
from .session import Region, Session
from .spectra import region_spectrum
from .spectrumacts import show_pins


def region(session: Session, request: Request) -> Apply:
    """Show the mean and the spread of the pixels inside a polygon, with named lines."""
    polygon = requests.corners(request)
    mask = Polygon(tuple((y, x) for x, y in polygon.tolist())).inside(session.state.shape)
    return region_of(session, mask, polygon)


def region_of(session: Session, mask: np.ndarray, polygon: np.ndarray | None) -> Apply:
    """Return what shows a region, with its outline where it has one."""
    if not mask.any():
        raise ValueError("no pixel has its centre inside; draw a larger region")
    found: Region | None = None
    marks: list[tuple[float, float, str]] = []
    said: Answer = {"read": False}
    state = session.state
    if state.cube is not None and state.axis is not None:
        measured = region_spectrum(state.cube, mask, stop=state.closing.is_set)
        found = Region(mask, np.asarray(measured.mean), np.asarray(measured.std), int(measured.n))
        naming = names_of(found, state)
        marks, named = marks_of(found, naming, state.axis)
        said |= named | {"read": True}
    said |= {"pixels": int(mask.sum()), "clusters": _shares(session, mask)}

    def apply() -> Answer:
        session.region, session.mask, session.polygon = found, mask, polygon
        _draw(session, polygon)
        if session.spectrum is not None and found is not None:
            session.spectrum.show_region(found.mean, found.std)
            session.spectrum.show_marks(marks)
        return {"region": said}

    return apply


def _draw(session: Session, polygon: np.ndarray | None) -> None:
    """Draw the outline of the region on the maps, and its points in the scatter plot."""
    closed = None if polygon is None else np.concatenate([polygon, polygon[:1]])
    empty: dict[str, list[float]] = {"xs": [], "ys": []}
    session.outline.data = empty if closed is None else {"xs": [closed[:, 0]], "ys": [closed[:, 1]]}
    session.points.data = {"x": [], "y": []}
    session.mark_scatter()


def _shares(session: Session, mask: np.ndarray) -> list[Answer]:
    """Return which clusters the pixels of a region have, the most frequent first."""
    if "label" not in session.state.layers:
        return []
    labels, counts = np.unique(session.state.layers["label"].values[mask], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    about = session.state.about
    return [{"cluster": about(int(labels[at])), "pixels": int(counts[at])} for at in order]


def again(session: Session, _request: Request) -> Apply:
    """Say of the region and of the pixels that are kept what is known since a correction."""
    shares = None if session.mask is None else _shares(session, session.mask)

    def apply() -> Answer:
        session.mark_scatter()
        return show_pins(session) | {"shares": shares}

    return apply


def no_region(session: Session, _request: Request) -> Apply:
    """Take the region away."""

    def apply() -> Answer:
        session.region = session.mask = session.polygon = None
        _draw(session, None)
        if session.spectrum is not None:
            session.spectrum.show_region(None, None)
            session.spectrum.show_marks([])
        return {"region": None}

    return apply
