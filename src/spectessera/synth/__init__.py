"""Synthetic cubes and spectra whose truth is known: pigments and nebulae, from physics."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Public name -> module of this folder; nothing is imported before it is asked for.
_HOME = {
    "PALETTES": "pigments",
    "PIGMENTS": "pigments",
    "Palette": "palettes",
    "Pigment": "pigments",
    "Realism": "scene",
    "Stream": "stream",
    "cube_from_rgb": "cube",
    "load_models": "nebular_table",
    "load_palette": "palettes",
    "miniature": "pages",
    "nebular_cube": "cube",
    "nebular_spectra": "nebula",
    "read_image": "rgb",
    "xrf_spectra": "spectra",
}

__all__ = [
    "PALETTES",
    "PIGMENTS",
    "Palette",
    "Pigment",
    "Realism",
    "Stream",
    "cube_from_rgb",
    "load_models",
    "load_palette",
    "miniature",
    "nebular_cube",
    "nebular_spectra",
    "read_image",
    "xrf_spectra",
]

if TYPE_CHECKING:
    from .cube import cube_from_rgb, nebular_cube
    from .nebula import nebular_spectra
    from .nebular_table import load_models
    from .pages import miniature
    from .palettes import Palette, load_palette
    from .pigments import PALETTES, PIGMENTS, Pigment
    from .rgb import read_image
    from .scene import Realism
    from .spectra import xrf_spectra
    from .stream import Stream


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
