"""Cubes from NPY and NPZ files."""

import json
import warnings
import zipfile

import numpy as np
import pytest

from spectessera.axis import Axis
from spectessera.cube import spectral_axis
from spectessera.io import read

SHAPE = (4, 5, 7)


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=SHAPE)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("chunks", [None, {"y": 2, "x": 2}])
def test_npy_holds_the_cube(tmp_path, values, order, chunks):
    path = tmp_path / "cube.npy"
    np.save(path, np.asarray(values.astype(">f8"), order=order))
    cube = read(path, chunks=chunks, energy=(1, 7))
    assert (cube.chunks is not None) == (chunks is not None)
    assert cube.dtype == np.dtype("f8")
    np.testing.assert_array_equal(cube, values)
    assert cube.attrs["source"] == "cube.npy"


def test_npy_has_nothing_to_choose(tmp_path, values):
    np.save(tmp_path / "cube.npy", values)
    with pytest.raises(ValueError, match="without a name"):
        read(tmp_path / "cube.npy", key="cube")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.zeros((4, 5)), "a cube has 3"),
        (np.array([[[{"run": "me"}]]], dtype=object), "Python objects"),
        (np.zeros(SHAPE, complex), "real numbers"),
        (np.full(SHAPE, "a"), "real numbers"),
        (np.zeros((4, 0, 7)), "is empty"),
        (np.zeros(SHAPE, [("\u03bc", "f4")]), "real numbers"),
    ],
    ids=["image", "objects", "complex", "strings", "empty", "records"],
)
def test_what_is_no_cube_is_refused(tmp_path, wrong, words):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # NumPy tells that records need version 3
        np.save(tmp_path / "cube.npy", wrong, allow_pickle=True)
        np.savez(tmp_path / "cube.npz", cube=wrong)
    for path in (tmp_path / "cube.npy", tmp_path / "cube.npz"):
        with pytest.raises(ValueError, match=words):
            read(path)


