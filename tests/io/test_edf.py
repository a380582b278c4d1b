"""Cubes from folders of EDF files, and from single ones."""

import pickle

import numpy as np
import pytest

from spectessera.cube import spectral_axis
from spectessera.io import read
from spectessera.io._common import Request
from spectessera.io.edf import edf_files, read_edf

SHAPE = (4, 5, 7)
VALUES = np.arange(140).reshape(SHAPE)
NAMES = {
    "u1": "UnsignedByte", "i1": "SignedByte", "u2": "UnsignedShort", "i2": "SignedShort",
    "u4": "UnsignedLong", "i4": "SignedInteger", "u8": "Unsigned64", "i8": "Signed64",
    "f4": "FloatValue", "f8": "DoubleValue",
}  # fmt: skip
MCA = {"MCA a": -0.02, "MCA b": 0.01, "MCA c": 0}


def block(values, order="<", compact=False, **fields):
    """Return the bytes of one EDF block: a header of a multiple of 512 bytes, and the numbers."""
    kind = values.dtype.str[1:]
    sizes = {f"Dim_{n + 1}": size for n, size in enumerate(values.shape[::-1])}
    lines = {
        "HeaderID": "EH:000001:000000:000000",
        "ByteOrder": {"<": "LowByteFirst", ">": "HighByteFirst"}[order],
        "DataType": NAMES[kind],
        **sizes,
        "Size": values.nbytes,
        **fields,
    }
    text = "{\n" + "".join(f"{k} = {v} ;\n" for k, v in lines.items() if v is not None)
    length = len(text) + 2 if compact else -(-(len(text) + 2) // 512) * 512
    return (text.ljust(length - 2) + "}\n").encode() + values.astype(order + kind).tobytes()


def rows(folder, values=VALUES, name="scan_{:04d}.edf", dtype="u2", **fields):
    folder.mkdir(exist_ok=True)
    for n, row in enumerate(values.astype(dtype)):
        (folder / name.format(n)).write_bytes(block(row, **fields))
    return folder


@pytest.mark.parametrize("dtype", NAMES)
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_file_per_row_gives_the_cube(tmp_path, dtype, order):
    truth = (VALUES % 127).astype(dtype)
    cube = read(rows(tmp_path / "scan", truth, dtype=dtype, order=order, **MCA))
    np.testing.assert_array_equal(cube, truth)
    assert cube.dtype == np.dtype(dtype)
    assert cube.attrs["axes_from"] == "spectra along Dim_1 (MCA in a header or a name)"
    assert spectral_axis(cube).unit == "keV"
    np.testing.assert_allclose(spectral_axis(cube).values, -0.02 + 0.01 * np.arange(7))


def test_rows_are_in_the_order_of_their_numbers_not_of_their_letters(tmp_path):
    values = np.arange(12 * 5 * 7).reshape(12, 5, 7)
    cube = read(rows(tmp_path / "scan", values, name="scan_{}.edf"))
    np.testing.assert_array_equal(cube, values)


@pytest.mark.parametrize(
    ("b", "c", "unit"), [(0.01, 1e-7, "keV"), (10, 0, "eV"), (2.7107, 8e-6, "eV")]
)
def test_the_unit_of_the_calibration_is_guessed_from_its_step_and_said(tmp_path, b, c, unit):
    fields = {"MCA a": 0.5, "MCA b": b, "MCA c": c, "MCA start ch": 3}
    cube = read_edf(rows(tmp_path / "scan", **fields), Request())
    channel = 3 + np.arange(7)
    np.testing.assert_allclose(cube.axis["values"], 0.5 + b * channel + c * channel**2)
    assert cube.axis["unit"] == unit
    assert cube.notes == [f"the calibration has no unit: {b:g} a channel is taken as {unit}"]


def test_a_calibration_that_was_never_made_gives_channels(tmp_path):
    cube = read_edf(rows(tmp_path / "scan", **{"MCA a": 0, "MCA b": 1, "MCA c": 0}), Request())
    assert cube.axis is None


def test_files_that_do_not_say_that_they_hold_spectra_are_read_with_a_note(tmp_path):
    folder = rows(tmp_path / "scan", VALUES.transpose(2, 0, 1))  # an image for every channel
    cube = read_edf(folder, Request())
    assert cube.values.shape == (7, 4, 5)
    assert "Dim_1 is taken as the spectrum" in cube.notes[0]
    images = read_edf(folder, Request(axes="cyx"))
    np.testing.assert_array_equal(images.values, VALUES)
    assert images.notes == []


@pytest.mark.parametrize("chunks", [2, {"y": 3}])
def test_chunks_leave_the_data_in_the_files(tmp_path, chunks, monkeypatch):
    folder = rows(tmp_path / "scan", **MCA)
    with monkeypatch.context() as patch:
        patch.setattr(np, "memmap", None)
        cube = read(folder, chunks=chunks)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(cube)), VALUES)
    np.testing.assert_array_equal(cube[1:3, 4, 2:6], VALUES[1:3, 4, 2:6])


