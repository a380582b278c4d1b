"""Maps of what single pixels contain, fitted with what the mean spectra of clusters show."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .bandsums import bands
    from .clustertree import cut_tree, tree
    from .elementmaps import check_mappable, elements
    from .emission import check_lines, lines
    from .families import NothingToMap
    from .kinds import check_suitable, suitable
    from .mixtures import abundances

__all__ = [
    "NothingToMap",
    "abundances",
    "bands",
    "check_lines",
    "check_mappable",
    "check_suitable",
    "cut_tree",
    "elements",
    "lines",
    "suitable",
    "tree",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "NothingToMap": "families",
        "abundances": "mixtures",
        "bands": "bandsums",
        "check_lines": "emission",
        "check_mappable": "elementmaps",
        "check_suitable": "kinds",
        "cut_tree": "clustertree",
        "elements": "elementmaps",
        "lines": "emission",
        "suitable": "kinds",
        "tree": "clustertree",
    },
)
