"""Write cubes and results: the suffix gives the format; a file is written completely or not at all.

The labels of a result stay integers in every format: with a fill value, other programs would read
them as floats.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from spectessera._util.files import atomic, atomic_folder, check_file_place, check_folder_place
from spectessera._util.writing import hdf5_sink
from spectessera.axis import KINDS
from spectessera.colours import paint
from spectessera.cube import DIMS, check_cube, spectral_axis
from spectessera.result import check_result, palette

from ._common import CREATOR, DEFAULT, drop_encodings, plain_attribute, stored_attribute
from ._fits_coordinates import EXTENSIONS
from ._fits_maps import write_maps_fits
from ._fits_writer import CARDS, write_cube_fits, write_result_fits
from ._hdf5_writer import tiles_of, write_hdf5
from ._hspy_writer import write_cube_hspy, write_result_hspy
from ._zarr_writer import check_replaceable, write_zarr

PNG_SIDE = 512  # pixels, the least length of the longer side of a picture
# Attributes that a FITS file needs not hold: its reader finds them anew.
NEW_FILE = ("source", "wcs", "saturation")
MEMORY = 2**28  # bytes of blocks that are computed and written at the same time
Kind = Literal["cube", "result", "maps"]
COPIES = 3  # of a block in memory: as read, in the order of the file, compressed


def write(thing: xr.DataArray | xr.Dataset, path: str | Path, overwrite: bool = True) -> None:
    """Write a cube, a result of a segmentation or maps of pixels to a file.

    Parameters
    ----------
    thing : DataArray (y, x, channel), Dataset with label (y, x), or maps
        Maps are Datasets whose attribute ``content`` ends with "maps".
    path : str or Path
        The suffix gives the format. For both: ``.nc`` (NetCDF), ``.h5`` (HDF5), ``.zarr`` (a
        folder), ``.fits`` (a cube with its variance and mask; a label map with its confidence and a
        table of names and colours), ``.hspy`` (HyperSpy: a cube; the maps and the mean spectra).
        For a result: ``.png`` (a picture of the label map). ``.nc``, ``.h5`` and ``.zarr`` keep
        everything, and ``.hspy`` everything of a cube. For maps: ``.nc``, ``.h5``, ``.zarr``, and
        ``.fits`` (an image extension for every map, such as FLUX_OIII_5007, with the coordinates on
        the sky). A lazy cube is written block by block.
    overwrite : bool
        False: raise if the file exists already. A folder is only replaced if everything in it
        belongs to a Zarr store.

    Raises
    ------
    TypeError
        If it is neither a cube nor a result, or has attributes that are not strings or numbers.
    ValueError
        If the format is unknown, or cannot hold what is to be written.
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
    ...     write(cube, Path(folder) / "scan.h5")
    ...     again = spt.read(Path(folder) / "scan.h5")
    >>> again.equals(cube)
    True
    """
    path = Path(path)
    kind, checked = _checked(thing)
    check_destination(path, overwrite, kind)
    checked = _plain_attributes(checked)
    suffix = _suffix(path, kind)
    folder = suffix == ".zarr"
    place = atomic_folder(path, check_replaceable) if folder else atomic(path)
    with place as temporary, _few_threads(checked):
        _WRITERS[kind][suffix](checked, temporary)


def _checked(thing: xr.DataArray | xr.Dataset) -> tuple[Kind, Any]:
    """Return what is to be written, and of which kind it is."""
    if not isinstance(thing, xr.Dataset):
        return "cube", check_cube(thing)
    if str(thing.attrs.get("content", "")).endswith("maps"):
        return "maps", thing
    return "result", check_result(thing)


def check_destination(path: str | Path, overwrite: bool = True, kind: Kind = "cube") -> None:
    """Raise, before any work, the errors of :func:`write` for this path.

    Parameters
    ----------
    path : str or Path
        Destination.
    overwrite : bool
        False: raise if the file exists already.
    kind : "cube", "result" or "maps"
        What is to be written; they have different formats.

    Raises
    ------
    ValueError
        If the suffix is not that of a format for this kind, or there is no such kind.
    FileExistsError
        If the file exists and ``overwrite`` is False, or it is a folder but not a Zarr store.
    FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError
        If nothing can be written there.
    """
    path = Path(path)
    suffix = _suffix(path, kind)
    if not overwrite and path.exists():
        raise FileExistsError(f"{path} exists; give overwrite=True (--overwrite) or another name")
    if suffix == ".zarr":
        check_folder_place(path, check_replaceable)
    else:
        check_file_place(path)


def _suffix(path: Path, kind: str) -> str:
    """Return the suffix of a format."""
    if kind not in _WRITERS:
        raise ValueError(f'kind must be "cube", "result" or "maps"; got {kind!r}')
    for suffix in _WRITERS[kind]:
        if path.name.lower().endswith(suffix):
            return suffix
    known = ", ".join(_WRITERS[kind])
    what = "maps are" if kind == "maps" else f"a {kind} is"
    raise ValueError(f"{what} written as one of {known}; got {path.name!r}")


def _plain_attributes(thing: Any) -> Any:
    """Return a copy whose attributes are strings and numbers, without encoding."""
    thing = thing.copy(deep=False)
    drop_encodings(thing)
    variables = thing.variables if isinstance(thing, xr.Dataset) else thing.coords
    for owner in (thing, *[thing[name] for name in variables]):
        for name, value in owner.attrs.items():
            if plain_attribute(value) is None:
                raise TypeError(
                    f"attribute {name!r} must be a string or a number to be written to a file; got "
                    f"{type(value).__name__}; json.dumps turns it into a string"
                )
    thing.attrs = {name: stored_attribute(value) for name, value in thing.attrs.items()}
    return thing


def written_coordinates(cube: xr.DataArray) -> list[str]:
    """Return the names of the coordinates of a cube that are written, beside its axis.

    Those of numbers along its dimensions: variance, mask, reference, live times and others.
    """
    return [
        str(name)
        for name, each in cube.coords.items()
        if each.dtype.kind in "biuf" and each.ndim and set(each.dims) <= set(DIMS)
        and name not in KINDS
    ]  # fmt: skip


def left_out(cube: xr.DataArray, path: str | Path) -> list[str]:
    """Return the names of what is known of a cube and has no place in the format of a path.

    These are coordinates and, of FITS, attributes. How the file was read is not counted.
    """
    kept = {*KINDS, *written_coordinates(cube)}
    attributes: list[str] = []
    if Path(path).name.lower().endswith((".fits", ".fits.gz")):
        kept = {*KINDS, "variance", "mask", *EXTENSIONS}
        attributes = [
            str(name) for name in cube.attrs
            if name not in {*CARDS, *NEW_FILE} and not str(name).endswith("_from")
        ]  # fmt: skip
    return sorted([str(name) for name in cube.coords if name not in kept] + attributes)


@contextmanager
def _few_threads(thing: xr.DataArray | xr.Dataset) -> Iterator[None]:
    """Let Dask compute no more blocks at a time than fit into :data:`MEMORY`."""
    import dask

    variables = thing.variables.values() if isinstance(thing, xr.Dataset) else [thing.variable]
    blocks = [
        math.prod(max(sizes) for sizes in each.chunks) * each.dtype.itemsize
        for each in variables
        if each.chunks is not None
    ]
    if not blocks or dask.config.get("scheduler", None) is not None:
        yield
        return
    threads = max(1, min(os.cpu_count() or 1, MEMORY // (COPIES * max(blocks))))
    with ThreadPoolExecutor(threads) as pool, dask.config.set(pool=pool):
        yield


# --- NetCDF -------------------------------------------------------------------------------------


def _cube_nc(cube: xr.DataArray, path: Path) -> None:
    """Write a cube as NetCDF."""
    kept = [spectral_axis(cube).kind, *written_coordinates(cube)]
    cube = cube.drop_vars([name for name in cube.coords if name not in kept])
    tiles = {"zlib": True, "complevel": 1, "shuffle": True}
    data = cube.to_dataset(name=DEFAULT)
    data.attrs["creator"] = CREATOR
    names = [name for name in (DEFAULT, "variance") if name in data]
    _to_netcdf(
        data, path, {one: tiles | {"chunksizes": tiles_of(data[one].variable)} for one in names}
    )


def _result_nc(result: xr.Dataset, path: Path) -> None:
    """Write a result as NetCDF."""
    _to_netcdf(result, path, {})


def _to_netcdf(data: xr.Dataset, path: Path, encoding: dict[str, dict[str, Any]]) -> None:
    """Write a Dataset; no variable gets a fill value, so that integers stay integers."""
    for name, variable in data.variables.items():
        if variable.dtype == np.float16:
            raise ValueError(f"NetCDF has no float16: give {name!r} as float32, or write .h5")
    encodings = {str(n): {"_FillValue": None, **encoding.get(str(n), {})} for n in data.variables}
    with hdf5_sink(path) as sink:
        data.to_netcdf(sink, engine="h5netcdf", encoding=encodings)


# --- HDF5 ---------------------------------------------------------------------------------------


def _cube_h5(cube: xr.DataArray, path: Path) -> None:
    """Write a cube as HDF5: the dataset ``img``, as in the files of LABEC, and its axis."""
    axis = spectral_axis(cube)
    variables = {DEFAULT: cube.variable}
    if axis.kind in cube.coords:
        variables["axis"] = cube.coords[axis.kind].variable
    variables |= {name: cube.coords[name].variable for name in written_coordinates(cube)}
    write_hdf5(variables, {}, path)


def _cube_hspy(cube: xr.DataArray, path: Path) -> None:
    """Write a cube in the format of HyperSpy."""
    write_cube_hspy(cube, path, written_coordinates(cube))


def _result_h5(result: xr.Dataset, path: Path) -> None:
    """Write a result as HDF5: one dataset for every variable and coordinate."""
    write_hdf5({str(n): v for n, v in result.variables.items()}, result.attrs, path)


# --- Zarr ---------------------------------------------------------------------------------------


def _cube_zarr(cube: xr.DataArray, path: Path) -> None:
    """Write a cube as Zarr: the array ``img``, and its axis."""
    kept = [spectral_axis(cube).kind, *written_coordinates(cube)]
    coords = {name: cube.coords[name].variable for name in kept if name in cube.coords}
    write_zarr({DEFAULT: cube.variable}, coords, {}, path)


def _result_zarr(result: xr.Dataset, path: Path) -> None:
    """Write a result as Zarr: one array for every variable and coordinate."""
    data = {str(name): result[name].variable for name in result.data_vars}
    coords = {str(name): result[name].variable for name in result.coords}
    write_zarr(data, coords, result.attrs, path)


# --- PNG ----------------------------------------------------------------------------------------


def _result_png(result: xr.Dataset, path: Path) -> None:
    """Write a picture of the label map, in which every pixel is a square."""
    from PIL import Image

    label = result["label"].transpose("y", "x").values
    picture = paint(label, palette(result, int(label.max(initial=0))))
    factor = -(-PNG_SIDE // max(picture.shape[:2]))
    picture = picture.repeat(factor, axis=0).repeat(factor, axis=1)
    Image.fromarray(picture).save(path, format="PNG")


_WRITERS: dict[str, dict[str, Callable[[Any, Path], None]]] = {
    "cube": {
        ".nc": _cube_nc,
        ".h5": _cube_h5,
        ".hdf5": _cube_h5,
        ".zarr": _cube_zarr,
        ".hspy": _cube_hspy,
        ".fits": write_cube_fits,
        ".fits.gz": write_cube_fits,
    },
    "result": {
        ".nc": _result_nc,
        ".h5": _result_h5,
        ".hdf5": _result_h5,
        ".zarr": _result_zarr,
        ".fits": write_result_fits,
        ".fits.gz": write_result_fits,
        ".hspy": write_result_hspy,
        ".png": _result_png,
    },
    "maps": {
        ".nc": _result_nc,
        ".h5": _result_h5,
        ".hdf5": _result_h5,
        ".zarr": _result_zarr,
        ".fits": write_maps_fits,
        ".fits.gz": write_maps_fits,
    },
}
