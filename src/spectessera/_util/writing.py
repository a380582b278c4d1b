"""Writing on a disk that may be full: one error that names the file, from every library.

HDF5 does not survive a failed write: the process ends in its C code when the file is closed. It
therefore writes through :func:`hdf5_sink`, which fails in Python only, also at Ctrl-C.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .positioned import open_file, read_at, write_at

REASONS = {
    errno.ENOSPC: "the disk is full{}: free some space",
    errno.EDQUOT: "your quota on this disk is used up{}: remove files of yours",
    errno.EFBIG: "a file would be larger than is allowed here: raise the limit (ulimit -f)",
}
# Bytes of writes that are kept after the disk is full, each: HDF5 reads its own tables again, which
# are small. What it makes of missing values does not matter.
KEPT = 2**16


@contextmanager
def writing(target: str | Path) -> Iterator[None]:
    """Turn the error of a full disk into one that names the file and says what to do.

    Parameters
    ----------
    target : str or Path
        What is written, as the user knows it.

    Raises
    ------
    OSError
        With the number of the error of the system. Other errors stay as they are.
    """
    try:
        yield
    except OSError as error:
        reason = REASONS.get(error.errno or 0)
        if reason is None or getattr(error, "named", False):
            raise
        full = OSError(
            error.errno,
            f"{reason.format(_free(Path(target)))}, or write to another place; nothing "
            "incomplete is left",
            str(target),
        )
        full.named = True  # type: ignore[attr-defined]  # of files within folders, the outer is less
        raise full from error


def _free(target: Path) -> str:
    """Return how much space there is, in words; nothing where the system does not say it."""
    with suppress(OSError):
        return f" ({shutil.disk_usage(_there(target)).free / 1e6:,.1f} MB are left)"
    return ""


def _there(target: Path) -> Path:
    """Return a folder, or that of a file: a folder may itself be the top of a disk."""
    return target if target.is_dir() else target.parent


def allocate(descriptor: int, size: int) -> None:
    """Give an empty file a size and, where the system can, room for it on the disk."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.truncate(descriptor, size)


class Sink(io.RawIOBase):
    """A new file that takes every write: after one that fails, or Ctrl-C, :meth:`check` raises."""

    def __init__(self, path: Path) -> None:
        self.descriptor = open_file(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        self.error: BaseException | None = None
        self.position = 0
        self.end = 0
        self.lost: list[tuple[int, bytes]] = []

    def check(self, *_: Any) -> None:
        """Raise the first error that there was."""
        if self.error is not None:
            raise self.error

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self.position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position, also beyond the end."""
        self.position = offset + (0, self.position, self.end)[whence]
        return self.position

    def write(self, data: Any) -> int:
        """Write all of the data; where that fails, remember it."""
        view = memoryview(data).cast("B")
        start, done = self.position, 0
        while self.error is None and done < len(view):
            try:
                done += write_at(self.descriptor, view[done:], start + done)
            except OSError as error:
                self.error = error
        if done < len(view) <= KEPT:
            self.lost.append((start, bytes(view)))
        self.position = start + len(view)
        self.end = max(self.end, self.position)
        return len(view)

    def readinto(self, buffer: Any) -> int:
        """Read what was written; 0 where it is lost, or was never written."""
        view = memoryview(buffer).cast("B")
        part = b""
        with suppress(OSError):
            part = read_at(self.descriptor, len(view), self.position)
        view[: len(part)] = part
        view[len(part) :] = bytes(len(view) - len(part))
        for start, data in self.lost:
            shift = start - self.position
            first, last = max(0, shift), min(len(view), shift + len(data))
            if first < last:
                view[first:last] = data[first - shift : last - shift]
        self.position += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Give the file its length."""
        self.end = self.position if size is None else size
        try:
            os.ftruncate(self.descriptor, self.end)
        except OSError as error:
            self.error = self.error or error
        return self.end

    def finish(self) -> None:
        """Close the file of the system, at the end of :func:`hdf5_sink` only."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


@contextmanager
def _interrupted_later(sink: Sink) -> Iterator[None]:
    """Let Ctrl-C end the work at the next check: raised in a write, HDF5 would not survive it."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def later(*_: Any) -> None:
        sink.error = sink.error or KeyboardInterrupt()

    signal.signal(signal.SIGINT, later)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def hdf5_sink(path: Path) -> Iterator[Sink]:
    """Give a new file for h5py and h5netcdf to write to, which they must close themselves.

    Work of Dask on this file ends with the first block that cannot be written, or with the block
    that is being written at Ctrl-C.

    Raises
    ------
    OSError
        If a part of the file could not be written.
    KeyboardInterrupt
        After Ctrl-C, when no write is going on.
    FileExistsError
        If the file exists.
    """
    from dask.callbacks import Callback

    sink = Sink(path)
    try:
        with _interrupted_later(sink), Callback(posttask=sink.check):
            yield sink
        sink.check()
    except Exception:
        sink.check()  # the errors of HDF5 that follow from a full disk do not say so
        raise
    finally:
        sink.finish()
