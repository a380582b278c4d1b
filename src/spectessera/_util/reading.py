"""The errors that libraries raise on broken files, turned into one that names the file."""

from __future__ import annotations

import errno
import stat
import struct
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What h5py, astropy, numpy, zipfile and gzip raise on broken files.
FILE_ERRORS: tuple[type[Exception], ...] = (
    OSError, EOFError, ValueError, TypeError, KeyError, IndexError, OverflowError, RuntimeError,
    struct.error, zlib.error, zipfile.BadZipFile, tokenize.TokenError,
)  # fmt: skip


MOST_WORDS = 600  # characters of the message of a library


class FileRefused(ValueError):
    """A file that is not damaged, but not read: :func:`reading` does not reword the message."""


def check_regular(path: Path) -> None:
    """Raise ValueError if a path, or what a link leads to, is a device, a pipe or a socket.

    Opening a pipe waits for ever, and devices never end. Folders, and paths where nothing is, pass.
    """
    try:
        kind = path.stat().st_mode
    except OSError:  # reading it says why
        return
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise FileRefused(f"{path} is a device, a pipe or a socket; give a file")


# Errors of disks, networks and permissions: nothing is known about the file itself.
SYSTEM_ERRORS = {
    errno.EACCES, errno.EPERM, errno.EIO, errno.ENOSPC, errno.ENOMEM, errno.EMFILE, errno.ENFILE,
    errno.ETIMEDOUT, errno.ESTALE, errno.EAGAIN, errno.ENODEV, errno.ENOENT,
}  # fmt: skip


@contextmanager
def reading(path: Path, format_name: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn an error of a library that reads a file into a ValueError that names the file.

    An interruption stays one: after it, astropy and gzip clean up, fail at that because they were
    interrupted, and raise an error that hides it.

    Parameters
    ----------
    path : Path
    format_name : str
        The format in which the file is read, for the message.
    errors : type
        Any number of errors that this library raises beside :data:`FILE_ERRORS`.
    """
    outside = sys.exception()  # an error that the caller is handling is not part of the reading
    try:
        yield
    except FileRefused:
        raise
    except (*FILE_ERRORS, *errors) as error:
        interruption = _interruption(error, outside)
        if interruption is not None:
            raise interruption from None
        raise _reworded(path, format_name, error) from error


@contextmanager
def reading_safely(path: Path, format_name: str) -> Iterator[None]:
    """Turn whatever is raised while a file is read into a ValueError that names the file.

    Errors that name it already, and those of packages that are missing, stay as they are. This is
    the outermost guard of a reader: a broken file can bring any library to any error.
    """
    outside = sys.exception()
    try:
        yield
    except (FileRefused, ImportError):
        raise
    except Exception as error:
        interruption = _interruption(error, outside)
        if interruption is not None:
            raise interruption from None
        if isinstance(error, (ValueError, OSError)) and path.name in str(error):
            raise
        if isinstance(error, ValueError):
            raise ValueError(f"{path}: {error}") from error
        raise _reworded(path, format_name, error) from error


def _reworded(path: Path, format_name: str, error: Exception) -> ValueError:
    """Return the error that names the file, and why a library gave up."""
    text = " ".join(str(error).split())[:MOST_WORDS] or type(error).__name__
    return ValueError(f"{path} cannot be read as {format_name}; {_reason(error)}: {text}")


def _reason(error: Exception) -> str:
    """Return why a library gave up, as far as the kind of its error says it."""
    if isinstance(error, NotImplementedError):
        return "it has a feature that is not supported"
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    # HDF5 finds an unexpected end and the like without the number of an error of the system
    if isinstance(error, OSError) and error.errno in SYSTEM_ERRORS:
        return "the system reports an error"
    return "it may be damaged or cut short"


def _interruption(error: BaseException, outside: BaseException | None) -> BaseException | None:
    """Return the interruption that led to an error, or None."""
    waiting, visited = [error], {id(None), id(outside)}
    while waiting:
        one = waiting.pop()
        if isinstance(one, (KeyboardInterrupt, SystemExit)):
            return one
        visited.add(id(one))
        causes = (one.__cause__, one.__context__)
        waiting += [each for each in causes if each is not None and id(each) not in visited]
    return None
