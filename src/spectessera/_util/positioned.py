"""Opening, reading and writing files by their descriptor, alike on every system."""

from __future__ import annotations

import os
from pathlib import Path

# Windows would change line breaks in a file that is opened without this.
_BINARY: int = getattr(os, "O_BINARY", 0)


def open_file(path: Path, flags: int) -> int:
    """Return the descriptor of a file of bytes, which others may read and write.

    Raises
    ------
    OSError
        If it cannot be opened or created.
    """
    return os.open(path, flags | _BINARY, 0o666)


def write_at(descriptor: int, data: memoryview, offset: int) -> int:
    """Write bytes at a place and return how many were written.

    Where the system has no call that does both (Windows), the position moves first: assumes that
    no other thread uses the descriptor.
    """
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.write(descriptor, data)


def read_at(descriptor: int, count: int, offset: int) -> bytes:
    """Return at most ``count`` bytes from a place (see :func:`write_at`)."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, count, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, count)
