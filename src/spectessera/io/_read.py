"""Read a cube from a file of any format."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.check import check_number
from spectessera._util.reading import reading_safely
from spectessera.axis import MEDIA, Axis, parse_unit
from spectessera.channels import BAD, bad_channels
from spectessera.cube import make_cube, spectral_axis
from spectessera.foreign import doubt_of
from spectessera.preprocess.livetime import with_live_time
from spectessera.scale import keep_saturation

from ._channelorder import sort_channels
from ._common import Request, StoredCube, with_missing
from ._formats import READERS, format_of
from ._lazy import chunk_sizes
from ._noise import FORMS, variance_of
from ._pixelsize import with_pixel_size

# The last value of an axis is at most this many times the first: others are no powers of ten.
LARGEST_RANGE = 1e6
# How it was found -> attribute of the cube.
ORIGINS = {name: f"{name}_from" for name in ("axes", "axis", "variance", "mask")}

# What noise a user may name, and the attribute of a cube that says so.
NOISES = {"counts": "counts", "unknown": "residual"}


def read(
    path: str | Path,
    *,
    key: str | int | None = None,
    axes: str | None = None,
    shape: tuple[int, int] | None = None,
    energy: Any = None,
    wavelength: Any = None,
    axis: Any = None,
    unit: str | None = None,
    medium: str = "",
    log10: bool = False,
    chunks: Any = None,
    missing: float | None = None,
    mask: Any = None,
    variance: Any = None,
    error: Any = None,
    ivar: Any = None,
    detectors: str | int | None = None,
    outside: bool = False,
    live_time: bool = False,
    isolate: bool = False,
    pixel_size: str | None = None,
    noise: str | None = None,
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
    axes : str, optional
        The order of the axes of the stored array, such as "cyx" (channel first): one letter for
        each axis, ``c`` the channel, ``y`` and ``x`` the image. By default what the file says:
        names of dimensions, units, a spectral axis of the same length beside it, known layouts. If
        it says nothing, the usual order of its format is assumed, and the attribute
        ``reading_notes`` says so.
    shape : (int, int), optional
        Rows and columns of the image, if the file holds one spectrum for each point, row by row.
    energy, wavelength, axis : array (channel,), pair (first, last), or Axis
        The spectral axis, as in :func:`~spectessera.cube.make_cube`; replaces the file's own.
    unit, medium : str
        Unit and medium of that axis; without one, they replace those of the file's own axis.
    log10 : bool
        The values of the axis, given here or the file's own, are decimal logarithms.
    chunks : dict, int or "auto", optional
        ``{"y": 256, "x": 256}``, one number for both, or "auto": leave the data in the file and
        return a dask-backed cube. NPZ archives and FITS files compressed by gzip cannot be read in
        parts: all of the data are in memory then.
    missing : float, optional
        The number that marks missing values: it becomes NaN, and the values float32.
    mask : array (y, x) of bool, or str, optional
        True where a pixel is left out, or the name of such an array in the file; replaces the
        file's own mask.
    variance, error, ivar : array or str, optional
        The noise of every value, one of the three at most: variance, standard deviation, or inverse
        variance. Of shape (y, x, channel) or one that broadcasts to it, or the name of an array
        in the file. Replaces the noise of the file.
    detectors : "sum" or int, optional
        Of a file with several detectors: the sum of all, or the number of one, from 0.
    outside : bool
        Follow links to other files even if those are not in the folder of this one, or below it.
    live_time : bool
        Scale the counts of every pixel by its live time
        (:func:`spectessera.preprocess.with_live_time`). By default the counts are those of the file
        and the times, if it has them, are coordinates (y, x).
    isolate : bool
        Read the file in a process of its own, for files from strangers: if they crash a library,
        stop it or fill its memory, that is an error (``docs/formats.md``). The values are the same.
    pixel_size : str, optional
        Size of a pixel with its unit, such as "0.5 mm", or height and width, "0.4,0.5 mm"; replaces
        the positions of the file.
    noise : str, optional
        "counts" or "unknown": what the noise of the values is, whatever they look like. A variance
        in the file is then not used.

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
        If the format is unknown, the file is broken, it is not clear which array is meant, or a
        size of pixels is given for an image of the sky or a map.

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
    names = {"variance": variance, "error": error, "ivar": ivar, "mask": mask}
    given: dict[str, Any] = {name: v for name, v in names.items() if isinstance(v, str)}
    given |= {"axes": _axes_letters(axes), "shape": _image_shape(shape)}
    given |= {"outside": outside, "isolate": isolate}
    request = Request(key, chunks, detectors=_detectors(detectors), **given)
    _check_words(unit, medium, noise, [names[name] for name in FORMS])
    stored = stored_cube(path, request)
    _replace_noise(stored, {name: names[name] for name in FORMS}, mask)
    spectral = {"energy": energy, "wavelength": wavelength, "axis": axis}
    arguments = _axis_arguments(path, stored, spectral, unit, medium, log10)
    _mark_missing(stored, missing)
    cube = _with_noise(_cube(stored, arguments), noise)
    _check_wavelengths(path, cube, medium)
    return _finished(path, cube, pixel_size, live_time)


def _finished(path: Path, cube: xr.DataArray, size: str | None, live_time: bool) -> xr.DataArray:
    """Return the cube with pixels of a size, scaled to one live time; an error names the file."""
    try:
        cube = cube if size is None else with_pixel_size(cube, size)
        return with_live_time(cube) if live_time else cube
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _with_noise(cube: xr.DataArray, noise: str | None) -> xr.DataArray:
    """Return the cube with a kind of noise in place of what the file says of it."""
    if noise is None:
        return cube
    return cube.drop_vars("variance", errors="ignore").assign_attrs(noise=NOISES[noise])


def _check_words(unit: str | None, medium: str, noise: str | None, variances: list[Any]) -> None:
    """Raise ValueError if a unit, a medium or a noise is not known, or two noises are given."""
    if unit is not None:
        parse_unit(unit)
    if medium not in MEDIA:
        raise ValueError(f"medium (--medium) is air or vacuum; got {medium!r}")
    if noise is not None and noise not in NOISES:
        raise ValueError(f"noise (--noise) is counts or unknown; got {noise!r}")
    if noise is not None and any(each is not None for each in variances):
        raise ValueError("noise (--noise) takes the place of a variance: give one of them")


def _check_wavelengths(path: Path, cube: xr.DataArray, medium: str) -> None:
    """Raise ValueError if a medium is given for an axis that is not one of wavelengths."""
    axis = spectral_axis(cube)
    if medium and axis.kind != "wavelength":
        raise ValueError(
            f"{path}: only wavelengths are in air or vacuum, and the spectral axis is one of "
            f"{axis.kind.replace('_', ' ')}; leave out medium (--medium)"
        )


def _cube(stored: StoredCube, arguments: dict[str, Any]) -> xr.DataArray:
    """Return what a reader found as a cube, with how it was found among its attributes."""
    _keep_origin(stored)
    marks, coords = stored.coords.get(BAD), stored.coords
    some = marks is not None and not np.all(marks[1])
    cube = make_cube(
        stored.values,
        variance=stored.variance,
        mask=stored.mask,
        bad_channel=marks[1] if marks is not None and some else None,
        attrs=stored.attrs,
        **arguments,
    )
    if (bad := bad_channels(cube)) is not None:  # of the file, or without a variance
        coords = coords | {BAD: (("channel",), bad, {} if marks is None else marks[2])}
    return cube.assign_coords(coords).rename(None)  # without the name of a dask array


def stored_cube(path: Path, request: Request) -> StoredCube:
    """Return what the reader of a format finds in a file."""
    if request.chunks is not None:
        chunk_sizes(request.chunks)  # what is wrong with them is no fault of the file
    if request.isolate:
        from ._isolation import isolated_cube

        return isolated_cube(path, request)
    name = format_of(path)
    module, function = READERS[name]
    reader = getattr(import_module(f".{module}", __package__), function)
    with reading_safely(path, name):
        stored: StoredCube = reader(path, request)
    return stored


def _axes_letters(axes: str | None) -> str | None:
    """Return the order of axes that a user gives, checked."""
    if axes is None:
        return None
    letters = str(axes).strip().lower().replace(",", "")
    if sorted(letters) != ["c", "x", "y"]:
        raise ValueError(
            f"axes (--axes) takes y, x and c (channel) in the order of the file, such as cyx; got "
            f"{axes!r}"
        )
    return letters


def _image_shape(shape: Any) -> tuple[int, int] | None:
    """Return the shape of the image that a user gives, checked."""
    if shape is None:
        return None
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    whole = [isinstance(size, (int, np.integer)) and not isinstance(size, bool) for size in sizes]
    if len(sizes) != 2 or not all(whole) or min(sizes) < 1:
        raise ValueError(
            f"shape (--shape) takes the numbers of rows and columns of the image, each at least "
            f"1; got {shape!r}"
        )
    return int(sizes[0]), int(sizes[1])


def _detectors(detectors: Any) -> str | int | None:
    """Return the choice of detectors, checked."""
    if detectors is None or detectors == "sum":
        return detectors
    text = str(detectors).strip()
    if isinstance(detectors, bool) or not text.isdecimal():
        raise ValueError(
            f'detectors (--detectors) takes "sum" or the number of one, from 0; got {detectors!r}'
        )
    return int(text)


def _replace_noise(stored: StoredCube, noise: dict[str, Any], mask: Any) -> None:
    """Put the variance and the mask that a user gives as arrays in place of the file's own."""
    given = {name: value for name, value in noise.items() if value is not None}
    if len(given) > 1:
        raise ValueError(f"give one kind of noise; got {' and '.join(given)}")
    for name, value in given.items():
        if not isinstance(value, str):
            array = value if hasattr(value, "dask") else np.asarray(value)
            stored.variance = variance_of(stored, array, name)
            stored.origin["variance"] = f"the argument {name}"
    if mask is not None and not isinstance(mask, str):
        stored.mask = mask
        stored.origin["mask"] = "the argument mask"


