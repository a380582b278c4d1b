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

from spectessera._util.imports import uncollected

from .besides import is_file, mask_file, noise_file

if TYPE_CHECKING:
    import xarray as xr

TRAINING = "Training"  # panel of the help page
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no table.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")]
CubeFile = Annotated[Path, typer.Argument(help="The file or Zarr folder of a cube.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        rich_help_panel=TRAINING,
        help="Settings from a TOML file, such as settings.toml of an earlier run. Flags override "
        "the file.",
    ),
]

# Models that ship with the package, as spectessera.network.modelfile.MODELS has them.
SHIPPED = "maxrf|nebulae|nebulae-wide"
MODEL = f"[{SHIPPED}|FILE]"
_option = functools.partial(typer.Option, rich_help_panel="Reading the file")


def _ends(what: str, unit: str, where: str = "") -> Any:
    """Return the flag of a spectral axis: its values at both ends."""
    words = f"{what} of the first and the last channel{where}, {unit}."
    return _option(metavar="FIRST,LAST", help=words)


def _beside(what: str, more: str = "") -> Any:
    """Return the flag of an array that belongs to a cube."""
    words = f"{what}: the name of an array in the file, or another file{more}."
    return _option(metavar="NAME|FILE", help=words)


@dataclass(frozen=True)
class FileOptions:
    """How a cube is read from its file.

    Parameters
    ----------
    key : str, optional
        Which array of the file.
    axes : str, optional
        The order of its axes, such as "cyx".
    shape : str, optional
        Rows and columns of the image, for files with one spectrum for each point.
    energy, wavelength, axis : str, optional
        First and last channel, as two numbers separated by a comma.
    unit, medium : str, optional
        Of the axis.
    log10 : bool
        The axis holds decimal logarithms.
    missing : float, optional
        The number that marks missing values.
    mask, variance, error, ivar : str, optional
        Name of an array in the file, or another file.
    detectors : str, optional
        "sum" or the number of one.
    live_time : bool
        Scale the counts by the live times in the file.
    outside : bool
        Follow links to files outside the folder of the cube.
    isolate : bool
        Read the file in a process of its own.
    pixel_size : str, optional
        Such as "0.5mm".
    noise : str, optional
        "counts" or "unknown".
    """

    key: Annotated[
        str | None,
        _option(
            metavar="NAME",
            help="Which array of the file to read: path of an HDF5 dataset or Zarr array, name or "
            "number of a FITS extension, name in an NPZ archive.",
        ),
    ] = None
    axes: Annotated[
        str | None,
        _option(
            metavar="ORDER",
            help="Order of the axes in the file, such as cyx: c is the channel, y and x the image.",
        ),
    ] = None
    shape: Annotated[
        str | None,
        _option(
            metavar="ROWS,COLUMNS",
            help="Size of the image, if the file holds one spectrum for each point.",
        ),
    ] = None
    energy: Annotated[str | None, _ends("Energies", "in keV or in --unit")] = None
    wavelength: Annotated[str | None, _ends("Wavelengths", "in angstrom or in --unit")] = None
    axis: Annotated[
        str | None, _ends("Positions", "in --unit", where=" on an axis of another kind")
    ] = None
    unit: Annotated[
        str | None,
        _option(
            metavar="UNIT",
            help="Unit of the axis: of the one given here, or of the file's own.",
        ),
    ] = None
    medium: Annotated[
        str | None,
        _option(metavar="[air|vacuum]", help="Whether the wavelengths are in air or in vacuum."),
    ] = None
    log10: Annotated[
        bool,
        _option(
            "--log10", help="The axis, given here or the file's own, holds decimal logarithms."
        ),
    ] = False
    missing: Annotated[
        float | None, _option(help="The number that marks missing values in the file.")
    ] = None
    mask: Annotated[
        str | None, _beside("Pixels to leave out", more=" (.npy or .fits; not 0 = left out)")
    ] = None
    variance: Annotated[str | None, _beside("Variance of every value")] = None
    error: Annotated[str | None, _beside("Standard deviation of every value")] = None
    ivar: Annotated[str | None, _beside("Inverse variance of every value")] = None
    detectors: Annotated[
        str | None,
        _option(
            metavar="[sum|NUMBER]",
            help="Of a file with several detectors: the sum of all, or one of them, from 0.",
        ),
    ] = None
    live_time: Annotated[
        bool,
        _option(
            "--live-time", help="Scale the counts of every pixel by the live times in the file."
        ),
    ] = False
    outside: Annotated[
        bool,
        _option(
            "--outside",
            help="Follow links to files outside the folder of the cube. They may be any file that "
            "you can read: only for cubes from people whom you trust.",
        ),
    ] = False
    isolate: Annotated[
        bool,
        _option(
            "--isolate",
            help="Read the file in a process of its own: a file that crashes or stops it is an "
            "error. For files from strangers.",
        ),
    ] = False
    pixel_size: Annotated[
        str | None,
        _option(
            metavar="SIZE",
            help="Size of a pixel with its unit, such as 0.5mm, or height and width, 0.4,0.5mm: "
            "for scale bars and areas. Replaces the positions of the file.",
        ),
    ] = None
    noise: Annotated[
        str | None,
        _option(
            metavar="KIND",
            help="counts or unknown: what the noise of the values is, in place of what the file or "
            "the values say of it.",
        ),
    ] = None

    def open(self, path: Path, chunks: Any = "auto") -> xr.DataArray:
        """Return the cube of a file; its values stay there and are read block by block."""
        from spectessera.io import read

        pairs = {"energy": self.energy, "wavelength": self.wavelength, "axis": self.axis}
        ends: dict[str, Any] = {
            name: numbers(f"--{name}", text, 2) for name, text in pairs.items() if text is not None
        }
        with uncollected():  # readers import their libraries, and xarray imports Dask
            return read(
                path, key=self.key, axes=self.axes, shape=self._image(), unit=self.unit,
                medium=self.medium or "", log10=self.log10, missing=self.missing, chunks=chunks,
                detectors=self.detectors, live_time=self.live_time,
                outside=self.outside, isolate=self.isolate, pixel_size=self.pixel_size,
                noise=self.noise, **ends, **self._companions(),
            )  # fmt: skip

    def _image(self) -> tuple[int, int] | None:
        """Return the size of the image."""
        if self.shape is None:
            return None
        rows, columns = numbers("--shape", self.shape.lower().replace("x", ","), 2, int)
        return int(rows), int(columns)

    def files(self) -> list[Path]:
        """Return the files that are read beside that of the cube."""
        given = (self.mask, self.variance, self.error, self.ivar)
        return [Path(text) for text in given if text is not None and is_file(text)]

    def _companions(self) -> dict[str, Any]:
        """Return the mask and the noise: names in the file, or arrays of other files."""
        noise = {"variance": self.variance, "error": self.error, "ivar": self.ivar}
        given: dict[str, Any] = {name: text for name, text in noise.items() if text is not None}
        for name, text in given.items():
            if is_file(text):
                given[name] = noise_file(Path(text), self.axes, isolate=self.isolate)
        if self.mask is not None:
            given["mask"] = mask_file(Path(self.mask)) if is_file(self.mask) else self.mask
        return given


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


def numbers(
    flag: str, text: str, count: int, kind: type[int] | type[float] = float
) -> tuple[float, ...]:
    """Return ``count`` numbers separated by commas.

    Raises
    ------
    ValueError
        If there are more or fewer, or one is not a number.
    """
    parts = text.split(",")
    if len(parts) != count:
        raise ValueError(f"{flag} takes {count} numbers separated by commas; got {text!r}")
    return tuple(number(flag, part, kind) for part in parts)
