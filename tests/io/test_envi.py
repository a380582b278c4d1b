"""Cubes from ENVI headers and the files of numbers beside them."""

import builtins
import pickle
import shutil
import warnings

import numpy as np
import pytest

from spectessera.axis import Axis
from spectessera.cube import spectral_axis
from spectessera.io import formats, read
from spectessera.io._channelorder import sort_channels
from spectessera.io._common import Request, StoredCube
from spectessera.io._envi_header import fields
from spectessera.io.envi import read_envi

envi = pytest.importorskip("spectral.io.envi")

SHAPE = (4, 5, 7)  # lines, samples, bands
STORED = {"bsq": (2, 0, 1), "bil": (0, 2, 1), "bip": (0, 1, 2)}


@pytest.fixture
def values():
    return np.random.default_rng(0).poisson(300.0, SHAPE).astype(np.int16)


def save(folder, values, name="scan.img", header=None, interleave="bip", order=0, **fields):
    """Write a header and its data by hand; fields replace or add lines, None leaves one out."""
    letter = values.dtype.char
    lines = {
        "samples": values.shape[1],
        "lines": values.shape[0],
        "bands": values.shape[2],
        "header offset": 0,
        "file type": "ENVI Standard",
        "data type": envi.dtype_to_envi[letter],
        "interleave": interleave,
        "byte order": order,
    }
    lines |= {key.replace("_", " "): value for key, value in fields.items()}
    text = "".join(f"{key} = {value}\n" for key, value in lines.items() if value is not None)
    path = folder / (header or f"{name.rpartition('.')[0] or name}.hdr")
    path.write_text("ENVI\n" + text, encoding="utf-8")
    stored = values.transpose(STORED[interleave.lower()]).astype(
        values.dtype.newbyteorder("<>"[order])
    )
    (folder / name).write_bytes(stored.tobytes())
    return path


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip", "BSQ"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("order", [0, 1])
def test_every_order_and_type_gives_the_same_cube(tmp_path, values, interleave, dtype, order):
    truth = values.clip(0, 255).astype(dtype)
    cube = read(save(tmp_path, truth, interleave=interleave, order=order))
    np.testing.assert_array_equal(cube, truth)
    assert cube.dims == ("y", "x", "channel")
    assert cube.dtype == np.dtype(dtype)
    assert cube.dtype.isnative
    assert cube.attrs["source"] == "scan.hdr"
    assert spectral_axis(cube) == Axis(np.arange(7))


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_what_the_package_spectral_saves_is_read(tmp_path, values, interleave, byteorder):
    header = tmp_path / "scan.hdr"
    told = {
        "wavelength": [str(one) for one in np.linspace(400, 700, 7)],
        "wavelength units": "Nanometers",
        "description": "a painting",
        "sensor type": "a camera",
    }
    words = {"interleave": interleave, "byteorder": byteorder, "metadata": told}
    envi.save_image(str(header), values, ext="img", **words)
    cube = read(header)
    np.testing.assert_array_equal(cube, values)
    assert spectral_axis(cube) == Axis(np.linspace(400, 700, 7), "nm")
    assert cube.attrs["instrument"] == "a camera"
    assert "a painting" in cube.attrs["description"]


@pytest.mark.parametrize(
    "name", ["scan.img", "scan.dat", "scan.raw", "scan.BSQ", "scan.bil", "scan"]
)
def test_the_data_file_is_found_and_may_be_given_itself(tmp_path, values, name):
    header = save(tmp_path, values, name=name, header="scan.hdr")
    np.testing.assert_array_equal(read(header), values)
    np.testing.assert_array_equal(read(tmp_path / name), values)
    assert read(tmp_path / name).attrs["source"] == name


def test_a_header_may_keep_the_suffix_of_its_data(tmp_path, values):
    header = save(tmp_path, values, name="scan.img", header="scan.img.hdr")
    save(tmp_path, values[:2], name="scan.dat", header="scan.dat.HDR")
    np.testing.assert_array_equal(read(header), values)
    np.testing.assert_array_equal(read(tmp_path / "scan.img"), values)
    np.testing.assert_array_equal(read(tmp_path / "scan.dat"), values[:2])


def test_data_that_begin_like_another_format_are_still_envi(tmp_path):
    values = np.frombuffer(b"\x1f\x8b" * 140, np.int16).reshape(SHAPE)
    save(tmp_path, values)
    np.testing.assert_array_equal(read(tmp_path / "scan.img"), values)


