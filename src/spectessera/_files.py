"""Write a file whole or not at all: to a temporary name first, then into place."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
    _check_target(target)
    temporary = target.with_name(f".{secrets.token_hex(4)}-{target.name[-64:]}")
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


def _check_target(target: Path) -> None:
    """Raise, before any work is done, if ``target`` cannot be written."""
    folder = target.parent
    if not folder.exists():
        raise FileNotFoundError(
            f"the folder {folder} does not exist; make it before writing {target.name} into it"
        )
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, so {target.name} cannot be written into it")
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; give the name of a file")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"no permission to write into the folder {folder}")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(f"{target} exists and is read-only; give another name")


def atomic_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, whole or not at all (errors as in :func:`atomic`)."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
