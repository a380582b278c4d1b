"""`segment FILE FILE ... --together`: several scans of one object with common clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spectessera._util.files import encodable
from spectessera._util.text import counted, per_cent

if TYPE_CHECKING:
    import xarray as xr

    from .flags import FileOptions

_PANEL = "Several scans"
CubeFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...", help="The file or Zarr folder of a cube; several with --together."
    ),
]


@dataclass(frozen=True)
class TogetherOptions:
    """Whether several files are segmented with common clusters.

    Parameters
    ----------
    together : bool
        Segment all of them as one.
    match_response : bool
        Remove differences between the instruments first.
    """

    together: Annotated[
        bool,
        typer.Option(
            "--together",
            help="Segment several scans of one object with common clusters: the same numbers and "
            "colours in all. The folder scans has the maps of each.",
            rich_help_panel=_PANEL,
        ),
    ] = False
    match_response: Annotated[
        bool,
        typer.Option(
            "--match-response",
            help="With --together: make the smoothed mean spectra of the scans equal, for scans of "
            "the same materials with different instruments.",
            rich_help_panel=_PANEL,
        ),
    ] = False


@dataclass
class Scans:
    """The files of a run, and the cubes in them once they are read.

    Parameters
    ----------
    files : sequence of Path
    options : TogetherOptions
    cubes : list of DataArray
        Those that were joined.

    Raises
    ------
    ValueError
        If there are several files without ``--together``, one with it, or one twice.
    """

    files: Sequence[Path]
    options: TogetherOptions
    cubes: list[xr.DataArray] = field(default_factory=list)

    def __post_init__(self) -> None:
        number = len(self.files)
        if number > 1 and not self.options.together:
            raise ValueError(
                f"got {number} files; add --together to give them common clusters, or segment one "
                "after the other"
            )
        if self.options.together and number == 1:
            raise ValueError("--together takes two files or more; got one")
        if self.options.match_response and not self.options.together:
            raise ValueError("--match-response belongs to --together")
        paths = [each.resolve() for each in self.files]
        twice = next((one for one, path in zip(self.files, paths, strict=True)
                      if paths.count(path) > 1), None)  # fmt: skip
        if twice is not None:
            raise ValueError(f"{twice} is given twice; every scan is given once")

    def inputs(self) -> dict[str, Path]:
        """Return the files by what they are for: cube, cube-2, cube-3 ..."""
        return {f"cube-{n}" if n > 1 else "cube": each for n, each in enumerate(self.files, 1)}

    def beside(self, reading: FileOptions) -> list[Path]:
        """Return the files of a mask or a noise; raise if they would hold for several scans."""
        files = list(reading.files())
        if self.options.together and files:
            raise ValueError(
                f"{files[0]} would hold for every scan; with --together, a mask or a noise is the "
                "name of an array that each file has (join_scans of Python takes any cubes)"
            )
        return files

    def said(self) -> dict[str, Any]:
        """Return the files as the summary and the settings of the run name them."""
        names = [encodable(str(each)) for each in self.files]
        return {"files": names} if self.options.together else {"file": names[0]}

    def read(self, reading: FileOptions, seed: int, progress: Any) -> xr.DataArray:
        """Return the cube of one file, or that of all."""
        cubes = [reading.open(each) for each in self.files]
        if not self.options.together:
            return cubes[0]
        from spectessera.scans import join_scans, scan_names

        self.cubes = cubes
        matched = self.options.match_response
        return join_scans(
            cubes, scan_names(self.files), response=matched, seed=seed, progress=progress
        )


def in_words(row: dict[str, Any]) -> str:
    """Return which clusters a scan of the summary has, as a line."""
    shares = (f"{n}: {per_cent(each, 1)}" for n, each in enumerate(row["shares"], 1) if each)
    return f"{row['scan']} ({counted(row['pixels'], 'pixel')}): {', '.join(shares) or 'no cluster'}"
