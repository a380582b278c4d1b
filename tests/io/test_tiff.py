"""Cubes from TIFF files: stacks, bands, tiles, GeoTIFF, ImageJ and OME."""

import builtins
import pickle
import re
import struct

import numpy as np
import pytest
import tifffile

from spectessera.axis import Axis
from spectessera.cube import spectral_axis
from spectessera.io import read
from spectessera.io._tiffwords import described, gdal_items, gdal_words, geo_words, parse_xml

SHAPE = (40, 50, 7)
VALUES = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)
FIRST = VALUES.transpose(2, 0, 1)  # an image for every channel
GREY = {"photometric": "minisblack"}


def item(name, text, band=None, role=None):
    sample = "" if band is None else f' sample="{band}"'
    role = "" if role is None else f' role="{role}"'
    return f'<Item name="{name}"{sample}{role}>{text}</Item>'


def tags(*items, nodata=None):
    """Return the tags that GDAL writes, for tifffile."""
    xml = "<GDALMetadata>" + "".join(items) + "</GDALMetadata>"
    found = [(42112, "s", 0, xml, True)] if items else []
    return found + ([(42113, "s", 0, str(nodata), True)] if nodata is not None else [])


def wavelengths(values, unit="Nanometers"):
    lines = [item("wavelength", f"{one:g}", n) for n, one in enumerate(values)]
    return lines + ([item("wavelength_units", unit, n) for n in range(len(values))] if unit else [])


LAYOUTS = {
    "pages in one piece": (FIRST, GREY),
    "pages without a shape": (FIRST, {**GREY, "metadata": None}),
    "pages of strips": (FIRST, {**GREY, "compression": "zlib", "rowsperstrip": 7}),
    "pages of tiles": (FIRST, {**GREY, "compression": "zlib", "tile": (16, 32), "predictor": True}),
    "big": (FIRST, {**GREY, "bigtiff": True, "compression": "zlib"}),
    "big-endian": (FIRST, {**GREY, "byteorder": ">"}),
    "big-endian strips": (FIRST, {**GREY, "byteorder": ">", "compression": "zlib"}),
    "bands in planes": (FIRST, {**GREY, "planarconfig": "separate"}),
    "bands in planes of tiles": (
        FIRST, {**GREY, "planarconfig": "separate", "tile": (16, 16), "compression": "zlib"}
    ),
    "bands of a pixel together": (VALUES, {**GREY, "planarconfig": "contig"}),
    "bands of a pixel together, in strips": (
        VALUES, {**GREY, "planarconfig": "contig", "compression": "zlib", "rowsperstrip": 3}
    ),
    "bands of a pixel together, in tiles": (
        VALUES, {**GREY, "planarconfig": "contig", "compression": "zlib", "tile": (16, 32)}
    ),
    "ImageJ": (FIRST, {"imagej": True}),
    "OME": (FIRST, {"ome": True, "metadata": {"axes": "CYX"}, **GREY}),
    "named axes": (VALUES, {"metadata": {"axes": "YXC"}, **GREY}),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_cube(tmp_path, layout):
    stored, words = LAYOUTS[layout]
    tifffile.imwrite(tmp_path / "a.tif", stored, **words)
    cube = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(cube, VALUES)
    assert cube.dtype == np.uint16
    assert cube.dtype.isnative
    lazy = read(tmp_path / "a.tif", chunks={"y": 15, "x": 20})
    assert lazy.data.chunksize == (15, 20, 7)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(lazy)), VALUES)
    np.testing.assert_array_equal(lazy[13:34, 7, 2:5], VALUES[13:34, 7, 2:5])


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u4", "i4", "f4", "f8"])
def test_every_type_is_kept(tmp_path, dtype):
    stored = (FIRST % 127).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", stored, compression="zlib", **GREY)
    cube = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(cube, VALUES % 127)
    assert cube.dtype == np.dtype(dtype)


