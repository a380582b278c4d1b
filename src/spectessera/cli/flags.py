"""The flags that several commands share: how a file is read, and what is printed.

Flags that belong together are a dataclass, each field of which is annotated as an option; a command
that has a parameter of that type gets all of them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    import xarray as xr

AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no table.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")]
CubeFile = Annotated[Path, typer.Argument(help="The file or Zarr folder of a cube.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Settings from a TOML file, such as settings.toml of an earlier run. Flags override "
        "the file.",
    ),
]

_READING = "Reading the file"


@dataclass(frozen=True)
class FileOptions:
    """How a cube is read from its file.

    Parameters
    ----------
    key : str, optional
        Which array of the file.
    energy, wavelength, axis : str, optional
        First and last channel, as two numbers separated by a comma.
    unit : str, optional
        Of the axis.
    missing : float, optional
        The number that marks missing values.
    """

    key: Annotated[
        str | None,
        typer.Option(
            help="Which array of the file to read: path of an HDF5 dataset or Zarr array, name or "
            "number of a FITS extension, name in an NPZ archive.",
            rich_help_panel=_READING,
        ),
    ] = None
    energy: Annotated[
        str | None,
        typer.Option(
            metavar="FIRST,LAST",
            help="Energies of the first and the last channel, in keV or in --unit.",
            rich_help_panel=_READING,
        ),
    ] = None
    wavelength: Annotated[
        str | None,
        typer.Option(
            metavar="FIRST,LAST",
            help="Wavelengths of the first and the last channel, in angstrom or in --unit.",
            rich_help_panel=_READING,
        ),
    ] = None
    axis: Annotated[
        str | None,
        typer.Option(
            metavar="FIRST,LAST",
            help="Positions of the first and the last channel on an axis of another kind, in "
            "--unit.",
            rich_help_panel=_READING,
        ),
    ] = None
    unit: Annotated[
        str | None,
        typer.Option(
            help="Unit of the axis: of the one given here, or of the file's own.",
            rich_help_panel=_READING,
        ),
    ] = None
    missing: Annotated[
        float | None,
        typer.Option(
            help="The number that marks missing values in the file.",
            rich_help_panel=_READING,
        ),
    ] = None

    def open(self, path: Path) -> xr.DataArray:
        """Return the cube of a file; its values stay there and are read block by block."""
        from spectessera.io import read

        pairs = {"energy": self.energy, "wavelength": self.wavelength, "axis": self.axis}
        ends: dict[str, Any] = {
            name: numbers(f"--{name}", text, 2) for name, text in pairs.items() if text is not None
        }
        return read(path, key=self.key, unit=self.unit, missing=self.missing, chunks="auto", **ends)


def with_flag_groups(function: Callable[..., None]) -> Callable[..., None]:
    """Replace every parameter of a command that is a dataclass by one flag per field of it."""
    signature = inspect.signature(function, eval_str=True)
    groups: dict[str, Any] = {
        each.name: each.annotation
        for each in signature.parameters.values()
        if is_dataclass(each.annotation)
    }

    def command(**values: Any) -> None:
        for name, kind in groups.items():
            values[name] = kind(**{each.name: values.pop(each.name) for each in fields(kind)})
        function(**values)

    parameters: list[inspect.Parameter] = []
    for each in signature.parameters.values():
        parameters += _flags_of(groups[each.name]) if each.name in groups else [each]
    return with_parameters(command, function, parameters)


def _flags_of(kind: Any) -> list[inspect.Parameter]:
    """Return the fields of a dataclass as parameters of a command."""
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if each.default is MISSING else each.default,
            annotation=hints[each.name],
        )
        for each in fields(kind)
    ]


def with_parameters(
    command: Callable[..., None],
    function: Callable[..., None],
    parameters: Iterable[inspect.Parameter],
) -> Callable[..., None]:
    """Return ``command`` with the name and help of ``function`` and with other parameters."""
    command = functools.wraps(function)(command)
    keyword_only = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    command.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in keyword_only}
    return command


def number(flag: str, text: str, kind: type[int] | type[float] = float) -> Any:
    """Return the number of a flag.

    Raises
    ------
    ValueError
        If the text is not a number of that kind.
    """
    try:
        return kind(text)
    except ValueError as error:
        word = "an integer" if kind is int else "a number"
        raise ValueError(f"{flag} takes {word}; got {text!r}") from error


def numbers(flag: str, text: str, count: int) -> tuple[float, ...]:
    """Return ``count`` numbers separated by commas.

    Raises
    ------
    ValueError
        If there are more or fewer, or one is not a number.
    """
    parts = text.split(",")
    if len(parts) != count:
        raise ValueError(f"{flag} takes {count} numbers separated by commas; got {text!r}")
    return tuple(float(number(flag, part)) for part in parts)
