"""Several scans of one object: one cube of all of them, and its result scan by scan."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .joining import join_scans
    from .places import Place, between, places_of, scan_names
    from .splitting import shares_of, split_scans

__all__ = ["Place", "between", "join_scans", "places_of", "scan_names", "shares_of", "split_scans"]

__getattr__, __dir__ = door(
    __name__,
    {
        "Place": "places",
        "between": "places",
        "join_scans": "joining",
        "places_of": "places",
        "scan_names": "places",
        "shares_of": "splitting",
        "split_scans": "splitting",
    },
)
