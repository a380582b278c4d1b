"""Cut a spectral datacube into regions of like spectra, by deep spectral clustering."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

# Public name -> where it lives. Nothing is imported before it is asked for (PEP 562): importing
# the package loads neither torch nor scikit-learn nor matplotlib.
_HOME = {
    "Clusters": "kmeans",
    "Network": "networks",
    "Preprocess": "preprocess",
    "Schedule": "losses",
    "SpectralSegmenter": "segmenter",
    "Training": "training",
    "compare": "evaluate",
    "degrade": "studies.noise",
    "load": "segmenter",
    "make_cube": "cube",
    "read": "io",
    "read_result": "io",
    "report": "htmlreport",
    "segment": "inference",
    "stability": "studies.reruns",
    "write": "io",
}
_MODULES = ("baselines", "io", "kmeans", "plots", "synth")

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
    "io",
    "kmeans",
    "load",
    "make_cube",
    "plots",
    "read",
    "read_result",
    "report",
    "segment",
    "stability",
    "synth",
    "write",
]

if TYPE_CHECKING:
    from . import baselines, io, kmeans, plots, synth
    from .cube import make_cube
    from .evaluate import compare
    from .htmlreport import report
    from .inference import segment
    from .io import read, read_result, write
    from .kmeans import Clusters
    from .losses import Schedule
    from .networks import Network
    from .preprocess import Preprocess
    from .segmenter import SpectralSegmenter, load
    from .studies.noise import degrade
    from .studies.reruns import stability
    from .training import Training


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
