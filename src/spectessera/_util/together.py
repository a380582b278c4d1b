"""Several files that are written into a folder of the user: all of them, or none."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .writing import writing


def check_names(folder: Path, names: Sequence[str], overwrite: bool) -> None:
    """Raise, before any work, the errors of :func:`together` for files of these names.

    Raises
    ------
    FileExistsError
        If one of them exists and ``overwrite`` is False, or is a link or a folder.
    FileNotFoundError, NotADirectoryError, PermissionError
        If nothing can be written into the folder.
    """
    if not folder.exists():
        raise FileNotFoundError(f"the folder {folder} does not exist; create it first")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; give a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"no permission to write into the folder {folder}")
    for name in names:
        path = folder / name
        if path.is_symlink() or path.is_dir():
            what = "a link" if path.is_symlink() else "a folder"
            raise FileExistsError(f"{path} is {what}; move it away, or write to another place")
        if path.exists() and not overwrite:
            raise FileExistsError(
                f"{path} exists; give overwrite=True (--overwrite) or another name"
            )


@contextmanager
def together(folder: str | Path, overwrite: bool) -> Iterator[Path]:
    """Give an empty folder; on success the files in it go into ``folder``, else none does.

    Parameters
    ----------
    folder : str or Path
        Exists; other files in it stay.
    overwrite : bool
        Whether files of the same names are replaced.

    Yields
    ------
    Path
        A folder on the same disk.

    Raises
    ------
    FileExistsError, FileNotFoundError, NotADirectoryError, PermissionError
        See :func:`check_names`.
    """
    target = Path(folder).resolve()
    check_names(target, (), overwrite)
    work = target / f".{secrets.token_hex(4)}-spectessera"
    new, old = work / "new", work / "old"
    try:
        with writing(target):
            for each in (work, new, old):
                each.mkdir()
            yield new
            names = sorted(each.name for each in new.iterdir())
            check_names(target, names, overwrite)
            _move(names, new, target, old)
    finally:
        if work.exists():
            shutil.rmtree(work)


def _move(names: Sequence[str], new: Path, target: Path, old: Path) -> None:
    """Move files to their places, and those that are there away; on an error, move all back."""
    done: list[str] = []
    try:
        for name in names:
            done.append(name)
            if (target / name).exists():
                shutil.copymode(target / name, new / name)
                os.replace(target / name, old / name)
            os.replace(new / name, target / name)
    except BaseException:
        for name in reversed(done):
            if (old / name).exists():
                os.replace(old / name, target / name)
            elif not (new / name).exists():
                (target / name).unlink(missing_ok=True)
        raise
