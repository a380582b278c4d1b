"""The variance of a cube, from what a file or a user calls its noise."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from spectessera._util.check import check_numeric
from spectessera.scale import LARGEST, keep_saturation, places, source_of

from ._common import StoredCube, with_missing

FORMS = ("variance", "error", "ivar")
# An error so many times larger than what is usual marks a bad value.
ABSURD = 1e6
# Spectra that determine what is usual.
SAMPLED = 9
# Largest relative difference between the ratios of variance and value in a spectrum of counts.
SAME_RATIO = 1e-4
# Variances between which float32 is exact enough also for much smaller and larger ones.
SAFE = (1e-28, 1e28)


def variance_of(stored: StoredCube, noise: Any, form: str) -> Any:
    """Return the variance (y, x, channel), and mark the values that have none.

    Where the variance is not a positive finite number, or absurdly large, the value of the cube
    becomes NaN: it was not measured, or the file marks it as bad in this way. A count of 0 whose
    variance is the count stays (:class:`Usual`).

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
    usual = usual_noise(stored.values, noise, form)
    if not usual.variance:
        stored.notes.append(f"the {form} is not positive anywhere and is not used")
        return stored.variance
    variance = _apply(noise, variance_from, form)
    usable = (variance > 0) & (variance <= usual.limit)
    if usual.counts:
        usable |= (variance == 0) & (stored.values == 0)
    narrow = SAFE[0] < usual.variance < SAFE[1]
    keep_saturation(stored.values.dtype, stored.attrs)
    stored.values = with_missing(stored.values, ~usable)
    return variance.astype(_float_type(noise)) if narrow else variance


class Usual(NamedTuple):
    """What a few spectra of a cube say of its noise.

    Attributes
    ----------
    limit : float
        The variance above which a value counts as marked bad.
    variance : float
        The usual one, 0 if none is positive.
    counts : bool
        Whether a value of 0 with a variance of 0 is a count of 0, and not a missing value: all
        variances of each spectrum are its values times one number, as those of counts, also of
        scaled ones.
    """

    limit: float
    variance: float
    counts: bool = False


def usual_noise(values: Any, noise: Any, form: str) -> Usual:
    """Return the limit of the variance, the usual one, and whether it is that of counts.

    Some programs mark a bad value by an error of 1e10. The noise of a value is in the value itself,
    so no true error is a million times larger than both the usual value and the usual error. Both
    are medians over a few pixels at fixed places, so they do not depend on chunks.

    Parameters
    ----------
    values, noise : array (y, x, channel)
        Anything that reads one spectrum for an index ``[y, x]``.
    form : "variance", "error" or "ivar"
    """
    cube, stored_noise = source_of(values), source_of(noise)
    if cube is None or stored_noise is None:
        return Usual(np.inf, 1.0)
    strengths, variances, counts = [], [], form != "ivar"
    for y, x in places(values.shape[:2]):
        spectrum, stored = cube[y, x], stored_noise[y, x]
        variance = variance_from(stored, form)
        with np.errstate(invalid="ignore"):
            usable = (variance > 0) & (variance < np.inf) & (np.abs(spectrum) <= LARGEST)
        usable &= spectrum != 0
        if usable.any():
            strengths.append(np.median(np.abs(spectrum[usable].astype(np.float64))))
            variances.append(np.median(variance[usable]))
            counts = counts and _proportional(spectrum[usable], variance[usable])
        if len(variances) == SAMPLED:
            break
    if not variances:
        return Usual(np.inf, 0.0)
    usual = max(float(np.median(strengths)), float(np.sqrt(np.median(variances))))
    return Usual((ABSURD * usual) ** 2, float(np.median(variances)), counts)


def _proportional(spectrum: np.ndarray, variance: np.ndarray) -> bool:
    """Return whether variances are the values, which are positive, times one number."""
    ratio = variance / spectrum.astype(np.float64)
    return bool(ratio.min() > 0 and ratio.max() <= (1 + SAME_RATIO) * ratio.min())


def variance_from(noise: np.ndarray, form: str) -> np.ndarray:
    """Return the variance as float64: the square of 1e-25 is no float32 number."""
    wide = noise.astype(np.float64)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        if form == "error":  # a negative error is no error at all
            return wide * np.abs(wide)
        return 1 / wide if form == "ivar" else wide


def _apply(noise: Any, function: Any, form: str) -> Any:
    """Apply a function to a numpy or dask array."""
    if hasattr(noise, "dask"):
        return noise.map_blocks(function, form, dtype=np.float64)
    return function(noise, form)


def _float_type(noise: Any) -> np.dtype[Any]:
    """Return the type of the noise, float32 for integers."""
    return noise.dtype if noise.dtype.kind == "f" else np.dtype(np.float32)


def _broadcast(noise: Any, shape: tuple[int, ...]) -> Any:
    """Return an array of the shape of the cube."""
    if hasattr(noise, "dask"):
        import dask.array as da

        return da.broadcast_to(noise, shape)
    return np.broadcast_to(noise, shape)
