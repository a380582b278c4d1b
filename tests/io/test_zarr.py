"""Cubes and results to Zarr stores and back; stores of other programs; stores that do harm."""

import gzip
import json
import os
import pickle
import shutil
import sys
import tracemalloc
import zipfile

import dask
import dask.array as da
import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr

from spectessera._util.files import atomic_folder
from spectessera.axis import Axis
from spectessera.cube import make_cube, spectral_axis
from spectessera.io import formats, read, read_result, write
from spectessera.io._lazy import BLOCK_BYTES, WIDE_BLOCK_BYTES, block_sizes

SHAPE = (4, 5, 7)


def a_cube(dtype=np.float32, axis=None, **kwargs):
    values = np.random.default_rng(0).poisson(9.0, SHAPE).astype(dtype)
    attrs = {"source": "scan", "unit": "counts", "seconds": 1.5, "runs": 3, "empty": "", "µ": "é"}
    axis = axis or Axis(np.linspace(4000, 4012, 7), "angstrom", medium="air")
    return make_cube(values, axis=axis, attrs=attrs, **kwargs)


def a_result():
    label = np.arange(20, dtype=np.int32).reshape(4, 5) % 4
    return xr.Dataset(
        {
            "label": (("y", "x"), label),
            "confidence": (("y", "x"), np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5)),
            "mean_spectrum": (("cluster", "channel"), np.full((3, 7), np.nan, np.float32)),
            "inertia": ((), 0.5),
        },
        coords={
            "cluster": np.arange(1, 4),
            "name": (("cluster",), np.array(["azurite", "lead white", "ünknown"])),
            "energy": (("channel",), np.linspace(1, 7, 7), {"units": "keV"}),
        },
        attrs={"version": "1", "seed": 0, "share": 0.5, "provenance": "x" * 100_000},
    )


def same_cube(one, two):
    xr.testing.assert_identical(one.drop_attrs(), two.drop_attrs())
    assert one.dtype == two.dtype
    assert one.attrs == two.attrs
    assert {k: type(v) for k, v in one.attrs.items()} == {k: type(v) for k, v in two.attrs.items()}
    assert spectral_axis(one) == spectral_axis(two)
    assert dict(one.coords.dtypes) == dict(two.coords.dtypes)


def store(path, version=3, **arrays):
    """Make a store of somebody else."""
    group = zarr.create_group(path, zarr_format=version)
    for name, values in arrays.items():
        array = group.create_array(
            name, shape=values.shape, chunks=values.shape, dtype=values.dtype
        )
        array[...] = values
    return path


def mend(file, **changes):
    """Change a file of metadata."""
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | changes))


@pytest.fixture
def values():
    return np.random.default_rng(0).poisson(3.0, SHAPE).astype(np.float32)


# --- our own cubes and results ------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "u1", "u2", "i4", "i8", "bool"])
def test_a_cube_comes_back_as_it_was(tmp_path, dtype):
    cube = a_cube(dtype)
    write(cube, tmp_path / "cube.zarr")
    same_cube(read(tmp_path / "cube.zarr"), cube)
    assert [one.name for one in tmp_path.iterdir()] == ["cube.zarr"]


@pytest.mark.parametrize(
    "axis",
    [
        Axis(np.arange(7)),
        Axis(np.linspace(30, 1, 7), "keV"),
        Axis(np.linspace(400, 700, 7), "nm", medium="vacuum"),
        Axis(np.linspace(700, 800, 7), "eV", kind="energy_loss"),
        Axis(np.array([1.0, 2, 3, 50, 51, 52, 53]), "cm-1"),
        Axis(np.linspace(-20, 20, 7), "km/s"),
    ],
    ids=lambda axis: axis.kind,
)
def test_every_axis_comes_back_as_it_was(tmp_path, axis):
    cube = a_cube(axis=axis)
    write(cube, tmp_path / "cube.zarr")
    same_cube(read(tmp_path / "cube.zarr"), cube)


@pytest.mark.parametrize("chunks", [None, 2, "auto"])
def test_variance_mask_reference_and_positions_come_back(tmp_path, chunks):
    mask = np.arange(20).reshape(4, 5) > 17
    cube = a_cube(variance=np.random.default_rng(1).random(SHAPE), mask=mask)
    cube = cube.where(cube > 5).assign_coords(  # NaN
        reference=(("y", "x"), np.arange(20, dtype=np.int32).reshape(4, 5)),
        y=("y", np.linspace(0, 3, 4), {"units": "mm"}),
        x=("x", np.arange(5) * 10),
    )
    cube.attrs["unit"] = "counts"
    cube = cube.chunk({"y": 3, "x": 2}) if chunks else cube
    write(cube, tmp_path / "cube.zarr")
    found = read(tmp_path / "cube.zarr", chunks=chunks)
    assert (found.chunks is not None) == (chunks is not None)
    same_cube(found.compute(), cube.compute())
    assert found.coords["y"].attrs == {"units": "mm"}


def test_dimensions_in_another_order_are_put_right(tmp_path):
    cube = a_cube(variance=np.random.default_rng(1).random(SHAPE))
    write(cube.transpose("channel", "x", "y"), tmp_path / "cube.zarr")
    same_cube(read(tmp_path / "cube.zarr"), cube)


