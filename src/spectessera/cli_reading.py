"""How all commands that read cubes are told what is in a file, and the one function to read it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_options import numbers

Key = Annotated[
    str | None,
    typer.Option(help="Which array of the file: HDF5 dataset, FITS extension, NPZ name."),
]
Energy = Annotated[
    str | None,
    typer.Option(metavar="FIRST,LAST", help="Energies of the first and last channel (keV)."),
]
Wavelength = Annotated[
    str | None,
    typer.Option(
        metavar="FIRST,LAST", help="Wavelengths of the first and last channel (angstrom)."
    ),
]
AxisOption = Annotated[
    str | None,
    typer.Option("--axis", metavar="FIRST,LAST", help="First and last channel, in --unit."),
]
Unit = Annotated[str | None, typer.Option(help="Unit of the axis that is given, or of the file's.")]
Missing = Annotated[float | None, typer.Option(help="The number that marks missing values.")]


def open_cube(
    path: Path,
    key: str | None,
    energy: str | None,
    wavelength: str | None,
    axis: str | None,
    unit: str | None,
    missing: float | None,
) -> Any:
    """Return the cube of a file, left there to be read block by block."""
    from .io import read

    pairs = {"energy": energy, "wavelength": wavelength, "axis": axis}
    given: dict[str, Any] = {
        name: numbers(f"--{name}", text, 2) for name, text in pairs.items() if text is not None
    }
    # Left in the file and read block by block: the same answer in less memory.
    return read(path, key=key, unit=unit, missing=missing, chunks="auto", **given)
