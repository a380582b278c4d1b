"""Cubes, results and segmenters as they show themselves in a notebook."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .display import Shown, show
    from .extension import register, unregister

__all__ = [
    "Shown",
    "register",
    "show",
    "unregister",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "Shown": "display",
        "register": "extension",
        "show": "display",
        "unregister": "extension",
    },
)
