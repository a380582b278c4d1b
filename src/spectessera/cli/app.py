"""The command line: arguments in, the public functions do the work, one clear line for an error."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from spectessera._version import __version__

from . import compare, latents, report, search, segment, synth, train
from .console import command, errors, output
from .flags import AsJson, AxisOption, Energy, Key, Missing, Unit, Wavelength, open_cube

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Segment spectral datacubes into regions of similar spectra.",
)


def _version(wanted: bool) -> None:
    if wanted:
        output.print(f"spectessera {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Tell the version.")
    ] = False,
) -> None:
    """Segment spectral datacubes into regions of similar spectra."""


@app.command()
@command
def info(
    file: Path,
    key: Key = None,
    energy: Energy = None,
    wavelength: Wavelength = None,
    axis: AxisOption = None,
    unit: Unit = None,
    missing: Missing = None,
    as_json: AsJson = False,
) -> None:
    """Tell what is in a file."""
    from spectessera.io.describe import describe_cube

    cube = open_cube(file, key, energy, wavelength, axis, unit, missing)
    found = {"file": str(file), **describe_cube(cube)}
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    table = Table(show_header=False, box=None)
    for name, value in found.items():
        shown = json.dumps(value) if isinstance(value, (dict, list)) else str(value)
        table.add_row(f"[bold]{name.replace('_', ' ')}[/]", shown)
    output.print(table)


app.command()(train.train)
app.command()(segment.segment)
app.command()(latents.encode)
app.command()(latents.decode)
app.command("report")(report.report_command)
app.command("compare")(compare.compare_command)
app.add_typer(synth.app, name="synth")
app.command("reproduce")(compare.reproduce_command)
app.command("search")(search.search_command)


def main() -> None:
    """Run the command line."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        app()
    except KeyboardInterrupt:  # outside a command: while a module was being loaded
        errors.print("stopped by Ctrl-C")
        sys.exit(130)


if __name__ == "__main__":
    main()
