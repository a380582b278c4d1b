"""The estimator: fit, transform, predict, save, load."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .estimator import SpectralSegmenter, load

__all__ = [
    "SpectralSegmenter",
    "load",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "SpectralSegmenter": "estimator",
        "load": "estimator",
    },
)
