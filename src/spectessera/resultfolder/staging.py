"""A result folder is written as a whole beside the old one, and takes its place in one step.

Where the system can exchange two folders in one step, it does; files of the user are in both, as
hard links, and the old folder is then removed. Elsewhere, and where the folder holds folders of the
user, is a mount point, or is the working folder of the user's shell, the files are moved one by one
by a record that the next run finishes (see ``_moves``).
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spectessera._util.exchange import exchange
from spectessera._util.files import new_folder
from spectessera._util.inputs import refuse_inputs_in
from spectessera._util.locks import locked
from spectessera._util.writing import writing

from ._moves import (
    NEW,
    dispose,
    is_moving,
    log,
    move_all,
    signature,
    staging_folders,
    write_record,
)
from ._older import Older, older_result
from .manifest import EDITS, HIDDEN, MANIFEST, Manifest, Record, record_files, top_of


@dataclass(frozen=True)
class Plan:
    """What a run is going to write into a folder, known before any work.

    Parameters
    ----------
    names : tuple of str
        All that it may write, of :data:`spectessera.resultfolder.manifest.NAMES`.
    inputs : tuple of Path
        Files that it reads: none of them is replaced.
    overwrite : bool
        Whether older results of ours may be replaced.
    add : bool
        Other files of ours stay: these belong to the same result.
    """

    names: tuple[str, ...]
    inputs: tuple[Path, ...] = ()
    overwrite: bool = False
    add: bool = False


@dataclass
class Staging:
    """The files of a result that is not in its folder yet.

    Parameters
    ----------
    target : Path
        The folder of the results.
    work : Path
        The staging folder.
    plan : Plan
    older : Older
        What is in the folder.
    id : str
        Of the run.
    """

    target: Path
    work: Path
    plan: Plan
    older: Older
    id: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def path(self) -> Path:
        """The folder into which the files are written."""
        return self.work / NEW

    def record(self) -> dict[str, Any]:
        """Return what the next run needs if this one is killed."""
        names = {*self.plan.names, *self.older.names, *filter(None, [self.older.edits])}
        return {"target": self.target.name, "id": self.id, "names": sorted(names)}

    def commit(self, facts: Mapping[str, Any]) -> None:
        """Put the files into the folder, with a manifest of them and these facts.

        Raises
        ------
        FileExistsError
            If a file with one of their names came into the folder during the work: the results are
            then in another folder, which the message names.
        """
        for name in self.older.carried:
            _link_or_copy(self.target / name, self.path / name)
        if self.older.edits is not None:
            _link_or_copy(self.target / EDITS, self.path / self.older.edits)
        files = self._staying() | record_files(self.path)
        manifest = self.older.manifest  # what is added to a result is of its run
        run = manifest.id if manifest is not None and self.plan.add else self.id
        text = Manifest(run, files, dict(facts)).text()
        (self.path / MANIFEST).write_text(text, encoding="utf-8")
        self._refuse_what_came()
        if not self.target.exists():
            os.rename(self.path, self.target)
        elif not self._exchange():
            self._move()
        if self.older.edits is not None:
            log.warning(
                "what you changed in the older result is in %s",
                self.target / self.older.edits,
            )

    def _staying(self) -> dict[str, Record]:
        """Return the recorded files to which those of this run are added."""
        manifest = self.older.manifest
        if manifest is None or not self.plan.add:
            return {}
        new = self.plan.names
        return {n: each for n, each in manifest.files.items() if top_of(n) not in new}

    def _refuse_what_came(self) -> None:
        """Raise if a file in the folder is in the way that was not there before the work."""
        known = self.older.signatures
        there = [name for name in (*_names(self.path), *self.older.replaced)
                 if os.path.lexists(self.target / name)]  # fmt: skip
        other = [n for n in there if known.get(n) != signature(self.target / n)]
        if other:
            beside = self.work.with_name(f"{self.target.name}-{self.id}")
            os.rename(self.path, beside)
            raise FileExistsError(
                f"{self.target / other[0]} was changed during the work, so it is not replaced; "
                f"the results are in {beside}"
            )

    def _exchange(self) -> bool:
        """Exchange the folders in one step; False if that cannot be done."""
        target, path = self.target, self.path
        if self.work.parent == target or self.older.aside or self.plan.add:
            return False
        here = os.path.realpath(os.curdir)
        if Path(here).is_relative_to(target) or not _alike(target, path):
            return False
        linked: list[Path] = []
        try:
            for each in target.iterdir():
                if each.name not in self.older.signatures:
                    linked.append(path / each.name)
                    os.link(each, path / each.name, follow_symlinks=False)  # fails for folders
        except OSError:
            done = False
        else:
            done = exchange(path, target)
        if not done:
            for each in linked:
                each.unlink(missing_ok=True)
        return done

    def _move(self) -> None:
        """Move the files one by one, by a record with which the next run can finish it."""
        gone = [*_names(self.path), *self.older.replaced]
        known = {name: each for name, each in self.older.signatures.items() if name in gone}
        state = {"state": "moving", "new": _names(self.path), "replaced": known}
        write_record(self.work, {**self.record(), **state, "aside": self.older.aside})
        move_all(self.work, self.target)


@contextmanager
def result_folder(folder: Path, plan: Plan) -> Iterator[Staging]:
    """Give a staging folder for the results of a run; its ``commit`` puts them into ``folder``.

    All errors of the folder come before any work. Without ``commit`` nothing changes. The folder
    is locked for the time of the work.

    Parameters
    ----------
    folder : Path
        The folder of the results; a link is followed.
    plan : Plan

    Raises
    ------
    FileExistsError
        If the folder holds results and ``overwrite`` is false, or a file of the user that has one
        of the names.
    BlockingIOError
        If another run is writing into the folder.
    ValueError
        If an input would be replaced, or the manifest of the folder cannot be read.
    NotADirectoryError, PermissionError
        If it is a file, or cannot be written to.
    """
    check_place(folder)
    target = folder.resolve()
    with writing(target), new_folder(target.parent), locked_folder(target):
        finish_killed_runs(target)
        refuse_inputs_in(target, [MANIFEST], plan.inputs)
        older = older_result(target, plan.names, plan.inputs, plan.overwrite, plan.add)
        work = _place(target) / f"{_prefix(target)}-{secrets.token_hex(4)}"
        staging = Staging(target, work, plan, older)
        work.mkdir()
        try:
            write_record(work, staging.record())
            staging.path.mkdir()
            yield staging
        finally:
            if is_moving(work):
                move_all(work, target)
            dispose(work, target)


def check_place(folder: Path) -> None:
    """Raise NotADirectoryError or PermissionError if a folder cannot be written to, or created."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; --out is a folder")
    nearest = folder.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir():
        raise NotADirectoryError(f"{nearest} is a file, so {folder} cannot be created")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(f"no permission to write into {nearest}")


