"""The flags of a library of spectra that clusters are named by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import xarray as xr

LibraryFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE|FOLDER",
        help="Name clusters by a library of spectra: an ENVI library (.sli), a table of text with "
        "the axis in its first column, or a folder of such tables.",
    ),
]
LibraryUnit = Annotated[
    str | None,
    typer.Option(
        metavar="UNIT",
        help="Unit of the axis of the library, such as um, nm or cm-1.",
        rich_help_panel="Names",
    ),
]


def opened_library(path: Path | None, unit: str | None) -> xr.Dataset | None:
    """Return the library of a file or folder, None if none is given.

    Raises
    ------
    ValueError
        If there is a unit and no library, or it cannot be read.
    """
    from spectessera.io import read_library

    if path is None:
        if unit is not None:
            raise ValueError("--library-unit belongs to --library FILE")
        return None
    return read_library(path, unit=unit)
