"""Cubes in the format of HyperSpy: what its documentation says a file holds."""

import h5py
import numpy as np
import pytest
import xarray as xr

from spectessera.axis import Axis
from spectessera.cube import make_cube
from spectessera.io import read, write

SHAPE = (4, 5, 7)


def written(tmp_path, axis, **kwargs):
    """Write a cube and return the open file and the group of the signal."""
    values = np.arange(140, dtype=np.uint16).reshape(SHAPE)
    cube = make_cube(values, axis=axis, **kwargs)
    cube = cube.assign_coords(x=("x", np.arange(5) ** 2.0, {"units": "mm"}))
    write(cube.chunk({"y": 3}), tmp_path / "scan.hspy")
    file = h5py.File(tmp_path / "scan.hspy")
    (group,) = file["Experiments"].values()
    return file, group


def test_a_signal_has_values_three_axes_and_the_groups_that_are_expected(tmp_path):
    attrs = {"object": "page 7/8", "unit": "counts"}
    file, group = written(tmp_path, Axis(np.linspace(1, 2.2, 7), "keV"), attrs=attrs)
    with file:
        assert file.attrs["file_format"] == "HyperSpy"
        assert group.name == "/Experiments/page 7-8"
        np.testing.assert_array_equal(group["data"], np.arange(140).reshape(SHAPE))
        one = dict(group["axis-2"].attrs)
        assert (one["units"], one["size"], one["navigate"]) == ("keV", 7, False)
        np.testing.assert_allclose([one["offset"], one["scale"]], [1, 0.2])
        assert [group[f"axis-{n}"].attrs["name"] for n in range(3)] == ["y", "x", "Energy"]
        assert [group[f"axis-{n}"].attrs["navigate"] for n in range(2)] == [True, True]
        assert group["axis-0"].attrs["size"] == 4
        assert group["axis-1"].attrs["_type"] == "DataAxis"
        np.testing.assert_array_equal(group["axis-1/axis"], np.arange(5) ** 2)
        assert {"metadata", "original_metadata", "learning_results"} <= set(group)
        assert group["metadata/General"].attrs["title"] == "page 7/8"
        assert group["original_metadata"].attrs["unit"] == "counts"


@pytest.mark.parametrize("values", [np.arange(1, 8) ** 2.0, np.arange(8, 1, -1) ** 2.0])
def test_an_axis_of_uneven_steps_is_an_array(tmp_path, values):
    file, group = written(tmp_path, Axis(values, "nm", medium="air"))
    with file:
        assert group["axis-2"].attrs["_type"] == "DataAxis"
        np.testing.assert_array_equal(group["axis-2/axis"], values)
        assert group["axis"].attrs["medium"] == "air"


def test_the_variance_is_a_signal_in_the_metadata_and_stored_once(tmp_path):
    mask = np.arange(20).reshape(SHAPE[:2]) == 8
    file, group = written(tmp_path, Axis(np.arange(7)), variance=np.full(SHAPE, 2.0), mask=mask)
    with file:
        signal = group["metadata/Signal/Noise_properties/_sig_variance"]
        np.testing.assert_array_equal(signal["data"], np.full(SHAPE, 2.0))
        assert signal["axis-2"].attrs["units"] == "_None_"
        assert group["variance"] == signal["data"]
        np.testing.assert_array_equal(group["original_metadata/mask"], mask)
        assert group["original_metadata/mask"].chunks is not None


@pytest.mark.parametrize(
    "axis",
    [
        Axis(np.linspace(1, 2.2, 7), "keV"),
        Axis(np.linspace(2.2, 1, 7), "keV"),
        Axis(np.arange(1, 8) ** 2.0, "nm", medium="air"),
        Axis(np.arange(8, 1, -1) ** 2.0, "cm-1"),
        Axis(np.linspace(100, 200, 7), "eV", kind="energy_loss"),
        Axis(np.arange(7)),
    ],
    ids=lambda axis: axis.kind,
)
@pytest.mark.parametrize("chunks", [None, "auto"])
def test_a_cube_comes_back_as_it_was(tmp_path, axis, chunks):
    values = np.arange(140, dtype=np.uint16).reshape(SHAPE)
    mask = np.arange(20).reshape(SHAPE[:2]) == 8
    attrs = {"object": "page", "unit": "counts"}
    variance = np.full(SHAPE, 2.0)
    cube = make_cube(values, axis=axis, mask=mask, variance=variance, attrs=attrs)
    write(cube, tmp_path / "scan.hspy")
    found = read(tmp_path / "scan.hspy", chunks=chunks)
    xr.testing.assert_identical(found.compute(), cube)


def test_the_noise_of_a_signal_is_used_and_is_no_second_cube(tmp_path):
    """As HyperSpy itself writes it: nothing else lies beside the values."""
    file, group = written(
        tmp_path, Axis(np.arange(1, 8) * 1.0, "keV"), variance=np.full(SHAPE, 2.0)
    )
    file.close()
    with h5py.File(tmp_path / "scan.hspy", "r+") as file:
        (group,) = file["Experiments"].values()
        del group["variance"], group["axis"], file.attrs["creator"]
    found = read(tmp_path / "scan.hspy")
    assert (found["variance"] == 2).all()
    assert found.attrs["variance_from"].endswith("_sig_variance/data (variance)")
    assert found["energy"].values[0] == 1


@pytest.mark.parametrize(
    ("axis", "given", "expected"),
    [
        (Axis(np.arange(1.0, 8), "keV"), "EDS_TEM", "EDS_TEM"),
        (Axis(np.arange(1.0, 8), "keV"), "", ""),  # of X-rays, of electrons?
        (Axis(np.arange(100.0, 107), "eV", kind="energy_loss"), "", "EELS"),
        (Axis(np.arange(100.0, 107), "cm-1"), "", ""),
    ],
)
def test_the_type_of_a_signal_is_that_of_its_file_or_of_its_axis(tmp_path, axis, given, expected):
    file, group = written(tmp_path, axis, attrs={"signal_type": given} if given else {})
    with file:
        assert group["metadata/Signal"].attrs["signal_type"] == expected
