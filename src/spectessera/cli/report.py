"""`spectessera report`: one HTML file of a result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import command, output


@command
def report_command(
    result: Annotated[
        Path,
        typer.Argument(help="A folder that segment has written, or its result.nc or result.zarr."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The file to write; by default report.html beside it.")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Your name for a cluster, as in 3=azurite; as often as you like."),
    ] = None,
    anode: Annotated[
        str | None, typer.Option(help="Of the X-ray tube (Rh, Mo, W, ...): no element then.")
    ] = None,
    redshift: Annotated[
        float | None, typer.Option(help="Of all clusters, where it is not to be found out.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
) -> None:
    """Write a report of a segmentation: one HTML file, to read, to print and to send."""
    from spectessera.htmlreport.page import report
    from spectessera.io import read_result, result_in
    from spectessera.naming.names import name_clusters
    from spectessera.resultfolder import REPORT

    source = result_in(result)
    path = out or source.parent / REPORT
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; --out is the file to write")
    if path.exists() and path.samefile(source):
        raise ValueError(f"{path} is the result itself; give the report another name")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; give another --out, or --overwrite")
    found = read_result(source)
    namings = name_clusters(found, redshift=redshift, anode=anode)
    names = dict(_named(each) for each in name or ())
    report(found, path, namings=namings, names=names, overwrite=overwrite)
    output.print(f"open {path} in a browser", markup=False)


def _named(text: str) -> tuple[int, str]:
    number, sign, words = text.partition("=")
    if not sign or not number.strip().isdecimal() or not words.strip():
        raise ValueError(f"--name is a cluster and its name, as in 3=azurite; got {text!r}")
    return int(number), words.strip()