@pytest.mark.parametrize("offset", [0, 32])
@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
@pytest.mark.parametrize("chunks", [2, "auto", {"y": 3, "x": 2}])
def test_chunks_leave_the_data_in_the_file_until_asked(
    tmp_path, values, chunks, interleave, offset, monkeypatch
):
    header = save(tmp_path, values, interleave=interleave, header_offset=offset)
    data = tmp_path / "scan.img"
    data.write_bytes(bytes(offset) + data.read_bytes())

    def read_too_early(*_args, **_words):
        raise AssertionError("data were read")

    with monkeypatch.context() as patch:
        patch.setattr(np, "memmap", read_too_early)
        cube = read(header, chunks=chunks)
    assert len(cube.chunks[2]) == 1  # spectra stay whole
    assert cube.data.name == read(header, chunks=chunks).data.name
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(cube)), values)
    np.testing.assert_array_equal(cube.isel(x=[3, 0], channel=-1), values[:, [3, 0], -1])
    np.testing.assert_array_equal(read(header), values)


def test_auto_reads_whole_rows(tmp_path):
    header = save(tmp_path, np.zeros((300, 400, 700), np.int16))
    assert read(header, chunks="auto").data.chunksize == (14, 400, 700)


@pytest.mark.parametrize(
    ("told", "axis"),
    [
        ("Nanometers", Axis(np.linspace(400, 700, 7), "nm")),
        ("nm", Axis(np.linspace(400, 700, 7), "nm")),
        ("Micrometers", Axis(np.linspace(400, 700, 7), "um")),
        ("Wavenumber", Axis(np.linspace(400, 700, 7), "cm-1")),
        ("Angstroms", Axis(np.linspace(400, 700, 7), "angstrom")),
        ("Index", Axis(np.linspace(400, 700, 7))),
        ("furlongs", Axis(np.linspace(400, 700, 7))),
    ],
)
def test_wavelengths_have_the_unit_of_the_header(tmp_path, values, told, axis):
    lengths = "{" + ",\n ".join(f"{one}" for one in np.linspace(400, 700, 7)) + "}"
    header = save(tmp_path, values, wavelength=lengths, wavelength_units=told)
    cube = read(header)
    assert spectral_axis(cube) == axis
    assert ("axis_note" in cube.attrs) == (told == "furlongs")
    assert spectral_axis(read(header, unit="nm")).unit == "nm"


@pytest.mark.parametrize(
    ("lengths", "trouble"),
    [
        ("{400, 500}", "2 wavelengths for 7 bands"),
        ("{a, b, c, d, e, f, g}", "not numbers"),
        ("{1, 1, 1, 1, 1, 1, 1}", "turns or repeats"),
        ("{1, 2, 3, nan, 4, 5, 6}", "not finite"),
    ],
)
def test_wrong_wavelengths_are_told_and_can_be_replaced(tmp_path, values, lengths, trouble):
    header = save(tmp_path, values, wavelength=lengths, wavelength_units="nm")
    with pytest.raises(ValueError, match=rf"scan\.hdr.*{trouble}.*give energy="):
        read(header)
    assert spectral_axis(read(header, wavelength=(400, 700), unit="nm")).values[-1] == 700


@pytest.mark.parametrize("chunks", [None, 2])
@pytest.mark.parametrize(
    ("dtype", "told", "kept"),
    [
        ("i2", "-9999", "f4"),
        ("u2", "65535", "f4"),
        ("f4", "-1.23e34", "f4"),
        ("f8", "-9999.0", "f8"),
    ],
)
def test_the_ignored_value_becomes_nan(tmp_path, values, chunks, dtype, told, kept):
    truth = values.astype(dtype)
    truth[1, 2, 3] = np.dtype(dtype).type(float(told))
    cube = read(save(tmp_path, truth, data_ignore_value=told), chunks=chunks)
    assert cube.dtype == np.dtype(kept)
    assert np.argwhere(np.isnan(cube.values)).tolist() == [[1, 2, 3]]
    assert cube[0, 0, 0] == values[0, 0, 0]
    assert cube.attrs.get("saturation") == (65535 if dtype == "u2" else None)