def detectors(folder):
    """Three rows of ESRF names: detectors 0 and 2, their sum, statistics."""
    folder.mkdir()
    for row in range(3):
        for name, factor in (("xia00", 1), ("xia02", 10), ("xiaS0", 11)):
            values = (factor * VALUES[row]).astype("u2")
            (folder / f"s3_{name}_0001_0000_{row:04d}.edf").write_bytes(block(values, **MCA))
        statistics = np.zeros((5, 12), "i4")
        (folder / f"s3_xiast_0001_0000_{row:04d}.edf").write_bytes(block(statistics))
    return folder


def test_detectors_are_added_up_or_chosen(tmp_path):
    folder = detectors(tmp_path / "scan")
    both = read_edf(folder, Request())
    np.testing.assert_array_equal(both.values, 11 * VALUES[:3])
    assert both.notes[:2] == [
        "files of xias0, xiast are not read", "2 detectors are added up (xia00 and others)"
    ]  # fmt: skip
    np.testing.assert_array_equal(read_edf(folder, Request(detectors="sum")).values, both.values)
    second = read_edf(folder, Request(detectors=2))
    np.testing.assert_array_equal(second.values, 10 * VALUES[:3])
    with pytest.raises(ValueError, match="no detector 1; there is: 0, 2"):
        read_edf(folder, Request(detectors=1))


def test_rows_of_one_detector_are_never_added_to_other_rows_of_another(tmp_path):
    folder = detectors(tmp_path / "scan")
    (folder / "s3_xia02_0001_0000_0002.edf").rename(folder / "s3_xia02_0001_0000_0003.edf")
    with pytest.raises(ValueError, match=r"xia02_0001_0000_0000.edf .*not those.*are missing"):
        read(folder)
    (folder / "s3_xia02_0001_0000_0003.edf").unlink()
    with pytest.raises(ValueError, match="the detectors have 3, 2 files; some are missing"):
        read(folder)


def test_the_sum_of_detectors_does_not_overflow(tmp_path):
    folder = tmp_path / "scan"
    for n in range(2):
        rows(folder, np.full(SHAPE, 60_000), name=f"s_xia{n:02d}_0001_0000_" + "{:04d}.edf")
    assert int(read_edf(folder, Request()).values.max()) == 120_000


def test_a_missing_row_is_an_error_not_a_shift(tmp_path):
    folder = rows(tmp_path / "scan", **MCA)
    (folder / "scan_0002.edf").unlink()
    with pytest.raises(ValueError, match="jump from 1 to 3; files are missing"):
        read(folder)


def test_a_row_of_another_length_is_an_error(tmp_path):
    folder = rows(tmp_path / "scan", **MCA)
    (folder / "scan_0003.edf").write_bytes(block(VALUES[3, :2].astype("u2"), **MCA))
    with pytest.raises(ValueError, match=r"scan_0003.edf holds \(2, 7\).*must be alike"):
        read(folder)


def test_two_calibrations_contradict_each_other(tmp_path):
    folder = rows(tmp_path / "scan", **MCA)
    other = block(VALUES[3].astype("u2"), **{**MCA, "MCA b": 0.02})
    (folder / "scan_0003.edf").write_bytes(other)
    with pytest.raises(ValueError, match="several calibrations"):
        read(folder)
    assert read(folder, energy=(1, 7)).sizes["channel"] == 7


def test_one_of_several_series_is_chosen_by_how_its_names_begin(tmp_path):
    folder = rows(tmp_path / "scan", **MCA)
    rows(folder, 2 * VALUES, name="map_{:04d}.edf", **MCA)
    with pytest.raises(ValueError, match=r"several series.*map_# \(4 files\).*choose one with key"):
        read(folder)
    np.testing.assert_array_equal(read(folder, key="map"), 2 * VALUES)
    with pytest.raises(ValueError, match="0 series of EDF files named 'other'"):
        read(folder, key="other")


def test_a_file_per_point_needs_the_image_unless_names_count_it(tmp_path):
    folder = tmp_path / "scan"
    rows(folder, VALUES.reshape(20, 1, 7), **MCA)
    with pytest.raises(ValueError, match=r"holds 20 spectra.*give shape=\(ny, nx\)"):
        read(folder)
    with pytest.raises(ValueError, match=r"20 spectra, which do not fill .*shape=\(3, 5\)"):
        read(folder, shape=(3, 5))
    np.testing.assert_array_equal(read(folder, shape=(4, 5)), VALUES)
    named = tmp_path / "named"
    named.mkdir()
    for y, x in np.ndindex(4, 5):
        (named / f"p_{y}_{x + 7}.edf").write_bytes(block(VALUES[y, x].astype("u2"), **MCA))
    cube = read(named, chunks=3)
    np.testing.assert_array_equal(cube, VALUES)
    assert cube.attrs["axes_from"] == "numbers in the names of the files"
    (named / "p_3_8.edf").unlink()
    with pytest.raises(ValueError, match=r"19 files with 2 numbers that differ .* fill no image"):
        read(named)


