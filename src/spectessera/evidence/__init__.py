"""What one part of a measurement says about the other: the measure of clusters.

Labels are made from one part of the data and believed as far as they foretell another part whose
noise is independent.
"""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .gain import Gain, cluster_means, explained, gain_of
    from .splits import Parts, alternate_blocks, correlation_length, split_noise, thin_counts

__all__ = [
    "Gain",
    "Parts",
    "alternate_blocks",
    "cluster_means",
    "correlation_length",
    "explained",
    "gain_of",
    "split_noise",
    "thin_counts",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "Gain": "gain",
        "Parts": "splits",
        "alternate_blocks": "splits",
        "cluster_means": "gain",
        "correlation_length": "splits",
        "explained": "gain",
        "gain_of": "gain",
        "split_noise": "splits",
        "thin_counts": "splits",
    },
)
