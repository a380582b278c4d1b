"""TOML and JSON files, which people write and strangers send."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .reading import check_regular

MOST_BYTES = 2**20
MOST_DOTS = 64  # of a key: the time of the parser grows with the square of their number


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file of at most 1 MiB.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is larger, or is not TOML.
    """
    return _parsed(path, "TOML", parse_toml)


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a text.

    Raises
    ------
    ValueError
        If it is not TOML, or a key has very many dots.
    RecursionError
        If it is nested too deeply.
    """
    if max(part.count(".") for part in re.split(r"[=\n{\[,]", text)) > MOST_DOTS:
        raise ValueError(f"a key has more than {MOST_DOTS} dots")
    return tomllib.loads(text)


def read_json(path: Path, most: int = MOST_BYTES) -> Any:
    """Return the content of a JSON file of at most so many bytes; errors as :func:`read_toml`."""
    return _parsed(path, "JSON", json.loads, most)


def _parsed(path: Path, kind: str, parse: Callable[[str], Any], most: int = MOST_BYTES) -> Any:
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    check_regular(path)
    if path.is_dir():
        raise ValueError(f"{path} is not a file")
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"{path} is larger than {most >> 20} MiB; it is not such a file")
    try:
        return parse(data.decode("utf-8"))
    except RecursionError as error:
        raise ValueError(f"{path} is not a {kind} file: it is nested too deeply") from error
    except ValueError as error:  # also of text that is not UTF-8
        raise ValueError(f"{path} is not a {kind} file: {error}") from error
