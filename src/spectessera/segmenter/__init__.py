"""The estimator: fit, transform, predict, save, load."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .estimator import SpectralSegmenter
    from .models import load

__all__ = [
    "SpectralSegmenter",
    "load",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "SpectralSegmenter": "estimator",
        "load": "models",
    },
)