@pytest.mark.parametrize("told", ["-9999", "1e300", "0.5", "nan", "none", ""])
def test_a_value_that_cannot_be_there_changes_nothing(tmp_path, values, told):
    cube = read(save(tmp_path, values.astype("u2"), data_ignore_value=told))
    assert cube.dtype == np.uint16
    floats = read(save(tmp_path, values.astype("f4"), data_ignore_value=told))
    np.testing.assert_array_equal(floats, values)


def test_nothing_is_left_out_or_scaled_but_told(tmp_path, values):
    header = save(
        tmp_path,
        values,
        reflectance_scale_factor="10000",
        data_gain_values="{1, 1, 1, 1, 1, 1, 2}",
        map_info="{UTM, 1, 1}",
    )
    cube = read(header)
    np.testing.assert_array_equal(cube, values)
    assert cube.dtype == np.int16
    assert cube.attrs["reflectance_scale_factor"] == 10000
    assert cube.attrs["map_info"] == "UTM, 1, 1"
    assert "not applied" in cube.attrs["gain_note"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_headers_in_any_encoding_are_read(tmp_path, values, encoding):
    lengths = "{" + ", ".join(map(str, range(7))) + "}"
    header = save(tmp_path, values, wavelength=lengths, wavelength_units="µm")
    text = header.read_text(encoding="utf-8").replace("samples =", "Samples  = ")
    header.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    assert spectral_axis(read(header)) == Axis(np.arange(7), "um")
    np.testing.assert_array_equal(read(tmp_path / "scan.img"), values)


# --- what is wrong ------------------------------------------------------------------------------


def test_a_missing_data_file_is_told_with_the_names_it_may_have(tmp_path, values):
    header = save(tmp_path, values)
    (tmp_path / "scan.img").unlink()
    with pytest.raises(ValueError, match=r"scan\.hdr has no data file.*scan, scan\.img, scan\.dat"):
        read(header)


def test_a_missing_header_is_told(tmp_path, values):
    save(tmp_path, values).unlink()
    with pytest.raises(
        ValueError, match=r"no ENVI header beside it \(scan\.img\.hdr or scan\.hdr\)"
    ):
        read(tmp_path / "scan.img")
    (tmp_path / "scan.hdr").write_text("BSQ of something else")
    with pytest.raises(ValueError, match="no ENVI header beside it"):
        read(tmp_path / "scan.img")
    with pytest.raises(ValueError, match="named like ENVI but is not"):
        read(tmp_path / "scan.hdr")


def test_several_data_files_are_told_unless_the_size_tells(tmp_path, values):
    header = save(tmp_path, values)
    (tmp_path / "scan.dat").write_bytes(b"other")
    np.testing.assert_array_equal(read(header), values)
    shutil.copy(tmp_path / "scan.img", tmp_path / "scan.raw")
    with pytest.raises(ValueError, match=r"several files.*scan\.img 280, scan\.raw 280"):
        read(header)
    np.testing.assert_array_equal(read(tmp_path / "scan.raw"), values)


@pytest.mark.parametrize("chunks", [None, 2])
@pytest.mark.parametrize("by", [-1, -100, 280])
def test_a_data_file_of_another_size_is_told(tmp_path, values, by, chunks):
    header = save(tmp_path, values)
    data = tmp_path / "scan.img"
    data.write_bytes((data.read_bytes() + bytes(280))[: 280 + by])
    words = "cut short" if by < 0 else "belongs to another image"
    with pytest.raises(ValueError, match=rf"{280 + by} bytes but scan\.hdr describes 280.*{words}"):
        read(header, chunks=chunks)


def test_data_that_shrink_later_are_told(tmp_path, values):
    cube = read(save(tmp_path, values), chunks=2)
    (tmp_path / "scan.img").write_bytes(b"short")
    with pytest.raises(ValueError, match="cannot be read as"):
        cube.compute()


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("lines", "40000000000", "bytes but"),
        ("lines", "-4", "lines must be at least 1"),
        ("samples", "five", "samples must be a whole number"),
        ("bands", "{7}", "bands must be a whole number"),
        ("bands", "0", "bands must be at least 1"),
        ("header offset", "-8", "header offset must be at least 0"),
        ("byte order", "3", "byte order must be 0 or 1"),
        ("interleave", "random", "interleave must be bsq, bil or bip"),
        ("data type", "99", "data type '99' is not known"),
        ("data type", "6", "must hold real numbers"),
        ("data type", "4", "bytes but"),
        ("file compression", "1", "compressed"),
        ("file type", "ENVI Spectral Library", "not an image of spectra"),
        ("file type", "ENVI Classification", "not an image of spectra"),
        ("major frame offsets", "{1, 2}", "frame offsets"),
        ("lines", None, "lines"),
        ("interleave", None, "interleave"),
        ("wavelength", "{1, 2", "cannot be read as an ENVI header"),
    ],
)
def test_a_header_that_lies_is_told(tmp_path, values, field, value, told):
    header = save(tmp_path, values)
    lines = [one for one in header.read_text().splitlines() if not one.startswith(field)]
    header.write_text("\n".join(lines + ([f"{field} = {value}"] if value is not None else [])))
    with pytest.raises(ValueError, match=rf"scan\.(hdr|img).*{told}"):
        read(header)


