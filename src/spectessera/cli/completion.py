"""What a flag takes, for the pages of help and for the completion of the shell.

Both come from one text, such as ``[auto|maxrf|FILE]``: words in small letters are choices, words
in capital letters stand for a value. ``spectessera --install-completion`` sets the shell up;
completing a command imports no torch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer

from .flags import with_parameters
from .helppage import HelpAll

MODEL_FILES = "*.safetensors"
_VALUES = ((Path, "PATH"), (bool, ""), (int, "INTEGER"), (float, "NUMBER"), (str, "TEXT"))


def helped(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command every flag of which says what it takes and completes it.

    It also has ``--help-all``.
    """
    signature = inspect.signature(function, eval_str=True)
    for each in signature.parameters.values():
        if get_origin(each.annotation) is Annotated:
            _describe(each)
    every = inspect.Parameter(
        "help_all", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=HelpAll
    )

    def command(**values: Any) -> None:
        values.pop("help_all", None)  # some versions of typer give it, although it is not exposed
        function(**values)

    return with_parameters(command, function, [*signature.parameters.values(), every])


def _describe(parameter: inspect.Parameter) -> None:
    """Fill in what a flag or an argument takes, and how it is completed."""
    kind, info = get_args(parameter.annotation)[:2]
    if not hasattr(info, "metavar"):
        return
    is_argument = type(info).__name__ == "ArgumentInfo"
    if info.metavar is None:
        info.metavar = parameter.name.upper() if is_argument else _value_of(kind)
    words = choices(info.metavar or "")
    if words and info.autocompletion is None:
        info.autocompletion = completer(info.metavar)
        if info.callback is None and len(words) == info.metavar.count("|") + 1:
            info.callback = _checker(words)


def _value_of(kind: Any) -> str | None:
    """Return the word for a value of a type."""
    kinds = {kind, *get_args(kind), *(inner for each in get_args(kind) for inner in get_args(each))}
    return next((word for each, word in _VALUES if each in kinds), "TEXT") or None


def choices(metavar: str) -> list[str]:
    """Return the words that a flag takes.

    Examples
    --------
    >>> choices("[auto|maxrf|FILE]")
    ['auto', 'maxrf']
    """
    words = metavar.strip("[]").split("|")
    return [each for each in words if each and not each.isupper() and "," not in each]


def _checker(words: list[str]) -> Callable[[Any], Any]:
    """Return what raises an error of usage unless a value is one of the words."""
    said = f"{', '.join(words[:-1])} or {words[-1]}"

    def check(value: Any) -> Any:
        for each in value if isinstance(value, list | tuple) else [value]:
            if each is not None and str(each).strip().lower() not in _meant(words):
                raise typer.BadParameter(f"takes {said}; got {each!r}")
        return value

    return check


def _meant(words: list[str]) -> set[str]:
    """Return the words that are understood; those of yes and no are more than are shown."""
    return {*words, "true", "false"} if words == ["yes", "no"] else set(words)


def completer(metavar: str) -> Callable[[str], list[str]]:
    """Return what completes the value of a flag: its choices, and model files where it takes one.

    Where none fits, the shell completes the name of a file.
    """

    def complete(incomplete: str) -> list[str]:
        words = choices(metavar)
        if "FILE" in metavar.strip("[]").split("|"):
            words += sorted(str(each) for each in Path().glob(MODEL_FILES))
        return [each for each in words if each.startswith(incomplete)]

    return complete
