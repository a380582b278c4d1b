"""Errors of libraries on broken files name the file; interruptions stay what they are."""

import errno
import zlib
from pathlib import Path

import pytest

from spectessera._util.reading import FileRefused, check_regular, reading, reading_safely


class LibraryError(Exception):
    """An error that only one library raises."""


@pytest.mark.parametrize("error", [zlib.error("bad block"), KeyError("x"), LibraryError("odd")])
def test_an_error_of_a_library_names_the_file(error):
    with (
        pytest.raises(ValueError, match=r"scan\.h5 cannot be read as HDF5"),
        reading(Path("scan.h5"), "HDF5", LibraryError),
    ):
        raise error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError("file is truncated"), "may be damaged"),
        (EOFError(), "may be damaged"),
        (OSError(errno.EIO, "Input/output error"), "system reports an error"),
        (PermissionError(errno.EACCES, "denied"), "system reports an error"),
        (NotImplementedError("codec 7"), "not supported: codec 7"),
    ],
)
def test_only_a_file_that_may_be_damaged_is_called_so(error, words):
    with pytest.raises(ValueError, match=words) as told, reading(Path("a.h5"), "HDF5"):
        raise error
    assert ("damaged" in str(told.value)) == ("damaged" in words)


@pytest.mark.parametrize("guard", [reading, reading_safely])
def test_an_interruption_that_an_error_hides_is_raised_itself(guard):
    def read():
        with guard(Path("scan.h5"), "HDF5"):
            try:
                raise KeyboardInterrupt
            finally:
                raise OSError("cannot close")

    with pytest.raises(KeyboardInterrupt):
        read()


def test_an_interruption_that_the_caller_handles_is_no_part_of_the_reading():
    def read():
        with reading(Path("a"), "HDF5"):
            raise OSError("truncated")

    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        with pytest.raises(ValueError, match="cannot be read"):
            read()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RecursionError("too deep"), r"^a\.h5 cannot be read as HDF5.*too deep"),
        (MemoryError(), "it needs more memory than there is: MemoryError"),
        (AttributeError("no\n x"), "damaged or cut short: no x"),
        (ValueError("7 channels"), r"^a\.h5: 7 channels"),
        (ValueError("in a.h5 are 7"), r"^in a\.h5 are 7"),
        (FileRefused("no"), "^no$"),
    ],
)
def test_the_outermost_guard_names_the_file_once(error, words):
    with pytest.raises(ValueError, match=words), reading_safely(Path("a.h5"), "HDF5"):
        raise error


def test_the_outermost_guard_keeps_missing_packages():
    with pytest.raises(ImportError), reading_safely(Path("a.h5"), "HDF5"):
        raise ImportError("hdf5plugin")


def test_devices_and_pipes_are_no_files(tmp_path):
    check_regular(tmp_path)
    check_regular(tmp_path / "nothing")
    with pytest.raises(ValueError, match="device, a pipe or a socket"):
        check_regular(Path("/dev/null"))
