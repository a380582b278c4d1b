"""What a cube is, and the door between cubes (xarray) and spectra (numpy).

A cube is an ``xarray.DataArray`` with dimensions ``(y, x, channel)``. The spectral axis is a
coordinate along ``channel`` named after its kind (``energy``, ``wavelength``, ...) with the
attribute ``units``; optional coordinates are ``variance (y, x, channel)``, and ``mask (y, x)`` and
``bad_channel (channel)``, True = do not use this pixel or channel. Attributes are strings and
numbers only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
import xarray as xr

from ._util.check import check_ndim, check_numeric, check_same_shape
from ._util.positions import positions_of
from .axis import KINDS, Axis
from .channels import BAD, marked, used_channels
from .countnoise import LARGEST_COUNT, LEAST_COUNTED
from .foreign import GivenAxis, plain_number, take_apart
from .scale import keep_saturation, scaled
from .variance import has_variance, known_variance, with_usable_variance

DIMS = ("y", "x", "channel")
# Largest numbers of pixels and of values in a block of a cube in memory.
BLOCK_PIXELS = 16_384
BLOCK_VALUES = 2**22

_Owner = TypeVar("_Owner", xr.DataArray, xr.Dataset)


class Spectra(NamedTuple):
    """The pixels of a cube that are not masked, as rows.

    Attributes
    ----------
    values : array (n, channel), float32
    variance : array (n, channel), float32, or None
    pixel : array (n,), int64
        Position of each row in the flattened ``(y, x)`` image.
    """

    values: np.ndarray
    variance: np.ndarray | None
    pixel: np.ndarray


class Block(NamedTuple):
    """A rectangle of a cube: rows ``y`` and columns ``x``."""

    y: slice
    x: slice


def make_cube(
    values: Any,
    *,
    energy: Any = None,
    wavelength: Any = None,
    axis: Any = None,
    unit: str | None = None,
    kind: str | None = None,
    medium: str = "",
    variance: Any = None,
    mask: Any = None,
    bad_channel: Any = None,
    attrs: Mapping[str, str | int | float] | None = None,
) -> xr.DataArray:
    """Make a cube from an array, or from a cube of another package.

    Parameters
    ----------
    values : array (y, x, channel), or object
        numpy or dask array of real numbers; or a DataArray of xarray with dimensions of other names
        in any order, a Quantity of astropy, an NDData or NDCube, a Spectrum of specutils, a
        SpectralCube, or a signal of HyperSpy. Their axis, noise, mask, unit and sky coordinates
        are kept, as far as they are not given here; what is assumed about them is stated in the
        attribute ``reading_notes``.
    energy, wavelength, axis : array or Quantity (channel,), pair (first, last), or Axis
        The spectral axis, one of the three at most: energy (keV unless ``unit`` says otherwise),
        wavelength (angstrom; a warning if they look like nm or um), or any other with its ``unit``.
        A pair gives the centres of the end channels. Without an axis, channels are counted from 0.
    unit, kind, medium : str
        Unit of the axis; its kind if the unit does not determine it ("energy_loss"); "air" or
        "vacuum".
    variance : array (y, x, channel), optional
        Variance of every value, in the square of its unit; not used if it is nowhere positive.
    mask : array (y, x) of bool, optional
        True for pixels that are not to be used.
    bad_channel : array (channel,) of bool, optional
        True for channels that are not to be used (:mod:`spectessera.channels`).
    attrs : mapping, optional
        Strings and numbers that are stored with the cube (source, wcs, units of the values ...).

    Returns
    -------
    xarray.DataArray (y, x, channel)
        Very small or large values are divided by a power of ten, which its attributes
        ``value_scale`` and ``unit`` state.

    Raises
    ------
    ValueError, TypeError
        If shapes disagree, the axis is not strictly monotonic or a unit is not known; if an object
        has not two axes of an image and one of a spectrum.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> cube = spt.make_cube(np.ones((2, 3, 4)), energy=(1.0, 2.5))
    >>> cube.energy.values
    array([1. , 1.5, 2. , 2.5])

    A DataArray in another order, with names that say which axis is which:

    >>> import xarray as xr
    >>> scene = xr.DataArray(np.ones((4, 2, 3)), dims=("band", "lat", "lon"))
    >>> dict(spt.make_cube(scene).sizes)
    {'y': 2, 'x': 3, 'channel': 4}
    """
    given = GivenAxis(energy, wavelength, axis, unit, kind, medium)
    parts = take_apart(values)
    if parts is None:
        cube = _of_array(values, given, variance, mask, attrs or {})
    else:
        squared = getattr(values, "unit", None) and values.unit**2
        noise = parts.variance if variance is None else plain_number(variance, squared)
        mask = parts.mask if mask is None else mask
        attrs = parts.attributes() | dict(attrs or {})
        given = given.instead_of(parts.axis)
        cube = _of_array(parts.values, given, noise, mask, attrs).assign_coords(parts.coords)
    return with_usable_variance(cube if bad_channel is None else marked(cube, bad_channel))


def _of_array(
    values: Any,
    given: GivenAxis,
    variance: Any,
    mask: Any,
    attrs: Mapping[str, str | int | float],
) -> xr.DataArray:
    """Make a cube from a numpy or dask array (y, x, channel); arguments as in make_cube."""
    stored_type = getattr(values, "dtype", None)
    values = _as_array(values)
    check_ndim("a cube", values, 3, "(y, x, channel)")
    check_numeric("a cube", values)
    if 0 in values.shape:
        raise ValueError(f"a cube needs at least one pixel and one channel; got {values.shape}")
    cube = xr.DataArray(values, dims=DIMS, attrs=dict(attrs))
    cube = with_axis(cube, given.of(values.shape[2]))
    keep_saturation(stored_type, cube.attrs)
    if variance is not None:
        variance = _as_array(variance)
        check_numeric("the variance", variance)
        check_same_shape("the variance", variance.shape, values.shape, "the cube")
        cube = cube.assign_coords(variance=(DIMS, variance))
    if mask is not None:
        mask = mask if hasattr(mask, "dask") else np.asarray(mask)
        check_same_shape("the mask", mask.shape, values.shape[:2], "the image")
        cube = cube.assign_coords(mask=(DIMS[:2], mask.astype(bool)))
    return scaled(cube)


def _as_array(values: Any) -> Any:
    """Return a numpy array, with NaN for masked values; a dask array is not changed."""
    if isinstance(values, np.ma.MaskedArray) and values.dtype.kind in "biuf":
        return np.ma.filled(values.astype(np.result_type(values.dtype, np.float32)), np.nan)
    return values if hasattr(values, "dask") else np.asarray(values)


def with_axis(array: _Owner, axis: Axis, dim: str = "channel") -> _Owner:
    """Return the array or Dataset with ``axis`` along ``dim``, in place of another one."""
    old = [name for name in KINDS if name in array.coords and array.coords[name].dims == (dim,)]
    attrs = {"units": axis.unit, "axis_kind": axis.kind}
    if axis.medium:
        attrs["medium"] = axis.medium
    return array.drop_vars(old).assign_coords({axis.kind: ((dim,), axis.values, attrs)})


def spectral_axis(array: xr.DataArray | xr.Dataset) -> Axis:
    """Return the spectral axis of a cube (or of a result that has a ``channel`` dimension)."""
    for kind in KINDS:
        if kind in array.coords and array.coords[kind].dims == ("channel",):
            coordinate = array.coords[kind]
            return Axis(
                coordinate.values,
                unit=str(coordinate.attrs.get("units", "")),
                kind=kind,
                medium=str(coordinate.attrs.get("medium", "")),
            )
    return Axis(np.arange(array.sizes["channel"]))


def check_cube(cube: Any) -> xr.DataArray:
    """Return the cube with its dimensions in the order (y, x, channel).

    Raises
    ------
    TypeError
        If it is not a DataArray.
    ValueError
        If its dimensions are not y, x and channel, or it is empty.
    """
    if not isinstance(cube, xr.DataArray):
        raise TypeError(
            f"a cube is an xarray.DataArray (y, x, channel); got {type(cube).__name__}; "
            "make one with spectessera.make_cube(values, energy=...)"
        )
    if set(cube.dims) != set(DIMS):
        raise ValueError(
            f"a cube has dimensions y, x and channel; got {tuple(cube.dims)}; "
            "spectessera.make_cube(array) finds out which is which"
        )
    check_numeric("a cube", cube)
    if 0 in cube.shape:
        raise ValueError(f"a cube needs at least one pixel and one channel; got {cube.shape}")
    return cube.transpose(*DIMS)


def to_spectra(cube: xr.DataArray, *, all_channels: bool = False) -> Spectra:
    """Return the spectra of all pixels that are not masked, in row-major order.

    Bad channels are left out, unless ``all_channels``. Values too large for float32 become
    infinite; a variance is as :func:`spectessera.variance.known_variance` says.
    """
    cube = check_cube(cube)
    used = None if all_channels else used_channels(cube)
    pixel = np.flatnonzero(~mask_of(cube))
    values = _rows(cube, pixel, used)
    variance = None
    if "variance" in cube.coords:
        variance = known_variance(_rows(cube.coords["variance"], pixel, used), values)
    return Spectra(values, variance, pixel)


def mask_of(cube: xr.DataArray) -> np.ndarray:
    """Return which pixels (y, x) of a cube are not to be used, bool."""
    if "mask" not in cube.coords:
        return np.zeros((cube.sizes["y"], cube.sizes["x"]), dtype=bool)
    # Some formats have no booleans: 0 and 1 would be used as positions.
    return np.asarray(cube.coords["mask"].transpose("y", "x").values).astype(bool)


def _rows(array: xr.DataArray, pixel: np.ndarray, used: Any) -> np.ndarray:
    """Return float32 rows, C-contiguous so that sums along a row do not depend on the layout."""
    flat = np.asarray(array.transpose(*DIMS).values).reshape(-1, array.sizes["channel"])
    flat = flat if len(pixel) == len(flat) else flat[pixel]
    flat = flat if used is None else flat.take(used, axis=1)
    with np.errstate(over="ignore"):  # an overflow to inf is found by the screening
        return np.ascontiguousarray(flat, dtype=np.float32)


def to_map(
    values: np.ndarray,
    pixel: np.ndarray,
    like: xr.DataArray,
    *,
    fill: float = np.nan,
    dims: Sequence[str] = (),
) -> xr.DataArray:
    """Put rows back into the image: the inverse of :func:`to_spectra`.

    Parameters
    ----------
    values : array (n, ...)
        One row per pixel.
    pixel : array (n,), int
        Position of each row in the flattened image.
    like : DataArray with dimensions y and x
        An image of the same size and coordinates.
    fill : number
        Value of all other pixels.
    dims : sequence of str
        Names of the axes of ``values`` after the first.

    Returns
    -------
    xarray.DataArray (y, x, *dims)
    """
    height, width = like.sizes["y"], like.sizes["x"]
    image = np.full((height * width, *values.shape[1:]), fill, dtype=values.dtype)
    image[pixel] = values
    shape = (height, width, *values.shape[1:])
    return xr.DataArray(image.reshape(shape), dims=("y", "x", *dims), coords=positions_of(like))


def integrate(spectra: np.ndarray) -> np.ndarray:
    """Return the sum of every spectrum over its channels, (n, channel) -> (n,), float64 inside."""
    return spectra.sum(axis=1, dtype=np.float64).astype(np.float32)


def blocks(cube: xr.DataArray, pixels: int | None = None) -> Iterator[Block]:
    """Yield rectangles that tile the image, in row-major order of their corners.

    The blocks of a chunked cube are its chunks, so that every chunk is read once. Those of any
    other cube are bands of rows of at most ``pixels`` pixels (but at least one row), by default
    16,384 and 16 MiB of float32.
    """
    if cube.chunks is not None:
        y_sizes, x_sizes = cube.chunks[0], cube.chunks[1]
    else:
        height, width = cube.sizes["y"], cube.sizes["x"]
        pixels = pixels or min(BLOCK_PIXELS, BLOCK_VALUES // cube.sizes["channel"])
        rows = max(1, pixels // width)
        y_sizes = tuple(min(rows, height - start) for start in range(0, height, rows))
        x_sizes = (width,)
    y_edges = np.concatenate([[0], np.cumsum(y_sizes)]).tolist()
    x_edges = np.concatenate([[0], np.cumsum(x_sizes)]).tolist()
    for y0, y1 in pairwise(y_edges):
        for x0, x1 in pairwise(x_edges):
            yield Block(slice(y0, y1), slice(x0, x1))


def load_block(cube: xr.DataArray, block: Block) -> xr.DataArray:
    """Load one block: its values, and its variance and mask if the cube has them.

    It is computed in this thread, whatever scheduler Dask is set to.
    """
    part = bare(cube).isel(y=block.y, x=block.x)
    if part.chunks is None:
        return part
    from dask.local import get_sync

    return part.compute(scheduler=get_sync)


def bare(cube: xr.DataArray) -> xr.DataArray:
    """Return the cube with only the coordinates that describe its spectra."""
    wanted = ("variance", "mask", BAD, *KINDS)
    return cube.drop_vars([name for name in cube.coords if name not in wanted])


def read_block(cube: xr.DataArray, block: Block) -> Spectra:
    """Load one block; ``pixel`` are positions in the whole image, not in the block."""
    spectra = to_spectra(load_block(cube, block))
    return spectra._replace(pixel=in_image(cube, block, spectra.pixel))


def in_image(cube: xr.DataArray, block: Block, pixel: np.ndarray) -> np.ndarray:
    """Return the positions in the flattened image of pixels of a flattened block."""
    rows, columns = np.divmod(pixel, block.x.stop - block.x.start)
    return (rows + block.y.start) * cube.sizes["x"] + columns + block.x.start


def noise_of(cube: xr.DataArray, spectra: np.ndarray) -> str:
    """Return what is known of a cube's noise: "variance", "counts" or "residual".

    "variance" if it has one that is positive; "counts" if its attributes say ``noise="counts"``, or
    if it holds non-negative whole numbers along an energy axis, of whatever type: many files store
    counts as floating-point numbers. Otherwise only the residual of the reconstruction is known.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    spectra : array (n, channel)
        Some spectra of the cube without missing values, such as those that are trained on. They
        decide for a cube of floating-point numbers, and are not used for any other.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.cube import make_cube, noise_of
    >>> counts = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    >>> noise_of(make_cube(counts, energy=(1, 20)), counts.reshape(-1, 4))
    'counts'
    """
    if has_variance(cube):
        return "variance"
    given = cube.attrs.get("noise")
    if given in ("counts", "residual"):
        return str(given)
    if spectral_axis(cube).kind != "energy":
        return "residual"
    counted = cube.dtype.kind in "ui" or (given is None and hold_counts(spectra))
    return "counts" if counted else "residual"


def are_counts(spectra: np.ndarray) -> np.ndarray:
    """Return which spectra (n, channel) hold non-negative whole numbers only, (n,) bool."""
    return ((spectra >= 0) & (spectra == np.rint(spectra))).all(axis=1)


def hold_counts(spectra: np.ndarray) -> bool:
    """Return whether spectra (n, channel) of floating-point numbers are measured counts.

    Nine in ten of them must hold whole numbers only; the others may have interpolated values. The
    largest value must be above 1, as a mask has no others than 0 and 1, and small enough that
    float32 could store a fraction.
    """
    if len(spectra) == 0 or are_counts(spectra).mean() < LEAST_COUNTED:
        return False
    return bool(1 < spectra.max() < LARGEST_COUNT)
