"""The command line: a table of commands, each of which is imported when it is used."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from spectessera._util.imports import uncollected

from .completion import helped
from .console import PlainFormatter, arguments, errors, format_warning, output
from .helppage import PlainCommand, show_page
from .usageerrors import is_usage_error, stop

HELP = "Segment spectral datacubes into regions of similar spectra."


class Entry(NamedTuple):
    """Where a command is defined, and its line on the page of ``spectessera --help``.

    ``function`` is that of the command, or the typer program of a group of commands.
    """

    module: str
    function: str
    help: str


# In the order of work. The lines of help repeat the docstrings, so that none of the modules has to
# be imported to show them; tests/cli/test_app.py compares the two.
COMMANDS = {
    "info": Entry(
        "info",
        "info_command",
        "Show what is in a file: size, spectral axis, range of values, quality of the spectra.",
    ),
    "convert": Entry(
        "convert",
        "convert_command",
        "Write a cube in another format: Zarr, HDF5, NetCDF, FITS or HyperSpy.",
    ),
    "train": Entry(
        "train",
        "train_command",
        "Train a model on the spectra of one or more cubes, or on simulated ones.",
    ),
    "segment": Entry(
        "segment",
        "segment_command",
        "Segment a cube with a trained model, or with one trained on the cube itself.",
    ),
    "encode": Entry("latents", "encode_command", "Compress a cube to its latents."),
    "decode": Entry(
        "latents", "decode_command", "Decode a latent cube to spectra in network-input units."
    ),
    "maps": Entry(
        "maps",
        "maps_command",
        "Map the elements of an X-ray cube, or the emission lines of a cube along wavelengths.",
    ),
    "report": Entry(
        "report", "report_command", "Write a report of a segmentation as one HTML file."
    ),
    "edit": Entry(
        "edit",
        "edit_command",
        "Change a result by hand: merge, split, rename, recolour clusters, mask regions; undo.",
    ),
    "export": Entry(
        "export",
        "export_command",
        "Write a result for other programs: QGIS, ImageJ, ENVI, HyperSpy, DS9, tables, figures.",
    ),
    "view": Entry(
        "view",
        "view_command",
        "Look at a result or a cube in a browser: maps and spectra.",
    ),
    "compare": Entry("compare", "compare_command", "Compare a segmentation with reference labels."),
    "rerun": Entry(
        "rerun",
        "rerun_command",
        "Repeat a result and say whether it is the same bit for bit.",
    ),
    "check": Entry(
        "check",
        "check_command",
        "Check that the files of a result are those that a run has written there.",
    ),
    "synth": Entry("synth", "app", "Make synthetic cubes and spectra, with their truth."),
    "reproduce": Entry(
        "reproduce",
        "reproduce_command",
        "Reproduce an experiment of arXiv 2401.17695: data, training, baselines, figures, scores.",
    ),
    "search": Entry(
        "search", "search_command", "Train with many settings and find the best of them."
    ),
}


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Print errors of usage as one line; they quote what was typed."""
    try:
        yield
    except Exception as error:
        if not is_usage_error(error) or type(error).__name__ == "NoArgsIsHelpError":
            raise
        raise stop(error) from error


class _PlainGroup(TyperGroup):
    """A group of commands with one of our pages of help, and errors of usage in one line."""

    def make_context(self, *args: Any, **settings: Any) -> Any:
        """Return the context of a call."""
        with _in_one_line():
            return super().make_context(*args, **settings)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _in_one_line():
            return super().invoke(ctx)

    def format_help(self, ctx: Any, _formatter: Any) -> None:
        """Print the page of help."""
        show_page(self, ctx, everything=True)


class CommandGroup(_PlainGroup):
    """The commands of the table; help needs their names and lines only."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {
            name: TyperCommand(name, help=entry.help) for name, entry in COMMANDS.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Return the name, the command and the arguments of a command that is to run."""
        arguments.set(tuple(args))
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else load_command(name), rest

    def loaded(self) -> dict[str, Any]:
        """Return all commands with their flags, by their names."""
        return {name: load_command(name) for name in COMMANDS}


def load_command(name: str) -> Any:
    """Return a command of the table, ready to run; its module is imported."""
    entry = COMMANDS[name]
    try:
        with uncollected():
            function = getattr(import_module(f".{entry.module}", __package__), entry.function)
    except KeyboardInterrupt:
        errors.print("stopped by Ctrl-C")
        raise typer.Exit(130) from None
    program = function
    if isinstance(function, typer.Typer):
        program.info.cls = _PlainGroup
        for each in program.registered_commands:
            if each.cls is PlainCommand:
                continue  # loaded before
            each.callback, each.cls = helped(each.callback), PlainCommand
    else:
        program = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        program.command(name, cls=PlainCommand)(helped(function))
    command = typer.main.get_command(program)
    command.name = name
    return command


app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=HELP,
)


def _version(wanted: bool) -> None:
    if wanted:
        from spectessera._version import __version__  # asks the installation, which takes a moment

        output.print(f"spectessera {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Take the flags that come before a command."""


def main() -> None:
    """Run the command line."""
    handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter("%(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    warnings.formatwarning = format_warning  # type: ignore[assignment]
    try:
        app(prog_name="spectessera")
    except KeyboardInterrupt:  # outside a command
        errors.print("stopped by Ctrl-C")
        sys.exit(130)


if __name__ == "__main__":
    main()
