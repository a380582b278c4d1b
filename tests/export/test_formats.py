"""Exports read back: values, places, names and colours; all files of a call, or none."""

import csv
import json
import sqlite3
import struct
import zipfile
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr

import spectessera as spt
from spectessera.axis import Axis
from spectessera.cube import with_axis
from spectessera.export import FORMATS, export_result, formats, napari_layers
from spectessera.export.envi import in_braces
from spectessera.export.georeference import georeference_of

SHAPE = (5, 8)  # not square
LABEL = np.array(
    [[0, 0, 1, 1, 1, 2, 2, 2], [1, 1, 1, 3, 1, 2, 2, 2], [1, 1, 1, 1, 1, 2, 3, 2],
     [4, 4, 1, 1, 2, 2, 2, 2], [4, 4, 4, 4, 4, 4, 4, 1]], np.int32,
)  # fmt: skip
NAMES = {1: '=HYPERLINK("x"), a\nb', 2: "</Category><script>", 4: "{é}; = ] & 'x'"}
SHOWN = {1: '=HYPERLINK("x"), a b', 2: NAMES[2], 4: NAMES[4]}  # on one line
ROBE = (0xAA, 0x33, 0x66)
GIVEN = {
    "cluster_names": json.dumps({str(n): name for n, name in NAMES.items()}),
    "cluster_colours": '{"2": "#aa3366"}',
}


def a_result(place="m", **attrs):
    """Return a result of four clusters, three of them with hostile names."""
    means = np.arange(12, dtype=np.float32).reshape(4, 3) / 3
    result = xr.Dataset(
        {
            "label": (("y", "x"), LABEL),
            "confidence": (("y", "x"), np.where(LABEL > 0, 0.75, np.nan).astype(np.float32)),
            "mean_spectrum": (("cluster", "channel"), means),
            "size": ("cluster", np.bincount(LABEL.ravel())[1:]),
        },
        coords={"cluster": [1, 2, 3, 4]},
        attrs={"n_clusters": 4, "unit": "counts", **GIVEN, **attrs},
    )
    axis = Axis([1.1, 2.2, 3.3], unit="keV")
    result["mean_spectrum"] = with_axis(result["mean_spectrum"], axis)
    if place:
        y, x = (np.arange(n) + 0.5 for n in SHAPE)
        unit = {"units": place}
        result = result.assign_coords(y=("y", 90 - 2 * y, unit), x=("x", 10 + 3 * x, unit))
    return result


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_the_tables_hold_every_number_and_no_formula(tmp_path):
    export_result(a_result(), tmp_path, "csv")
    spectra, clusters = (table(tmp_path / n) for n in ("mean-spectra.csv", "clusters.csv"))
    assert spectra[0] == [
        "energy (keV)", f"1 {SHOWN[1]}", f"2 {SHOWN[2]}", "cluster 3", f"4 {SHOWN[4]}"
    ]  # fmt: skip
    numbers = np.array(spectra[1:], float)
    assert numbers[:, 0].tolist() == [1.1, 2.2, 3.3]
    np.testing.assert_array_equal(
        numbers[:, 1:].astype(np.float32), a_result()["mean_spectrum"].values.T
    )
    assert not [cell for row in spectra + clusters for cell in row if cell[:1] in "=+-@\t" and cell]
    assert clusters[0][-1] == "area (m2)"
    assert clusters[2] == ["2", SHOWN[2], "person", "#aa3366", "12", "0.315789", "0.75", "72"]
    assert clusters[3][:3] == ["3", "cluster 3", "number"]


def test_the_table_of_spectra_says_how_much_the_pixels_of_a_cluster_differ(tmp_path):
    result = a_result()
    result["std_spectrum"] = 2 * result["mean_spectrum"] + 1
    path = export_result(result, tmp_path / "spectra.csv", "csv")[0]
    head, *rows = table(path)
    assert head[5:] == [f"{each}, standard deviation" for each in head[1:5]]
    numbers = np.array(rows, np.float32)
    np.testing.assert_allclose(numbers[:, 5:], 2 * numbers[:, 1:5] + 1, rtol=1e-6)


def test_a_name_is_suggested_where_no_person_gave_one(tmp_path):
    from reportcases import made_result

    result = made_result(attrs={"cluster_names": '{"1": "robe"}'})
    export_result(result, tmp_path, "csv")
    kinds = [row[2] for row in table(tmp_path / "clusters.csv")[1:]]
    assert kinds[0] == "person"
    assert set(kinds[1:]) <= {"suggestion", "number"}


