"""Look at a cube and its result in a browser, point at pixels and correct the map."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .opening import is_result, recorded_cube
    from .viewer import Viewer, view

__all__ = [
    "Viewer",
    "is_result",
    "recorded_cube",
    "view",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "Viewer": "viewer",
        "is_result": "opening",
        "recorded_cube": "opening",
        "view": "viewer",
    },
)