def test_one_file_holds_all_in_three_axes_or_in_blocks_or_as_a_list(tmp_path):
    values = VALUES.astype("u2")
    one, blocks, listed = (tmp_path / f"{name}.edf" for name in ("one", "blocks", "listed"))
    one.write_bytes(block(values, **MCA))
    blocks.write_bytes(b"".join(block(row, compact=True, **MCA) for row in values) + bytes(512))
    listed.write_bytes(block(values.reshape(20, 7), **MCA))
    np.testing.assert_array_equal(read(one), values)
    np.testing.assert_array_equal(read(one, chunks=2), values)
    np.testing.assert_array_equal(read(blocks), values)
    np.testing.assert_array_equal(read(listed, shape=(4, 5)), values)
    with pytest.raises(ValueError, match="holds 20 spectra"):
        read(listed)
    with pytest.raises(ValueError, match="image of 4 x 5 pixels"):
        read(one, shape=(5, 4))
    with pytest.raises(ValueError, match="leave out axes=yxc"):
        read(listed, axes="yxc")
    with pytest.raises(ValueError, match="without a name; leave out key='a'"):
        read(one, key="a")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"DataType": "Complex"}, "DataType 'Complex' is not known"),
        ({"ByteOrder": "Middle"}, "ByteOrder 'Middle' is not known"),
        ({"Compression": "gzip"}, r"compressed \(gzip\); save them uncompressed"),
        ({"Dim_2": 0}, "dim_2 must be a whole number, at least 1"),
        ({"Dim_1": None}, "does not give dim_1"),
        ({"Dim_2": 10**12}, "more than the 70 bytes left"),
    ],
)
def test_a_wrong_header_is_refused_in_words(tmp_path, fields, message):
    folder = rows(tmp_path / "scan", **fields)
    with pytest.raises(ValueError, match=message):
        read(folder)


def test_damaged_files_are_refused_in_words(tmp_path):
    path = tmp_path / "one.edf"
    whole = block(VALUES.astype("u2"), **MCA)
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=r"one.edf cannot be read as EDF.*more than the 279 bytes"):
        read(path)
    path.write_bytes(b"{\nHeaderID = 1 ;\n" + b" " * 2_000_000)
    with pytest.raises(ValueError, match="brace of the header at byte 0 is not closed"):
        read(path)
    path.write_bytes(whole + b"x" * 600)
    with pytest.raises(ValueError, match="no header in braces at byte"):
        read(path)


def test_a_folder_without_edf_files_says_what_was_looked_for(tmp_path):
    assert edf_files(tmp_path) == []
    with pytest.raises(IsADirectoryError, match=r"no zarr.json.*nor are there EDF files"):
        read(tmp_path)


def test_what_fabio_writes_is_read(tmp_path):
    image = pytest.importorskip("fabio.edfimage").EdfImage
    for n, row in enumerate(VALUES.astype("u2")):
        image(data=row, header=MCA).write(str(tmp_path / f"scan_{n:04d}.edf"))
    np.testing.assert_array_equal(read(tmp_path), VALUES)
    assert spectral_axis(read(tmp_path)).unit == "keV"


def test_blocks_that_make_no_image_are_refused_in_words(tmp_path):
    path = tmp_path / "one.edf"
    path.write_bytes(b"\0" * 600)
    with pytest.raises(ValueError, match=r"cannot be read as EDF.*no header in braces"):
        read_edf(path, Request())
    path.write_bytes(2 * block(VALUES.astype("u2"), **MCA))
    with pytest.raises(ValueError, match="2 blocks of three axes each are no cube"):
        read(path)
    folder = detectors(tmp_path / "scan")
    longer = folder / "s3_xia02_0001_0000_0001.edf"
    longer.write_bytes(2 * longer.read_bytes())
    with pytest.raises(ValueError, match=r"detectors have \[3, 4\] blocks; rows are missing"):
        read(folder)


def test_a_calibration_that_is_no_number_is_refused_only_if_it_is_needed(tmp_path):
    folder = rows(tmp_path / "scan", **{**MCA, "MCA a": "n/a"})
    with pytest.raises(ValueError, match="the header: mca a must be a number; got 'n/a'"):
        read(folder)
    np.testing.assert_array_equal(read(folder, energy=(1, 7)), VALUES)


def test_detectors_cannot_be_chosen_where_names_have_none(tmp_path):
    folder = rows(tmp_path / "scan", **MCA)
    with pytest.raises(ValueError, match="has files of no detectors; leave out detectors"):
        read(folder, detectors=0)


def test_lists_of_spectra_of_several_detectors_are_added_in_parts(tmp_path):
    folder = tmp_path / "scan"
    for n in range(2):
        rows(folder, (n + 1) * VALUES.reshape(1, 20, 7), f"s_xia{n:02d}_0001_" + "{:04d}.edf", "u4")
    cube = read(folder, shape=(4, 5), chunks=3, axis=np.arange(7))
    assert cube.dtype == np.int64
    np.testing.assert_array_equal(cube, 3 * VALUES)
    np.testing.assert_array_equal(cube[1:3, 4, 2:6], 3 * VALUES[1:3, 4, 2:6])
