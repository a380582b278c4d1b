"""What all commands share: where they print, how they fail, and their progress bar."""

from __future__ import annotations

import functools
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from spectessera._util.text import shown, visible

from .flags import FileOptions

if TYPE_CHECKING:
    from rich.progress import Progress


class _PlainConsole(Console):
    """A console on which text is only text, because some of it comes from files of strangers.

    Brackets are no markup, and control characters and the like are escapes. A string is one line;
    styles, and text of several lines, need ``Text``.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)

    def render_str(self, text: str, **settings: Any) -> Text:
        """Return the text of a string."""
        return super().render_str(shown(text), **settings)

    def render(self, *args: Any, **settings: Any) -> Iterable[Segment]:
        """Yield what is written, except the controls of the progress bar with escapes."""
        for each in super().render(*args, **settings):
            text = each.text if each.control else visible(each.text, keep="\n")
            yield each._replace(text=text)


errors = _PlainConsole(stderr=True)
output = _PlainConsole()


class PlainFormatter(logging.Formatter):
    """Messages of logs as one line; names of files are in many of them."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the message with its level."""
        return shown(super().formatMessage(record))


def format_warning(
    message: Warning | str, category: type[Warning], _file: str, _number: int, _line: Any = None
) -> str:
    """Return a warning as one line; it may quote what is in a file.

    Those of this package have no category of their own, and speak of arguments, not of flags.
    """
    if category is UserWarning:
        return f"warning: {as_flags(shown(message))}\n"
    return f"{category.__name__}: {shown(message)}\n"


# What a bad file, a bad argument or a full disk raises. Anything else is a fault of this package
# and shows its traceback. SPECTESSERA_DEBUG=1 shows all tracebacks.
EXPECTED = (ValueError, TypeError, OSError, ImportError, MemoryError)


# Arguments of functions that are flags of the same name.
ARGUMENTS = (*(each.name for each in fields(FileOptions)), "overwrite")
_NAMES = "|".join(ARGUMENTS)
_BOTH = re.compile(rf"(?<![\w./'\"-])(?:{_NAMES})(?:=\S*)? \((--[a-z0-9-]+[^()]*)\)")
_MAKE_CUBE = re.compile(r",? or make_cube\((?:[^()]|\([^()]*\))*\)")  # of Python alone
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

    return _ARGUMENT.sub(flag, _BOTH.sub(r"\1", _MAKE_CUBE.sub("", text)))


def settings_as_flags(text: str) -> str:
    """Return a message about settings, by their names, as one about flags.

    Examples
    --------
    >>> settings_as_flags("k_max must be at least k_min; got 5 to 3")
    '--k-max must be at least --k-min; got 5 to 3'
    """
    from spectessera.segmenter.defaults import CONFIGS

    names = {each.name for kind in CONFIGS.values() for each in fields(kind)}
    first, rest = text.partition(" ")[::2]
    if first not in names or not rest.startswith("must "):
        return text
    words = (
        f"--{word.replace('_', '-')}" if (at == 0 or "_" in word) and word in names else word
        for at, word in enumerate(re.split(r"(\W+)", text))
    )
    return "".join(words)


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
            words = settings_as_flags(as_flags(text))
            errors.print(Text("error: ", "bold red"), words, sep="")
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


# Whether a result is repeated, to be compared: what the command says of its own files is left out.
repeating: ContextVar[bool] = ContextVar("repeating", default=False)


def print_lines(text: str) -> None:
    """Print a text of several lines on standard output."""
    for line in text.splitlines():
        output.print(line)


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


class Bar:
    """A progress bar of several steps; each is a line of its own.

    Without a display, such as in a log, lines say when a step starts and ends: bars would come at
    the end. A quiet one shows nothing.
    """

    def __init__(self, display: Progress | None, *, quiet: bool = False) -> None:
        self.display = display
        self.shows = not quiet
        self.tasks: dict[str, Any] = {}

    def __call__(self, step: str, done: int, total: int, note: str = "") -> None:
        """Show how much of a step is done."""
        if not self.shows:
            return
        if self.display is None:
            self._line(step, done, total, note)
            return
        if step not in self.tasks:
            self.tasks[step] = self.display.add_task(step, total=total, note="")
        self.display.update(self.tasks[step], completed=done, total=total, note=note)

    def _line(self, step: str, done: int, total: int, note: str) -> None:
        """Print that a step starts, and when it is done what there is to say of it."""
        if step not in self.tasks:
            self.tasks[step] = False
            errors.print(f"{step} ...")
        if done >= total and not self.tasks[step]:
            self.tasks[step] = True
            errors.print(f"{step}: done" + (f", {note}" if note else ""))

    def epoch(self, done: int, total: int, row: dict[str, Any]) -> None:
        """Show how many epochs of a training are done, and the scores in its history."""
        note = f"loss {row['validation_total']:.4g}"
        if "validation_silhouette" in row:
            note += f", silhouette {row['validation_silhouette']:.3f}"
        self("train", done, total, note)


@contextmanager
def progress(quiet: bool) -> Iterator[Bar]:
    """Show a progress bar on standard error, or the steps if that is no terminal, unless quiet."""
    if quiet or not errors.is_terminal:
        yield Bar(None, quiet=quiet)  # a disabled Progress of rich may still print an empty line
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<10}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=errors) as shown:
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
