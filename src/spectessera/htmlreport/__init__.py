"""One HTML file of a result, to read, to print and to send."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .page import report

__all__ = [
    "report",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "report": "page",
    },
)
