"""TOML files, which people write and strangers send."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

MOST_BYTES = 2**20


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file of at most 1 MiB.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is larger, or is not TOML.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if not path.is_file():
        raise ValueError(f"{path} is not a file")
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"{path} is larger than {MOST_BYTES >> 20} MiB; it is not such a file")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a TOML file: {error}") from error
