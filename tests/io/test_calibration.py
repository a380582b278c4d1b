"""Axes that a file gives as the width of a channel and the first value."""

import h5py
import numpy as np
import pytest

from spectessera import read
from spectessera.cube import spectral_axis


def _file(path, at, **attributes):
    with h5py.File(path, "w") as file:
        file["scan/mca"] = np.ones((3, 4, 8), "u2")
        place = file if at == "" else file[at]
        place.attrs.update(attributes)
    return path


@pytest.mark.parametrize("at", ["scan/mca", "scan", ""])
@pytest.mark.parametrize(
    "attributes",
    [
        {"gain_keV": 0.25, "offset_keV": 0.5},
        {"gain": "0.25 keV", "offset": "500 eV"},
        {"energy_step": 0.25, "energy_step_unit": "keV", "zero_keV": 0.5},
        {"keV_per_channel": 0.25, "e0 (keV)": 0.5, "e0 (keV)_unit": "keV"},
    ],
    ids=["in the name", "in the text", "beside", "per channel"],
)
def test_gain_and_offset_in_attributes_are_the_axis(tmp_path, at, attributes):
    cube = read(_file(tmp_path / "a.h5", at, **attributes))
    axis = spectral_axis(cube).to("keV")
    np.testing.assert_allclose(axis.values, 0.5 + 0.25 * np.arange(8))
    assert "attributes" in cube.attrs["axis_from"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"gain": 2.0, "offset": 1.0},  # of the values, as far as anyone knows
        {"adc_gain_eV": 2.0},
        {"step_nm": 5.0, "origin_nm": 1.0},  # of the pixels
    ],
)
def test_gains_of_other_things_are_no_axis(tmp_path, attributes):
    assert spectral_axis(read(_file(tmp_path / "a.h5", "scan/mca", **attributes))).kind == "channel"


@pytest.mark.parametrize("gain", ["1.2.3 keV", "... keV", ". keV", "1e999 keV"])
def test_what_is_no_number_is_no_gain(tmp_path, gain):
    """The file could not be read at all, not even with energies that were given."""
    path = _file(tmp_path / "a.h5", "scan/mca", gain=gain)
    assert spectral_axis(read(path)).kind == "channel"
    assert spectral_axis(read(path, energy=(1, 8))).kind == "energy"


def test_a_gain_beyond_all_numbers_is_none(tmp_path):
    path = _file(tmp_path / "a.h5", "scan/mca", gain_keV=1e308, offset_keV=1e308)
    assert spectral_axis(read(path)).kind == "channel"