def test_xarray_opens_what_was_written(tmp_path):
    cube = a_cube(mask=np.zeros((4, 5), bool))
    write(cube, tmp_path / "cube.zarr")
    with xr.open_zarr(tmp_path / "cube.zarr", consolidated=False, chunks=None) as opened:
        same_cube(opened["img"].load().rename(None), cube)


@pytest.mark.parametrize("sizes", [((2, 2), (5,)), ((3, 1), (2, 2, 1)), ((1, 3), (1, 4))])
def test_lazy_blocks_of_any_size_are_written_right(tmp_path, sizes):
    cube = a_cube(variance=np.random.default_rng(1).random(SHAPE))
    lazy = cube.chunk({"y": sizes[0], "x": sizes[1]})
    write(lazy, tmp_path / "cube.zarr")
    same_cube(read(tmp_path / "cube.zarr"), cube)


def test_a_large_lazy_cube_is_never_held_whole(tmp_path):
    def make(block_info=None):
        place = block_info[None]["array-location"]
        return np.full((64, 64, 128), place[0][0] + place[1][0] / 1000, np.float32)

    lazy = da.map_blocks(make, chunks=((64,) * 8, (64,) * 8, (128,)), dtype=np.float32)
    with dask.config.set(scheduler="synchronous"):
        tracemalloc.start()
        write(make_cube(lazy), tmp_path / "cube.zarr")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most < lazy.nbytes / 8
    found = read(tmp_path / "cube.zarr", chunks="auto")
    np.testing.assert_allclose(found[::64, ::64, 5].values[3, 2], 192.128, rtol=1e-6)
    assert zarr.open_array(tmp_path / "cube.zarr" / "img").chunks == (64, 64, 128)


def test_chunks_of_the_store_hold_whole_spectra(tmp_path):
    write(make_cube(np.zeros((300, 200, 128), np.float32)), tmp_path / "cube.zarr")
    array = zarr.open_array(tmp_path / "cube.zarr" / "img")
    assert array.metadata.zarr_format == 3
    assert array.chunks == (128, 128, 128)
    assert array.metadata.dimension_names == ("y", "x", "channel")


def test_a_cube_can_be_written_over_the_store_that_it_is_read_from(tmp_path):
    path = tmp_path / "cube.zarr"
    write(a_cube(), path)
    write(read(path, chunks=2) * 2, path)
    np.testing.assert_array_equal(read(path), a_cube() * 2)
    assert [one.name for one in tmp_path.iterdir()] == ["cube.zarr"]


@pytest.mark.parametrize("lazy", [False, True])
def test_a_result_comes_back_with_integer_labels(tmp_path, lazy):
    result = a_result()
    write(result.chunk({"y": 3, "x": 2}) if lazy else result, tmp_path / "r.zarr")
    found = read_result(tmp_path / "r.zarr")
    xr.testing.assert_identical(found, result)
    assert dict(found.dtypes) == dict(result.dtypes)
    assert isinstance(found.attrs["seed"], int)
    told = json.loads((tmp_path / "r.zarr" / "label" / "zarr.json").read_text())
    assert "_FillValue" not in told["attributes"]
    with xr.open_zarr(tmp_path / "r.zarr", consolidated=False) as opened:
        assert opened["label"].dtype == np.int32
        assert set(opened.coords) == {"cluster", "name", "energy"}


@pytest.mark.parametrize("version", [2, 3])
def test_a_result_that_xarray_wrote_is_read(tmp_path, version):
    result = a_result().drop_vars("name")
    result.to_zarr(tmp_path / "r.zarr", zarr_format=version, consolidated=False)
    xr.testing.assert_identical(read_result(tmp_path / "r.zarr"), result)


def test_read_result_tells_what_is_no_result(tmp_path):
    write(a_cube(), tmp_path / "cube.zarr")
    with pytest.raises(ValueError, match=r"cube\.zarr: a result has a variable 'label'.*img"):
        read_result(tmp_path / "cube.zarr")
    (tmp_path / "folder.zarr").mkdir()
    with pytest.raises(ValueError, match="a folder, but neither a Zarr store nor"):
        read_result(tmp_path / "folder.zarr")
    with pytest.raises(FileNotFoundError):
        read_result(tmp_path / "none.zarr")


def test_attributes_that_cannot_be_kept_are_told(tmp_path):
    with pytest.raises(TypeError, match=r"attribute 'names'.*json"):
        write(a_cube().assign_attrs(names=["a"]), tmp_path / "c.zarr")
    times = a_result().assign_coords(time=("cluster", np.array([1, 2, 3], "M8[s]")))
    with pytest.raises(ValueError, match="'time' must hold numbers or strings"):
        write(times, tmp_path / "c.zarr")
    assert not list(tmp_path.iterdir())


# --- folders are replaced with care -------------------------------------------------------------


