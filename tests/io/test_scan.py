"""Points of a scan find their places in the image."""

import numpy as np
import pytest

from spectessera.io._scan import grid_of, grid_of_motors, shape_in_title, steps_of

Y, X = np.divmod(np.arange(4 * 5), 5)


def test_titles_of_scans_give_the_image():
    assert shape_in_title("fscan2d sampz 0 0.1 24 sampy 0 0.1 30 0.01") == (24, 30)
    assert shape_in_title("amesh sampy 0 3 29 sampz 0 2.4 23 0.1") == (24, 30)
    assert shape_in_title("dmesh sx -1.5 1.5 9 sz -1e-1 1e-1 4 0.1") == (5, 10)
    assert shape_in_title("timescan 0.1") is None


@pytest.mark.parametrize("order", ["rows", "snake", "columns"])
def test_positions_give_the_grid_whatever_the_order(order):
    places = np.arange(20).reshape(4, 5)
    if order == "snake":
        places[1::2] = places[1::2, ::-1]
    if order == "columns":
        places = np.arange(20).reshape(5, 4).T
    y, x = np.empty(20), np.empty(20)
    y[places], x[places] = np.arange(4)[:, None] * 0.5 - 3, np.arange(5) * 0.2
    np.testing.assert_array_equal(grid_of(y, x), places)


def test_encoders_shake():
    rng = np.random.default_rng(0)
    y, x = (each * 0.1 + rng.uniform(-0.02, 0.02, 20) for each in (Y, X))
    np.testing.assert_array_equal(grid_of(y, x), np.arange(20).reshape(4, 5))


def test_a_scan_that_was_stopped_has_pixels_without_a_point():
    place = grid_of(Y[:17] * 1.0, X[:17] * 1.0)
    assert (place == -1).sum() == 3


def test_points_on_one_place_make_no_grid():
    assert grid_of(np.zeros(6), np.arange(6.0)) is None
    assert grid_of(np.r_[0, 0, 1, 1, 1, 0.0], np.r_[0, 1, 0, 1, 1, 0.0]) is None
    assert steps_of(np.full(4, 2.0)) is None


def test_the_vertical_motor_is_y_and_the_others_do_not_count():
    motors = {"sampy": X * 0.1, "sampz": Y * 0.1, "current": np.linspace(3, 2, 20) ** 2}
    place, y, x = grid_of_motors(motors)
    assert (y, x) == ("sampz", "sampy")
    np.testing.assert_array_equal(place, np.arange(20).reshape(4, 5))


def test_a_slow_horizontal_motor_is_x():
    place, y, x = grid_of_motors({"samx": Y * 0.1, "samz": X * 0.1})
    assert (y, x) == ("samz", "samx")
    np.testing.assert_array_equal(place, np.arange(20).reshape(4, 5).T)
