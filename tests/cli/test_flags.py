"""Flags that are declared once: groups of them, and how a file is read."""

import inspect
from dataclasses import fields

import numpy as np
import pytest

from commands import run
from spectessera import make_cube, read, write
from spectessera.cli.flags import FileOptions, numbers, with_flag_groups
from spectessera.cube import spectral_axis

READERS = ("info", "train", "segment", "encode", "search")


@pytest.mark.parametrize("command", READERS)
def test_every_command_that_reads_a_cube_has_all_flags_of_a_file(command):
    text = run(command, "--help-all", env={"COLUMNS": "200"}, check=0).stdout
    assert "Reading the file" in text
    for name in FileOptions.__dataclass_fields__:
        assert f"--{name.replace('_', '-')} " in text


def test_a_group_becomes_flags_and_comes_filled_in():
    @with_flag_groups
    def command(n: int, reading: FileOptions, last: bool = False) -> None:
        """Say it."""
        calls.append((n, reading, last))

    calls = []
    names = list(inspect.signature(command).parameters)
    assert names == ["n", *FileOptions.__dataclass_fields__, "last"]
    assert command.__doc__ == "Say it."
    empty = {each.name: each.default for each in fields(FileOptions)}
    command(n=1, last=True, **empty | {"key": "img"})
    assert calls == [(1, FileOptions(key="img"), True)]


def test_the_axis_of_the_flags_replaces_that_of_the_file(tmp_path):
    values = np.arange(24.0).reshape(2, 3, 4)
    write(make_cube(values, energy=(1.0, 4.0)), tmp_path / "cube.h5")
    cube = FileOptions(wavelength="400,700", unit="nm", missing=5).open(tmp_path / "cube.h5")
    axis = spectral_axis(cube)
    assert (axis.kind, axis.unit) == ("wavelength", "nm")
    np.testing.assert_allclose(axis.values, [400, 500, 600, 700])
    assert np.isnan(cube.values).sum() == 1


@pytest.mark.parametrize("text", ["1", "1,2,3", "1,a"])
def test_a_pair_of_numbers_is_two_numbers(text):
    with pytest.raises(ValueError, match="--energy takes"):
        numbers("--energy", text, 2)


def test_every_argument_of_read_is_a_flag():
    arguments = set(inspect.signature(read).parameters) - {"path", "chunks"}
    assert arguments == set(FileOptions.__dataclass_fields__)
