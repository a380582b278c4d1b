"""The commands on a system that has only what Linux, macOS and Windows have in common."""

import ctypes
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from commands import run
from editcases import striped_cube
from spectessera import load, read_result, write
from spectessera._util import exchange, locks, memory, threads
from spectessera.resultfolder import origin, staging
from spectessera.viewer.server import bind

FAST = ("--epochs", "2", "--encoder", "8", "--restarts", "2", "--k-max", "3")
# What Windows lacks, or macOS.
CALLS = ("pread", "pwrite", "readv", "posix_fallocate", "sysconf", "listxattr", "chown", "fork",
         "sched_getaffinity", "link", "statvfs", "getuid")  # fmt: skip
MODULES = ("fcntl", "resource", "pwd", "grp")


@pytest.fixture
def common(tmp_path, monkeypatch):
    """Take away what is not on all systems: calls, modules, /proc and the names in /dev."""

    def full(pointer):
        pointer._obj.free = 2**33
        return True

    for name in CALLS:
        monkeypatch.delattr(os, name)
    for name in MODULES:
        monkeypatch.setitem(sys.modules, name, None)
    elsewhere = SimpleNamespace(platform="another")
    for module in (exchange, threads, origin, staging, locks):
        monkeypatch.setattr(module, "sys", elsewhere)
    kernel = SimpleNamespace(GlobalMemoryStatusEx=full)
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "_GROUP", tmp_path / "none")
    monkeypatch.setattr(locks, "_BOOT", tmp_path / "none")


@pytest.fixture
def scan(tmp_path):
    write(striped_cube(), tmp_path / "scan.h5")
    return tmp_path / "scan.h5"


def test_results_are_made_replaced_and_edited_without_what_linux_has(tmp_path, scan, request):
    """The labels are those that Linux gives, bit for bit."""
    settings = ("segment", scan, "--fit", *FAST, "-q")
    run(*settings, "--out", tmp_path / "linux")
    request.getfixturevalue("common")
    for more in ((), ("--overwrite",)):
        run(*settings, "--out", tmp_path / "other", *more)
    one, other = read_result(tmp_path / "linux"), read_result(tmp_path / "other")
    np.testing.assert_array_equal(one.label, other.label)
    run("edit", tmp_path / "other", "--rename", "1=ochre")
    assert "ochre" in str(read_result(tmp_path / "other").to_dict())


def test_a_model_is_trained_and_the_viewer_has_its_place_without_what_linux_has(
    tmp_path, scan, common
):
    run("train", scan, "--out", tmp_path / "model.safetensors", *FAST, "-q")
    assert load(tmp_path / "model.safetensors") is not None
    with bind(0) as place:
        assert place.getsockname()[1] > 0
