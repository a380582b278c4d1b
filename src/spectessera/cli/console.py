"""What all commands share: where they print, how they fail, and their progress bar."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

errors = Console(stderr=True, highlight=False, soft_wrap=True)
output = Console(highlight=False, soft_wrap=True)

# What a bad file, a bad argument or a full disk raises. Anything else is a fault of ours and shows
# its traceback. SPECTESSERA_DEBUG=1 shows all of them.
EXPECTED = (ValueError, TypeError, OSError, ImportError, MemoryError)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Turn expected errors into one line and exit status 2, Ctrl-C into status 130."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except EXPECTED as error:
            if os.environ.get("SPECTESSERA_DEBUG"):
                raise
            text = " ".join(str(error).split()) or type(error).__name__
            errors.print("[bold red]error:[/] ", end="")
            errors.print(text, markup=False)
            raise typer.Exit(2) from error
        except KeyboardInterrupt:
            errors.print("stopped by Ctrl-C; no file was left half-written")
            raise typer.Exit(130) from None

    return run


class Bar:
    """A progress bar of several steps; each is a line of its own."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[str, Any] = {}

    def __call__(self, step: str, done: int, total: int, note: str = "") -> None:
        """Show how far a step has come."""
        if step not in self.tasks:
            self.tasks[step] = self.progress.add_task(step, total=total, note="")
        self.progress.update(self.tasks[step], completed=done, total=total, note=note)

    def epoch(self, done: int, total: int, row: dict[str, Any]) -> None:
        """Show how far the training has come, by the row of its history."""
        note = f"loss {row['validation_total']:.4g}"
        if "validation_silhouette" in row:
            note += f", silhouette {row['validation_silhouette']:.3f}"
        self("train", done, total, note)


@contextmanager
def progress(quiet: bool) -> Iterator[Bar]:
    """Show a progress bar on standard error, unless quiet."""
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=errors, disable=quiet) as shown:
        yield Bar(shown)
