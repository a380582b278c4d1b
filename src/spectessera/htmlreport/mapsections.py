"""The sections of a report about maps: of elements or lines, and of mixtures."""

from __future__ import annotations

import xarray as xr

from .elementmaps import LARGEST, element_section
from .linemaps import line_section
from .mixtures import mixture_section


def map_sections(
    maps: xr.Dataset | None, mixtures: xr.Dataset | None, most: int = LARGEST
) -> dict[str, str]:
    """Return the sections by their names; none where there are no maps.

    Parameters
    ----------
    maps : Dataset or None
        Of :func:`spectessera.maps.elements` or :func:`spectessera.maps.lines`.
    mixtures : Dataset or None
        Of :func:`spectessera.maps.abundances`.
    most : int
        Points of the longer side of a small map.
    """
    found = {}
    if maps is not None:
        of_elements = "element" in maps.dims
        name = "elements" if of_elements else "lines"
        found[name] = element_section(maps, most) if of_elements else line_section(maps, most)
    if mixtures is not None:
        found["mixtures"] = mixture_section(mixtures, most)
    return found
