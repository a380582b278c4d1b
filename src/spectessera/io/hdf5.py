"""Read cubes from HDF5 files (and NetCDF 4, which is HDF5 inside).

The dataset ``img`` (y, x, channel) of LABEC and ganX files is taken by default, or the only
dataset of three axes, or the one that ``key`` names. Things beside it that belong to it (its axis,
``variance``, ``mask``, ``reference``, ``y``, ``x``) are recognised by name and shape.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ._common import (
    MOST_PACKED,
    SMALL,
    Lazy,
    Parts,
    check_stored,
    check_three,
    choose,
    listing,
    load,
    native,
    plain,
    telling,
)
from ._companions import CREATOR, DEFAULT, WANTED, Beside, add_beside, kept, own_axis, unpack


def read_hdf5(path: Path, key: str | None = None, chunks: Any = None) -> Parts:
    """Read a cube from an HDF5 file.

    Parameters
    ----------
    path : Path
    key : str, optional
        Path of the dataset inside the file, such as ``"/entry/data"``.
    chunks : dict, int or "auto", optional
        Leave the data in the file and give a dask array.

    Returns
    -------
    Parts
        Values (y, x, channel) and what belongs to them.

    Raises
    ------
    ValueError
        If the file is broken, there is no such dataset, or it is not clear which one is meant.
    """
    import h5py

    with telling(path, "HDF5"):
        file = h5py.File(path, "r")
    with file:
        with telling(path, "HDF5"):
            found = _datasets(file)
        name = _pick(path, file, found, key)
        with telling(path, "HDF5"):
            dataset = file[name]
            attrs = dict(dataset.attrs)
            beside = _beside(path, dataset.parent)
            own = plain(file.attrs.get("creator")) == CREATOR
            source = _lazy(path, dataset)
        _check_size(path, dataset, chunks)
        axis, note = own_axis(source.shape, beside)
        parts = Parts(unpack(load(source, chunks), attrs), axis=axis, attrs=note | kept(attrs))
        add_beside(parts, path, beside, source.shape, chunks)
    if not own:  # what this package wrote comes back as it was
        parts.attrs.setdefault("source", path.name)
    return parts


def _beside(path: Path, group: Any) -> dict[str, Beside]:
    """Return what may belong to the cube, of all that is in its group."""
    import h5py

    found = {}
    for name in group:
        link = group.get(name, getlink=True)
        if name.lower() in WANTED and not isinstance(link, h5py.ExternalLink):
            thing = group[name]
            array = _lazy(path, thing) if isinstance(thing, h5py.Dataset) else None
            found[name] = Beside(array, {k: plain(v) for k, v in thing.attrs.items()})
    return found


def _datasets(file: Any) -> dict[str, Any]:
    """Return all datasets of a file by their path."""
    import h5py

    found: dict[str, Any] = {}

    def note(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset):
            found[name] = thing

    file.visititems(note)
    return found


def _pick(path: Path, file: Any, found: dict[str, Any], key: str | None) -> str:
    """Return the path of the dataset to read."""
    shapes = {name: thing.shape for name, thing in found.items()}
    if key is None and DEFAULT in found and len(found[DEFAULT].shape or ()) == 3:
        key = DEFAULT
    if key is None:
        numeric = {n: found[n].shape for n in found if found[n].dtype.kind in "iuf"}
        return choose(path, numeric, "dataset")
    name = str(key).strip("/")
    with telling(path, "HDF5"):
        thing = file.get(name) if name else None
    if thing is None or not hasattr(thing, "shape"):
        what = "has no" if thing is None else "has a group, not a"
        raise ValueError(f"{path} {what} dataset {key!r}; there is: {listing(shapes)}")
    check_three(path, name, tuple(thing.shape or ()))
    check_stored(path, name, thing.shape, thing.dtype)
    return name


def _check_size(path: Path, dataset: Any, chunks: Any) -> None:
    """Refuse what cannot be in this file, before memory is asked for it."""
    if dataset.external is not None:
        raise ValueError(f"{path}: the values of {dataset.name!r} are in other files; join them")
    room = max(path.stat().st_size * MOST_PACKED, SMALL)
    if chunks is None and dataset.nbytes > room and not dataset.is_virtual:
        raise ValueError(
            f"{path}: {dataset.name!r} claims {dataset.nbytes:.3g} bytes (shape {dataset.shape}), "
            f"more than a file of {path.stat().st_size} bytes can hold; if it is mostly empty, "
            "give chunks="
        )


def _lazy(path: Path, dataset: Any) -> Lazy:
    """Return the dataset as a lazy array."""
    dtype = dataset.dtype.newbyteorder("=")
    return Lazy(path, dataset.name, dataset.shape or (), dtype, _fetch, dataset.chunks)


def _fetch(path: Path, name: str, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of a dataset."""
    import h5py

    with telling(path, "HDF5"), h5py.File(path, "r") as file:
        return native(np.asarray(file[name][index]))
