"""Other ways to cluster a cube, with the very same choice of k."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .cluster import cluster_cube, linear
    from .embeddings import METHODS, Embedding, embed

__all__ = [
    "METHODS",
    "Embedding",
    "cluster_cube",
    "embed",
    "linear",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "METHODS": "embeddings",
        "Embedding": "embeddings",
        "cluster_cube": "cluster",
        "embed": "embeddings",
        "linear": "cluster",
    },
)