def test_a_geopackage_holds_the_outlines_on_the_map(tmp_path):
    """Read by hand, as the standard has it; tools/check_exports.py reads it by GDAL."""
    (path,) = export_result(a_result(), tmp_path / "a.gpkg")
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT cluster, name, colour, area, geom FROM clusters").fetchall()
        bounds = database.execute("SELECT min_x, min_y, max_x, max_y FROM gpkg_contents").fetchone()
        style = database.execute("SELECT styleQML FROM layer_styles").fetchone()[0]
        assert database.execute("PRAGMA application_id").fetchone()[0] == 0x47504B47
    database.close()
    assert bounds == (10, 80, 34, 90)
    assert [row[0] for row in rows] == [1, 2, 3, 4]
    assert rows[1][1:4] == (SHOWN[2], "#aa3366", 12 * 6)
    ElementTree.fromstring(style.split("\n", 1)[1])
    blob = rows[2][4]  # two single pixels, at (y, x) = (1, 3) and (2, 6)
    assert struct.unpack("<2sBBi4d", blob[:40]) == (b"GP", 0, 3, -1, 19, 31, 84, 88)
    assert struct.unpack("<BII", blob[40:49]) == (1, 6, 2)
    corners = np.frombuffer(blob[49 + 9 + 4 : 49 + 9 + 4 + 80], "<f8").reshape(5, 2)
    assert {tuple(each) for each in corners.tolist()} == {(19, 86), (22, 86), (22, 88), (19, 88)}


def test_a_scan_whose_y_grows_downwards_is_not_upside_down():
    result = a_result(place="").assign_coords(
        y=("y", 0.25 + 0.5 * np.arange(5), {"units": "mm"}),
        x=("x", 2.25 + 0.5 * np.arange(8), {"units": "mm"}),
    )
    assert georeference_of(result).transform == (2, 0.5, 0, 0, 0, -0.5)


def test_polygons_need_a_place(tmp_path):
    for attrs in ({}, {"wcs": "WCSAXES = 2", "crs": "EPSG:4326"}):
        with pytest.raises(ValueError, match="on a map"):
            export_result(a_result(place="" if not attrs else "m", **attrs), tmp_path / "a.gpkg")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("crs", "attrs"),
    [
        ("EPSG:32633", {}),
        ("EPSG:32733", {"geotransform": "10 3 1 90 1 -2", "geotransform_size": "5 8"}),
    ],
)
def test_a_geotiff_is_on_its_map(tmp_path, crs, attrs):
    rasterio = pytest.importorskip("rasterio")
    result = a_result(place="" if attrs else "m", crs=crs, **attrs)
    spt.write(result, tmp_path / "a.tif")
    with rasterio.open(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.read(1), LABEL)
        assert (file.dtypes, file.nodata) == (("uint8",), 0)
        assert file.crs.to_string() == crs
        turned = bool(attrs)
        assert file.transform.to_gdal() == (10, 3, turned, 90, turned, -2)
        assert file.colormap(1)[2] == (*ROBE, 255)
        assert file.colormap(1)[0][3] == 0
    if attrs:  # a part of it is not where the whole was
        assert spt.export.contents.contents_of(result.isel(y=slice(1, 4))).place is None


def test_the_attribute_table_and_the_style_hold_names_as_text(tmp_path):
    pytest.importorskip("rasterio")
    export_result(a_result(), tmp_path, "geotiff")
    band = ElementTree.parse(tmp_path / "labels.tif.aux.xml").getroot().find("PAMRasterBand")
    names = ["masked", f"1 {SHOWN[1]}", f"2 {SHOWN[2]}", "cluster 3", f"4 {SHOWN[4]}"]
    assert [each.text for each in band.find("CategoryNames")] == names
    rows = [[each.text for each in row] for row in band.iter("Row")]
    assert rows[1] == ["2", "12", names[2], *map(str, ROBE), "255"]
    entries = ElementTree.parse(tmp_path / "labels.qml").getroot().iter("paletteEntry")
    assert [each.get("label") for each in entries] == names[1:]