@pytest.mark.parametrize(
    "rest", [b"", b"\n", b"\n\0\xff\xfe = {", b"\n" + b"{" * 1000, b"\na = {\n" * 99]
)
def test_a_broken_header_is_told(tmp_path, rest):
    (tmp_path / "scan.hdr").write_bytes(b"ENVI" + rest)
    (tmp_path / "scan.img").write_bytes(bytes(280))
    with pytest.raises(ValueError, match=r"scan\.hdr cannot be read as an ENVI header"):
        read(tmp_path / "scan.hdr")


@pytest.mark.parametrize(
    "more",
    ["description = {\n" + "a\n" * 20_000 + "}\n", "\n" * 20_000, "; " + "x" * 2**20 + "\n"],
    ids=["brace", "lines", "long"],
)
def test_a_header_that_is_far_too_long_is_refused_before_it_is_taken_apart(tmp_path, values, more):
    header = save(tmp_path, values)
    header.write_text(header.read_text() + more)
    with pytest.raises(ValueError, match=r"scan\.hdr has \d+ (lines|bytes), too many for an ENVI"):
        read(header)


def test_every_line_of_a_long_header_is_looked_at_once(values):
    class Line(str):
        looked = 0

        def lstrip(self, *args):
            Line.looked += 1
            return super().lstrip(*args)

    lines = [Line(one) for one in ["a = {", *["1,"] * 9_000, "}", "b = 2", *["c = 3"] * 9_000]]
    found = dict(fields(lines))
    assert len(found["a"]) == 9_001
    assert found.keys() == {"a", "b", "c"}
    assert Line.looked == len(lines)


def test_long_lists_of_one_word_a_line_are_read(tmp_path, values):
    many = values[:, :, :1].repeat(6000, axis=2)
    lengths = [f"{one:.3f}" for one in np.linspace(400, 700, 6000)]
    text = "{\n" + ",\n".join(lengths) + "\n}"
    header = save(tmp_path, many, wavelength=text, fwhm=text, wavelength_units="nm")
    assert spectral_axis(read(header)) == Axis(np.array(lengths, float), "nm")


