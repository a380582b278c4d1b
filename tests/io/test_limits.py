"""Sizes that files declare are checked before memory is taken; only regular files are opened."""

import os
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import zarr

from spectessera._util import memory
from spectessera.io import _limits, read, read_result, read_truth
from spectessera.io._hdf5_sources import missing_sources
from spectessera.io._hdf5_tree import attributes_of, has_sound_scales
from spectessera.io.labels import read_labels

FLOAT = np.dtype("f4")


def test_numbers_count_as_float32_at_least():
    assert _limits.nbytes_of((2, 3), np.dtype("u1")) == 24
    assert _limits.nbytes_of((2, 3), np.dtype("f8")) == 48


@pytest.mark.parametrize("lazy", [False, True])
def test_what_a_file_cannot_hold_is_refused(lazy):
    _limits.check_declared("a", (1000, 1000, 64), FLOAT, 0, lazy=lazy)  # small
    with pytest.raises(ValueError, match=r"a claims .* more than a file of 2000 bytes"):
        _limits.check_declared("a", (10**5, 10**5, 100), FLOAT, 2000, lazy=lazy)


def test_sparse_arrays_are_read_in_blocks_where_they_are_not_read_at_once():
    shape = (1000, 1000, 2000)
    _limits.check_declared("a", shape, FLOAT, 200_000, lazy=True)
    with pytest.raises(ValueError, match="give chunks="):
        _limits.check_declared("a", shape, FLOAT, 200_000, lazy=False)


def test_what_the_memory_cannot_hold_is_refused(monkeypatch):
    monkeypatch.setattr(_limits, "available_bytes", lambda: 10**6)
    with pytest.raises(ValueError, match=r"needs 1e\+07 bytes of memory, and 1e\+06 are available"):
        _limits.check_declared("a", (10, 10, 25_000), FLOAT, 10**7, lazy=False)
    with pytest.raises(ValueError, match="unfolds to"):
        _limits.check_packed("a", 10**7, 10**6, "unpack it")
    _limits.check_declared("a", (10, 10, 25_000), FLOAT, 10**7, lazy=True)


def test_one_chunk_may_not_be_huge_unless_the_file_is_large():
    with pytest.raises(ValueError, match="claims chunks of 3e"):
        _limits.check_chunk("a", (3, 1000, 10**6), np.dtype("u1"), 3 * 10**6)
    _limits.check_chunk("a", (3, 1000, 10**6), np.dtype("u1"), 3 * 10**8)


def test_the_memory_of_the_machine_and_of_its_group_are_known(tmp_path, monkeypatch):
    assert 0 < memory.available_bytes() < 2**60
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    (tmp_path / "memory.max").write_text("3000\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert memory.available_bytes() == 2000
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    assert memory.available_bytes() == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize("chunks", [None, "auto"])
def test_a_chunk_of_hdf5_of_three_gigabytes_is_refused(tmp_path, chunks):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        cube = file.create_dataset(
            "img", (1, 1, 8), "u1", chunks=(1000, 1000, 3000), maxshape=(None, None, None)
        )
        cube.id.write_direct_chunk((0, 0, 0), b"x" * 10)
    with pytest.raises(ValueError, match=r"claims chunks of 3e\+09 bytes"):
        read(path, chunks=chunks).values  # noqa: B018


def a_store(tmp_path):
    path = tmp_path / "a.zarr"
    array = zarr.create_array(
        path, shape=(4, 5, 6), chunks=(4, 5, 3), dtype="f4", compressors=None, fill_value=7
    )
    array[:] = 1
    return path


@pytest.mark.parametrize("name", ["c/0/0/0", ".zattrs"])
def test_a_pipe_in_a_store_is_refused_at_once(tmp_path, name):
    path = a_store(tmp_path)
    (path / name).unlink(missing_ok=True)
    os.mkfifo(path / name)
    with pytest.raises(ValueError, match="is a device, a pipe or a socket"):
        read(path, chunks="auto").values  # noqa: B018


def test_a_link_to_a_device_in_a_store_is_refused_at_once(tmp_path):
    path = a_store(tmp_path)
    (path / "c/0/0/0").unlink()
    (path / "c/0/0/0").symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="is a device, a pipe or a socket"):
        read(path)


def test_links_out_of_the_folder_of_a_store_need_to_be_allowed(tmp_path):
    (tmp_path / "inside").mkdir()
    path = a_store(tmp_path / "inside")
    chunk = path / "c/0/0/0"
    chunk.rename(tmp_path / "chunk")
    chunk.symlink_to(tmp_path / "chunk")
    with pytest.raises(ValueError, match=r"outside the folder of the store.*outside=True"):
        read(path)
    for chunks in (None, "auto"):
        np.testing.assert_array_equal(read(path, outside=True, chunks=chunks), 1)


