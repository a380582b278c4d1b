"""Acts that correct the map: merge, split, rename, recolour, mask, undo and redo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spectessera.edits import Act, Mask, Merge, Polygon, Recolour, Rename, Runs, Split

from . import requests
from .actions import Apply, Request
from .editing import Editing
from .session import Session

LONGEST_NAME, LONGEST_COLOUR = 200, 7
MOST_PARTS = 50


def rename(session: Session, request: Request) -> Apply:
    """Give a cluster a name; an empty one takes a given one away."""
    _check_numbering(session, request)
    name = requests.text(request, "name", LONGEST_NAME)
    return _do(session, Rename(_cluster(session, request), name.strip()))


def recolour(session: Session, request: Request) -> Apply:
    """Give a cluster a colour; an empty one takes a given one away."""
    _check_numbering(session, request)
    colour = requests.text(request, "colour", LONGEST_COLOUR)
    return _do(session, Recolour(_cluster(session, request), colour))


def merge(session: Session, request: Request) -> Apply:
    """Make one cluster of several."""
    _check_numbering(session, request)
    return _do(session, Merge(tuple(requests.integers(request, "clusters", _numbers(session)))))


def split(session: Session, request: Request) -> Apply:
    """Cluster the pixels of one cluster again, into k parts or as many as evidence finds."""
    _check_numbering(session, request)
    given = request.get("k") is not None
    k = requests.integer(request, "k", 2, MOST_PARTS) if given else None
    return _do(session, Split(_cluster(session, request), k))


def mask(session: Session, _request: Request) -> Apply:
    """Take the pixels of the region out of their clusters."""
    if session.mask is None:
        raise ValueError("draw a region first: box select or lasso select, above the map")
    if session.polygon is not None:
        corners = tuple((float(y), float(x)) for x, y in session.polygon)
        return _do(session, Mask(Polygon(corners)))
    return _do(session, Mask(Runs.of(session.mask)))


def undo(session: Session, _request: Request) -> Apply:
    """Take the last act back."""
    return _changed(session, Editing.undo)


def redo(session: Session, _request: Request) -> Apply:
    """Do the act again that was undone last."""
    return _changed(session, Editing.redo)


def _do(session: Session, act: Act) -> Apply:
    return _changed(session, lambda editing: editing.do(act))


def _changed(session: Session, change: Callable[[Editing], None]) -> Apply:
    """Return what shows the result after a change, on all pages."""
    editing = session.state.editing
    if editing is None:
        raise ValueError("a cube alone has no clusters; segment it first: spectessera segment")
    change(editing)
    session.state.show_result(editing.result)

    return dict


def _check_numbering(session: Session, request: Request) -> None:
    """Raise ValueError if the numbers of the clusters are no longer those that the page showed."""
    if requests.integer(request, "numbering", 0, 2**53) != session.state.numbering:
        raise ValueError(
            "the clusters have other numbers since this was asked for; nothing was done: look at "
            "the list again"
        )


def _numbers(session: Session) -> list[int]:
    return [each.number for each in session.state.clusters]


def _cluster(session: Session, request: Request) -> int:
    numbers: list[Any] = _numbers(session)
    return requests.integers({"cluster": [request.get("cluster")]}, "cluster", numbers)[0]
