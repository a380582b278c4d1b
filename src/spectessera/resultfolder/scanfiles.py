"""The files of each of several scans that were segmented together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from spectessera.io import RESULT, RESULT_STORE, write
from spectessera.scans import shares_of, split_scans

from .manifest import ABUNDANCES, MAPS, SCANS


def write_scans(
    result: xr.Dataset,
    maps: Sequence[xr.Dataset | None],
    cubes: Sequence[xr.DataArray],
    folder: Path,
    *,
    stored: bool,
) -> list[dict[str, Any]]:
    """Write a folder with the maps of each scan, and return what the summary says of the scans.

    Parameters
    ----------
    result : Dataset
        Of the joined scans.
    maps : pair of Dataset or None
        Of elements or lines, and of mixtures, in all of them.
    cubes : sequence of DataArray
        That were joined.
    folder : Path
        Of the results.
    stored : bool
        Write Zarr stores in place of NetCDF files.
    """
    for name, part in split_scans(result, cubes).items():
        own = folder / SCANS / name
        own.mkdir(parents=True)
        write(part, own / (RESULT_STORE if stored else RESULT))
        write(part, own / "labels.png")
        if "wcs" in part.attrs:
            write(part, own / "labels.fits")
    for each, file in zip(maps, (MAPS[0], ABUNDANCES[0]), strict=True):
        if each is not None:
            placed = each.assign_attrs(scans=result.attrs["scans"])
            for name, part in split_scans(placed, cubes).items():
                write(part, folder / SCANS / name / file)
    return shares_of(result)
