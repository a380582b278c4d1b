"""Files that are written completely or not at all, and folders that are empty after an error."""

import os
import time
from contextlib import suppress
from threading import Thread

import pytest

from spectessera._util import files
from spectessera._util.files import alone, atomic, atomic_folder, encodable, files_below, new_folder


def test_an_error_leaves_the_old_file_and_no_temporary_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_half():
        with atomic(path) as temporary:
            assert temporary.suffix == ".txt"
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_new_folders_that_stay_empty_are_removed_after_an_error(tmp_path):
    deep = tmp_path / "a" / "b"
    with pytest.raises(RuntimeError), new_folder(deep):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []

    def fail_after_a_file():
        with new_folder(deep):
            (deep / "c").write_text("")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_a_file()
    assert (deep / "c").exists()


def test_files_are_found_down_to_a_depth(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("one", "a/two", "a/b/three"):
        (tmp_path / name).write_text("")
    assert set(files_below(tmp_path, 1)) == {"one", "a/two"}
    assert set(files_below(tmp_path, 2)) == {"one", "a/two", "a/b/three"}


def test_undecodable_bytes_of_a_name_become_question_marks():
    assert encodable(os.fsdecode(b"bad\xff.h5")) == "bad?.h5"
    assert encodable("µm") == "µm"


# --- folders that are replaced as a whole --------------------------------------------------------


def replace(path, text):
    with atomic_folder(path, lambda _: None) as temporary:
        temporary.mkdir()
        (temporary / "a").write_text(text)


@pytest.fixture(params=[True, False], ids=["in one step", "in two steps"])
def folder(request, tmp_path, monkeypatch):
    if not request.param:
        monkeypatch.setattr(files, "exchange", lambda *_: False)
    replace(tmp_path / "store", "old")
    return tmp_path / "store"


def test_a_folder_is_replaced_and_nothing_else_is_left(folder):
    replace(folder, "new")
    assert (folder / "a").read_text() == "new"
    assert list(folder.parent.iterdir()) == [folder]


def test_a_folder_that_cannot_be_moved_into_its_place_leaves_the_old_one(folder, monkeypatch):
    monkeypatch.setattr(files, "exchange", lambda *_: False)
    move = os.replace

    def fail_for_the_new_one(source, target):
        if str(target) == str(folder) and not str(source).endswith(".old"):
            raise OSError("disk full")
        move(source, target)

    monkeypatch.setattr(files.os, "replace", fail_for_the_new_one)
    with pytest.raises(OSError, match="disk full"):
        replace(folder, "new")
    assert (folder / "a").read_text() == "old"
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("there", [True, False])
def test_what_a_killed_process_left_half_done_is_undone(folder, there, caplog):
    """Killed between the two steps, or after them: the older folder comes back, or goes."""
    old = folder.with_name(".0123abcd-store.old")
    old.mkdir()
    (old / "a").write_text("older")
    half = folder.with_name(".0123abcd-store")
    half.mkdir()
    if not there:
        (folder / "a").unlink()
        folder.rmdir()

    def seen_before_the_work():
        with atomic_folder(folder, lambda _: None):
            seen.append((folder / "a").read_text())
            raise RuntimeError

    seen = []
    with pytest.raises(RuntimeError):
        seen_before_the_work()
    assert seen == ["old" if there else "older"]
    assert list(folder.parent.iterdir()) == [folder]
    assert ("is there again" in caplog.text) == (not there)
    assert "removed what a killed process has left" in caplog.text


def test_a_thread_that_still_writes_leaves_nothing_of_a_folder_that_is_given_up(tmp_path):
    """The last chunks of a store are written after Ctrl-C, into folders made anew."""
    stop = time.monotonic() + 0.3

    def write(folder):
        count = 0
        while time.monotonic() < stop:
            count += 1
            place = folder / str(count % 7)
            # It may be removed at any moment, also between two steps of mkdir.
            with suppress(FileNotFoundError, FileExistsError):
                place.mkdir(parents=True, exist_ok=True)
                (place / str(count)).write_text("x")

    def interrupted():
        with atomic_folder(tmp_path / "store", lambda path: None) as temporary:
            Thread(target=write, args=(temporary,)).start()
            time.sleep(0.05)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_removed_is_an_error(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "no", str(path))

    monkeypatch.setattr(files.shutil, "rmtree", refuse)
    with pytest.raises(PermissionError):
        files.remove_folder(tmp_path)


def test_who_writes_a_file_alone_removes_what_killed_processes_left_of_it(tmp_path):
    left, others = tmp_path / ".0123abcd-cube.h5", [tmp_path / ".0123abcd-other.h5"]
    for each in (left, *others):
        each.write_text("half")
    with alone(tmp_path / "cube.h5"):
        assert not left.exists()
        assert all(each.exists() for each in others)
        with pytest.raises(BlockingIOError, match=r"cube\.h5"), alone(tmp_path / "cube.h5"):
            pass
    assert list(tmp_path.iterdir()) == others
    with alone(tmp_path / "cube.zarr"):
        assert list(tmp_path.iterdir()) == others  # a store has a lock of its own
