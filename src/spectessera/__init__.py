"""Segment a spectral datacube into regions of similar spectra, by deep spectral clustering."""

from typing import TYPE_CHECKING, Any

from ._util.doors import door

if TYPE_CHECKING:
    from . import baselines, edits, export, io, kmeans, maps, plots, synth
    from ._version import __version__
    from .cube import make_cube
    from .evaluate import compare
    from .export import write
    from .htmlreport import report
    from .inference import segment
    from .io import read, read_library, read_result
    from .kmeans import Clusters
    from .network import Network, Schedule, Training
    from .notebook import show
    from .preprocess import Preprocess
    from .scans import join_scans, split_scans
    from .segmenter import SpectralSegmenter, load
    from .studies import degrade, stability
    from .viewer import view

__all__ = [
    "Clusters",
    "Network",
    "Preprocess",
    "Schedule",
    "SpectralSegmenter",
    "Training",
    "__version__",
    "baselines",
    "compare",
    "degrade",
    "edits",
    "export",
    "io",
    "join_scans",
    "kmeans",
    "load",
    "make_cube",
    "maps",
    "plots",
    "read",
    "read_library",
    "read_result",
    "report",
    "segment",
    "show",
    "split_scans",
    "stability",
    "synth",
    "view",
    "write",
]

# Nothing is imported before it is used: importing the package loads neither torch nor
# scikit-learn nor matplotlib.
__getattr__, __dir__ = door(
    __name__,
    {
        "Clusters": "kmeans",
        "Network": "network",
        "Preprocess": "preprocess",
        "Schedule": "network",
        "SpectralSegmenter": "segmenter",
        "Training": "network",
        "__version__": "_version",
        "baselines": "baselines",
        "compare": "evaluate",
        "degrade": "studies",
        "edits": "edits",
        "export": "export",
        "io": "io",
        "join_scans": "scans",
        "kmeans": "kmeans",
        "load": "segmenter",
        "make_cube": "cube",
        "maps": "maps",
        "plots": "plots",
        "read": "io",
        "read_library": "io",
        "read_result": "io",
        "report": "htmlreport",
        "segment": "inference",
        "show": "notebook",
        "split_scans": "scans",
        "stability": "studies",
        "synth": "synth",
        "view": "viewer",
        "write": "export",
    },
)


def load_ipython_extension(shell: Any) -> None:
    """Have IPython show results, cubes and segmenters: ``%load_ext spectessera``."""
    from .notebook import register

    register(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Have IPython show them as before: ``%unload_ext spectessera``."""
    from .notebook import unregister

    unregister(shell)
