"""Maps of what single pixels contain, fitted with what the mean spectra of clusters show."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .elementmaps import check_mappable, elements
    from .emission import check_lines, lines
    from .families import NothingToMap
    from .kinds import check_suitable, suitable

__all__ = [
    "NothingToMap",
    "check_lines",
    "check_mappable",
    "check_suitable",
    "elements",
    "lines",
    "suitable",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "NothingToMap": "families",
        "check_lines": "emission",
        "check_mappable": "elementmaps",
        "check_suitable": "kinds",
        "elements": "elementmaps",
        "lines": "emission",
        "suitable": "kinds",
    },
)
