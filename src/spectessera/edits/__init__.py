"""Corrections by people: each is one line of edits.toml, applied to a result again and again alike.

A result is never changed: :func:`apply_edits` returns a new one, derived from it by the lines in
their order. Every line speaks of the numbers of the clusters as they are before that line.
"""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .acts import Act, Mask, Merge, Recolour, Rename, Split, as_line
    from .applying import apply_edits, edits_of, needs_cube
    from .document import parse_edits, read_edits, write_edits
    from .folder import (
        Opened,
        acts_to_do,
        as_files,
        edited_result,
        open_edits,
        refuse_changed,
        save_edits,
    )
    from .regions import Polygon, Rectangle, Runs

__all__ = [
    "Act",
    "Mask",
    "Merge",
    "Opened",
    "Polygon",
    "Recolour",
    "Rectangle",
    "Rename",
    "Runs",
    "Split",
    "acts_to_do",
    "apply_edits",
    "as_files",
    "as_line",
    "edited_result",
    "edits_of",
    "needs_cube",
    "open_edits",
    "parse_edits",
    "read_edits",
    "refuse_changed",
    "save_edits",
    "write_edits",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "Act": "acts",
        "acts_to_do": "folder",
        "apply_edits": "applying",
        "as_files": "folder",
        "as_line": "acts",
        "edited_result": "folder",
        "edits_of": "applying",
        "Mask": "acts",
        "Merge": "acts",
        "needs_cube": "applying",
        "open_edits": "folder",
        "Opened": "folder",
        "parse_edits": "document",
        "Polygon": "regions",
        "read_edits": "document",
        "Recolour": "acts",
        "Rectangle": "regions",
        "Rename": "acts",
        "refuse_changed": "folder",
        "Runs": "regions",
        "save_edits": "folder",
        "Split": "acts",
        "write_edits": "document",
    },
)
