"""Small coordinates of a cube in FITS: bad channels, live and dead times."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ._common import StoredCube, native

# Name of the coordinate -> name of the extension, and its dimensions.
EXTENSIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "bad_channel": ("BADCHAN", ("channel",)),
    "fwhm": ("FWHM", ("channel",)),
    "live_time": ("LIVETIME", ("y", "x")),
    "real_time": ("REALTIME", ("y", "x")),
    "dead_time": ("DEADTIME", ("y", "x")),
}


def coordinate_extensions(cube: xr.DataArray) -> list[Any]:
    """Return an image extension for each such coordinate of a cube."""
    from astropy.io import fits

    extensions = []
    for name, (extension, dims) in EXTENSIONS.items():
        if name not in cube.coords or set(cube.coords[name].dims) != set(dims):
            continue
        each = cube.coords[name].transpose(*dims)
        values = np.asarray(each.values)
        hdu = fits.ImageHDU(values.astype(np.uint8) if values.dtype.kind == "b" else values)
        hdu.name = extension
        if each.attrs.get("units"):
            hdu.header["BUNIT"] = str(each.attrs["units"])
        extensions.append(hdu)
    return extensions


def add_coordinates(cube: StoredCube, hdus: Any) -> None:
    """Add the coordinates of such extensions to a cube, those that fit it."""
    sizes = dict(zip(("y", "x", "channel"), cube.values.shape, strict=True))
    for name, (extension, dims) in EXTENSIONS.items():
        for hdu in hdus:
            shape = tuple(sizes[dim] for dim in dims)
            if hdu.name != extension or not hdu.is_image or hdu.shape != shape:
                continue
            values = native(np.asarray(hdu.data))
            unit = str(hdu.header.get("BUNIT", "")).strip()
            values = values != 0 if name == "bad_channel" else values
            cube.coords[name] = (dims, values, {"units": unit} if unit else {})
