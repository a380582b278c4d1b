"""Arrays that stay in their file: only what is asked for is read, by one thread at a time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from spectessera.io._lazy import LazyArray, as_dask

VALUES = np.arange(12 * 9 * 5).reshape(12, 9, 5)


@pytest.fixture
def stored(tmp_path):
    """Return an array in a file, and the list of the parts that are read of it."""
    path, parts = tmp_path / "values", []
    path.touch()

    def fetch(_path, _key, index):
        assert all(isinstance(one, slice) and one.step in (None, 1) for one in index)
        parts.append(VALUES[index].shape)
        return VALUES[index]

    return LazyArray(path, "values", VALUES.shape, VALUES.dtype, fetch), parts


INDICES = [
    np.s_[2:4, :, 1:3], np.s_[3], np.s_[:, -1, ::2], np.s_[1:9:3, [7, 2, 2], :],
    np.s_[::-1, :, [4]], np.s_[:, [], :], np.s_[5:2, :, 0],
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_an_index_means_what_it_means_in_numpy(stored, index):
    source, _ = stored
    np.testing.assert_array_equal(source[index], VALUES[index])


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_an_index_of_its_chunks_means_what_it_means_in_numpy(stored, index):
    source, _ = stored
    chunked = as_dask(source, {"y": 5, "x": 4}, source.path, source.key)
    np.testing.assert_array_equal(chunked[index].compute(scheduler="sync"), VALUES[index])


def test_of_a_chunk_only_what_is_asked_for_is_read(stored):
    source, parts = stored
    chunked = as_dask(source, {"y": 5, "x": 4}, source.path, source.key)
    chunked[4:6, 3:4].compute(scheduler="sync")
    assert sorted(parts) == [(1, 1, 5), (1, 1, 5)]


@pytest.mark.parametrize("locked", [True, False])
def test_a_library_that_is_not_safe_in_threads_reads_one_part_at_a_time(tmp_path, locked):
    inside, most = [], []

    def fetch(_path, _key, index):
        inside.append(threading.get_ident())
        time.sleep(0.02)
        most.append(len(inside))
        inside.pop()
        return VALUES[index]

    path = tmp_path / "values"
    sources = [
        LazyArray(path, key, VALUES.shape, VALUES.dtype, fetch, locked=locked) for key in "ab"
    ]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: sources[number % 2][number], range(8)))
    assert (max(most) == 1) == locked
