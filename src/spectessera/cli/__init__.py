"""The command line."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .app import main

__all__ = [
    "main",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "main": "app",
    },
)
