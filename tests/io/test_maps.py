"""Maps of pixels in files."""

import numpy as np
import pytest
import xarray as xr

import spectessera as spt
from spectessera.io import read_maps, write


def maps():
    counts = np.random.default_rng(0).random((2, 4, 5)).astype(np.float32)
    counts[0, 1, 1] = np.nan
    coords = {"element": ["Fe K", "Cu K"], "kind": ("element", ["element", "instrument"])}
    data = {"net_counts": (("element", "y", "x"), counts)}
    return xr.Dataset(data, coords=coords, attrs={"content": "element maps"})


def test_maps_come_back_as_they_were(tmp_path):
    write(maps(), tmp_path / "maps.nc")
    xr.testing.assert_identical(read_maps(tmp_path), maps())
    xr.testing.assert_identical(read_maps(tmp_path / "maps.nc"), maps())


def test_other_files_are_no_maps(tmp_path):
    with pytest.raises(ValueError, match=r"maps are written as one of \.nc"):
        write(maps(), tmp_path / "maps.tif")
    write(spt.make_cube(np.ones((2, 3, 4))), tmp_path / "cube.nc")
    with pytest.raises(ValueError, match="holds no maps of pixels"):
        read_maps(tmp_path / "cube.nc")
    with pytest.raises(ValueError, match="label"):
        write(maps().drop_attrs(), tmp_path / "result.nc")


def test_the_figure_has_a_map_of_every_element():
    figure = spt.plots.elements(maps())
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["Fe K", "Cu K (instrument)"]
