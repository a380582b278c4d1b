"""Cubes from HDF5 files, and what all formats have in common: chunks, paths, content."""

import gzip
import pickle

import h5py
import numpy as np
import pytest

from spectessera.axis import Axis
from spectessera.cube import spectral_axis
from spectessera.io import formats, read

SHAPE = (4, 5, 7)


@pytest.fixture
def values():
    return np.random.default_rng(0).poisson(3.0, SHAPE).astype(np.float32)


def save(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, array in datasets.items():
            file[name] = array
    return path


def test_img_is_the_cube_of_a_labec_file(tmp_path, values):
    path = save(tmp_path / "scan.h5", img=values, other=np.zeros((2, 3, 4)))
    cube = read(path)
    assert cube.dims == ("y", "x", "channel")
    np.testing.assert_array_equal(cube, values)
    assert cube.dtype == np.float32
    assert cube.attrs["source"] == "scan.h5"
    assert spectral_axis(cube) == Axis(np.arange(7))


def test_the_only_dataset_of_three_axes_is_the_cube(tmp_path, values):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["entry/detector/counts"] = values
        file["entry/image"] = np.zeros((4, 5))
        file["entry/name"] = "a scan"
    np.testing.assert_array_equal(read(path), values)


def test_several_datasets_are_told_with_their_shapes(tmp_path, values):
    path = save(tmp_path / "scan.h5", one=values, two=values[:2])
    with pytest.raises(ValueError, match=r"one \(4, 5, 7\), two \(2, 5, 7\); choose one with key="):
        read(path)
    np.testing.assert_array_equal(read(path, key="two"), values[:2])
    np.testing.assert_array_equal(read(path, key="/one"), values)


def test_a_file_without_a_cube_tells_what_is_there(tmp_path):
    path = save(tmp_path / "scan.h5", image=np.zeros((4, 5)))
    with pytest.raises(ValueError, match=r"no dataset of 3 axes.*image \(4, 5\)"):
        read(path)


def test_a_wrong_key_tells_what_is_there(tmp_path, values):
    path = save(tmp_path / "scan.h5", img=values)
    with pytest.raises(ValueError, match=r"no dataset 'imag'; there is: img \(4, 5, 7\)"):
        read(path, key="imag")


def test_a_key_of_a_group_is_told(tmp_path, values):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["entry/data"] = values
    with pytest.raises(ValueError, match="group, not the dataset 'entry'"):
        read(path, key="entry")


def test_an_image_is_not_a_cube(tmp_path):
    path = save(tmp_path / "scan.h5", img=np.zeros((4, 5)))
    with pytest.raises(ValueError, match=r"'img' has 2 axes \(shape \(4, 5\)\); a cube has 3"):
        read(path, key="img")


@pytest.mark.parametrize(
    "wrong",
    [np.zeros(SHAPE, complex), np.zeros(SHAPE, [("a", "f4"), ("b", "f4")]), np.zeros(SHAPE, "S3")],
    ids=["complex", "compound", "strings"],
)
def test_only_real_numbers_make_a_cube(tmp_path, wrong):
    path = save(tmp_path / "scan.h5", img=wrong)
    with pytest.raises(ValueError, match="must hold real numbers"):
        read(path)


def test_big_endian_comes_in_the_order_of_this_machine(tmp_path, values):
    cube = read(save(tmp_path / "scan.h5", img=values.astype(">f4")))
    assert cube.dtype.isnative
    np.testing.assert_array_equal(cube, values)


@pytest.mark.parametrize("chunks", [{"y": 2, "x": 3}, 2, "auto", {}, {"y": -1, "x": None}])
def test_chunks_leave_the_data_in_the_file_until_asked(tmp_path, values, chunks, monkeypatch):
    """But for single spectra, at most 3 and twice 9: they determine scale and usual noise."""
    path = save(tmp_path / "scan.h5", img=values, variance=values + 2)
    sizes, real = [], h5py.Dataset.__getitem__

    def recorded(dataset, index):
        sizes.append(np.size(real(dataset, index)))
        return real(dataset, index)

    with monkeypatch.context() as patch:
        patch.setattr(h5py.Dataset, "__getitem__", recorded)
        cube = read(path, chunks=chunks)
    assert set(sizes) == {values.shape[2]}
    assert len(sizes) <= 3 + 9 + 9
    assert cube.chunks is not None
    assert cube.coords["variance"].chunks == cube.chunks
    assert len(cube.chunks[2]) == 1  # spectra stay whole
    np.testing.assert_array_equal(cube, read(path))
    np.testing.assert_array_equal(cube.isel(y=2, x=slice(1, 4)), values[2, 1:4])
    np.testing.assert_array_equal(cube.isel(x=[3, 0], channel=-1), values[:, [3, 0], -1])


def test_chunks_of_counts_are_not_read_at_all_until_asked(tmp_path, values, monkeypatch):
    path = save(tmp_path / "scan.h5", img=values.astype(np.uint16))

    def read_too_early(*_args):
        raise AssertionError("data were read")

    with monkeypatch.context() as patch:
        patch.setattr(h5py.Dataset, "__getitem__", read_too_early)
        cube = read(path, chunks=2)
    np.testing.assert_array_equal(cube, values.astype(np.uint16))


def test_a_lazy_cube_can_be_sent_to_another_process(tmp_path, values):
    path = save(tmp_path / "scan.h5", img=values)
    cube = pickle.loads(pickle.dumps(read(path, chunks=2)))
    np.testing.assert_array_equal(cube, values)


def test_the_same_file_and_chunks_have_the_same_task_names(tmp_path, values):
    path = save(tmp_path / "scan.h5", img=values, variance=2 * values)
    one, two = read(path, chunks=2), read(path, chunks=2)
    assert one.data.name == two.data.name
    assert one.data.name != one.coords["variance"].data.name
    assert one.data.name != read(path, chunks=3).data.name


@pytest.mark.parametrize(
    ("chunks", "error"), [({"z": 2}, ValueError), (2.5, TypeError), (True, TypeError)]
)
def test_wrong_chunks_are_told(tmp_path, values, chunks, error):
    path = save(tmp_path / "scan.h5", img=values)
    with pytest.raises(error, match="chunks"):
        read(path, chunks=chunks)


def test_an_axis_beside_the_cube_is_taken_with_its_unit(tmp_path, values):
    path = save(tmp_path / "scan.h5", img=values, energy=np.linspace(100, 400, 7))
    with h5py.File(path, "a") as file:
        file["energy"].attrs["units"] = "eV"
    axis = spectral_axis(read(path))
    assert (axis.kind, axis.unit) == ("energy", "eV")
    np.testing.assert_allclose(axis.values, np.linspace(100, 400, 7))


def test_the_unit_of_an_axis_without_one_is_guessed_and_stated(tmp_path, values):
    path = save(tmp_path / "scan.h5", img=values, wavelengths=np.linspace(400, 700, 7))
    cube = read(path)
    assert spectral_axis(cube) == Axis(np.linspace(400, 700, 7), "nm")
    assert "from 400 to 700, taken as nm" in cube.attrs["reading_notes"]
    given = read(path, unit="angstrom", medium="air")
    assert spectral_axis(given) == Axis(np.linspace(400, 700, 7), "angstrom", medium="air")


def test_an_axis_of_no_known_kind_is_kept_as_channels_and_can_be_given(tmp_path, values):
    path = save(tmp_path / "scan.h5", img=values, axis=np.linspace(400, 700, 7))
    cube = read(path)
    assert spectral_axis(cube).kind == "channel"
    assert "no unit" in cube.attrs["axis_note"]
    given = read(path, unit="nm", medium="air")
    assert spectral_axis(given) == Axis(np.linspace(400, 700, 7), "nm", medium="air")
    assert "axis_note" not in given.attrs


def test_the_position_of_columns_is_not_the_spectral_axis(tmp_path):
    path = save(tmp_path / "scan.h5", img=np.zeros((4, 7, 7)), x=np.linspace(0, 1, 7))
    cube = read(path)
    assert spectral_axis(cube) == Axis(np.arange(7))
    np.testing.assert_allclose(cube.coords["x"], np.linspace(0, 1, 7))


def test_a_descending_axis_stays_descending(tmp_path, values):
    path = save(tmp_path / "scan.h5", img=values, wavenumber=np.linspace(1800, 500, 7))
    axis = spectral_axis(read(path, unit="cm-1"))
    assert axis.kind == "wavenumber"
    assert axis.values[0] > axis.values[-1]


def test_an_axis_that_turns_is_told_and_can_be_replaced(tmp_path, values):
    path = save(tmp_path / "scan.h5", img=values, axis=[0.0, 1, 2, 3, 2, 1, 0])
    with pytest.raises(ValueError, match=r"scan.h5.*turns.*give energy="):
        read(path)
    assert spectral_axis(read(path, energy=(0, 12))).values[-1] == 12


def test_given_axes_win_over_the_file(tmp_path, values):
    path = save(tmp_path / "scan.h5", img=values, axis=np.arange(7))
    assert spectral_axis(read(path, wavelength=(400, 700), unit="nm")).unit == "nm"
    assert spectral_axis(read(path, energy=(0, 30))).kind == "energy"
    with pytest.raises(ValueError, match="one spectral axis"):
        read(path, energy=(0, 30), wavelength=(1, 2))


def test_a_hyperspy_map_has_its_axis(tmp_path, values):
    path = tmp_path / "map.hspy"
    with h5py.File(path, "w") as file:
        group = file.create_group("Experiments/map")
        group["data"] = values
        group.create_group("axis-2").attrs.update(
            {"name": "Energy loss", "offset": 700.0, "scale": 8.0, "units": "eV"}
        )
    axis = spectral_axis(read(path))
    assert (axis.kind, axis.unit) == ("energy_loss", "eV")
    np.testing.assert_allclose(axis.values[:2], [700, 708])


@pytest.mark.parametrize("chunks", [None, 2])
def test_missing_values_become_nan(tmp_path, chunks):
    values = np.arange(140, dtype=np.int16).reshape(SHAPE)
    values[1, 2, 3] = values[0, 0, 0] = -100
    cube = read(save(tmp_path / "scan.h5", img=values), missing=-100, chunks=chunks)
    assert cube.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(cube), values == -100)
    assert cube[3, 4, 6] == 139


