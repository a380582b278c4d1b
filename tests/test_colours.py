"""The colours of clusters."""

import numpy as np
import pytest

from spectessera.colours import MASKED, _distance, _lab_of_eyes, colours, paint


def test_no_colour_comes_twice_among_sixty_four_nor_is_that_of_masked_pixels():
    found = colours(64)
    assert found.shape == (64, 3)
    assert found.dtype == np.uint8
    assert len(np.unique(np.concatenate([found, MASKED[None]]), axis=0)) == 65


def test_colours_stay_apart_for_colour_blind_eyes_too():
    lab = _lab_of_eyes(np.concatenate([colours(20), MASKED[None]]))
    for one in range(20):
        assert _distance(lab, lab[:, one : one + 1])[one + 1 :].min() > 15  # CIELAB


def test_cluster_two_has_the_same_colour_whatever_the_number_of_clusters():
    np.testing.assert_array_equal(colours(64)[:5], colours(5))


def test_no_clusters_no_colours():
    assert colours(0).shape == (0, 3)


def test_more_clusters_than_colours_begin_anew():
    np.testing.assert_array_equal(colours(300)[256:], colours(44))


def test_paint_gives_each_label_its_colour_and_zero_the_masked_one():
    picture = paint(np.array([[0, 1, 2], [2, 2, 0]], dtype=np.int16))
    assert picture.shape == (2, 3, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[0, 0], MASKED)
    np.testing.assert_array_equal(picture[0, 1], colours(2)[0])
    np.testing.assert_array_equal(picture[1, 0], colours(2)[1])


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (np.zeros(3, int), ValueError, "2 axes"),
        (np.zeros((2, 3)), TypeError, "integers"),
        (np.full((2, 3), -1), ValueError, "add 1"),
    ],
)
def test_paint_refuses_what_is_no_label_map(wrong, error, words):
    with pytest.raises(error, match=words):
        paint(wrong)


def test_colours_cannot_be_changed_by_accident():
    colours(3)[:] = 0
    assert colours(3).any()
    with pytest.raises(ValueError, match="read-only"):
        MASKED[0] = 0
