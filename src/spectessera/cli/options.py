"""Every field of the settings as a flag of the command line, under the same name.

The flags, their help and their types come from the dataclasses themselves, so that no setting can
be forgotten and none is described twice.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer

from spectessera._util.documents import read_toml
from spectessera.network.schedule import Schedule
from spectessera.segmenter.defaults import CONFIGS, DEFAULTS, fine_tuning
from spectessera.settings import from_dict

from .flags import number, numbers, with_parameters
from .helppage import plain

Fields = dict[str, dict[str, Any]]
"""Fields given as flags, by the name of their configuration."""

_WINDOWS = ("keep", "exclude")
_FIELDS = frozenset(each.name for kind in CONFIGS.values() for each in fields(kind))
_QUOTED = re.compile(r'"([^"]*)"')


def documented(kind: type) -> dict[str, tuple[str, str]]:
    """Return the type and the description of each parameter in the docstring of a dataclass."""
    text = inspect.cleandoc(kind.__doc__ or "").split("Parameters\n----------\n")[1]
    entries: dict[str, tuple[str, str]] = {}
    names: list[str] = []
    for line in text.splitlines():
        if line and not line.startswith(" "):
            heading, _, type_text = line.partition(" : ")
            names = [name.strip() for name in heading.split(",")]
            entries |= dict.fromkeys(names, (type_text.strip(), ""))
        elif line.strip():
            for name in names:
                type_text, description = entries[name]
                entries[name] = (type_text, f"{description} {line.strip()}".strip())
    return entries


def with_settings(function: Callable[..., None]) -> Callable[..., None]:
    """Replace the parameter ``settings`` of a command by one flag per field of the settings.

    The command is called with ``settings``: the fields given, by the name of their configuration.
    """

    def command(**values: Any) -> None:
        settings: Fields = {name: {} for name in CONFIGS}
        for name, kind in CONFIGS.items():
            hints = get_type_hints(kind)
            for each in fields(kind):
                text = values.pop(each.name)
                if text not in (None, []):
                    settings[name][each.name] = parse(each.name, text, hints[each.name])
        function(**values, settings=settings)

    signature = inspect.signature(function, eval_str=True)
    parameters = [each for each in signature.parameters.values() if each.name != "settings"]
    for name, kind in CONFIGS.items():
        parameters += _flags(name, kind)
    return with_parameters(command, function, parameters)


def _flags(config: str, kind: type) -> list[inspect.Parameter]:
    """Return one parameter of a command per field of a configuration."""
    entries, hints = documented(kind), get_type_hints(kind)
    parameters = []
    for each in fields(kind):
        option = typer.Option(
            f"--{each.name.replace('_', '-')}",
            help=_help(entries[each.name][1], getattr(DEFAULTS[config], each.name)),
            show_default=False,
            rich_help_panel=f"Settings: {config}",
            metavar=_metavar(each.name, hints[each.name], entries[each.name][0]),
        )
        parameters.append(
            inspect.Parameter(
                each.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[
                    list[str] | None if each.name in _WINDOWS else str | None, option
                ],
            )
        )
    return parameters


def _help(description: str, default: Any) -> str:
    """Return the help of a flag: its description and its default."""
    text = plain(description, _FIELDS)
    if default not in (None, ()):
        text += f" (default: {_as_flag(default)})"
    return text


def _as_flag(value: Any) -> str:
    """Return a value as it is written on the command line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _types_of(hint: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the one type."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _metavar(name: str, hint: Any, type_text: str) -> str:
    """Return what a flag takes: its choices, or the kind of its value."""
    kinds = _types_of(hint)
    if name in _WINDOWS:
        return "LOW,HIGH"
    if Schedule in kinds:
        return "NUMBER|FIRST,LAST,START,END"
    if any(get_origin(kind) is tuple for kind in kinds):
        return "N,N,..."
    words = _QUOTED.findall(type_text)
    if bool in kinds:
        words = ["yes", "no"]
    if not words:
        return "INTEGER" if int in kinds else "NUMBER" if float in kinds else "TEXT"
    return f"[{'|'.join(words + ['none'] * (type(None) in kinds and bool not in kinds))}]"


def parse(name: str, text: str | list[str], hint: Any) -> Any:
    """Return the value of a flag in the type of its field.

    Raises
    ------
    ValueError
        If it cannot be understood.
    """
    flag = f"--{name.replace('_', '-')}"
    if isinstance(text, list):
        return tuple(numbers(flag, each, 2) for each in text)
    kinds = _types_of(hint)
    text = text.strip()
    if text.lower() == "none" and type(None) in kinds:
        return None
    if any(get_origin(kind) is tuple for kind in kinds):
        return tuple(number(flag, part, int) for part in text.split(",") if part.strip())
    if Schedule in kinds and "," in text:
        first, last, start, end = numbers(flag, text, 4)
        return Schedule(first, last, int(start), int(end))
    if bool in kinds:
        if text.lower() not in ("yes", "no", "true", "false"):
            raise ValueError(f"{flag} takes yes or no; got {text!r}")
        return text.lower() in ("yes", "true")
    if int in kinds:
        return number(flag, text, int)
    return number(flag, text) if float in kinds else text


def base_settings(model: Any, simulation: str | None) -> dict[str, Any]:
    """Return the configurations that a file and flags change.

    Those of a trained model, if training continues from one; of a pretraining on simulated spectra,
    if there is one; else the defaults.
    """
    from spectessera.segmenter.pretraining import recipe

    if simulation is not None:
        return recipe(simulation)
    if model is not None:
        return {name: model.config(name) for name in CONFIGS} | {
            "training": fine_tuning(model.config("training").loss)
        }
    return dict(DEFAULTS)


def configurations(
    settings: Mapping[str, Mapping[str, Any]],
    config: Path | None = None,
    base: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the configurations of a TOML file, changed by the fields given as flags.

    ``base`` replaces the defaults where the file has no table of that name.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError, TypeError
        If it is not TOML, or a table, a name or a value in it is unknown.
    """
    tables = {} if config is None else _read_tables(config)
    configs = {}
    for name, kind in CONFIGS.items():
        start: Any = (base or {}).get(name) or kind()
        if name in tables:  # a table leaves out what is None: it is complete as it is
            start = from_dict(kind, tables[name], f"{config}, [{name}]")
        configs[name] = replace(start, **settings[name])
    return configs


def _read_tables(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file of settings, without ``[run]``, which describes a run.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not TOML, or has an unknown table.
    """
    tables = read_toml(path)
    tables.pop("run", None)
    unknown = sorted(set(tables) - set(CONFIGS))
    if unknown:
        raise ValueError(
            f"{path}: [{unknown[0]}] is not a table of settings; the tables are "
            f"{', '.join(CONFIGS)}"
        )
    return tables
