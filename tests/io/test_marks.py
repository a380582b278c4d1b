"""Marks of channels and times of pixels, read from files and written to them."""

import h5py
import numpy as np
import pytest
import xarray as xr
from astropy.io import fits

from spectessera.channels import marked
from spectessera.cube import make_cube, spectral_axis
from spectessera.io import read, write

SHAPE = (4, 5, 7)
BAD = np.arange(7) == 2


@pytest.fixture
def cube():
    values = np.arange(140, dtype=np.float32).reshape(SHAPE)
    times = 0.5 + np.arange(20.0).reshape(4, 5)
    made = marked(make_cube(values, energy=(1.0, 7.0)), BAD)
    return made.assign_coords(
        live_time=(("y", "x"), times, {"units": "s"}),
        real_time=(("y", "x"), 2 * times, {"units": "s"}),
        dead_time=(("y", "x"), times / 40, {"units": "1"}),
    )


@pytest.mark.parametrize("chunks", [None, 2])
@pytest.mark.parametrize("suffix", [".nc", ".h5", ".zarr", ".fits", ".fits.gz", ".hspy"])
def test_every_format_keeps_bad_channels_and_times(cube, suffix, chunks, tmp_path):
    write(cube, tmp_path / f"cube{suffix}")
    again = read(tmp_path / f"cube{suffix}", chunks=chunks)
    np.testing.assert_array_equal(again, cube)
    assert again["bad_channel"].dtype == bool
    assert again["bad_channel"].values.tolist() == BAD.tolist()
    for name in ("live_time", "real_time", "dead_time"):
        np.testing.assert_array_equal(again[name], cube[name])
        assert again[name].attrs["units"] == cube[name].attrs["units"]


def test_emit_marks_its_channels_in_another_group(tmp_path):
    path = tmp_path / "emit.nc"
    values = np.arange(140, dtype=np.float32).reshape(SHAPE)
    cube = xr.DataArray(values, dims=("downtrack", "crosstrack", "bands"), name="reflectance")
    cube.to_netcdf(path, engine="h5netcdf")
    with h5py.File(path, "a") as file:
        group = file.create_group("sensor_band_parameters")
        group["wavelengths"] = np.linspace(400, 1000, 7)
        group["wavelengths"].attrs["units"] = "nm"
        group["fwhm"] = np.full(7, 8.5)
        group["good_wavelengths"] = (~BAD).astype("u1")
    again = read(path)
    np.testing.assert_array_equal(again, values)
    assert again["bad_channel"].values.tolist() == BAD.tolist()
    assert again["fwhm"].values.tolist() == [8.5] * 7


def test_neon_marks_windows_in_attributes(tmp_path):
    path = tmp_path / "neon.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("SITE/Reflectance/Reflectance_Data", data=np.ones(SHAPE, "i2"))
        data.attrs["Band_Window_1_Nanometers"] = "1340,1445"
        lengths = np.array([1300, 1330, 1350, 1400, 1440, 1450, 1500.0])
        file["SITE/Reflectance/Metadata/Spectral_Data/Wavelength"] = lengths
        file["SITE/Reflectance/Metadata/Spectral_Data/Wavelength"].attrs["Units"] = "Nanometers"
    assert np.flatnonzero(read(path)["bad_channel"]).tolist() == [2, 3, 4]


def test_marks_in_the_group_of_the_cube_win(tmp_path):
    path = tmp_path / "two.h5"
    with h5py.File(path, "w") as file:
        file["one/cube"], file["one/bbl"] = np.ones(SHAPE, "f4"), 1 - BAD.astype(int)
        file["other/bbl"], file["one/bad_channels"] = np.arange(7) % 2, np.arange(7) == 6
    assert np.flatnonzero(read(path, key="one/cube")["bad_channel"]).tolist() == [2, 6]


def test_channels_without_a_wavelength_stay_bad_beside_those_that_the_file_marks(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["cube"], file["bbl"] = np.ones(SHAPE, "f4"), 1 - BAD.astype(int)
        file["wavelength"] = np.array([0, 410, 420, 430, 440, 450, 0.0])
    again = read(path)
    assert np.flatnonzero(again["bad_channel"]).tolist() == [0, 2, 6]
    np.testing.assert_allclose(spectral_axis(again).values, 400 + 10.0 * np.arange(7))


def test_marks_in_an_attribute_or_a_table_are_no_axis(tmp_path):
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["cube"] = np.ones(SHAPE, "f4")
        file["cube"].attrs["good_bands"] = 1 - BAD.astype(int)
    column = fits.Column("good_wavelengths", "J", array=1 - BAD.astype(int))
    image = np.ones((7, 4, 5), "f4")
    table = fits.BinTableHDU.from_columns([column], name="BANDS")
    fits.HDUList([fits.PrimaryHDU(image), table]).writeto(tmp_path / "scan.fits")
    for name in ("scan.h5", "scan.fits"):
        assert spectral_axis(read(tmp_path / name)).kind == "channel"


def test_ambiguous_marks_are_stated(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["cube"], file["bad_bands"] = np.ones(SHAPE, "f4"), 1 - BAD.astype(int)
    again = read(path)
    assert again["bad_channel"].values.tolist() == BAD.tolist()
    assert "bad_bands" in again.attrs["reading_notes"]
