"""Views of arrays in a file give the same numbers as the array in memory."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from spectessera.io._lazy import LazyArray, load
from spectessera.io._views import as_image, placed, summed, transposed

RNG = np.random.default_rng(0)


def fetch(path, _key, index):
    return np.load(path)[index]


@pytest.fixture
def stored(tmp_path):
    def make(values, name="a.npy"):
        np.save(tmp_path / name, values)
        return LazyArray(tmp_path / name, name, values.shape, values.dtype, fetch)

    return make


PARTS = [np.s_[:], np.s_[1:3], np.s_[:, 2:4, 1:5], np.s_[2, 1]]


@pytest.mark.parametrize("part", PARTS)
def test_axes_in_another_order(stored, part):
    values = RNG.random((7, 4, 5))
    view = transposed(stored(values), (1, 2, 0))
    assert view.shape == (4, 5, 7)
    np.testing.assert_array_equal(view[part], values.transpose(1, 2, 0)[part])


def test_other_axes_are_read_at_one_position(stored):
    values = RNG.random((7, 3, 4, 5))
    view = transposed(stored(values), (2, 3, 0), {1: 2})
    np.testing.assert_array_equal(view[1:, :2], values[:, 2].transpose(1, 2, 0)[1:, :2])


@pytest.mark.parametrize("part", PARTS)
def test_points_make_an_image(stored, part):
    values = RNG.random((20, 7))
    np.testing.assert_array_equal(
        as_image(stored(values), (4, 5))[part], values.reshape(4, 5, 7)[part]
    )


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("missing", [False, True])
def test_points_go_to_their_places(stored, part, missing):
    values = RNG.integers(1, 9, (20, 7)).astype(np.uint16)
    place = RNG.permutation(20).reshape(4, 5)
    expected = values[place].astype(float)
    if missing:
        place[2, 1] = -1
        expected[2, 1] = np.nan
    view = placed(stored(values), place)
    assert view.dtype == (np.float32 if missing else np.uint16)
    np.testing.assert_array_equal(view[part], expected[part])


def test_sums_of_counts_do_not_overflow(stored):
    values = np.full((4, 5, 7), 60_000, np.uint16)
    view = summed([stored(values, "a.npy"), stored(values, "a.npy")])
    assert int(view[0, 0, 0]) == 120_000


def test_a_view_in_chunks_is_the_same_and_can_be_sent_away(stored, monkeypatch, tmp_path):
    values = RNG.random((7, 4, 5))
    np.save(tmp_path / "a.npy", values)
    monkeypatch.chdir(tmp_path)
    source = LazyArray(Path("a.npy"), "a", values.shape, values.dtype, fetch)
    lazy = load(transposed(source, (1, 2, 0)), {"y": 2, "x": 3})
    again = pickle.loads(pickle.dumps(lazy))
    monkeypatch.chdir("/")  # a worker has another working folder
    np.testing.assert_array_equal(again.compute(), values.transpose(1, 2, 0))
    assert "0x" not in repr(transposed(source, (1, 2, 0)).key), (
        "the key is the same in all processes"
    )
