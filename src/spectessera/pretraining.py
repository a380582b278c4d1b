"""Settings to train models on simulated spectra: another name of `segmenter.pretraining`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .segmenter.pretraining import PRETRAINING, recipe, simulation

__all__ = ["PRETRAINING", "recipe", "simulation"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("spectessera.segmenter.pretraining"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
