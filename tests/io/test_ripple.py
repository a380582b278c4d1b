"""Cubes from ripple files: a text header and a file of plain numbers."""

import pickle

import numpy as np
import pytest

from spectessera.io._common import Request
from spectessera.io.ripple import read_ripple, ripple_header

SHAPE = (4, 5, 7)  # height, width, depth
VALUES = np.arange(140).reshape(SHAPE)
STORED = {"vector": (0, 1, 2), "image": (2, 0, 1)}
ORDERS = {"little-endian": "<", "big-endian": ">"}
TYPES = {"i": "signed", "u": "unsigned", "f": "float"}


def save(folder, values=VALUES, record_by="vector", order="little-endian", dtype="u2", **fields):
    """Write a header and its data by hand; fields replace or add lines, None leaves one out."""
    dtype = np.dtype(dtype)
    lines = {
        "width": values.shape[1],
        "height": values.shape[0],
        "depth": values.shape[2],
        "offset": 0,
        "data-length": dtype.itemsize,
        "data-type": TYPES[dtype.kind],
        "byte-order": order,
        "record-by": record_by,
    }
    lines |= {name.replace("_", "-"): value for name, value in fields.items()}
    text = "".join(f"{name}\t{value}\n" for name, value in lines.items() if value is not None)
    path = folder / "map.rpl"
    path.write_text("key\tvalue\n" + text, encoding="latin-1")
    stored = values.transpose(STORED[record_by]).astype(dtype.newbyteorder(ORDERS[order]))
    (folder / "map.raw").write_bytes(bytes(int(lines["offset"])) + stored.tobytes())
    return path


@pytest.mark.parametrize("record_by", ["vector", "image"])
@pytest.mark.parametrize("order", ["little-endian", "big-endian"])
@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_every_order_and_type_gives_the_same_cube(tmp_path, record_by, order, dtype):
    truth = (VALUES % 127).astype(dtype)
    cube = read_ripple(save(tmp_path, truth, record_by, order, dtype), Request())
    np.testing.assert_array_equal(cube.values, truth)
    assert cube.values.dtype == np.dtype(dtype)
    assert cube.values.dtype.isnative
    assert cube.origin["axes"] == f"record-by {record_by}"


@pytest.mark.parametrize("record_by", ["vector", "image"])
def test_chunks_leave_the_data_in_the_file(tmp_path, record_by, monkeypatch):
    path = save(tmp_path, record_by=record_by, offset=16)
    with monkeypatch.context() as patch:
        patch.setattr(np, "memmap", None)
        cube = read_ripple(path, Request(chunks=2)).values
    assert cube.chunksize == (2, 2, 7)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(cube)), VALUES)
    np.testing.assert_array_equal(cube[1:3, 4, 6], VALUES[1:3, 4, 6])


def test_either_file_may_be_given(tmp_path):
    save(tmp_path)
    assert ripple_header(tmp_path / "map.raw") == tmp_path / "map.rpl"
    np.testing.assert_array_equal(read_ripple(tmp_path / "map.raw", Request()).values, VALUES)


def test_a_raw_file_without_a_header_is_not_ripple(tmp_path):
    assert ripple_header(tmp_path / "map.raw") is None
    assert ripple_header(tmp_path / "map.img") is None


@pytest.mark.parametrize(
    ("fields", "first", "step", "unit", "kind"),
    [
        ({"ev_per_chan": 10}, 0, 10, "eV", ""),
        ({"depth_scale": 0.01, "depth_origin": -0.96, "depth_units": "keV", "ev_per_chan": 0},
         -0.96, 0.01, "keV", ""),
        ({"depth_scale": 0.5, "depth_origin": 100, "depth_units": "eV", "signal": "EELS"},
         100, 0.5, "eV", "energy_loss"),
        ({"depth_scale": 2, "depth_origin": 400, "depth_units": "nm", "depth_name": "Wavelength"},
         400, 2, "nm", ""),
    ],
)  # fmt: skip
def test_the_calibration_of_other_programs_becomes_the_axis(
    tmp_path, fields, first, step, unit, kind
):
    cube = read_ripple(save(tmp_path, **fields), Request())
    np.testing.assert_allclose(cube.axis["values"], first + step * np.arange(7))
    assert cube.axis["unit"] == unit
    assert cube.axis["kind"] == kind
    assert cube.origin["axis"] == "the calibration in map.rpl"


def test_without_a_calibration_the_channels_are_counted(tmp_path):
    cube = read_ripple(save(tmp_path), Request())
    assert cube.axis is None
    assert "axis" not in cube.origin


def test_positions_and_times_are_kept(tmp_path):
    path = save(
        tmp_path, width_scale=0.5, width_origin=3, width_units="um", height_scale=2,
        live_time=1.5, title="a coin", detector_peak_width_ev=130,
    )  # fmt: skip
    cube = read_ripple(path, Request())
    np.testing.assert_array_equal(cube.coords["x"][1], 3 + 0.5 * np.arange(5))
    assert cube.coords["x"][2] == {"units": "um"}
    np.testing.assert_array_equal(cube.coords["y"][1], 2 * np.arange(4))
    assert cube.attrs == {
        "source": "map.rpl", "title": "a coin", "live_time": 1.5, "detector_peak_width_ev": 130.0,
    }  # fmt: skip


