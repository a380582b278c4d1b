"""The errors that libraries raise on broken files, turned into one that names the file."""

from __future__ import annotations

import errno
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


class FileRefused(ValueError):
    """A file that is not damaged, but not read: :func:`reading` does not reword the message."""


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
        text = str(error) or type(error).__name__
        raise ValueError(
            f"{path} cannot be read as {format_name}; {_reason(error)}: {text}"
        ) from error


def _reason(error: Exception) -> str:
    """Return why a library gave up, as far as the kind of its error says it."""
    if isinstance(error, NotImplementedError):
        return "it has a feature that is not supported"
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
