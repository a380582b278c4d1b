"""Synthetic cubes and spectra with known truth: pigments and nebulae, from physical models."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .cube import cube_from_rgb, nebular_cube
    from .nebulae.nebula import nebular_spectra
    from .nebulae.table import load_models
    from .paint.pages import miniature
    from .paint.palettes import Palette, load_palette
    from .paint.pigments import PALETTES, PIGMENTS, Pigment
    from .paint.rgb import read_image
    from .paint.scene import Realism
    from .paint.spectra import xrf_spectra
    from .stream import Stream

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

__getattr__, __dir__ = door(
    __name__,
    {
        "PALETTES": "paint.pigments",
        "PIGMENTS": "paint.pigments",
        "Palette": "paint.palettes",
        "Pigment": "paint.pigments",
        "Realism": "paint.scene",
        "Stream": "stream",
        "cube_from_rgb": "cube",
        "load_models": "nebulae.table",
        "load_palette": "paint.palettes",
        "miniature": "paint.pages",
        "nebular_cube": "cube",
        "nebular_spectra": "nebulae.nebula",
        "read_image": "paint.rgb",
        "xrf_spectra": "paint.spectra",
    },
)
