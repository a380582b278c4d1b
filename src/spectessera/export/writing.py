"""Write cubes and results: the suffix gives the format, that of another program perhaps."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from spectessera.io import write as write_by_suffix

from .formats import FORMATS, export_result
from .georeference import georeference_of

_OF_IO = ("fits", "hspy", "png")  # formats that spectessera.io writes by their suffix


def write(thing: xr.DataArray | xr.Dataset, path: str | Path, overwrite: bool = True) -> None:
    """Write a cube, a result of a segmentation or maps of pixels to a file.

    Parameters
    ----------
    thing : DataArray (y, x, channel), Dataset with label (y, x), or maps
        Maps are Datasets whose attribute ``content`` ends with "maps".
    path : str or Path
        The suffix gives the format. For all: ``.nc`` (NetCDF), ``.h5`` (HDF5) and ``.zarr`` (a
        folder), which keep everything. For cubes and results: ``.fits`` and ``.hspy`` (HyperSpy).
        For a result also ``.png`` (a picture of the label map) and the formats of
        :func:`spectessera.export.export_result`: ``.csv`` (mean spectra), ``.tif`` (a GeoTIFF where
        the result is on a map, else a TIFF for ImageJ), ``.gpkg`` (polygons), ``.img`` (classes of
        ENVI, with a header), ``.zip`` (regions of ImageJ), ``.npy``, ``.npz``, ``.svg`` and
        ``.pdf`` (the figure of the clusters).
    overwrite : bool
        False: raise if the file exists already. A folder is only replaced if everything in it
        belongs to a Zarr store.

    Raises
    ------
    TypeError
        If it is neither a cube nor a result, or has attributes that are not strings or numbers.
    ValueError
        If the format is unknown, or cannot hold what is to be written.
    ImportError
        If a package is missing that the format needs.
    FileExistsError
        If the file exists and ``overwrite`` is False, or it is a folder but not a Zarr store.
    FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError
        If nothing can be written there.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import spectessera as spt
    >>> cube = spt.make_cube(np.ones((4, 6, 10)), energy=(0.5, 5.0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     spt.write(cube, Path(folder) / "scan.h5")
    ...     again = spt.read(Path(folder) / "scan.h5")
    >>> again.equals(cube)
    True
    """
    path = Path(path)
    name = _format_of(thing, path)
    if name is None:
        write_by_suffix(thing, path, overwrite)
        return
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file")
    export_result(thing, path, name, overwrite=overwrite)  # type: ignore[arg-type]  # a result


def _format_of(thing: xr.DataArray | xr.Dataset, path: Path) -> str | None:
    """Return the format of a result for other programs; None where the room io writes it."""
    is_result = isinstance(thing, xr.Dataset) and "label" in thing.data_vars
    suffix = path.suffix.lower()
    if not is_result or str(thing.attrs.get("content", "")).endswith("maps"):
        return None
    if suffix in (".tif", ".tiff"):
        placed = georeference_of(thing) is not None  # type: ignore[arg-type]  # a result
        return "geotiff" if placed else "tiff"
    names = [n for n, each in FORMATS.items() if each.suffix == suffix and n not in _OF_IO]
    return names[0] if names else None
