"""Where a cube is on a map: from ENVI, GeoTIFF and NetCDF, to a result."""

import numpy as np
import pytest
import xarray as xr

from spectessera import make_cube, read
from spectessera.export.georeference import georeference_of
from spectessera.io._geography import as_crs, envi_words

IMAGE = (4, 6)
WKT = (
    'PROJCS["ETRS89_LAEA",GEOGCS["GCS_ETRS89",DATUM["D_ETRS89",SPHEROID["GRS_1980",6378137.0,'
    '298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION['
    '"Lambert_Azimuthal_Equal_Area"],UNIT["Meter",1.0]]'
)


def info(text):
    """Return a field as the parser of headers gives it."""
    return {"map info": [word.strip() for word in text.split(",")]}


@pytest.mark.parametrize(
    ("text", "crs", "transform", "unit"),
    [
        ("UTM, 1, 1, 500, 900, 30, 20, 33, North, WGS-84, units=Meters", "EPSG:32633",
         (500, 30, 0, 900, 0, -20), "m"),
        ("UTM, 3, 2, 560, 880, 30, 20, 7, South, WGS-84, units=Meters", "EPSG:32707",
         (500, 30, 0, 900, 0, -20), "m"),
        ("Geographic Lat/Lon, 1, 1, 10, 50, 0.5, 0.5, WGS-84, units=Degrees", "EPSG:4326",
         (10, 0.5, 0, 50, 0, -0.5), "degree"),
        ("Arbitrary, 1, 1, 0, 0, 2, 2, 0, North, units=Meters", "", (0, 2, 0, 0, 0, -2), "m"),
        ("UTM, 1, 1, 500, 900, 30, 30, 33, North, WGS-84, units=Meters, rotation=90", "EPSG:32633",
         (500, 0, 30, 900, 30, 0), "m"),
    ],
)  # fmt: skip
def test_map_info_gives_a_place(text, crs, transform, unit):
    coords, attrs = envi_words(info(text), IMAGE)
    found = [float(word) for word in attrs["geotransform"].split()]
    np.testing.assert_allclose(found, transform, atol=1e-9)
    assert attrs.get("crs", "") == crs
    if "rotation" in text:
        assert not coords
        return
    assert coords["y"][2] == {"units": unit}
    cube = make_cube(np.ones((*IMAGE, 3), np.float32), energy=(1.0, 2.0), attrs=attrs)
    result = xr.Dataset({"label": (("y", "x"), np.ones(IMAGE, int))}, attrs=cube.attrs)
    result = result.assign_coords({n: (d, v, a) for n, (d, v, a) in coords.items()})
    part = georeference_of(result.isel(y=slice(1, 3), x=slice(2, 6)))
    x0, dx, _, y0, _, dy = transform
    np.testing.assert_allclose(part.transform, (x0 + 2 * dx, dx, 0, y0 + dy, 0, dy))


@pytest.mark.parametrize(
    "text",
    ["UTM, 1, 1, 500", "UTM, 1, 1, a, 900, 30, 20, 33", "UTM, 1, 1, 5, 9, 0, 20, 33",
     "UTM, 1, 1, nan, 9, 30, 20, 33", "Arbitrary, 1, 1, 0, 0, 1, 1, 0, North"],
)  # fmt: skip
def test_map_info_without_sense_gives_none(text):
    assert envi_words(info(text), IMAGE) == ({}, {})


def test_a_coordinate_system_is_text_of_one():
    assert as_crs(["{" + WKT[:20], WKT[20:] + "}"]).startswith("PROJCS")
    assert as_crs(f"{{{WKT}}}") == WKT
    assert as_crs("import os") == as_crs(None) == as_crs("PROJCS" + "x" * 10**6) == ""


def test_an_envi_header_with_a_system_of_its_own(tmp_path):
    np.ones((*IMAGE, 3), np.float32).tofile(tmp_path / "a.img")
    (tmp_path / "a.hdr").write_text(
        "ENVI\nsamples = 6\nlines = 4\nbands = 3\ndata type = 4\ninterleave = bip\n"
        "map info = {Lambert, 1, 1, 500, 900, 30, 20, units=Meters}\n"
        f"coordinate system string = {{{WKT}}}\n"
    )
    cube = read(tmp_path / "a.img")
    assert cube.attrs["crs"] == WKT
    assert cube["y"].values.tolist() == [890, 870, 850, 830]


@pytest.mark.parametrize("turned", [False, True])
def test_the_grid_mapping_of_netcdf_is_kept(tmp_path, turned):
    """As rioxarray writes it."""
    data = xr.Dataset({"img": (("y", "x", "band"), np.ones((*IMAGE, 3), np.float32))})
    data["img"].attrs["grid_mapping"] = "spatial_ref"
    transform = "500 30 1 900 1 -20" if turned else "500 30 0 900 0 -20"
    data["spatial_ref"] = ((), 0, {"crs_wkt": WKT, "GeoTransform": transform})
    if not turned:
        y, x = (np.arange(n) + 0.5 for n in IMAGE)
        data = data.assign_coords(y=900 - 20 * y, x=500 + 30 * x)
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    cube = read(tmp_path / "a.nc")
    result = xr.Dataset({"label": (("y", "x"), np.ones(IMAGE, int))}, attrs=cube.attrs)
    result = result.assign_coords({name: cube[name] for name in ("y", "x") if name in cube.coords})
    place = georeference_of(result)
    assert place.crs == WKT
    assert place.transform == tuple(map(float, transform.split()))