def test_missing_values_of_counts_keep_the_level_of_saturation(tmp_path):
    path = save(tmp_path / "scan.h5", img=np.ones(SHAPE, np.uint8))
    assert read(path, missing=0).attrs["saturation"] == 255


def test_nan_stays_nan(tmp_path, values):
    values[2, 3] = np.nan
    cube = read(save(tmp_path / "scan.h5", img=values))
    np.testing.assert_array_equal(cube, values)
    assert "mask" not in cube.coords


@pytest.mark.parametrize("chunks", [None, 2])
def test_packed_netcdf_values_are_unpacked(tmp_path, chunks):
    stored = np.arange(140, dtype=np.int16).reshape(SHAPE)
    path = save(tmp_path / "scan.nc", radiance=stored)
    with h5py.File(path, "a") as file:
        file["radiance"].attrs.update({"scale_factor": 0.5, "add_offset": 10.0, "_FillValue": 3})
    cube = read(path, chunks=chunks)
    np.testing.assert_allclose(cube[0, 0, :3], [10, 10.5, 11])
    assert np.isnan(cube[0, 0, 3])
    assert "_FillValue" not in cube.attrs


def test_a_given_mask_replaces_that_of_the_file(tmp_path, values):
    path = save(tmp_path / "scan.h5", img=values, mask=np.ones((4, 5), bool))
    assert read(path).coords["mask"].all()
    assert not read(path, mask=np.zeros((4, 5), bool)).coords["mask"].any()