def _mark_missing(stored: StoredCube, missing: float | None) -> None:
    """Replace a number, if one is given, by NaN."""
    if missing is None:
        return
    check_number("missing", missing)
    keep_saturation(stored.values.dtype, stored.attrs)
    stored.values = with_missing(stored.values, stored.values == missing, np.float32)


def _keep_origin(stored: StoredCube) -> None:
    """Put into attributes how everything was found and what was assumed."""
    for name, phrase in stored.origin.items():
        stored.attrs[ORIGINS[name]] = phrase
    if stored.notes:
        stored.attrs["reading_notes"] = "; ".join(dict.fromkeys(stored.notes))


def _axis_arguments(
    path: Path,
    stored: StoredCube,
    given: dict[str, Any],
    unit: str | None,
    medium: str,
    log10: bool,
) -> dict[str, Any]:
    """Return the arguments of ``make_cube`` about the axis."""
    given = {name: value for name, value in given.items() if value is not None}
    if not given:
        return _own_axis(path, stored, unit, medium, log10)
    stored.attrs.pop("axis_note", None)
    stored.origin["axis"] = f"the argument {' and '.join(given)}"
    if unit is None and not log10:
        doubts = (doubt_of(name, v, stored.values.shape[2]) for name, v in given.items())
        stored.notes += [each for each in doubts if each]
    if log10:
        given = {name: _powers(value, stored.values.shape[2]) for name, value in given.items()}
    return {**given, "unit": unit, "medium": medium}