def test_an_envi_file_opens_with_the_package_spectral(tmp_path):
    from spectral.io import envi

    spt.write(a_result(crs="EPSG:32733"), tmp_path / "a.img")
    opened = envi.open(tmp_path / "a.hdr")
    np.testing.assert_array_equal(np.asarray(opened.load())[..., 0], LABEL)
    words = opened.metadata
    assert words["file type"] == "ENVI Classification"
    assert words["class names"] == [
        "Unclassified", '1 :HYPERLINK("x")  a b', "2 </Category><script>", "cluster 3",
        "4 (é)  : ] & 'x'",
    ]  # fmt: skip
    assert words["class lookup"][6:9] == [str(each) for each in ROBE]
    assert words["map info"][:7] == ["UTM", "1", "1", "10", "90", "3", "2"]
    assert words["map info"][7:] == ["33", "South", "WGS-84", "units=Meters"]
    assert in_braces("{,}\n") == "( )"


@pytest.mark.parametrize("turn", [0, 25])
def test_a_map_of_envi_goes_round_through_a_cube_and_a_result(tmp_path, turn):
    """Map info of a cube, its place, and the map info of the exported labels are the same."""
    np.ones((*SHAPE, 4), np.float32).tofile(tmp_path / "a.img")
    turned = f", rotation={turn}" if turn else ""
    (tmp_path / "a.hdr").write_text(
        "ENVI\nsamples = 8\nlines = 5\nbands = 4\ndata type = 4\ninterleave = bip\n"
        f"map info = {{UTM, 1, 1, 5e5, 4e6, 3, 3, 33, North, WGS-84, units=Meters{turned}}}\n"
    )
    cube = spt.read(tmp_path / "a.img")
    assert cube.attrs["crs"] == "EPSG:32633"
    assert ("y" in cube.coords) is (turn == 0)
    positions = {name: cube[name] for name in ("y", "x") if name in cube.coords}
    result = a_result(place="").assign_coords(positions)
    result.attrs |= {n: cube.attrs[n] for n in ("crs", "geotransform", "geotransform_size")}
    export_result(result, tmp_path / "labels.img")
    words = (tmp_path / "labels.hdr").read_text()
    line = next(each for each in words.splitlines() if each.startswith("map info"))
    assert "{UTM, 1, 1, 500000, 4000000, 3" in line
    assert line.endswith(f"units=Meters, rotation={turn}}}" if turn else "units=Meters}")


def test_a_tiff_has_colours_and_the_size_of_a_pixel(tmp_path):
    import tifffile

    export_result(a_result("µm"), tmp_path / "a.tif", "tiff")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.pages[0].asarray(), LABEL)
        words, tags = file.imagej_metadata, file.pages[0].tags
    assert np.reshape(words["LUTs"], (3, 256))[:, 2].tolist() == list(ROBE)
    assert words["unit"] == "um"
    # older versions of tifffile do not reduce the fractions
    sizes = [Fraction(*tags[f"{each}Resolution"].value) for each in "XY"]
    assert sizes == [Fraction(1, 3), Fraction(1, 2)]
    assert "2: 2 </Category><script>" in words["Info"]


def test_a_tiff_of_tiny_pixels_is_in_micrometres(tmp_path):
    """A TIFF holds pixels in a unit as a ratio of two numbers of 32 bits."""
    import tifffile

    result = a_result()
    places = {n: (n, 1e-12 * np.arange(result.sizes[n]), {"units": "m"}) for n in ("y", "x")}
    export_result(result.assign_coords(places), tmp_path / "a.tif", "tiff")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.imagej_metadata["unit"] == "um"
        assert file.pages[0].tags["XResolution"].value == (1_000_000, 1)


def test_regions_of_imagej_are_the_pixels_of_the_clusters(tmp_path):
    roifile = pytest.importorskip("roifile")
    from skimage.draw import polygon2mask

    spt.write(a_result(), tmp_path / "RoiSet.zip")
    with zipfile.ZipFile(tmp_path / "RoiSet.zip") as archive:
        assert [name[:7] for name in archive.namelist()] == [
            "00001 _", "00002 _", "00003 c", "00004 _"
        ]  # fmt: skip
        assert not [name for name in archive.namelist() if set(name) & set('/\\<>:"\n')]
    for number, roi in enumerate(roifile.roiread(tmp_path / "RoiSet.zip"), 1):
        mask = np.zeros(SHAPE, bool)
        for ring in roi.coordinates(multi=True):
            mask ^= polygon2mask(SHAPE, ring[:, ::-1] - 0.5 + 1e-6)
        np.testing.assert_array_equal(mask, number == LABEL)
        assert roi.name == ("cluster 3" if number == 3 else f"{number} {SHOWN[number]}")


