"""`spectessera view`: it says where the page is, and ends at once with Ctrl-C."""

import socket
import urllib.request

import pytest

pytest.importorskip("bokeh")

from commands import run
from viewercases import made_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made_folder(tmp_path_factory.mktemp("view"))


def test_a_port_that_is_taken_is_one_line(folder):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run("view", folder, "--no-browser", "--port", port, "-q")
    assert done.exit_code == 2
    assert f"port {port} of this machine cannot be used" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_cube_that_was_moved_is_asked_for(folder, tmp_path):
    cube = folder.parent / "cube.zarr"
    cube.rename(tmp_path / "moved.zarr")
    try:
        done = run("view", folder, "--no-browser", "-q")
    finally:
        (tmp_path / "moved.zarr").rename(cube)
    assert done.exit_code == 2
    assert "no longer at" in done.stderr
    assert "--cube" in done.stderr


def test_a_cube_belongs_to_a_result(folder):
    cube = folder.parent / "cube.zarr"
    done = run("view", cube, "--cube", cube, "--no-browser", "-q")
    assert done.exit_code == 2
    assert "--cube belongs to a result" in done.stderr


def test_the_address_is_printed_and_ctrl_c_ends_it(folder, monkeypatch):
    answers = []

    def interrupted(self):
        answers.append(urllib.request.urlopen(self.address).read())
        raise KeyboardInterrupt

    monkeypatch.setattr("spectessera.viewer.viewer.Viewer.wait", interrupted)
    done = run("view", folder, "--no-browser", "-q", check=0)
    first, last = done.stdout.splitlines()
    address = next(word for word in first.split() if word.startswith("http://127.0.0.1:"))
    assert b"<html" in answers[0]
    assert b"script>alert(1)</script" not in answers[0]
    assert last == "the viewer is closed"
    with pytest.raises(OSError):
        urllib.request.urlopen(address, timeout=5)


def test_the_size_and_the_place_of_an_overview_are_printed(folder, tmp_path, monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr("spectessera.viewer.viewer.Viewer.wait", interrupted)
    monkeypatch.setattr("spectessera.viewer.overview.SMALL_BYTES", 0)
    monkeypatch.setenv("SPECTESSERA_CACHE", str(tmp_path / "cache"))
    done = run("view", folder.parent / "cube.zarr", "--no-browser", check=0)
    words = " ".join(done.stdout.split())
    assert "its overview (" in words
    assert "MB) is kept in" in words
    assert len(list((tmp_path / "cache").iterdir())) == 1
