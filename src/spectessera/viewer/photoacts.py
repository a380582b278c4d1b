"""Acts about the photograph under the maps."""

from __future__ import annotations

from typing import Literal, cast

from . import requests
from .actions import Answer, Apply, Request
from .session import Session
from .underlay import Underlay

FAR = 1e6  # pixels: no point is farther away


def _underlay(session: Session) -> Underlay:
    found = session.state.underlay
    if found is None:
        raise ValueError("there is no photograph; start with --photo FILE")
    return found


def photo(session: Session, _request: Request) -> Apply:
    """Show the photograph and its points."""
    image = _underlay(session).small()

    def apply() -> Answer:
        assert session.photo is not None
        session.photo.show(image)
        return _said(session)

    return apply


def pair(session: Session, request: Request) -> Apply:
    """Add a pair of points."""
    names = ("image_x", "image_y", "map_x", "map_y")
    values = [requests.number(request, name, -FAR, FAR) for name in names]
    # On the map, positions count from the centre of the first pixel; in a pair, from its corner.
    _underlay(session).add((values[0], values[1], values[2] + 0.5, values[3] + 0.5))
    return lambda: _said(session)


def unpair(session: Session, request: Request) -> Apply:
    """Remove a pair of points."""
    underlay = _underlay(session)
    underlay.remove(requests.integer(request, "place", 0, len(underlay.pairs) - 1))
    return lambda: _said(session)


def kind(session: Session, request: Request) -> Apply:
    """Align by an affine or a projective transformation."""
    chosen = requests.word(request, "kind", ("affine", "projective"))
    _underlay(session).choose(cast('Literal["affine", "projective"]', chosen))
    return lambda: _said(session)


def _said(session: Session) -> Answer:
    """Draw the points, and say how well they fit."""
    underlay = _underlay(session)
    numbers = [str(at + 1) for at in range(len(underlay.pairs))]
    if session.photo is not None:
        session.photo.marks.data = {
            "x": [each[0] for each in underlay.pairs],
            "y": [each[1] for each in underlay.pairs],
            "text": numbers,
        }
    session.placed.data = {
        "x": [each[2] - 0.5 for each in underlay.pairs],
        "y": [each[3] - 0.5 for each in underlay.pairs],
        "text": numbers,
    }
    found = underlay.alignment
    residuals = [None] * len(numbers) if found is None else found.residuals.tolist()
    sentence = underlay.problem if found is None else f"{found.sentence()}."
    rows = [
        {"image": list(each[:2]), "map": [each[2] - 0.5, each[3] - 0.5], "residual": residual}
        for each, residual in zip(underlay.pairs, residuals, strict=True)
    ]
    return {"pairs": rows, "sentence": sentence, "kind": underlay.kind}
