"""What to be careful about in a result."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .artefacts import artefacts_of
    from .warnings import warnings_of

__all__ = [
    "artefacts_of",
    "warnings_of",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "artefacts_of": "artefacts",
        "warnings_of": "warnings",
    },
)
