"""Outputs never replace inputs: files are compared, not their names."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

STORE = ("zarr.json", ".zarray", ".zgroup")  # one of them makes a folder a Zarr store
MOST_FILES = 100_000  # in a folder that is an input, which are compared one by one


def refuse_input(out: str | Path, *inputs: str | Path | None) -> None:
    """Raise ValueError if writing ``out`` would replace one of the inputs.

    Links to an input, symbolic or hard, are that input. An input may be a folder: a Zarr store, in
    which nothing is written, or a folder of files, none of which is replaced.

    Parameters
    ----------
    out : str or Path
        The file or store to write; nothing needs to be there.
    inputs : str, Path or None
        Files and folders that are read; those that do not exist, or are None, are left out.
    """
    out = Path(out)
    for source in (Path(each) for each in inputs if each is not None):
        if not source.exists():
            continue  # reading it says so, or it is the name of something else
        if _same(out, source):
            raise ValueError(f"{out} is the input itself ({source}); give another name")
        inner, outer = out.resolve(), source.resolve()
        if inner in outer.parents or (outer in inner.parents and _is_store(outer)):
            raise ValueError(
                f"{out} and the input {source} are one inside the other; give another name"
            )
        if source.is_dir() and out.is_file():
            _refuse_file_of(source, out)


def refuse_inputs_in(folder: Path, names: Iterable[str], inputs: Iterable[str | Path]) -> None:
    """Raise ValueError if writing files of these names into a folder would replace an input.

    Or if the folder is a Zarr store that is read, or lies in one.
    """
    given = [Path(each) for each in inputs]
    for source in given:
        inner, outer = folder.resolve(), source.resolve()
        if _is_store(outer) and (outer == inner or outer in inner.parents):
            raise ValueError(
                f"{folder} is, or lies in, the input {source}; give another folder (--out)"
            )
    for name in names:
        if os.path.lexists(folder / name):
            refuse_input(folder / name, *given)


def _same(one: Path, other: Path) -> bool:
    """Whether two paths are one file or folder."""
    return one.exists() and os.path.samefile(one, other)


def _is_store(folder: Path) -> bool:
    return any((folder / name).is_file() for name in STORE)


def _refuse_file_of(source: Path, out: Path) -> None:
    """Raise ValueError if an existing file is one of those in a folder that is read."""
    files = (path for path in source.rglob("*") if path.is_file())
    about = out.stat()
    if any(os.path.samestat(path.stat(), about) for path in islice(files, MOST_FILES)):
        raise ValueError(f"{out} is a file of the input {source}; give another name")
