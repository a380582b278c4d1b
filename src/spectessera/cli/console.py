"""What all commands share: where they print, how they fail, and their progress bar."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from .flags import FileOptions

if TYPE_CHECKING:
    from rich.progress import Progress

errors = Console(stderr=True, highlight=False, soft_wrap=True)
output = Console(highlight=False, soft_wrap=True)

# What a bad file, a bad argument or a full disk raises. Anything else is a fault of this package
# and shows its traceback. SPECTESSERA_DEBUG=1 shows all tracebacks.
EXPECTED = (ValueError, TypeError, OSError, ImportError, MemoryError)


# Arguments of functions that are flags of the same name.
ARGUMENTS = (*(each.name for each in fields(FileOptions)), "overwrite")
_NAMES = "|".join(ARGUMENTS)
_BOTH = re.compile(rf"(?<![\w./'\"-])(?:{_NAMES})(?:=\S*)? \((--[a-z0-9-]+[^()]*)\)")
_ARGUMENT = re.compile(rf"(?<![\w./'\"-])({_NAMES})=(\([^()]*\)|'[^']*'|\"[^\"]*\"|[^\s,;:()'\"]*)")


def as_flags(text: str) -> str:
    """Return a message about arguments of functions as one about flags.

    Examples
    --------
    >>> as_flags("choose one with key=, or give missing=-1 (--missing -1)")
    'choose one with --key, or give --missing -1'
    >>> as_flags('give energy=(1, 20) or detectors="sum"')
    'give --energy 1,20 or --detectors sum'
    """

    def flag(found: re.Match[str]) -> str:
        value = found[2].strip("()'\"").replace(", ", ",")
        name = f"--{found[1].replace('_', '-')}"
        return name if value in ("", "True") else f"{name} {value}"

    return _ARGUMENT.sub(flag, _BOTH.sub(r"\1", text))


def printable(text: str) -> str:
    """Return text in which control characters, which a terminal would obey, are escapes."""
    return "".join(
        one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode()
        for one in text
    )


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Turn expected errors into one line and exit status 2, Ctrl-C into status 130."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except EXPECTED as error:
            if os.environ.get("SPECTESSERA_DEBUG"):
                raise
            text = " ".join(_words(error).split()) or type(error).__name__
            errors.print("[bold red]error:[/] ", end="")
            errors.print(printable(as_flags(text)), markup=False)
            raise typer.Exit(2) from error
        except KeyboardInterrupt:
            errors.print("stopped by Ctrl-C; no file was left half-written")
            raise typer.Exit(130) from None

    return run


def _words(error: BaseException) -> str:
    """Return the message of an error; of one of the system without its number."""
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror[0].lower() + error.strerror[1:]
        return f"{error.filename}: {reason}" if error.filename else reason
    return str(error)


# The arguments with which the running command was called, its name first: the app sets them.
arguments: ContextVar[tuple[str, ...]] = ContextVar("arguments", default=())


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


class Bar:
    """A progress bar of several steps; each is a line of its own."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[str, Any] = {}

    def __call__(self, step: str, done: int, total: int, note: str = "") -> None:
        """Show how much of a step is done."""
        if step not in self.tasks:
            self.tasks[step] = self.progress.add_task(step, total=total, note="")
        self.progress.update(self.tasks[step], completed=done, total=total, note=note)

    def epoch(self, done: int, total: int, row: dict[str, Any]) -> None:
        """Show how many epochs of a training are done, and the scores in its history."""
        note = f"loss {row['validation_total']:.4g}"
        if "validation_silhouette" in row:
            note += f", silhouette {row['validation_silhouette']:.3f}"
        self("train", done, total, note)


@contextmanager
def progress(quiet: bool) -> Iterator[Bar]:
    """Show a progress bar on standard error, unless quiet."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=errors, disable=quiet) as shown:
        yield Bar(shown)


@contextmanager
def counted(bar: Bar) -> Iterator[None]:
    """Show how many of the pieces that Dask computes and writes are done."""
    from dask.callbacks import Callback

    total = 0

    def start(_graph: Any, state: dict[str, Any]) -> None:
        nonlocal total
        total = sum(len(state[name]) for name in ("ready", "waiting", "running"))

    def done(_key: Any, _result: Any, _graph: Any, state: dict[str, Any], _worker: Any) -> None:
        bar("write", len(state["finished"]), total)

    with Callback(start_state=start, posttask=done):
        yield
