"""One process at a time holds a lock; that of a killed process is taken over."""

import json
import os
import signal
import subprocess
import sys

import pytest

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
        monkeypatch.setattr(locks, "_flock", lambda *_: False)
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
    monkeypatch.setattr(locks, "_flock", lambda *_: False)
    path = tmp_path / "lock"
    path.write_text(json.dumps(locks._owner() | {field: "other"}))
    if taken:  # the machine was started anew since
        with locked(path, "the folder"):
            pass
        return
    with pytest.raises(BlockingIOError, match="if that process is gone, remove"):
        hold(path)
    assert path.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="a system call of Linux")
def test_two_folders_change_places_in_one_step(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert exchange(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "b").exists()
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "a", tmp_path / "c")
