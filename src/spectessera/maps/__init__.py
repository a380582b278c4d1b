"""Maps of what single pixels contain, fitted with what the mean spectra of clusters show."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .elementmaps import check_mappable, elements
    from .families import NothingToMap

__all__ = [
    "NothingToMap",
    "check_mappable",
    "elements",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "NothingToMap": "families",
        "check_mappable": "elementmaps",
        "elements": "elementmaps",
    },
)
