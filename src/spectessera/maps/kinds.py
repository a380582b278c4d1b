"""The maps that suit a cube: elements of X-ray spectra, or emission lines along wavelengths."""

from __future__ import annotations

from typing import Any

import xarray as xr

from spectessera.cube import check_cube, spectral_axis

from .elementmaps import check_mappable, elements
from .emission import check_lines, lines


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
    kind = spectral_axis(check_cube(cube)).kind
    if kind == "wavelength":
        check_lines(cube)
        return "lines"
    if kind == "energy":
        check_mappable(cube)
        return "elements"
    raise ValueError(
        "maps are made of the elements of X-ray spectra (an energy axis) and of emission lines "
        f"(wavelengths); the axis of this cube is {spectral_axis(cube).label()}; if it is one of "
        "these, give energy= or wavelength= (--energy FIRST,LAST or --wavelength FIRST,LAST)"
    )


def suitable(
    cube: xr.DataArray,
    result: xr.Dataset,
    *,
    anode: str | None = None,
    single_pixels: bool = True,
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
    if check_suitable(cube) == "lines":
        return lines(cube, result, progress=progress)
    return elements(cube, result, anode=anode, single_pixels=single_pixels, progress=progress)
