"""Read cubes from HDF5 files (and NetCDF 4, which is HDF5 inside).

By default the dataset ``img`` (y, x, channel) of LABEC and ganX files is read, or the only dataset
of three axes, or the one that ``key`` names. What belongs to it in the same group (its axis,
``variance``, ``mask``, ``reference``, ``y``, ``x``) is recognised by name and shape.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spectessera._util.reading import reading

from ._common import (
    MAX_COMPRESSION,
    SMALL_BYTES,
    Request,
    StoredCube,
    check_stored,
    check_three_axes,
    listing,
    native,
    only_cube,
    plain_attribute,
)
from ._companions import (
    COMPANIONS,
    CREATOR,
    DEFAULT,
    Companion,
    add_companions,
    stored_axis,
    unpack,
    user_attributes,
)
from ._lazy import LazyArray, load


def read_hdf5(path: Path, request: Request) -> StoredCube:
    """Read a cube from an HDF5 file.

    Parameters
    ----------
    path : Path
    request : Request
        What the user says about the file.

    Returns
    -------
    StoredCube
        Values (y, x, channel) and what belongs to them.

    Raises
    ------
    ValueError
        If the file is broken, there is no such dataset, or it is not clear which one is meant.
    """
    key = None if request.key is None else str(request.key)
    chunks = request.chunks
    import h5py

    with reading(path, "HDF5"):
        file = h5py.File(path, "r")
    with file:
        with reading(path, "HDF5"):
            datasets = _datasets(file)
        name = _pick(path, file, datasets, key)
        with reading(path, "HDF5"):
            dataset = file[name]
            attrs = dict(dataset.attrs)
            companions = _companions(path, dataset.parent)
            own = plain_attribute(file.attrs.get("creator")) == CREATOR
            source = _lazy(path, dataset)
        _check_size(path, dataset, chunks)
        axis, note = stored_axis(source.shape, companions)
        values = unpack(load(source, chunks), attrs)
        cube = StoredCube(values, axis=axis, attrs=note | user_attributes(attrs))
        add_companions(cube, path, companions, source.shape, chunks)
    if not own:  # a cube that this package wrote is read unchanged
        cube.attrs.setdefault("source", path.name)
    return cube


def _companions(path: Path, group: Any) -> dict[str, Companion]:
    """Return what may belong to the cube, among all that is in its group."""
    import h5py

    companions = {}
    for name in group:
        link = group.get(name, getlink=True)
        if name.lower() in COMPANIONS and not isinstance(link, h5py.ExternalLink):
            node = group[name]
            array = _lazy(path, node) if isinstance(node, h5py.Dataset) else None
            attrs = {k: plain_attribute(v) for k, v in node.attrs.items()}
            companions[name] = Companion(array, attrs)
    return companions


def _datasets(file: Any) -> dict[str, Any]:
    """Return all datasets of a file by their path."""
    import h5py

    datasets: dict[str, Any] = {}

    def visit(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset):
            datasets[name] = node

    file.visititems(visit)
    return datasets


def _pick(path: Path, file: Any, datasets: dict[str, Any], key: str | None) -> str:
    """Return the path of the dataset to read."""
    shapes = {name: dataset.shape for name, dataset in datasets.items()}
    if key is None and DEFAULT in datasets and len(datasets[DEFAULT].shape or ()) == 3:
        key = DEFAULT
    if key is None:
        numeric = {n: each.shape for n, each in datasets.items() if each.dtype.kind in "iuf"}
        return only_cube(path, numeric, "dataset")
    name = str(key).strip("/")
    with reading(path, "HDF5"):
        node = file.get(name) if name else None
    if node is None or not hasattr(node, "shape"):
        what = "has no" if node is None else "has a group, not a"
        raise ValueError(f"{path} {what} dataset {key!r}; there is: {listing(shapes)}")
    check_three_axes(path, name, tuple(node.shape or ()))
    check_stored(path, name, node.shape, node.dtype)
    return name


def _check_size(path: Path, dataset: Any, chunks: Any) -> None:
    """Raise ValueError, before memory is allocated, if a dataset cannot be in this file."""
    if dataset.external is not None:
        raise ValueError(
            f"{path}: the values of {dataset.name!r} are in other files; write them into one file"
        )
    most = max(path.stat().st_size * MAX_COMPRESSION, SMALL_BYTES)
    if chunks is None and dataset.nbytes > most and not dataset.is_virtual:
        raise ValueError(
            f"{path}: {dataset.name!r} claims {dataset.nbytes:.3g} bytes (shape {dataset.shape}), "
            f"more than a file of {path.stat().st_size} bytes can hold; if it is mostly empty, "
            "give chunks="
        )


def _lazy(path: Path, dataset: Any) -> LazyArray:
    """Return the dataset as a lazy array."""
    dtype = dataset.dtype.newbyteorder("=")
    return LazyArray(path, dataset.name, dataset.shape or (), dtype, _fetch, dataset.chunks)


def _fetch(path: Path, name: str, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of a dataset."""
    import h5py

    with reading(path, "HDF5"), h5py.File(path, "r") as file:
        return native(np.asarray(file[name][index]))
