"""What all pages of a viewer share: the result with its edits, the cube, the maps, the names."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from spectessera._util.text import shown
from spectessera.axis import Axis
from spectessera.channels import zero_peak
from spectessera.colours import MASKED
from spectessera.cube import spectral_axis
from spectessera.htmlreport.figures import without_math
from spectessera.naming.candidates import Naming
from spectessera.naming.names import name_clusters, title_of
from spectessera.plots.drawing import origin
from spectessera.result import cluster_names, palette

from .editing import Editing
from .latents import Latents, latents_of, model_of
from .layers import Layer, layers_of
from .opening import Opened
from .spectra import PixelSpectra
from .underlay import Underlay

if TYPE_CHECKING:
    from spectessera.segmenter import SpectralSegmenter

LONGEST_NAME = 200  # letters
NAMED = ("mean_spectrum", "std_spectrum", "size")  # what clusters are named from
GREY = "#{:02x}{:02x}{:02x}".format(*MASKED.tolist())


@dataclass(frozen=True)
class Cluster:
    """What the list of clusters says of one.

    Attributes
    ----------
    number : int
    name : str
        By a person, else suggested, else "".
    given : bool
        Whether by a person.
    colour : str
        "#rrggbb".
    size : int
    """

    number: int
    name: str
    given: bool
    colour: str
    size: int


class State:
    """The result, the cube and their maps.

    Parameters
    ----------
    opened : Opened
    overview : Overview or None
        Of the cube; None where there is no cube.
    underlay : Underlay or None
        A photograph under the maps.
    """

    def __init__(
        self, opened: Opened, overview: Any = None, underlay: Underlay | None = None
    ) -> None:
        self.opened = opened
        self.overview, self.underlay = overview, underlay
        self.cube = opened.cube
        self.pixels = None if self.cube is None else PixelSpectra(self.cube)
        self._latents: Latents | None = None
        self._loaded: SpectralSegmenter | None = None
        self._lock = threading.Lock()
        self.closing = threading.Event()  # what reads a file for long asks this
        self.title = opened.title
        self.namings: list[Naming] = []
        self.suggested: dict[int, str] = {}
        self.result: xr.Dataset | None = None
        self.clusters: list[Cluster] = []
        self.numbering = 0  # changes with the map of clusters, so that a page knows the numbers
        self.layers: dict[str, Layer] = {}
        self.axis = self._axis()
        self.editing: Editing | None = None
        if opened.result is not None:
            recorded = opened.result if opened.recorded is None else opened.recorded
            self.editing = Editing(
                recorded, opened.acts, opened.result, opened.cube, self._segmenter,
                opened.folder,
            )  # fmt: skip
        self.show_result(opened.result)
        self.upwards = origin(self.cube if opened.result is None else opened.result) == "lower"

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        image = self.cube if self.result is None else self.result["label"]
        assert image is not None
        return image.sizes["y"], image.sizes["x"]

    def show_result(self, result: xr.Dataset | None) -> None:
        """Show this result from now on: that of the file, or one with edits."""
        before, self.result = self.result, result
        self.numbering += not _same_map(before, result)
        self.layers = layers_of(result, self.opened.maps)
        if self.overview is not None:
            total = self.overview.total
            self.layers["total"] = Layer(
                "total", "Sum of all channels", "Cube", "value", lambda: total
            )
        if result is None:
            return
        if all(name in result for name in NAMED) and not _same_spectra(before, result):
            self.namings = name_clusters(result)
            numbers = (int(each) for each in result["cluster"].values)
            named = zip(numbers, self.namings, strict=True)
            self.suggested = {number: title_of(naming) for number, naming in named}
        self.clusters = _clusters(result, self.suggested)

    def _axis(self) -> Axis | None:
        """Return the spectral axis; None of a result without spectra."""
        if self.cube is not None:
            return spectral_axis(self.cube)
        result = self.opened.result
        if result is not None and "mean_spectrum" in result:
            return spectral_axis(result["mean_spectrum"])
        return None

    def zero_peak(self) -> np.ndarray | None:
        """Return which channels hold the zero peak of the detector; None if none do."""
        result = self.opened.result
        if self.axis is None:
            return None
        if self.overview is not None:
            return zero_peak(self.axis, np.asarray(self.overview.mean))
        if result is None or "mean_spectrum" not in result:
            return None
        return zero_peak(self.axis, result["mean_spectrum"].transpose("cluster", "channel").values)

    def _segmenter(self) -> SpectralSegmenter | None:
        """Return the segmenter of the run; None where its model is not known."""
        with self._lock:
            folder = self.opened.folder
            model = None if folder is None else model_of(folder)
            if model is None:
                return None
            if self._loaded is None:
                from spectessera.segmenter import load

                self._loaded = load(str(model))
            return self._loaded

    def latents(self) -> Latents:
        """Return the latents of a sample of pixels, the same every time."""
        with self._lock:
            if self._latents is None:
                opened = self.opened.result
                if opened is None:
                    raise ValueError("latents belong to a result; a cube alone has none")
                self._latents = latents_of(self.opened, opened["label"].values, self.pixels)
            return self._latents

    @property
    def unit(self) -> str:
        """The unit of the values."""
        for each in (self.cube, self.result):
            if each is not None and each.attrs.get("unit"):
                return without_math(shown(each.attrs["unit"]))
        return ""

    def palette(self) -> list[str]:
        """Return the colours of labels: grey for 0, then those of the clusters by their number."""
        most = max((each.number for each in self.clusters), default=0)
        colours = [GREY] * (most + 1)
        for each in self.clusters:
            colours[each.number] = each.colour
        return colours

    def about(self, label: int) -> str:
        """Return a label with its name."""
        if label == 0:
            return "none (masked)"
        name = next((each.name for each in self.clusters if each.number == label), "")
        return f"{label}: {name}" if name else str(label)

    def pixel(self, y: int, x: int) -> dict[str, Any]:
        """Return what is said of a pixel: its cluster and the numbers of the maps of a result."""
        said: dict[str, Any] = {"y": y, "x": x}
        if self.result is None:
            return said
        label = int(self.layers["label"].values[y, x])
        said |= {"label": label, "cluster": self.about(label)}
        for name in ("confidence", "novelty"):
            if name in self.layers:
                value = float(self.layers[name].values[y, x])
                said[name] = value if np.isfinite(value) else None
        return said


def _same_map(before: xr.Dataset | None, result: xr.Dataset | None) -> bool:
    """Return whether two results have the same clusters under the same numbers."""
    return before is not None and result is not None and before["label"].equals(result["label"])


def _same_spectra(before: xr.Dataset | None, result: xr.Dataset) -> bool:
    """Return whether two results have the same mean spectra, and so the same suggested names."""
    if before is None:
        return False
    return all(each in before and before[each].equals(result[each]) for each in NAMED)


def _clusters(result: xr.Dataset, suggested: Mapping[int, str]) -> list[Cluster]:
    """Return the clusters of a result."""
    label = result["label"].values
    most = max(int(label.max(initial=0)), result.sizes.get("cluster", 0))
    listed = result["cluster"].values if "cluster" in result.coords else range(1, most + 1)
    numbers = [int(each) for each in listed]
    most = max([most, *numbers])
    names, colours = cluster_names(result), palette(result, most)
    sizes = np.bincount(label.ravel(), minlength=most + 1)
    return [
        Cluster(
            number,
            shown(names.get(number) or suggested.get(number, ""), LONGEST_NAME),
            number in names,
            "#{:02x}{:02x}{:02x}".format(*colours[number - 1].tolist()),
            int(sizes[number]),
        )
        for number in numbers
    ]
