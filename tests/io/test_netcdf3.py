"""NetCDF files of the classic formats: named dimensions, packed and missing values."""

import numpy as np
import pytest
import xarray as xr
from scipy.io import netcdf_file

from spectessera.axis import Axis
from spectessera.cube import spectral_axis
from spectessera.io import read

CUBE = np.arange(4 * 5 * 7, dtype=np.float32).reshape(4, 5, 7) + 1
NM = np.linspace(400, 700, 7)


@pytest.mark.parametrize("version", ["NETCDF3_CLASSIC", "NETCDF3_64BIT"])
@pytest.mark.parametrize("chunks", [None, 2])
def test_named_dimensions_in_any_order(tmp_path, version, chunks):
    data = xr.DataArray(CUBE, dims=("lat", "lon", "band"), name="radiance")
    data = data.assign_coords(band=("band", NM, {"units": "nm"}), lat=np.arange(4) * 2.0)
    path = tmp_path / "scan.nc"
    data.transpose("band", "lon", "lat").to_netcdf(path, format=version, engine="scipy")
    cube = read(path, chunks=chunks)
    np.testing.assert_array_equal(cube, CUBE)
    assert spectral_axis(cube) == Axis(NM, "nm")
    np.testing.assert_array_equal(cube.y, np.arange(4) * 2.0)


def test_packed_values_are_unpacked_and_missing_ones_are_nan(tmp_path):
    path = tmp_path / "scan.nc"
    with netcdf_file(path, "w") as file:
        for name, size in (("y", 4), ("x", 5), ("wavelength", 7)):
            file.createDimension(name, size)
        variable = file.createVariable("cube", "i2", ("y", "x", "wavelength"))
        variable[:] = (CUBE - 1).astype("i2")
        variable.scale_factor, variable.missing_value = 0.5, np.int16(139)
    cube = read(path)
    assert np.isnan(cube[3, 4, 6])
    np.testing.assert_array_equal(cube[0, 0], np.arange(7) * 0.5)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_a_file_that_was_cut_short_is_refused(tmp_path, share):
    path = tmp_path / "scan.nc"
    xr.DataArray(CUBE, dims=("y", "x", "band"), name="r").to_netcdf(path, engine="scipy")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ValueError, match="cannot be read as NetCDF"):
        read(path)
