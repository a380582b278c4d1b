"""Errors of usage as one line that says what to do: a flag that there is not, a missing file."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import typer
from rich.text import Text

from spectessera._util.text import shown

from .console import arguments, errors
from .helppage import plain, takes_none

NEAR = 0.8  # of two flags, from 0 to 1: less alike, it may be a flag of another command
_NUMBERS = {"INTEGER": "an integer", "NUMBER": "a number"}


def is_usage_error(error: BaseException) -> bool:
    """Whether an error is one of usage.

    Their class has different modules in the versions of typer, so they are known by what makes
    them: they can format their message.
    """
    return hasattr(error, "format_message")


def stop(error: Any) -> typer.Exit:
    """Print an error of usage as one line, and return what ends the program."""
    errors.print(Text("error: ", "bold red"), shown(words_of(error)), sep="")
    return typer.Exit(error.exit_code)


def words_of(error: Any) -> str:
    """Return what is wrong, what was expected, and where to read more."""
    context = getattr(error, "ctx", None)
    page = "" if context is None else f" ({context.command_path} --help)"
    flags = {} if context is None else _flags(context)
    parameter = getattr(error, "param", None)
    name = getattr(error, "option_name", None)
    if hasattr(error, "possibilities"):
        words = _no_such_flag(str(name), flags, context)
    elif name is not None and name in flags:
        words = f"{name} needs a value: {name} {flags[name].metavar or 'VALUE'}"
    elif name is not None:
        words = f"{name} needs a value"
    elif type(error).__name__ == "MissingParameter" and parameter is not None:
        what = plain(parameter.help or "").strip().rstrip(".")
        words = f"{_place(parameter)} is missing" + (f": {what[0].lower()}{what[1:]}" * bool(what))
    elif parameter is not None:
        words = _bad_value(error, parameter)
    else:
        text = " ".join(error.format_message().split()).rstrip(".")
        words = text[:1].lower() + text[1:] + _space()
    return words + page


def _space() -> str:
    """Return what to do where a list has a space after a comma, such as --energy 0, 20."""
    given = arguments.get()
    for flag, first, second in zip(given, given[1:], given[2:], strict=False):
        if flag.startswith("--") and first.endswith(",") and not second.startswith("-"):
            return f"; leave out the space: {flag} {first}{second}"
    return ""


def _flags(context: Any) -> dict[str, Any]:
    """Return the options of a command by their flags."""
    options = context.command.get_params(context)
    return {
        flag: each
        for each in options
        if each.param_type_name == "option"
        for flag in (*each.opts, *each.secondary_opts)
    }


def _place(parameter: Any) -> str:
    """Return the name of a flag with its value, or of an argument."""
    value = parameter.metavar or parameter.name.upper()
    if parameter.param_type_name == "argument":
        return str(value)
    flag = max(parameter.opts, key=len)
    return str(flag) if takes_none(parameter) else f"{flag} {value}"


def _no_such_flag(name: str, flags: dict[str, Any], context: Any) -> str:
    """Return that there is no such flag, and the one that was probably meant."""
    typed = [each for each in arguments.get() if each.startswith(name)] if name[:2] != "--" else []
    longer = [f"-{each.partition('=')[0]}" for each in typed]
    whole = name if not longer else longer[0][1:]
    near = [each for each in longer if each in flags]
    meant = name if not longer else longer[0]
    near = near or get_close_matches(meant, list(flags), 1, NEAR)
    if not near and (others := _elsewhere(whole, context)):
        return f"there is no flag {whole} here; it is one of {others}"
    near = near or get_close_matches(meant, list(flags), 1)
    return f"there is no flag {whole}" + (f"; did you mean {near[0]}?" if near else "")


def _elsewhere(flag: str, context: Any) -> str:
    """Return the other commands that have a flag, in words."""
    program: Any = getattr(getattr(context, "parent", None), "command", None)
    if not hasattr(program, "loaded"):  # a command of synth, which is a group of its own
        return ""
    found = [
        name
        for name, each in program.loaded().items()
        for option in each.params
        if option.param_type_name == "option" and flag in (*option.opts, *option.secondary_opts)
    ]
    return " and ".join(part for part in (", ".join(found[:-1]), *found[-1:]) if part)


def _bad_value(error: Any, parameter: Any) -> str:
    """Return what a flag takes, and what came."""
    given = arguments.get()
    places = [at for at, each in enumerate(given[:-1]) if each in parameter.opts]
    text = given[places[-1] + 1] if places else None
    got = "" if text is None else f"; got {text!r}"
    reason = " ".join(str(error.message).split()).rstrip(".")
    if reason.startswith("takes "):  # of our own checks, which know what they got
        return f"{max(parameter.opts, key=len)} {reason}"
    kind = _NUMBERS.get(parameter.metavar)
    if kind is not None and text is not None and not _is_number(text, kind):
        return f"{max(parameter.opts, key=len)} takes {kind}; got {text!r}"
    return f"{_place(parameter)}: {reason[:1].lower()}{reason[1:]}{got}"


def _is_number(text: str, kind: str) -> bool:
    try:
        (int if kind == "an integer" else float)(text)
    except ValueError:
        return False
    return True
