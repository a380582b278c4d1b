"""Noise and masks beside a cube, with their axes in another order, or only some of them."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import xarray as xr
from astropy.io import fits

from spectessera.io import read

Y, X, C = 4, 6, 5


def _scene(rows, columns):
    y, x, channel = np.ogrid[:rows, :columns, :C]
    return (1 + 100 * y + 7 * x + channel).astype("f4")


CUBE, SQUARE = _scene(Y, X), _scene(C, C)
NOISE = CUBE / 8


def _write(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[f"scan/{name}"] = values
    return path


@pytest.mark.parametrize("chunks", [None, "auto"])
@pytest.mark.parametrize("cube", [CUBE, SQUARE], ids=["rectangular", "all axes of one length"])
def test_noise_with_named_axes_in_another_order_is_turned(tmp_path, cube, chunks):
    image = np.zeros(cube.shape[:2], bool)
    image[1, 3] = True
    xr.Dataset(
        {
            "radiance": (("band", "y", "x"), cube.transpose(2, 0, 1)),
            "radiance_uncertainty": (("y", "x", "band"), cube / 8),
            "mask": (("x", "y"), image.T.astype("u1")),
        }
    ).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    found = read(tmp_path / "a.nc", chunks=chunks)
    np.testing.assert_allclose(found.values, cube)
    np.testing.assert_allclose(found.variance.values, (cube / 8) ** 2, rtol=1e-6)
    assert (found.mask.values == image).all()


@pytest.mark.parametrize("chunks", [None, "auto"])
@pytest.mark.parametrize(
    ("noise", "expected"),
    [
        (np.full((Y, X), 2.0), np.full(CUBE.shape, 4.0)),
        (np.full((1, Y, X), 2.0), np.full(CUBE.shape, 4.0)),
        (1.0 + np.arange(C), np.broadcast_to((1.0 + np.arange(C)) ** 2, CUBE.shape)),
        (np.moveaxis(NOISE, 2, 0), NOISE**2),
        (NOISE, NOISE**2),
    ],
    ids=["pixels", "one plane", "channels", "as the cube", "(y, x, channel)"],
)
def test_noise_of_fewer_axes_holds_along_the_others(tmp_path, noise, expected, chunks):
    path = _write(tmp_path / "a.h5", data=np.moveaxis(CUBE, 2, 0), energy=np.arange(1, C + 1.0),
                  error=noise)  # fmt: skip
    found = read(path, chunks=chunks)
    np.testing.assert_allclose(found.values, CUBE)
    np.testing.assert_allclose(found.variance.values, expected, rtol=1e-6)


def test_a_mask_follows_the_order_of_axes_that_the_user_gives(tmp_path):
    image = np.zeros((5, 5), bool)
    image[1, 3] = True
    path = _write(tmp_path / "a.h5", data=SQUARE.transpose(2, 1, 0), mask=image.T)
    found = read(path, axes="cxy")
    np.testing.assert_allclose(found.values, SQUARE)
    assert (found.mask.values == image).all()


def test_a_mask_of_channels_marks_channels(tmp_path):
    path = _write(tmp_path / "a.h5", data=CUBE, mask=np.arange(C) == 2)
    found = read(path)
    assert "mask" not in found.coords
    assert np.flatnonzero(found.bad_channel.values).tolist() == [2]


def test_noise_of_points_stored_channel_first_is_turned(tmp_path):
    path = _write(tmp_path / "a.h5", data=CUBE.reshape(-1, C).T, energy=np.arange(1, C + 1.0),
                  error=NOISE.reshape(-1, C).T, mask=np.arange(Y * X) == 7)  # fmt: skip
    found = read(path, shape=(Y, X))
    np.testing.assert_allclose(found.values, CUBE)
    np.testing.assert_allclose(found.variance.values, NOISE**2, rtol=1e-6)
    assert np.argwhere(found.mask.values).tolist() == [[1, 1]]


@pytest.mark.parametrize("chunks", [None, 2])
@pytest.mark.parametrize("suffix", ["npz", "fits"])
@pytest.mark.parametrize("scale", [1, 0.5])
def test_a_count_of_0_whose_error_is_its_root_is_measured(tmp_path, suffix, scale, chunks):
    """It became NaN: hardly any spectrum of few counts was usable."""
    values = scale * np.random.default_rng(0).poisson(0.8, (6, 4, 5)).astype(np.float32)
    error = np.sqrt(scale * values)
    path = tmp_path / f"cube.{suffix}"
    if suffix == "npz":
        np.savez(path, cube=values, error=error)
    else:
        images = [fits.ImageHDU(values.T, name="DATA"), fits.ImageHDU(error.T, name="ERR")]
        fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)
        values = values.swapaxes(0, 1)
    cube = read(path, chunks=chunks)
    np.testing.assert_array_equal(cube.values, values)


def test_a_0_whose_error_is_0_is_missing_where_errors_are_no_roots(tmp_path):
    values = np.random.default_rng(0).poisson(9, (6, 4, 5)).astype(np.float32)
    error = np.full(values.shape, 3, np.float32)
    values[2, 1, 3] = error[2, 1, 3] = 0
    np.savez(tmp_path / "cube.npz", cube=values, error=error)
    assert np.argwhere(np.isnan(read(tmp_path / "cube.npz").values)).tolist() == [[2, 1, 3]]


def test_packed_noise_is_unpacked(tmp_path):
    names = ("y", "x", "band")
    data = xr.Dataset({"cube": (names, CUBE), "cube_error": (names, np.full_like(CUBE, 2.5))})
    packing = {"dtype": "i2", "scale_factor": 0.01, "_FillValue": -9999}
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf", encoding={"cube_error": packing})
    np.testing.assert_allclose(read(tmp_path / "a.nc").variance.values, 6.25, rtol=1e-6)


@pytest.mark.parametrize("name", ["toa_unc", "toa_sd"])
def test_cf_attributes_name_the_noise(tmp_path, name):
    names = ("y", "x", "band")
    noise = xr.Variable(names, np.full_like(CUBE, 2), {"standard_name": "radiance standard_error"})
    cube = xr.Variable(names, CUBE, {"ancillary_variables": f"flags {name}"})
    xr.Dataset({"toa": cube, name: noise}).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    assert (read(tmp_path / "a.nc").variance.values == 4).all()


def test_noise_and_times_of_one_detector_are_not_those_of_the_sum(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number in range(2):
            group = file.create_group(f"entry/mca_{number}")
            group["data"], group["error"] = CUBE, NOISE
            group["live_time"] = np.ones((Y, X))
    found = read(tmp_path / "a.h5", detectors="sum")
    np.testing.assert_allclose(found.values, 2 * CUBE)
    assert "variance" not in found.coords
    assert "live_time" not in found.coords
    assert "entry/mca_0/error" in found.attrs["reading_notes"]
    assert "variance" in read(tmp_path / "a.h5", detectors=1).coords


@pytest.mark.parametrize("value", [-9999.0, "-9999"])
@pytest.mark.parametrize("name", ["Data_Ignore_Value", "missing_value", "nodata"])
def test_the_number_for_missing_values_becomes_nan(tmp_path, name, value):
    stored = CUBE.astype("i2")
    stored[2, 3] = -9999
    path = _write(tmp_path / "a.h5", data=stored)
    with h5py.File(path, "a") as file:
        file["scan/data"].attrs[name] = value
    found = read(path)
    assert np.isnan(found.values[2, 3]).all()
    assert np.isnan(found.values).sum() == C


def test_a_shape_that_fits_another_table_by_chance_is_an_error(tmp_path):
    path = _write(tmp_path / "a.h5", data=CUBE, lookup=np.zeros((2 * 3, 7)))
    with pytest.raises(ValueError, match=r"'scan/data' has shape \(4, 6, 5\), an image already"):
        read(path, shape=(2, 3))


def test_points_beside_a_preview_are_the_cube_that_shape_means(tmp_path):
    path = _write(tmp_path / "a.h5", data=CUBE.reshape(-1, C), maps=np.zeros((2, Y, X)))
    np.testing.assert_allclose(read(path, shape=(Y, X)).values, CUBE)


def test_points_that_run_down_the_columns(tmp_path):
    path = _write(tmp_path / "a.h5", data=CUBE.transpose(1, 0, 2).reshape(-1, C))
    np.testing.assert_allclose(read(path, shape=(Y, X), axes="xyc").values, CUBE)


@pytest.mark.parametrize(
    ("given", "words"),
    [({"axes": "yxc"}, "without shape"), ({"shape": (Y, X), "axes": "ycx"}, "first or last"),
     ({"shape": (Y, X), "detectors": 7}, "there is no detector 7"),
     ({"shape": (3, 3)}, "none of two axes has the 3 x 3 points")],
)  # fmt: skip
def test_what_makes_no_sense_for_points_is_an_error(tmp_path, given, words):
    path = _write(tmp_path / "a.h5", data=CUBE.reshape(-1, C))
    with pytest.raises(ValueError, match=words):
        read(path, key=None if "3" in words else "scan/data", **given)


@pytest.mark.parametrize(("detectors", "factor"), [("sum", 3), (1, 2)])
def test_noise_with_an_axis_of_detectors_does_not_prevent_reading(tmp_path, detectors, factor):
    names = ("y", "x", "detector", "energy")
    counts = np.stack([CUBE, 2 * CUBE], 2)
    data = xr.Dataset({"xrf": (names, counts), "xrf_error": (names, np.ones_like(counts))})
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    cube = read(tmp_path / "a.nc", detectors=detectors)
    np.testing.assert_allclose(cube.values, factor * CUBE)
    assert "variance" not in cube.coords
    assert "xrf_error has an axis of detectors: not used" in cube.attrs["reading_notes"]
