"""The autoencoder, its losses, its training and its files."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .autoencoder import Autoencoder
    from .checkpoint import Checkpoint
    from .schedule import Schedule
    from .settings import Training
    from .shape import Network

__all__ = [
    "Autoencoder",
    "Checkpoint",
    "Network",
    "Schedule",
    "Training",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "Autoencoder": "autoencoder",
        "Checkpoint": "checkpoint",
        "Network": "shape",
        "Schedule": "schedule",
        "Training": "settings",
    },
)
