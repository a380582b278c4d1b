"""What maps of elements, lines and mixtures have that reports, figures and the viewer use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

_FLUX, _IMAGE = "line y x", "y x"
# Content -> variable -> its dimensions, in any order.
_NEEDED: dict[str, dict[str, str]] = {
    "element maps": {
        "net_counts": "element y x", "cluster_net_counts": "element cluster",
        "cluster_net_counts_error": "element cluster", "element": "element", "kind": "element",
        "cluster": "cluster",
    },
    "line maps": {
        "flux": _FLUX, "flux_error": _FLUX, "velocity": _IMAGE, "dispersion": _IMAGE,
        "quality": _IMAGE, "line": "line",
    },
    "band maps": {"band_sum": "band y x", "band": "band"},
    "abundance maps": {
        "abundance": "cluster y x", "components": _IMAGE, "composition": "label cluster",
        "end_spectrum": "cluster channel", "first": "merge", "second": "merge", "cost": "merge",
        "cost_error": "merge", "cluster": "cluster", "label": "label",
    },
}  # fmt: skip
# What files of earlier versions may lack.
_IF_THERE = {
    "net_counts_error": "element y x", "background": _IMAGE, "found_in": "element",
    "surer": "element", "gas_class": _IMAGE, "tied": "line", "ion": "line",
    "band_sum_error": "band y x",
}  # fmt: skip
_WORDS = {"element", "kind", "found_in", "surer", "line", "tied", "ion", "band"}
_NUMBERS = {
    "line maps": ("redshift", "pixels_alone", "pixels_pooled", "pixels_too_faint"),
    "abundance maps": ("mixtures", "usable_pixels"),
}
_TABLES = {"abundance maps": ("pairs", "mixed_clusters")}  # as JSON


def check_maps(maps: xr.Dataset, *contents: str) -> xr.Dataset:
    """Return maps if all of what they have is as it should be.

    Parameters
    ----------
    maps : Dataset
        Of elements, lines or mixtures.
    contents : str
        Of these kinds, such as "line maps", with all that a report needs; by default any maps.

    Raises
    ------
    ValueError
        If they are none, or something is missing or has other dimensions or another type.
    """
    content, attrs, whole = str(maps.attrs.get("content", "")), maps.attrs, bool(contents)
    if not content.endswith("maps") or not all(maps.sizes.get(name) for name in ("y", "x")):
        raise ValueError("it holds no maps of pixels (y, x); give a maps.nc")
    if whole and content not in contents:
        raise ValueError(f"it should hold {' or '.join(contents)}; it holds {content}")
    needed = _NEEDED.get(content, {})
    missing = [name for name in needed if name not in maps] if whole else []
    if missing:
        raise ValueError(f"{content} have {', '.join(needed)}; there is no {', '.join(missing)}")
    for name, dims in (needed | _IF_THERE).items():
        if name in maps:
            _check_variable(maps[name], name, tuple(dims.split()))
    for name in _NUMBERS.get(content, ()):
        if (whole or name in attrs) and not _is_number(attrs.get(name)):
            raise ValueError(f"the attribute {name} is a number; got {attrs.get(name)!r}")
    for name in _TABLES.get(content, ()):
        if not isinstance(_table(attrs, name), dict):
            raise ValueError(f"the attribute {name} is a table in JSON; got {attrs.get(name)!r}")
    return maps


def _check_variable(array: xr.DataArray, name: str, dims: tuple[str, ...]) -> None:
    """Raise if an array has other dimensions, or no numbers where these are expected."""
    if set(array.dims) != set(dims) or array.ndim != len(dims):
        got = ", ".join(map(str, array.dims))
        raise ValueError(f"{name} has the dimensions ({', '.join(dims)}); got ({got})")
    if name not in _WORDS and array.dtype.kind not in "iuf":
        raise ValueError(f"{name} holds numbers; got values of type {array.dtype}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and bool(np.isfinite(value))


def _table(attrs: Mapping[Any, Any], name: str) -> Any:
    """Return what the text of an attribute holds; None if it is no JSON."""
    try:
        return json.loads(str(attrs.get(name, "{}")))
    except (ValueError, RecursionError):
        return None
