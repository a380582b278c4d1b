"""Files: those of the package, and how a file is written whole or not at all."""

from __future__ import annotations

import glob
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path


def package_data(name: str) -> Path:
    """Return the path of a file that ships with the package, such as "models/maxrf.safetensors"."""
    return Path(str(files("spectessera"))) / "data" / name


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success it takes the place of ``path``.

    On any error (an interruption included) the temporary is removed and what was at ``path``
    stays as it was. The temporary ends like ``path``, because some writers look at the suffix.
    It may be made a file or, where nothing is at ``path`` yet, a folder.

    Parameters
    ----------
    path : str or Path
        Where the file shall be. A symbolic link is followed.

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
        If the folder or an existing file must not be written.
    """
    target = Path(path).resolve()
    check_file_place(target)
    temporary = _beside(target)
    try:
        yield temporary
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    finally:  # after a success there is nothing left to remove
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path, check: Callable[[Path], None]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to make a folder at; then it takes that place.

    What was at ``path`` stays until the new folder is complete, and for good on any error.

    Parameters
    ----------
    path : str or Path
        Where the folder shall be. A symbolic link is followed.
    check : function of a Path
        Called if something is at ``path``, before the work and once more before it is replaced:
        raises if it must not be replaced.

    Yields
    ------
    Path
        The temporary path; nothing exists there yet.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If the folder that shall hold it does not exist, or is a file.
    PermissionError
        If that folder, or the folder to be replaced, must not be written.
    """
    target = Path(path).resolve()
    check_folder_place(target, check)
    temporary, old = _beside(target), _beside(target)
    try:
        yield temporary
        _check_old(target, check)
        _exchange(temporary, target, old)
    finally:
        if temporary.exists():
            shutil.rmtree(temporary)
    if old.exists():
        shutil.rmtree(old)


def _check_old(target: Path, check: Callable[[Path], None]) -> None:
    """Raise if something is at ``target`` that must not be replaced."""
    if target.exists():
        check(target)
        if not os.access(target, os.W_OK | os.X_OK):
            raise PermissionError(f"{target} exists and is read-only; give another name")


def _exchange(new: Path, target: Path, old: Path) -> None:
    """Move a folder from ``target`` to ``old``, if there is one, and ``new`` to ``target``."""
    if not target.exists():
        os.replace(new, target)
        return
    shutil.copymode(target, new)
    os.replace(target, old)
    try:
        os.replace(new, target)
    except BaseException:
        os.replace(old, target)
        raise


def _beside(target: Path) -> Path:
    """Return a name in the same folder that nothing has yet."""
    return target.with_name(f".{secrets.token_hex(4)}-{target.name[-64:]}")


def remove_leftovers(path: str | Path) -> None:
    """Remove the temporary files that killed processes left when they were writing ``path``.

    No other process may be writing it.

    Parameters
    ----------
    path : str or Path
        As it was given to :func:`atomic`.
    """
    target = Path(path).resolve()
    name = glob.escape(target.name[-64:])
    for each in target.parent.glob("." + 8 * "[0-9a-f]" + f"-{name}"):  # as _beside names them
        if each.is_file():
            each.unlink(missing_ok=True)


def check_file_place(path: str | Path) -> None:
    """Raise, before any work is done, what :func:`atomic` would raise for this path."""
    target = Path(path).resolve()
    _check_place(target)
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; give the name of a file")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(f"{target} exists and is read-only; give another name")


def check_folder_place(path: str | Path, check: Callable[[Path], None]) -> None:
    """Raise, before any work is done, what :func:`atomic_folder` would raise for this path."""
    target = Path(path).resolve()
    _check_place(target)
    _check_old(target, check)


def _check_place(target: Path) -> None:
    """Raise if nothing can be made in the folder of ``target``."""
    folder = target.parent
    if not folder.exists():
        raise FileNotFoundError(
            f"the folder {folder} does not exist; make it before writing {target.name} into it"
        )
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, so {target.name} cannot be written into it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"no permission to write into the folder {folder}")


def atomic_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, whole or not at all (errors as in :func:`atomic`)."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def files_below(folder: str | Path, depth: int, below: str = "") -> Iterator[str]:
    """Yield the paths, as seen from ``folder``, of all files that are at most so many folders down.

    Links are followed; those that lead nowhere are no files.
    """
    with os.scandir(Path(folder, below)) as entries:
        for one in entries:
            if one.is_file():
                yield below + one.name
            elif depth and one.is_dir():
                yield from files_below(folder, depth - 1, f"{below}{one.name}/")


def readable(text: str) -> str:
    """Return text that any file can hold: what was no UTF-8 in a file's name becomes "?"."""
    return text.encode("utf-8", "replace").decode("utf-8")


@contextmanager
def folder_to_fill(folder: Path) -> Iterator[None]:
    """Have a folder; where nothing comes into it before an error, all that is new of it goes."""
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
