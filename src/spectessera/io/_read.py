"""Read a cube from a file of any format.

The format of a file is recognised by its first bytes; its suffix is used only if they say nothing.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.check import check_number
from spectessera.axis import Axis
from spectessera.cube import make_cube

from ._common import StoredCube, with_missing
from ._zarr_metadata import METADATA, is_store
from .envi import header_of, is_header


class Format(NamedTuple):
    """A format of files.

    Attributes
    ----------
    name : str
    suffixes : tuple of str
    reads : bool
        Whether cubes are read from it.
    writes : str
        What is written: "cube", "result", "cube, result" or "".
    """

    name: str
    suffixes: tuple[str, ...]
    reads: bool
    writes: str


FORMATS = (
    Format("HDF5", (".h5", ".hdf5", ".hdf", ".he5", ".nxs", ".hspy"), True, "cube, result"),
    Format("NetCDF", (".nc", ".nc4"), True, "cube, result"),
    Format("FITS", (".fits", ".fit", ".fts", ".fits.gz"), True, "cube, result"),
    Format("Zarr", (".zarr",), True, "cube, result"),
    Format("ENVI", (".hdr", ".img", ".dat", ".raw", ".bsq", ".bil", ".bip"), True, ""),
    Format("NPY", (".npy",), True, ""),
    Format("NPZ", (".npz",), True, ""),
    Format("PNG", (".png",), False, "result"),
)
# Format -> module and function; a module is imported when a file of its format is read.
_READERS = {
    "HDF5": ("hdf5", "read_hdf5"),
    "FITS": ("fits", "read_fits"),
    "Zarr": ("zarr", "read_zarr"),
    "ENVI": ("envi", "read_envi"),
    "NPY": ("npy", "read_npy"),
    "NPZ": ("npy", "read_npz"),
}
_HDF5_STARTS = (0, *[512 * 2**n for n in range(12)])  # a user block may come before


def formats() -> tuple[Format, ...]:
    """Return the formats that are read or written, with their suffixes."""
    return FORMATS


def read(
    path: str | Path,
    *,
    key: str | int | None = None,
    energy: Any = None,
    wavelength: Any = None,
    axis: Any = None,
    unit: str | None = None,
    medium: str = "",
    chunks: Any = None,
    missing: float | None = None,
    mask: Any = None,
) -> xr.DataArray:
    """Read a cube from a file.

    Parameters
    ----------
    path : str or Path
        An HDF5, NetCDF, FITS (also compressed by gzip), NPY or NPZ file, the folder of a Zarr
        store, or an ENVI header or the data file beside it.
    key : str or int, optional
        Which array of the file: the path of an HDF5 dataset or a Zarr array, the name or number
        of a FITS extension, the name of an array of an NPZ archive.
    energy, wavelength, axis : array (channel,), pair (first, last), or Axis
        The spectral axis, as in :func:`~spectessera.cube.make_cube`; replaces the file's own.
    unit, medium : str
        Unit and medium of that axis; without one, they replace those of the file's own axis.
    chunks : dict, int or "auto", optional
        ``{"y": 256, "x": 256}``, one number for both, or "auto": leave the data in the file and
        return a dask-backed cube. NPZ archives and FITS files compressed by gzip cannot be read in
        parts: all of the data are in memory then.
    missing : float, optional
        The number that marks missing values: it becomes NaN, and the values float32.
    mask : array (y, x) of bool, optional
        True where a pixel is left out; replaces the file's own mask.

    Returns
    -------
    xarray.DataArray (y, x, channel)
        With its spectral axis, and variance, mask and reference (y, x) if the file has them.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        If there is no such file, or it is a folder but not a Zarr store.
    ImportError
        If the format needs a package that is not installed.
    ValueError
        If the format is unknown, the file is broken, or it is not clear which array is meant.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "scan.npy"
    ...     np.save(path, np.ones((4, 6, 10)))
    ...     cube = read(path, energy=(0.5, 5.0))
    >>> dict(cube.sizes)
    {'y': 4, 'x': 6, 'channel': 10}
    """
    path = Path(path)
    module, function = _READERS[_format_of(path)]
    reader = getattr(import_module(f".{module}", __package__), function)
    stored: StoredCube = reader(path, key, chunks)
    axes = {"energy": energy, "wavelength": wavelength, "axis": axis}
    axis_arguments: dict[str, Any] = {k: v for k, v in axes.items() if v is not None}
    if axis_arguments:
        axis_arguments |= {"unit": unit, "medium": medium}
        stored.attrs.pop("axis_note", None)
    else:
        axis_arguments = _own_axis(path, stored, unit, medium)
    values, attrs = stored.values, stored.attrs
    if missing is not None:
        check_number("missing", missing)
        if values.dtype in (np.uint8, np.uint16):  # float32 does not show where they saturate
            attrs.setdefault("saturation", float(np.iinfo(values.dtype).max))
        values = with_missing(values, values == missing, np.float32)
    mask = stored.mask if mask is None else mask
    cube = make_cube(values, variance=stored.variance, mask=mask, attrs=attrs, **axis_arguments)
    return cube.assign_coords(stored.coords).rename(None)  # without the name of a dask array


def _own_axis(path: Path, stored: StoredCube, unit: str | None, medium: str) -> dict[str, Any]:
    """Return the axis of the file, as arguments of ``make_cube``."""
    instead = "give energy=, wavelength= or axis= to replace the file's own axis"
    if stored.axis_error:
        raise ValueError(f"{path}: {stored.axis_error}; {instead}")
    if stored.axis is None:
        return {"unit": unit, "medium": medium}
    arguments = dict(stored.axis)
    if unit is not None:
        arguments |= {"unit": unit, "kind": ""}
        stored.attrs.pop("axis_note", None)
    if medium:
        arguments["medium"] = medium
    try:
        return {"axis": Axis(**arguments)}
    except ValueError as error:
        raise ValueError(f"{path}: {error}; {instead}") from error


def _format_of(path: Path) -> str:
    """Return the name of the format of a file.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError, ValueError
        If it cannot be read at all, or its format is unknown.
    """
    if path.is_dir():
        if is_store(path):
            return "Zarr"
        raise IsADirectoryError(
            f"{path} is a folder but not a Zarr store (it has no zarr.json); give a file"
        )
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if not path.is_file():
        raise ValueError(f"{path} is a device or a pipe; give a file")
    try:
        stream = path.open("rb")
    except PermissionError as error:
        raise PermissionError(f"no permission to read {path}") from error
    with stream:
        start = stream.read(512)
        name = "ENVI" if header_of(path) else _by_content(path, start)
        for place in _HDF5_STARTS if name is None else ():
            stream.seek(place)
            if stream.read(8) == b"\x89HDF\r\n\x1a\n":
                name = "HDF5"
                break
    if not start:
        raise ValueError(f"{path} is empty (0 bytes)")
    if name is None:
        raise ValueError(_unknown(path, start))
    return name


def _unknown(path: Path, start: bytes) -> str:
    """Return the message about a file of unknown format."""
    known = ", ".join(f"{one.name} ({' '.join(one.suffixes)})" for one in FORMATS if one.reads)
    named = [one.name for one in FORMATS if one.reads and path.name.lower().endswith(one.suffixes)]
    if named == ["ENVI"] and path.suffix.lower() != ".hdr":
        return (
            f"{path} has no ENVI header beside it ({path.name}.hdr or {path.stem}.hdr), and is of "
            f"no other known format; cubes are read from: {known}"
        )
    if named:
        return (
            f"{path} is named like {named[0]} but is not: it begins with {start[:16]!r}; it may be "
            "damaged, or of another format"
        )
    return f"the format of {path} is not known; cubes are read from: {known}"


def _by_content(path: Path, start: bytes) -> str | None:
    """Return the format that the first bytes of a file are of, or None."""
    if start.startswith(b"SIMPLE  ="):
        return "FITS"
    if start.startswith(b"\x93NUMPY"):
        return "NPY"
    if is_header(start):
        return "ENVI"
    if start.startswith(b"\x1f\x8b"):
        return _inside_gzip(path)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _inside_zip(path)
    return None


def _inside_gzip(path: Path) -> str | None:
    """Return FITS if a gzip file holds one, else None."""
    try:
        with gzip.open(path) as stream:
            return "FITS" if stream.read(9) == b"SIMPLE  =" else None
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is a damaged gzip file: {error}") from error


def _inside_zip(path: Path) -> str | None:
    """Return NPZ if a ZIP archive is one, else None."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is a damaged ZIP (NPZ) archive: {error}") from error
    if any(name.rpartition("/")[2] in METADATA for name in names):
        raise ValueError(f"{path} is a Zarr store in a ZIP archive; unpack it and give the folder")
    arrays = any(name.endswith(".npy") for name in names)
    return "NPZ" if arrays or path.suffix.lower() == ".npz" else None
