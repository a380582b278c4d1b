"""Pixels of a region belong to no cluster: label 0."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from spectessera._util.text import counted
from spectessera.preprocess.steps import QUALITY, UNUSABLE

from .regions import Region
from .tables import MEANS

if TYPE_CHECKING:
    from spectessera.segmenter import SpectralSegmenter

# Maps of floats that are NaN where pixels are masked.
_EMPTY = (
    "confidence", "novelty", "measurements", "silhouette", "integrated_input",
    "integrated_decoded", "integrated_latent",
)  # fmt: skip


def mask(
    result: xr.Dataset,
    region: Region,
    cube: xr.DataArray | None,
    segmenter: SpectralSegmenter | None,
    progress: Callable[[str, int, int], None] | None,
    *,
    means: bool,
) -> tuple[xr.Dataset, str]:
    """Return a result in which the pixels of a region have label 0, and that in words."""
    label = result["label"].transpose("y", "x").values
    inside = region.inside((label.shape[0], label.shape[1]))
    if not inside.any():
        raise ValueError(
            f"no pixel of the image, {label.shape[0]} rows and {label.shape[1]} columns, is in the "
            "region"
        )
    lost = np.bincount(label[inside], minlength=result.sizes["cluster"] + 1)[1:]
    new = result.assign(_maps(result, inside))
    size = result["size"].values - lost
    new["size"] = result["size"].copy(data=size)
    new = new.assign_attrs(_counts(result, inside, int(lost.sum())))
    poorer = np.flatnonzero((lost > 0) & (size > 0))
    emptied = np.flatnonzero((lost > 0) & (size <= 0))
    found: dict[str, np.ndarray] = {}
    if len(poorer) and means and any(name in result for name in MEANS):
        found = _spectra(new, cube, segmenter, progress)
    new = new.assign(_rows(new, found, poorer, emptied))
    words = f"{counted(int(lost.sum()), 'pixel')} with a cluster masked: {region.in_words()}."
    if len(emptied):
        which = ", ".join(str(each + 1) for each in emptied)
        words += f" No pixels are left of {'clusters' if len(emptied) > 1 else 'cluster'} {which}."
    return new, words


def _maps(result: xr.Dataset, inside: np.ndarray) -> dict[str, Any]:
    """Return the maps of a result with pixels that are masked."""
    empty: dict[str, Any] = dict.fromkeys(_EMPTY, np.nan) | {"label": 0, "label_alone": 0}
    maps = {}
    for name in [name for name in empty if name in result]:
        old = result[name].transpose("y", "x").variable
        maps[name] = old.copy(data=np.where(inside, old.dtype.type(empty[name]), old.values))
    if "quality" in result:
        old = result["quality"].transpose("y", "x").variable
        masked = np.where(inside, old.values | old.dtype.type(QUALITY["masked"]), old.values)
        maps["quality"] = old.copy(data=masked)
    return maps


def _counts(result: xr.Dataset, inside: np.ndarray, lost: int) -> dict[str, Any]:
    """Return the attributes that count pixels."""
    attrs: dict[str, Any] = {}
    if "usable_pixels" in result.attrs:
        attrs["usable_pixels"] = max(0, int(result.attrs["usable_pixels"]) - lost)
    if "quality" not in result:
        return attrs
    bits = result["quality"].transpose("y", "x").values[inside]
    newly = (bits & QUALITY["masked"]) == 0
    if "unusable_pixels" in result.attrs:
        unusable = int((newly & ((bits & UNUSABLE) > 0)).sum())
        attrs["unusable_pixels"] = max(0, int(result.attrs["unusable_pixels"]) - unusable)
    try:
        counts = json.loads(str(result.attrs.get("quality_counts", "{}")))
        counts["masked"] = int(counts["masked"]) + int(newly.sum())
    except (ValueError, TypeError, KeyError, RecursionError):
        return attrs  # of another program
    return attrs | {"quality_counts": json.dumps(counts)}


def _spectra(
    result: xr.Dataset,
    cube: xr.DataArray | None,
    segmenter: SpectralSegmenter | None,
    progress: Callable[[str, int, int], None] | None,
) -> dict[str, np.ndarray]:
    """Return the mean spectra of all clusters, from the cube."""
    if cube is None or segmenter is None:
        raise ValueError(
            "the mean spectra of what is left are computed from the cube: give cube and segmenter "
            "of the run, or means=False to leave them unknown"
        )
    from spectessera.inference.again import as_in_run, spectra_of_labels

    seen = as_in_run(result, cube, segmenter)
    label = result["label"].transpose("y", "x").values
    return spectra_of_labels(seen, segmenter, label, result["size"].values, progress)


def _rows(
    result: xr.Dataset, found: dict[str, np.ndarray], poorer: np.ndarray, emptied: np.ndarray
) -> dict[str, Any]:
    """Return the spectra of the clusters; of those without pixels they are 0, as of a run."""
    variables = {}
    for name in [name for name in MEANS if name in result]:
        old = result[name].transpose("cluster", ...).variable
        values = np.array(old.values)
        values[poorer] = found[name][poorer] if name in found else np.nan
        values[emptied] = 0
        variables[name] = old.copy(data=values)
    return variables
