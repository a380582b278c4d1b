"""Counts of pixels that were measured for different times, scaled to one time."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from spectessera.cube import DIMS, blocks, check_cube, mask_of, noise_of, read_block

LIVE_TIME = "live_time"
SCALED = "live_time_median"  # attribute of a cube that is scaled
SPECTRA = 2048  # about so many show whether a cube of floats holds counts


def with_live_time(cube: xr.DataArray) -> xr.DataArray:
    """Divide the spectrum of every pixel by its live time, and multiply all by the median time.

    The detector of a pixel is live for a part of the time only, and less where more photons come.
    The scale of the counts is kept, but they are no longer Poisson: a cube of counts gets their
    variance, the counts times the square of the factor (at least one count), which is used from
    then on. A variance that the cube has is scaled.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        With the coordinate ``live_time (y, x)``; in memory or chunked, as is the result.

    Returns
    -------
    DataArray (y, x, channel)
        Of floats, unless all live times are equal. Pixels whose live time is not a number above 0
        are masked. The attribute ``live_time_median`` is the time to which all are scaled.

    Raises
    ------
    ValueError
        If the cube has no live times, or none is above 0, or it is scaled already.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> cube = spt.make_cube(np.full((1, 3, 2), 12), energy=(1, 2))
    >>> times = ("y", "x"), [[1.0, 2.0, 4.0]], {"units": "s"}
    >>> with_live_time(cube.assign_coords(live_time=times)).values[0, :, 0]
    array([24., 12.,  6.], dtype=float32)
    """
    cube = check_cube(cube)
    times = _times(cube)
    measured = np.isfinite(times) & (times > 0)
    masked = mask_of(cube)
    if not (measured & ~masked).any():
        raise ValueError("no pixel has a live time above 0; leave out live_time (--live-time)")
    median = float(np.median(times[measured & ~masked]))
    factor = np.where(measured, median / np.where(measured, times, 1.0), 1.0).astype(np.float32)
    mask = (("y", "x"), masked | ~measured)
    if (factor == 1).all():  # the counts stay counts
        return cube.assign_coords(mask=mask).assign_attrs({SCALED: median})
    noise = noise_of(cube, _some_spectra(cube))
    scale = xr.DataArray(factor, dims=("y", "x"))
    plain = cube.reset_coords(drop=True)
    values = plain.astype(_float_of(cube.dtype)) * scale
    attrs: dict[str, Any] = dict(cube.attrs)
    if "saturation" in attrs:  # a value of raw counts
        values, attrs["saturation"] = _saturated(values, plain, float(attrs["saturation"]), factor)
    scaled = values.transpose(*DIMS).assign_coords(
        cube.drop_vars("variance", errors="ignore").coords
    )
    scaled = scaled.assign_coords(mask=mask)
    variance = _variance(cube, plain, scale, noise)
    if variance is None:
        scaled.attrs = attrs | {SCALED: median, "noise": "residual"}
        return scaled
    attrs.pop("noise", None)
    scaled.attrs = attrs | {SCALED: median}
    return scaled.assign_coords(variance=(DIMS, variance.transpose(*DIMS).data))


def _float_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type of scaled values: spectra are float32 later on."""
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


def _times(cube: xr.DataArray) -> np.ndarray:
    """Return the live times (y, x) of a cube that is not scaled yet."""
    if SCALED in cube.attrs:
        raise ValueError("the cube is scaled to one live time already; leave out live_time")
    if LIVE_TIME not in cube.coords or set(cube.coords[LIVE_TIME].dims) != {"y", "x"}:
        there = [str(name) for name in cube.coords if str(name).endswith("_time")]
        raise ValueError(
            "the cube has no live times: no coordinate live_time of (y, x)"
            + (f"; it has {', '.join(there)}" if there else "")
            + "; leave out live_time (--live-time)"
        )
    return np.asarray(cube.coords[LIVE_TIME].transpose("y", "x").values, dtype=np.float64)


def _some_spectra(cube: xr.DataArray) -> np.ndarray:
    """Return some spectra (n, channel) of a cube of floats, which show whether it holds counts."""
    if cube.dtype.kind in "ui" or "variance" in cube.coords:
        return np.empty((0, 0), dtype=np.float32)
    for block in blocks(cube):
        spectra = read_block(cube, block).values
        spectra = spectra[np.isfinite(spectra).all(axis=1)]
        if len(spectra):
            return spectra[:: max(1, len(spectra) // SPECTRA)]
    return np.empty((0, 0), dtype=np.float32)


def _saturated(
    values: xr.DataArray, raw: xr.DataArray, saturation: float, factor: np.ndarray
) -> tuple[xr.DataArray, float]:
    """Return scaled values whose saturated ones are at, and all others below, one new level."""
    level = saturation * float(factor.max())
    return values.where(~(raw >= saturation), level), level


def _variance(
    cube: xr.DataArray, raw: xr.DataArray, scale: xr.DataArray, noise: str
) -> xr.DataArray | None:
    """Return the variance (y, x, channel) of the scaled values, or None if it is not known."""
    if noise == "variance":
        return cube.coords["variance"].reset_coords(drop=True) * scale**2
    if noise == "counts":
        return raw.astype(_float_of(raw.dtype)).clip(min=1) * scale**2
    return None
