"""The sections of a report about maps: of elements or lines, and of mixtures."""

from __future__ import annotations

import xarray as xr

from .changes import OLDER, in_colours_of, of_same_clusters
from .elementmaps import LARGEST, element_section
from .linemaps import line_section
from .mixtures import mixture_section
from .text import number

SAME = 0.003  # difference of redshifts, relative to 1 + z: 900 km/s, beyond motions in one object


def map_sections(
    result: xr.Dataset,
    maps: xr.Dataset | None,
    mixtures: xr.Dataset | None,
    most: int = LARGEST,
    redshift: float | None = None,
) -> dict[str, str]:
    """Return the sections by their names; none where there are no maps.

    Parameters
    ----------
    result : Dataset
        Whose names and colours of clusters they have, unless its clusters were changed after them.
    maps : Dataset or None
        Of :func:`spectessera.maps.elements` or :func:`spectessera.maps.lines`.
    mixtures : Dataset or None
        Of :func:`spectessera.maps.abundances`.
    most : int
        Points of the longer side of a small map.
    redshift : float or None
        Of the lines on the cards of the clusters.
    """
    found = {}
    if maps is not None:
        maps = in_colours_of(result, maps)
        of_elements = "element" in maps.dims
        name = "elements" if of_elements else "lines"
        drawn = element_section(maps, most) if of_elements else line_section(maps, most)
        found[name] = _note(result, maps) + _other_redshift(maps, redshift) + drawn
    if mixtures is not None:
        mixtures = in_colours_of(result, mixtures)
        found["mixtures"] = _note(result, mixtures) + mixture_section(mixtures, most)
    return found


def _note(result: xr.Dataset, maps: xr.Dataset) -> str:
    """Return a note where the clusters of maps are not those of the result."""
    return "" if of_same_clusters(result, maps) else OLDER


def _other_redshift(maps: xr.Dataset, redshift: float | None) -> str:
    """Return a warning where the maps of lines have another redshift than the cards."""
    own = maps.attrs.get("redshift")
    if own is None or redshift is None or abs(float(own) - redshift) < SAME * (1 + redshift):
        return ""
    return (
        f'<p class="note">The cards above name the lines at redshift {number(redshift, 6)}; these '
        "maps were made with another one, see below. Make them again with spectessera maps "
        f"--redshift {number(redshift, 6)}, if that is the right one.</p>"
    )
