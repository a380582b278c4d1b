"""Blocks with the pixels around them: the same as one reading of both, each chunk read once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from spectessera import make_cube
from spectessera.cube import blocks, load_block
from spectessera.inference import surroundings
from spectessera.inference.neighbours import around
from spectessera.inference.surroundings import Surroundings

SHAPE = 23, 31, 5


def cube_of(chunks: dict[str, int]) -> xr.DataArray:
    generator = np.random.default_rng(0)
    values = generator.poisson(3, SHAPE).astype(np.float32)
    mask = generator.uniform(size=SHAPE[:2]) < 0.1
    return make_cube(values, energy=(1.0, 5.0), variance=values + 2, mask=mask).chunk(chunks)


@pytest.mark.parametrize("chunks", [(5, 7), (4, 31), (23, 4), (11, 8), (23, 31)])
@pytest.mark.parametrize("kept", [0, 2**24])
@pytest.mark.parametrize("stored", [16, 4])
@pytest.mark.parametrize("in_order", [True, False])
def test_a_block_and_what_is_around_it_are_those_of_one_reading(
    chunks, kept, stored, in_order, monkeypatch
):
    monkeypatch.setattr(surroundings, "_KEPT_BYTES", kept)
    monkeypatch.setattr(surroundings, "_STORED", stored)
    cube, reach = cube_of({"y": chunks[0], "x": chunks[1]}), 4
    assert Surroundings.possible(cube, reach)
    wanted = list(blocks(cube))
    if not in_order:
        np.random.default_rng(1).shuffle(wanted)
    source = Surroundings(cube, reach)
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(source.load, wanted))
    for block, part in zip(wanted, found, strict=True):
        xr.testing.assert_identical(part, load_block(cube, around(block, reach, cube)))
        assert part.values.flags.c_contiguous
    assert not source._parts  # nothing is kept that no block needs


def test_every_chunk_is_read_once_and_its_first_rows_once_more():
    read = Counter()

    def counted(block, block_info=None):
        read[block_info[0]["chunk-location"][:2]] += 1
        return block

    values = da.ones(SHAPE, chunks=(6, 8, 5), dtype=np.float32)
    lazy = values.map_blocks(counted, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    cube = make_cube(lazy, energy=(1.0, 5.0))
    read.clear()  # of what was looked at
    source = Surroundings(cube, 3)
    for block in blocks(cube):
        source.load(block)
    assert all(times == (1 if row == 0 else 2) for (row, _), times in read.items())


def test_pieces_that_a_file_is_stored_in_are_unpacked_once(monkeypatch):
    """Stored in pieces of 3 rows: the first rows of a chunk are kept as far as they were read."""
    unpacked = Counter()

    def counted(cube, block):
        rows = range(block.y.start, block.y.stop)
        unpacked.update({(row // 3, block.x.start) for row in rows})
        return load_block(cube, block)

    monkeypatch.setattr(surroundings, "load_block", counted)
    monkeypatch.setattr(surroundings, "_STORED", 6)
    cube = cube_of({"y": 12, "x": 8})
    source = Surroundings(cube, 4)
    for block in blocks(cube):
        source.load(block)
    assert set(unpacked.values()) == {1}
    assert len(unpacked) == 8 * 4


def test_chunks_thinner_than_the_reach_are_left_to_one_reading():
    assert not Surroundings.possible(cube_of({"y": 3, "x": 31}), 4)
    assert not Surroundings.possible(cube_of({"y": 5, "x": 7}), 0)
    assert not Surroundings.possible(cube_of({"y": 5, "x": 7}).compute(), 4)


def test_an_error_of_one_reading_reaches_all_who_wait_for_it():
    def broken(block, block_info=None):
        if block_info[0]["chunk-location"][:2] == (1, 1):
            raise OSError("the disk is gone")
        return block

    lazy = da.ones(SHAPE, chunks=(6, 8, 5)).map_blocks(
        broken, dtype=np.float64, meta=np.empty((0, 0, 0))
    )
    cube = cube_of({"y": 6, "x": 8}).drop_vars(["variance", "mask"]).copy(data=lazy)
    source = Surroundings(cube, 3)
    for block in list(blocks(cube))[:3]:
        with pytest.raises(OSError, match="the disk is gone"):
            source.load(block)
