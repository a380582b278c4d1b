"""What one part of a measurement says about the other: the measure of clusters.

Labels are made from one part of the data and believed as far as they predict another part whose
noise is independent.
"""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .choice import best_number, falls_short
    from .gain import Gain, gain_of
    from .merging import Merge, cut, merge_clusters
    from .splits import Parts, finite_variance, split_noise, thin_counts
    from .structure import BEYOND, structure_of

__all__ = [
    "BEYOND",
    "Gain",
    "Merge",
    "Parts",
    "best_number",
    "cut",
    "falls_short",
    "finite_variance",
    "gain_of",
    "merge_clusters",
    "split_noise",
    "structure_of",
    "thin_counts",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "BEYOND": "structure",
        "Gain": "gain",
        "Merge": "merging",
        "Parts": "splits",
        "best_number": "choice",
        "cut": "merging",
        "falls_short": "choice",
        "finite_variance": "splits",
        "gain_of": "gain",
        "merge_clusters": "merging",
        "split_noise": "splits",
        "structure_of": "structure",
        "thin_counts": "splits",
    },
)
