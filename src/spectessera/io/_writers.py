"""Write cubes and results: the suffix tells the format; a file is written whole or not at all.

The labels of a result stay integers in every format: a fill value would make floats of them in
the hands of other programs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from spectessera._util.files import atomic, atomic_folder, check_file_place, check_folder_place
from spectessera.axis import Axis
from spectessera.colours import paint
from spectessera.cube import DIMS, check_cube, spectral_axis
from spectessera.result import VARIABLES, check_result

from ._common import plain, stored
from ._companions import CREATOR, DEFAULT
from ._wcs import FITS_UNIT
from ._zarr_writer import check_replaceable, write_zarr

TILE_BYTES = 2**20  # size of the tiles that a cube is compressed by
PNG_SIDE = 512  # pixels, the least length of the longer side of a picture
BESIDE = ("variance", "mask", "reference", "y", "x")  # coordinates of a cube that are kept
CTYPE = {
    "energy": "ENER",
    "energy_loss": "ENER",
    "wavelength": "WAVE",
    "wavenumber": "WAVN",
    "frequency": "FREQ",
    "velocity": "VELO",
    "channel": "CHANNEL",
}
EVEN = 1e-4  # of a step: how far channels may be from even steps to count as even
CARDS = {"unit": "BUNIT", "object": "OBJECT", "instrument": "INSTRUME", "telescope": "TELESCOP"}


def write(thing: xr.DataArray | xr.Dataset, path: str | Path, overwrite: bool = True) -> None:
    """Write a cube or a result of a segmentation to a file.

    Parameters
    ----------
    thing : DataArray (y, x, channel), or Dataset with label (y, x)
    path : str or Path
        The suffix tells the format. Of both: ``.nc`` (NetCDF), ``.h5`` (HDF5), ``.zarr`` (a
        folder, written block by block), ``.fits`` (a cube with its variance, where its axis has
        even steps; a label map with its confidence). Of a result: ``.png`` (a picture of the
        label map). ``.nc``, ``.h5`` and ``.zarr`` keep everything.
    overwrite : bool
        False: raise if the file exists already. A folder is only ever replaced if all that is in
        it belongs to a Zarr store.

    Raises
    ------
    TypeError
        If it is neither a cube nor a result, or has attributes that are not strings or numbers.
    ValueError
        If the format is not known, or cannot hold what is to be written.
    FileExistsError
        If the file exists and ``overwrite`` is False, or it is a folder that is no Zarr store.
    FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError
        If nothing can be written there.
    """
    path = Path(path)
    checked: Any = check_result(thing) if isinstance(thing, xr.Dataset) else check_cube(thing)
    kind: Literal["cube", "result"] = "result" if isinstance(thing, xr.Dataset) else "cube"
    check_destination(path, overwrite, kind)
    checked = _plain_attributes(checked)
    suffix = _suffix(path, kind)
    folder = suffix == ".zarr"
    with atomic_folder(path, check_replaceable) if folder else atomic(path) as temporary:
        _WRITERS[kind][suffix](checked, temporary)


def check_destination(
    path: str | Path, overwrite: bool = True, kind: Literal["cube", "result"] = "cube"
) -> None:
    """Raise what :func:`write` would raise for this path; to be called before hours of work.

    Parameters
    ----------
    path : str or Path
        Where a cube or a result shall be written.
    overwrite : bool
        False: raise if the file exists already.
    kind : "cube" or "result"
        What shall be written; the formats of both are not the same.

    Raises
    ------
    ValueError
        If the suffix is not that of a format for this kind, or there is no such kind.
    FileExistsError
        If the file exists and ``overwrite`` is False, or it is a folder that is no Zarr store.
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
    """Return the suffix that tells the format."""
    if kind not in _WRITERS:
        raise ValueError(f'kind must be "cube" or "result"; got {kind!r}')
    for suffix in _WRITERS[kind]:
        if path.name.lower().endswith(suffix):
            return suffix
    known = ", ".join(_WRITERS[kind])
    raise ValueError(f"a {kind} is written as one of {known}; got {path.name!r}")


