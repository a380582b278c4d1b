"""Read results of segmentations.

A result is a Dataset with ``label (y, x)``: 0 = masked, 1..K = clusters.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr

from spectessera._util.reading import FileRefused, check_regular, reading_safely
from spectessera.result import check_maps, check_result, check_structure

from ._common import drop_encodings, plain_attribute
from ._hdf5_sources import refuse_external
from ._hdf5_tree import has_sound_scales
from ._zarr_metadata import is_store
from .hdf5 import check_size

RESULT, RESULT_STORE = "result.nc", "result.zarr"  # in the folder of a segmentation
MAPS = "maps.nc"  # beside them
EDITED = "edited.nc"  # the result with the changes of people, beside them in EDITS
EDITS = "edits.toml"


def result_in(path: str | Path, *, recorded: bool = False) -> Path:
    """Return the result in the folder of a segmentation; any other path as it is.

    Where people have changed it, that is the changed one, beside the list of the changes;
    ``recorded``: the one of the run.
    """
    path = Path(path)
    if path.is_dir() and not is_store(path):
        changed = (EDITED,) if not recorded and (path / EDITS).exists() else ()
        for name in (*changed, RESULT, RESULT_STORE):
            if (path / name).exists():
                return path / name
    return path


def read_result(path: str | Path) -> xr.Dataset:
    """Read a result that was written as NetCDF or Zarr.

    Parameters
    ----------
    path : str or Path
        A ``.nc`` file, a ``.zarr`` folder, or the folder of ``spectessera segment``: the result
        with the changes of people where there are some (:mod:`spectessera.edits`).

    Returns
    -------
    xarray.Dataset
        In memory; ``label (y, x)`` with 0 = masked, 1..K = clusters.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is neither a NetCDF 4 file nor a Zarr store, is broken, or has no labels.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> counts = np.random.default_rng(0).poisson(5, (8, 9, 40))
    >>> counts[:, :4, 10] += 60
    >>> cube = spt.make_cube(counts, energy=(1.0, 20.0))
    >>> segmenter = spt.SpectralSegmenter(training=spt.Training(epochs=2)).fit(cube)
    >>> import tempfile
    >>> from pathlib import Path
    >>> result = spt.segment(cube, segmenter, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     spt.write(result, Path(folder) / "result.nc")
    ...     again = spt.read_result(Path(folder) / "result.nc")
    >>> bool((again["label"] == result["label"]).all())
    True
    """
    path = result_in(path)
    opened = _open_zarr(path) if is_store(path) else _open_netcdf(path)
    with opened:
        result = _checked(path, opened, check_structure)
        with reading_safely(path, "a result"):
            result = result.load()
    return _plain(_checked(path, result, check_result))


def read_maps(path: str | Path) -> xr.Dataset:
    """Read maps of pixels that were written as NetCDF, such as maps.nc in the folder of a result.

    Parameters
    ----------
    path : str or Path
        A ``.nc`` file, or the folder in which maps.nc is.

    Returns
    -------
    xarray.Dataset
        In memory.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not NetCDF 4, is broken, or holds no maps as they should be.
    """
    path = Path(path)
    path = path / MAPS if path.is_dir() else path
    with _open_netcdf(path) as opened, reading_safely(path, "maps"):
        maps = opened.load()
    return _checked(path, _plain(maps), check_maps)


def open_result(path: str | Path) -> xr.Dataset:
    """Return a result that was written as Zarr; its maps are read when they are used.

    Raises
    ------
    ValueError
        If the store is broken, or holds no labels.
    """
    path = Path(path)
    return _plain(_checked(path, _open_zarr(path), check_structure))


def _checked(
    path: Path, opened: xr.Dataset, check: Callable[[xr.Dataset], xr.Dataset]
) -> xr.Dataset:
    try:
        return check(opened)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _plain(result: xr.Dataset) -> xr.Dataset:
    """Return a result whose attributes have the types of Python again, not those of NumPy."""
    owners: list[Any] = [result, *result.variables.values()]
    for array in owners:
        array.attrs = {name: _simple(value) for name, value in array.attrs.items()}
    drop_encodings(result)
    return result


def _open_zarr(path: Path) -> xr.Dataset:
    """Open a Zarr store; its arrays are not in memory yet."""
    from .zarr import open_dataset

    return open_dataset(path)


def _open_netcdf(path: Path) -> xr.Dataset:
    """Open a NetCDF 4 file; its arrays are not in memory yet."""
    import h5py

    if path.is_dir():
        raise ValueError(
            f"{path} is a folder, but neither a Zarr store nor one with {RESULT} or "
            f"{RESULT_STORE}; give one that spectessera segment wrote, a .nc file or a .zarr"
        )
    check_regular(path)
    if not path.is_file():
        kind = "file" if path.suffix else "file or folder"
        raise FileNotFoundError(f"there is no {kind} {path}")
    if path.suffix.lower() not in (".nc", ".nc4") and not h5py.is_hdf5(path):
        raise ValueError(
            f"{path} is no result: give the folder that spectessera segment wrote, or the "
            "result.nc or result.zarr in it"
        )
    with reading_safely(path, "NetCDF"):
        with h5py.File(path) as file:
            is_netcdf = "_NCProperties" in file.attrs
            if is_netcdf and not isinstance(file.attrs["_NCProperties"], (str, bytes)):
                raise ValueError("_NCProperties is no text")
            _check_arrays(path, file)
        if is_netcdf:
            return xr.open_dataset(
                path, engine="h5netcdf", decode_times=False, decode_timedelta=False
            )
    raise ValueError(f"{path} is not a NetCDF 4 file; a result is read from .nc or .zarr")


def _check_arrays(path: Path, file: Any) -> None:
    """Raise ValueError if the arrays of a file are too large for it, or lie in other files."""
    import h5py

    for name in file:
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise FileRefused(f"{path}: {name!r} is a link; the arrays of a result are in its file")
        node = file[name]
        if isinstance(node, h5py.Dataset) and node.shape is not None:
            refuse_external(path, node)
            if node.is_virtual:
                raise FileRefused(f"{path}: {name!r} reads from other arrays; copy it whole")
            check_size(path, node, lazy=False)
            if not has_sound_scales(node):
                raise ValueError(f"the dimensions of {name!r} are damaged")


def _simple(value: Any) -> Any:
    """Return an attribute as a string or a number if it is one, else unchanged."""
    plain = plain_attribute(value)
    return value if plain is None else plain
