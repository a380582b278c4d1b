"""Which package an object comes from, by the attributes that it has."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ._astro import of_nddata, of_spectral_cube, of_spectrum
from ._hyperspy import of_signal
from ._parts import Parts, check_axes, is_quantity
from ._xarray import of_dataarray, of_dataset

# Attributes that an object must have, and what takes it apart; the first that fits.
KNOWN = (
    (("axes_manager", "data"), of_signal),
    (("filled_data", "spectral_axis"), of_spectral_cube),
    (("flux", "spectral_axis"), of_spectrum),
    (("data", "wcs", "uncertainty", "mask"), of_nddata),
)


def is_object(thing: Any) -> bool:
    """Whether something is a cube of another package, or several in one, but no DataArray."""
    known = any(all(hasattr(thing, name) for name in names) for names, _ in KNOWN)
    return known or isinstance(thing, xr.Dataset)


def take_apart(thing: Any) -> Parts | None:
    """Return the parts of a cube that is an object of another package; None for plain arrays.

    Parameters
    ----------
    thing : any
        A DataArray of xarray, a Quantity, NDData or NDCube, a Spectrum of specutils, a
        SpectralCube, or a signal of HyperSpy.

    Raises
    ------
    ValueError
        If it has not two axes of an image and one of a spectrum, or several arrays.
    """
    if isinstance(thing, xr.Dataset):
        return of_dataset(thing)
    if isinstance(thing, xr.DataArray):
        return of_dataarray(thing)
    if is_quantity(thing):
        return _of_quantity(thing)
    for names, function in KNOWN:
        if all(hasattr(thing, name) for name in names):
            return function(thing)
    return None


def _of_quantity(thing: Any) -> Parts:
    """Take a Quantity apart; one of astropy's class Masked has a mask for every value."""
    values = np.asarray(getattr(thing, "unmasked", thing).value)
    unit = str(thing.unit)
    parts = Parts(values, attrs={"unit": unit} if unit else {})
    check_axes("Quantity", values.shape)
    if hasattr(thing, "unmasked"):
        parts.take_missing(np.asarray(thing.mask))
    return parts