def test_a_mask_of_another_size_is_told(tmp_path, values):
    path = save(tmp_path / "scan.h5", img=values, mask=np.ones((5, 4), bool))
    with pytest.raises(ValueError, match=r"'mask' has shape \(5, 4\).*must be \(4, 5\)"):
        read(path)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.98])
def test_a_file_that_was_cut_short_is_told(tmp_path, share):
    path = save(tmp_path / "scan.h5", img=np.random.default_rng(0).random((20, 30, 40)))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"scan.h5 cannot be read as HDF5"):
        read(path)


def test_a_compressed_block_that_is_damaged_is_told_when_it_is_read(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("img", data=np.arange(6000.0).reshape(20, 30, 10), compression="gzip")
    content = bytearray(path.read_bytes())
    content[-3000:-2000] = bytes(1000)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"scan.h5 cannot be read as HDF5"):
        read(path)
    with pytest.raises(ValueError, match=r"scan.h5 cannot be read as HDF5"):
        read(path, chunks=5).compute()


def test_a_shape_that_the_file_cannot_hold_is_refused(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("img", (100_000, 100_000, 4000), "f4", chunks=(10, 10, 4000))
    for chunks in (None, "auto", 1000):
        with pytest.raises(ValueError, match=r"more than a file of .* bytes can hold"):
            read(path, chunks=chunks)


def test_values_in_other_files_are_refused(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("img", (2, 3, 4), "u1", external=[("/etc/passwd", 0, 24)])
    with pytest.raises(ValueError, match="raw bytes of other files"):
        read(path)


def test_content_tells_the_format_whatever_the_suffix(tmp_path, values):
    path = save(tmp_path / "scan.fits", img=values)
    np.testing.assert_array_equal(read(path), values)
    with h5py.File(tmp_path / "user.dat", "w", userblock_size=512) as file:
        file["img"] = values
    np.testing.assert_array_equal(read(str(tmp_path / "user.dat")), values)


@pytest.mark.parametrize("name", ["scan.h5", "scan.nc", "scan.fits", "scan.npy", "scan.npz"])
def test_text_with_the_name_of_a_cube_is_told(tmp_path, name):
    path = tmp_path / name
    path.write_text("energy,counts\n1,2\n")
    with pytest.raises(ValueError, match=r"is named like .* but is not: it begins with b'energy"):
        read(path)


def test_an_unknown_format_tells_those_that_are_read(tmp_path):
    path = tmp_path / "scan.xyz"
    path.write_bytes(b"AAMVHFSS" + bytes(1000))
    with pytest.raises(ValueError, match=r"not known; cubes are read from: HDF5 \(.h5 .*FITS.*NPZ"):
        read(path)


def test_gzip_that_holds_no_fits_is_of_unknown_format(tmp_path):
    path = tmp_path / "notes.gz"
    path.write_bytes(gzip.compress(b"hello"))
    with pytest.raises(ValueError, match="not known"):
        read(path)


def test_wrong_paths_are_told(tmp_path):
    (tmp_path / "empty.h5").touch()
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read(tmp_path / "nothing.h5")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(ValueError, match=r"empty.h5 is empty"):
        read(tmp_path / "empty.h5")
    with pytest.raises(ValueError, match="device"):
        read("/dev/null")


def test_formats_tell_what_is_read_and_written():
    table = {one.name: one for one in formats()}
    assert table["FITS"].suffixes[0] == ".fits"
    assert table["NPZ"].reads
    assert not table["NPZ"].writes
    assert not table["PNG"].reads
    assert table["PNG"].writes == "result"
