"""Files: those of the package, and writing a file completely or not at all."""

from __future__ import annotations

import errno
import glob
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from .exchange import exchange
from .locks import locked_beside
from .writing import writing

log = logging.getLogger(__name__)

# Seconds for which threads of a stopped work may go on writing, and between two looks at that.
_LAST_WRITES, _PAUSE = 5.0, 0.05
_OLD = ".old"  # ends the name of a folder that is being replaced in two steps


def package_data(name: str) -> Path:
    """Return the path of a file that ships with the package, such as "models/maxrf.safetensors"."""
    return Path(str(files("spectessera"))) / "data" / name


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success it replaces ``path``.

    On any error, including an interruption, the temporary file is removed and an existing file at
    ``path`` stays as it was. The temporary path has the suffix of ``path``, because some writers
    choose the format by it. It may become a file or, if nothing exists at ``path`` yet, a folder.

    Parameters
    ----------
    path : str or Path
        Destination. A symbolic link is followed.

    Yields
    ------
    Path
        The temporary path; nothing exists there yet.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If the folder of ``path`` does not exist, or is a file.
    IsADirectoryError
        If ``path`` is a folder.
    PermissionError
        If the folder or an existing file is read-only.
    """
    target = Path(path).resolve()
    check_file_place(target)
    temporary = _temporary_name(target)
    try:
        with writing(target):
            yield temporary
            if target.exists():
                shutil.copymode(target, temporary)
            os.replace(temporary, target)
    finally:  # after success nothing exists there any more
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path, check: Callable[[Path], None]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` for a new folder; on success it replaces ``path``.

    A folder at ``path`` stays until the new one is complete, and on any error it stays for good.

    Parameters
    ----------
    path : str or Path
        Destination. A symbolic link is followed.
    check : function of a Path
        Called if something exists at ``path``, before the work and again before it is replaced:
        raises if it must not be replaced.

    Yields
    ------
    Path
        The temporary path; nothing exists there yet.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If the folder above it does not exist, or is a file.
    PermissionError
        If that folder, or the folder to be replaced, is read-only.
    BlockingIOError
        If another process is writing it.
    """
    target = Path(path).resolve()
    check_folder_place(target, check)
    temporary = _temporary_name(target)
    old = temporary.with_name(f"{temporary.name}{_OLD}")
    with writing(target), locked_beside(target, str(target)):
        _repair(target)
        try:
            yield temporary
            _check_old(target, check)
            _exchange(temporary, target, old)
        finally:  # after an exchange the old folder is there
            if temporary.exists():
                remove_folder(temporary)
        if old.exists():
            shutil.rmtree(old)


def _repair(target: Path) -> None:
    """Undo what a killed process has left half-done beside a folder that is locked."""
    for old in _leftovers(target, _OLD):
        if not target.exists():
            os.replace(old, target)
            log.warning("a process that wrote %s was killed; the older one is there again", target)
    for left in [*_leftovers(target, _OLD), *_leftovers(target)]:
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
            log.warning("removed what a killed process has left of %s: %s", target, left)


def _check_old(target: Path, check: Callable[[Path], None]) -> None:
    """Raise if something exists at ``target`` that must not be replaced."""
    if target.exists():
        check(target)
        if not os.access(target, os.W_OK | os.X_OK):
            raise PermissionError(f"{target} exists and is read-only; give another name")


def _exchange(new: Path, target: Path, old: Path) -> None:
    """Move ``new`` to ``target``, and what is there to ``new`` or, in two steps, to ``old``."""
    if not target.exists():
        os.replace(new, target)
        return
    shutil.copymode(target, new)
    if exchange(new, target):
        return
    os.replace(target, old)
    try:
        os.replace(new, target)
    except BaseException:
        os.replace(old, target)
        raise


def remove_folder(path: Path) -> None:
    """Remove a folder into which threads of a work that was stopped may write their last files.

    Raises
    ------
    OSError
        If that cannot be done, also not after some seconds.
    """
    end = time.monotonic() + _LAST_WRITES
    while path.exists():
        try:
            shutil.rmtree(path)
        except OSError as error:
            passing = error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT)
            if not passing or time.monotonic() > end:
                raise
        time.sleep(_PAUSE)  # a thread that makes the folder anew has done so by then


def _temporary_name(target: Path) -> Path:
    """Return an unused name in the same folder."""
    return target.with_name(f".{secrets.token_hex(4)}-{target.name[-64:]}")


def _leftovers(target: Path, ending: str = "") -> list[Path]:
    """Return what has a name of :func:`_temporary_name`: killed processes have left it."""
    name = glob.escape(target.name[-64:])
    return list(target.parent.glob("." + 8 * "[0-9a-f]" + f"-{name}{ending}"))


@contextmanager
def alone(path: str | Path) -> Iterator[None]:
    """Hold the lock of a file while it is made, and remove what killed processes left of it.

    Nothing is done for a Zarr store: :func:`atomic_folder` does the same for it.

    Parameters
    ----------
    path : str or Path
        As given to :func:`atomic`.

    Raises
    ------
    BlockingIOError
        If another process is making it.
    """
    target = Path(path).resolve()
    if target.suffix == ".zarr":
        yield
        return
    with locked_beside(target, str(target)):
        remove_leftovers(target)
        yield


def remove_leftovers(path: str | Path) -> None:
    """Remove the temporary files that killed processes left behind while writing ``path``.

    No other process may be writing ``path`` at that time.

    Parameters
    ----------
    path : str or Path
        As given to :func:`atomic`.
    """
    for each in _leftovers(Path(path).resolve()):
        if each.is_file():
            each.unlink(missing_ok=True)


def check_file_place(path: str | Path) -> None:
    """Raise, before any work, the errors of :func:`atomic` for this path."""
    target = Path(path).resolve()
    _check_place(target)
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; give the name of a file")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(f"{target} exists and is read-only; give another name")


def check_folder_place(path: str | Path, check: Callable[[Path], None]) -> None:
    """Raise, before any work, the errors of :func:`atomic_folder` for this path."""
    target = Path(path).resolve()
    _check_place(target)
    _check_old(target, check)


def _check_place(target: Path) -> None:
    """Raise if nothing can be written into the folder of ``target``."""
    folder = target.parent
    if not folder.exists():
        raise FileNotFoundError(
            f"the folder {folder} does not exist; create it before writing {target.name} into it"
        )
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, so {target.name} cannot be written into it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"no permission to write into the folder {folder}")


def atomic_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, completely or not at all (errors: :func:`atomic`)."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def files_below(folder: str | Path, depth: int, prefix: str = "") -> Iterator[str]:
    """Yield the paths, relative to ``folder``, of all files at most ``depth`` folders below it.

    Links are followed; broken links are left out.
    """
    with os.scandir(Path(folder, prefix)) as entries:
        for entry in entries:
            if entry.is_file():
                yield prefix + entry.name
            elif depth and entry.is_dir():
                yield from files_below(folder, depth - 1, f"{prefix}{entry.name}/")


def encodable(text: str) -> str:
    """Return text that can be written as UTF-8; undecodable bytes of a file name become "?"."""
    return text.encode("utf-8", "replace").decode("utf-8")


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make a folder and those above it; on an error, remove the new ones that are empty."""
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for each in new:  # innermost first
            if not each.is_dir() or any(each.iterdir()):
                break
            each.rmdir()
        raise