def test_arrays_hold_labels_names_and_spectra(tmp_path):
    export_result(a_result(), tmp_path, ["npy", "npz"])
    np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), LABEL)
    with np.load(tmp_path / "result.npz") as file:
        assert file["name"].tolist() == [SHOWN[1], SHOWN[2], "cluster 3", SHOWN[4]]
        assert str(file["axis_label"]) == "energy (keV)"
        np.testing.assert_array_equal(file["mean_spectrum"], a_result()["mean_spectrum"])


def test_fits_has_a_table_of_names_and_colours(tmp_path):
    from astropy.io import fits

    spt.write(a_result(), tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits") as file:
        file.verify("exception")
        rows = file["CLUSTERS"].data
        assert rows["CLUSTER"].tolist() == [1, 2, 3, 4]
        assert rows["NAME"].tolist() == [SHOWN[1], SHOWN[2], "", "{e}; = ] & 'x'"]
        assert rows["COLOUR"][1] == "#aa3366"
        assert [rows[name][1] for name in ("RED", "GREEN", "BLUE")] == list(ROBE)
        assert rows["PIXELS"].tolist() == a_result()["size"].values.tolist()


def test_signals_of_hyperspy_have_their_axes(tmp_path):
    import h5py

    spt.write(a_result("mm").assign_attrs(signal_type="EDS_SEM"), tmp_path / "a.hspy")
    with h5py.File(tmp_path / "a.hspy") as file:
        signals = file["Experiments"]
        assert sorted(signals) == ["clusters", "confidence", "mean spectra"]
        np.testing.assert_array_equal(signals["clusters/data"], LABEL)
        x = signals["clusters/axis-1"].attrs
        assert (x["name"], x["units"], x["scale"], x["offset"]) == ("x", "mm", 3, 11.5)
        energy = signals["mean spectra/axis-1"].attrs
        assert (energy["units"], bool(energy["navigate"])) == ("keV", False)
        types = {n: each["metadata/Signal"].attrs["signal_type"] for n, each in signals.items()}
        assert types == {"clusters": "", "confidence": "", "mean spectra": "EDS_SEM"}
        assert signals["clusters/original_metadata"].attrs["cluster_colours"] == '{"2": "#aa3366"}'


def test_layers_of_napari_have_names_colours_and_scale():
    *_, (data, settings, kind) = napari_layers(a_result("mm"))
    np.testing.assert_array_equal(data, LABEL)
    assert kind == "labels"
    assert settings["scale"] == (2, 3)
    assert settings["features"]["cluster"][2] == f"2 {SHOWN[2]}"
    assert settings["colormap"][2] == (*(each / 255 for each in ROBE), 1.0)
    assert settings["colormap"][0][3] == 0


def test_the_manifest_of_napari_names_functions_that_are_there(tmp_path):
    from importlib import import_module

    # As in pyproject.toml: a package, and the name of a file in it. Setuptools refuses a folder.
    text = (Path(spt.__file__).parent / "export" / "napari.yaml").read_text()
    for line in text.splitlines():
        if "python_name" in line:
            module, name = line.split(":", 1)[1].strip().split(":")
            assert callable(getattr(import_module(module), name))
    napari = import_module("spectessera.export.napari")
    spt.write(a_result(), tmp_path / "result.nc")
    assert napari.get_reader(str(tmp_path / "result.nc")) is not None
    assert napari.get_reader(str(tmp_path / "other.tif")) is None
    (path,) = napari.write_labels(str(tmp_path / "new.npy"), LABEL, {})
    np.testing.assert_array_equal(np.load(path), LABEL)
    with pytest.raises(ValueError, match="label map"):
        napari.write_labels(path, LABEL[None], {})


def test_more_than_255_clusters_are_16_bit_numbers(tmp_path):
    import tifffile

    label = np.arange(300, dtype=np.int32).reshape(15, 20)
    result = xr.Dataset({"label": (("y", "x"), label)})
    export_result(result, tmp_path / "a.tif", "tiff")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), label)
    export_result(result, tmp_path / "a.img")
    np.testing.assert_array_equal(np.fromfile(tmp_path / "a.img", "<u2"), label.ravel())