@pytest.mark.parametrize(
    "text",
    [
        "a = 1\nA = 2\n = 3\nno sign\n; b = 4\nc = d = e\n",
        "description = {\n  two \n lines {of} words\n}\nsensor type = {x}\n",
        "wavelength = {1,\n;2,\n\n 3 , 4\n, }\nbbl={}\n",
        "a = {1\n b = 2}\nc = { 3\n} 4\n}\n",
        "a =\nb = {\n",
    ],
)
def test_fields_are_those_that_the_package_spectral_finds(tmp_path, text):
    (tmp_path / "a.hdr").write_text("ENVI\n" + text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            truth = envi.read_envi_header(str(tmp_path / "a.hdr"))
        except envi.EnviHeaderParsingError:
            truth = None
    if truth is None:
        with pytest.raises(ValueError, match="not closed"):
            dict(fields(text.split("\n")))
    else:
        assert dict(fields(text.split("\n"))) == truth


def test_there_is_nothing_to_choose(tmp_path, values):
    header = save(tmp_path, values)
    for name in ("key", "variance", "mask"):
        with pytest.raises(ValueError, match=f"one array without a name; leave out {name}='img'"):
            read(header, **{name: "img"})


# --- channels -----------------------------------------------------------------------------------


def listed(numbers) -> str:
    """Return numbers as a list of a header, two in a line."""
    return "{" + ",\n".join(map(str, numbers)) + "}"


@pytest.mark.parametrize("chunks", [None, 2])
def test_bands_with_bbl_0_are_bad_channels(tmp_path, values, chunks):
    cube = read(save(tmp_path, values, bbl="{1, 1, 0, 0,\n 1, 1, 1}"), chunks=chunks)
    assert cube["bad_channel"].dims == ("channel",)
    assert np.flatnonzero(cube["bad_channel"]).tolist() == [2, 3]
    assert "bbl" not in cube.attrs
    np.testing.assert_array_equal(cube, values)  # none is left out


@pytest.mark.parametrize(
    ("bbl", "note"),
    [
        ("{0, 0, 0, 0, 0, 0, 0}", "marks every channel as bad"),
        ("{1, 0, 1}", "3 numbers for 7 bands"),
        ("{1, a, 1, 1, 1, 1, 1}", "other things than numbers"),
    ],
)
def test_a_list_of_bad_bands_that_cannot_be_meant_is_stated(tmp_path, values, bbl, note):
    cube = read(save(tmp_path, values, bbl=bbl))
    assert "bad_channel" not in cube.coords
    assert note in cube.attrs["reading_notes"]


def test_all_bands_good_is_no_coordinate(tmp_path, values):
    cube = read(save(tmp_path, values, bbl=listed([1.0] * 7)))
    assert "bad_channel" not in cube.coords
    assert "reading_notes" not in cube.attrs


@pytest.mark.parametrize("units", [None, "Unknown", ""])
@pytest.mark.parametrize(
    ("first", "last", "unit"), [(400, 2500, "nm"), (0.4, 2.5, "um"), (3800, 9200, "angstrom")]
)
def test_the_unit_of_wavelengths_without_one_is_guessed_and_stated(
    tmp_path, values, units, first, last, unit
):
    lengths = np.linspace(first, last, 7)
    cube = read(save(tmp_path, values, wavelength=listed(lengths), wavelength_units=units))
    assert spectral_axis(cube) == Axis(lengths, unit)
    assert f"taken as {unit}" in cube.attrs["reading_notes"]
    assert cube.attrs["axis_from"] == "wavelength in scan.hdr"


@pytest.mark.parametrize(
    "words", ["({} Nanometers)", "{}nm", "Band ({} nm) of 7", "Resize (Band 3) ({})"]
)
def test_wavelengths_are_found_in_the_names_of_bands(tmp_path, values, words):
    lengths = np.linspace(400, 700, 7)
    names = listed(words.format(f"{one:.2f}") for one in lengths)
    cube = read(save(tmp_path, values, band_names=names))
    assert spectral_axis(cube) == Axis(lengths, "nm")
    assert "names of the bands" in cube.attrs["reading_notes"]
    plain = read(save(tmp_path, values, band_names=listed(f"Band {n}" for n in range(7))))
    assert spectral_axis(plain).kind == "channel"


def test_widths_of_bands_are_a_coordinate(tmp_path, values):
    header = save(
        tmp_path, values, wavelength=listed(range(400, 407)), wavelength_units="nm",
        fwhm=listed(range(1, 8)), band_names=listed("abcdefg"),
    )  # fmt: skip
    cube = read(header)
    assert cube["fwhm"].values.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert cube["fwhm"].attrs["units"] == "nm"


@pytest.mark.parametrize("chunks", [None, 2])
@pytest.mark.parametrize("middle", [650, 600])
def test_overlapping_spectrometers_are_put_in_the_order_of_their_wavelengths(
    tmp_path, values, chunks, middle
):
    lengths = [400, 500, 600, 700, middle, 750, 850]
    header = save(
        tmp_path, values, wavelength=listed(lengths), wavelength_units="nm",
        bbl=listed([1, 1, 1, 1, 0, 1, 1]), fwhm=listed(range(7)),
    )  # fmt: skip
    cube = read(header, chunks=chunks)
    order = [0, 1, 2, 4, 3, 5, 6]
    np.testing.assert_array_equal(cube, values[..., order])
    assert spectral_axis(cube).values.tolist() == [400, 500, 600, 650, 700, 750, 850]
    assert np.flatnonzero(cube["bad_channel"]).tolist() == [3]
    assert cube["fwhm"].values.tolist() == order
    assert "overlap" in cube.attrs["reading_notes"]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([400, 400, 401, 401, 402, 402, 403], [400, 400.5, 401, 401.5, 402, 402.5, 403]),
        ([406, 406, 405, 404, 403, 402, 402], [406, 405.5, 405, 404, 403, 402, 401.5]),
    ],
)
def test_rounded_wavelengths_that_repeat_are_spread(tmp_path, values, lengths, expected):
    cube = read(save(tmp_path, values, wavelength=listed(lengths), wavelength_units="nm"))
    assert spectral_axis(cube).values.tolist() == expected
    np.testing.assert_array_equal(cube, values)
    assert "with the wavelength of another one" in cube.attrs["reading_notes"]


