"""Chunks that unfold to more than they should are refused before a library unpacks them."""

import gzip
import struct
import zlib

import h5py
import numpy as np
import pytest
import zarr

from spectessera.io import _unfolding, read

SHAPE = (4, 5, 600)
CHUNK = 4 * 5 * 600 * 2
BOMB = bytes(2**22)


@pytest.fixture(autouse=True)
def _little_is_harmful(monkeypatch):
    monkeypatch.setattr(_unfolding, "HARMLESS", 2**16)


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        values = np.random.default_rng(0).integers(0, 2**16, SHAPE, np.uint16)
        options = {"chunks": SHAPE, "compression": "gzip", "fletcher32": True}
        file.create_dataset("img", data=values, maxshape=(8, 5, 600), **options)
    return tmp_path / "a.h5"


def put(path, raw):
    with h5py.File(path, "r+") as file:
        file["img"].id.write_direct_chunk((0, 0, 0), raw)


@pytest.mark.parametrize("chunks", [None, "auto"])
def test_a_chunk_of_hdf5_that_unfolds_too_far_is_refused(path, chunks):
    assert read(path, chunks=chunks).values.any()
    put(path, zlib.compress(BOMB, 9))
    with pytest.raises(ValueError, match=r"chunk of '/img' at \(0, 0, 0\) unfolds to more than"):
        read(path, chunks=chunks).values  # noqa: B018


def test_a_chunk_stored_in_more_bytes_than_it_has_is_refused(path):
    put(path, np.random.default_rng(0).bytes(2 * CHUNK + 2**16))
    with pytest.raises(ValueError, match=r"has a chunk stored in .* bytes, and a chunk has 24000"):
        read(path, chunks="auto")


def test_chunks_are_left_to_the_library_where_nothing_is_known(path, monkeypatch):
    with h5py.File(path, "r+") as file:
        dataset = file["img"]
        dataset.resize((8, 5, 600))  # its second chunk was never written
        _unfolding.check_chunks(path, dataset, (slice(None),) * 3)
        put_raw = np.random.default_rng(0).bytes(CHUNK)
        dataset.id.write_direct_chunk((0, 0, 0), put_raw)  # no stream of deflate at all
        _unfolding.check_chunks(path, dataset, (slice(None),) * 3)
        plain = file.create_dataset("plain", SHAPE, "u2", chunks=SHAPE, compression="lzf")
        _unfolding.check_chunks(path, plain, (slice(None),) * 3)
        monkeypatch.setattr(_unfolding, "MAX_CHUNKS", 0)
        dataset.id.write_direct_chunk((0, 0, 0), bytes(2**18))
        _unfolding.check_stored_chunks(path, dataset)


def blosc(size):
    return struct.pack("<BBBBIII", 2, 1, 0, 2, size, size, 30).ljust(30, b"\0")


def zstd(size, single=True):
    head = b"\x28\xb5\x2f\xfd" + bytes([0xE0 if single else 0xC0]) + (b"" if single else b"\0")
    return head + size.to_bytes(8, "little")


@pytest.mark.parametrize(
    "raw",
    [
        gzip.compress(BOMB),
        zlib.compress(BOMB),
        blosc(2**31),
        zstd(2**40),
        zstd(2**40, single=False),
    ],
)
def test_a_file_of_zarr_that_unfolds_too_far_is_refused(tmp_path, raw):
    store = tmp_path / "a.zarr"
    codec = zarr.codecs.GzipCodec()
    array = zarr.create_array(store, shape=SHAPE, chunks=SHAPE, dtype="u2", compressors=codec)
    array[:] = 1
    assert read(store).values.all()
    (store / "c/0/0/0").write_bytes(raw)
    with pytest.raises(ValueError, match=r"c/0/0/0 unfolds to more than its chunk of 24000 bytes"):
        read(store)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (blosc(1000), 1000),
        (blosc(1000) + b"more", None),
        (zstd(1000), 1000),
        (b"\x28\xb5\x2f\xfd\x60\x00\x01", 512),  # in two bytes, from 256 on
        (b"\x28\xb5\x2f\xfd\x00\x00\x01", None),  # not said
        (b"nothing of these", None),
    ],
)
def test_headers_of_frames_say_what_they_unfold_to(raw, expected):
    assert _unfolding._declared(raw, len(raw)) == expected
