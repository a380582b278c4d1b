"""From measured spectra to network inputs, with settings that suit the noise of the spectra."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .livetime import with_live_time
    from .recipe import Preprocess
    from .spikes import without_spikes
    from .steps import Inputs, screen

__all__ = [
    "Inputs",
    "Preprocess",
    "screen",
    "with_live_time",
    "without_spikes",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "Inputs": "steps",
        "Preprocess": "recipe",
        "screen": "steps",
        "with_live_time": "livetime",
        "without_spikes": "spikes",
    },
)
