"""Results for other programs: tables, maps, outlines, signals and figures."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .formats import FORMATS, Format, export_result
    from .napari import napari_layers
    from .writing import write

__all__ = ["FORMATS", "Format", "export_result", "napari_layers", "write"]

__getattr__, __dir__ = door(
    __name__,
    {
        "FORMATS": "formats",
        "Format": "formats",
        "export_result": "formats",
        "napari_layers": "napari",
        "write": "writing",
    },
)
