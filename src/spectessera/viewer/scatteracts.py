"""Acts about the scatter plot of latents, which is linked to the map."""

from __future__ import annotations

import numpy as np

from . import requests
from .actions import Answer, Apply, Request
from .drawing import holds
from .regionacts import region_of
from .session import Session

MOST_DIMS = 10_000  # of latents


def latents(session: Session, request: Request) -> Apply:
    """Show two dimensions of the latents of a sample of pixels."""
    known = session.state.latents()
    size = known.values.shape[1]
    asked = (requests.integer(request, name, 0, MOST_DIMS) for name in ("first", "second"))
    first, second = (min(each, size - 1) for each in asked)

    def apply() -> Answer:
        session.scatter_dims = (first, second)
        session.mark_scatter()
        return {"dims": size, "points": len(known.y)}

    return apply


def choose(session: Session, request: Request) -> Apply:
    """Take the pixels whose latents are inside a polygon as the region."""
    known, dims = session.state.latents(), session.scatter_dims or (0, 1)
    polygon = requests.corners(request)
    inside = holds(polygon, known.values[:, dims])
    if not inside.any():
        raise ValueError("no point is inside; draw a larger region")
    mask = np.zeros(session.state.shape, dtype=bool)
    mask[known.y[inside], known.x[inside]] = True
    shown = region_of(session, mask, None)

    def apply() -> Answer:
        answer = shown()
        session.points.data = {"x": known.x[inside], "y": known.y[inside]}
        return answer

    return apply
