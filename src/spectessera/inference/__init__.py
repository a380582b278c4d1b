"""From a cube to its map: one corridor through the cube, whole, in blocks or distributed."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .pipeline import segment

__all__ = [
    "segment",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "segment": "pipeline",
    },
)
