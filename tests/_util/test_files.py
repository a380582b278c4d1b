"""Files that are written completely or not at all, and folders that are empty after an error."""

import os

import pytest

from spectessera._util.files import atomic, encodable, files_below, new_folder


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
