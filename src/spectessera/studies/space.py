"""A space of settings: the fields that vary, their values, and the values of all other fields.

It has the tables and names of settings. A list is a choice, a table ``{low, high, log, step}`` is
a range; any other value is fixed.
"""

from __future__ import annotations

import itertools
import json
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from spectessera._util.check import check_choice, check_number
from spectessera._util.documents import read_toml
from spectessera.segmenter.defaults import CONFIGS
from spectessera.settings import NONE, from_dict, to_dict

# If one table has more combinations than this, not all of them are checked.
MOST_CHECKED = 10_000


@dataclass(frozen=True)
class Options:
    """A field that takes one of several values.

    Parameters
    ----------
    values : tuple
        Plain values, as in TOML; "none" stands for None.
    """

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a list of choices needs at least one")
        for position, value in enumerate(self.values):
            if value in self.values[:position]:
                raise ValueError(f"{value!r} occurs twice among the choices")

    def ends(self) -> tuple[Any, ...]:
        """Return the values that are checked before any training: all of them."""
        return self.values


@dataclass(frozen=True)
class Range:
    """A field that takes any number in a range.

    Parameters
    ----------
    low, high : float
        Limits, both included.
    log : bool
        Draw uniformly in the logarithm.
    step : float, optional
        Take only the values low, low + step, ... high.
    integer : bool
        Whole numbers only.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    integer: bool = False

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            check_number(name, getattr(self, name), integer=self.integer)
        check_choice("log", self.log, (True, False))
        if self.low >= self.high:
            raise ValueError(f"a range needs low < high; got {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a range with log = true must lie above 0; got low = {self.low}")
        if self.step is None:
            return
        check_number("step", self.step, low=0.0, open_low=True, integer=self.integer)
        if self.log:
            raise ValueError("a range has a step or log = true, not both")
        width = Decimal(str(self.high)) - Decimal(str(self.low))
        if width % Decimal(str(self.step)) != 0:
            raise ValueError(f"steps of {self.step} from {self.low} do not end at {self.high}")

    def ends(self) -> tuple[Any, ...]:
        """Return the values that are checked before any training: the two ends."""
        return (self.low, self.high)


@dataclass(frozen=True)
class Space:
    """The settings that a search tries.

    Parameters
    ----------
    fixed : dict
        Fixed fields: name of the table -> name of the field -> plain value.
    varied : dict
        Varied fields: name, such as "network.latent" -> options or range, in the order of the
        settings.
    """

    fixed: dict[str, dict[str, Any]]
    varied: dict[str, Options | Range]

    def size(self) -> int | None:
        """Return the number of combinations; None if a field has a range."""
        size = 1
        for each in self.varied.values():
            if isinstance(each, Range):
                return None
            size *= len(each.values)
        return size

    def combination(self, number: int) -> dict[str, Any]:
        """Return one of :meth:`size` combinations, from 0; the last field varies fastest."""
        chosen = {}
        for name, each in reversed(self.varied.items()):
            assert isinstance(each, Options)  # otherwise there is no size
            number, position = divmod(number, len(each.values))
            chosen[name] = each.values[position]
        return {name: chosen[name] for name in self.varied}

    def config(self, table: str, values: Mapping[str, Any], where: str = "") -> Any:
        """Return one configuration for values of the varied fields.

        Raises
        ------
        ValueError, TypeError
            If a value is not valid; ``where`` is part of the message.
        """
        own = {
            name.partition(".")[2]: value
            for name, value in values.items()
            if name.partition(".")[0] == table
        }
        return from_dict(CONFIGS[table], self.fixed.get(table, {}) | own, f"{where}[{table}]")

    def configs(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return all configurations for values of the varied fields."""
        return {table: self.config(table, values) for table in CONFIGS}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, which are equal for equal spaces."""
        varied = {name: [type(each).__name__, vars(each)] for name, each in self.varied.items()}
        return {"fixed": {name: self.fixed.get(name, {}) for name in CONFIGS}, "varied": varied}


def as_space(space: Space | Mapping[str, Any] | str | Path) -> Space:
    """Return a checked space from a TOML file or a mapping with the same structure.

    Parameters
    ----------
    space : Space, mapping, str or Path
        ``{"network": {"latent": [2, 3], "block": "snn"}}``, or the path of such a TOML file.

    Returns
    -------
    Space

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError, TypeError
        If it is not TOML, nothing varies, or a name or a value is not valid: the settings are
        built with every choice and with both ends of every range.

    Examples
    --------
    >>> from spectessera.studies import as_space
    >>> space = as_space({"network": {"latent": [2, 3], "block": "snn"}})
    >>> space.size(), space.combination(1)
    (2, {'network.latent': 3})
    """
    if isinstance(space, Space):
        _check(space, "")
        return space
    where = ""
    if isinstance(space, (str, Path)):
        space, where = read_toml(Path(space)), f"{space}, "
    if not isinstance(space, Mapping):
        raise TypeError(f"a space is a mapping of tables, or the path of a file; got {space!r}")
    tables = {name: table for name, table in space.items() if name != "run"}
    unknown = sorted(set(tables) - set(CONFIGS))
    if unknown:
        raise ValueError(
            f"{where}[{unknown[0]}] is not a table of settings; known are {', '.join(CONFIGS)}"
        )
    fixed: dict[str, dict[str, Any]] = {}
    varied: dict[str, Options | Range] = {}
    for name, kind in CONFIGS.items():
        _read_table(name, kind, tables.get(name, {}), f"{where}[{name}]", fixed, varied)
    if not varied:
        raise ValueError(
            f"{where}nothing varies in this space; give a list, as in latent = [2, 3, 4], or a "
            "range, as in gamma = {low = 0.001, high = 0.1, log = true}"
        )
    checked = Space(fixed, varied)
    _check(checked, where)
    return checked


def _read_table(
    name: str,
    kind: type,
    table: Any,
    where: str,
    fixed: dict[str, dict[str, Any]],
    varied: dict[str, Options | Range],
) -> None:
    """Sort the fields of one table into the fixed and the varied ones."""
    hints = get_type_hints(kind)
    if not isinstance(table, Mapping) or not set(table) <= set(hints):
        from_dict(kind, table, where)  # raises
    fixed[name] = {}
    for each in fields(kind):
        if each.name not in table:
            continue
        try:
            field = _read_field(_plain(table[each.name]), hints[each.name])
        except (ValueError, TypeError) as error:
            raise type(error)(f"{where} {each.name}: {error}") from error
        if isinstance(field, (Options, Range)):
            varied[f"{name}.{each.name}"] = field
        else:
            fixed[name][each.name] = field


def _plain(value: Any) -> Any:
    """Return a value as it is written in TOML."""
    if value is None:
        return NONE
    if is_dataclass(value) and not isinstance(value, type):
        return to_dict(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def _read_field(value: Any, hint: Any) -> Any:
    """Return the options or the range of a field, or its fixed value."""
    if isinstance(value, list) and _depth(value) > _depth_of(hint):
        return Options(tuple(value))
    if not isinstance(value, Mapping) or not {"low", "high"} & set(value):
        return value
    kinds = _kinds(hint)
    if not {"low", "high"} <= set(value) <= {"low", "high", "log", "step"}:
        raise ValueError(f"a range has low, high and optionally log or step; got {value!r}")
    if not {int, float} & set(kinds):
        raise ValueError("only a number can have a range; give a list of choices")
    if float in kinds:
        value = {name: float(each) if type(each) is int else each for name, each in value.items()}
    return Range(**value, integer=float not in kinds)


def _kinds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _depth(value: Any) -> int:
    """Return the depth of nested lists."""
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _depth_of(hint: Any) -> int:
    """Return the depth of the lists of a field: 1 for widths, 2 for windows."""
    depths = [
        1 + _depth_of(get_args(each)[0]) for each in _kinds(hint) if get_origin(each) is tuple
    ]
    return max(depths, default=0)


def _check(space: Space, where: str) -> None:
    """Build the settings of each table with all combinations of its fields.

    Tables are independent of one another. If a table has very many combinations, one field at a
    time is varied.
    """
    for table in CONFIGS:
        ends = {
            name: each.ends()
            for name, each in space.varied.items()
            if name.partition(".")[0] == table
        }
        if math.prod(map(len, ends.values())) <= MOST_CHECKED:
            tried = [
                dict(zip(ends, each, strict=True)) for each in itertools.product(*ends.values())
            ]
        else:
            first = {name: values[0] for name, values in ends.items()}
            tried = [first | {name: value} for name in ends for value in ends[name]]
        for values in tried:
            space.config(table, values, where)


def encode(value: Any) -> Any:
    """Return a plain value as a number or a string; lists and tables as JSON text."""
    return json.dumps(value) if isinstance(value, (list, dict)) else value


def table_cell(value: Any) -> Any:
    """Return a plain value as it is shown in tables: a number, or a string as in TOML."""
    return json.dumps(value) if isinstance(value, (list, dict, bool)) else value