def test_metadata_of_a_store_of_any_size_and_depth_are_refused(tmp_path, monkeypatch):
    path = a_store(tmp_path)
    (path / "zarr.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"a\.zarr cannot be read as Zarr"):
        read(path)
    codecs = "[" * 600 + "]" * 600
    (path / "zarr.json").write_text('{"node_type": "array", "codecs": ' + codecs + "}")
    with pytest.raises(ValueError, match=r"a\.zarr"):
        read(path)
    monkeypatch.setattr("spectessera.io._zarr_metadata.MOST_BYTES", 100)
    with pytest.raises(ValueError, match="100 are the most"):
        read(path)


def test_attributes_that_claim_too_many_values_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("spectessera.io._hdf5_tree.MAX_ATTRIBUTE", 3)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["img"] = np.ones((2, 3, 4))
        file["img"].attrs["short"] = "yes"
        file["img"].attrs["long"] = np.zeros(4)
    with h5py.File(tmp_path / "a.h5") as file:
        assert attributes_of(file["img"]) == {"short": "yes"}


def virtual(path, source, dataset="img"):
    layout = h5py.VirtualLayout((2, 3, 4), "f4")
    layout[:] = h5py.VirtualSource(source, dataset, (2, 3, 4))
    with h5py.File(path, "w", libver="latest") as file:
        file.create_virtual_dataset("img", layout)
    return path


def test_a_virtual_dataset_is_itself_under_any_name(tmp_path, monkeypatch):
    path = virtual(tmp_path / "a.h5", "link.h5")
    (tmp_path / "link.h5").hardlink_to(path)
    with pytest.raises(ValueError, match="reads from itself"):
        read(path)
    virtual(path, ".", "also")
    with h5py.File(path, "r+") as file:
        file["also"] = h5py.SoftLink("/img")
    with pytest.raises(ValueError, match="reads from itself"):
        read(path)
    virtual(path, "/nowhere/a.h5")  # HDF5 then looks for a.h5 beside the file
    with pytest.raises(ValueError, match="reads from itself"):
        read(path)
    (tmp_path / "below").mkdir()
    path = virtual(tmp_path / "below" / "b.h5", "below/b.h5")
    monkeypatch.chdir(tmp_path)  # and in the working folder
    with pytest.raises(ValueError, match="reads from itself"):
        read(path)


def test_names_of_sources_that_are_patterns_are_refused(tmp_path):
    path = virtual(tmp_path / "a.h5", "b.h5")
    with h5py.File(path) as file:
        source = SimpleNamespace(file_name="scan_%b.h5", dset_name="img")
        dataset = SimpleNamespace(file=file, name="/img", virtual_sources=lambda: [source])
        dataset.id = file["img"].id
        with pytest.raises(ValueError, match="names are a pattern"):
            missing_sources(path, dataset, outside=False)


def test_a_virtual_dataset_of_nothing_may_not_be_huge(tmp_path):
    layout = h5py.VirtualLayout((10**5, 10**5, 100), "f4")
    layout[:2, :3, :4] = h5py.VirtualSource("none.h5", "img", (2, 3, 4))
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        file.create_virtual_dataset("img", layout)
    with pytest.raises(ValueError, match=r"claims 4e\+12 bytes"):
        read(tmp_path / "a.h5", chunks="auto")


def external(path, name):
    with h5py.File(path, "w") as file:
        file["img"] = np.ones((2, 3, 4), "f4")
        shape = (2, 3, 4) if name == "variance" else (2, 3)
        file.create_dataset(name, shape, "u1", external=[("/etc/passwd", 0, 24)])
    return path


@pytest.mark.parametrize("name", ["reference", "variance", "mask"])
def test_raw_bytes_of_other_files_are_refused_beside_the_cube_too(tmp_path, name):
    with pytest.raises(ValueError, match="raw bytes of other files"):
        read(external(tmp_path / "a.h5", name), chunks="auto").compute()


@pytest.mark.parametrize("reader", [read_labels, read_truth, read_result])
def test_no_reader_gives_raw_bytes_of_other_files(tmp_path, reader):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.attrs["_NCProperties"] = "version=2"
        for name in ("label", "truth/label"):
            file.create_dataset(name, (2, 3), "u1", external=[("/etc/passwd", 0, 6)])
    with pytest.raises(ValueError, match="raw bytes of other files"):
        reader(path)


def test_arrays_of_a_result_are_in_its_file(tmp_path):
    path = tmp_path / "a.nc"
    with h5py.File(path, "w") as file:
        file.attrs["_NCProperties"] = "version=2"
        file["label"] = h5py.ExternalLink("other.h5", "label")
    with pytest.raises(ValueError, match="is a link; the arrays of a result are in its file"):
        read_result(path)
    virtual(path, "other.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["_NCProperties"] = "version=2"
    with pytest.raises(ValueError, match="reads from other arrays"):
        read_result(path)


@pytest.mark.parametrize("name", ["a.npy", "a.fits", "a.h5", "a.nc"])
def test_a_pipe_is_no_label_map(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match="is a device, a pipe"):
        read_labels(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLASS", np.zeros((2, 2))),
        ("NAME", np.complex64(1)),
        ("NAME", ["a", "b"]),
        ("DIMENSION_LIST", np.bytes_("ab")),
        ("DIMENSION_LIST", np.zeros(3)),
    ],
)
def test_attributes_of_dimension_scales_that_crash_their_library_are_not_given_to_it(
    tmp_path, name, value
):
    path = tmp_path / "a.nc"
    with h5py.File(path, "w") as file:
        file["label"] = np.ones((2, 3, 4), np.int32)
        file["channel"] = np.arange(4.0)
        file["channel"].make_scale("channel")
        file["label"].dims[2].attach_scale(file["channel"])
        assert has_sound_scales(file["label"])
        assert has_sound_scales(file["channel"])
        file["label"].attrs[name] = value
        assert not has_sound_scales(file["label"])
        file.attrs["_NCProperties"] = "version=2"
    assert read(path).shape == (2, 3, 4)
    with pytest.raises(ValueError, match="the dimensions of 'label' are damaged"):
        read_result(path)


def test_a_result_that_says_what_wrote_it_in_numbers_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file.attrs["_NCProperties"] = np.zeros(3)
    with pytest.raises(ValueError, match=r"a\.nc.*_NCProperties is no text"):
        read_result(tmp_path / "a.nc")


def test_a_file_that_the_system_cannot_read_is_named():
    with pytest.raises(ValueError, match=r"^/proc/self/mem .*the system reports an error"):
        read("/proc/self/mem")
