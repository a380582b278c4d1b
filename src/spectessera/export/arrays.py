"""The label map as a NumPy array, and all that belongs to it as an archive of arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spectessera.cube import spectral_axis

from .contents import Contents


def write_npy(contents: Contents, path: Path) -> None:
    """Write the label map (y, x), int32; 0 = masked."""
    with path.open("wb") as file:  # of a name, numpy would make another: LABELS.NPY.npy
        np.save(file, contents.label.astype(np.int32), allow_pickle=False)


def write_npz(contents: Contents, path: Path) -> None:
    """Write labels, confidence, the clusters and their mean spectra; no array needs pickle."""
    result, clusters = contents.result, contents.clusters
    arrays = {
        "label": contents.label.astype(np.int32),
        "cluster": np.array([each.number for each in clusters], np.int32),
        "name": np.array([each.name for each in clusters], np.str_),
        "named_by": np.array([each.named_by for each in clusters], np.str_),
        "colour": np.array([each.rgb for each in clusters], np.uint8).reshape(-1, 3),
        "pixels": np.array([each.pixels for each in clusters], np.int64),
    }
    if "confidence" in result:
        arrays["confidence"] = result["confidence"].transpose("y", "x").values
    if "mean_spectrum" in result:
        means = result["mean_spectrum"].transpose("cluster", "channel")
        axis = spectral_axis(means)
        arrays |= {"mean_spectrum": means.values, "axis": axis.values,
                   "axis_label": np.array(axis.label())}  # fmt: skip
    for name in ("y", "x"):
        if name in result.coords and result[name].dtype.kind in "iuf":
            arrays[name] = result[name].values
            arrays[f"{name}_unit"] = np.array(str(result[name].attrs.get("units", "")))
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
