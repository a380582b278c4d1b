"""Files and memory on systems that lack a call of POSIX, such as Windows."""

import ctypes
import errno
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from spectessera._util import locks, memory
from spectessera._util.positioned import open_file, read_at, write_at


@pytest.mark.parametrize("missing", [(), ("pread", "pwrite")])
def test_bytes_are_written_and_read_at_a_place(tmp_path, monkeypatch, missing):
    for name in missing:
        monkeypatch.delattr(os, name)
    descriptor = open_file(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    assert write_at(descriptor, memoryview(b"\r\nxyz\n"), 4) == 6
    assert write_at(descriptor, memoryview(b"abcd"), 0) == 4
    assert read_at(descriptor, 100, 2) == b"cd\r\nxyz\n"
    os.close(descriptor)


def byte_locks(monkeypatch, held, number=errno.EACCES):
    """Take flock away, and give the locks of Windows; ``held`` are the locked files."""

    def locking(handle, _mode, _count):
        node = os.fstat(handle).st_ino
        assert os.lseek(handle, 0, os.SEEK_CUR) > 10_000
        if node in held:
            raise OSError(number, os.strerror(number))
        held.add(node)

    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))


def test_a_byte_is_locked_where_there_is_no_flock(tmp_path, monkeypatch):
    byte_locks(monkeypatch, set())
    with (
        locks.locked(tmp_path / "lock", "the folder"),
        pytest.raises(BlockingIOError, match=f"process {os.getpid()} on .* is writing the folder"),
        locks.locked(tmp_path / "lock", "the folder"),
    ):
        pass
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EIO])
def test_a_byte_that_cannot_be_locked_is_no_lock_or_an_error(tmp_path, monkeypatch, number):
    with (tmp_path / "a").open("ab") as file:
        byte_locks(monkeypatch, {os.fstat(file.fileno()).st_ino}, number)
        if number == errno.ENOLCK:
            assert not locks.flock(file.fileno())
        else:
            with pytest.raises(OSError, match=os.strerror(errno.EIO)):
                locks.flock(file.fileno())


def test_a_lock_whose_open_file_cannot_be_removed_is_removed_after_it(tmp_path, monkeypatch):
    """Windows removes no open file."""
    unlink, close, is_open = Path.unlink, os.close, {"lock": True}

    def closing(handle):
        is_open["lock"] = False
        close(handle)

    def unlinking(path, missing_ok=False):
        if is_open["lock"]:
            raise PermissionError(errno.EACCES, "another process uses the file")
        unlink(path, missing_ok)

    with locks.locked(tmp_path / "lock", "the folder"):
        monkeypatch.setattr(locks.os, "close", closing)
        monkeypatch.setattr(Path, "unlink", unlinking)
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize("answers", [True, False])
def test_free_memory_is_that_of_windows_where_there_is_no_sysconf(tmp_path, monkeypatch, answers):
    def fill(pointer):
        status = pointer._obj
        status.free = 7 * 2**30
        return answers and status.length == 64

    kernel = SimpleNamespace(GlobalMemoryStatusEx=fill)
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    monkeypatch.delattr(os, "sysconf")
    if answers:
        assert memory.available_bytes() == 7 * 2**30
    else:
        with pytest.raises(OSError, match="does not say how much"):
            memory.available_bytes()
