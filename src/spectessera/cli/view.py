"""`spectessera view`: look at a result or a cube in a browser."""

from __future__ import annotations

from dataclasses import asdict, replace
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
Cache = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where overviews of large cubes are kept.")
]


@command
@with_flag_groups
def view_command(
    source: Source,
    reading: FileOptions,
    cube: Cube = None,
    port: Port = 0,
    no_browser: NoBrowser = False,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """Look at a result or a cube in a browser: maps and spectra.

    Point at a pixel to see its spectrum; draw a region to see its mean. The page is served to this
    machine only, at an address with a random token. Ctrl-C ends it.
    """
    from spectessera.viewer import is_result, recorded_cube, view

    shown: Any = source
    given: Any = None
    if is_result(source):
        file = cube or (recorded_cube(source) if source.is_dir() else None)
        if file is not None:
            given = _as_recorded(source, reading).open(file)
    elif cube is not None:
        raise ValueError("--cube belongs to a result; the file of a cube is enough alone")
    else:
        shown = reading.open(source)
    with progress(quiet) as bar:
        viewer = view(shown, given, port=port, browser=not no_browser, cache=cache, progress=bar)
    try:
        output.print(f"open {viewer.address} in a browser of this machine; Ctrl-C ends it")
        viewer.wait()
    except KeyboardInterrupt:
        output.print("the viewer is closed")
    finally:
        viewer.close()


# How the cube of a result was read, which is read in the same way again. Not among them: other
# files, and links to them.
RECORDED = (
    "key", "axes", "shape", "energy", "wavelength", "axis", "unit", "medium", "log10", "missing",
    "detectors", "live_time",
)  # fmt: skip


def _as_recorded(folder: Path, reading: FileOptions) -> FileOptions:
    """Return how the cube of a result is read: as it is said now, or as it was read for it."""
    from spectessera.resultfolder import read_manifest

    from .app import load_command

    manifest = read_manifest(folder) if folder.is_dir() else None
    words = None if manifest is None else manifest.facts.get("command")
    said = asdict(reading)
    if any(said[name] for name in RECORDED) or not isinstance(words, list) or not words:
        return reading
    if words[0] != "segment" or not all(isinstance(each, str) for each in words):
        return reading
    try:
        context = load_command("segment").make_context("segment", words[1:], help_option_names=[])
    except Exception as error:
        if not hasattr(error, "format_message"):  # the mark of all errors of usage
            raise
        return reading  # of another version: the file is read as if nothing was said
    return replace(reading, **{name: context.params[name] for name in RECORDED})
