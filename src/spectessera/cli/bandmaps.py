"""`spectessera maps --band`: sums of bands of every pixel."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .anymaps import at_places_of
from .console import arguments, output, print_json, progress
from .scheduler import use_scheduler

if TYPE_CHECKING:
    from .flags import FileOptions


@dataclass(frozen=True)
class BandOptions:
    """Which bands are mapped.

    Parameters
    ----------
    band : list of str, optional
        Ranges of the axis.
    baseline : bool
        Subtract a line.
    """

    band: Annotated[
        list[str] | None,
        typer.Option(
            "--band",
            metavar="LOW:HIGH",
            help="Map the sum of the channels between two positions of the axis, in its unit, and "
            "nothing else: --band 1000:1050. May be given several times.",
        ),
    ] = None
    baseline: Annotated[
        bool,
        typer.Option(
            "--baseline",
            help="Of bands: subtract the straight line through the ends of the band.",
        ),
    ] = False

    def ranges(self, others: Mapping[str, Any]) -> list[tuple[float, float]]:
        """Return the ranges as numbers; ``others`` are flags of other maps.

        Raises
        ------
        ValueError
            If one is none, or a flag of other maps is given.
        """
        for name, value in others.items():
            if value is not None and self.band:
                raise ValueError(f"{name} has no meaning with --band, which maps bands only")
        if self.baseline and not self.band:
            raise ValueError("--baseline is for bands: give --band, as in --band 1000:1050")
        found = []
        for text in self.band or ():
            try:
                low, high = (float(each) for each in text.split(":"))
            except ValueError:
                raise ValueError(
                    f"--band is two positions of the axis, as in 1000:1050; got {text!r}"
                ) from None
            found.append((low, high))
        return found


def map_bands(
    file: Path,
    reading: FileOptions,
    ranges: list[tuple[float, float]],
    baseline: bool,
    source: Path | None,
    folder: Path,
    *,
    overwrite: bool,
    where: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write maps of bands into a folder: that of a result, to which they are added, or another."""
    from spectessera.io import read_result
    from spectessera.maps import bands as bands_of
    from spectessera.resultfolder import BAND_MAPS, Origin, Plan, result_folder, write_band_maps

    if os.path.lexists(folder / BAND_MAPS) and not overwrite:
        raise FileExistsError(f"{folder} holds {BAND_MAPS} already; give --overwrite")
    inputs = {"cube": file} | {f"beside-{n}": each for n, each in enumerate(reading.files(), 1)}
    plan = Plan((BAND_MAPS,), tuple(inputs.values()), overwrite=True, add=True)
    with result_folder(folder, plan) as staging, closing(Origin(inputs)) as origin:
        cube = reading.open(file)
        if source is not None and reading.pixel_size is None:
            cube = at_places_of(cube, read_result(source))
        with use_scheduler(where), progress(quiet or as_json) as bar:
            maps = bands_of(cube, ranges, baseline=baseline, progress=bar)
        write_band_maps(maps, staging.path)
        with progress(quiet or as_json) as bar:
            facts: dict[str, Any] = origin.facts(arguments.get(), {}, bar)
        older = staging.older.manifest
        staging.commit(facts if older is None else {**older.facts, "band_maps": facts})
    if as_json:
        print_json({"out": str(folder), "bands": maps["band"].values.tolist()})
    elif not quiet:
        output.print(f"{', '.join(maps['band'].values.tolist())}: maps in {folder / BAND_MAPS}")
