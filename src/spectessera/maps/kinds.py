"""The maps that suit a cube: elements of X-ray spectra, or emission lines along wavelengths."""

from __future__ import annotations

from typing import Any

import xarray as xr

from spectessera.cube import check_cube, spectral_axis

from .elementmaps import check_mappable, elements
from .emission import check_lines, lines

_OF_AXIS = {"wavelength": "lines", "energy": "elements"}


def check_suitable(cube: xr.DataArray) -> str:
    """Return which maps suit a cube: "elements" or "lines".

    Parameters
    ----------
    cube : DataArray (y, x, channel)

    Raises
    ------
    TypeError, ValueError
        If it is no cube, or neither can be made: :func:`spectessera.maps.elements` needs counts
        along an energy axis, :func:`spectessera.maps.lines` wavelengths that resolve lines.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> spt.maps.check_suitable(spt.make_cube(np.ones((2, 3, 401)), wavelength=(6400.0, 6900.0)))
    'lines'
    """
    kind = _kind(cube)
    if kind == "lines":
        check_lines(cube)
    else:
        check_mappable(cube)
    return kind


GIVE_AXIS = (
    "; if it is one of these, give energy= or wavelength= (--energy FIRST,LAST or --wavelength "
    "FIRST,LAST)"
)


def _kind(cube: xr.DataArray) -> str:
    """Return which maps suit the axis of a cube."""
    axis = spectral_axis(check_cube(cube))
    if axis.kind not in _OF_AXIS:
        raise ValueError(
            "maps are made of the elements of X-ray spectra (an energy axis) and of emission lines "
            f"(wavelengths); the axis of this cube is {axis.label()}"
            + (GIVE_AXIS if axis.kind == "channel" else "")
        )
    return _OF_AXIS[axis.kind]


def suitable(
    cube: xr.DataArray,
    result: xr.Dataset,
    *,
    anode: str | None = None,
    single_pixels: bool = True,
    redshift: float | None = None,
    progress: Any = None,
) -> xr.Dataset:
    """Return the maps that suit a cube: of elements, or of emission lines.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    result : Dataset
        Of :func:`spectessera.segment` or a baseline, of this cube.
    anode, single_pixels
        As of :func:`spectessera.maps.elements`; of no influence on lines.
    redshift
        As of :func:`spectessera.maps.lines`; of no influence on elements.
    progress : callable, optional

    Returns
    -------
    Dataset

    Raises
    ------
    NothingToMap
        If the mean spectra show no lines.
    ValueError
        As :func:`check_suitable`.
    """
    if _kind(cube) == "lines":  # the functions check the cube
        return lines(cube, result, redshift=redshift, progress=progress)
    return elements(cube, result, anode=anode, single_pixels=single_pixels, progress=progress)