def test_a_part_is_read_from_the_strips_that_it_touches(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", FIRST, compression="zlib", rowsperstrip=10, **GREY)
    cube = read(tmp_path / "a.tif", chunks={"y": 10})
    decoded = []
    decode = tifffile.TiffPage.decode.func

    def counting(page):
        inner = decode(page)
        return lambda *args, **words: (decoded.append(args[1]), inner(*args, **words))[1]

    monkeypatch.setattr(tifffile.TiffPage, "decode", property(counting))
    np.testing.assert_array_equal(cube[10:20], VALUES[10:20])
    assert decoded == [1] * 7


def test_pages_without_a_name_are_channels_and_it_is_said(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", FIRST, **GREY)
    notes = read(tmp_path / "a.tif").attrs["reading_notes"]
    assert notes == "the pages of the file are taken as the channels"
    tifffile.imwrite(tmp_path / "b.tif", VALUES, **GREY)  # 40 pages of 50 x 7
    cube = read(tmp_path / "b.tif", axes="yxc")
    np.testing.assert_array_equal(cube, VALUES)
    assert "reading_notes" not in cube.attrs


@pytest.mark.parametrize(
    ("items", "axis"),
    [
        (wavelengths(400 + 10.5 * np.arange(7)), Axis(400 + 10.5 * np.arange(7), "nm")),
        (wavelengths(0.5 + 0.25 * np.arange(7), None), Axis(0.5 + 0.25 * np.arange(7), "um")),
        ([item("CENTRAL_WAVELENGTH_UM", 0.4 + n, n) for n in range(7)],
         Axis(0.4 + np.arange(7), "um")),
        ([item("wavelength", "{400, 410, 420, 430, 440, 450, 460}"),
          item("wavelength_units", "Nanometers")], Axis(400 + 10 * np.arange(7), "nm")),
        ([item("DESCRIPTION", f"band {n + 1} ({400.5 + n} Nanometers)", n, "description")
          for n in range(7)], Axis(400.5 + np.arange(7), "nm")),
        ([item("DESCRIPTION", f"Band {n + 1} ({400.5 + n})", n, "description")
          for n in range(7)], Axis(400.5 + np.arange(7), "nm")),
        ([item("DESCRIPTION", f"Band {n + 1}", n, "description") for n in range(7)],
         Axis(np.arange(7))),
        ([item("wavelength", "400", 0)], Axis(np.arange(7))),
    ],
)  # fmt: skip
def test_wavelengths_of_gdal_become_the_axis(tmp_path, items, axis):
    tifffile.imwrite(
        tmp_path / "a.tif", FIRST, planarconfig="separate", extratags=tags(*items), **GREY
    )
    assert spectral_axis(read(tmp_path / "a.tif")) == axis


def test_a_guessed_unit_is_stated(tmp_path):
    path = tmp_path / "a.tif"
    items = wavelengths(400.0 + np.arange(7), None)
    tifffile.imwrite(path, FIRST, planarconfig="separate", extratags=tags(*items), **GREY)
    assert "taken as nm" in read(path).attrs["reading_notes"]


def test_overlapping_detectors_are_sorted_by_wavelength_with_all_that_belongs_to_them(tmp_path):
    stored = np.array([400, 410, 420, 430, 415, 425, 440], float)
    items = [*wavelengths(stored), *[item("bbl", int(n != 4), n) for n in range(7)]]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, FIRST, planarconfig="separate", extratags=tags(*items), **GREY)
    order = np.argsort(stored)
    for chunks in (None, 20):
        cube = read(path, chunks=chunks)
        np.testing.assert_array_equal(cube, VALUES[..., order])
        np.testing.assert_array_equal(spectral_axis(cube).values, stored[order])
        assert np.flatnonzero(cube.bad_channel).tolist() == [2]
        assert "channels are sorted" in cube.attrs["reading_notes"]
    own = read(path, wavelength=np.arange(7.0), unit="nm")
    np.testing.assert_array_equal(own, VALUES)  # the order of the file, which the user knows


def test_bands_without_a_wavelength_are_bad(tmp_path):
    items = wavelengths([400, 410, 0, 430, 440, 450, 460])
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, FIRST, planarconfig="separate", extratags=tags(*items), **GREY)
    cube = read(path)
    assert np.flatnonzero(cube.bad_channel).tolist() == [2]
    np.testing.assert_allclose(spectral_axis(cube).values, 400 + 10 * np.arange(7))


