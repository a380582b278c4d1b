"""What a flag takes, for the pages of help and for the completion of the shell.

Both come from one text, such as ``[auto|maxrf|FILE]``: words in small letters are choices, words in
capital letters stand for a value. ``spectessera --install-completion`` sets the shell up; completing
imports neither torch nor the cube.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

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
    if info.metavar and "|" in info.metavar and info.autocompletion is None:
        info.autocompletion = completer(info.metavar)


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
