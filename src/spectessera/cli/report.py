"""`spectessera report`: one HTML file of a result."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spectessera._util.inputs import refuse_input

from .console import command, output
from .flags import Overwrite
from .libraries import LibraryFile, LibraryUnit, opened_library

if TYPE_CHECKING:
    import xarray as xr

    from spectessera.edits import Act, Opened
    from spectessera.naming.candidates import Naming

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
    from spectessera.resultfolder import REPORT, maps_in, read_manifest

    source, spectra = result_in(result), opened_library(library, library_unit)
    path = out or source.parent / REPORT
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; --out is the file to write")
    refuse_input(path, source, library)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; give another --out, or --overwrite")
    new = dict(_cluster_and_name(each) for each in names or ())
    folder = result if result != source else None
    manifest = None if folder is None else read_manifest(folder)
    if folder is not None and manifest is not None:
        shown, staged = _with_edits(folder, path, new), {}
    else:
        shown, staged = _alone(read_result(source), source, path, new, folder), new
    with shown as (opened, place, done):
        _check_clusters(staged, opened)
        namings = name_clusters(opened, redshift=redshift, anode=anode, library=spectra)
        maps, mixtures = (None, None) if folder is None else maps_in(folder, manifest)
        report(
            opened, place, namings=namings, names=staged, maps=maps, mixtures=mixtures,
            overwrite=overwrite,
        )  # fmt: skip
        done()
    if not (redshift is None and anode is None and library is None):
        _print_warnings(opened, namings)
    output.print(f"open {path} in a browser")


def _print_warnings(result: xr.Dataset, namings: Sequence[Naming]) -> None:
    """Print the warnings about new names; the others are those of the run."""
    from spectessera.diagnostics import warnings_of

    for each in warnings_of(result, namings):
        if each.code.startswith("W-NAME"):
            output.print(f"warning: {each.text} [{each.code}]")


# The result, the path to write the report to, and what is to be done when it is written.
Shown = AbstractContextManager[tuple["xr.Dataset", Path, Callable[[], None]]]


@contextmanager
def _alone(
    opened: xr.Dataset, source: Path, path: Path, new: dict[int, str], folder: Path | None
) -> Iterator[tuple[xr.Dataset, Path, Callable[[], None]]]:
    """Give a result whose folder keeps no edits: it has no manifest, or only the file was given."""
    from spectessera.resultfolder import REPORT, Plan, result_folder

    if new and folder is not None:
        output.print(f"the names are in this report only: {folder} has no manifest.json")
    inside = _is_inside(path, source.parent)
    if not inside:
        yield opened, path, _nothing
        return
    with result_folder(source.parent, Plan((REPORT,), (source,), True, True)) as staging:

        def done() -> None:
            if staging.older.manifest is not None:
                staging.commit(staging.older.manifest.facts)
            else:  # a result alone, or of an earlier version
                os.replace(staging.path / REPORT, path)

        yield opened, staging.path / REPORT, done


def _nothing() -> None:
    """Do nothing."""


@contextmanager
def _with_edits(
    folder: Path, path: Path, new: dict[int, str]
) -> Iterator[tuple[xr.Dataset, Path, Callable[[], None]]]:
    """Give the result of a folder with its edits, and with new names that are kept there.

    The report in the folder of the result is part of the result: it is in the manifest, and no
    other file of that name is replaced. So are the edits.
    """
    from spectessera.edits import as_files, edited_result, open_edits, refuse_changed
    from spectessera.io import result_in
    from spectessera.resultfolder import REPORT, Plan, edited_files, result_folder, write_edited

    opened, inside = open_edits(folder), _is_inside(path, folder)
    acts = _with_names(opened, new)
    result = edited_result(opened, acts)
    made = as_files(opened, acts, result, with_report=not inside)
    keep = acts != opened.applied or (bool(acts) and acts != opened.edits)
    planned = edited_files(made, folder, opened.manifest) if keep and (inside or new) else ()
    planned += (REPORT,) if inside else ()
    if not planned or not (inside or _can_keep(folder)):
        yield result, path, _nothing
        return
    plan = Plan(planned, (result_in(folder, recorded=True),), overwrite=True, add=True)
    with result_folder(folder, plan) as staging:
        refuse_changed(opened)

        def done() -> None:
            if len(planned) > inside:
                write_edited(made, folder, staging.path, opened.manifest)
            staging.commit(opened.manifest.facts)

        yield result, staging.path / REPORT if inside else path, done
    if new and len(planned) > inside:
        output.print(f"the names are kept in {folder / 'edits.toml'}")


def _with_names(opened: Opened, new: dict[int, str]) -> tuple[Act, ...]:
    """Return the edits of a folder and new names; raise if some need the cube."""
    from spectessera.edits import Rename, acts_to_do, needs_cube

    acts = (*opened.edits, *(Rename(number, name) for number, name in new.items()))
    if any(needs_cube(each) for each in acts_to_do(opened, acts)):
        raise ValueError(
            f"edits.toml has edits that need the cube; run spectessera edit {opened.folder} first"
        )
    return acts


def _is_inside(path: Path, folder: Path) -> bool:
    """Return whether a path is that of the report in a folder."""
    from spectessera.resultfolder import REPORT

    return path.name == REPORT and path.parent.resolve() == folder.resolve()


def _check_clusters(names: dict[int, str], result: xr.Dataset) -> None:
    """Raise ValueError if a cluster that has a name is none of the result."""
    known = result["cluster"].values.tolist()
    for number, name in names.items():
        if number not in known:
            raise ValueError(
                f"there is no cluster {number}, named {name!r} (--name); the clusters are "
                f"{', '.join(map(str, known))}"
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
