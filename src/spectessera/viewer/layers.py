"""The maps that a viewer can show: of labels, of numbers of a result, of elements and lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import xarray as xr

from spectessera._util.text import shown
from spectessera.result import VARIABLES

from .levels import Levels

# Maps of labels or bits.
_COLOURED = ("label", "label_alone")
_NOT_SHOWN = ("quality",)
TITLES = {
    "label": "Clusters",
    "label_alone": "Clusters without neighbours",
    "confidence": "Confidence",
    "novelty": "Novelty",
    "measurements": "Evidence: measurements in each spectrum",
    "silhouette": "Silhouette",
    "integrated_input": "Sum of the network input",
    "integrated_decoded": "Sum of the decoded spectrum",
    "integrated_latent": "Sum of the latent",
}
ENDS = {"confidence": (0.5, 1.0), "novelty": (0.5, 1.0)}  # as in the report
PERCENTILES = (1.0, 99.5)  # between which the colours of other maps run
_SAMPLED = 2**20  # values from which they are computed
LONGEST = 80  # letters of a title


@dataclass(frozen=True)
class Layer:
    """A map that can be shown.

    Attributes
    ----------
    key, title, group : str
    kind : "label" or "value"
    load : callable
        Returns its values (y, x).
    ends : (low, high) or None
        Values of the first and the last colour; None: found from the values.
    unit : str
    error : callable or None
        Returns the standard errors of the values (y, x), where they are known.
    """

    key: str
    title: str
    group: str
    kind: Literal["label", "value"]
    load: Callable[[], np.ndarray] = field(repr=False)
    ends: tuple[float, float] | None = None
    unit: str = ""
    error: Callable[[], np.ndarray] | None = field(default=None, repr=False)

    @cached_property
    def values(self) -> np.ndarray:
        """The values (y, x)."""
        return np.asarray(self.load())

    @cached_property
    def levels(self) -> Levels:
        """The map at the resolutions of screens."""
        return Levels(self.values, kind=self.kind)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The values of the first and the last colour."""
        if self.ends is not None:
            return self.ends
        return limits_of(self.values)


def limits_of(values: np.ndarray) -> tuple[float, float]:
    """Return the values between which the colours of a map run.

    Examples
    --------
    >>> limits_of(np.array([[0.0, np.nan], [1.0, 1.0]]))[1]
    1.0
    """
    flat = values.reshape(-1)
    known = flat[:: max(1, flat.size // _SAMPLED)].astype(np.float64)
    known = known[np.isfinite(known)]
    if not known.size:
        return 0.0, 1.0
    low, high = (float(each) for each in np.percentile(known, PERCENTILES))
    if low == high:  # nearly everything is equal
        low, high = float(known.min()), float(known.max())
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def layers_of(result: xr.Dataset | None, maps: xr.Dataset | None) -> dict[str, Layer]:
    """Return the maps of a result, and of the elements or lines beside it, by their keys."""
    found: list[Layer] = []
    if result is not None:
        found += [
            _of_result(result, name)
            for name, about in VARIABLES.items()
            if name in result and about.dims == ("y", "x") and name not in _NOT_SHOWN
        ]
    if maps is not None:
        found += _of_maps(maps)
    return {each.key: each for each in found}


def _of_result(result: xr.Dataset, name: str) -> Layer:
    kind: Literal["label", "value"] = "label" if name in _COLOURED else "value"
    title = TITLES.get(name, name.replace("_", " ").capitalize())
    image = result[name].transpose("y", "x")
    return Layer(name, title, "Result", kind, lambda: image.values, ENDS.get(name))


def _of_maps(maps: xr.Dataset) -> list[Layer]:
    """Return the maps of elements, or of the fluxes of lines and of the gas."""
    dim, name, group = ("element", "net_counts", "Elements")
    if dim not in maps.dims:
        dim, name, group = ("line", "flux", "Lines")
    if dim not in maps.dims or name not in maps:
        return []
    unit = shown(maps[name].attrs.get("units", ""), LONGEST)
    found = []
    for at, word in enumerate(maps[dim].values.tolist()):
        image = maps[name].isel({dim: at}).transpose("y", "x")
        title, error = shown(word, LONGEST), None
        if f"{name}_error" in maps:
            error = _values(maps[f"{name}_error"].isel({dim: at}).transpose("y", "x"))
        found.append(
            Layer(f"{dim}-{at}", title, group, "value", _values(image), unit=unit, error=error)
        )
    others = ("velocity", "dispersion") if dim == "line" else ()
    for each in others:
        if each in maps and set(maps[each].dims) == {"y", "x"}:
            image = maps[each].transpose("y", "x")
            unit = shown(image.attrs.get("units", ""), LONGEST)
            title = each.capitalize()
            found.append(Layer(each, title, group, "value", _values(image), unit=unit))
    return found


def _values(image: xr.DataArray) -> Callable[[], np.ndarray]:
    return lambda: image.values