def test_channels_without_a_wavelength_are_bad(tmp_path, values):
    lengths = [0, 410, 420, 430, 0, 450, 0]
    cube = read(save(tmp_path, values, wavelength=listed(lengths), wavelength_units="nm"))
    assert spectral_axis(cube).values.tolist() == [400, 410, 420, 430, 440, 450, 460]
    assert np.flatnonzero(cube["bad_channel"]).tolist() == [0, 4, 6]
    assert "wavelength 0" in cube.attrs["reading_notes"]


# --- what is left out, or said twice ------------------------------------------------------------


@pytest.mark.parametrize("chunks", [None, 2])
@pytest.mark.parametrize(
    "told", ["{-9999}", "{ -9.999e3 }", "-9999.000000", "{" + "-9999, " * 7 + "}"]
)
def test_the_ignored_value_may_be_a_list(tmp_path, values, told, chunks):
    truth = values.astype("f4")
    truth[1, 2] = -9999
    cube = read(save(tmp_path, truth, data_ignore_value=told), chunks=chunks)
    assert np.isnan(cube.values[1, 2]).all()
    assert np.isnan(cube.values).sum() == 7


@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_each_band_may_have_its_own_value_to_ignore(tmp_path, values, dtype):
    truth = values.astype(dtype)
    truth[0, 0, 2], truth[0, 0, 3], truth[1, 1, 3] = -1, -1, -2
    cube = read(save(tmp_path, truth, data_ignore_value=listed([-9, -9, -1, -2, -9, -9, "nan"])))
    assert np.argwhere(np.isnan(cube.values)).tolist() == [[0, 0, 2], [1, 1, 3]]
    few = read(save(tmp_path, truth, data_ignore_value=listed([-1, -2])))
    assert "2 values to ignore for 7 bands" in few.attrs["reading_notes"]


def test_remarks_may_be_anywhere(tmp_path, values):
    header = save(tmp_path, values, description="{a; b}")
    lines = header.read_text().splitlines()
    lines = [f"{one} ; as measured" if "=" in one and "{" not in one else one for one in lines]
    more = [
        "  ; indented", "wavelength = { ; in nm", "1, 2,", "; three", "3, 4 ; half", ", 5, 6, 7 }",
        "wavelength units = nm ; never mind",
    ]  # fmt: skip
    header.write_text("; before\n" + "\n".join([*lines, *more]))
    cube = read(header)
    np.testing.assert_array_equal(cube, values)
    assert spectral_axis(cube) == Axis(np.arange(1, 8), "nm")
    assert cube.attrs["description"] == "a; b"


def test_a_missing_byte_order_or_offset_is_assumed_and_the_order_stated(tmp_path, values):
    header = save(tmp_path, values)
    kept = [
        one for one in header.read_text().splitlines() if "byte" not in one and "offset" not in one
    ]
    header.write_text("\n".join(kept))
    cube = read(header)
    np.testing.assert_array_equal(cube, values)
    assert "no byte order" in cube.attrs["reading_notes"]
    bytes_ = save(tmp_path, values.clip(0, 255).astype("u1"), byte_order=None)
    bytes_.write_text(bytes_.read_text().replace("byte order = 0\n", ""))
    assert "reading_notes" not in read(bytes_).attrs  # single bytes have no order


@pytest.mark.parametrize(("word", "order"), [("Intel", 0), ("IEEE", 1), ("1", 1), ("0.0", 0)])
def test_words_for_the_byte_order_are_understood(tmp_path, values, word, order):
    header = save(tmp_path, values, order=order)
    header.write_text(header.read_text().replace(f"byte order = {order}", f"byte order = {word}"))
    np.testing.assert_array_equal(read(header), values)


