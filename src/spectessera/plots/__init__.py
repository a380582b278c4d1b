"""Figures of finished arrays: results, networks, the paper, references, searches."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .bandmaps import bands
    from .elementmaps import elements
    from .linemaps import lines
    from .mixtures import abundances, tree
    from .panels import confidence, labels, spectra
    from .result import clusters, history, integrated, scores, spectra_of_palette

__all__ = [
    "abundances",
    "bands",
    "clusters",
    "confidence",
    "elements",
    "history",
    "integrated",
    "labels",
    "lines",
    "scores",
    "spectra",
    "spectra_of_palette",
    "tree",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "abundances": "mixtures",
        "bands": "bandmaps",
        "clusters": "result",
        "confidence": "panels",
        "elements": "elementmaps",
        "history": "result",
        "integrated": "result",
        "labels": "panels",
        "lines": "linemaps",
        "scores": "result",
        "spectra": "panels",
        "spectra_of_palette": "result",
        "tree": "mixtures",
    },
)
