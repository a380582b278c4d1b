"""Blocks of spectra: each can be computed alone; an iteration needs the memory of few blocks."""

import itertools
import pickle
import tracemalloc
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest

from spectessera.axis import Axis
from spectessera.synth.stream import Stream

AXIS = Axis(np.arange(7.0), "keV")


class Pair(NamedTuple):
    """A block of the tests: one array with channels, one without."""

    spectra: np.ndarray
    label: np.ndarray


def make(seed, number, size):
    generator = np.random.default_rng([seed, number])
    spectra = generator.standard_normal((size, 7), dtype=np.float32)
    return Pair(spectra, np.full(size, number))


def stream(n, size=10, seed=0):
    return Stream(partial(make, seed), n, AXIS, size)


@pytest.mark.parametrize(
    ("n", "sizes"), [(0, []), (1, [1]), (9, [9]), (10, [10]), (11, [10, 1]), (30, [10, 10, 10])]
)
def test_all_spectra_are_in_some_block_and_only_the_last_block_is_short(n, sizes):
    blocks = stream(n)
    assert (blocks.n, len(blocks), blocks.block_count) == (n, len(sizes), len(sizes))
    assert [len(block.label) for block in blocks] == sizes


def test_a_block_computed_alone_is_the_one_of_the_iteration():
    blocks = stream(35)
    for number, block in enumerate(blocks):
        alone = stream(35).block(number)
        np.testing.assert_array_equal(alone.spectra, block.spectra)
        np.testing.assert_array_equal(alone.label, block.label)


def test_a_stream_can_be_iterated_again_and_in_nested_loops():
    blocks = stream(25)
    for one, two in itertools.product(blocks, blocks):
        assert (one.label[0] == two.label[0]) == np.array_equal(one.spectra, two.spectra)


def test_collect_concatenates_the_blocks():
    whole = stream(35).collect()
    assert isinstance(whole, Pair)
    np.testing.assert_array_equal(whole.label, np.repeat([0, 1, 2, 3], [10, 10, 10, 5]))
    np.testing.assert_array_equal(whole.spectra, np.concatenate([b.spectra for b in stream(35)]))
    assert whole.spectra.dtype == np.float32
    assert stream(3).collect().spectra.shape == (3, 7)


def test_collect_refuses_to_exceed_the_memory_limit():
    blocks = stream(10**12)
    with pytest.raises(MemoryError, match=r"1000000000000 spectra need 3\d{4}\.\d GiB.*one by one"):
        blocks.collect()
    with pytest.raises(MemoryError, match="most_bytes"):
        stream(100).collect(most_bytes=100 * 7 * 4)
    assert len(stream(100).collect(most_bytes=100 * (7 * 4 + 8)).label) == 100


def test_collecting_an_empty_stream_is_refused():
    with pytest.raises(ValueError, match="no spectra to collect"):
        stream(0).collect()


def test_the_memory_is_that_of_a_few_blocks():
    """An iteration over a thousand blocks of 280 kB each has less than four of them in memory."""
    tracemalloc.start()
    try:
        for _ in stream(10**7, size=10**4):
            pass
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 4 * 10**4 * (7 * 4 + 8)


@pytest.mark.parametrize("number", [-1, 4, 10**9])
def test_an_invalid_number_of_a_block_is_an_index_error(number):
    with pytest.raises(IndexError, match="35 spectra are in 4 blocks"):
        stream(35).block(number)


@pytest.mark.parametrize(
    ("n", "size", "error"),
    [(-1, 10, ValueError), (1.5, 10, TypeError), (True, 10, TypeError), (10, 0, ValueError)],
)
def test_invalid_sizes_are_refused(n, size, error):
    with pytest.raises(error, match=r"the (number of spectra|size of a block) must be"):
        Stream(partial(make, 0), n, AXIS, size)


def test_a_stream_has_a_repr_and_can_be_pickled():
    blocks = stream(35)
    assert repr(blocks) == "Stream of 35 spectra, 7 channels each, in 4 blocks"
    sent = pickle.loads(pickle.dumps(blocks))
    np.testing.assert_array_equal(sent.block(2).spectra, blocks.block(2).spectra)
    assert sent.axis == AXIS
