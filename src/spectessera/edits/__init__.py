"""Corrections by people: each is one line of edits.toml, applied to a result again and again alike.

A result is never changed: :func:`apply_edits` returns a new one, derived from it by the lines in
their order. Every line speaks of the numbers of the clusters as they are before that line.
"""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .acts import Act, Mask, Merge, Recolour, Rename, Split
    from .applying import apply_edits, edits_of, needs_cube
    from .document import parse_edits, read_edits, write_edits
    from .regions import Polygon, Rectangle, Runs

__all__ = [
    "Act",
    "Mask",
    "Merge",
    "Polygon",
    "Recolour",
    "Rectangle",
    "Rename",
    "Runs",
    "Split",
    "apply_edits",
    "edits_of",
    "needs_cube",
    "parse_edits",
    "read_edits",
    "write_edits",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "Act": "acts",
        "apply_edits": "applying",
        "edits_of": "applying",
        "Mask": "acts",
        "Merge": "acts",
        "needs_cube": "applying",
        "parse_edits": "document",
        "Polygon": "regions",
        "read_edits": "document",
        "Recolour": "acts",
        "Rectangle": "regions",
        "Rename": "acts",
        "Runs": "regions",
        "Split": "acts",
        "write_edits": "document",
    },
)
