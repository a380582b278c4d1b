"""A space of settings: which fields vary, over which values, and what all others are.

It is written as settings are, with the same tables and names. A list is a choice, a table
``{low, high, log, step}`` a range; any other value is fixed.
"""

from __future__ import annotations

import itertools
import json
import math
import tomllib
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from spectessera._util.check import check_choice, check_number
from spectessera.segmenter.defaults import CONFIGS
from spectessera.settings import NONE, from_dict, to_dict

# More combinations than this, within one table, are not all built to be checked.
MOST_CHECKED = 10_000


@dataclass(frozen=True)
class Options:
    """A field that takes one of several values.

    Parameters
    ----------
    values : tuple
        Plain values, as in TOML; "none" is the word for None.
    """

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a list of choices needs at least one")
        for position, value in enumerate(self.values):
            if value in self.values[:position]:
                raise ValueError(f"{value!r} is named twice among the choices")

    def ends(self) -> tuple[Any, ...]:
        """Return the values that are checked before any training: all."""
        return self.values


@dataclass(frozen=True)
class Range:
    """A field that takes any number between two.

    Parameters
    ----------
    low, high : float
        Both included.
    log : bool
        Draw evenly in the logarithm.
    step : float, optional
        Only low, low + step, ... high.
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
            raise ValueError(f"the steps of {self.step} from {self.low} do not end at {self.high}")

    def ends(self) -> tuple[Any, ...]:
        """Return the values that are checked before any training: the two ends."""
        return (self.low, self.high)


@dataclass(frozen=True)
class Space:
    """What a search tries.

    Parameters
    ----------
    fixed : dict
        Table to field to plain value.
    varied : dict
        Names such as "network.latent" to what they vary over, in the order of the settings.
    """

    fixed: dict[str, dict[str, Any]]
    varied: dict[str, Options | Range]

    def size(self) -> int | None:
        """Return the number of combinations; None where a range has no end of them."""
        found = 1
        for each in self.varied.values():
            if isinstance(each, Range):
                return None
            found *= len(each.values)
        return found

    def combination(self, number: int) -> dict[str, Any]:
        """Return one of :meth:`size` combinations, counted from 0; the last field runs fastest."""
        found = {}
        for name, each in reversed(self.varied.items()):
            assert isinstance(each, Options)  # the size has told
            number, position = divmod(number, len(each.values))
            found[name] = each.values[position]
        return {name: found[name] for name in self.varied}

    def config(self, table: str, values: Mapping[str, Any], where: str = "") -> Any:
        """Return one configuration for values of the varied fields.

        Raises
        ------
        ValueError, TypeError
            If a value is refused; ``where`` is told in the message.
        """
        mine = {
            name.partition(".")[2]: value
            for name, value in values.items()
            if name.partition(".")[0] == table
        }
        return from_dict(CONFIGS[table], self.fixed.get(table, {}) | mine, f"{where}[{table}]")

    def configs(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return all configurations for values of the varied fields."""
        return {table: self.config(table, values) for table in CONFIGS}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that are the same for equal spaces, however they were written."""
        varied = {name: [type(each).__name__, vars(each)] for name, each in self.varied.items()}
        return {"fixed": {name: self.fixed.get(name, {}) for name in CONFIGS}, "varied": varied}


def as_space(space: Space | Mapping[str, Any] | str | Path) -> Space:
    """Return a checked space of a TOML file or of a mapping like one.

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
        If it is not TOML, nothing varies, or a name or a value is refused: every choice and both
        ends of every range are tried on the settings themselves.
    """
    if isinstance(space, Space):
        _check(space, "")
        return space
    where = ""
    if isinstance(space, (str, Path)):
        space, where = _read(Path(space)), f"{space}, "
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
    found = Space(fixed, varied)
    _check(found, where)
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a TOML file: {error}") from error
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no file {path}") from error


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
        from_dict(kind, table, where)  # raises, with its own words
    fixed[name] = {}
    for each in fields(kind):
        if each.name not in table:
            continue
        try:
            found = _read_field(_plain(table[each.name]), hints[each.name])
        except (ValueError, TypeError) as error:
            raise type(error)(f"{where} {each.name}: {error}") from error
        if isinstance(found, (Options, Range)):
            varied[f"{name}.{each.name}"] = found
        else:
            fixed[name][each.name] = found


def _plain(value: Any) -> Any:
    """Return a value as TOML would have it."""
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
        raise ValueError(f"a range has low, high and, if wanted, log or step; got {value!r}")
    if not {int, float} & set(kinds):
        raise ValueError("only a number has a range; give a list of choices")
    if float in kinds:
        value = {name: float(each) if type(each) is int else each for name, each in value.items()}
    return Range(**value, integer=float not in kinds)


def _kinds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _depth(value: Any) -> int:
    """Return how deeply lists are nested."""
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _depth_of(hint: Any) -> int:
    """Return how deeply the lists of a field are nested: 1 for widths, 2 for windows."""
    depths = [
        1 + _depth_of(get_args(each)[0]) for each in _kinds(hint) if get_origin(each) is tuple
    ]
    return max(depths, default=0)


def _check(space: Space, where: str) -> None:
    """Build the settings of each table with all combinations of its own fields.

    The settings of one table know nothing of those of another. Where the combinations are very
    many, one field at a time is varied.
    """
    for table in CONFIGS:
        mine = {
            name: each.ends()
            for name, each in space.varied.items()
            if name.partition(".")[0] == table
        }
        if math.prod(map(len, mine.values())) <= MOST_CHECKED:
            tried = [
                dict(zip(mine, each, strict=True)) for each in itertools.product(*mine.values())
            ]
        else:
            first = {name: values[0] for name, values in mine.items()}
            tried = [first | {name: value} for name in mine for value in mine[name]]
        for values in tried:
            space.config(table, values, where)


def encode(value: Any) -> Any:
    """Return a plain value as a number or a word: lists and tables as JSON text."""
    return json.dumps(value) if isinstance(value, (list, dict)) else value


def word(value: Any) -> Any:
    """Return a plain value as it stands in tables: a number, or a word as in TOML."""
    return json.dumps(value) if isinstance(value, (list, dict, bool)) else value
