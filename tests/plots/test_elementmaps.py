"""The figure of maps of elements: what is said behind a name."""

import xarray as xr

from spectessera.plots.elementmaps import remark_of


def test_what_must_be_known_of_a_map_stands_behind_its_name():
    kinds = ["element", "element", "element", "scatter"]
    found = ["1", "single pixels", "1, 2", "the instrument"]
    coords = {
        "kind": ("element", kinds),
        "found_in": ("element", found),
        "surer": ("element", ["", "", "Pb L", ""]),
    }
    maps = xr.Dataset(coords=coords)
    remarks = [remark_of(maps, index) for index in range(4)]
    assert remarks == ["", " (single pixels)", " (also Pb L)", " (instrument)"]
    assert remark_of(maps.drop_vars(["found_in", "surer"]), 2) == ""  # of an earlier version
