"""The steps of an exchange that a kill may interrupt, each of which can be finished later.

A staging folder holds ``record.json``, ``folder`` (the files of the new result) and ``old`` (the
replaced ones, if files are moved one by one). It lies beside the folder of the results, or in it.
"""

from __future__ import annotations

import glob
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spectessera._util.files import atomic_text, remove_folder

from .manifest import HIDDEN, MANIFEST, NAMES

log = logging.getLogger(__name__)

NEW, OLD, RECORD = "folder", "old", "record.json"
# What the writers of single files leave if they are killed.
_TEMPORARY = re.compile(r"\.[0-9a-f]{8}-.+|\.spectessera-.+|\..+\.spectessera\.lock")
_EDITS = re.compile(r"edits-[0-9]{8}-[0-9]{6}\.toml")
_ASIDE = re.compile(r"earlier-[0-9]{8}-[0-9]{6}")


def staging_folders(target: Path) -> list[Path]:
    """Return the staging folders of a folder of results: of runs that go on or were killed."""
    eight = 8 * "[0-9a-f]"
    name = glob.escape(target.name[-64:])
    found = [*target.parent.glob(f".{name}{HIDDEN}-{eight}"), *target.glob(f"{HIDDEN}-{eight}")]
    return sorted(each for each in found if _is_of(each, target))


def _is_of(work: Path, target: Path) -> bool:
    """Whether a staging folder belongs to a folder; names are shortened, so two may look alike."""
    if work.is_symlink() or not work.is_dir():
        return False
    if not (work / RECORD).exists():  # killed before its first file, or in removing its last
        return not any((work / name).exists() for name in (NEW, OLD))
    return read_record(work).get("target") == target.name


def read_record(work: Path) -> dict[str, Any]:
    """Return what a run has recorded of its exchange; empty if it was killed before that.

    Raises
    ------
    ValueError
        If it makes no sense: it may come from strangers, and files are moved by it.
    """
    path = work / RECORD
    if not path.exists():
        return {}
    problem = f"{path} cannot be read; move {work} away"
    try:
        with path.open("rb") as file:
            record = json.loads(file.read(2**20))
        names = {*record["names"], *record.get("new", ()), *record.get("replaced", {})}
        names = {name for name in names if not _EDITS.fullmatch(name)}
        sound = names <= {*NAMES, MANIFEST} and isinstance(record["target"], str)
        aside = record.get("aside")
        sound &= aside is None or bool(_ASIDE.fullmatch(aside))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(problem) from error
    if not sound or any((work / name).is_symlink() for name in (NEW, OLD)):
        raise ValueError(problem)
    return dict(record)


def write_record(work: Path, record: dict[str, Any]) -> None:
    """Record a state of the exchange."""
    atomic_text(work / RECORD, json.dumps(record))


def is_moving(work: Path) -> bool:
    """Whether a run was killed while its files were being moved one by one."""
    return read_record(work).get("state") == "moving"


def signature(path: Path) -> list[int]:
    """Return numbers that change when a file, or one in a store, is changed or replaced."""
    files = [path] if path.is_symlink() or not path.is_dir() else list(path.rglob("*"))
    states = [each.lstat() for each in files]
    newest = max((each.st_mtime_ns for each in states), default=0)
    first = states[0].st_ino if files == [path] else 0
    return [len(states), first, newest, sum(each.st_size for each in states)]


def move_all(work: Path, target: Path) -> None:
    """Move the new files into the folder and the replaced ones out of it, from any state.

    Raises
    ------
    FileExistsError
        If one of the names is now that of another file, which is not replaced.
    """
    record = read_record(work)
    new, replaced = list(record["new"]), record["replaced"]
    aside = target / record["aside"] if record.get("aside") else work / OLD
    aside.mkdir(exist_ok=True)
    removed = [name for name in replaced if name not in new]
    for name in (*removed, *sorted(new, key=lambda each: each == MANIFEST)):  # that comes last
        source, place = work / NEW / name, target / name
        if name in new and not os.path.lexists(source):
            continue  # it was moved before
        if os.path.lexists(place):
            if signature(place) != replaced.get(name):
                raise FileExistsError(
                    f"{place} is not the file that was to be replaced; move it away: the new one "
                    f"is {source}"
                )
            os.rename(place, aside / name)
        if name in new:
            os.rename(source, place)


def dispose(work: Path, target: Path) -> None:
    """Remove a staging folder; files of the user in it go back to the folder of the results.

    They are links to the files there, or what came into the folder while it was exchanged.
    """
    ours = {*read_record(work).get("names", ()), MANIFEST}
    folder = work / NEW
    for path in list(folder.iterdir()) if folder.is_dir() else []:
        if path.name in ours or _TEMPORARY.fullmatch(path.name):
            _remove(path)
        elif not _give_back(path, target / path.name):
            log.warning("%s is not a file of spectessera and stays; move it away", path)
            return
    if (work / OLD).is_dir():
        shutil.rmtree(work / OLD)
    if folder.is_dir():
        folder.rmdir()
    (work / RECORD).unlink(missing_ok=True)
    for path in _rests(work):
        path.unlink()
    work.rmdir()


def _rests(work: Path) -> Iterator[Path]:
    """Yield what is left of a record that was being written."""
    return (each for each in work.iterdir() if _TEMPORARY.fullmatch(each.name))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove_folder(path)
    else:
        path.unlink()


def _give_back(path: Path, place: Path) -> bool:
    """Give a file of the user back; False if another one has its name."""
    if not os.path.lexists(place):
        place.parent.mkdir(exist_ok=True)
        os.rename(path, place)
    elif os.path.samestat(path.lstat(), place.lstat()):
        path.unlink()
    else:
        return False
    return True
