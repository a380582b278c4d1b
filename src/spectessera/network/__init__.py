"""The autoencoder, its losses, its training and its files."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .autoencoder import Autoencoder, Network
    from .checkpoint import Checkpoint
    from .losses import Schedule
    from .settings import Training

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
        "Network": "autoencoder",
        "Schedule": "losses",
        "Training": "settings",
    },
)
