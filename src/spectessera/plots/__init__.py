"""Figures of finished arrays: results, networks, the paper, references, searches."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .linemaps import line_maps
    from .result import clusters, history, integrated, scores, spectra_of_palette

__all__ = [
    "clusters",
    "history",
    "integrated",
    "line_maps",
    "scores",
    "spectra_of_palette",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "clusters": "result",
        "history": "result",
        "integrated": "result",
        "line_maps": "linemaps",
        "scores": "result",
        "spectra_of_palette": "result",
    },
)
