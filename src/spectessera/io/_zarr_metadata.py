"""What the metadata of a Zarr store say, read without the zarr package."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spectessera._util.reading import FileRefused, check_regular, reading

METADATA = ("zarr.json", ".zarray", ".zgroup")  # one of them makes a folder a store
# An attribute of the stores of this package: the names of all arrays, each of which has all its
# chunks. xarray leaves out attributes that begin with _nc: its copies need not be complete.
COMPLETE = "_nc_arrays"
MOST_BYTES = 2**26  # of one file of metadata
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
    for each in (*METADATA, ".zattrs", ".zmetadata"):
        check_regular(folder / each)
    file = next((one for one in METADATA if (folder / one).is_file()), None)
    if file is None:
        raise ValueError(f"{path}: {name!r} has neither of {', '.join(METADATA)}")
    document = _json(path, folder / file)
    is_array = file == ".zarray" or document.get("node_type") == "array"
    if is_array:
        codecs = [document.get(key) for key in ("codecs", "filters", "compressor")]
        with reading(path, "Zarr"):  # nested too deeply
            pickled = any("pickle" in text.lower() for text in _texts(codecs))
        if pickled:
            raise ValueError(
                f"{path}: {name or 'its array'!r} is stored by pickle, which is never read because "
                "it can run code; save it as an array of numbers"
            )
    return document, 3 if file == "zarr.json" else 2, is_array


def _json(path: Path, file: Path) -> dict[str, Any]:
    """Read one file of metadata."""
    with reading(path, "Zarr", *ZARR_ERRORS):
        size = file.stat().st_size
        if size > MOST_BYTES:
            raise ValueError(f"{file.name} has {size} bytes; {MOST_BYTES} are the most")
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


def size_inside(path: Path, file: Path, *, outside: bool) -> int:
    """Return the bytes of a file of a store, 0 if it is not there.

    Raises
    ------
    ValueError
        If it is a device or a pipe, or lies outside the folder of the store and ``outside`` is
        false.
    """
    if not file.exists():
        return 0
    check_regular(file)
    real = os.path.realpath(file)
    if not outside and not real.startswith(os.path.join(os.path.realpath(path.parent), "")):
        raise FileRefused(
            f"{file} is a link to {real}, outside the folder of the store; copy it there, or allow "
            "it with outside=True (--outside)"
        )
    return file.stat().st_size
