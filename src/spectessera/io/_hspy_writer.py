"""Write cubes and results in the format of HyperSpy: HDF5 with a group for every axis.

HyperSpy knows variances as the metadata of a signal, and no masks: the mask is among the original
metadata. What this package needs to read a cube unchanged is in the same group, beside the values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.writing import hdf5_sink
from spectessera.axis import even_steps
from spectessera.cube import DIMS, spectral_axis

from ._common import CREATOR, Waiting, store, stored_attribute
from ._hdf5_writer import add_dataset

VERSION = "3.3"  # of the format
NOTHING = "_None_"  # how the format spells a missing name or unit
TITLES = ("object", "source")  # attributes that may be the title, the best first
_GIVEN = ("cluster_names", "cluster_colours")  # by people
VARIANCE = "metadata/Signal/Noise_properties/_sig_variance"


def write_cube_hspy(cube: xr.DataArray, path: Path, coordinates: list[str]) -> None:
    """Write a cube so that HyperSpy opens it as a signal of its spectra."""
    import h5py

    title = next((str(cube.attrs[name]) for name in TITLES if cube.attrs.get(name)), "")
    attrs = {name: stored_attribute(value) for name, value in cube.attrs.items()}
    with hdf5_sink(path) as sink, h5py.File(sink, "w") as file:
        file.attrs.update(
            {"file_format": "HyperSpy", "file_format_version": VERSION, "creator": CREATOR}
        )
        name = title.replace("/", "-").strip(". ") or "__unnamed__"
        group = file.create_group("Experiments").create_group(name)
        waiting = _signal(group, cube, cube.variable, title)
        group["original_metadata"].attrs.update(attrs)
        group["metadata/Signal"].attrs["quantity"] = str(cube.attrs.get("unit", ""))
        if "variance" in cube.coords:
            variance = cube.coords["variance"].variable.transpose(*DIMS)
            waiting += _signal(group.create_group(VARIANCE), cube, variance, "variance")
            group["variance"] = group[f"{VARIANCE}/data"]
        own = {"axis": spectral_axis(cube).kind}
        own |= {each: each for each in coordinates if each not in ("variance", "mask")}
        for label, coordinate in own.items():
            if coordinate in cube.coords:
                waiting += add_dataset(group, label, cube.coords[coordinate].variable)
        if "mask" in cube.coords:
            mask = cube.coords["mask"].transpose("y", "x").values
            # HyperSpy opens arrays of metadata lazily only if they are stored in chunks
            group["original_metadata"].create_dataset("mask", data=mask, chunks=mask.shape)
            group["mask"] = group["original_metadata/mask"]
        store(waiting, lock=True)


def write_result_hspy(result: xr.Dataset, path: Path) -> None:
    """Write a result so that HyperSpy opens it as signals.

    They are the label map and the confidence as images, and the mean spectra, one for each cluster,
    with the type that their cube had.
    Names and colours that people have given are in the original metadata of all.
    """
    import h5py

    given = {name: str(result.attrs[name]) for name in _GIVEN if name in result.attrs}
    with hdf5_sink(path) as sink, h5py.File(sink, "w") as file:
        file.attrs.update(
            {"file_format": "HyperSpy", "file_format_version": VERSION, "creator": CREATOR}
        )
        signals = file.create_group("Experiments")
        for name, title in (("label", "clusters"), ("confidence", "confidence")):
            if name in result:
                group = signals.create_group(title)
                array = result[name].transpose("y", "x")
                add_dataset(group, "data", xr.Variable(("y", "x"), array.values))
                _image_axes(group, array, navigate=False)
                _metadata(group, title, given)
        if "mean_spectrum" in result:
            group = signals.create_group("mean spectra")
            means = result["mean_spectrum"].transpose("cluster", "channel")
            add_dataset(group, "data", xr.Variable(means.dims, means.values))
            clusters = (
                means["cluster"].values
                if "cluster" in means.coords
                else np.arange(1, len(means) + 1)
            )
            _axis(group, 0, "cluster", clusters.astype(np.float64), "", navigate=True)
            axis = spectral_axis(means)
            kind = axis.kind.replace("_", " ").capitalize()
            _axis(group, 1, kind, axis.values, axis.unit, navigate=False)
            _metadata(group, "mean spectra", given, _signal_type(result, axis.kind))
            group["metadata/Signal"].attrs["quantity"] = str(result.attrs.get("unit", ""))


def _signal(group: Any, cube: xr.DataArray, values: xr.Variable, title: str) -> Waiting:
    """Write what makes a group a signal: values, axes and the groups that HyperSpy expects."""
    waiting = add_dataset(group, "data", values)
    axis = spectral_axis(cube)
    kind = axis.kind.replace("_", " ").capitalize()
    _axis(group, 2, kind, axis.values, axis.unit, navigate=False)
    _image_axes(group, cube, navigate=True)
    _metadata(group, title, {}, _signal_type(cube, axis.kind))
    return waiting


def _image_axes(group: Any, array: xr.DataArray, *, navigate: bool) -> None:
    """Write the axes of rows and columns, the first two of an array."""
    for number, name in enumerate(("y", "x")):
        there = name in array.coords and array.coords[name].dtype.kind in "iuf"
        coordinate = array.coords[name] if there else xr.DataArray(np.arange(array.sizes[name]))
        places = coordinate.values.astype(np.float64)
        unit = str(coordinate.attrs.get("units", ""))
        _axis(group, number, name, places, unit, navigate=navigate)


def _signal_type(thing: xr.DataArray | xr.Dataset, kind: str) -> str:
    """Return the type of spectra: that of the file, or the one that their axis has; else "".

    X-ray energies alone do not say what excited the sample: there are types for electrons only.
    """
    return str(thing.attrs.get("signal_type") or ("EELS" if kind == "energy_loss" else ""))


def _metadata(group: Any, title: str, original: dict[str, str], signal_type: str = "") -> None:
    """Write the groups of a signal beside its values and axes."""
    for name in ("original_metadata", "learning_results", "attributes"):
        group.require_group(name)
    group["attributes"].attrs.update({"_lazy": False, "ragged": False})
    group.require_group("metadata/General").attrs["title"] = title
    group.require_group("metadata/Signal").attrs["signal_type"] = signal_type
    group["original_metadata"].attrs.update(original)


def _axis(
    group: Any, number: int, name: str, values: np.ndarray, unit: str, *, navigate: bool
) -> None:
    """Write the group of one axis: even steps as scale and offset, others as an array."""
    one = group.create_group(f"axis-{number}")
    one.attrs.update({"name": name, "units": unit or NOTHING, "is_binned": False})
    one.attrs.update({"navigate": navigate, "index_in_array": number})
    even = even_steps(values)
    if even is None:
        one.attrs["_type"] = "DataAxis"
        one["axis"] = values
        return
    one.attrs.update({"_type": "UniformDataAxis", "offset": even[0], "scale": even[1]})
    one.attrs["size"] = len(values)
