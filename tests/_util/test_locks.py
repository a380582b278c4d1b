"""One process at a time holds a lock; that of a killed process is taken over."""

import ctypes
import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from spectessera._util import exchange as exchange_module
from spectessera._util import locks
from spectessera._util.exchange import exchange
from spectessera._util.locks import locked

HOLD = """
import os, signal
from pathlib import Path
from spectessera._util.locks import locked
with locked(Path({path!r}), "the folder"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(params=[True, False], ids=["flock", "no locks of the system"])
def path(request, tmp_path, monkeypatch):
    if not request.param:
        monkeypatch.setattr(locks, "flock", lambda _: False)
    return tmp_path / "lock"


def hold(path):
    with locked(path, "the folder"):
        pass


def test_only_one_holds_a_lock_and_nothing_stays(path):
    with locked(path, "the folder"):
        with pytest.raises(BlockingIOError, match=f"process {os.getpid()} on .* the folder"):
            hold(path)
        assert path.exists()
    assert not path.exists()
    with locked(path, "the folder"):
        pass


def test_the_lock_of_a_killed_process_is_taken_over_with_a_message(path, caplog):
    done = subprocess.run([sys.executable, "-c", HOLD.format(path=str(path))], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.exists()
    with locked(path, "the folder"):
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert "which was killed" in caplog.text


@pytest.mark.parametrize(("field", "taken"), [("host", False), ("boot", True)])
def test_without_locks_of_the_system_a_lock_of_another_machine_is_not_taken_over(
    tmp_path, monkeypatch, field, taken
):
    monkeypatch.setattr(locks, "flock", lambda _: False)
    path = tmp_path / "lock"
    path.write_text(json.dumps(locks._owner() | {field: "other"}))
    if taken:  # the machine was started anew since
        with locked(path, "the folder"):
            pass
        return
    with pytest.raises(BlockingIOError, match="if that process is gone, remove"):
        hold(path)
    assert path.exists()


def test_a_lock_that_its_owner_removes_is_taken_anew(tmp_path, monkeypatch):
    """Between opening the file and locking it, the last owner may end: a new file is locked."""
    path, calls = tmp_path / "lock", []

    def flock_late(handle):
        calls.append(handle)
        if len(calls) <= removals:
            path.unlink()
        return True

    monkeypatch.setattr(locks, "flock", flock_late)
    removals = 2
    with locked(path, "the folder"):
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert len(calls) == 3
    removals = 100
    with pytest.raises(BlockingIOError, match="other processes work on the folder; try again"):
        hold(path)


@pytest.mark.parametrize("text", ["", "half of a li", "[1]", '{"pid": "12"}'])
def test_a_lock_that_says_nothing_of_its_owner_is_taken_over_without_a_word(path, text, caplog):
    path.write_text(text)
    hold(path)
    assert not path.exists()
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("error", "lives"), [(ProcessLookupError(), False), (PermissionError(), True), (None, True)]
)
def test_a_process_that_may_not_be_asked_is_taken_to_live(monkeypatch, error, lives):
    def answer(*_):
        if error is not None:
            raise error

    monkeypatch.setattr(locks.os, "kill", answer)
    assert locks._may_live(locks._owner()) is lives


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.EIO])
def test_only_a_missing_lock_of_the_system_is_replaced_by_the_file(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    if number != errno.EIO:
        hold(tmp_path / "lock")
        return
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        hold(tmp_path / "lock")


@pytest.mark.skipif(sys.platform != "linux", reason="a system call of Linux")
def test_two_folders_change_places_in_one_step(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert exchange(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "b").exists()
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "a", tmp_path / "c")


@pytest.mark.skipif(sys.platform != "linux", reason="a system call of Linux")
@pytest.mark.parametrize("lacking", ["the system", "the library", "the file system"])
def test_where_nothing_can_be_exchanged_nothing_changes(tmp_path, monkeypatch, lacking):
    def refuse(*_):
        ctypes.set_errno(errno.EINVAL)
        return -1

    class Library:
        pass

    library = Library()
    if lacking == "the file system":
        library.renameat2 = refuse
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: library)
    if lacking == "the system":
        monkeypatch.setattr(exchange_module.sys, "platform", "darwin")
    for name in "ab":
        (tmp_path / name).write_text(name)
    assert not exchange(tmp_path / "a", tmp_path / "b")
    assert [(tmp_path / name).read_text() for name in "ab"] == ["a", "b"]
