"""The files of maps, of elements or of emission lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xarray as xr

from .linefiles import write_line_maps
from .mapfiles import write_maps


def write_any_maps(maps: xr.Dataset, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Write maps into a new folder, and return what the summary says of them, by what they are of.

    Parameters
    ----------
    maps : Dataset
        Of :func:`spectessera.maps.elements` or :func:`spectessera.maps.lines`.
    folder : Path

    Returns
    -------
    dict
        "elements" or "lines": see :func:`write_maps` and :func:`write_line_maps`.
    """
    if "element" in maps.dims:
        return {"elements": write_maps(maps, folder)}
    return {"lines": write_line_maps(maps, folder)}
