"""How the parts of a segmentation become a result; the same for segment and for baselines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.files import encodable
from spectessera._util.positions import positions_of
from spectessera._version import __version__
from spectessera.axis import Axis
from spectessera.channels import BAD, bad_channels
from spectessera.cube import spectral_axis, with_axis
from spectessera.preprocess.steps import QUALITY, UNUSABLE
from spectessera.scans import between

from .schema import ATTRIBUTES, VARIABLES, variable_attributes

_OF_CUBE = tuple(each.name for each in ATTRIBUTES if each.segment == "cube")


def mean_spectra(
    size: np.ndarray,
    measured: np.ndarray,
    squares: np.ndarray,
    inputs: np.ndarray,
    decoded: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return the mean spectra of clusters, by their names in a result, from sums over pixels.

    Parameters
    ----------
    size : array (k,)
        Pixels of each cluster; a cluster without pixels has spectra of 0.
    measured, squares : array (k, channel), float64
        Sums of the measured values, and of their squares.
    inputs : array (k, input channel), float64
    decoded : array (k, input channel), float64, or None

    Returns
    -------
    dict of str to array, float32
    """
    counts = np.maximum(1, size)[:, None]
    mean = measured / counts
    deviation = np.sqrt(np.maximum(squares / counts - mean**2, 0))
    spectra = {"mean_spectrum": mean, "std_spectrum": deviation, "input_mean": inputs / counts}
    if decoded is not None:
        spectra["reconstructed_mean"] = decoded / counts
    return {name: each.astype(np.float32) for name, each in spectra.items()}


def assemble(
    cube: xr.DataArray,
    values: Mapping[str, np.ndarray],
    k: np.ndarray,
    input_axis: Axis,
    attributes: Mapping[str, str | int | float],
) -> xr.Dataset:
    """Return a result of arrays, with its coordinates and the attributes of its variables.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        Whose axis, unit and coordinates of y and x the result has.
    values : mapping of str to array
        By names in :data:`spectessera.result.VARIABLES`; ``size`` among them.
    k : array (number of k,)
        The numbers of clusters that were tried.
    input_axis : Axis
        Of the network inputs.
    attributes : mapping
        See :func:`attributes_of`.
    """
    clusters = np.arange(1, len(values["size"]) + 1)
    result = xr.Dataset(coords={"cluster": clusters, "k": k})
    attrs = {
        "units": input_axis.unit, "axis_kind": input_axis.kind, "medium": input_axis.medium
    }  # fmt: skip
    result = result.assign_coords(input_axis=("input_channel", input_axis.values, attrs))
    result = with_axis(result, spectral_axis(cube))
    bad = bad_channels(cube)
    if bad is not None:
        result = result.assign_coords({BAD: (("channel",), bad)})
    result.attrs = dict(attributes)
    return with_maps(result, cube, values)


def with_maps(
    result: xr.Dataset, cube: xr.DataArray, values: Mapping[str, np.ndarray]
) -> xr.Dataset:
    """Return a result with further variables of the schema, and the coordinates of y and x."""
    unit = str(cube.attrs.get("unit", ""))
    data = {
        name: (VARIABLES[name].dims, array, variable_attributes(name, unit))
        for name, array in values.items()
    }
    coords = positions_of(cube)
    return result.assign(data).assign_coords(coords)


def attributes_of(
    cube: xr.DataArray,
    quality: np.ndarray,
    own: Mapping[str, str | int | float],
    record: Mapping[str, Any],
) -> dict[str, str | int | float]:
    """Return the attributes of a result.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        Some of its attributes are passed on, those that the schema names.
    quality : array of uint8
        The quality bits of all pixels, or of those that are not masked.
    own : mapping
        What the producer of the result adds.
    record : mapping
        Settings and seed, for the attribute ``provenance``; the version is added.
    """
    passed = {
        name: encodable(value) if isinstance(value, str) else value
        for name, value in cube.attrs.items()
        if name in _OF_CUBE and isinstance(value, (str, int, float))
    }
    counts = {name: int(((quality & bit) > 0).sum()) for name, bit in QUALITY.items()}
    unmasked = int(((quality & QUALITY["masked"]) == 0).sum())
    unusable = int(((quality & UNUSABLE) > 0).sum()) - (quality.size - unmasked)
    gaps = int(between(cube.attrs, (cube.sizes["y"], cube.sizes["x"])).sum())
    counts["masked"] = int(cube.sizes["y"] * cube.sizes["x"] - unmasked) - gaps
    pixels: dict[str, str | int | float] = {
        "quality_counts": json.dumps(counts),
        "usable_pixels": unmasked - unusable,
        "unusable_pixels": unusable,
    }
    provenance = json.dumps({"spectessera": __version__} | dict(record))
    return {**passed, **pixels, **own, "provenance": provenance}