def test_an_existing_store_is_replaced_only_if_wanted(tmp_path):
    path = tmp_path / "c.zarr"
    write(a_cube(), path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write(a_cube() + 1, path, overwrite=False)
    np.testing.assert_array_equal(read(path), a_cube())
    write(a_result(), path)
    assert "img" not in zarr.open_group(path, mode="r")
    assert [one.name for one in tmp_path.iterdir()] == ["c.zarr"]


@pytest.mark.parametrize("version", [2, 3])
def test_stores_of_others_are_replaced_too(tmp_path, version, values):
    store(tmp_path / "group.zarr", version, counts=values)
    array = zarr.create_array(
        tmp_path / "array.zarr", shape=SHAPE, chunks=(2, 2, 7), dtype="f4", zarr_format=version
    )
    array[...] = values
    for name in ("group.zarr", "array.zarr"):
        write(a_cube(), tmp_path / name)
        same_cube(read(tmp_path / name), a_cube())


def test_no_other_folder_or_file_is_ever_replaced(tmp_path):
    path = tmp_path / "c.zarr"
    path.mkdir()
    (path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="not a Zarr store, so it is not replaced"):
        write(a_cube(), path)
    (path / "zarr.json").write_text("{}")
    with pytest.raises(FileExistsError, match=r"'thesis\.txt' in it is not part of a Zarr store"):
        write(a_cube(), path)
    (path / "thesis.txt").rename(tmp_path / "thesis.txt")
    (path / "photos").mkdir()
    with pytest.raises(FileExistsError, match="'photos' in it"):
        write(a_cube(), path)
    (tmp_path / "file.zarr").write_text("notes")
    with pytest.raises(FileExistsError, match="is a file, not a Zarr store"):
        write(a_cube(), tmp_path / "file.zarr")
    names = {"c.zarr", "thesis.txt", "file.zarr"}
    assert {one.name for one in tmp_path.iterdir()} == names


@pytest.mark.parametrize(
    "name",
    [
        "img/notes.txt", "img/c/notes.txt", "img/c/0/0/0.bak", "img/c/0/0/photos/1.jpg", "img/7",
        "img/c/0/0/0/0", "img/c/7", "wavelength/c/0/0", "c/0/0/0", "2024/12/31", "mask/sub/x", "7",
    ],
)  # fmt: skip
def test_what_a_user_put_into_a_store_at_any_depth_is_never_deleted(tmp_path, name):
    path = tmp_path / "c.zarr"
    write(a_cube(mask=np.zeros((4, 5), bool)), path)
    file = path / name
    if file.parent.is_file():  # a chunk
        file.parent.unlink()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("years of work")
    with pytest.raises(FileExistsError, match=r"is not replaced, because '.*' in it is not part"):
        write(a_cube(), path)
    assert file.read_text() == "years of work"
    assert [one.name for one in tmp_path.iterdir()] == ["c.zarr"]


def test_empty_folders_and_links_to_folders_in_a_store_are_not_lost(tmp_path):
    path = tmp_path / "c.zarr"
    write(a_cube(), path)
    (path / "img" / "plans").mkdir()
    with pytest.raises(FileExistsError, match="'img/plans' in it"):
        write(a_cube(), path)
    (path / "img" / "plans").rmdir()
    (path / "img" / "c").rename(tmp_path / "disk")
    (path / "img" / "c").symlink_to(tmp_path / "disk", target_is_directory=True)
    same_cube(read(path), a_cube())
    with pytest.raises(FileExistsError, match="'img/c' in it"):
        write(a_cube(), path)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("separator", [".", "/"])
def test_chunks_under_keys_of_any_kind_are_part_of_a_store(tmp_path, version, separator):
    path = tmp_path / "s.zarr"
    zarr.create_group(path / "deep", zarr_format=version, attributes={"a": 1})
    zarr.create_group(path, zarr_format=version)
    words = {"zarr_format": version, "dtype": "f4", "fill_value": 0}
    words["chunk_key_encoding"] = {"name": "v2" if version == 2 else "default"}
    words["chunk_key_encoding"]["separator"] = separator
    for name, shape in {"deep/cube": (4, 5, 7), "row": (3,), "one": ()}.items():
        array = zarr.create_array(path / name, shape=shape, chunks=(2,) * len(shape), **words)
        array[...] = 1
    (path / "deep" / ".DS_Store").touch()
    write(a_cube(), path)
    same_cube(read(path), a_cube())


def test_a_damaged_store_may_be_replaced(tmp_path):
    path = tmp_path / "c.zarr"
    write(a_cube(), path)
    (path / "img" / "zarr.json").write_text("{")
    (path / "wavelength" / "zarr.json").write_text('{"node_type": "array", "shape": 5}')
    write(a_cube(), path)
    same_cube(read(path), a_cube())


def test_an_error_half_way_leaves_the_old_store_and_nothing_else(tmp_path):
    def broken(block):
        raise RuntimeError("the disk of the cube failed")

    path = tmp_path / "c.zarr"
    lazy = a_cube().chunk({"y": 2})
    lazy = lazy.copy(data=lazy.data.map_blocks(broken, dtype=lazy.dtype, meta=lazy.data._meta))
    with pytest.raises(RuntimeError, match="disk of the cube"):
        write(lazy, path)
    assert not list(tmp_path.iterdir())
    write(a_cube(), path)
    with pytest.raises(RuntimeError, match="disk of the cube"):
        write(lazy, path)
    same_cube(read(path), a_cube())
    assert [one.name for one in tmp_path.iterdir()] == ["c.zarr"]


def test_an_interruption_while_folders_are_exchanged_puts_the_old_one_back(tmp_path, monkeypatch):
    path = tmp_path / "c.zarr"
    write(a_cube(), path)
    moves, real = [], os.replace

    def interrupted(source, target):
        if target == path:
            moves.append(source)
            if len(moves) == 1:
                raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    monkeypatch.setattr("spectessera._util.files.exchange", lambda *_: False)
    with pytest.raises(KeyboardInterrupt):
        write(a_cube() + 1, path)
    assert len(moves) == 2
    same_cube(read(path), a_cube())
    assert [one.name for one in tmp_path.iterdir()] == ["c.zarr"]


def test_a_kill_between_the_two_moves_of_a_store_is_repaired_by_the_next_write(tmp_path, caplog):
    """Where the system cannot exchange two folders in one step."""
    path = tmp_path / "c.zarr"
    write(a_cube(), path)
    os.rename(path, tmp_path / ".0123abcd-c.zarr.old")
    write(a_cube() + 1, tmp_path / ".0123abcd-c.zarr")
    with pytest.raises(RuntimeError), atomic_folder(path, lambda _: None):
        raise RuntimeError
    same_cube(read(path), a_cube())
    assert [one.name for one in tmp_path.iterdir()] == ["c.zarr"]
    assert "the older one is there again" in caplog.text


def test_what_came_to_be_there_in_the_meantime_is_looked_at_again(tmp_path):
    def refuse(path):
        raise FileExistsError(path)

    def meet(path):
        with atomic_folder(path, refuse) as temporary:
            temporary.mkdir()
            path.mkdir()

    with pytest.raises(FileExistsError):
        meet(tmp_path / "a")
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_wrong_places_are_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match=r"the folder .*nowhere does not exist"):
        write(a_cube(), tmp_path / "nowhere" / "c.zarr")
    with pytest.raises(NotADirectoryError, match="is a file"):
        write(a_cube(), tmp_path / "file" / "c.zarr")
    write(a_cube(), tmp_path / "c.zarr")
    monkeypatch.setattr(os, "access", lambda path, _: path == tmp_path)
    with pytest.raises(PermissionError, match="read-only"):
        write(a_cube(), tmp_path / "c.zarr")


