"""Maps of pixels in files."""

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits
from astropy.wcs import WCS

import spectessera as spt
from spectessera.io import read_maps, write
from spectessera.result import check_maps


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


@pytest.mark.parametrize(
    ("name", "broken", "words"),
    [
        ("surer", ("y", 4 * ["Fe K"]), r"surer has the dimensions \(element\); got \(y\)"),
        ("surer", ((), "Fe K"), r"surer has the dimensions \(element\); got \(\)"),
        ("kind", (("element", "y"), np.ones((2, 4))), "kind has the dimensions"),
        ("net_counts", (("element", "y", "x"), np.full((2, 4, 5), "many")), "holds numbers"),
    ],
)
def test_maps_of_another_shape_are_refused_in_words(tmp_path, name, broken, words):
    """A report of them ended with a traceback."""
    maps().drop_vars(name, errors="ignore").assign({name: broken}).to_netcdf(
        tmp_path / "maps.nc", engine="h5netcdf"
    )
    with pytest.raises(ValueError, match=words) as caught:
        read_maps(tmp_path)
    assert "maps.nc" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "name", "value", "words"),
    [
        ("line maps", "redshift", "near", "redshift is a number; got 'near'"),
        ("abundance maps", "pairs", "[1]", "pairs is a table in JSON"),
        ("abundance maps", "mixed_clusters", "{", "mixed_clusters is a table in JSON"),
    ],
)
def test_attributes_of_maps_are_what_they_should_be(content, name, value, words):
    with pytest.raises(ValueError, match=words):
        check_maps(maps().assign_attrs({"content": content, name: value}))


def test_a_report_needs_whole_maps():
    assert check_maps(maps()) is not None
    with pytest.raises(ValueError, match="there is no cluster_net_counts"):
        check_maps(maps(), "element maps", "line maps")
    with pytest.raises(ValueError, match="should hold abundance maps; it holds element maps"):
        check_maps(maps(), "abundance maps")
    with pytest.raises(ValueError, match="no maps of pixels"):
        check_maps(maps().isel(y=[]))


def test_the_figure_has_a_map_of_every_element():
    figure = spt.plots.elements(maps())
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["Fe K", "Cu K (instrument)"]


# --- FITS ---------------------------------------------------------------------------------------


def line_maps(**attrs):
    """Return maps of two lines on the sky, with a map of velocities and one of bits."""
    random = np.random.default_rng(1)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.cunit = ["RA---TAN", "DEC--TAN"], ["deg", "deg"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [63.3, 10.4], [2, 3], [-1e-4, 1e-4]
    coords = {
        "line": ["[OIII] 5007", "Ha 6563"],
        "ion": ("line", ["[OIII]", "H\u03b1"]),
        "rest_wavelength": ("line", [5006.84, 6562.79]),
    }
    flux = ("line", "y", "x"), random.random((2, 4, 5)), {"units": "1e-20 erg/s/cm2"}
    bits = {"flag_masks": "1, 2", "flag_meanings": "pooled too_faint", "long_name": "bits"}
    data = {
        "flux": flux,
        "velocity": (("x", "y"), random.random((5, 4)).astype(np.float32), {"units": "km/s"}),
        "quality": (("y", "x"), np.eye(4, 5, dtype=np.uint8), bits),
        "gas_class": (("y", "x"), np.eye(4, 5, dtype=np.uint8), {"legend": '{"1": "star\u2013s"}'}),
        "of_clusters": (("line", "cluster"), random.random((2, 3))),
    }
    given = {"content": "line maps", "redshift": 0.0857, "object": "A\n478"} | attrs
    return xr.Dataset(data, coords=coords, attrs={"wcs": wcs.to_header().tostring("\n")} | given)


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
def test_every_map_is_a_fits_image_on_the_sky_by_the_name_of_its_line(tmp_path, suffix):
    maps = line_maps()
    path = tmp_path / f"maps{suffix}"
    write(maps, path)
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == suffix.endswith(".gz")
    with fits.open(path) as file:
        file.verify("exception")
        assert [hdu.name for hdu in file][1:] == [
            "FLUX_OIII_5007", "FLUX_HA_6563", "VELOCITY", "QUALITY", "GAS_CLASS",
        ]  # fmt: skip
        oiii, velocity = file["FLUX_OIII_5007"], file["VELOCITY"]
        np.testing.assert_array_equal(oiii.data, maps.flux.values[0].astype(np.float32))
        np.testing.assert_array_equal(velocity.data, maps.velocity.values.T)
        for hdu in file[1:]:
            sky = WCS(hdu.header).wcs_pix2world(1, 2, 0)
            np.testing.assert_allclose(sky, [63.3, 10.4], rtol=1e-9)
        assert oiii.header["BUNIT"] == "1e-20 erg/s/cm2"
        assert (oiii.header["LINE"], oiii.header["RESTWAV"]) == ("[OIII] 5007", 5006.84)
        assert velocity.header["BUNIT"] == "km/s"
        assert "LINE" not in velocity.header
        assert file["QUALITY"].header["FLAG2"] == "too_faint"
        assert file["GAS_CLASS"].header["LEGEND1"] == "star\\u2013s"
        assert file[0].header["REDSHIFT"] == 0.0857
        assert file[0].header["OBJECT"] == "A 478"


def test_maps_of_elements_are_fits_images_without_a_sky_too(tmp_path):
    write(maps(), tmp_path / "maps.fits")
    with fits.open(tmp_path / "maps.fits") as file:
        assert [hdu.name for hdu in file][1:] == ["NET_COUNTS_FE_K", "NET_COUNTS_CU_K"]
        np.testing.assert_array_equal(file["NET_COUNTS_CU_K"].data, maps().net_counts.values[1])
        assert file["NET_COUNTS_CU_K"].header["KIND"] == "instrument"
        assert "CTYPE1" not in file["NET_COUNTS_FE_K"].header


def test_without_a_map_there_is_no_fits_file(tmp_path):
    with pytest.raises(ValueError, match=r"FITS files hold maps \(y, x\)"):
        write(line_maps()[["of_clusters"]], tmp_path / "maps.fits")
    assert not (tmp_path / "maps.fits").exists()
