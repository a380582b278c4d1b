"""The formats of files, and which of them a file is.

The format of a file is recognised by its first bytes; its suffix is used only if they say nothing.
"""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import NamedTuple

from spectessera._util.reading import reading

from ._envi_header import is_header
from ._texttable import is_text
from ._zarr_metadata import METADATA, is_store
from .edf import edf_files, is_edf
from .envi import header_of
from .matlab import is_matlab
from .ripple import ripple_header
from .text import SUFFIXES
from .vendor import MODULES, is_velox


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
    Format("HDF5", (".h5", ".hdf5", ".hdf", ".he5", ".nxs"), True, "cube, result"),
    Format("HyperSpy", (".hspy",), True, "cube, result"),
    Format("NetCDF", (".nc", ".nc4"), True, "cube, result"),
    Format("FITS", (".fits", ".fit", ".fts", ".fits.gz"), True, "cube, result"),
    Format("Zarr", (".zarr",), True, "cube, result"),
    Format("ENVI", (".hdr", ".img", ".dat", ".raw", ".bsq", ".bil", ".bip"), True, ""),
    Format("ripple", (".rpl", ".raw"), True, ""),
    Format("EDF", (".edf",), True, ""),
    Format("TIFF", (".tif", ".tiff"), True, ""),
    Format("MATLAB", (".mat",), True, ""),
    Format("vendor", tuple(MODULES), True, ""),
    Format("text", SUFFIXES, True, ""),
    Format("NPY", (".npy",), True, ""),
    Format("NPZ", (".npz",), True, ""),
    Format("PNG", (".png",), False, "result"),
)
# Format -> module and function; a module is imported when a file of its format is read.
READERS = {
    "HDF5": ("hdf5", "read_hdf5"),
    "NetCDF": ("netcdf3", "read_netcdf3"),
    "FITS": ("fits", "read_fits"),
    "Zarr": ("zarr", "read_zarr"),
    "ENVI": ("envi", "read_envi"),
    "ripple": ("ripple", "read_ripple"),
    "EDF": ("edf", "read_edf"),
    "TIFF": ("tiff", "read_tiff"),
    "MATLAB": ("matlab", "read_matlab"),
    "vendor": ("vendor", "read_vendor"),
    "text": ("text", "read_text"),
    "NPY": ("npy", "read_npy"),
    "NPZ": ("npy", "read_npz"),
}
# Of both orders of bytes, and of files larger than 4 GiB.
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HDF5_STARTS = (0, *[512 * 2**n for n in range(12)])  # a user block may come before


def formats() -> tuple[Format, ...]:
    """Return the formats that are read or written, with their suffixes."""
    return FORMATS


def format_of(path: Path) -> str:
    """Return the name of the format of a file.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError, ValueError
        If it cannot be read at all, or its format is unknown.
    """
    if path.is_dir():
        if is_store(path):
            return "Zarr"
        if edf_files(path):
            return "EDF"
        raise IsADirectoryError(
            f"{path} is a folder but not a Zarr store (it has no zarr.json), nor are there EDF "
            "files (.edf) in it; give a file"
        )
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if not path.is_file():
        raise ValueError(f"{path} is a device or a pipe; give a file")
    try:
        stream = path.open("rb")
    except PermissionError as error:
        raise PermissionError(f"no permission to read {path}") from error
    with stream, reading(path, "any format"):
        start = stream.read(512)
        name = _by_neighbour(path) or _by_content(path, start)
        for place in _HDF5_STARTS if name is None else ():
            stream.seek(place)
            if stream.read(8) == b"\x89HDF\r\n\x1a\n":
                name = "HDF5"
                break
    if not start:
        raise ValueError(f"{path} is empty (0 bytes)")
    suffix = path.suffix.lower()
    if suffix in MODULES and (name is None or (name == "HDF5" and is_velox(path))):
        return "vendor"
    if name is None and suffix in SUFFIXES and is_text(start):
        return "text"
    if name is None and suffix == ".mat":
        return "MATLAB"  # of version 4, which begins with numbers
    if name is None:
        raise ValueError(_unknown(path, start))
    return name


def _unknown(path: Path, start: bytes) -> str:
    """Return the message about a file of unknown format."""
    known = ", ".join(f"{one.name} ({' '.join(one.suffixes)})" for one in FORMATS if one.reads)
    named = [one.name for one in FORMATS if one.reads and path.name.lower().endswith(one.suffixes)]
    if "ENVI" in named and path.suffix.lower() != ".hdr":
        return (
            f"{path} has no ENVI header beside it ({path.name}.hdr or {path.stem}.hdr) and no "
            f"ripple header ({path.stem}.rpl), and is of no other known format; cubes are read "
            f"from: {known}"
        )
    if "text" in named:
        words = start.split(b"\n")[0].decode("utf-8", "replace").strip()
        return f"{path} holds no table of numbers: it begins with {words[:40]!r}"
    if named:
        return (
            f"{path} is named like {named[0]} but is not: it begins with {start[:16]!r}; it may be "
            "damaged, or of another format"
        )
    return f"the format of {path} is not known; cubes are read from: {known}"


def _by_neighbour(path: Path) -> str | None:
    """Return the format of a file of plain numbers, from the header beside it, or None."""
    if header_of(path):
        return "ENVI"
    return "ripple" if ripple_header(path) else None


def _by_content(path: Path, start: bytes) -> str | None:
    """Return the format that the first bytes of a file are of, or None."""
    if start.startswith(b"SIMPLE  ="):
        return "FITS"
    if start.startswith((b"CDF\x01", b"CDF\x02")):
        return "NetCDF"
    if start.startswith(b"\x93NUMPY"):
        return "NPY"
    if is_header(start):
        return "ENVI"
    if is_matlab(start):
        return "MATLAB"
    if start.startswith(TIFF):
        return "TIFF"
    if is_edf(start):
        return "EDF"
    if start.startswith(b"\x1f\x8b"):
        return _inside_gzip(path)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _inside_zip(path)
    return None


def _inside_gzip(path: Path) -> str | None:
    """Return FITS if a gzip file holds one, else None."""
    with reading(path, "gzip"), gzip.open(path) as stream:
        return "FITS" if stream.read(9) == b"SIMPLE  =" else None


def _inside_zip(path: Path) -> str | None:
    """Return NPZ if a ZIP archive is one, else None."""
    with reading(path, "ZIP (NPZ)"), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.rpartition("/")[2] in METADATA for name in names):
        raise ValueError(f"{path} is a Zarr store in a ZIP archive; unpack it and give the folder")
    arrays = any(name.endswith(".npy") for name in names)
    return "NPZ" if arrays or path.suffix.lower() == ".npz" else None
