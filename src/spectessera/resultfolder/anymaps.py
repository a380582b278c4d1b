"""The files of maps, of elements or of emission lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xarray as xr

from .abundancefiles import write_abundances
from .linefiles import write_line_maps
from .mapfiles import write_maps

KEYS = ("elements", "lines", "mixtures", "tree")  # of maps, in a summary


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


def write_all_maps(
    maps: xr.Dataset | None, mixtures: xr.Dataset | None, folder: Path
) -> dict[str, Any]:
    """Write the maps that there are into a new folder, and return what the summary says of them.

    ``maps`` are of elements or lines, ``mixtures`` of abundances.
    """
    rows: dict[str, Any] = {} if maps is None else dict(write_any_maps(maps, folder))
    return rows if mixtures is None else rows | write_abundances(mixtures, folder)


def with_maps(summary: dict[str, Any], rows: dict[str, Any]) -> dict[str, Any]:
    """Return a summary with what it says of new maps in place of older ones."""
    return {name: value for name, value in summary.items() if name not in KEYS} | rows
