"""`spectessera report`: one HTML file of a result."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spectessera._util.inputs import refuse_input

from .console import command, output
from .flags import Overwrite
from .libraries import LibraryFile, LibraryUnit, opened_library

if TYPE_CHECKING:
    import xarray as xr

MOST_DIGITS = 9  # of the number of a cluster

Result = Annotated[
    Path, typer.Argument(help="A folder that segment wrote, or the result.nc or result.zarr in it.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="The file to write; by default report.html beside the result."
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Option(
        "--name",
        metavar="CLUSTER=NAME",
        help="Your name for a cluster, such as 3=azurite. May be given several times.",
    ),
]
Anode = Annotated[
    str | None,
    typer.Option(
        metavar="ELEMENT",
        help="Anode of the X-ray tube (Rh, Mo, W, ...): its lines are not taken for an element of "
        "the sample.",
    ),
]
Redshift = Annotated[
    float | None, typer.Option(help="Redshift of all clusters; by default found from their lines.")
]


@command
def report_command(
    result: Result,
    out: Out = None,
    names: Names = None,
    anode: Anode = None,
    redshift: Redshift = None,
    library: LibraryFile = None,
    library_unit: LibraryUnit = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a report of a segmentation as one HTML file.

    With --library its clusters are named by a library of spectra, in this report.

    Names given with --name are kept in edits.toml of the folder: later reports, the summary, the
    table and the figure of the clusters show them too.
    """
    from spectessera.htmlreport import report
    from spectessera.io import read_result, result_in
    from spectessera.naming.names import name_clusters
    from spectessera.resultfolder import REPORT

    source, spectra = result_in(result), opened_library(library, library_unit)
    path = out or source.parent / REPORT
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; --out is the file to write")
    refuse_input(path, source, library)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; give another --out, or --overwrite")
    new = dict(_cluster_and_name(each) for each in names or ())
    with _places(path, source, new, result != source) as (place, shown, staged):
        opened = read_result(source)
        _check_clusters(shown, opened)
        namings = name_clusters(opened, redshift=redshift, anode=anode, library=spectra)
        maps, mixtures = _maps(source.parent) if result != source else (None, None)
        report(
            opened, place, namings=namings, names=shown, maps=maps, mixtures=mixtures,
            overwrite=overwrite,
        )  # fmt: skip
        staged(opened)
    output.print(f"open {path} in a browser")


def _maps(folder: Path) -> tuple[xr.Dataset | None, xr.Dataset | None]:
    """Return the maps of elements or lines, and of mixtures, in a folder; None if there is none."""
    from spectessera.io import read_maps
    from spectessera.resultfolder import ABUNDANCES, MAPS, read_manifest

    manifest = read_manifest(folder)
    own = () if manifest is None else manifest.names

    def of(name: str) -> xr.Dataset | None:
        there = name in own and (folder / name).exists()
        return read_maps(folder / name) if there else None

    return of(MAPS[0]), of(ABUNDANCES[0])


Staged = Callable[["xr.Dataset"], None]


@contextmanager
def _places(
    path: Path, source: Path, new: dict[int, str], is_folder: bool
) -> Iterator[tuple[Path, dict[int, str], Staged]]:
    """Give the path to write to, the names to show, and what is to be done when it is written.

    The report in the folder of the result is part of the result: it is in the manifest, and no
    other file of that name is replaced. So are the names of the user, if the folder was given.
    """
    from spectessera.resultfolder import (
        EDITS,
        REPORT,
        Plan,
        edited_files,
        read_edits,
        read_manifest,
        result_folder,
        write_edited,
    )

    folder = source.parent
    inside = path.name == REPORT and path.parent.resolve() == folder.resolve()
    manifest = read_manifest(folder) if is_folder else None
    names, edited = new, tuple[str, ...]()
    if manifest is not None:
        names = read_edits(folder, manifest) | new
        if new or EDITS in manifest.names or (folder / EDITS).exists():
            edited = edited_files(folder, manifest)
    elif new and is_folder:
        output.print(f"the names are in this report only: {folder} has no manifest.json")
    planned = ((REPORT,) if inside else ()) + (edited if inside or new else ())
    if not planned or not (inside or _can_keep(folder)):
        yield path, names, lambda _: None
        return
    plan = Plan(planned, (source,), overwrite=True, add=True)
    with result_folder(folder, plan) as staging:

        def finish(opened: xr.Dataset) -> None:
            if manifest is not None and edited:
                write_edited(opened, names, folder, staging.path, manifest)
            if staging.older.manifest is not None:
                staging.commit(staging.older.manifest.facts)
            elif inside:  # a result alone, or of an earlier version
                os.replace(staging.path / REPORT, path)

        yield (staging.path / REPORT if inside else path), names, finish
    if new and edited:
        output.print(f"the names are kept in {folder / EDITS}")


def _check_clusters(names: dict[int, str], result: xr.Dataset) -> None:
    """Raise ValueError if a cluster that has a name is none of the result."""
    known = result["cluster"].values.tolist()
    for number, name in names.items():
        if number not in known:
            raise ValueError(
                f"there is no cluster {number}, named {name!r} (--name, or edits.toml in the "
                f"folder); the clusters are {', '.join(map(str, known))}"
            )


def _can_keep(folder: Path) -> bool:
    """Whether names can be kept in a folder; it says so if not."""
    if os.access(folder, os.W_OK | os.X_OK):
        return True
    output.print(f"the names are in this report only: no permission to write into {folder}")
    return False


def _cluster_and_name(text: str) -> tuple[int, str]:
    from spectessera.result import clean_name

    cluster, sign, name = text.partition("=")
    number = cluster.strip()
    if not sign or not number.isdecimal() or len(number) > MOST_DIGITS or not name.strip():
        raise ValueError(f"--name is a cluster and its name, as in 3=azurite; got {text!r}")
    return int(number), clean_name(name)
