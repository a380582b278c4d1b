"""The variance of a cube, from what a file or a user calls its noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from spectessera._util.check import check_numeric

from ._common import StoredCube, with_missing

FORMS = ("variance", "error", "ivar")


def variance_of(stored: StoredCube, noise: Any, form: str) -> Any:
    """Return the variance (y, x, channel), and mark the values that have none.

    Where the variance is not a positive finite number, the value of the cube becomes NaN: it was
    not measured, or the file marks it as bad in this way.

    Parameters
    ----------
    stored : StoredCube
        Its ``values`` are replaced.
    noise : numpy or dask array
        Of the shape of the cube, or of one that broadcasts to it.
    form : "variance", "error" or "ivar"
        What the numbers are: variance, standard deviation, or inverse variance.

    Raises
    ------
    ValueError, TypeError
        If the shapes do not agree, or it does not hold real numbers.
    """
    check_numeric(f"the {form}", noise)
    shape = stored.values.shape
    try:
        noise = _broadcast(noise, shape)
    except ValueError:
        raise ValueError(
            f"{form} has shape {noise.shape}; the cube has {shape}: give an array of that shape, "
            "or one that broadcasts to it"
        ) from None
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        variance = {"variance": _plain, "error": _square, "ivar": _inverse}[form](noise)
        usable = (variance > 0) & (variance < np.inf)
    if stored.values.dtype in (np.uint8, np.uint16):  # float32 does not show where they saturate
        stored.attrs.setdefault("saturation", float(np.iinfo(stored.values.dtype).max))
    stored.values = with_missing(stored.values, ~usable)
    return variance


def _broadcast(noise: Any, shape: tuple[int, ...]) -> Any:
    """Return an array of the shape of the cube."""
    if hasattr(noise, "dask"):
        import dask.array as da

        return da.broadcast_to(noise, shape)
    return np.broadcast_to(noise, shape)


def _float(noise: Any) -> Any:
    """Return floats; integers become float32."""
    return noise if noise.dtype.kind == "f" else noise.astype(np.float32)


def _plain(noise: Any) -> Any:
    """Return a variance as it is."""
    return _float(noise)


def _square(noise: Any) -> Any:
    """Return the variance for a standard deviation; negative ones are no noise at all."""
    noise = _float(noise)
    return noise * abs(noise)


def _inverse(noise: Any) -> Any:
    """Return the variance for its inverse."""
    return 1 / _float(noise)
