"""Whole experiments: noise, repetitions, search over settings, reproduction of the paper."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .degradation import Degradation, degrade, noise_sweep
    from .experiments import FULL, QUICK, Experiment, Sizes, astro, heritage
    from .repeats import Stability, stability
    from .reproduction import Reproduction, reproduce
    from .rows import Row, mean_rows
    from .search import JOURNAL, OUTPUTS, SAMPLERS, search_settings
    from .space import Options, Range, Space, as_space, table_cell
    from .trials import BEST, OBJECTIVES, Study, Trial

__all__ = [
    "BEST",
    "FULL",
    "JOURNAL",
    "OBJECTIVES",
    "OUTPUTS",
    "QUICK",
    "SAMPLERS",
    "Degradation",
    "Experiment",
    "Options",
    "Range",
    "Reproduction",
    "Row",
    "Sizes",
    "Space",
    "Stability",
    "Study",
    "Trial",
    "as_space",
    "astro",
    "degrade",
    "heritage",
    "mean_rows",
    "noise_sweep",
    "reproduce",
    "search_settings",
    "stability",
    "table_cell",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "BEST": "trials",
        "Degradation": "degradation",
        "Experiment": "experiments",
        "FULL": "experiments",
        "JOURNAL": "search",
        "OBJECTIVES": "trials",
        "OUTPUTS": "search",
        "Options": "space",
        "QUICK": "experiments",
        "Range": "space",
        "Reproduction": "reproduction",
        "Row": "rows",
        "SAMPLERS": "search",
        "Sizes": "experiments",
        "Space": "space",
        "Stability": "repeats",
        "Study": "trials",
        "Trial": "trials",
        "as_space": "space",
        "astro": "experiments",
        "degrade": "degradation",
        "heritage": "experiments",
        "mean_rows": "rows",
        "noise_sweep": "degradation",
        "reproduce": "reproduction",
        "search_settings": "search",
        "stability": "repeats",
        "table_cell": "space",
    },
)
