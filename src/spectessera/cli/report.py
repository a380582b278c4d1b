"""`spectessera report`: one HTML file of a result."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from spectessera._util.inputs import refuse_input

from .console import command, output
from .flags import Overwrite

Result = Annotated[
    Path, typer.Argument(help="A folder that segment wrote, or the result.nc or result.zarr in it.")
]
Out = Annotated[
    Path | None, typer.Option(help="The file to write; by default report.html beside the result.")
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
        help="Anode of the X-ray tube (Rh, Mo, W, ...): its lines are not taken for an element of "
        "the sample."
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
    overwrite: Overwrite = False,
) -> None:
    """Write a report of a segmentation as one HTML file."""
    from spectessera.htmlreport import report
    from spectessera.io import read_result, result_in
    from spectessera.naming.names import name_clusters
    from spectessera.resultfolder import REPORT

    source = result_in(result)
    path = out or source.parent / REPORT
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; --out is the file to write")
    refuse_input(path, source)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; give another --out, or --overwrite")
    with _place(path, source) as place:
        opened = read_result(source)
        namings = name_clusters(opened, redshift=redshift, anode=anode)
        own_names = dict(_cluster_and_name(each) for each in names or ())
        report(opened, place, namings=namings, names=own_names, overwrite=overwrite)
    output.print(f"open {path} in a browser")


@contextmanager
def _place(path: Path, source: Path) -> Iterator[Path]:
    """Give the path to write to: that of a file, or of one in the folder of the result.

    The report in that folder is part of the result: it is in the manifest, and no other file of
    that name is replaced.
    """
    from spectessera.resultfolder import REPORT, Plan, result_folder

    folder = source.parent
    if path.name != REPORT or path.parent.resolve() != folder.resolve():
        yield path
        return
    with result_folder(folder, Plan((REPORT,), (source,), overwrite=True, add=True)) as staging:
        yield staging.path / REPORT
        manifest = staging.older.manifest
        if manifest is None:  # a result alone, or of an earlier version
            os.replace(staging.path / REPORT, path)
        else:
            staging.commit(manifest.facts)


def _cluster_and_name(text: str) -> tuple[int, str]:
    cluster, sign, name = text.partition("=")
    if not sign or not cluster.strip().isdecimal() or not name.strip():
        raise ValueError(f"--name is a cluster and its name, as in 3=azurite; got {text!r}")
    return int(cluster), name.strip()
