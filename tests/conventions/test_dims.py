"""Which axis is the spectrum: what a file says wins over position, and a guess is stated."""

import itertools

import numpy as np
import pytest

from spectessera.conventions.dims import Dim, Evidence, find_axes, role_of
from spectessera.conventions.units import guessed_unit

NAMES = {"c": ["wavelength", "bands", "Energy (keV)", "spectral_axis", "channel"],
         "y": ["y", "lat", "rows", "projection_y_coordinate", "downtrack"],
         "x": ["x", "lon", "cols", "projection_x_coordinate", "crosstrack"]}  # fmt: skip
SIZES = {"y": 4, "x": 5, "c": 7}


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("stored", [*map("".join, itertools.permutations("yxc"))])
def test_names_of_dimensions_decide_whatever_the_order(stored, number):
    shape = tuple(SIZES[letter] for letter in stored)
    dims = [Dim(NAMES[letter][number]) for letter in stored]
    axes = find_axes("a", Evidence(shape, dims))
    assert axes.order == tuple(stored.index(letter) for letter in "yxc")
    assert "names of dimensions" in axes.how
    assert not axes.note


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("x_axis", "x"), ("scan_x", "x"), ("axis-0", ""), ("dim_0", ""), ("C", "channel"),
        ("time", ""), ("detector", "detector"), ("Wavelength [nm]", "channel"), ("Y", "y"),
        ("phony_dim_2", ""), ("ramanShift", "channel"), ("", ""), ("z", ""),
    ],
)  # fmt: skip
def test_names_have_roles(name, role):
    assert role_of(Dim(name)) == role


def test_attributes_of_the_array_along_a_dimension_say_what_it_is():
    assert role_of(Dim("d0", attrs={"standard_name": "radiation_wavelength"})) == "channel"
    assert role_of(Dim("d1", "degrees_north")) == "y"
    assert role_of(Dim("d2", attrs={"axis": "X"})) == "x"


def test_two_names_of_spectra_contradict_each_other():
    dims = [Dim("wavelength"), Dim("y"), Dim("channel")]
    with pytest.raises(ValueError, match=r"more than one is named like a spectrum.*--axes"):
        find_axes("a", Evidence((7, 4, 5), dims))


def test_of_two_names_the_one_with_a_spectral_unit_is_the_spectrum():
    dims = [Dim("energy", "keV"), Dim("y"), Dim("channel")]
    assert find_axes("a", Evidence((7, 4, 5), dims)).order == (1, 2, 0)


@pytest.mark.parametrize("units", [("eV", "um", "um"), ("nm", "deg", "deg"), ("cm-1", "", "")])
def test_units_decide_if_names_do_not(units):
    axes = find_axes("a", Evidence((7, 4, 5), [Dim("", unit) for unit in units]))
    assert axes.order == (1, 2, 0)
    assert "units" in axes.how


def test_positions_in_micrometres_are_no_wavelengths():
    dims = [Dim("", "um"), Dim("", "um"), Dim("", "")]
    assert find_axes("a", Evidence((4, 5, 7), dims)).order == (0, 1, 2)


def test_an_array_that_fits_one_axis_decides():
    axes = find_axes("a", Evidence((7, 4, 5), spectral={"energy": 7}))
    assert axes.order == (1, 2, 0)
    assert axes.how == "energy has one value for each of axis 0"


def test_arrays_that_fit_different_axes_contradict_each_other():
    with pytest.raises(ValueError, match="'energy' along axis 0 and 'wavelength' along axis 2"):
        find_axes("a", Evidence((7, 4, 5), spectral={"energy": 7, "wavelength": 5}))


def test_an_array_that_fits_two_axes_does_not_decide_but_the_last_is_likelier():
    axes = find_axes("a", Evidence((7, 4, 7), spectral={"energy": 7}))
    assert axes.order == (0, 1, 2)
    assert "nothing names the axes" in axes.note
    assert find_axes("a", Evidence((7, 7, 5), spectral={"energy": 7})).order == (1, 2, 0)


def test_an_image_beside_the_cube_decides():
    assert find_axes("a", Evidence((7, 4, 5), images={"mask": (4, 5)})).order == (1, 2, 0)


def test_a_known_layout_decides_before_position_and_after_names():
    known = {"layout": (1, 2, 0), "program": "MAPS"}
    assert find_axes("a", Evidence((7, 4, 5), **known)).how == "layout of MAPS"
    dims = [Dim("y"), Dim("x"), Dim("energy")]
    assert find_axes("a", Evidence((7, 4, 5), dims, **known)).order == (0, 1, 2)


def test_position_is_stated():
    axes = find_axes("scan.h5: 'cube'", Evidence((4, 5, 7)))
    assert axes.order == (0, 1, 2)
    assert axes.how == "position"
    assert "nothing names the axes of 'cube': the last one (length 7)" in axes.note


def test_the_user_wins_over_names():
    dims = [Dim("y"), Dim("x"), Dim("wavelength")]
    axes = find_axes("a", Evidence((7, 4, 5), dims), "cxy")
    assert axes.order == (2, 1, 0)
    assert axes.how == "the argument axes (cxy)"


@pytest.mark.parametrize("shape", [(7, 1, 1, 4, 5), (1, 7, 4, 1, 5)])
def test_axes_of_length_1_are_dropped(shape):
    names = {7: "C", 4: "Y", 5: "X"}
    axes = find_axes("a", Evidence(shape, [Dim(names.get(size, "T")) for size in shape]))
    assert axes.order == tuple(shape.index(size) for size in (4, 5, 7))
    assert [shape[n] for n in axes.drop] == [1, 1]


def test_a_named_axis_of_length_1_is_not_the_one_that_is_dropped():
    dims = [Dim("time"), Dim("wavelength"), Dim("y"), Dim("x")]
    assert find_axes("a", Evidence((1, 7, 1, 5), dims)).order == (2, 3, 1)


@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 4, 5)])
def test_other_numbers_of_axes_are_refused(shape):
    with pytest.raises(ValueError, match="a cube has 3 axes"):
        find_axes("a", Evidence(shape))


@pytest.mark.parametrize(
    ("name", "low", "high", "unit"),
    [
        ("wavelength", 400, 2500, "nm"), ("WAVE", 3600, 9000, "angstrom"), ("lambda", 1, 5, "um"),
        ("energy", 0, 40, "keV"), ("energy", 0, 40000, "eV"), ("Energy loss", 1, 9, "eV"),
        ("raman_shift", 100, 3000, "cm-1"), ("wavelength_um", 400, 700, "um"), ("x", 0, 9, ""),
    ],
)  # fmt: skip
def test_a_missing_unit_is_guessed_from_name_and_range_and_stated(name, low, high, unit):
    guessed, _, note = guessed_unit(name, np.linspace(low, high, 5))
    assert guessed == unit
    assert bool(note) == bool(unit)
