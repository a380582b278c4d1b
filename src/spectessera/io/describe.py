"""What is in a cube, in plain words and numbers, read block by block."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from spectessera.cube import blocks, check_cube, read_block, spectral_axis
from spectessera.preprocess.steps import QUALITY, screen

# A negative smallest value that is repeated more often than this looks like a mark.
MARK_SHARE = 1e-3


def describe_cube(cube: xr.DataArray) -> dict[str, Any]:
    """Return size, type, axis, range of values and state of a cube.

    Parameters
    ----------
    cube : DataArray (y, x, channel)

    Returns
    -------
    dict
        Plain values; ``unusable`` and ``repaired`` count spectra as
        :func:`spectessera.preprocess.screen` judges them.
    """
    cube = check_cube(cube)
    axis = spectral_axis(cube)
    height, width, channels = cube.shape
    found: dict[str, Any] = {
        "pixels": f"{height} x {width} (y, x)",
        "channels": channels,
        "dtype": str(cube.dtype),
        "mebibytes": round(cube.nbytes / 2**20, 2),
        "axis": axis.label(),
        "axis_range": [float(axis.values[0]), float(axis.values[-1])],
        "axis_windows": len(axis.segments()),
        "variance": "variance" in cube.coords,
        "sky_coordinates": "wcs" in cube.attrs,
        "reference_labels": "reference" in cube.coords,
    }
    found |= {name: cube.attrs[name] for name in ("unit", "axis_note") if name in cube.attrs}
    return found | _state(cube)


def _state(cube: xr.DataArray) -> dict[str, Any]:
    """Return the range of values and how many spectra are in which state."""
    low, high, lowest = np.inf, -np.inf, 0
    counts = dict.fromkeys(QUALITY, 0)
    seen = not_finite = negative = 0
    saturation = cube.attrs.get("saturation")
    for block in blocks(cube):
        spectra = read_block(cube, block)
        seen += len(spectra.values)
        finite = spectra.values[np.isfinite(spectra.values)]
        not_finite += spectra.values.size - finite.size
        negative += int((finite < 0).sum())
        if finite.size:
            if finite.min() < low:
                low, lowest = float(finite.min()), 0
            lowest += int((finite == low).sum())
            high = max(high, float(finite.max()))
        quality = screen(
            spectra.values, saturation=None if saturation is None else float(saturation)
        ).quality
        for name, bit in QUALITY.items():
            counts[name] += int((quality & bit > 0).sum())
    counts["masked"] = cube.sizes["y"] * cube.sizes["x"] - seen
    values = max(1, seen * cube.sizes["channel"])
    told: dict[str, Any] = {}
    if low < 0 and lowest > MARK_SHARE * values:
        told["hint"] = (
            f"the smallest value, {low:g}, stands for {100 * lowest / values:.2g} % of all: if it "
            f"marks missing values, say missing={low:g}"
        )
    return told | {
        "values": [low, high] if low <= high else None,
        "not_finite_share": not_finite / values,
        "negative_share": negative / values,
        "spectra": {name: count for name, count in counts.items() if count} or "all good",
    }
