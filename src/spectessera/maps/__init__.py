"""Maps of what single pixels contain, fitted with what the mean spectra of clusters show."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .elements import elements
    from .emission import lines

__all__ = [
    "elements",
    "lines",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "elements": "elements",
        "lines": "emission",
    },
)
