"""What the attributes of a result say: where it comes from, and what its quality bits mean."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.text import counted
from spectessera.axis import Axis

# Why a shipped model was chosen, in the attribute model_choice.
AS_WELL = "it predicts the spectra as well"


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


def preprocessing(result: xr.Dataset) -> dict[str, Any]:
    """Return the settings of the preprocessing in the provenance; {} where there are none."""
    settings = provenance(result).get("settings")
    found = settings.get("preprocess") if isinstance(settings, dict) else None
    return found if isinstance(found, dict) else {}


def input_axis_of(result: xr.Dataset) -> Axis:
    """Return the spectral axis of the network inputs of a result."""
    coordinate = result["input_axis"]
    return Axis(
        coordinate.values,
        unit=str(coordinate.attrs.get("units", "")),
        kind=str(coordinate.attrs.get("axis_kind", "")),
        medium=str(coordinate.attrs.get("medium", "")),
    )


def number_of_clusters(result: xr.Dataset) -> int:
    """Return the number of clusters, rare groups among them."""
    return int(result.attrs.get("n_clusters", result.sizes.get("cluster", 0)))


def per_cluster(result: xr.Dataset, name: str) -> np.ndarray:
    """Return a variable of clusters and channels, (cluster, channel), float64.

    A user may have turned it: ``result.transpose("channel", "cluster", ...)``.

    Examples
    --------
    >>> means = (("channel", "cluster"), np.ones((5, 2)))
    >>> per_cluster(xr.Dataset({"mean_spectrum": means}), "mean_spectrum").shape
    (2, 5)
    """
    return result[name].transpose("cluster", "channel").values.astype(np.float64)


def number_chosen(result: xr.Dataset) -> int:
    """Return the number of clusters that was chosen: without the rare groups after them.

    Where people have changed the clusters it is that of the run, as the scores are.
    """
    if "chosen_clusters" in result.attrs:
        return int(result.attrs["chosen_clusters"])
    return number_of_clusters(result) - int(result.attrs.get("rare_clusters", 0))


def rare_in_words(result: xr.Dataset) -> str:
    """Return which clusters are rare groups, and how sure that is, in one sentence; "" if none is.

    Examples
    --------
    >>> import xarray as xr
    >>> found = {"rare": ("cluster", [float("nan"), 29.2]), "size": ("cluster", [990, 10])}
    >>> rare_in_words(xr.Dataset(found, coords={"cluster": [1, 2]}))
    'cluster 2 (10 pixels, 29 standard errors) is a rare group that was found by its own pixels'
    """
    if "rare" not in result or "size" not in result:
        return ""
    columns = (result[name].values.tolist() for name in ("cluster", "size", "rare"))
    named = [
        f"{cluster} ({counted(size, 'pixel')}, {_few_digits(errors)} standard errors)"
        for cluster, size, errors in zip(*columns, strict=True)
        if np.isfinite(errors)
    ]
    if not named:
        return ""
    if len(named) == 1:
        return f"cluster {named[0]} is a rare group that was found by its own pixels"
    words = ", ".join(named[:-1]) + " and " + named[-1]
    return f"clusters {words} are rare groups that were found by their own pixels"


def _few_digits(number: float) -> str:
    return f"{number:.0f}" if number < 1e6 else f"{number:.2g}"


def quality_bits(result: xr.Dataset) -> list[tuple[int, str]]:
    """Return the bits of the quality map with their names."""
    attrs = result["quality"].attrs
    masks = [int(bit) for bit in str(attrs.get("flag_masks", "")).split(",") if bit.strip()]
    names = str(attrs.get("flag_meanings", "")).split()
    return list(zip(masks, names, strict=False))
