"""The power of ten that brings the values of a cube into the range of 32-bit numbers.

Fluxes in cgs units are as small as 1e-20 and their variance is 1e-40, which is 0 as float32. A cube
is scaled once, when it is made; everything after that works on numbers near 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

# Larger numbers are fill values (3.4e38, 9.97e36, ...), not measurements; their sums and quotients
# would overflow float32.
LARGEST = 1e30
# Sizes of a spectrum between which nothing is scaled. The square of a value a million times weaker
# is still a normal float32 number, and so is its variance.
SMALLEST_SIZE, LARGEST_SIZE = 1e-6, 1e12
# The scale is a power of 10**5, so that cubes of one instrument usually have the same.
DECADES = 5
# Spectra that determine the size of a cube, and places where they are looked for.
SPECTRA, PLACES = 3, 64
# Values, and different values, that say of what all of them are multiples; larger ones are not all
# whole numbers as float32.
LEAST_VALUES, LEAST_SIZES, MOST_WHOLE = 30, 5, 2**24
# Begins the name of a dask array that has the values of another one, some of them NaN, or its
# channels in another order; a token and the name of the other one follow.
USABLE = "usable-"
# Steps of an additive sequence that fills a square evenly (the plastic number p, p**3 = p + 1).
_STEPS = (0.7548776662466927, 0.5698402909980532)


def scale_of(values: Any) -> float:
    """Return the power of ten by which a cube is divided: 1 unless its values are extreme.

    It follows from the spectra of a few fixed pixels, so it does not depend on the chunks, and
    only these pixels are read. Values that are not finite, 0, or beyond 1e30 (a fill value) do not
    count.

    Parameters
    ----------
    values : array (y, x, channel)
        numpy or dask array.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.scale import scale_of
    >>> scale_of(np.full((2, 3, 4), 2e-18)), scale_of(np.full((2, 3, 4), 200.0))
    (1e-20, 1.0)
    """
    if values.dtype.kind != "f" or values.dtype.itemsize < 4:
        return 1.0
    sizes = [_size(each) for each in sample_spectra(values)]
    size = float(np.median(sizes)) if sizes else 1.0
    if SMALLEST_SIZE <= size <= LARGEST_SIZE:
        return 1.0
    return 10.0 ** (DECADES * round(np.log10(size) / DECADES))


def sample_spectra(values: Any) -> list[np.ndarray]:
    """Return the spectra (channel,) of a few pixels at fixed places, those with values only."""
    found: list[np.ndarray] = []
    source = source_of(values)
    for y, x in places(values.shape[:2]) if source is not None else []:
        spectrum = source[y, x]
        if _usable(spectrum).any():
            found.append(np.asarray(spectrum))
        if len(found) == SPECTRA:
            break
    return found


def source_of(values: Any) -> Any:
    """Return what reads single spectra of an array at low cost, None if nothing does.

    For a dask array of a file that is the array in the file: dask would read whole blocks. Any
    other dask array is not looked at, because making a cube computes nothing.
    """
    if not hasattr(values, "dask"):
        return values
    name = values.name
    while name.startswith(USABLE):  # values of which some were marked as missing
        name = name.removeprefix(USABLE).partition("-")[2]
    return values.dask.get(f"original-{name}")


def places(shape: tuple[int, ...], count: int = PLACES) -> list[tuple[int, int]]:
    """Return different pixels (y, x), evenly spread over an image; the first is near the middle.

    All pixels of an image that has no more than so many; fewer than so many of one that has hardly
    more.
    """
    steps = (0.5 + np.outer(np.arange(count), _STEPS)) % 1.0
    pixels = (steps * shape).astype(int).tolist()
    if math.prod(shape) <= count:
        pixels += np.argwhere(np.ones(shape, bool)).tolist()
    return list(dict.fromkeys((y, x) for y, x in pixels))


def _usable(spectrum: np.ndarray) -> np.ndarray:
    """Return which values are measurements other than 0."""
    return (np.abs(spectrum) <= LARGEST) & (spectrum != 0)


def _size(spectrum: np.ndarray) -> float:
    """Return the root mean square of the usable values of a spectrum."""
    usable = spectrum[_usable(spectrum)].astype(np.float64)
    largest = np.abs(usable).max()
    return float(largest * np.sqrt(np.square(usable / largest).mean()))


def scaled(cube: xr.DataArray) -> xr.DataArray:
    """Return a cube whose values are divided by :func:`scale_of`, and its variance by the square.

    The attribute ``unit`` then begins with the scale, such as "1e-20 erg/s/cm2/A", and
    ``value_scale`` is the number by which the values are multiplied to get the original ones. A
    cube that needs no scaling is returned as it is.
    """
    scale = scale_of(cube.data)
    if scale == 1.0:
        return cube
    out = cube.copy(data=_divided(cube.data, scale, 1, cube.dtype))
    if "variance" in cube.coords:
        variance = cube.coords["variance"]
        divided = _divided(variance.data, scale, 2, cube.dtype)
        out = out.assign_coords(variance=variance.copy(data=divided))
    before = float(cube.attrs.get("value_scale", 1.0))
    unit = str(cube.attrs.get("unit", "")) or "x the stored values"
    out.attrs |= {"value_scale": before * scale, "unit": f"{scale:g} {unit}"}
    if "saturation" in cube.attrs:
        out.attrs["saturation"] = float(cube.attrs["saturation"]) / scale
    return out


def common_step(spectra: np.ndarray) -> int:
    """Return the number of which all values of some spectra are multiples; 1 if there is none.

    Counts have the step 1. A larger one says that they were multiplied after they were counted
    (by the gain of a converter, or to fill 16 bits), and that their variance is not their value.
    Few values, or values of hardly any different sizes, say nothing.

    Parameters
    ----------
    spectra : array (n, channel)

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.scale import common_step
    >>> counts = np.arange(60).reshape(6, 10)
    >>> common_step(counts), common_step(20 * counts)
    (1, 20)
    """
    used = spectra[_usable(spectra)]
    sizes = np.unique(used)
    whole = len(sizes) > 0 and np.array_equal(sizes, np.rint(sizes)) and sizes[0] > 0
    if not whole or len(used) < LEAST_VALUES or len(sizes) < LEAST_SIZES or sizes[-1] > MOST_WHOLE:
        return 1
    return int(np.gcd.reduce(sizes.astype(np.int64)))


def keep_saturation(dtype: np.dtype[Any] | None, attrs: dict[str, Any]) -> None:
    """Keep the value at which small integers saturate: as float32 they do not show it."""
    if dtype in (np.uint8, np.uint16):
        attrs.setdefault("saturation", float(np.iinfo(dtype).max))


def _divided(values: Any, scale: float, power: int, dtype: np.dtype[Any]) -> Any:
    """Return numpy or dask values divided by a power of the scale."""
    if hasattr(values, "dask"):
        return values.map_blocks(_quotient, scale, power, dtype, dtype=dtype)
    return _quotient(values, scale, power, dtype)


def _quotient(values: np.ndarray, scale: float, power: int, dtype: np.dtype[Any]) -> np.ndarray:
    """Divide by a power of the scale, as float64; fill values become NaN."""
    out = np.empty(values.shape, dtype)
    factor = np.float64(scale) ** -power
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        np.multiply(values, factor, out=out, casting="same_kind", dtype=np.float64)
        if power == 1:  # divided, a fill value would look like a measurement
            out[np.abs(values) > LARGEST] = np.nan
    return out
