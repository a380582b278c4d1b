"""Cubes and results to files and back."""

import os

import dask.array as da
import h5py
import numpy as np
import pytest
import xarray as xr
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

from spectessera._util.files import atomic, atomic_text
from spectessera.axis import Axis
from spectessera.colours import MASKED, colours
from spectessera.cube import make_cube, spectral_axis
from spectessera.io import check_destination, read, read_result, write
from spectessera.io._hdf5_writer import TILE_BYTES, tiles_of

SHAPE = (4, 5, 7)


def sky():
    """Return the WCS of an image, as text."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [63.3, 10.4], [2, 3], [-5e-5, 5e-5]
    return wcs.to_header(relax=True).tostring(sep="\n")


def a_cube(dtype=np.float32, axis=None, **kwargs):
    values = np.random.default_rng(0).poisson(9.0, SHAPE).astype(dtype)
    attrs = {"source": "scan", "unit": "counts", "seconds": 1.5, "runs": 3, "empty": "", "µ": "é"}
    axis = axis or Axis(np.linspace(4000, 4012, 7), "angstrom", medium="air")
    kwargs = {"attrs": attrs, **kwargs}
    return make_cube(values, axis=axis, **kwargs)


def a_result(most=3):
    label = np.arange(20, dtype=np.int32).reshape(4, 5) % (most + 1)
    return xr.Dataset(
        {
            "label": (("y", "x"), label),
            "confidence": (("y", "x"), np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5)),
            "mean_spectrum": (("cluster", "channel"), np.ones((most, 7), np.float32)),
            "pixels": (("cluster",), np.full(most, 5)),
        },
        coords={
            "cluster": np.arange(1, most + 1),
            "name": (("cluster",), np.array(["azurite", "lead white", "ünknown"][:most])),
            "energy": (("channel",), np.linspace(1, 7, 7), {"units": "keV"}),
        },
        attrs={"version": "1", "seed": 0, "score": 0.5, "wcs": sky()},
    )


def same_cube(one, two):
    xr.testing.assert_identical(one.drop_attrs(), two.drop_attrs())
    assert one.dtype == two.dtype
    assert one.attrs == two.attrs
    assert {k: type(v) for k, v in one.attrs.items()} == {k: type(v) for k, v in two.attrs.items()}
    assert spectral_axis(one) == spectral_axis(two)
    assert dict(one.coords.dtypes) == dict(two.coords.dtypes)


@pytest.mark.parametrize("suffix", [".h5", ".nc", ".hdf5"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "u1", "u2", "i4", "i8"])
def test_a_cube_comes_back_as_it_was(tmp_path, suffix, dtype):
    cube = a_cube(dtype)
    write(cube, tmp_path / f"cube{suffix}")
    same_cube(read(tmp_path / f"cube{suffix}"), cube)


@pytest.mark.parametrize("suffix", [".h5", ".nc"])
@pytest.mark.parametrize(
    "axis",
    [
        Axis(np.arange(7)),
        Axis(np.arange(4, 11) ** 2),
        Axis(np.linspace(30, 1, 7), "keV"),
        Axis(np.linspace(400, 700, 7), "nm", medium="vacuum"),
        Axis(np.linspace(700, 800, 7), "eV", kind="energy_loss"),
        Axis(np.array([1.0, 2, 3, 50, 51, 52, 53]), "cm-1"),
        Axis(np.linspace(-20, 20, 7), "km/s"),
    ],
    ids=lambda axis: axis.kind,
)
def test_every_axis_comes_back_as_it_was(tmp_path, suffix, axis):
    cube = a_cube(axis=axis)
    write(cube, tmp_path / f"cube{suffix}")
    same_cube(read(tmp_path / f"cube{suffix}"), cube)


@pytest.mark.parametrize("suffix", [".h5", ".nc"])
@pytest.mark.parametrize("chunks", [None, 2])
def test_variance_mask_reference_and_positions_come_back(tmp_path, suffix, chunks):
    mask = np.arange(20).reshape(4, 5) > 17
    cube = a_cube(variance=np.random.default_rng(1).random(SHAPE), mask=mask)
    cube = cube.where(cube > 5)  # NaN
    cube = cube.assign_coords(
        reference=(("y", "x"), np.arange(20, dtype=np.int32).reshape(4, 5)),
        y=("y", np.linspace(0, 3, 4), {"units": "mm"}),
        x=("x", np.arange(5) * 10),
    )
    cube.attrs["unit"] = "counts"
    cube = cube.chunk({"y": 3, "x": 2}) if chunks else cube
    write(cube, tmp_path / f"cube{suffix}")
    found = read(tmp_path / f"cube{suffix}", chunks=chunks)
    assert (found.chunks is not None) == (chunks is not None)
    same_cube(found.compute(), cube.compute())
    assert found.coords["y"].attrs == {"units": "mm"}


def test_the_h5_file_has_the_dataset_of_labec(tmp_path):
    write(a_cube(), tmp_path / "cube.h5")
    with h5py.File(tmp_path / "cube.h5") as file:
        assert file["img"].shape == SHAPE
        assert file["axis"].attrs["units"] == "angstrom"


def test_a_cube_can_be_written_over_the_file_that_it_is_read_from(tmp_path):
    path = tmp_path / "cube.h5"
    write(a_cube(), path)
    lazy = read(path, chunks=2)
    write(lazy * 2, path)
    np.testing.assert_array_equal(read(path), a_cube() * 2)


def test_dimensions_in_another_order_are_put_right(tmp_path):
    cube = a_cube(variance=np.random.default_rng(1).random(SHAPE))
    for name in ("cube.h5", "cube.nc", "cube.fits"):
        write(cube.transpose("channel", "x", "y"), tmp_path / name)
        found = read(tmp_path / name)
        np.testing.assert_array_equal(found, cube)
        np.testing.assert_array_equal(found.coords["variance"], cube.coords["variance"])


@pytest.mark.parametrize(
    "axis",
    [
        Axis(np.arange(7)),
        Axis(np.linspace(30, 1, 7), "keV"),
        Axis(4749.890625 + 1.25 * np.arange(7), "angstrom", medium="air"),
        Axis(np.linspace(400, 700, 7), "nm", medium="vacuum"),
        Axis(np.linspace(400, 700, 7), "nm"),
        Axis(np.linspace(700, 800, 7), "eV", kind="energy_loss"),
        Axis(np.linspace(500, 1800, 7), "cm-1"),
        Axis(np.linspace(-20, 20, 7), "km/s"),
        Axis(np.linspace(88, 89, 7), "GHz"),
    ],
    ids=lambda axis: axis.kind + axis.medium,
)
@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
def test_a_cube_with_even_steps_goes_through_fits(tmp_path, axis, suffix):
    mask = np.arange(20).reshape(4, 5) > 17
    cube = a_cube(axis=axis, variance=np.random.default_rng(1).random(SHAPE), mask=mask)
    cube.attrs |= {"wcs": sky(), "object": "Abell 478"}
    path = tmp_path / f"cube{suffix}"
    write(cube, path)
    found = read(path)
    np.testing.assert_array_equal(found, cube)
    np.testing.assert_array_equal(found.coords["variance"], cube.coords["variance"])
    np.testing.assert_array_equal(found.coords["mask"], mask)
    back = spectral_axis(found)
    assert (back.kind, back.unit, back.medium) == (axis.kind, axis.unit, axis.medium)
    np.testing.assert_allclose(back.values, axis.values, rtol=1e-12)
    assert found.attrs["unit"] == "counts"
    assert found.attrs["object"] == "Abell 478"
    assert found.dtype.isnative
    new, old = (WCS(fits.Header.fromstring(c.attrs["wcs"], sep="\n")) for c in (found, cube))
    np.testing.assert_allclose(new.wcs_pix2world(4, 3, 0), old.wcs_pix2world(4, 3, 0))


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f2", "f8"])
def test_fits_keeps_what_numbers_it_can(tmp_path, dtype):
    write(a_cube(dtype), tmp_path / "cube.fits")
    found = read(tmp_path / "cube.fits")
    np.testing.assert_array_equal(found, a_cube(dtype))
    assert found.dtype == (np.float32 if dtype == "f2" else np.dtype(dtype))


@pytest.mark.parametrize("dtype", ["i1", "u1", "u2", "u4", "u8", "i8", "f4", "?"])
@pytest.mark.parametrize("chunks", [None, {"y": 3, "x": 2}])
def test_a_lazy_cube_is_written_to_fits_part_by_part(tmp_path, dtype, chunks):
    values = np.random.default_rng(0).integers(0, 100, SHAPE).astype(dtype)
    values[0, 0, 0] = 0
    if np.dtype(dtype).kind in "ui":
        values[1, 2, 3], values[3, 4, 6] = np.iinfo(dtype).min, np.iinfo(dtype).max
    cube = make_cube(values, variance=values.astype("f4") + 2)
    write(cube.chunk(chunks) if chunks else cube, tmp_path / "cube.fits")
    with fits.open(tmp_path / "cube.fits") as file:
        file.verify("exception")
        np.testing.assert_array_equal(file["DATA"].data, np.moveaxis(values, 2, 0))
        variance = np.moveaxis(values.astype("f4"), 2, 0) + 2
        np.testing.assert_array_equal(file["STAT"].data, variance)
    assert (tmp_path / "cube.fits").stat().st_size % 2880 == 0


UNEVEN = [
    Axis(np.arange(4, 11) ** 2.0),
    Axis(np.arange(1, 8) ** 2.0, "keV"),
    Axis(np.arange(1, 8) ** 2.0, "eV", kind="energy_loss"),
    Axis(400 + np.arange(1, 8) ** 2.0, "nm", medium="vacuum"),
    Axis(4000 + np.arange(1, 8) ** 2.0, "angstrom", medium="air"),
    Axis(np.arange(1, 8)[::-1] ** 2.0, "cm-1"),
    Axis(np.arange(1, 8) ** 2.0 - 5, "km/s"),
    Axis(np.arange(1, 8) ** 2.0, "GHz"),
]


@pytest.mark.parametrize("axis", UNEVEN, ids=lambda axis: axis.kind + axis.medium)
def test_uneven_steps_are_a_table_in_fits_that_astropy_understands(tmp_path, axis):
    write(a_cube(axis=axis), tmp_path / "cube.fits")
    with fits.open(tmp_path / "cube.fits") as file:
        file.verify("exception")
        wcs = WCS(file["DATA"].header, file).sub([3])
        np.testing.assert_allclose(wcs.wcs_pix2world(np.arange(7), 0)[0], axis.values)
    back = spectral_axis(read(tmp_path / "cube.fits"))
    np.testing.assert_allclose(back.values, axis.values)
    assert (back.kind, back.unit, back.medium) == (axis.kind, axis.unit, axis.medium)


def test_a_result_comes_back_from_netcdf_with_integer_labels(tmp_path):
    result = a_result()
    write(result, tmp_path / "result.nc")
    found = read_result(tmp_path / "result.nc")
    xr.testing.assert_identical(found, result)
    assert found["label"].dtype == np.int32
    assert found.attrs == result.attrs
    assert isinstance(found.attrs["seed"], int)
    with h5py.File(tmp_path / "result.nc") as file:
        assert "_FillValue" not in file["label"].attrs
    with xr.open_dataset(tmp_path / "result.nc", engine="h5netcdf") as plain:
        assert plain["label"].dtype == np.int32


def test_a_result_is_plain_datasets_in_hdf5(tmp_path):
    result = a_result().chunk({"y": 2})
    write(result, tmp_path / "result.h5")
    with h5py.File(tmp_path / "result.h5") as file:
        np.testing.assert_array_equal(file["label"], result["label"])
        assert file["label"].dtype == np.int32
        assert [dim.label for dim in file["mean_spectrum"].dims] == ["cluster", "channel"]
        assert file["name"].asstr()[1] == "lead white"
        assert file["energy"].attrs["units"] == "keV"
        assert file.attrs["seed"] == 0


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
def test_a_label_map_is_a_fits_image_on_the_sky(tmp_path, suffix):
    result = a_result()
    write(result, tmp_path / f"map{suffix}")
    with fits.open(tmp_path / f"map{suffix}") as file:
        assert file["LABEL"].data.dtype == np.dtype(">i2")
        np.testing.assert_array_equal(file["LABEL"].data, result["label"])
        np.testing.assert_array_equal(file["CONFIDENCE"].data, result["confidence"])
        assert file["LABEL"].header["NCLUSTER"] == 3
        assert file[0].header["CREATOR"].startswith("spectessera")
        np.testing.assert_allclose(
            WCS(file["LABEL"].header).wcs_pix2world(1, 2, 0), [63.3, 10.4], rtol=1e-9
        )
        file.verify("exception")


def test_a_label_map_without_a_sky_or_confidence_is_a_fits_image_too(tmp_path):
    result = a_result().drop_vars("confidence").drop_attrs()
    write(result, tmp_path / "map.fits")
    with fits.open(tmp_path / "map.fits") as file:
        assert [hdu.name for hdu in file] == ["PRIMARY", "LABEL", "CLUSTERS"]


def test_a_label_map_is_a_picture_of_whole_pixels(tmp_path):
    result = a_result()
    write(result, tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as file:
        picture = np.asarray(file)
    factor = 103  # 5 columns make at least 512
    assert picture.shape == (4 * factor, 5 * factor, 3)
    np.testing.assert_array_equal(picture[0, 0], MASKED)
    np.testing.assert_array_equal(picture[factor - 1, 2 * factor - 1], colours(1)[0])
    np.testing.assert_array_equal(picture[0, 2 * factor], colours(2)[1])


def test_more_than_64_kb_of_words_are_kept(tmp_path):
    result = a_result().assign_attrs(provenance="x" * 100_000 + "é")
    write(result, tmp_path / "r.nc")
    assert read_result(tmp_path / "r.nc").attrs["provenance"] == result.attrs["provenance"]
    write(result, tmp_path / "r.h5")
    ascii_only = a_result().assign_attrs(provenance="x" * 100_000)
    write(ascii_only, tmp_path / "r.nc")
    assert read_result(tmp_path / "r.nc").attrs["provenance"] == "x" * 100_000


def test_truths_among_attributes_become_numbers_and_lists_are_told(tmp_path):
    for name in ("c.nc", "c.h5"):
        write(a_cube().assign_attrs(good=True), tmp_path / name)
        assert read(tmp_path / name).attrs["good"] == 1
        with pytest.raises(TypeError, match=r"attribute 'names'.*json"):
            write(a_cube().assign_attrs(names=["a", "b"]), tmp_path / name)


def test_what_is_neither_cube_nor_result_is_told(tmp_path):
    with pytest.raises(TypeError, match=r"xarray\.DataArray"):
        write(np.zeros(SHAPE), tmp_path / "c.nc")
    with pytest.raises(ValueError, match="variable 'label'"):
        write(a_result().drop_vars("label"), tmp_path / "c.nc")
    with pytest.raises(ValueError, match="integers"):
        write(a_result().assign(label=a_result()["label"] * 1.0), tmp_path / "c.nc")
    with pytest.raises(ValueError, match=r"a cube is written as one of \.nc, \.h5.*got 'c\.png'"):
        write(a_cube(), tmp_path / "c.png")
    with pytest.raises(ValueError, match=r"a result is written as one of .*\.png; got 'c\.tif'"):
        write(a_result(), tmp_path / "c.tif")
    with pytest.raises(ValueError, match="no float16"):
        write(a_cube("f2"), tmp_path / "c.nc")
    assert not list(tmp_path.iterdir())


def test_wrong_places_are_told(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.nc").mkdir()
    with pytest.raises(FileNotFoundError, match=r"the folder .*nowhere does not exist"):
        write(a_cube(), tmp_path / "nowhere" / "c.nc")
    with pytest.raises(NotADirectoryError, match="is a file"):
        write(a_cube(), tmp_path / "file" / "c.nc")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        write(a_cube(), tmp_path / "folder.nc")
    write(a_cube(), tmp_path / "c.nc")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write(a_cube(), tmp_path / "c.nc", overwrite=False)
    write(a_cube(), tmp_path / "c.nc")


@pytest.mark.parametrize("kind", ["cube", "result"])
def test_a_destination_is_refused_as_writing_would_refuse_it(tmp_path, kind):
    thing = a_cube() if kind == "cube" else a_result()
    (tmp_path / "file").touch()
    (tmp_path / "folder.nc").mkdir()
    (tmp_path / "folder.zarr").mkdir()
    (tmp_path / "old.h5").write_text("old")
    write(thing, tmp_path / "old.zarr")
    (tmp_path / "old.zarr" / "notes.txt").write_text("years of work")
    names = ["c.tif", "c", "nowhere/c.nc", "file/c.h5", "folder.nc", "folder.zarr", "old.zarr"]
    for name, overwrite in [*[(name, True) for name in names], ("old.h5", False)]:
        with pytest.raises((ValueError, OSError)) as told:
            check_destination(tmp_path / name, overwrite, kind)
        with pytest.raises(type(told.value)) as wrote:
            write(thing, tmp_path / name, overwrite=overwrite)
        assert str(wrote.value) == str(told.value)


def test_a_good_destination_is_left_as_it_is(tmp_path):
    for name in ("c.h5", "c.hdf5", "c.nc", "c.fits", "c.fits.gz", "c.zarr", "C.NC"):
        check_destination(tmp_path / name)
        check_destination(str(tmp_path / name), overwrite=False, kind="result")
    assert not list(tmp_path.iterdir())
    write(a_cube(), tmp_path / "c.zarr")
    (tmp_path / "c.h5").write_text("old")
    check_destination(tmp_path / "c.zarr")
    check_destination(tmp_path / "c.h5")
    assert read(tmp_path / "c.zarr").shape == SHAPE
    assert (tmp_path / "c.h5").read_text() == "old"


def test_the_kind_tells_which_suffixes_may_be(tmp_path):
    check_destination(tmp_path / "c.png", kind="result")
    with pytest.raises(ValueError, match=r"a cube is written as one of \.nc.*got 'c\.png'"):
        check_destination(tmp_path / "c.png")
    with pytest.raises(ValueError, match='kind must be "cube", "result" or "maps"; got \'map\''):
        check_destination(tmp_path / "c.nc", kind="map")


def test_a_read_only_destination_is_told_before_work(tmp_path, monkeypatch):
    (tmp_path / "c.nc").touch()
    monkeypatch.setattr(os, "access", lambda path, _: path == tmp_path)
    with pytest.raises(PermissionError, match="read-only"):
        check_destination(tmp_path / "c.nc")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="no permission to write into the folder"):
        check_destination(tmp_path / "d.nc")


def chunked_like(blocks, channels=1024):
    """Return a lazy variable of 256 by 256 pixels, uint16, in such blocks."""
    values = da.zeros((256, 256, channels), dtype=np.uint16, chunks=(*blocks, -1))
    return xr.Variable(("y", "x", "channel"), values)


@pytest.mark.parametrize(
    "blocks",
    [(32, 256), (256, 32), (64, 64), (100, 100), (1, 256), (256, 1), (37, 256), (37, 37), (48, 6),
     (256, 256), ((96, 96, 64), 256), (5, 7)],
)  # fmt: skip
def test_no_tile_lies_in_two_blocks(blocks):
    """A tile in two blocks is compressed, then read, inflated and compressed again."""
    variable = chunked_like(blocks)
    tiles = tiles_of(variable)
    for axis in (0, 1):
        edges = np.cumsum(variable.chunks[axis])[:-1]
        assert not np.any(edges % tiles[axis])
    assert tiles[2] == 1024
    size = np.prod(tiles) * 2
    assert size <= 4 * TILE_BYTES
    assert size >= TILE_BYTES / 4 or tiles[:2] == (5, 7)


def test_tiles_are_not_made_tiny_to_fit_large_blocks_of_odd_sizes():
    assert tiles_of(chunked_like(((127, 129), 251))) == (22, 23, 1024)


def test_tiles_are_widened_where_there_are_few_rows():
    flat = xr.Variable(("y", "x", "channel"), np.zeros((2, 3000, 1024), np.uint16))
    assert tiles_of(flat) == (2, 256, 1024)
    assert tiles_of(flat.transpose("x", "y", "channel")) == (256, 2, 1024)
    long = xr.Variable(("y", "x", "channel"), np.zeros((3, 2, 10**6), np.float64))
    assert tiles_of(long) == (1, 1, 10**6)


@pytest.mark.parametrize("suffix", [".h5", ".nc"])
def test_the_tiles_of_a_file_fit_the_blocks_of_a_lazy_cube(tmp_path, suffix):
    values = np.random.default_rng(0).integers(0, 9, (64, 70, 1024), np.uint16)
    cube = make_cube(da.from_array(values, chunks=(16, 70, -1)), variance=2.0 * values)
    write(cube, tmp_path / f"c{suffix}")
    with h5py.File(tmp_path / f"c{suffix}") as file:
        assert file["img"].chunks == (16, 32, 1024)
        np.testing.assert_array_equal(file["img"], values)
        np.testing.assert_array_equal(file["variance"], 2.0 * values)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_is_told(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    (tmp_path / "c.nc").touch(mode=0o400)
    folder.chmod(0o500)
    with pytest.raises(PermissionError, match="no permission to write into the folder"):
        write(a_cube(), folder / "c.nc")
    with pytest.raises(PermissionError, match="read-only"):
        write(a_cube(), tmp_path / "c.nc")


def test_no_permission_is_told_whoever_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="no permission to write into the folder"):
        write(a_cube(), tmp_path / "c.nc")


@pytest.mark.parametrize("name", ["c.nc", "c.h5", "c.fits"])
def test_an_error_half_way_leaves_the_old_file_and_nothing_else(tmp_path, name):
    def broken(block):
        raise RuntimeError("the disk of the cube failed")

    write(a_cube(), tmp_path / name)
    before = (tmp_path / name).read_bytes()
    lazy = a_cube().chunk({"y": 2})
    lazy = lazy.copy(data=lazy.data.map_blocks(broken, dtype=lazy.dtype, meta=lazy.data._meta))
    with pytest.raises(RuntimeError, match="disk of the cube"):
        write(lazy, tmp_path / name)
    assert (tmp_path / name).read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [name]


def half_write(path):
    """Be interrupted half-way."""
    with atomic(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt


def half_write_folder(path):
    """Be interrupted half-way with a folder."""
    with atomic(path) as temporary:
        temporary.mkdir()
        half_write(temporary / "zarr.json")


def test_atomic_cleans_up_after_an_interruption(tmp_path):
    path = tmp_path / "notes.txt"
    atomic_text(path, "old\n")
    with pytest.raises(KeyboardInterrupt):
        half_write(path)
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_follows_a_link_and_keeps_the_mode(tmp_path):
    path, link = tmp_path / "notes.txt", tmp_path / "link.txt"
    atomic_text(path, "old")
    path.chmod(0o640)
    link.symlink_to(path)
    atomic_text(link, "näw\n")
    assert link.is_symlink()
    assert path.read_text(encoding="utf-8") == "näw\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_atomic_makes_a_folder_where_nothing_is(tmp_path):
    with atomic(tmp_path / "store.zarr") as temporary:
        temporary.mkdir()
        (temporary / "zarr.json").write_text("{}")
    assert (tmp_path / "store.zarr" / "zarr.json").exists()
    with pytest.raises(KeyboardInterrupt):
        half_write_folder(tmp_path / "two.zarr")
    assert [one.name for one in tmp_path.iterdir()] == ["store.zarr"]


def test_read_result_tells_what_is_no_result(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_result(tmp_path / "r.nc")
    (tmp_path / "text.nc").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.nc cannot be read as NetCDF"):
        read_result(tmp_path / "text.nc")
    np.savez(tmp_path / "cube.npz", cube=np.ones((2, 3, 4)))
    with pytest.raises(ValueError, match=r"cube\.npz is no result: give the folder that"):
        read_result(tmp_path / "cube.npz")
    with pytest.raises(FileNotFoundError, match=r"there is no file or folder .*nowhere"):
        read_result(tmp_path / "nowhere")
    write(a_cube(), tmp_path / "cube.nc")
    with pytest.raises(ValueError, match=r"cube\.nc: a result has a variable 'label'.*img"):
        read_result(tmp_path / "cube.nc")
    write(a_result(), tmp_path / "r.nc")
    content = (tmp_path / "r.nc").read_bytes()
    (tmp_path / "short.nc").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"short\.nc cannot be read as NetCDF"):
        read_result(tmp_path / "short.nc")
    write(a_result(), tmp_path / "r.h5")
    with pytest.raises(ValueError, match=r"r\.h5 is not a NetCDF 4 file"):
        read_result(tmp_path / "r.h5")
