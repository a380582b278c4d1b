"""Inputs are known by what they are, not by their names."""

import os

import pytest

from spectessera._util import inputs
from spectessera._util.inputs import refuse_input


@pytest.fixture
def folder(tmp_path):
    """A folder of files, as a series of EDF files is one."""
    (tmp_path / "scan" / "deep").mkdir(parents=True)
    for name in ("one", "deep/two"):
        (tmp_path / "scan" / name).write_text(name)
    return tmp_path / "scan"


@pytest.mark.parametrize("name", ["one", "deep/two"])
def test_a_file_of_a_folder_that_is_read_is_not_replaced_under_another_name(folder, name):
    out = folder.parent / "out"
    os.link(folder / name, out)
    with pytest.raises(ValueError, match="out is a file of the input"):
        refuse_input(out, folder)


def test_other_files_in_and_beside_a_folder_that_is_read_may_be_written(folder):
    refuse_input(folder / "new", folder)
    (folder.parent / "out").write_text("other")
    refuse_input(folder.parent / "out", folder, None, folder / "missing")


def test_no_more_than_a_number_of_files_is_compared(folder, monkeypatch):
    monkeypatch.setattr(inputs, "MOST_FILES", 0)
    os.link(folder / "one", folder.parent / "out")
    refuse_input(folder.parent / "out", folder)