# --- stores of other programs -------------------------------------------------------------------


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("chunks", [None, 2, "auto", {"y": 3, "x": -1}])
def test_an_array_at_the_root_is_the_cube(tmp_path, values, version, chunks):
    path = tmp_path / "scan.zarr"
    array = zarr.create_array(path, shape=SHAPE, chunks=(2, 2, 3), dtype="f4", zarr_format=version)
    array[...] = values
    cube = read(path, chunks=chunks)
    assert cube.dims == ("y", "x", "channel")
    assert (cube.chunks is None) == (chunks is None)
    np.testing.assert_array_equal(cube, values)
    np.testing.assert_array_equal(cube.isel(y=2, x=slice(1, 4)), values[2, 1:4])
    np.testing.assert_array_equal(cube.isel(x=[3, 0], channel=-1), values[:, [3, 0], -1])
    assert cube.attrs["source"] == "scan.zarr"
    with pytest.raises(ValueError, match="one array without a name"):
        read(path, key="img")


@pytest.mark.parametrize("version", [2, 3])
def test_the_only_array_of_three_axes_is_the_cube(tmp_path, values, version):
    path = store(tmp_path / "scan.zarr", version, counts=values, image=values[..., 0])
    np.testing.assert_array_equal(read(path), values)


def test_several_arrays_are_told_with_their_shapes(tmp_path, values):
    path = store(tmp_path / "scan.zarr", one=values)
    store(path / "entry", two=values[:2])
    told = r"entry/two \(2, 5, 7\), one \(4, 5, 7\); choose one with key="
    with pytest.raises(ValueError, match=told):
        read(path)
    np.testing.assert_array_equal(read(path, key="/entry/two"), values[:2])
    with pytest.raises(ValueError, match=r"group, not the array 'entry'; there is: entry/two"):
        read(path, key="entry")
    with pytest.raises(ValueError, match="no array"):
        read(path / "entry", key="../one")


def test_what_is_not_a_cube_is_told(tmp_path, values):
    path = store(tmp_path / "scan.zarr", image=values[0], waves=values.astype(complex))
    with pytest.raises(ValueError, match=r"no array of 3 axes.*image \(5, 7\)"):
        read(path)
    with pytest.raises(ValueError, match=r"'image' has 2 axes"):
        read(path, key="image")
    with pytest.raises(ValueError, match="real numbers"):
        read(path, key="waves")
    words = zarr.create_array(tmp_path / "words.zarr", shape=SHAPE, dtype=str)
    assert words.shape == SHAPE
    with pytest.raises(ValueError, match="numbers"):  # objects to older versions of zarr
        read(tmp_path / "words.zarr")
    zarr.create_array(tmp_path / "none.zarr", shape=(0, 5, 7), dtype="f4")
    with pytest.raises(ValueError, match="is empty"):
        read(tmp_path / "none.zarr")


