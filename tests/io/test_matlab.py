"""Cubes from MATLAB files of version 5, and of version 7.3 (HDF5, axes reversed)."""

import pickle
import struct
import zlib

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from spectessera.axis import Axis
from spectessera.cube import spectral_axis
from spectessera.io import read

SHAPE = (4, 5, 7)
VALUES = np.arange(140, dtype=np.uint16).reshape(SHAPE)
WAVES = 400 + 10.5 * np.arange(7)
CLASSES = {"f8": "double", "f4": "single", "b1": "logical"}


def save5(path, **variables):
    savemat(path, variables, do_compression=True)
    return path


def save73(path, **variables):
    """Write a file as MATLAB 7.3 does: a header of 512 bytes, HDF5, axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            array = np.atleast_2d(np.asarray(value))
            kind = CLASSES.get(array.dtype.str[1:], array.dtype.name)
            array = array.astype("u1") if array.dtype == bool else array
            stored = file.create_dataset(name, data=array.T, chunks=True, compression="gzip")
            stored.attrs["MATLAB_class"] = np.bytes_(kind)
        refs = file.create_group("#refs#")
        refs["a"] = np.zeros((9, 8, 7))
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + struct.pack("<HH", 0x200, 0x4D49)
    with path.open("r+b") as stream:
        stream.write(head)
    return path


BOTH = pytest.mark.parametrize("save", [save5, save73])


@BOTH
@pytest.mark.parametrize("dtype", ["f8", "f4", "u1", "i2", "u2", "i4", "i8"])
def test_a_cube_alone_is_read_in_the_order_that_matlab_shows(tmp_path, save, dtype):
    truth = (VALUES % 127).astype(dtype)
    cube = read(save(tmp_path / "Indian_pines.mat", indian_pines_corrected=truth))
    np.testing.assert_array_equal(cube, truth)
    assert cube.dtype == np.dtype(dtype)
    assert "the last one (length 7) is taken as the spectrum" in cube.attrs["reading_notes"]
    assert cube.attrs["source"] == "Indian_pines.mat"


@BOTH
def test_chunks_give_the_same_cube(tmp_path, save):
    cube = read(save(tmp_path / "a.mat", cube=VALUES), chunks={"y": 3, "x": 2})
    assert cube.data.chunksize == (3, 2, 7)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(cube)), VALUES)
    np.testing.assert_array_equal(cube[1:3, 4, 6], VALUES[1:3, 4, 6])


@BOTH
def test_wavelengths_beside_decide_the_axis_and_its_unit_is_stated(tmp_path, save):
    path = save(tmp_path / "a.mat", data=VALUES.transpose(2, 0, 1), wl=WAVES[None], bands=np.arange(
        1.0, 8)[None])  # fmt: skip
    cube = read(path)
    np.testing.assert_array_equal(cube, VALUES)
    assert spectral_axis(cube) == Axis(WAVES, "nm")
    assert cube.attrs["axis_from"] == "wl"
    assert "'wl' has no unit" in cube.attrs["reading_notes"]
    assert "one value for each of axis 0" in cube.attrs["axes_from"]


@BOTH
def test_two_spectral_arrays_along_two_axes_are_a_contradiction(tmp_path, save):
    path = save(tmp_path / "a.mat", data=VALUES, wavelength=WAVES, energy=np.arange(4.0))
    with pytest.raises(ValueError, match="contradicts itself"):
        read(path)
    np.testing.assert_array_equal(read(path, axes="yxc"), VALUES)


@BOTH
def test_labels_and_a_mask_belong_to_the_cube_only_if_shape_and_name_say_so(tmp_path, save):
    labels, mask = np.arange(20).reshape(4, 5), np.eye(4, 5)
    path = save(
        tmp_path / "a.mat", cube=VALUES, cube_gt=labels.astype(np.uint8), bad_pixels=mask,
        depth=labels * 1.0, labels=labels.T,
    )  # fmt: skip
    cube = read(path)
    np.testing.assert_array_equal(cube.reference, labels)
    np.testing.assert_array_equal(cube.mask, mask.astype(bool))
    assert cube.attrs["mask_from"] == "bad_pixels"
    assert {"depth", "labels"}.isdisjoint(cube.coords)


@BOTH
def test_labels_that_are_no_class_numbers_are_left_alone(tmp_path, save):
    path = save(tmp_path / "a.mat", cube=VALUES, gt=np.full((4, 5), 0.5))
    assert "reference" not in read(path).coords


@BOTH
def test_channels_that_are_marked_as_bad(tmp_path, save):
    path = save(tmp_path / "a.mat", cube=VALUES, bbl=np.array([1, 1, 0, 1, 1, 1, 0]))
    assert np.flatnonzero(read(path).bad_channel).tolist() == [2, 6]


@BOTH
def test_arrays_that_the_user_names_give_the_noise_and_the_mask(tmp_path, save):
    mask = np.eye(4, 5)
    path = save(tmp_path / "a.mat", cube=VALUES, sigma=np.full(SHAPE, 3.0), out=mask)
    cube = read(path, error="sigma", mask="out", chunks=2)
    np.testing.assert_array_equal(cube.variance, np.full(SHAPE, 9.0))
    np.testing.assert_array_equal(cube.mask, mask.astype(bool))
    with pytest.raises(ValueError, match="no variable 'noise'; there is: cube"):
        read(path, key="cube", variance="noise")


@BOTH
def test_a_matrix_of_spectra_is_unfolded_down_the_columns_as_matlab_does(tmp_path, save):
    matrix = VALUES.transpose(1, 0, 2).reshape(20, 7)  # reshape(cube, [], 7) of MATLAB
    path = save(tmp_path / "a.mat", Y=matrix.T, wavelength=WAVES)
    with pytest.raises(ValueError, match=r"20 spectra .*give shape=\(ny, nx\)"):
        read(path)
    with pytest.raises(ValueError, match=r"20 spectra, which do not fill .*shape=\(3, 7\)"):
        read(path, shape=(3, 7))
    for chunks in (None, 2):
        cube = read(path, shape=(4, 5), chunks=chunks)
        np.testing.assert_array_equal(cube, VALUES)
        assert "run down the columns" in cube.attrs["reading_notes"]
        assert spectral_axis(cube).unit == "nm"
    with pytest.raises(ValueError, match="is a matrix of spectra; leave out axes"):
        read(path, axes="cyx", shape=(4, 5))


@BOTH
def test_two_numbers_beside_give_the_image(tmp_path, save):
    matrix = VALUES.transpose(1, 0, 2).reshape(20, 7)
    path = save(tmp_path / "a.mat", Y=matrix.T, nRow=4, nCol=5, maxValue=np.uint16(139))
    cube = read(path)
    np.testing.assert_array_equal(cube, VALUES)
    assert cube.attrs["axes_from"] == "nRow and nCol"


@BOTH
def test_a_preview_is_not_the_cube_and_several_cubes_are_listed(tmp_path, save):
    rgb = np.zeros((4, 5, 3), np.uint8)
    path = save(tmp_path / "a.mat", rgb=rgb, cube=VALUES)
    np.testing.assert_array_equal(read(path), VALUES)
    path = save(tmp_path / "b.mat", a=VALUES, b=VALUES)
    with pytest.raises(ValueError, match=r"several arrays.*a \(4, 5, 7\), b.*key="):
        read(path)
    np.testing.assert_array_equal(read(path, key="b"), VALUES)


@BOTH
def test_the_shape_of_the_user_must_be_that_of_the_cube(tmp_path, save):
    with pytest.raises(ValueError, match=r"image of 4 x 5 pixels.*leave out shape=\(5, 4\)"):
        read(save(tmp_path / "a.mat", cube=VALUES), shape=(5, 4))
    with pytest.raises(ValueError, match="leave out detectors=0"):
        read(tmp_path / "a.mat", detectors=0)


def test_a_double_that_is_stored_in_bytes_is_a_double(tmp_path):
    """savemat never does this; MATLAB does: whole numbers below 256 take one byte each."""
    values = VALUES.astype("u1")
    name = b"cube".ljust(8, b"\0")
    body = struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIiii", 5, 12, *SHAPE) + bytes(4)
    body += struct.pack("<II", 1, 4) + name
    body += struct.pack("<II", 2, values.size) + values.tobytes(order="F")
    body += bytes(-len(body) % 8)
    element = zlib.compress(struct.pack("<II", 14, len(body)) + body)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<HH", 0x100, 0x4D49)
    path = tmp_path / "a.mat"
    path.write_bytes(head + struct.pack("<II", 15, len(element)) + element)
    cube = read(path)
    np.testing.assert_array_equal(cube, VALUES)
    assert cube.dtype == np.float64
    assert "saturation" not in cube.attrs


def test_structs_cells_and_objects_are_listed_but_never_built(tmp_path):
    path = save5(tmp_path / "a.mat", info={"cube": VALUES}, cell=np.array([1, "a"], object))
    with pytest.raises(ValueError, match=r"no array of numbers .*info \(1, 1\) struct, cell"):
        read(path)
    with pytest.raises(ValueError, match="'info' is not an array of numbers but struct"):
        read(path, key="info")


def test_fields_of_a_struct_of_version_73_are_found(tmp_path):
    path = save73(tmp_path / "a.mat")
    with h5py.File(path, "r+") as file:
        file.create_group("scan").attrs["MATLAB_class"] = np.bytes_("struct")
        file["scan/cube"] = VALUES.T
        file["scan/cube"].attrs["MATLAB_class"] = np.bytes_("uint16")
        file["scan/wavelength"] = WAVES[:, None]
        file["scan/wavelength"].attrs["MATLAB_class"] = np.bytes_("double")
        file["other"] = h5py.ExternalLink("/etc/passwd", "/")
    cube = read(path)
    np.testing.assert_array_equal(cube, VALUES)
    assert spectral_axis(cube) == Axis(WAVES, "nm")


def test_values_of_version_73_that_lie_elsewhere_are_never_read(tmp_path):
    """HDF5 ends the whole process on a virtual dataset that reads from itself."""
    folder = tmp_path / "inside"
    folder.mkdir()
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["cube"] = VALUES.T
    for source, words in ((".", "reads from itself"), ("../other.h5", "outside the folder")):
        path = save73(folder / "a.mat")
        with h5py.File(path, "r+") as file:
            layout = h5py.VirtualLayout(VALUES.T.shape, "u2")
            layout[...] = h5py.VirtualSource(source, "cube", VALUES.T.shape)
            node = file.create_virtual_dataset("cube", layout)
            node.attrs["MATLAB_class"] = np.bytes_("uint16")
        with pytest.raises(ValueError, match=rf"a\.mat: '/cube' .*{words}"):
            read(path)
    np.testing.assert_array_equal(read(path, outside=True), VALUES)


def test_an_array_that_cannot_be_in_the_file_is_refused_before_memory_is_taken(tmp_path):
    path = save73(tmp_path / "a.mat")
    with h5py.File(path, "r+") as file:
        file.create_dataset("cube", (10**4, 10**4, 10**4), "u2", chunks=(1, 100, 100))
        file["cube"].attrs["MATLAB_class"] = np.bytes_("uint16")
    with pytest.raises(ValueError, match=r"'cube' claims 4e\+12 bytes"):
        read(path)


def test_damaged_files_are_refused_in_words(tmp_path):
    for save in (save5, save73):
        path = save(tmp_path / "a.mat", cube=np.random.default_rng(0).random(SHAPE))
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match=r"a\.mat"):
            read(path)
    path.write_bytes(b"no MATLAB at all, but text")
    with pytest.raises(ValueError, match=r"a\.mat cannot be read as a MATLAB file"):
        read(path)


def test_version_4_is_refused_in_words(tmp_path):
    savemat(tmp_path / "a.mat", {"Y": VALUES.reshape(20, 7).astype(float)}, format="4")
    with pytest.raises(ValueError, match=r"not of version 5 or 7\.3; save it .* '-v7\.3'"):
        read(tmp_path / "a.mat")


def test_variables_that_are_not_compressed_stay_in_the_file(tmp_path, monkeypatch):
    savemat(tmp_path / "a.mat", {"cube": VALUES, "wl": WAVES}, do_compression=False)
    with monkeypatch.context() as patch:
        patch.setattr(np, "memmap", None)
        cube = read(tmp_path / "a.mat", chunks=2)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(cube)), VALUES)
    np.testing.assert_array_equal(cube[1:3, 4, 2:6], VALUES[1:3, 4, 2:6])
    np.testing.assert_array_equal(read(tmp_path / "a.mat"), VALUES)


def test_files_of_machines_with_the_other_byte_order_are_read(tmp_path):
    """savemat writes little-endian only: header and tags are turned by hand."""
    name = b"cube".ljust(8, b"\0")
    body = struct.pack(">IIII", 6, 8, 11, 0) + struct.pack(">IIiii", 5, 12, *SHAPE) + bytes(4)
    body += struct.pack(">II", 1, 4) + name + struct.pack(">II", 4, 280)
    body += VALUES.astype(">u2").tobytes(order="F")
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(">HH", 0x100, 0x4D49)
    path = tmp_path / "a.mat"
    path.write_bytes(head + struct.pack(">II", 14, len(body)) + body)
    np.testing.assert_array_equal(read(path), VALUES)
    path.write_bytes(head + struct.pack(">II", 14, len(body)) + body[:-100])
    with pytest.raises(ValueError, match=r"a\.mat .*the file ends at"):
        read(path)


def test_complex_numbers_are_listed_as_what_they_are(tmp_path):
    path = save5(tmp_path / "a.mat", cube=VALUES + 1j)
    with pytest.raises(ValueError, match=r"there is: cube \(4, 5, 7\) complex double"):
        read(path)


def by_hand(path, kind, dtype, numbers, name=b"cube", shape=SHAPE):
    """Write one variable that is not compressed; ``dtype`` is the number of its stored type."""
    body = struct.pack("<IIII", 6, 8, kind, 0) + struct.pack("<IIiii", 5, 12, *shape) + bytes(4)
    body += struct.pack("<II", 1, len(name)) + name.ljust(-(-len(name) // 8) * 8, b"\0")
    body += struct.pack("<II", dtype, len(numbers)) + numbers + bytes(-len(numbers) % 8)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<HH", 0x100, 0x4D49)
    path.write_bytes(head + struct.pack("<II", 14, len(body)) + body)
    return path


NUMBERS = VALUES.tobytes(order="F")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((11, 4, NUMBERS[:-8]), r"'cube' of shape \(4, 5, 7\) should have 280 bytes; it has 272"),
        ((11, 99, NUMBERS), "'cube' holds numbers of type 99, which is not known"),
        ((11, 4, NUMBERS, b"a b"), "the name of a variable is damaged"),
        ((17, 4, NUMBERS), r"no array of numbers .*there is: \(opaque\) \(1, 1\) opaque"),
        ((11, 4, NUMBERS, b""), "no array of numbers .*there is: nothing"),
    ],
)
def test_a_variable_that_is_not_what_it_says_is_refused_in_words(tmp_path, arguments, words):
    np.testing.assert_array_equal(read(by_hand(tmp_path / "a.mat", 11, 4, NUMBERS)), VALUES)
    with pytest.raises(ValueError, match=words):
        read(by_hand(tmp_path / "a.mat", *arguments))


@BOTH
def test_logical_arrays_are_masks_and_lists_of_bad_channels_are_no_axis(tmp_path, save):
    mask, bad = np.eye(4, 5, dtype=bool), np.arange(7) == 2
    path = save(tmp_path / "a.mat", cube=VALUES, mask=mask, bbl=np.ones(7), bad_bands=1.0 * bad)
    cube = read(path)
    np.testing.assert_array_equal(cube.mask, mask)
    assert cube.bad_channel.values.tolist() == bad.tolist()
    assert spectral_axis(cube).kind == "channel"


@BOTH
def test_numbers_that_count_no_image_are_not_its_size(tmp_path, save):
    matrix = VALUES.transpose(1, 0, 2).reshape(20, 7)
    path = save(tmp_path / "a.mat", Y=matrix, rows=4.5, cols=5.0, ny=4, nx=5)
    assert read(path).attrs["axes_from"] == "ny and nx"
    with pytest.raises(ValueError, match=r"'ny' of shape \(1, 1\) holds no image of spectra"):
        read(path, key="ny")
