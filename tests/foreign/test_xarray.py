"""DataArrays with dimensions of any names in any order become cubes."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from spectessera import make_cube
from spectessera.axis import Axis
from spectessera.cube import DIMS, check_cube, spectral_axis

SHAPE = (3, 5, 8)  # y, x, channel


def values():
    """Return values that show a wrong order of axes at once."""
    y, x, c = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    return (1.0 + 1000 * y + 30 * x + c).astype(np.float32)


def in_order(order, names, **kwargs):
    """Return the values with their axes (y, x, channel) in another order, under other names."""
    coords = kwargs.pop("coords", {})
    array = xr.DataArray(values().transpose(order), dims=[names[n] for n in order], **kwargs)
    return array.assign_coords(coords)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2), (2, 1, 0), (0, 2, 1)])
@pytest.mark.parametrize(
    "names",
    [
        ("y", "x", "channel"),
        ("lat", "lon", "band"),
        ("row", "col", "wavelength"),
        ("Y", "X", "Energy (keV)"),
        ("line", "sample", "bands"),
        ("northing", "easting", "wl_nm"),
        ("latitude", "longitude", "spectral"),
    ],
)
def test_names_of_dimensions_say_which_is_which(order, names):
    cube = make_cube(in_order(order, names))
    assert cube.dims == DIMS
    np.testing.assert_array_equal(cube, values())
    assert "reading_notes" not in cube.attrs


@pytest.mark.parametrize("lazy", [False, True])
def test_a_coordinate_with_a_unit_is_the_axis_even_beside_band_numbers(lazy):
    coords = {
        "band": ("band", np.arange(1, 9)),
        "wavelength": ("band", np.linspace(400, 750, 8), {"units": "nanometers"}),
        "lat": ("lat", [50.0, 50.1, 50.2], {"units": "degrees_north"}),
    }
    array = in_order((2, 0, 1), ("lat", "lon", "band"), coords=coords)
    array = array.chunk({"lat": 2}) if lazy else array
    cube = make_cube(array)
    assert isinstance(cube.data, da.Array) == lazy
    np.testing.assert_array_equal(cube, values())
    assert spectral_axis(cube) == Axis(np.linspace(400, 750, 8), "nm")
    np.testing.assert_array_equal(cube["y"], [50.0, 50.1, 50.2])
    assert cube["y"].attrs == {"units": "degrees_north"}
    assert "lat" not in cube.coords


def test_a_wavelength_without_unit_is_guessed_and_stated():
    array = in_order((2, 0, 1), ("y", "x", "wavelength"))
    cube = make_cube(array.assign_coords(wavelength=np.linspace(400.0, 750, 8)))
    assert spectral_axis(cube).unit == "nm"
    assert "wavelength" in cube.attrs["reading_notes"]


def test_a_unit_of_one_coordinate_decides_where_names_say_nothing():
    coords = {"c": ("c", np.linspace(1.0, 8, 8), {"units": "keV"})}
    cube = make_cube(in_order((2, 0, 1), ("a", "b", "c"), coords=coords))
    np.testing.assert_array_equal(cube, values())
    assert spectral_axis(cube).kind == "energy"


def test_where_nothing_says_it_position_decides_and_is_stated():
    cube = make_cube(xr.DataArray(values()))
    np.testing.assert_array_equal(cube, values())
    assert "taken as the spectrum" in cube.attrs["reading_notes"]


def test_noise_mask_and_reference_go_along_in_the_same_order():
    names = ("lat", "lon", "band")
    array = in_order((2, 1, 0), names)
    mask = np.arange(15).reshape(3, 5) == 7
    array = array.assign_coords(
        variance=(array.dims, 2 * array.values),
        mask=(("lon", "lat"), mask.T),
        reference=(("lat", "lon"), mask.astype(int)),
        bad_channel=("band", np.arange(8) == 3),
    )
    cube = make_cube(array)
    np.testing.assert_array_equal(cube["variance"], 2 * values())
    np.testing.assert_array_equal(cube["mask"], mask)
    np.testing.assert_array_equal(cube["reference"], mask)
    assert cube["bad_channel"].dims == ("channel",)
    check_cube(cube)


def test_a_cube_stays_as_it_is():
    cube = make_cube(
        values().astype(np.uint16), axis=Axis(np.linspace(30, 1, 8), "eV", kind="energy_loss"),
        variance=2 * values(), mask=np.zeros(SHAPE[:2], bool), attrs={"source": "a"},
    )  # fmt: skip
    xr.testing.assert_identical(make_cube(cube), cube)
    xr.testing.assert_identical(make_cube(cube.transpose("channel", "x", "y")), cube)
    assert make_cube(cube).dtype == np.uint16


def test_what_is_given_goes_before_what_the_array_has():
    array = in_order((2, 0, 1), ("y", "x", "wavelength"))
    array = array.assign_coords(
        wavelength=("wavelength", np.linspace(400, 750, 8), {"units": "nm"})
    )
    assert spectral_axis(make_cube(array, energy=(1, 8))).kind == "energy"
    assert spectral_axis(make_cube(array, unit="um")).unit == "um"
    assert spectral_axis(make_cube(array, medium="air")).medium == "air"
    mask = np.ones(SHAPE[:2], bool)
    assert make_cube(array, mask=mask)["mask"].all()


def test_marks_of_missing_values_that_xarray_left_are_applied():
    array = in_order((2, 0, 1), ("y", "x", "band")).astype(np.int16)
    array[2, 1, 4] = -999
    array.attrs = {"_FillValue": -999, "scale_factor": 0.5, "add_offset": 1.0}
    cube = make_cube(array)
    assert np.isnan(cube.values[1, 4, 2])
    assert cube.values[2, 3, 4] == 0.5 * values()[2, 3, 4] + 1
    assert "-999" in cube.attrs["reading_notes"]
    assert "_FillValue" not in cube.attrs


def test_attributes_that_are_no_texts_or_numbers_are_left_out():
    array = in_order((0, 1, 2), ("y", "x", "band"))
    array.attrs = {"units": "W/m2", "history": ["a"], "flag": True, "gain": np.float32(2)}
    assert make_cube(array).attrs == {"unit": "W/m2", "flag": 1, "gain": 2.0}


def test_a_dataset_names_its_variables():
    data = xr.Dataset({"img": (("y", "x", "c"), values()), "dark": (("y", "x"), values()[..., 0])})
    with pytest.raises(ValueError, match=r"data\['img'\].*img \(3, 5, 8\), dark \(3, 5\)"):
        make_cube(data)


def test_an_array_without_three_axes_is_refused():
    for array in (values()[..., 0], np.ones((2, 3, 4, 5))):
        with pytest.raises(ValueError, match="3 axes"):
            make_cube(xr.DataArray(array))


def test_axes_of_length_one_are_left_out():
    array = in_order((2, 0, 1), ("y", "x", "band")).expand_dims("time")
    np.testing.assert_array_equal(make_cube(array), values())


def test_a_cube_in_another_order_is_said_to_need_make_cube():
    with pytest.raises(ValueError, match="make_cube"):
        check_cube(in_order((2, 0, 1), ("lat", "lon", "band")))


def test_an_axis_in_a_unit_that_is_not_known_is_stated_and_a_known_one_goes_before_it():
    depth = ("band", np.arange(8.0), {"units": "furlong"})
    array = in_order((0, 1, 2), ("y", "x", "band"), coords={"depth": depth})
    cube = make_cube(array)
    assert spectral_axis(cube).kind == "channel"
    assert cube.attrs["axis_note"] == "'depth' is in 'furlong'"
    known = make_cube(
        array.assign_coords(wavelength=("band", np.arange(8.0) + 400, {"units": "nm"}))
    )
    assert spectral_axis(known) == Axis(np.arange(8.0) + 400, "nm")
    assert "axis_note" not in known.attrs


def test_coordinates_that_are_no_numbers_or_of_no_axis_are_left_out():
    array = in_order((0, 1, 2), ("y", "x", "band"), coords={
        "name": ("y", list("abc")), "time": 7.0, "index": ("band", np.arange(8)),
        "live_time": (("x", "y"), np.arange(15.0).reshape(5, 3)),
    })  # fmt: skip
    cube = make_cube(array)
    assert {"name", "time"}.isdisjoint(cube.coords)
    np.testing.assert_array_equal(cube["live_time"], np.arange(15.0).reshape(5, 3).T)
    assert cube["live_time"].dims == ("y", "x")