def test_an_axis_beside_the_cube_is_taken_with_its_unit(tmp_path, values):
    path = store(tmp_path / "scan.zarr", counts=values, energy=np.linspace(100, 400, 7))
    assert "from 100 to 400, taken as eV" in read(path).attrs["reading_notes"]
    assert spectral_axis(read(path, unit="eV")) == Axis(np.linspace(100, 400, 7), "eV")
    zarr.open_array(path / "energy").attrs["units"] = "eV"
    assert spectral_axis(read(path)) == Axis(np.linspace(100, 400, 7), "eV")


@pytest.mark.parametrize("chunks", [None, 2])
@pytest.mark.parametrize("version", [2, 3])
def test_named_axes_are_turned_to_y_x_channel(tmp_path, values, version, chunks):
    """The stores of xarray name the axes of every array."""
    lengths = np.linspace(400, 700, 7)
    data = xr.Dataset(
        {"radiance": (("wavelength", "x", "y"), values.transpose(2, 1, 0))},
        coords={
            "wavelength": ("wavelength", lengths, {"units": "nm"}),
            "mask": (("x", "y"), values[..., 0].T > 3),
            "y": np.arange(4) * 2.0,
        },
    )
    data.to_zarr(tmp_path / "s.zarr", zarr_format=version, consolidated=False)
    cube = read(tmp_path / "s.zarr", chunks=chunks)
    np.testing.assert_array_equal(cube, values)
    np.testing.assert_array_equal(cube.coords["mask"], values[..., 0] > 3)
    np.testing.assert_array_equal(cube.coords["y"], np.arange(4) * 2.0)
    assert spectral_axis(cube) == Axis(lengths, "nm")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("chunks", [None, 2])
def test_packed_values_of_xarray_are_unpacked(tmp_path, version, chunks):
    truth = np.arange(140.0).reshape(SHAPE) / 2 + 10
    truth[1, 2, 3] = np.nan
    packing = {"dtype": "i2", "scale_factor": 0.5, "add_offset": 10.0, "_FillValue": -99}
    data = xr.Dataset({"radiance": (("y", "x", "channel"), truth)})
    data.to_zarr(
        tmp_path / "s.zarr",
        zarr_format=version,
        consolidated=False,
        encoding={"radiance": packing},
    )
    np.testing.assert_allclose(read(tmp_path / "s.zarr", chunks=chunks), truth)


def test_fill_values_of_xarray_become_nan_and_zeros_of_others_stay(tmp_path, values):
    data = xr.Dataset({"counts": (("y", "x", "channel"), np.where(values > 3, np.nan, values))})
    words = {"counts": {"_FillValue": -1.0}}
    data.to_zarr(tmp_path / "s.zarr", zarr_format=3, consolidated=False, encoding=words)
    np.testing.assert_array_equal(np.isnan(read(tmp_path / "s.zarr")), values > 3)
    path = store(tmp_path / "z.zarr", 2, counts=values.astype("u2"))
    np.testing.assert_array_equal(read(path), values)
    assert read(path).dtype == np.uint16


def test_big_endian_comes_in_the_order_of_this_machine(tmp_path, values):
    path = store(tmp_path / "s.zarr", 2, counts=values.astype(">f4"))
    assert read(path).dtype.isnative
    np.testing.assert_array_equal(read(path), values)


def test_a_hyperspy_map_has_its_axis(tmp_path, values):
    path = tmp_path / "map.zspy"
    for folder in ("", "Experiments"):
        zarr.create_group(path / folder, zarr_format=2)
    store(path / "Experiments" / "map", 2, data=values)
    told = {"name": "Energy loss", "offset": 700.0, "scale": 8.0, "units": "eV"}
    zarr.create_group(path / "Experiments/map/axis-2", zarr_format=2, attributes=told)
    axis = spectral_axis(read(path))
    assert (axis.kind, axis.unit, axis.values[1]) == ("energy_loss", "eV", 708)


def test_a_shard_is_read_as_one_piece(tmp_path, values):
    path = tmp_path / "s.zarr"
    array = zarr.create_array(path, shape=SHAPE, chunks=(1, 1, 7), shards=(2, 5, 7), dtype="f4")
    array[...] = values
    np.testing.assert_array_equal(read(path, chunks="auto"), values)


