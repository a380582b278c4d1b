"""Names of clusters: lines, elements, pigments, class of gas, bands, spectra of a library."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .names import name_clusters

__all__ = [
    "name_clusters",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "name_clusters": "names",
    },
)