def test_an_axis_that_jumps_about_is_refused_not_sorted(tmp_path):
    items = wavelengths([400, 450, 410, 440, 420, 430, 425])
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, FIRST, planarconfig="separate", extratags=tags(*items), **GREY)
    with pytest.raises(ValueError, match="must rise or fall throughout"):
        read(path)


@pytest.mark.parametrize("nodata", [0, -1, "nan", "-32768.0\0"])
def test_the_no_data_value_becomes_nan(tmp_path, nodata):
    stored = FIRST.astype(np.float32)
    number = float(str(nodata).strip("\0"))
    stored[2, 3, 4] = number
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, planarconfig="separate", extratags=tags(nodata=nodata), **GREY)
    cube = read(path)
    want = np.where(stored == number, np.nan, stored).transpose(1, 2, 0)
    np.testing.assert_array_equal(cube, want)
    assert np.isnan(cube.values[3, 4, 2])


def test_scales_are_applied_only_where_they_differ(tmp_path):
    same, different = ([item("SCALE", s, n, "scale") for n, s in enumerate(each)]
                       for each in ([0.5] * 7, [1, 2, 3, 4, 5, 6, 7]))  # fmt: skip
    for name, items in (("same", same), ("different", different)):
        tifffile.imwrite(tmp_path / f"{name}.tif", FIRST, planarconfig="separate",
                         extratags=tags(*items), **GREY)  # fmt: skip
    cube = read(tmp_path / "same.tif")
    np.testing.assert_array_equal(cube, VALUES)
    assert "factor of 0.5" in cube.attrs["scale_note"]
    cube = read(tmp_path / "different.tif", chunks=20)
    np.testing.assert_array_equal(cube, VALUES * np.arange(1, 8, dtype=np.float32))
    assert "they are applied" in cube.attrs["reading_notes"]


def test_the_map_gives_positions_and_the_reference_system(tmp_path):
    keys = (1, 1, 0, 2, 1025, 0, 1, 1, 3072, 0, 1, 32633)
    geo = [(33550, "d", 3, (30.0, 20.0, 0.0), True), (34735, "H", len(keys), keys, True),
           (33922, "d", 6, (0.0, 0.0, 0.0, 1000.0, 9000.0, 0.0), True)]  # fmt: skip
    tifffile.imwrite(tmp_path / "a.tif", FIRST, planarconfig="separate", extratags=geo, **GREY)
    cube = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(cube.x, 1015 + 30 * np.arange(50))
    np.testing.assert_array_equal(cube.y, 8990 - 20 * np.arange(40))
    assert cube.attrs["crs"] == "EPSG:32633"
    assert cube.attrs["geotransform"] == "1000 30 0 9000 0 -20"


def test_channels_of_ome_and_of_imagej_have_their_wavelengths(tmp_path):
    waves = [450 + 10 * n for n in range(7)]
    metadata = {"axes": "CYX", "Channel": {"EmissionWavelength": waves,
                                           "EmissionWavelengthUnit": ["nm"] * 7}}  # fmt: skip
    tifffile.imwrite(tmp_path / "a.ome.tif", FIRST, metadata=metadata, **GREY)
    assert spectral_axis(read(tmp_path / "a.ome.tif")) == Axis(waves, "nm")
    metadata = {"Labels": [f"slice {n} ({one} nm)" for n, one in enumerate(waves)]}
    tifffile.imwrite(tmp_path / "b.tif", FIRST, imagej=True, metadata=metadata)
    assert spectral_axis(read(tmp_path / "b.tif")) == Axis(waves, "nm")


