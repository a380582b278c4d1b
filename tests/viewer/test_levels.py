"""Parts of maps: no label is invented, means are those of the pixels that are covered."""

import numpy as np
import pytest

from spectessera.viewer.levels import Levels


def values(shape=(37, 53)):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_a_part_as_large_as_the_screen_is_the_map_itself():
    image = values()
    np.testing.assert_array_equal(Levels(image).view(3, 20, 5, 50, 17, 45), image[3:20, 5:50])
    np.testing.assert_array_equal(Levels(image).view(-9, 99, -9, 99, 500, 500), image)


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 8])
def test_means_are_those_of_numpy_where_parts_are_whole(factor):
    image = values((6 * factor, 7 * factor))
    want = image.reshape(6, factor, 7, factor).mean(axis=(1, 3), dtype=np.float64)
    got = Levels(image).view(0, 6 * factor, 0, 7 * factor, 6, 7)
    if factor in (2, 4, 8):  # others come from a level of halves, half a pixel of it off at most
        np.testing.assert_allclose(got, want, atol=1e-6)
    assert got.mean() == pytest.approx(image.mean(), abs=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (301, 2), (64, 65)])
@pytest.mark.parametrize("size", [(1, 1), (3, 1), (1, 200), (31, 33), (1000, 1000)])
def test_a_constant_map_stays_constant_at_every_size(shape, size):
    got = Levels(np.full(shape, 7.0)).view(0, shape[0], 0, shape[1], *size)
    assert 1 <= got.shape[0] <= min(size[0], shape[0])
    assert 1 <= got.shape[1] <= min(size[1], shape[1])
    np.testing.assert_array_equal(got, 7)


def test_a_ramp_keeps_its_place():
    """What is seen at half of the width is what the map has there, at any zoom."""
    ramp = np.broadcast_to(np.arange(1000.0), (40, 1000))
    levels = Levels(ramp)
    for x0, x1 in [(0, 1000), (17, 983), (300, 777), (501, 999), (3, 260)]:
        got = levels.view(0, 40, x0, x1, 20, 100)[0]
        middles = x0 + (np.arange(len(got)) + 0.5) * (x1 - x0) / len(got) - 0.5
        assert np.abs(got - middles).max() <= (x1 - x0) / len(got)


def test_missing_values_are_left_out_and_not_spread():
    image = np.array([[1.0, np.nan, np.inf, 5.0], [3.0, 2.0, np.nan, -np.inf], [9.97e36] * 4])
    levels = Levels(image)
    np.testing.assert_array_equal(levels.view(0, 2, 0, 4, 1, 2), [[2.0, 5.0]])
    assert np.isnan(levels.view(2, 3, 0, 4, 1, 2)).all()
    assert np.isnan(Levels(np.full((5, 5), np.nan)).view(0, 5, 0, 5, 2, 2)).all()


def test_huge_values_do_not_overflow():
    image = np.full((1025, 3), 1e30)
    np.testing.assert_allclose(Levels(image).view(0, 1025, 0, 3, 7, 1), 1e30, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.int64, bool])
def test_no_label_is_invented_and_the_type_stays(dtype):
    image = np.where(values() > 0, 1, 0).astype(dtype)
    if dtype is not bool:
        image *= 9  # a mean would be between
    levels = Levels(image, "label")
    for size in [(1, 1), (5, 9), (20, 40), (36, 52), (99, 99)]:
        got = levels.view(0, 37, 0, 53, *size)
        assert got.dtype == image.dtype
        assert set(np.unique(got)) <= set(np.unique(image))
    np.testing.assert_array_equal(levels.view(1, 31, 2, 52, 10, 10), image[2:31:3, 4:52:5])


def test_what_is_outside_is_nothing():
    for kind in ("label", "value"):
        levels = Levels(np.ones((4, 5), int), kind)
        assert levels.view(7, 9, 0, 5, 10, 10).shape == (0, 0)
        assert levels.view(2, 2, 0, 5, 10, 10).shape == (0, 0)
        with pytest.raises(ValueError, match="height"):
            levels.view(0, 4, 0, 5, 0, 10)


@pytest.mark.parametrize(
    ("image", "kind", "match"),
    [
        (np.ones(3), "value", "2 axes"),
        (np.ones((0, 3)), "value", "at least one pixel"),
        (np.ones((2, 2)), "mean", "kind"),
        (np.array([["a"]]), "label", "real numbers"),
    ],
)
def test_what_is_no_map_is_refused(image, kind, match):
    with pytest.raises((ValueError, TypeError), match=match):
        Levels(image, kind)