def header_of(shape):
    """Return the start of an NPY file that claims a shape."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117)
    return b"\x93NUMPY\x01\x00v\x00" + text + b"\n"


def test_a_header_that_claims_more_than_the_file_is_refused(tmp_path):
    claim = header_of((100_000, 100_000, 100_000)) + bytes(100)
    (tmp_path / "cube.npy").write_bytes(claim)
    with zipfile.ZipFile(tmp_path / "cube.npz", "w") as archive:
        archive.writestr("cube.npy", claim)
    for name in ("cube.npy", "cube.npz"):
        with pytest.raises(ValueError, match="only 100 are there"):
            read(tmp_path / name)


def test_files_that_were_cut_short_are_told(tmp_path, values):
    for name in ("cube.npy", "cube.npz"):
        path = tmp_path / name
        np.save(path, values) if name.endswith("npy") else np.savez(path, cube=values)
        content = path.read_bytes()
        for length in (9, 40, 400, len(content) - 10):
            path.write_bytes(content[:length])
            with pytest.raises(ValueError, match=name):
                read(path)


def test_damage_inside_an_archive_is_told(tmp_path, values):
    path = tmp_path / "cube.npz"
    np.savez(path, cube=values)
    content = bytearray(path.read_bytes())
    content[600] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cube.npz cannot be read as NPZ"):
        read(path)


def test_npz_with_everything_beside_the_cube(tmp_path, values):
    labels = np.arange(20, dtype=np.uint8).reshape(4, 5) % 3
    np.savez(
        tmp_path / "cube.npz",
        cube=values,
        axis=np.linspace(1800, 500, 7),
        axis_unit="1/cm",
        labels=labels,
        class_names=np.array(["none", "lipid", "wässer"]),
        variance=values**2,
        mask=labels == 0,
        abundance=np.zeros((4, 5, 3)),
    )
    cube = read(tmp_path / "cube.npz")
    np.testing.assert_array_equal(cube, values)
    assert spectral_axis(cube) == Axis(np.linspace(1800, 500, 7), "cm-1")
    np.testing.assert_array_equal(cube.coords["reference"], labels)
    assert cube.coords["reference"].dims == ("y", "x")
    assert cube.coords["reference"].dtype.kind == "i"
    assert json.loads(cube.attrs["class_names"]) == ["none", "lipid", "wässer"]
    np.testing.assert_array_equal(cube.coords["variance"], values**2)
    np.testing.assert_array_equal(cube.coords["mask"], labels == 0)


def test_an_axis_unit_that_is_not_known_is_kept_in_words(tmp_path, values):
    np.savez(
        tmp_path / "c.npz", cube=values, axis=np.arange(4, 11), axis_unit="AVIRIS band (1-224)"
    )
    cube = read(tmp_path / "c.npz")
    assert spectral_axis(cube) == Axis(np.arange(4, 11))
    assert "AVIRIS band (1-224)" in cube.attrs["axis_note"]


def test_the_only_array_of_three_axes_is_the_cube_and_key_chooses(tmp_path, values):
    np.savez_compressed(tmp_path / "one.npz", data=values, image=values[..., 0])
    np.testing.assert_array_equal(read(tmp_path / "one.npz"), values)
    np.savez(tmp_path / "two.npz", a=values, b=values[:2])
    with pytest.raises(ValueError, match=r"a \(4, 5, 7\), b \(2, 5, 7\); choose one with key="):
        read(tmp_path / "two.npz")
    np.testing.assert_array_equal(read(tmp_path / "two.npz", key="b"), values[:2])
    with pytest.raises(ValueError, match="no array 'c'; there is: a"):
        read(tmp_path / "two.npz", key="c")


def test_npz_in_chunks_is_the_whole(tmp_path, values):
    np.savez(tmp_path / "c.npz", cube=values, variance=values**2)
    cube = read(tmp_path / "c.npz", chunks={"y": 3})
    assert cube.chunks == ((3, 1), (5,), (7,))
    assert cube.coords["variance"].chunks == cube.chunks
    np.testing.assert_array_equal(cube, values)


def test_things_that_do_not_fit_the_cube_are_told(tmp_path, values):
    path = tmp_path / "c.npz"
    for name in ("variance", "mask", "labels"):
        np.savez(path, cube=values, **{name: np.zeros((3, 3), int)})
        with pytest.raises(ValueError, match=rf"'{name}' has shape \(3, 3\)"):
            read(path)
    np.savez(path, cube=values, axis=np.arange(6))
    with pytest.raises(ValueError, match="7 channels; give energy="):
        read(path)
    assert spectral_axis(read(path, energy=(0, 6))).unit == "keV"


def test_a_zip_without_arrays_is_of_unknown_format(tmp_path):
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(ValueError, match="not known"):
        read(tmp_path / "notes.zip")


def test_only_an_archive_that_may_be_damaged_is_called_so(tmp_path, values):
    path = tmp_path / "cube.npz"
    np.savez(path, cube=values)
    whole = path.read_bytes()
    later = bytearray(whole)
    later[whole.index(b"PK\x01\x02") + 6] = 99  # the version that is needed to unpack it
    path.write_bytes(later)
    with pytest.raises(ValueError, match=r"ZIP \(NPZ\); it has a feature that is not supported"):
        read(path)
    path.write_bytes(whole[:-30])
    with pytest.raises(ValueError, match=r"ZIP \(NPZ\); it may be damaged or cut short"):
        read(path)
    path.write_bytes(b"\x1f\x8b\x08" + bytes(7) + b"\xff")
    with pytest.raises(ValueError, match="gzip; it may be damaged or cut short"):
        read(path)


@pytest.mark.parametrize("chunks", [None, 2])
def test_the_order_of_axes_and_the_image_of_points_can_be_given(tmp_path, chunks):
    cube = np.arange(4 * 5 * 7, dtype=np.float32).reshape(4, 5, 7)
    np.save(tmp_path / "first.npy", np.moveaxis(cube, 2, 0))
    np.save(tmp_path / "points.npy", cube.reshape(20, 7))
    first = read(tmp_path / "first.npy", axes="cyx", chunks=chunks)
    np.testing.assert_array_equal(first, cube)
    assert first.attrs["axes_from"] == "the argument axes (cyx); stored as 7 x 4 x 5"
    np.testing.assert_array_equal(read(tmp_path / "points.npy", shape=(4, 5), chunks=chunks), cube)
    assert "nothing names the axes" in read(tmp_path / "first.npy").attrs["reading_notes"]


def test_an_axis_that_fits_another_dimension_points_at_the_order(tmp_path):
    path = tmp_path / "scan.npz"
    np.savez(path, cube=np.ones((4, 5, 7)), axis=np.arange(7.0), axis_unit="cm-1")
    with pytest.raises(ValueError, match="it fits another dimension, so --axes may be wrong"):
        read(path, axes="cyx")
    np.savez(path, cube=np.ones((4, 5, 7)), axis=np.arange(6.0), axis_unit="cm-1")
    with pytest.raises(ValueError, match=r"6,. for 7 channels; give"):
        read(path, axes="yxc")


def test_an_axis_of_an_archive_that_fits_one_axis_decides(tmp_path):
    cube = np.arange(4 * 5 * 7, dtype=np.float32).reshape(4, 5, 7)
    path = tmp_path / "scan.npz"
    ivar = np.array([0, 1, 2, 4, 5, 8, 10], np.float32)
    np.savez(path, data=np.moveaxis(cube, 2, 0), wavelength=np.linspace(400, 700, 7), ivar=ivar)
    scan = read(path)
    np.testing.assert_array_equal(scan[..., 1:], cube[..., 1:])
    assert np.isnan(scan[..., 0]).all(), "an inverse variance of 0: not measured"
    np.testing.assert_allclose(scan.coords["variance"][2, 3, 1:], 1 / ivar[1:])
    with pytest.raises(ValueError, match="no array 'sigma' for error="):
        read(path, error="sigma")