# --- lazy ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [{"y": 2, "x": 3}, 2, "auto", {}])
def test_chunks_leave_the_data_in_the_store_until_asked(tmp_path, chunks, monkeypatch):
    write(a_cube(variance=np.ones(SHAPE)), tmp_path / "c.zarr")
    with monkeypatch.context() as patch:
        folders = [tmp_path / "c.zarr" / name / "c" for name in ("img", "variance")]
        real, sizes = zarr.Array.__getitem__, []

        def recorded(array, index):
            sizes.extend([np.size(real(array, index))] if array.ndim == 3 else [])
            return real(array, index)

        patch.setattr(zarr.Array, "__getitem__", recorded)
        cube = read(tmp_path / "c.zarr", chunks=chunks)
    # Single spectra, to find the scale and a variance; of a piece that has several of them, all.
    assert set(sizes) == {SHAPE[2], np.prod(SHAPE)}
    assert len(sizes) <= 3 + 1 + 1  # the last: whether the variance is that of counts
    assert all(folder.is_dir() for folder in folders)
    assert cube.coords["variance"].chunks == cube.chunks
    assert len(cube.chunks[2]) == 1  # spectra stay whole
    same_cube(pickle.loads(pickle.dumps(cube)).compute(), read(tmp_path / "c.zarr"))
    assert cube.data.name == read(tmp_path / "c.zarr", chunks=chunks).data.name


@pytest.mark.parametrize(
    ("shape", "stored"),
    [
        ((10_000, 9_000, 10), (256, 256)),
        ((3_000, 2_000, 500), (64, 32)),
        ((30_000, 5, 500), (64, 64)),
        ((7, 11, 13), (2, 3)),
        ((1, 1, 10**9), (1, 1)),
    ],
)
def test_auto_blocks_are_whole_chunks_and_not_too_large(shape, stored):
    sizes = block_sizes(shape, 4, stored)
    pieces = [min(n, m) for n, m in zip(stored, shape, strict=False)]
    assert sizes["y"] % pieces[0] == sizes["x"] % pieces[1] == 0
    block = min(sizes["y"], shape[0]) * min(sizes["x"], shape[1]) * shape[2] * 4
    assert block <= BLOCK_BYTES or sizes == {"y": 1, "x": 1}
    if np.prod(shape) * 4 > BLOCK_BYTES:
        assert block > BLOCK_BYTES / 4


def test_auto_cuts_chunks_of_single_channels_that_are_too_large(tmp_path, monkeypatch):
    path = tmp_path / "bands.zarr"
    zarr.create_array(path, shape=(4000, 3000, 400), chunks=(4000, 3000, 1), dtype="f4")
    monkeypatch.setattr("spectessera.io._limits.MAX_SPARSE", 10**9)  # it is empty
    cube = read(path, chunks="auto")
    sizes = cube.data.chunksize
    assert sizes[2] == 400
    assert WIDE_BLOCK_BYTES / 2 < np.prod(sizes) * 4 <= WIDE_BLOCK_BYTES


# --- stores that are damaged or do harm ---------------------------------------------------------