@pytest.mark.parametrize("chunks", [None, 2])
@pytest.mark.parametrize("by", [1, 100, 512])
def test_bytes_after_the_image_are_stated(tmp_path, values, by, chunks):
    header = save(tmp_path, values)
    with (tmp_path / "scan.img").open("ab") as stream:
        stream.write(bytes(by))
    cube = read(header, chunks=chunks)
    np.testing.assert_array_equal(cube, values)
    assert f"{by} bytes at the end of scan.img" in cube.attrs["reading_notes"]


@pytest.mark.parametrize("field", ["samples = 4", "interleave = bsq", "wavelength = {1, 2}"])
def test_two_values_of_one_field_are_an_error(tmp_path, values, field):
    header = save(tmp_path, values, wavelength=listed(range(7)))
    header.write_text(header.read_text() + field + "\n")
    with pytest.raises(ValueError, match=rf"scan\.hdr.*{field.split(' ')[0]}' has two values"):
        read(header)
    same = save(tmp_path, values)
    same.write_text(same.read_text() + "samples = 5\n")
    np.testing.assert_array_equal(read(same), values)


@pytest.mark.parametrize("name", ["scan.xyz", "scan.lan", "scan.v1"])
def test_data_of_any_suffix_are_found_by_their_size(tmp_path, values, name):
    header = save(tmp_path, values, name=name, header="scan.hdr")
    (tmp_path / "scan.txt").write_text("notes")
    np.testing.assert_array_equal(read(header), values)


@pytest.mark.parametrize("axes", ["cyx", "ycx", "yxc", "xcy", "cxy"])
def test_the_order_that_is_given_wins_over_the_interleave(tmp_path, values, axes):
    header = save(tmp_path, values)
    stored = values.transpose(["yxc".index(letter) for letter in axes])
    (tmp_path / "scan.img").write_bytes(stored.tobytes())
    np.testing.assert_array_equal(read(header, axes=axes, chunks=2), values)


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
@pytest.mark.parametrize("column", [False, True])
def test_a_row_of_spectra_becomes_an_image(tmp_path, values, interleave, column):
    row = values.reshape((20, 1, 7) if column else (1, 20, 7))
    header = save(tmp_path, row, interleave=interleave)
    np.testing.assert_array_equal(read(header, shape=(4, 5)), values)
    assert read(header).shape == row.shape
    with pytest.raises(ValueError, match=r"\(3, 5\) \(--shape\)"):
        read(header, shape=(3, 5))


def test_without_the_package_spectral_it_is_told_how_to_install_it(tmp_path, values, monkeypatch):
    header = save(tmp_path, values)
    real = builtins.__import__

    def absent(name, *args):
        if name.startswith("spectral"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=r'pip install "spectessera\[envi\]"'):
        read_envi(header, Request())


def test_formats_tell_of_envi():
    (found,) = [one for one in formats() if one.name == "ENVI"]
    assert {".hdr", ".img", ".bsq"} <= set(found.suffixes)
    assert (found.reads, found.writes) == (True, "")


def test_overlapping_bands_are_sorted_with_their_noise():
    """ENVI files have no noise, but other files with two detectors do."""
    stored = StoredCube(
        np.arange(12.0).reshape(1, 2, 6), {"values": np.array([1, 2, 4, 3, 5, 6.0])}
    )
    stored.variance = 100 + stored.values
    stored.coords["fwhm"] = (("channel",), np.arange(6), {})
    stored.coords["y"] = (("y",), np.arange(1), {})
    order = [0, 1, 3, 2, 4, 5]
    sort_channels(stored)
    np.testing.assert_array_equal(stored.axis["values"], np.arange(1, 7))
    np.testing.assert_array_equal(stored.values[0, 0], order)
    np.testing.assert_array_equal(stored.variance[0, 0], 100 + np.array(order))
    assert stored.coords["fwhm"][1].tolist() == order
    assert stored.coords["y"][1].tolist() == [0]


def test_widths_that_are_no_numbers_are_left_out(tmp_path, values):
    cube = read(save(tmp_path, values, fwhm="{" + ", ".join("abcdefg") + "}"))
    np.testing.assert_array_equal(cube, values)
    assert "fwhm" not in cube.coords


def test_wavelengths_that_are_mostly_0_are_no_axis(tmp_path, values):
    header = save(tmp_path, values, wavelength="{400, 410, 0, 0, 0, 0, 0}", wavelength_units="nm")
    with pytest.raises(ValueError, match="rise or fall throughout"):
        read(header)
    np.testing.assert_array_equal(read(header, wavelength=(400, 700), unit="nm"), values)
