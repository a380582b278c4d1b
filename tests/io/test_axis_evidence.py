"""Where the spectral axis of a file is found: attributes, dimensions, units in many spellings."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr

from spectessera.axis import parse_unit
from spectessera.cube import spectral_axis
from spectessera.io import read

Y, X, C = 4, 6, 5
NM = np.linspace(400, 800, C)


def _scene(rows=Y, columns=X, channels=C):
    y, x, channel = np.ogrid[:rows, :columns, :channels]
    return (1 + 100 * y + 7 * x + channel).astype("f4")


@pytest.mark.parametrize("place", ["array", "group", "file"])
def test_wavelengths_in_attributes_say_which_axis_is_the_spectrum(tmp_path, place):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("products/Lt", data=np.moveaxis(_scene(), 2, 0))
        node = {"array": data, "group": file["products"], "file": file}[place]
        node.attrs["wavelengths"] = NM
        node.attrs["wavelength_units"] = "nanometers"
    cube = read(tmp_path / "a.h5")
    np.testing.assert_allclose(cube.values, _scene())
    axis = spectral_axis(cube)
    assert axis.unit == "nm"
    np.testing.assert_allclose(axis.values, NM)
    assert "attribute wavelengths" in cube.attrs["axis_from"]


def _prisma(path):
    vnir, swir = np.linspace(900, 500, C), np.linspace(2400, 1000, 7)
    with h5py.File(path, "w") as file:
        fields = file.create_group("HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields")
        fields["VNIR_Cube"] = _scene().transpose(0, 2, 1).astype("u2")
        fields["SWIR_Cube"] = _scene(channels=7).transpose(0, 2, 1).astype("u2")
        fields["SWIR_PIXEL_L2_ERR_MATRIX"] = np.zeros((Y, 7, X), "u1")
        file.attrs["List_Cw_Vnir"], file.attrs["List_Cw_Swir"] = vnir, np.append(swir[:-1], 0)
    return swir


def test_both_cubes_of_prisma_are_listed(tmp_path):
    _prisma(tmp_path / "a.he5")
    with pytest.raises(ValueError, match=r"SWIR_Cube.*VNIR_Cube.*--key"):
        read(tmp_path / "a.he5")


def test_prisma_has_the_band_in_the_middle(tmp_path):
    swir = _prisma(tmp_path / "a.he5")
    cube = read(tmp_path / "a.he5", key="HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/SWIR_Cube")
    np.testing.assert_allclose(cube.values, _scene(channels=7))
    np.testing.assert_allclose(spectral_axis(cube).values, swir)
    assert cube.attrs["axes_from"] == "layout of PRISMA; stored as 4 x 7 x 6"
    assert np.flatnonzero(cube.bad_channel.values).tolist() == [6]  # its wavelength is 0
    assert "SWIR_PIXEL_L2_ERR_MATRIX may be noise or marks" in cube.attrs["reading_notes"]


def test_an_axis_along_the_dimension_comes_before_one_of_the_same_length(tmp_path):
    cubes = {name: ((f"{name}_bands", "row", "column"), np.moveaxis(_scene(), 2, 0))
             for name in ("blue", "red")}  # fmt: skip
    axes = {"blue_wavelength": ("blue_bands", NM / 2, {"units": "nm"}),
            "red_wavelength": ("red_bands", NM, {"units": "nm"})}  # fmt: skip
    tree = xr.DataTree.from_dict({"/data": xr.Dataset(cubes), "/sensor": xr.Dataset(axes)})
    tree.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    cube = read(tmp_path / "a.nc", key="data/red")
    np.testing.assert_allclose(spectral_axis(cube).values, NM)


def test_wavelengths_come_before_the_numbers_of_bands(tmp_path):
    axes = {"band": np.arange(1, C + 1), "wvl": ("band", NM, {"units": "nm"})}
    data = xr.Dataset({"L": (("band", "lat", "lon"), np.moveaxis(_scene(), 2, 0))}, coords=axes)
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    axis = spectral_axis(read(tmp_path / "a.nc"))
    assert axis.unit == "nm"
    np.testing.assert_allclose(axis.values, NM)


@pytest.mark.parametrize("word", ["pixel", "scan", "bin", "det"])
def test_the_last_letter_of_a_name_tells_rows_from_columns(tmp_path, word):
    dims = (f"{word}_x", f"{word}_y", "energy")
    data = xr.Dataset({"counts": (dims, _scene().transpose(1, 0, 2))})
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    np.testing.assert_allclose(read(tmp_path / "a.nc").values, _scene())


@pytest.mark.parametrize(
    ("text", "unit"),
    [("[nm]", "nm"), ("(nm)", "nm"), ("Wavelength (nm)", "nm"), ("Energy [keV]", "keV"),
     ("10^-10 m", "angstrom"), ("10**(-10)m", "angstrom"), ("0.1 nm", "angstrom"),
     ("10-9 m", "nm"), ("electronvolt", "eV"), ("kiloelectronvolt", "keV"), ("rel. 1/cm", "cm-1"),
     ("Raman shift (cm^-1)", "cm-1")],
)  # fmt: skip
def test_units_in_other_spellings(text, unit):
    assert parse_unit(text) == unit


@pytest.mark.parametrize("text", ["[]", "counts (a.u.)", "10^-10", "(m"])
def test_other_words_are_no_units(text):
    with pytest.raises(ValueError, match="is not known"):
        parse_unit(text)


def test_arrays_named_like_noise_are_stated_if_they_are_not_used(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["scan/cube"], file["quality/l2_flags"] = _scene(), np.zeros((Y, X), "i4")
        file["scan/dark_noise"] = np.zeros(3)
    assert "quality/l2_flags may be noise or marks" in read(tmp_path / "a.h5").reading_notes
    used = read(tmp_path / "a.h5", mask="quality/l2_flags")
    assert "may be noise" not in used.attrs.get("reading_notes", "")


def test_zeros_of_zarr_2_are_counts(tmp_path):
    """Format 2 fills with 0 where nobody chose a value; a count of 0 is the most frequent one."""
    stored = np.moveaxis(_scene(), 2, 0).astype("u2")
    stored[2] = 0
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    # what zarr sets where nobody chose a value, except a few versions
    array = group.create_array("counts", shape=stored.shape, dtype=stored.dtype, fill_value=0)
    array[:] = stored
    array.attrs["_ARRAY_DIMENSIONS"] = ["energy", "y", "x"]
    cube = read(tmp_path / "a.zarr")
    assert cube.dtype == np.uint16
    assert (cube.values == np.moveaxis(stored, 0, 2)).all()
    assert "--missing 0" in cube.attrs["reading_notes"]
