"""Arrays beside a cube that mark its channels: names and senses."""

import numpy as np
import pytest

from spectessera.io._channels import bad_channels_of, bad_windows_of, marks_channels


@pytest.mark.parametrize(
    "name", ["bbl", "BBL", "sensor_band_parameters/good_wavelengths", "Good_Bands", "valid bands"]
)
def test_zero_is_bad_in_lists_of_good_channels(name):
    assert bad_channels_of(name, np.array([1, 0, 1, 1])).bad.tolist() == [False, True, False, False]


@pytest.mark.parametrize("name", ["bad_channel", "cube/Bad-Channels", "dead_channels"])
def test_one_is_bad_in_lists_of_bad_channels(name):
    assert bad_channels_of(name, [True, False, False]).bad.tolist() == [True, False, False]


@pytest.mark.parametrize("values", [[1, 1, 0, 1], [0, 0, 1, 0]])
def test_the_fewer_are_bad_where_a_name_has_both_senses_and_that_is_stated(values):
    found = bad_channels_of("meta/bad_bands", values)
    assert found.bad.tolist() == [False, False, True, False]
    assert "bad_bands" in found.note


def test_equal_marks_of_an_ambiguous_name_mark_nothing():
    assert not bad_channels_of("bad_bands", [0, 0, 0]).bad.any()
    assert not bad_channels_of("bad_bands", [1, 1, 1]).bad.any()


def test_a_list_that_marks_all_channels_is_not_used_and_that_is_stated():
    found = bad_channels_of("bbl", [0, 0, 0])
    assert not found.bad.any()
    assert "every channel" in found.note


def test_factors_of_envi_are_good_unless_zero():
    assert bad_channels_of("bbl", [0.5, 0.0, 2.0]).bad.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("wavelength", [1, 0]),
        ("good_bands", [3, 7]),  # numbers of channels, not marks
        ("good_bands", [[1, 0]]),
        ("good_bands", ["yes", "no"]),
        ("bbl", []),
    ],
)
def test_anything_else_marks_no_channels(name, values):
    assert bad_channels_of(name, values) is None


def test_a_name_is_recognised_by_its_last_part_alone():
    assert marks_channels("a/b/good_wavelengths")
    assert not marks_channels("good_wavelengths/values")


@pytest.mark.parametrize("window", [[1340, 1445], "1340,1445", "[1340.0 1445.0]"])
def test_windows_of_neon_are_bad(window):
    bad = bad_windows_of({"Band_Window_1_Nanometers": window}, np.array([1330, 1340, 1400, 1450]))
    assert bad.tolist() == [False, True, True, False]


def test_attributes_without_windows_mark_nothing():
    assert bad_windows_of({"Scale_Factor": 1e4}, np.arange(3.0)) is None
    assert bad_windows_of({"Band_Window_1_Nanometers": "none"}, np.arange(3.0)) is None
