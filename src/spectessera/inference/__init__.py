"""From a cube to its map: one corridor through the cube, whole, in blocks or distributed."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .model_choice import ModelChoice, choose_model
    from .neighbour_choice import choose_neighbours, intake_before_training
    from .neighbours import Neighbours, averaged_spectra
    from .pipeline import segment

__all__ = [
    "ModelChoice",
    "Neighbours",
    "averaged_spectra",
    "choose_model",
    "choose_neighbours",
    "intake_before_training",
    "segment",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "ModelChoice": "model_choice",
        "Neighbours": "neighbours",
        "averaged_spectra": "neighbours",
        "choose_model": "model_choice",
        "choose_neighbours": "neighbour_choice",
        "intake_before_training": "neighbour_choice",
        "segment": "pipeline",
    },
)
