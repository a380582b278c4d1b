"""`spectessera view`: look at a result or a cube in a browser."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from .console import command, output, progress
from .flags import FileOptions, Quiet, with_flag_groups

Source = Annotated[
    Path,
    typer.Argument(
        metavar="RESULT|CUBE", help="The folder of a result, its file, or the file of a cube."
    ),
]
Cube = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The cube of a result, if it is not where it was when the result was made.",
    ),
]
Port = Annotated[int, typer.Option(help="Port of this machine; 0: any free one.", min=0, max=65535)]
NoBrowser = Annotated[
    bool,
    typer.Option(
        "--no-browser", help="Only print the address, for a browser elsewhere (ssh -L), or later."
    ),
]
Photo = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A photograph or infrared picture to lay under the maps."),
]
Points = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Pairs of points that align the photograph (.csv, .json, .toml); clicked ones are "
        "written there.",
    ),
]
Cache = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where overviews of large cubes are kept.")
]


@command
@with_flag_groups
def view_command(
    source: Source,
    reading: FileOptions,
    cube: Cube = None,
    photo: Photo = None,
    points: Points = None,
    port: Port = 0,
    no_browser: NoBrowser = False,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """Look at a result or a cube in a browser: maps and spectra.

    Point at a pixel to see its spectrum; draw a region to see its mean. The page is served to this
    machine only, at an address with a random token. Ctrl-C ends it.
    """
    from spectessera.viewer import is_result, view

    # A page that is closed, or an address with a wrong token, is nothing to report here.
    for name in ("bokeh", "tornado.access"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with progress(quiet) as bar:
        shown: Any = source
        given: Any = None
        if is_result(source):
            given = _cube_of(source, cube, reading, bar)
        elif cube is not None:
            raise ValueError("--cube belongs to a result; the file of a cube is enough alone")
        else:
            shown = reading.open(source)
        viewer = view(
            shown, given, port=port, browser=not no_browser, photo=photo, points=points,
            cache=cache, progress=bar,
        )  # fmt: skip
    overview = viewer.state.overview
    if overview is not None and overview.path is not None and not quiet:
        size = f"{overview.nbytes / 1e6:,.1f} MB"
        output.print(f"its overview ({size}) is kept in {overview.path.parent}")
    try:
        output.print(f"open {viewer.address} in a browser of this machine; Ctrl-C ends it")
        viewer.wait()
    except KeyboardInterrupt:
        viewer.close()  # corrections that are being written are complete then
        output.print("the viewer is closed")
    finally:
        viewer.close()


def _cube_of(source: Path, cube: Path | None, reading: FileOptions, bar: Any) -> Any:
    """Return the cube of a result: read as it is said now, or as for its run."""
    from spectessera.resultfolder import read_manifest
    from spectessera.viewer import recorded_cube

    from .origin import cube_of_run

    manifest = read_manifest(source) if source.is_dir() else None
    said_now = cube is not None and reading != FileOptions()
    if manifest is None or said_now:
        return None if cube is None else reading.open(cube)
    if cube is None:
        recorded_cube(source)  # an error says if it is not where it was
    moved = {} if cube is None else {"cube": str(cube)}
    return cube_of_run(source, manifest, moved, bar, outside=reading.outside)
