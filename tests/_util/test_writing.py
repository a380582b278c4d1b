"""Full disks: one error that names the file, also from HDF5, which does not survive one."""

import errno
import itertools
import os
import resource
import signal
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

import spectessera as spt
from spectessera._util import writing as module
from spectessera._util.writing import Sink, allocate, hdf5_sink, writing


@contextmanager
def largest_file(size):
    """Let the system refuse writes beyond this size, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def cube():
    counts = np.random.default_rng(0).poisson(3, (12, 10, 64)).astype(np.uint16)
    return spt.make_cube(counts, energy=(0.5, 20))


def refused(cube, path, size):
    """Return the error of writing in a process of its own, or how that process ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with largest_file(size):
                spt.write(cube, path)
        except OSError as error:
            os.write(writer, f"{errno.errorcode[error.errno]} {error.filename}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    text = os.read(reader, 1000).decode()
    os.close(reader)
    return text or f"written, status {status}"


@pytest.mark.parametrize("suffix", [".h5", ".nc", ".hspy", ".fits", ".fits.gz", ".zarr"])
def test_a_full_disk_at_any_byte_is_an_error_that_names_the_file(cube, tmp_path, suffix):
    """HDF5 ends the process if it is told of a failed write."""
    path = tmp_path / f"scan{suffix}"
    spt.write(cube, path)
    old = spt.read(path)
    for size in (0, 90, 700, 2000):
        assert refused(cube + 1, path, size) == f"EFBIG {path}"
    assert spt.read(path).equals(old)
    assert [each.name for each in tmp_path.iterdir() if "lock" not in each.name] == [path.name]


@pytest.mark.parametrize("suffix", [".h5", ".nc"])
@pytest.mark.parametrize("number", [1, 4, 9])
def test_ctrl_c_within_a_write_ends_the_work_and_not_the_process(cube, tmp_path, suffix, number):
    """Raised in a function that HDF5 calls, it would be an error that HDF5 does not survive."""
    path = tmp_path / f"scan{suffix}"
    child = os.fork()
    if child == 0:
        plain, count, status = os.pwrite, itertools.count(1), 1

        def interrupted(*arguments):
            if next(count) == number:
                os.kill(os.getpid(), signal.SIGINT)
            return plain(*arguments)

        signal.signal(signal.SIGINT, signal.default_int_handler)
        module.os.pwrite = interrupted
        try:
            spt.write(cube, path)
        except KeyboardInterrupt:
            status = 130
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130
    assert list(tmp_path.iterdir()) == []


def test_in_another_thread_nothing_is_changed_about_ctrl_c(tmp_path):
    handlers = []

    def work():
        with hdf5_sink(tmp_path / "a") as sink:
            handlers.append(signal.getsignal(signal.SIGINT))
            sink.write(b"abc")

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [before]
    assert (tmp_path / "a").read_bytes() == b"abc"


def test_what_could_not_be_written_is_still_read_by_the_library(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    values = np.arange(6.0)
    sink = Sink(tmp_path / "a.h5")
    with h5py.File(sink, "w") as file:
        monkeypatch.setattr(module.os, "pwrite", full)
        file["values"] = values
        file.flush()
        assert np.array_equal(file["values"][:], values)
    sink.seek(0, os.SEEK_END)
    assert sink.tell() == sink.end > 0
    sink.finish()
    with pytest.raises(OSError, match="No space"):
        sink.check()


def test_work_of_dask_ends_with_the_block_that_finds_the_disk_full(tmp_path):
    import dask.array as da

    computed = []

    def block(part):
        computed.append(part.shape)
        return np.full(part.shape, float(len(computed)))

    # 50 MB, of which HDF5 keeps the last 8 in memory
    rows = da.zeros((800, 8, 1024), chunks=(8, 8, 1024))
    cube = spt.make_cube(rows.map_blocks(block, meta=np.empty((0, 0, 0))), energy=(1, 2))
    computed.clear()
    with pytest.raises(OSError, match=r"ulimit -f.*a\.h5"), largest_file(5000):
        spt.write(cube, tmp_path / "a.h5")
    assert len(computed) < 60


def test_an_error_of_the_library_stays_its_own(tmp_path):
    with pytest.raises(KeyError, match="absent"), hdf5_sink(tmp_path / "a.h5"):
        raise KeyError("absent")


def test_what_is_written_after_the_end_goes_nowhere(tmp_path):
    """Not into another file that has got the number of this one."""
    with hdf5_sink(tmp_path / "a") as sink:
        sink.write(b"abc")
    other = (tmp_path / "b").open("wb")
    assert sink.write(b"xyz") == 3
    sink.truncate()
    assert sink.error.errno == errno.EBADF
    with other:
        assert os.fstat(other.fileno()).st_size == 0
    assert (tmp_path / "a").read_bytes() == b"abc"


def test_large_values_that_are_lost_are_not_kept_in_memory(tmp_path):
    sink = Sink(tmp_path / "a")
    sink.error = OSError()
    sink.write(bytes(module.KEPT))
    sink.write(bytes(module.KEPT + 1))
    assert [len(data) for _, data in sink.lost] == [module.KEPT]
    assert sink.seekable()
    assert sink.readable()
    assert sink.writable()
    sink.finish()


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, r"disk is full \(.* MB are left\): free"), (errno.EDQUOT, "quota")],
)
def test_the_error_of_a_full_disk_says_what_to_do(tmp_path, number, words):
    places = (writing(tmp_path / "b"), writing(tmp_path / "a"))
    with pytest.raises(OSError, match=words) as caught, places[0], places[1]:
        raise OSError(number, "text of the system")
    assert caught.value.errno == number
    assert caught.value.filename == str(tmp_path / "a")


def test_free_space_that_the_system_does_not_say_is_left_out(tmp_path):
    with pytest.raises(OSError, match="disk is full: free"), writing(tmp_path / "a" / "b"):
        raise OSError(errno.ENOSPC, "")


def test_free_space_is_that_of_the_folder_itself(tmp_path, monkeypatch):
    """A folder may be the top of a disk: its parent is on another one, with room."""
    free = {tmp_path: 0, tmp_path.parent: 7e9}
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: SimpleNamespace(free=free[path]))
    with pytest.raises(OSError, match=r"\(0\.0 MB are left"), writing(tmp_path):
        raise OSError(errno.ENOSPC, "")


def test_other_errors_stay_as_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), writing(tmp_path):
        (tmp_path / "a").read_text()


@pytest.mark.parametrize("can", [True, False])
def test_a_file_that_is_mapped_into_memory_has_its_room_before(tmp_path, monkeypatch, can):
    if not can:
        monkeypatch.delattr(os, "posix_fallocate")
    with (tmp_path / "a").open("wb") as file:
        allocate(file.fileno(), 100_000)
        status = os.fstat(file.fileno())
    assert status.st_size == 100_000
    assert (status.st_blocks * 512 >= 100_000) == can


def test_a_temporary_file_without_room_is_an_error_and_no_crash(tmp_path, monkeypatch):
    from spectessera.inference.pixelstore import Grid

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(OSError, match="ulimit -f"), largest_file(1000):
        Grid((20, 30), 4, memory=0)
