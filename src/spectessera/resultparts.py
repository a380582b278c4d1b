"""What every result holds, whatever clustered its pixels: quality, axes, where it comes from."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from ._files import readable
from .axis import Axis
from .cube import to_map, with_axis
from .preprocess import QUALITY, UNUSABLE

KEPT = ("source", "unit", "wcs", "object", "instrument", "telescope")  # attributes of the cube


def quality_map(cube: xr.DataArray, pixel: np.ndarray, quality: np.ndarray) -> xr.DataArray:
    """Return the quality bits (y, x) of the pixels that are not masked, and what the bits mean."""
    found = to_map(quality, pixel, cube, fill=QUALITY["masked"])
    found.attrs = {
        "flag_masks": ", ".join(str(bit) for bit in QUALITY.values()),
        "flag_meanings": " ".join(QUALITY),
    }
    return found


def with_axes(result: xr.Dataset, axis: Axis, input_axis: Axis) -> xr.Dataset:
    """Return a result with the axis of its mean spectra and that of the inputs."""
    result["mean_spectrum"] = with_axis(result["mean_spectrum"], axis)
    attrs = {"units": input_axis.unit, "axis_kind": input_axis.kind, "medium": input_axis.medium}
    return result.assign_coords(input_axis=("input_channel", input_axis.values, attrs))


def origin_and_quality(
    cube: xr.DataArray, quality: np.ndarray, usable: int
) -> dict[str, str | int | float]:
    """Return the attributes that tell where a cube comes from and how good its pixels are.

    ``quality (n,)`` is of the pixels that are not masked, of which ``usable`` were labelled.
    """
    kept = {
        name: readable(value) if isinstance(value, str) else value
        for name, value in cube.attrs.items()
        if name in KEPT and isinstance(value, (str, int, float))
    }
    counts = {name: int(((quality & bit) > 0).sum()) for name, bit in QUALITY.items()}
    counts["masked"] = int(cube.sizes["y"] * cube.sizes["x"] - len(quality))
    return kept | {
        "quality_counts": json.dumps(counts),
        "usable_pixels": usable,
        "unusable_pixels": int((quality & UNUSABLE > 0).sum()),
    }


def provenance(result: xr.Dataset) -> dict[str, Any]:
    """Return what a result tells of its making; empty if that is no JSON object."""
    try:
        found = json.loads(result.attrs.get("provenance", "{}"))
    except (TypeError, ValueError):  # of another program
        return {}
    return found if isinstance(found, dict) else {}


def quality_bits(result: xr.Dataset) -> list[tuple[int, str]]:
    """Return the bits of the quality map with their names."""
    attrs = result["quality"].attrs
    masks = [int(bit) for bit in str(attrs.get("flag_masks", "")).split(",") if bit.strip()]
    names = str(attrs.get("flag_meanings", "")).split()
    return list(zip(masks, names, strict=False))