@contextmanager
def locked_folder(target: Path) -> Iterator[None]:
    """Lock a folder of results, which need not exist yet."""
    with locked(_place(target) / f"{_prefix(target)}.lock", f"the folder {target}"):
        yield


def finish_killed_runs(target: Path, *, moves_only: bool = False) -> list[Path]:
    """Finish or remove what killed runs have left; assumes that the folder is locked.

    Parameters
    ----------
    target : Path
        The folder of the results.
    moves_only : bool
        Leave what was not complete, and return it.
    """
    left = []
    for work in staging_folders(target):
        moving = is_moving(work)
        if moves_only and not moving:
            left.append(work)
            continue
        if moving:
            move_all(work, target)
        dispose(work, target)
        what = "finished the exchange" if moving else "removed the unfinished files"
        log.warning("%s of a run that was killed: %s", what, work)
    return left


def _place(target: Path) -> Path:
    """Return the folder for locks and staging folders: beside the results, or else in there."""
    beside = target.parent
    inside = target.exists() and (
        not os.access(beside, os.W_OK | os.X_OK) or beside.stat().st_dev != target.stat().st_dev
        or os.path.ismount(target)
    )  # fmt: skip
    return target if inside else beside


def _prefix(target: Path) -> str:
    """Return how the names of locks and staging folders begin."""
    return HIDDEN if _place(target) == target else f".{target.name[-64:]}{HIDDEN}"


def _names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def _alike(target: Path, path: Path) -> bool:
    """Give a new folder the rights of the old one; False if that cannot be done in full."""
    about = target.stat()
    try:
        if sys.platform != "linux" or os.listxattr(target):
            return False
        if (path.stat().st_uid, path.stat().st_gid) != (about.st_uid, about.st_gid):
            os.chown(path, about.st_uid, about.st_gid)
        shutil.copymode(target, path)
    except OSError:
        return False
    return True


def _link_or_copy(source: Path, path: Path) -> None:
    """Have a file at a second place."""
    try:
        os.link(source, path)
    except OSError:
        shutil.copy2(source, path)