def _powers(value: Any, channels: int) -> np.ndarray:
    """Return the axis (channel,) of which logarithms are given, all or the first and the last."""
    if isinstance(value, Axis):
        raise ValueError("an Axis is never logarithmic; leave out log10 (--log10)")
    numbers = np.asarray(value, dtype=np.float64)
    if numbers.shape == (2,) and channels != 2:
        numbers = np.linspace(numbers[0], numbers[1], channels)
    with np.errstate(over="ignore"):
        powers = 10.0**numbers
    if not np.isfinite(powers).all() or powers.max() > LARGEST_RANGE * powers.min():
        raise ValueError(
            f"log10 (--log10) was given, but 10**{numbers.min():g} to 10**{numbers.max():g} is no "
            "spectral axis: these are plain values; leave it out"
        )
    return powers


def _own_axis(
    path: Path, stored: StoredCube, unit: str | None, medium: str, log10: bool
) -> dict[str, Any]:
    """Return the axis of the file, as arguments of ``make_cube``."""
    instead = "give energy=, wavelength= or axis= to replace the file's own axis"
    if stored.axis_error:
        raise ValueError(f"{path}: {stored.axis_error}; {instead}")
    if stored.axis is None:
        if unit or log10:
            name = "unit= (--unit)" if unit else "log10= (--log10)"
            raise ValueError(
                f"{path} has no spectral axis, so {name} has nothing to apply to; give energy=, "
                "wavelength= or axis= (first and last channel) too"
            )
        return {"medium": medium}
    sort_channels(stored)
    arguments = dict(stored.axis)
    if log10:
        arguments["values"] = _powers(arguments["values"], stored.values.shape[2])
    if unit is not None:
        arguments |= {"unit": unit, "kind": ""}
        stored.attrs.pop("axis_note", None)
    if medium:
        if arguments.get("medium", "") not in ("", medium):
            said = arguments["medium"]
            stored.notes.append(
                f"the wavelengths are in {medium}, as was given; the file says {said}"
            )
        arguments["medium"] = medium
    try:
        return {"axis": Axis(**arguments)}
    except ValueError as error:
        raise ValueError(f"{path}: {error}; {instead}") from error