def _plain_attributes(thing: Any) -> Any:
    """Return a copy whose attributes are strings and numbers, and whose encoding is forgotten."""
    thing = thing.copy(deep=False).drop_encoding()
    variables = thing.variables if isinstance(thing, xr.Dataset) else thing.coords
    for owner in (thing, *[thing[name] for name in variables]):
        for name, value in owner.attrs.items():
            if plain(value) is None:
                raise TypeError(
                    f"attribute {name!r} must be a string or a number to be kept in a file; got "
                    f"{type(value).__name__}; json.dumps makes a string of it"
                )
    thing.attrs = {name: stored(value) for name, value in thing.attrs.items()}
    return thing


def _tiles(variable: xr.Variable) -> tuple[int, ...]:
    """Return the shape of tiles of about 1 MiB that hold whole spectra.

    They divide the blocks of what is lazy, so that each is compressed once.
    """
    shape = variable.shape
    blocks = variable.chunks or tuple((size,) for size in shape)
    room = max(1, TILE_BYTES // (shape[2] * variable.dtype.itemsize))  # pixels
    first, second = sorted((0, 1), key=lambda axis: len(blocks[axis]) == 1)  # the bound one first
    sides = [math.isqrt(room)] * 2
    sides[first] = _side(blocks[first], sides[first])
    sides[second] = _side(blocks[second], room // sides[first])
    sides[first] = _side(blocks[first], room // sides[second])  # longer, where the other is short
    return (*sides, shape[2])


def _side(blocks: tuple[int, ...], wanted: int) -> int:
    """Return a length near the wanted one that divides all blocks but the last.

    Where none is near, the blocks are large and have odd sizes: tiles on their edges, which are
    few, are compressed twice then.
    """
    wanted = max(1, min(wanted, sum(blocks)))
    if len(blocks) == 1:
        return wanted
    shared = math.gcd(*blocks[:-1])
    fitting = [n for n in range(1, shared + 1) if shared % n == 0]
    found = min(fitting, key=lambda n: max(n, wanted) / min(n, wanted))
    near = wanted <= 4 * found and found <= 4 * wanted
    return found if near or max(blocks) < 4 * wanted else wanted


def _beside(cube: xr.DataArray) -> list[str]:
    """Return the names of the coordinates of a cube that go into its file."""
    return [name for name in BESIDE if name in cube.coords]


# --- NetCDF -------------------------------------------------------------------------------------


def _cube_nc(cube: xr.DataArray, path: Path) -> None:
    """Write a cube as NetCDF."""
    kept = [spectral_axis(cube).kind, *_beside(cube)]
    cube = cube.drop_vars([name for name in cube.coords if name not in kept])
    tiles = {"zlib": True, "complevel": 1, "shuffle": True}
    data = cube.to_dataset(name=DEFAULT)
    data.attrs["creator"] = CREATOR
    names = [name for name in (DEFAULT, "variance") if name in data]
    _to_netcdf(
        data, path, {one: tiles | {"chunksizes": _tiles(data[one].variable)} for one in names}
    )


def _result_nc(result: xr.Dataset, path: Path) -> None:
    """Write a result as NetCDF."""
    _to_netcdf(result, path, {})


def _to_netcdf(data: xr.Dataset, path: Path, encoding: dict[str, dict[str, Any]]) -> None:
    """Write a Dataset; no variable gets a fill value, so that integers stay integers."""
    for name, variable in data.variables.items():
        if variable.dtype == np.float16:
            raise ValueError(f"NetCDF has no float16: give {name!r} as float32, or write .h5")
    every = {str(n): {"_FillValue": None, **encoding.get(str(n), {})} for n in data.variables}
    data.to_netcdf(path, engine="h5netcdf", encoding=every)


# --- HDF5 ---------------------------------------------------------------------------------------


def _cube_h5(cube: xr.DataArray, path: Path) -> None:
    """Write a cube as HDF5: the dataset ``img`` as LABEC has it, and its axis beside it."""
    axis = spectral_axis(cube)
    variables = {DEFAULT: cube.variable}
    if axis.kind in cube.coords:
        variables["axis"] = cube.coords[axis.kind].variable
    variables |= {name: cube.coords[name].variable for name in _beside(cube)}
    _to_hdf5(variables, {}, path)


def _result_h5(result: xr.Dataset, path: Path) -> None:
    """Write a result as HDF5: one dataset for every variable and coordinate."""
    _to_hdf5({str(n): v for n, v in result.variables.items()}, result.attrs, path)


def _to_hdf5(variables: dict[str, xr.Variable], attrs: dict[str, Any], path: Path) -> None:
    """Write variables as datasets; the names of their axes are the labels of dimensions."""
    import dask.array as da
    import h5py

    lazy: list[tuple[Any, Any]] = []
    with h5py.File(path, "w") as file:
        file.attrs.update({**attrs, "creator": CREATOR})
        for name, variable in variables.items():
            options: dict[str, Any] = {}
            dtype = variable.dtype if variable.dtype.kind in "biuf" else h5py.string_dtype()
            if variable.ndim == 3 and variable.size:
                options = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
                options["chunks"] = _tiles(variable)
            dataset = file.create_dataset(name, variable.shape, dtype, **options)
            if variable.chunks is not None:
                lazy.append((variable.data, dataset))
            elif variable.dtype.kind in "biuf":
                dataset[...] = variable.values
            else:
                dataset[...] = variable.values.astype(object)
            dataset.attrs.update({k: stored(v) for k, v in variable.attrs.items()})
            for number, dim in enumerate(variable.dims):
                dataset.dims[number].label = str(dim)
        if lazy:  # all at once: what they share is computed once
            da.store([one for one, _ in lazy], [dataset for _, dataset in lazy], lock=True)


# --- Zarr ---------------------------------------------------------------------------------------


def _cube_zarr(cube: xr.DataArray, path: Path) -> None:
    """Write a cube as Zarr: the array ``img``, and its axis beside it."""
    kept = [spectral_axis(cube).kind, *_beside(cube)]
    coords = {name: cube.coords[name].variable for name in kept if name in cube.coords}
    write_zarr({DEFAULT: cube.variable}, coords, {}, path)


def _result_zarr(result: xr.Dataset, path: Path) -> None:
    """Write a result as Zarr: one array for every variable and coordinate."""
    data = {str(name): result[name].variable for name in result.data_vars}
    coords = {str(name): result[name].variable for name in result.coords}
    write_zarr(data, coords, result.attrs, path)


# --- FITS ---------------------------------------------------------------------------------------


def _cube_fits(cube: xr.DataArray, path: Path) -> None:
    """Write a cube as FITS: DATA, STAT (the variance) and MASK; all of it is in memory."""
    from astropy.io import fits

    header = _sky(cube.attrs.get("wcs"))
    header.update(_spectral_cards(spectral_axis(cube)))
    for name, card in CARDS.items():
        if name in cube.attrs:
            header[card] = str(cube.attrs[name])
    hdus = [_primary(), fits.ImageHDU(_fits_array(cube), header, name="DATA")]
    if "variance" in cube.coords:
        variance = _fits_array(cube.coords["variance"].transpose(*DIMS))
        hdus.append(fits.ImageHDU(variance, header, name="STAT"))
    if "mask" in cube.coords:
        mask = cube.coords["mask"].transpose("y", "x").values.astype(np.uint8)
        hdus.append(fits.ImageHDU(mask, _sky(cube.attrs.get("wcs")), name="MASK"))
    fits.HDUList(hdus).writeto(path)


def _result_fits(result: xr.Dataset, path: Path) -> None:
    """Write the maps that have a FITS extension in the schema, for DS9 and QGIS."""
    from astropy.io import fits

    hdus = [_primary()]
    for each in [each for each in VARIABLES.values() if each.fits and each.name in result]:
        header, dtype = _sky(result.attrs.get("wcs")), each.dtype
        values = result[each.name].transpose(*each.dims).values
        if each.name == "label":
            most = int(values.max(initial=0))
            clusters = result.sizes.get("cluster", most)
            header["NCLUSTER"] = (clusters, "labels are 1 to this; 0 = masked")
            dtype = "int16" if most <= np.iinfo(np.int16).max else dtype
        hdus.append(fits.ImageHDU(values.astype(dtype), header, name=each.fits))
    fits.HDUList(hdus).writeto(path)


def _primary() -> Any:
    """Return the first part of a FITS file, which says who made it."""
    from astropy.io import fits

    from spectessera._version import __version__

    hdu = fits.PrimaryHDU()
    hdu.header["CREATOR"] = f"{CREATOR} {__version__}"
    return hdu


def _sky(wcs: Any) -> Any:
    """Return a FITS header with the WCS of the image, which was kept as text."""
    from astropy.io import fits

    if not wcs:
        return fits.Header()
    return fits.Header.fromstring(str(wcs), sep="\n")


def _spectral_cards(axis: Axis) -> dict[str, Any]:
    """Return the cards of the third axis.

    Raises
    ------
    ValueError
        If its steps are not even.
    """
    steps = np.diff(axis.values)
    step = float(steps.mean()) if len(steps) else 1.0
    even = axis.values[0] + step * np.arange(len(axis))
    if np.abs(axis.values - even).max() > EVEN * abs(step):
        raise ValueError(
            f"the {axis.kind} axis does not have even steps, which FITS cannot tell; write a "
            ".nc or .h5 file instead, or bring the cube to even steps"
        )
    air = axis.kind == "wavelength" and axis.medium == "air"
    return {
        "WCSAXES": 3,
        "CTYPE3": "AWAV" if air else CTYPE[axis.kind],
        "CUNIT3": FITS_UNIT.get(axis.unit, axis.unit),
        "CRPIX3": 1.0,
        "CRVAL3": float(axis.values[0]),
        "CDELT3": step,
        "AXISKIND": (axis.kind, "kind of the spectral axis"),
        "MEDIUM": (axis.medium or "unknown", "of the wavelengths: air or vacuum"),
    }


def _fits_array(cube: xr.DataArray) -> np.ndarray:
    """Return values as FITS has them: (channel, y, x), of a type that it knows."""
    values = np.moveaxis(np.asarray(cube.values), 2, 0)
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind == "f" and values.dtype.itemsize not in (4, 8):
        return values.astype(np.float32 if values.dtype.itemsize < 4 else np.float64)
    return np.ascontiguousarray(values)


# --- PNG ----------------------------------------------------------------------------------------


def _result_png(result: xr.Dataset, path: Path) -> None:
    """Write a picture of the label map, every pixel a square of whole pixels."""
    from PIL import Image

    picture = paint(result["label"].transpose("y", "x").values)
    factor = -(-PNG_SIDE // max(picture.shape[:2]))
    picture = picture.repeat(factor, axis=0).repeat(factor, axis=1)
    Image.fromarray(picture).save(path, format="PNG")


_WRITERS: dict[str, dict[str, Callable[[Any, Path], None]]] = {
    "cube": {
        ".nc": _cube_nc,
        ".h5": _cube_h5,
        ".hdf5": _cube_h5,
        ".zarr": _cube_zarr,
        ".fits": _cube_fits,
        ".fits.gz": _cube_fits,
    },
    "result": {
        ".nc": _result_nc,
        ".h5": _result_h5,
        ".hdf5": _result_h5,
        ".zarr": _result_zarr,
        ".fits": _result_fits,
        ".fits.gz": _result_fits,
        ".png": _result_png,
    },
}