class Harm:
    """Unpickling this makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("where", ["compressor", "filters"])
@pytest.mark.parametrize("dtype", ["<f4", "|O"])
@pytest.mark.parametrize("reader", [read, read_result])
def test_pickle_is_never_read(tmp_path, where, dtype, reader, values):
    path = store(tmp_path / "s.zarr", 2, label=values)
    codec = {"id": "pickle", "protocol": 5}
    changes = {"compressor": None, "filters": None, "dtype": dtype}
    changes[where] = [codec] if where == "filters" else codec
    mend(path / "label" / ".zarray", **changes)
    (path / "label" / "0.0.0").write_bytes(pickle.dumps(Harm(tmp_path / "harm")))
    with pytest.raises(ValueError, match="stored by pickle, which is never read"):
        reader(path)
    assert not (tmp_path / "harm").exists()


def test_objects_are_refused(tmp_path, values):
    path = store(tmp_path / "s.zarr", 2, counts=values)
    mend(path / "counts" / ".zarray", dtype="|O", filters=[{"id": "vlen-utf8"}], fill_value="")
    with pytest.raises(ValueError, match="numbers"):
        read(path, key="counts")
    with pytest.raises(ValueError, match="numbers"):
        read(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "\xff\xfe",
        '{"node_type": "array"}',
        '{"zarr_format": 9}',
        "[" * 10**5,
    ],
    ids=range(8),
)
@pytest.mark.parametrize("version", [2, 3])
def test_broken_metadata_are_told_with_the_name_of_the_store(tmp_path, text, version, values):
    path = store(tmp_path / "scan.zarr", version, counts=values)
    (path / "counts" / ("zarr.json" if version == 3 else ".zarray")).write_text(text, "latin-1")
    with pytest.raises(ValueError, match=r"scan\.zarr"):
        read(path)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": None}, {"shape": [4, 5]}, {"shape": [-4, 5, 7]}, {"shape": ["a", 5, 7]},
        {"data_type": "nothing"}, {"data_type": 7}, {"codecs": []}, {"codecs": None},
        {"codecs": [{"name": "evil"}]}, {"chunk_grid": {}}, {"chunk_key_encoding": "x"},
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 0, 0]}}},
        {"fill_value": "wrong"}, {"zarr_format": 4}, {"dimension_names": ["y"]},
        {"dimension_names": 5}, {"storage_transformers": [{"name": "x"}]}, {"attributes": 3},
    ],
    ids=str,
)  # fmt: skip
def test_metadata_that_make_no_sense_are_told_or_do_no_harm(tmp_path, change, values):
    path = store(tmp_path / "scan.zarr", counts=values)
    mend(path / "counts" / "zarr.json", **change)
    try:
        told, cube = "scan.zarr", read(path)
    except ValueError as error:
        told, cube = str(error), values
    assert "scan.zarr" in told
    np.testing.assert_array_equal(cube, values)


def test_a_damaged_chunk_is_told_when_it_is_read(tmp_path):
    write(a_cube(), tmp_path / "c.zarr")
    (chunk,) = [one for one in (tmp_path / "c.zarr" / "img" / "c").rglob("*") if one.is_file()]
    chunk.write_bytes(chunk.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"c\.zarr cannot be read as Zarr"):
        read(tmp_path / "c.zarr")
    with pytest.raises(ValueError, match=r"c\.zarr cannot be read as Zarr"):
        read(tmp_path / "c.zarr", chunks=2).compute()


@pytest.mark.parametrize("chunks", [None, 2])
def test_a_chunk_that_was_lost_is_not_taken_for_zeros(tmp_path, chunks):
    write(a_cube(np.float64).chunk({"y": 2}), tmp_path / "c.zarr")
    next(one for one in (tmp_path / "c.zarr" / "img" / "c").rglob("*") if one.is_file()).unlink()
    with pytest.raises(ValueError, match=r"not complete: 1 of 2 chunks of 'img' are missing"):
        read(tmp_path / "c.zarr", chunks=chunks)
    write(a_result(), tmp_path / "r.zarr")
    shutil.rmtree(tmp_path / "r.zarr" / "label" / "c")
    with pytest.raises(ValueError, match="chunks of 'label' are missing"):
        read_result(tmp_path / "r.zarr")


@pytest.mark.parametrize("chunks", [None, 2])
def test_strange_files_do_not_stand_in_for_lost_chunks(tmp_path, chunks):
    path = tmp_path / "c.zarr"
    write(a_cube(np.float64).chunk({"y": 2}), path)
    (path / "img/c/1/0/0").rename(path / "img/c/1/0/99")
    with pytest.raises(ValueError, match=r"not complete: 1 of 2 chunks of 'img' are missing"):
        read(path, chunks=chunks)
    (path / "img/c/1/0/0").symlink_to(tmp_path / "nowhere")  # a chunk that was never fetched
    with pytest.raises(ValueError, match=r"not complete: 1 of 2 chunks of 'img' are missing"):
        read(path, chunks=chunks)
    (path / "img/c/1/0/0").unlink()
    (path / "img/c/1/0/99").rename(path / "img/c/1/0/0")
    (path / "img/c/1/0/99").touch()
    same_cube(read(path), a_cube(np.float64))


@pytest.mark.parametrize("name", ["variance", "mask", "wavelength", "img"])
def test_an_array_that_was_lost_is_noticed(tmp_path, name):
    path = tmp_path / "c.zarr"
    write(a_cube(variance=np.ones(SHAPE), mask=np.zeros((4, 5), bool)), path)
    shutil.rmtree(path / name)
    with pytest.raises(ValueError, match=rf"not complete: 1 of 4 arrays \('{name}'\) are missing"):
        read(path)
    told = json.loads((path / "zarr.json").read_text())
    del told["attributes"]["_nc_arrays"]
    (path / "zarr.json").write_text(json.dumps(told))
    if name != "img":
        assert name not in read(path).coords


def test_a_variable_that_a_result_lost_is_noticed(tmp_path):
    write(a_result(), tmp_path / "r.zarr")
    shutil.rmtree(tmp_path / "r.zarr" / "confidence")
    with pytest.raises(ValueError, match=r"1 of 7 arrays \('confidence'\) are missing"):
        read_result(tmp_path / "r.zarr")


@pytest.mark.parametrize("told", [5, "img", None, {"img": 1}])
def test_a_list_of_arrays_that_is_none_is_passed_over(tmp_path, told):
    write(a_cube(), tmp_path / "c.zarr")
    attrs = json.loads((tmp_path / "c.zarr" / "zarr.json").read_text())["attributes"]
    mend(tmp_path / "c.zarr" / "zarr.json", attributes=attrs | {"_nc_arrays": told})
    same_cube(read(tmp_path / "c.zarr"), a_cube())


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("dtype", ["u2", "f4", "bool"])
def test_a_cube_of_nothing_but_zeros_is_complete(tmp_path, lazy, dtype):
    zeros = make_cube(np.zeros((40, 50, 7), dtype), mask=np.zeros((40, 50), bool))
    write(zeros.chunk({"y": 7, "x": 20}) if lazy else zeros, tmp_path / "c.zarr")
    same_cube(read(tmp_path / "c.zarr"), zeros)


def test_copies_by_other_programs_may_leave_out_arrays_and_empty_chunks(tmp_path):
    zeros = make_cube(np.zeros((4, 5, 7), np.float32), variance=np.ones((4, 5, 7)))
    write(zeros.chunk({"y": 2}), tmp_path / "c.zarr")
    with xr.open_zarr(tmp_path / "c.zarr", consolidated=False) as opened:
        assert "_nc_arrays" not in opened.attrs
        words = {"consolidated": False, "zarr_format": 3, "write_empty_chunks": False}
        opened.drop_vars("variance").to_zarr(tmp_path / "copy.zarr", **words)
    # As newer versions of xarray and zarr do it; older ones keep the fill value and the chunks.
    mend(tmp_path / "copy.zarr" / "img" / "zarr.json", fill_value=0.0)
    shutil.rmtree(tmp_path / "copy.zarr" / "img" / "c", ignore_errors=True)
    copied = read(tmp_path / "copy.zarr")
    assert np.isnan(copied).all(), "nothing was written, so nothing is known"
    assert "2 of 2 chunks of img do not exist" in copied.attrs["reading_notes"]
    shutil.copytree(tmp_path / "c.zarr", tmp_path / "whole.zarr")
    zarr.open_group(tmp_path / "whole.zarr").create_array("mine", shape=(9,), dtype="f4")
    same_cube(read(tmp_path / "whole.zarr"), zeros)


@pytest.mark.parametrize("told", [5, "yx", [["a"], "y", "x"], {"y": 0, "x": 1, "z": 2}, [None] * 3])
@pytest.mark.parametrize("version", [2, 3])
def test_names_of_axes_that_make_no_sense_are_passed_over(tmp_path, values, told, version):
    path = store(tmp_path / "s.zarr", version, counts=values + 1)  # 0 is the fill value
    zarr.open_array(path / "counts").attrs["_ARRAY_DIMENSIONS"] = told
    order = (1, 2, 0) if isinstance(told, list) and "y" in told else (0, 1, 2)
    np.testing.assert_array_equal(read(path), (values + 1).transpose(order))


@pytest.mark.parametrize("version", [2, 3])
def test_a_file_far_larger_than_its_chunk_is_refused_before_it_is_inflated(tmp_path, version):
    path = tmp_path / "s.zarr"
    codec = numcodecs.GZip() if version == 2 else zarr.codecs.GzipCodec()
    words = {"dtype": "f4", "zarr_format": version, "compressors": codec}
    zarr.create_group(path, zarr_format=version)
    array = zarr.create_array(path / "label", shape=(4, 4, 4), chunks=(2, 4, 4), **words)
    array[...] = 1
    file = path / "label" / ("c/1/0/0" if version == 3 else "1.0.0")
    cube = read(path, chunks=2)
    file.write_bytes(gzip.compress(bytes(2**27)))
    np.testing.assert_array_equal(cube[:2], 1)
    tracemalloc.start()
    for reading in (cube.compute, lambda: read(path), lambda: read_result(path)):
        with pytest.raises(ValueError, match=r"0 has \d+ bytes, too many for a chunk of shape \(2"):
            reading()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**24


def test_chunks_that_no_codec_makes_smaller_are_read(tmp_path):
    values = np.random.default_rng(0).integers(1, 255, (8, 16, 32), np.uint8)
    path = tmp_path / "s.zarr"
    words = {"chunks": (1, 1, 1), "shards": values.shape, "dtype": "u1"}
    zarr.create_array(path, shape=values.shape, **words)[...] = values
    assert (path / "c/0/0/0").stat().st_size > 2**16
    np.testing.assert_array_equal(read(path), values)


def test_absurd_shapes_do_no_harm(tmp_path):
    path = tmp_path / "s.zarr"
    zarr.create_array(path, shape=(80_000, 80_000, 4000), chunks=(10, 10, 4000), dtype="f4")
    for chunks in (None, "auto", 1000):
        with pytest.raises(ValueError, match=r"more than a file of .* bytes can hold"):
            read(path, chunks=chunks)
    zarr.create_array(tmp_path / "t.zarr", shape=(8000, 8000, 1), chunks=(800, 800, 1), dtype="f4")
    with pytest.raises(ValueError, match="give larger chunks"):
        read(tmp_path / "t.zarr", chunks=1)
    zarr.create_array(tmp_path / "u.zarr", shape=SHAPE, chunks=(10**6, 10**6, 10**6), dtype="f4")
    with pytest.raises(ValueError, match="claims chunks of"):
        read(tmp_path / "u.zarr")


def test_other_folders_and_archives_are_told(tmp_path):
    (tmp_path / "folder.zarr").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder but not a Zarr store"):
        read(tmp_path / "folder.zarr")
    write(a_cube(), tmp_path / "c.zarr")
    with zipfile.ZipFile(tmp_path / "c.zarr.zip", "w") as archive:
        for file in (tmp_path / "c.zarr").rglob("*"):
            archive.write(file, file.relative_to(tmp_path))
    with pytest.raises(ValueError, match="Zarr store in a ZIP archive; unpack it"):
        read(tmp_path / "c.zarr.zip")


def test_a_loop_of_links_ends(tmp_path, values):
    path = store(tmp_path / "s.zarr", counts=values)
    (path / "again").symlink_to(path, target_is_directory=True)
    np.testing.assert_array_equal(read(path), values)


def test_formats_tell_of_zarr():
    (found,) = [one for one in formats() if one.name == "Zarr"]
    assert (found.suffixes, found.reads, found.writes) == ((".zarr",), True, "cube, result")
    assert "spectessera.io.zarr" in sys.modules
    assert zarr.__name__ == "zarr"
