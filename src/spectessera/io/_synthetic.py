"""Synthetic cubes in HDF5, with their truth in a group beside the cube.

The cube itself is the dataset ``img``, as in the files of ganX and in other files of this package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.files import atomic
from spectessera._util.reading import check_regular, reading_safely
from spectessera.cube import check_cube, spectral_axis

from ._common import DEFAULT, stored_attribute
from ._hdf5_sources import check_sources
from ._hdf5_writer import write_hdf5
from ._writers import check_destination, written_coordinates
from .hdf5 import check_size

GROUP = "truth"
SUFFIXES = (".h5", ".hdf5")
NOT_WRITTEN = ("expectation",)  # as large as the cube; it follows from the rest
MAX_BYTES = 2**31  # of an array of the truth that is read into memory
MAX_NAMES = 64
TRUTH_COORDINATES = "truth_coordinates"  # attribute: names of the variables that are coordinates


def write_synthetic(
    cube: xr.DataArray, truth: xr.Dataset, path: str | Path, *, overwrite: bool = True
) -> None:
    """Write a synthetic cube and its truth to one HDF5 file, block by block if they are lazy.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    truth : Dataset
        From the function that made the cube; all of it but ``expectation`` is written.
    path : str or Path
        A .h5 or .hdf5 file.
    overwrite : bool
        False: raise if the file exists already.

    Raises
    ------
    ValueError
        If the suffix is not .h5 or .hdf5.
    FileExistsError, OSError
        If the file exists and must not be replaced, or cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"a synthetic cube is written as .h5, with its truth; got {path.name!r}")
    check_destination(path, overwrite)
    cube = check_cube(cube)
    axis = spectral_axis(cube)
    variables = {DEFAULT: cube.variable}
    if axis.kind in cube.coords:
        variables["axis"] = cube.coords[axis.kind].variable
    variables |= {name: cube.coords[name].variable for name in written_coordinates(cube)}
    names = [str(name) for name in truth.variables if name not in NOT_WRITTEN]
    variables |= {f"{GROUP}/{name}": truth.variables[name] for name in names}
    attrs = {name: stored_attribute(value) for name, value in truth.attrs.items()}
    attrs[TRUTH_COORDINATES] = " ".join(str(name) for name in truth.coords if name in names)
    with atomic(path) as temporary:
        write_hdf5(variables, attrs, temporary)


def read_truth(path: str | Path) -> xr.Dataset:
    """Read the truth that :func:`write_synthetic` wrote.

    Returns
    -------
    Dataset
        In memory, without ``expectation``.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is not an HDF5 file, or holds no truth.
    """
    import h5py

    path = Path(path)
    check_regular(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if not h5py.is_hdf5(path):
        raise ValueError(f"{path} is not an HDF5 file; the truth of a synthetic cube is in one")
    with reading_safely(path, "HDF5"), h5py.File(path, "r") as file:
        group = file.get(GROUP)
        if not isinstance(group, h5py.Group) or not 0 < len(group) <= MAX_NAMES:
            raise ValueError(f"{path} holds no truth; it is not a synthetic cube of spectessera")
        variables = {name: _variable(path, name, group[name]) for name in group}
        attrs = {str(k): v for k, v in file.attrs.items() if isinstance(v, (str, int, float))}
    listed = str(attrs.pop(TRUTH_COORDINATES, "")).split()
    coords = {n: each for n, each in variables.items() if n in listed or each.dims == (n,)}
    try:
        data = {name: each for name, each in variables.items() if name not in coords}
        return xr.Dataset(data, coords=coords, attrs=attrs)
    except ValueError as error:
        raise ValueError(f"the truth in {path} does not fit together: {error}") from error


def _variable(path: Path, name: str, dataset: Any) -> xr.Variable:
    """Read one array of the truth, with the names of its axes."""
    import h5py

    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{name!r} in the truth of {path} is not an array")
    if dataset.size * max(1, dataset.dtype.itemsize) > MAX_BYTES:
        raise ValueError(f"{name!r} in the truth of {path} is too large: shape {dataset.shape}")
    text = h5py.check_string_dtype(dataset.dtype) is not None
    if not text and dataset.dtype.kind not in "biuf":
        raise ValueError(f"{name!r} in the truth of {path} holds {dataset.dtype}, not numbers")
    check_sources(path, dataset, outside=False)
    check_size(path, dataset, lazy=False)
    values = np.asarray(dataset.asstr()[()] if text else dataset[()])
    dims = [each.label or f"{name}_{number}" for number, each in enumerate(dataset.dims)]
    attrs = {str(k): v for k, v in dataset.attrs.items() if isinstance(v, (str, int, float))}
    return xr.Variable(dims, values.astype(str) if text else values, attrs)
