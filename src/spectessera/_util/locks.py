"""A lock that only one process at a time holds, and that ends with the process."""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from .positioned import open_file, read_at

log = logging.getLogger(__name__)

_BOOT = Path("/proc/sys/kernel/random/boot_id")
# What a file system that has no locks says.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)
_TRIES = 10
_LOCKED_BYTE = 2**30  # beyond the text of the file: Windows lets nobody read a locked byte


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock of a file while it is worked on.

    Where the system has locks (flock; a locked byte on Windows), it releases them with the process;
    elsewhere the existence of the file is the lock, and one whose process is gone is taken over.

    Parameters
    ----------
    path : Path
        The file of the lock; it is removed at the end.
    what : str
        What is locked, for the message: "the folder results".

    Raises
    ------
    BlockingIOError
        If another process holds it.
    OSError
        If the file cannot be created.
    """
    handle = _acquire(path, what)
    try:
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps(_owner()).encode())
        yield
    finally:
        _release(handle, path)


def locked_beside(target: Path, what: str) -> AbstractContextManager[None]:
    """Hold the lock of a file or folder: see :func:`locked`; that of the lock is beside it."""
    return locked(target.with_name(f".{target.name[-64:]}.spectessera.lock"), what)


def flock(handle: int) -> bool:
    """Lock an open file until it is closed; False if the system has no locks for it.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    """
    try:
        import fcntl
    except ImportError:
        return _lock_byte(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


def _lock_byte(handle: int) -> bool:
    """Lock a byte of an open file, as Windows does; False on a system that has no such locks."""
    try:
        import msvcrt
    except ImportError:
        return False
    lock: Any = msvcrt  # its functions are declared for Windows only
    before = os.lseek(handle, 0, os.SEEK_CUR)
    os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
    try:
        lock.locking(handle, lock.LK_NBLCK, 1)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EDEADLK):
            raise BlockingIOError(error.errno, error.strerror) from error
        if error.errno in _NO_LOCKS:
            return False
        raise
    finally:
        os.lseek(handle, before, os.SEEK_SET)
    return True


def _release(handle: int, path: Path) -> None:
    """Remove the file of a lock and end the lock."""
    try:
        path.unlink(missing_ok=True)  # before the lock ends: nobody else's file is removed
    except PermissionError:  # Windows removes no open file: another process may open it first
        os.close(handle)
        with suppress(PermissionError):
            path.unlink(missing_ok=True)
    else:
        os.close(handle)


def _acquire(path: Path, what: str) -> int:
    """Return the open file of a lock that is held."""
    for _ in range(_TRIES):
        handle = _created(path, what)
        try:
            if _held(handle, path, what):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
    raise BlockingIOError(f"other processes work on {what}; try again")


def _created(path: Path, what: str) -> int:
    """Return the open file of a lock; the user knows only what it is for."""
    try:
        return open_file(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        words = f"nothing can be written into {path.parent}, where {what} is to be ({reason})"
        raise type(error)(error.errno, f"{words}; give another place") from error


def _held(handle: int, path: Path, what: str) -> bool:
    """Whether the lock is held now; False if the file was removed, so that a new one is needed."""
    before = _read(handle)
    try:
        has_locks = flock(handle)
    except BlockingIOError as error:
        raise _taken(what, before, "") from error
    if has_locks and not _is_at(handle, path):
        return False  # its last owner has removed it in the meantime
    if not has_locks and before and _may_live(before):
        raise _taken(what, before, f"; if that process is gone, remove {path}")
    if before:
        log.warning("%s was locked by %s, which was killed", what, _words(before))
    if not has_locks:
        path.unlink(missing_ok=True)
        new = open_file(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.dup2(new, handle)
        os.close(new)
    return True


def _taken(what: str, owner: dict[str, Any], advice: str) -> BlockingIOError:
    return BlockingIOError(
        f"{_words(owner)} is writing {what}; wait until it has finished, or give another "
        f"name{advice}"
    )


def _is_at(handle: int, path: Path) -> bool:
    """Whether an open file is still the one at a path."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _owner() -> dict[str, Any]:
    """Return what identifies this process."""
    boot = _BOOT.read_text().strip() if _BOOT.exists() else ""
    return {"pid": os.getpid(), "host": socket.gethostname(), "boot": boot}


def _read(handle: int) -> dict[str, Any]:
    """Return what the owner has written; empty if there is none, or it was killed before."""
    text = read_at(handle, 1000, 0)
    try:
        owner = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return owner if isinstance(owner, dict) and isinstance(owner.get("pid"), int) else {}


def _words(owner: dict[str, Any]) -> str:
    if not owner:
        return "another process"
    return f"process {owner['pid']} on {owner.get('host', '?')}"


def _may_live(owner: dict[str, Any]) -> bool:
    """Whether the process of a lock may still run; assumes that the system has no locks."""
    mine = _owner()
    if sys.platform == "win32" or owner.get("host") != mine["host"]:
        return True  # it cannot be asked
    if owner.get("boot") != mine["boot"]:
        return False
    try:
        os.kill(owner["pid"], 0)
    except OSError as error:  # that of another user may not be asked
        return not isinstance(error, ProcessLookupError)
    return True
