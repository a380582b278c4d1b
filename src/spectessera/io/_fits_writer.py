"""Write cubes and label maps as FITS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spectessera._version import __version__
from spectessera.axis import Axis
from spectessera.cube import DIMS, spectral_axis
from spectessera.result import VARIABLES

from ._companions import CREATOR
from ._wcs import FITS_UNIT

CTYPE = {
    "energy": "ENER",
    "energy_loss": "ENER",
    "wavelength": "WAVE",
    "wavenumber": "WAVN",
    "frequency": "FREQ",
    "velocity": "VELO",
    "channel": "CHANNEL",
}
MAX_UNEVENNESS = 1e-4  # of a step; channels closer than this to even steps count as even
CARDS = {"unit": "BUNIT", "object": "OBJECT", "instrument": "INSTRUME", "telescope": "TELESCOP"}


def write_cube_fits(cube: xr.DataArray, path: Path) -> None:
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


def write_result_fits(result: xr.Dataset, path: Path) -> None:
    """Write the maps that have a FITS extension in the schema, for DS9 and QGIS."""
    from astropy.io import fits

    hdus = [_primary()]
    for each in [each for each in VARIABLES.values() if each.fits and each.name in result]:
        header, dtype = _sky(result.attrs.get("wcs")), each.dtype
        values = result[each.name].transpose(*each.dims).values
        if each.name == "label":
            largest = int(values.max(initial=0))
            clusters = result.sizes.get("cluster", largest)
            header["NCLUSTER"] = (clusters, "labels are 1 to this; 0 = masked")
            dtype = "int16" if largest <= np.iinfo(np.int16).max else dtype
        hdus.append(fits.ImageHDU(values.astype(dtype), header, name=each.fits))
    fits.HDUList(hdus).writeto(path)


def _primary() -> Any:
    """Return the first part of a FITS file, which names the program that wrote it."""
    from astropy.io import fits

    hdu = fits.PrimaryHDU()
    hdu.header["CREATOR"] = f"{CREATOR} {__version__}"
    return hdu


def _sky(wcs: Any) -> Any:
    """Return a FITS header with the WCS of the image, which is an attribute of text."""
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
    if np.abs(axis.values - even).max() > MAX_UNEVENNESS * abs(step):
        raise ValueError(
            f"the {axis.kind} axis does not have even steps, which FITS cannot store; write a "
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
    """Return values as FITS stores them: (channel, y, x), of a type that it has."""
    values = np.moveaxis(np.asarray(cube.values), 2, 0)
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind == "f" and values.dtype.itemsize not in (4, 8):
        return values.astype(np.float32 if values.dtype.itemsize < 4 else np.float64)
    return np.ascontiguousarray(values)