def test_headers_with_comments_capitals_and_the_brackets_of_inca_are_understood(tmp_path):
    path = save(tmp_path, record_by="image")
    path.write_text(
        "(MLX::RIPPLE-HEADER\n(MLX::WIDTH : 5)\n(MLX::HEIGHT : 4)\n(MLX::DEPTH : 7)\n"
        "; a comment: width 900\n(MLX::OFFSET : 0)\n(MLX::DATA-Length : 2) ; bytes\n"
        "(MLX::DATA-TYPE : MLX::UNSIGNED)\n(MLX::BYTE-ORDER : MLX::LITTLE-ENDIAN)\n"
        "(MLX::RECORD-BY : MLX::IMAGE )\n"
    )
    np.testing.assert_array_equal(read_ripple(path, Request()).values, VALUES)


def test_numbers_without_a_byte_order_are_little_endian_and_it_is_said(tmp_path):
    path = save(tmp_path)
    path.write_text(path.read_text().replace("little-endian", "dont-care"))
    cube = read_ripple(path, Request())
    np.testing.assert_array_equal(cube.values, VALUES)
    assert cube.notes == ["the header gives no byte order: little-endian is taken"]


def test_the_order_of_the_user_wins_over_the_header(tmp_path):
    path = save(tmp_path, record_by="image")
    path.write_text(path.read_text().replace("image", "dont-care"))
    with pytest.raises(ValueError, match=r"record-by is dont-care.* give axes='yxc'"):
        read_ripple(path, Request())
    cube = read_ripple(path, Request(axes="cyx", shape=(4, 5)))
    np.testing.assert_array_equal(cube.values, VALUES)
    assert cube.origin["axes"] == "axes=cyx"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(key="a"), "holds one array without a name; leave out key='a'"),
        (Request(detectors="sum"), "leave out detectors='sum'"),
        (Request(variance="v"), "leave out variance='v'"),
        (Request(shape=(5, 4)), r"an image of 4 x 5 pixels \(y, x\); leave out shape=\(5, 4\)"),
    ],
)
def test_what_a_ripple_file_cannot_give_is_refused(tmp_path, request_, message):
    with pytest.raises(ValueError, match=message):
        read_ripple(save(tmp_path), request_)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width": None}, "no ripple header: it does not give the width"),
        ({"height": None}, "does not give height"),
        ({"height": 2.5}, "height must be a whole number, at least 1; got 2.5"),
        ({"height": "four"}, "height must be a number; got 'four'"),
        ({"height": "inf"}, "height must be a finite number"),
        ({"depth": 1}, "an image .depth 1., not a spectrum in every pixel"),
        ({"data_type": "complex"}, "data-type must be one of signed, unsigned, float"),
        ({"data_length": 3}, "no numbers 'u' of data-length 3"),
        ({"byte_order": "middle"}, "byte-order must be one of"),
        ({"record_by": None}, "record-by must be one of vector, image, dont-care; got ''"),
        ({"height": 40}, "has 280 bytes but map.rpl describes 2800 .*cut short"),
        ({"height": 3}, "has 280 bytes but map.rpl describes 210 .*another image"),
        ({"height": 10**15}, "has 280 bytes but map.rpl describes"),
        ({"depth_scale": "x"}, "depth-scale must be a number"),
        ({"Width": 6}, "gives width twice: '5' and '6'"),
    ],
)
def test_a_wrong_header_is_refused_in_words(tmp_path, fields, message):
    path = save(tmp_path)
    data = (tmp_path / "map.raw").read_bytes()
    text = path.read_text()
    for name, value in fields.items():
        name = name.replace("_", "-")
        lines = [one for one in text.splitlines() if not one.startswith(f"{name}\t")]
        text = "\n".join(lines + ([f"{name}\t{value}"] if value is not None else []))
    path.write_text(text)
    (tmp_path / "map.raw").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_ripple(path, Request())


def test_a_header_alone_says_what_is_missing(tmp_path):
    path = save(tmp_path)
    (tmp_path / "map.raw").unlink()
    with pytest.raises(ValueError, match=r"no data file beside it; its name must be map\.raw"):
        read_ripple(path, Request())


def test_a_large_file_is_no_header(tmp_path):
    path = tmp_path / "map.rpl"
    path.write_bytes(bytes(2**20 + 1))
    with pytest.raises(ValueError, match="too many for a ripple header"):
        read_ripple(path, Request())


def test_channels_of_width_0_are_no_axis(tmp_path):
    cube = read_ripple(save(tmp_path, depth_scale=0, depth_units="keV"), Request())
    assert cube.axis is None
    assert cube.attrs["axis_note"] == "map.rpl gives channels of width 0"
