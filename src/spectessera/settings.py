"""Settings as plain dictionaries and back: for model files, TOML and the command line."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

T = TypeVar("T")
NONE = "none"


def to_dict(settings: Any) -> dict[str, Any]:
    """Return a dataclass as nested plain values.

    TOML has no value for None: a field that is None is omitted if None is its default, and is the
    word "none" otherwise.
    """
    values: dict[str, Any] = {}
    for each in fields(settings):
        value = getattr(settings, each.name)
        if value is not None:
            values[each.name] = _plain(value)
        elif each.default is not None and each.default is not MISSING:
            values[each.name] = NONE
    return values


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return to_dict(value)
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value  # JSON and TOML know no numpy


def from_dict(kind: type[T], data: Mapping[str, Any], where: str = "") -> T:
    """Return the dataclass ``kind`` of a dictionary of :func:`to_dict`, after all checks.

    Raises
    ------
    ValueError, TypeError
        If a name is not known or a value is not allowed; the message begins with ``where``.
    """
    prefix = f"{where}: " if where else ""
    if not isinstance(data, Mapping):
        raise TypeError(f"{prefix}expected a table of settings, got {data!r}")
    hints = get_type_hints(kind)
    unknown = sorted(set(data) - set(hints))
    if unknown:
        raise ValueError(
            f"{prefix}{', '.join(unknown)} is not a setting; known are {', '.join(sorted(hints))}"
        )
    values = {name: _typed(value, hints[name], where) for name, value in data.items()}
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{prefix}{error}") from error


def _typed(value: Any, hint: Any, where: str) -> Any:
    """Convert a plain value to the type of a field: lists to tuples, tables to dataclasses."""
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if value == NONE and type(None) in options:
        return None
    if isinstance(value, Mapping):
        for option in options:
            if is_dataclass(option):
                return from_dict(option, value, where)  # type: ignore[arg-type]
    if isinstance(value, list) and get_origin(hint) is not list:
        return tuple(_typed(item, object, where) for item in value)
    if isinstance(value, int) and not isinstance(value, bool) and options == (float,):
        return float(value)
    return value
