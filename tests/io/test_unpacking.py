"""Files whose pieces are images: each piece is unpacked once."""

import h5py
import numpy as np
import pytest

from commands import run
from spectessera import read
from spectessera.io import _lazy, unpacking

SHAPE = (9, 14, 20)  # y, x, channel


@pytest.fixture
def images(tmp_path):
    """A file of compressed images, one for each channel, with its noise."""
    values = np.random.default_rng(0).poisson(5, SHAPE).astype(np.uint16)
    with h5py.File(tmp_path / "images.h5", "w") as file:
        for name, each in (("data", values), ("data_error", 1 + np.sqrt(values))):
            file.create_dataset(
                name, data=each.transpose(2, 0, 1), chunks=(1, *SHAPE[:2]), compression="gzip"
            )
        file["energy"] = np.linspace(1, 20, SHAPE[2])
        file["energy"].attrs["units"] = "keV"
    return tmp_path / "images.h5"


@pytest.fixture
def small_blocks(monkeypatch):
    """Make the cube many blocks, which it is not."""
    monkeypatch.setattr(_lazy, "BLOCK_BYTES", 2000)
    monkeypatch.setattr(_lazy, "WIDE_BLOCK_BYTES", 4000)
    monkeypatch.setattr(unpacking, "BLOCK_BYTES", 2000)
    monkeypatch.setattr(unpacking, "SLAB_BYTES", 3 * 2 * 2 * 9 * 14)


@pytest.mark.parametrize("suffix", [".h5", ".zarr", ".fits", ".nc", ".hspy"])
def test_an_unpacked_cube_is_the_cube(images, tmp_path, small_blocks, suffix):
    whole = read(images)
    run("convert", images, tmp_path / f"out{suffix}", check=0)
    found = read(tmp_path / f"out{suffix}")
    np.testing.assert_array_equal(found, whole)
    np.testing.assert_allclose(found["variance"], whole["variance"])
    assert not list(tmp_path.glob(".*"))


def test_every_piece_is_read_once(images, tmp_path, small_blocks, monkeypatch):
    with h5py.File(images, "r+") as file:  # with noise, a few spectra more determine the scale
        del file["data_error"]
    read_images = []
    original = h5py.Dataset.__getitem__

    def counted(self, index, *args, **kwargs):
        if self.ndim == 3 and index and self.name == "/data":
            read_images.extend(range(*index[0].indices(SHAPE[2])))
        return original(self, index, *args, **kwargs)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
    run("convert", images, tmp_path / "out.h5", check=0)
    assert sorted(read_images) == list(range(SHAPE[2]))


def test_nothing_is_unpacked_without_need_or_space(images, monkeypatch, tmp_path):
    assert unpacking.channels_at_a_time(read(images), tmp_path) == 0
    assert unpacking.channels_at_a_time(read(images, chunks="auto"), tmp_path) == 0
    lazy = read(images, chunks=4)
    monkeypatch.setattr(unpacking, "BLOCK_BYTES", 100)
    assert unpacking.channels_at_a_time(lazy, tmp_path) > 0
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100}))
    assert unpacking.channels_at_a_time(lazy, tmp_path) == 0


def test_nothing_stays_if_the_work_is_stopped(images, tmp_path, small_blocks, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(unpacking._Slabs, "__getitem__", stop)
    before = sorted(tmp_path.iterdir())
    assert run("convert", images, tmp_path / "out.h5").exit_code == 130
    assert sorted(tmp_path.iterdir()) == before
