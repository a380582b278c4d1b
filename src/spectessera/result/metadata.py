"""What the attributes of a result say: where it comes from, and what its quality bits mean."""

from __future__ import annotations

import json
from typing import Any

import xarray as xr

from spectessera.axis import Axis


def provenance(result: xr.Dataset) -> dict[str, Any]:
    """Return the settings, seed and version that led to a result.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment` or a baseline.

    Returns
    -------
    dict
        Empty where the attribute ``provenance`` is missing or no JSON object, as in results of
        other programs.
    """
    try:
        record = json.loads(result.attrs.get("provenance", "{}"))
    except (TypeError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def input_axis_of(result: xr.Dataset) -> Axis:
    """Return the spectral axis of the network inputs of a result."""
    coordinate = result["input_axis"]
    return Axis(
        coordinate.values,
        unit=str(coordinate.attrs.get("units", "")),
        kind=str(coordinate.attrs.get("axis_kind", "")),
        medium=str(coordinate.attrs.get("medium", "")),
    )


def quality_bits(result: xr.Dataset) -> list[tuple[int, str]]:
    """Return the bits of the quality map with their names."""
    attrs = result["quality"].attrs
    masks = [int(bit) for bit in str(attrs.get("flag_masks", "")).split(",") if bit.strip()]
    names = str(attrs.get("flag_meanings", "")).split()
    return list(zip(masks, names, strict=False))
