"""The sections of a report about maps: of elements or lines, and of mixtures."""

from __future__ import annotations

import xarray as xr

from .elementmaps import element_section
from .linemaps import line_section
from .mixtures import mixture_section

Maps = tuple[xr.Dataset | None, xr.Dataset | None]  # of elements or lines, and of mixtures


def map_sections(maps: Maps) -> dict[str, str]:
    """Return the sections by their names; none where there are no maps."""
    suitable, mixtures = maps
    sections = {}
    if suitable is not None:
        of_elements = "element" in suitable.dims
        name, section = ("elements", element_section) if of_elements else ("lines", line_section)
        sections[name] = section(suitable)
    if mixtures is not None:
        sections["mixtures"] = mixture_section(mixtures)
    return sections
