"""The schema of a result."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ._util.files import readable
from .axis import Axis
from .cube import to_map, with_axis
from .preprocess.steps import QUALITY, UNUSABLE


class Choices(NamedTuple):
    """What speaks for every k that was tried: numpy arrays (number of k,).

    Attributes
    ----------
    k : array
    score, error : array
        Silhouette and its standard error.
    stability, stability_error : array
        Jaccard index of the cluster that comes back worst when half of the points are clustered,
        and its standard error; NaN where nobody looked.
    agreement : array
        Adjusted Rand index of those clusterings with that of all points.
    """

    k: np.ndarray
    score: np.ndarray
    error: np.ndarray
    stability: np.ndarray
    stability_error: np.ndarray
    agreement: np.ndarray


def only_silhouettes(k: np.ndarray, score: np.ndarray, error: np.ndarray) -> Choices:
    """Return choices of which the stability is not known."""
    return Choices(k, score, error, *np.full((3, len(k)), np.nan))


def check_result(result: xr.Dataset) -> xr.Dataset:
    """Return a result, after a look at its labels.

    Raises
    ------
    ValueError
        If there is no ``label (y, x)`` of integers that are 0 or more.
    """
    if "label" not in result:
        names = ", ".join(map(str, result.data_vars)) or "nothing"
        raise ValueError(f"a result has a variable 'label' (y, x); this has: {names}")
    label = result["label"]
    if set(label.dims) != {"y", "x"} or label.dtype.kind not in "iu":
        raise ValueError(
            f"'label' must be (y, x) of integers, 0 = masked; got {label.dims} of {label.dtype}"
        )
    return result


# Two clusters are one, split by noise, where their separation is less than this many times that of
# two parts of noise alone: 1, and a margin for the finite number of sampled pixels.
SPLIT_BELOW = 1.25


KEPT = (
    "source",
    "unit",
    "wcs",
    "object",
    "instrument",
    "telescope",
    "anode",
)  # attributes of the cube


QUALITY_ATTRS = {
    "flag_masks": ", ".join(str(bit) for bit in QUALITY.values()),
    "flag_meanings": " ".join(QUALITY),
}


def quality_map(cube: xr.DataArray, pixel: np.ndarray, quality: np.ndarray) -> xr.DataArray:
    """Return the quality bits (y, x) of the pixels that are not masked, and what the bits mean."""
    found = to_map(quality, pixel, cube, fill=QUALITY["masked"])
    found.attrs = dict(QUALITY_ATTRS)
    return found


def curves_of(choices: Choices, excess: np.ndarray | None = None) -> dict[str, tuple[Any, ...]]:
    """Return what speaks for every k, as variables of a result."""
    names = ("score", "score_error", "stability", "stability_error", "agreement")
    told: dict[str, tuple[Any, ...]] = {
        name: (("k",), v) for name, v in zip(names, choices[1:], strict=True)
    }
    if excess is None:
        return told
    return told | {"excess": (("k",), excess, {"noise_alone_below": SPLIT_BELOW})}


def with_axes(result: xr.Dataset, axis: Axis, input_axis: Axis) -> xr.Dataset:
    """Return a result with the axis of its mean spectra and that of the inputs."""
    attrs = {"units": input_axis.unit, "axis_kind": input_axis.kind, "medium": input_axis.medium}
    result = result.assign_coords(input_axis=("input_channel", input_axis.values, attrs))
    return with_axis(result, axis)


def origin_and_quality(cube: xr.DataArray, quality: np.ndarray) -> dict[str, str | int | float]:
    """Return the attributes that tell where a cube comes from and how good its pixels are.

    ``quality`` has the bits of all pixels, or of those that are not masked.
    """
    kept = {
        name: readable(value) if isinstance(value, str) else value
        for name, value in cube.attrs.items()
        if name in KEPT and isinstance(value, (str, int, float))
    }
    counts = {name: int(((quality & bit) > 0).sum()) for name, bit in QUALITY.items()}
    seen = int(((quality & QUALITY["masked"]) == 0).sum())
    unusable = int(((quality & UNUSABLE) > 0).sum()) - (quality.size - seen)
    counts["masked"] = int(cube.sizes["y"] * cube.sizes["x"] - seen)
    return kept | {
        "quality_counts": json.dumps(counts),
        "usable_pixels": seen - unusable,
        "unusable_pixels": unusable,
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
