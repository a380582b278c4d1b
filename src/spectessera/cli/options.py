"""Every field of the settings as a flag of the command line, under the same name.

The flags, their help and their types come from the dataclasses themselves, so that no setting can
be forgotten and none is told twice.
"""

from __future__ import annotations

import inspect
import re
import tomllib
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer

from spectessera.network.losses import Schedule
from spectessera.segmenter.defaults import CONFIGS
from spectessera.settings import from_dict, to_dict

_WINDOWS = ("keep", "exclude")


def described(kind: type) -> dict[str, str]:
    """Return what the docstring of a dataclass says of each of its parameters."""
    text = inspect.cleandoc(kind.__doc__ or "").split("Parameters\n----------\n")[1]
    found: dict[str, str] = {}
    names: list[str] = []
    for line in text.splitlines():
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.split(" : ")[0].split(",")]
        elif line.strip():
            for name in names:
                found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return found


def with_settings(function: Callable[..., None]) -> Callable[..., None]:
    """Replace the argument ``settings`` of a command by one flag per field of the settings.

    The command is called with ``settings``: a mapping of configuration name to the fields given.
    """

    def command(**values: Any) -> None:
        settings: dict[str, dict[str, Any]] = {name: {} for name in CONFIGS}
        for name, kind in CONFIGS.items():
            hints = get_type_hints(kind)
            for each in fields(kind):
                given = values.pop(each.name)
                if given not in (None, []):
                    settings[name][each.name] = parse(each.name, given, hints[each.name])
        function(**values, settings=settings)

    signature = inspect.signature(function, eval_str=True)
    parameters = [p for p in signature.parameters.values() if p.name != "settings"]
    for name, kind in CONFIGS.items():
        for field_name, annotation in _flags(name, kind).items():
            parameters.append(
                inspect.Parameter(
                    field_name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
                )
            )
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__ = function.__doc__
    command.__name__ = function.__name__
    return command


def _flags(name: str, kind: type) -> dict[str, Any]:
    words = described(kind)
    found: dict[str, Any] = {}
    for each in fields(kind):
        flag = f"--{each.name.replace('_', '-')}"
        default = each.default if each.default is not MISSING else None
        help_text = re.sub(r"``|:func:`~?[\w.]*?\.?(\w+)`", r"\1", words[each.name])
        if default not in (None, ()):
            help_text += f" [default: {default}]"
        option = typer.Option(
            flag,
            help=help_text,
            show_default=False,
            rich_help_panel=f"Settings: {name}",
            metavar=_metavar(each.name, get_type_hints(kind)[each.name]),
        )
        found[each.name] = Annotated[
            list[str] | None if each.name in _WINDOWS else str | None, option
        ]
    return found


def _options_of(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _metavar(name: str, hint: Any) -> str:
    options = _options_of(hint)
    if name in _WINDOWS:
        return "LOW,HIGH"
    if Schedule in options:
        return "NUMBER|FIRST,LAST,START,END"
    if any(get_origin(option) is tuple for option in options):
        return "N,N,..."
    for kind, word in ((bool, "yes|no"), (int, "INTEGER"), (float, "NUMBER")):
        if kind in options:
            return word
    return "WORD"


def parse(name: str, given: str | list[str], hint: Any) -> Any:
    """Return the value of a flag in the type of its field.

    Raises
    ------
    ValueError
        If it cannot be understood.
    """
    flag = f"--{name.replace('_', '-')}"
    if isinstance(given, list):
        return tuple(numbers(flag, each, 2) for each in given)
    options = _options_of(hint)
    text = given.strip()
    if text.lower() == "none" and type(None) in options:
        return None
    if any(get_origin(option) is tuple for option in options):
        return tuple(_number(flag, part, int) for part in text.split(",") if part.strip())
    if Schedule in options and "," in text:
        first, last, start, end = numbers(flag, text, 4)
        return Schedule(first, last, int(start), int(end))
    if bool in options:
        if text.lower() not in ("yes", "no", "true", "false"):
            raise ValueError(f"{flag} takes yes or no; got {text!r}")
        return text.lower() in ("yes", "true")
    for kind in (int, float):
        if kind in options:
            return _number(flag, text, kind)
    return text


def _number(flag: str, text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError as error:
        word = "an integer" if kind is int else "a number"
        raise ValueError(f"{flag} takes {word}; got {text!r}") from error


def numbers(flag: str, text: str, count: int) -> tuple[float, ...]:
    """Return ``count`` numbers parted by commas.

    Raises
    ------
    ValueError
        If there are not so many.
    """
    parts = text.split(",")
    if len(parts) != count:
        raise ValueError(f"{flag} takes {count} numbers parted by commas; got {text!r}")
    return tuple(float(_number(flag, part, float)) for part in parts)


def build(
    settings: Mapping[str, Mapping[str, Any]],
    config: Path | None = None,
    base: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the configurations of a TOML file, changed by the fields given as flags.

    ``base`` stands in for the defaults where the file has no table of that name.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError, TypeError
        If it is not TOML, or a table, a name or a value in it is not known.
    """
    tables = {} if config is None else read_tables(config)
    found = {}
    for name, kind in CONFIGS.items():
        where = f"{config}, [{name}]" if name in tables else ""
        first: Any = (base or {}).get(name) or kind()
        if name in tables:  # a table leaves out what is None: it is whole as it stands
            first = from_dict(kind, tables[name], where)
        found[name] = replace(first, **settings[name])
    return found


def read_tables(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file of settings; ``[run]`` only tells what a run was given.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not TOML, or has a table that is not known.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a TOML file: {error}") from error
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no file {path}") from error
    tables.pop("run", None)
    unknown = sorted(set(tables) - set(CONFIGS))
    if unknown:
        raise ValueError(
            f"{path}: [{unknown[0]}] is not a table of settings; known are {', '.join(CONFIGS)}"
        )
    return tables


def as_tables(configs: Mapping[str, Any]) -> dict[str, Any]:
    """Return configurations as plain tables for TOML, which has no word for None."""
    return {name: to_dict(config) for name, config in configs.items()}