def test_descriptions_of_the_pages_have_their_wavelengths(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for n, page in enumerate(FIRST):
            writer.write(page, description=f"{450.5 + n}", metadata=None, **GREY)
    cube = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(cube, VALUES)
    assert spectral_axis(cube) == Axis(450.5 + np.arange(7), "nm")
    assert cube.attrs["axis_from"] == "descriptions of the pages"


def test_overviews_are_never_the_cube_and_several_series_are_listed(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(FIRST, planarconfig="separate", metadata=None, **GREY)
        writer.write(FIRST[:, ::2, ::2], planarconfig="separate", subfiletype=1, metadata=None,
                     **GREY)  # fmt: skip
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), VALUES)
    with tifffile.TiffWriter(tmp_path / "b.tif") as writer:
        writer.write(FIRST[:, ::2, ::2], planarconfig="separate", metadata=None, **GREY)
        writer.write(FIRST, planarconfig="separate", metadata=None, **GREY)
    with pytest.raises(ValueError, match=r"several series of images.*choose one with key="):
        read(tmp_path / "b.tif")
    np.testing.assert_array_equal(read(tmp_path / "b.tif", key=1), VALUES)
    with pytest.raises(ValueError, match="has no series '5'; there is: 0"):
        read(tmp_path / "b.tif", key=5)


@pytest.mark.parametrize("kind", [int, str])
def test_the_number_of_a_series_is_the_one_that_the_list_shows(tmp_path, kind):
    """A preview is not listed, but counts, so the second cube of the list is not number 1."""
    half = FIRST[:, ::2, ::2]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for values, is_preview in ((half[:, ::2, ::2], 1), (half, 0), (FIRST, 0)):
            writer.write(values, planarconfig="separate", subfiletype=is_preview, metadata=None,
                         **GREY)  # fmt: skip
    with pytest.raises(ValueError, match=r"several series of images: 1 \(7, 20, 25\), 2 \(7"):
        read(tmp_path / "a.tif")
    np.testing.assert_array_equal(read(tmp_path / "a.tif", key=kind(2)), VALUES)
    assert read(tmp_path / "a.tif", key=kind(1)).shape == (20, 25, 7)


@pytest.mark.parametrize("bands", [3, 4])
def test_a_photograph_is_refused_in_words(tmp_path, bands):
    picture = np.zeros((40, 50, bands), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", picture, photometric="rgb")
    with pytest.raises(ValueError, match=r"is a coloured picture .* not a spectrum"):
        read(tmp_path / "a.tif")


def test_one_image_is_no_cube(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", FIRST[0])
    with pytest.raises(ValueError, match=r"no images of several channels; .*\(40, 50\)"):
        read(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((3, 2, 40, 50), "u2"), imagej=True)
    with pytest.raises(ValueError, match=r"shape \(3, 2, 40, 50\) along TCYX|ZCYX"):
        read(tmp_path / "b.tif")


def change(path, name, value, number=0):
    """Write another value into a tag of an existing file."""
    with tifffile.TiffFile(path) as file:
        tag = file.pages[number].tags[name]
        place, kind = tag.valueoffset, {3: "H", 4: "I"}[int(tag.dtype)]
    data = bytearray(path.read_bytes())
    struct.pack_into(f"<{kind}", data, place, value)
    path.write_bytes(data)


def test_strips_that_were_never_written_are_nan_and_stated(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, FIRST, planarconfig="separate", compression="zlib", rowsperstrip=40,
                     **GREY)  # fmt: skip
    change(path, "StripByteCounts", 0)
    for chunks in (None, 20):
        cube = read(path, chunks=chunks)
        assert np.isnan(cube.values[..., 0]).all()
        np.testing.assert_array_equal(cube[..., 1:], VALUES[..., 1:])
        assert "1 of 7 strips were never written" in cube.attrs["reading_notes"]


def test_damaged_files_are_refused_in_words(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, FIRST, **GREY)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"a\.tif.*(cut short|damaged)"):
        read(path)
    path.write_bytes(whole[:200])
    with pytest.raises(ValueError, match=r"a\.tif"):
        read(path)
    path.write_bytes(b"II*\0" + bytes(100))
    with pytest.raises(ValueError, match=r"a\.tif"):
        read(path)


def test_a_size_that_cannot_be_in_the_file_is_refused_before_memory_is_taken(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, FIRST, planarconfig="contig", compression="zlib", metadata=None, **GREY)
    change(path, "ImageLength", 2**31)
    with pytest.raises(ValueError, match=r"a\.tif.*more than a file|due|damaged"):
        read(path)


def test_what_tiff_cannot_give_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", FIRST, **GREY)
    with pytest.raises(ValueError, match="leave out detectors=1"):
        read(tmp_path / "a.tif", detectors=1)
    with pytest.raises(ValueError, match="leave out variance='noise'"):
        read(tmp_path / "a.tif", variance="noise")
    with pytest.raises(ValueError, match=r"image of 40 x 50 pixels.*shape=\(50, 40\)"):
        read(tmp_path / "a.tif", shape=(50, 40))


def test_without_the_package_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", FIRST, **GREY)
    importing = builtins.__import__

    def missing(name, *args, **words):
        if name == "tifffile":
            raise ImportError(name)
        return importing(name, *args, **words)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=re.escape('pip install "spectessera[tiff]"')):
        read(tmp_path / "a.tif")


