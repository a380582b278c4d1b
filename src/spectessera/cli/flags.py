"""The flags that several commands share: how a file is read, and what is printed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .options import numbers

Config = Annotated[
    Path | None,
    typer.Option(help="A TOML file of settings, such as settings.toml of a run; flags go before."),
]


CheckpointOption = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        help="Keep the state of the training in this file (.safetensors); if it is there, go on "
        "from it. It is removed when the training is done.",
    ),
]


AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, and only that.")]


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")]


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
    from spectessera.io import read

    pairs = {"energy": energy, "wavelength": wavelength, "axis": axis}
    given: dict[str, Any] = {
        name: numbers(f"--{name}", text, 2) for name, text in pairs.items() if text is not None
    }
    # Left in the file and read block by block: the same answer in less memory.
    return read(path, key=key, unit=unit, missing=missing, chunks="auto", **given)