def test_figures_are_the_same_bytes_each_time_and_names_stay_text(tmp_path):
    spt.write(a_result(), tmp_path / "a.svg")
    spt.write(a_result(), tmp_path / "b.svg")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert text == (tmp_path / "b.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert text.count('id="scale-bar"') == 2  # in both maps
    spt.write(a_result(place=""), tmp_path / "c.svg")
    assert "scale-bar" not in (tmp_path / "c.svg").read_text(encoding="utf-8")


# --- files --------------------------------------------------------------------------------------


def test_all_files_are_written_or_none(tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")

    def fail(contents, path):
        path.write_bytes(b"half")
        raise OSError("no")

    monkeypatch.setattr("spectessera.export.arrays.write_npz", fail)
    for folder in (out, tmp_path / "new"):
        with pytest.raises(OSError, match="no"):
            export_result(a_result(), folder, ["csv", "npy", "npz"])
    assert [each.name for each in tmp_path.rglob("*")] == ["out", "mine.txt"]


def test_no_file_is_replaced_unless_asked_for(tmp_path):
    (tmp_path / "a.hdr").write_text("years of work")
    with pytest.raises(FileExistsError, match="overwrite"):
        export_result(a_result(), tmp_path / "a.img")
    assert [each.name for each in tmp_path.iterdir()] == ["a.hdr"]
    assert (tmp_path / "a.hdr").read_text() == "years of work"
    written = export_result(a_result(), tmp_path / "a.img", overwrite=True)
    assert sorted(each.name for each in written) == ["a.hdr", "a.img"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.hdr", "a.img"]


def test_files_go_back_where_one_cannot_be_moved(tmp_path, monkeypatch):
    import os

    export_result(a_result(), tmp_path, ["npy", "npz"])
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    replace = os.replace

    def fail(source, target):
        if Path(target).name == "result.npz" and "new" in Path(source).parts:
            raise OSError("disk gone")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    changed = a_result()
    changed["label"] = changed["label"].where(changed["label"] != 4, 0)
    with pytest.raises(OSError, match="gone"):
        export_result(changed, tmp_path, ["npy", "npz"], overwrite=True)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_a_link_is_not_replaced(tmp_path):
    (tmp_path / "other.npy").write_text("other")
    (tmp_path / "a.npy").symlink_to(tmp_path / "other.npy")
    with pytest.raises(FileExistsError, match="link"):
        export_result(a_result(), tmp_path / "a.npy", overwrite=True)
    assert (tmp_path / "other.npy").read_text() == "other"


def test_a_format_that_is_not_known_is_named(tmp_path):
    with pytest.raises(ValueError, match="shapefile"):
        export_result(a_result(), tmp_path / "a", "shapefile")
    with pytest.raises(ValueError, match="give to"):
        export_result(a_result(), tmp_path / "a.xyz")
    with pytest.raises(ValueError, match="means=False"):
        export_result(a_result().drop_vars("mean_spectrum"), tmp_path / "a.csv")
    assert not list(tmp_path.iterdir())


def test_no_two_formats_write_files_of_one_name():
    names = [name for each in FORMATS.values() for name in each.writers]
    names += formats._beside(list(FORMATS.values()), None)
    assert len(set(names)) == len(names)


def test_a_folder_does_not_get_the_name_of_a_file(tmp_path):
    """`--out labels.npy --to npz` made a folder labels.npy."""
    for to, words in (("npz", "suffix .npz"), (["npy", "csv"], "npy, csv give the name of a fol")):
        with pytest.raises(ValueError, match=words):
            export_result(a_result(), tmp_path / "labels.npy", to)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".NPY", ".NPZ", ".FITS", ".IMG", ".ZIP"])
def test_a_file_has_the_name_that_was_given(tmp_path, suffix):
    """Another file, labels.npy, was replaced for LABELS.NPY."""
    if suffix == ".ZIP":
        pytest.importorskip("roifile")
    (tmp_path / f"labels{suffix.lower()}").write_text("other")
    files = export_result(a_result(), tmp_path / f"labels{suffix}", overwrite=True)
    assert tmp_path / f"labels{suffix}" in files
    assert (tmp_path / f"labels{suffix}").exists()
    assert (tmp_path / f"labels{suffix.lower()}").read_text() == "other"