def test_xml_with_entities_of_its_own_is_not_parsed():
    bomb = '<!DOCTYPE a [<!ENTITY b "bb">]><GDALMetadata>&b;</GDALMetadata>'
    assert parse_xml(bomb) is None
    assert gdal_items("<broken") == []
    assert gdal_words([], 7).values is None


def test_numbers_of_bands_are_no_wavelengths():
    assert described([f"Band {n}" for n in range(1, 5)])[0] is None
    assert described(["450 nm", "440 nm", "460 nm"])[0] is None  # neither rise nor fall
    assert described(["450 nm", "0.46 um"])[0] is None  # two units
    assert described(["450 nm", "460 nm"])[1] == "nm"


def test_what_rasterio_writes_is_read(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    words = {"driver": "GTiff", "width": 50, "height": 40, "count": 7, "dtype": "uint16"}
    with rasterio.open(tmp_path / "a.tif", "w", **words, nodata=9, crs="EPSG:32633",
                       transform=rasterio.Affine(30, 0, 500, 0, -30, 900)) as file:  # fmt: skip
        file.write(FIRST)
        for n in range(7):
            file.set_band_description(n + 1, f"{400 + n}.5 nm")
    cube = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(cube, np.where(VALUES == 9, np.nan, VALUES))
    assert spectral_axis(cube) == Axis(400.5 + np.arange(7), "nm")
    assert cube.attrs["crs"] == "EPSG:32633"
    np.testing.assert_array_equal(cube.x, 515 + 30 * np.arange(50))


@pytest.mark.parametrize(
    ("tags", "y", "transform"),
    [
        ({"ModelTransformation": [3, 0, 0, 10, 0, -2, 0, 90, *[0] * 7, 1]}, [89, 87],
         "10 3 0 90 0 -2"),
        ({"ModelTransformation": [3, 1, 0, 10, 1, -2, 0, 90, *[0] * 7, 1]}, None,
         "10 3 1 90 1 -2"),
        ({"ModelPixelScale": [3, 2, 0], "ModelTiepoint": [1, 1, 0, 13, 88, 0]}, [89, 87],
         "10 3 0 90 0 -2"),
        ({"ModelPixelScale": [3, 2, 0]}, None, None),
    ],
)  # fmt: skip
def test_a_map_has_positions_of_rows_and_columns_unless_it_is_turned(tags, y, transform):
    coords, attrs = geo_words(tags, (2, 3))
    assert attrs.get("geotransform") == transform
    assert ("y" in coords) is (y is not None)
    if y is not None:
        assert coords["y"][1].tolist() == y
        assert coords["x"][1].tolist() == [11.5, 14.5, 17.5]


def test_the_corner_of_a_map_may_be_the_middle_of_a_pixel():
    tags = {"ModelPixelScale": [3, 2, 0], "ModelTiepoint": [0, 0, 0, 10, 90, 0],
            "GTRasterTypeGeoKey": 2}  # fmt: skip
    assert geo_words(tags, (2, 3))[0]["y"][1].tolist() == [90, 88]
