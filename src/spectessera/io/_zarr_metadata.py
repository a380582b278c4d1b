"""What the metadata of a Zarr store say, read without the zarr package."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spectessera._util.reading import reading

METADATA = ("zarr.json", ".zarray", ".zgroup")  # one of them makes a folder a store
# An attribute of the stores of this package: the names of all arrays, each of which has all its
# chunks. xarray leaves out attributes that begin with _nc: its copies need not be complete.
COMPLETE = "_nc_arrays"
# What zarr raises, beside the errors of all libraries, on metadata that make no sense.
ZARR_ERRORS = (AttributeError, AssertionError, ArithmeticError)


def is_store(path: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return any((path / name).is_file() for name in METADATA)


def metadata(path: Path, name: str) -> tuple[dict[str, Any], int, bool]:
    """Return the metadata of an array or a group, its format (2 or 3), and whether it is an array.

    Raises
    ------
    ValueError
        If they make no sense, or name a codec that could run code.
    """
    folder = path / name
    file = next((one for one in METADATA if (folder / one).is_file()), None)
    if file is None:
        raise ValueError(f"{path}: {name!r} has neither of {', '.join(METADATA)}")
    document = _json(path, folder / file)
    is_array = file == ".zarray" or document.get("node_type") == "array"
    if is_array:
        codecs = [document.get(key) for key in ("codecs", "filters", "compressor")]
        if any("pickle" in text.lower() for text in _texts(codecs)):
            raise ValueError(
                f"{path}: {name or 'its array'!r} is stored by pickle, which is never read because "
                "it can run code; save it as an array of numbers"
            )
    return document, 3 if file == "zarr.json" else 2, is_array


def _json(path: Path, file: Path) -> dict[str, Any]:
    """Read one file of metadata."""
    with reading(path, "Zarr", *ZARR_ERRORS):
        document = json.loads(file.read_bytes())
        if not isinstance(document, dict):
            raise TypeError(f"{file.name} holds a {type(document).__name__}, not a table")
    return document


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in nested lists and tables."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts(list(value.values()))
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def attributes(path: Path, name: str) -> dict[str, Any]:
    """Return the attributes of an array or a group."""
    document, version, _ = metadata(path, name)
    attrs = document.get("attributes")
    if version == 2:
        file = path / name / ".zattrs"
        attrs = _json(path, file) if file.is_file() else {}
    return attrs if isinstance(attrs, dict) else {}


def array_names(path: Path) -> list[str]:
    """Return the names of all arrays of a store; the name of an array at its root is empty."""
    names, waiting = [], [""]
    while waiting:
        name = waiting.pop()
        if metadata(path, name)[2]:
            names.append(name)
            continue
        with os.scandir(path / name) as entries:
            folders = [Path(one.path) for one in entries if one.is_dir(follow_symlinks=False)]
        below = [one.relative_to(path).as_posix() for one in folders if is_store(one)]
        waiting += sorted(below, reverse=True)
    return names
