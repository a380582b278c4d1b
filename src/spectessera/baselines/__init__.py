"""Other ways to cluster a cube, with the very same choice of k."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .cluster import cluster_cube, linear

__all__ = [
    "cluster_cube",
    "linear",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "cluster_cube": "cluster",
        "linear": "cluster",
    },
)
