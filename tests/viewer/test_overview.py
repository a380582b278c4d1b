"""The overview of a cube gives numpy's numbers, from any file, and is kept whole or not at all."""

import json
import os
import warnings

import h5py
import numpy as np
import pytest
import zarr

import spectessera as spt
from spectessera.cube import make_cube
from spectessera.viewer import overview as overviews
from spectessera.viewer.cache import ABOUT, cache_folder, kept_overviews, remove_overviews
from spectessera.viewer.keeping import bin_edges, pieces
from spectessera.viewer.overview import exact_window, open_overview
from spectessera.viewer.overviewpass import added
from spectessera.viewer.spectra import Stopped

SHAPE = (13, 17, 300)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Give a cache folder; cubes of any size are kept in it, with bins of 3 channels."""
    monkeypatch.setattr(overviews, "SMALL_BYTES", 0)
    monkeypatch.setattr("spectessera.viewer.keeping.LEAST_BINS", 100)
    return tmp_path / "cache"


def counts(dtype="u2"):
    return np.random.default_rng(0).poisson(5.0, SHAPE).astype(dtype)


def stored(tmp_path, values, chunks, name="scan.h5", mask=None):
    """Write values into a file in pieces of a shape, and read it without loading it."""
    path = tmp_path / name
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("img", data=values, chunks=chunks)
    elif path.suffix == ".zarr":
        zarr.create_array(path, data=values, chunks=chunks)
    else:
        np.save(path, values)
    return spt.read(path, chunks="auto", mask=mask)


@pytest.mark.parametrize(
    ("name", "chunks"),
    [
        ("a.h5", (4, 5, 300)),
        ("a.h5", (13, 17, 1)),
        ("a.h5", (3, 4, 7)),
        ("a.zarr", (5, 17, 64)),
        ("a.npy", None),
    ],
)
@pytest.mark.parametrize("box", [2**25, 2000])
def test_a_kept_overview_has_the_numbers_of_numpy(tmp_path, folder, monkeypatch, name, chunks, box):
    """Of counts every sum is exact, whatever the pieces of the file and the sizes of boxes."""
    monkeypatch.setattr("spectessera.viewer.boxes.BOX_BYTES", box)
    monkeypatch.setattr("spectessera.viewer.boxes.PIECE_BYTES", 3 * box)
    values = counts()
    cube = stored(tmp_path, values, chunks, name)
    overview = open_overview(cube, folder)
    assert overview.path is not None
    assert not overview.exact
    assert len(overview.edges) == 101
    np.testing.assert_array_equal(overview.mean, values.mean(axis=(0, 1), dtype=np.float64))
    np.testing.assert_array_equal(overview.maximum, values.max(axis=(0, 1)))
    np.testing.assert_array_equal(overview.total, values.sum(axis=2))
    for low, high in [(0, 300), (31, 32), (6, 9), (100, 250), (299, 300)]:
        window = overview.window(low, high)
        assert abs(window.low - low) <= 2
        assert abs(window.high - high) <= 2
        np.testing.assert_array_equal(window.map, values[..., window.low : window.high].sum(axis=2))
        exact = overview.exact_window(cube, low, high)
        assert (exact.low, exact.high) == (low, high)
        np.testing.assert_array_equal(exact.map, values[..., low:high].sum(axis=2))
    want = values[7, 3].reshape(100, 3).mean(axis=1)
    np.testing.assert_allclose(overview.pixel(7, 3), want, rtol=1e-7)
    np.testing.assert_array_equal(overview.spectrum(7, 3), np.repeat(overview.pixel(7, 3), 3))


def hostile():
    """Floats with missing values of every kind, a dead pixel, a dead channel, huge numbers."""
    values = np.random.default_rng(1).normal(1e3, 5.0, SHAPE)
    values[2, 3] = np.nan
    values[5, 6, 10:40] = np.nan
    values[0, 0, 0], values[0, 1, 1], values[0, 2, 2] = np.inf, -np.inf, 9.97e36
    values[:, :, 77] = np.nan
    values[9] = 0
    values[1, 1, 5], values[1, 2, 5] = 1e29, -1e29
    return values


@pytest.mark.parametrize("lazy", [True, False])
def test_missing_values_count_as_the_mean_of_the_others(tmp_path, folder, lazy):
    values, mask = hostile(), np.zeros(SHAPE[:2], bool)
    mask[4, 4] = True
    cube = (
        stored(tmp_path, values, (4, 17, 100), mask=mask) if lazy else make_cube(values, mask=mask)
    )
    overview = open_overview(cube, folder)
    assert (overview.path is not None) is lazy
    known = np.where((np.abs(values) <= 1e30) & ~mask[..., None], values, np.nan)
    with warnings.catch_warnings():  # of means of nothing
        warnings.simplefilter("ignore", RuntimeWarning)
        mean, maximum = np.nanmean(known, axis=(0, 1)), np.nanmax(known, axis=(0, 1))
        total = np.nanmean(known, axis=2) * SHAPE[2]
        window = np.nanmean(known[..., 5:41], axis=2) * 36
    np.testing.assert_allclose(overview.mean, mean, rtol=1e-12, atol=1e-9)
    np.testing.assert_array_equal(overview.maximum, maximum)
    np.testing.assert_allclose(overview.total, total, rtol=1e-5)
    assert np.isnan(overview.total[[2, 4], [3, 4]]).all()
    exact = overview.exact_window(cube, 5, 41)
    np.testing.assert_allclose(exact.map, window, rtol=1e-5)
    rough = overview.window(5, 41)
    there = np.isfinite(known[..., rough.low : rough.high]).all(axis=2)
    want = known[..., rough.low : rough.high].sum(axis=2)
    np.testing.assert_allclose(rough.map[there], want[there], rtol=1e-5)
    assert rough.map[5, 6] == pytest.approx(1e3 * (rough.high - rough.low), rel=0.01)


@pytest.mark.parametrize("lazy", [True, False])
def test_bad_channels_are_in_spectra_but_in_no_map(tmp_path, folder, lazy):
    values, bad = counts("f4"), np.zeros(300, bool)
    values[..., 4], bad[4] = 1e6, True
    bad[9:12] = True
    cube = stored(tmp_path, values, (13, 17, 10)) if lazy else make_cube(values)
    cube = cube.assign_coords(bad_channel=("channel", bad))
    overview = open_overview(cube, folder)
    assert overview.mean[4] == 1e6
    np.testing.assert_array_equal(overview.total, values[..., ~bad].sum(axis=2))
    np.testing.assert_array_equal(
        overview.window(3, 6).map, values[..., 3:6][..., ~bad[3:6]].sum(axis=2)
    )
    assert np.isnan(overview.window(9, 12).map).all()
    assert np.isnan(overview.pixel(0, 0)[3 if lazy else 9])


@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("dtype", ["f2", "f4", "i8", "u8", "?", ">u2"])
def test_values_of_any_type_are_added_up(folder, dtype, lazy):
    """The sum of two integers near the end of 64 bits is not one of 64 bits."""
    values = np.ones((3, 4, 6), dtype)
    if values.dtype.itemsize == 8:
        values[:] = 2**62
    missing = values.dtype.kind == "f"
    if missing:
        values[0, 0, 0], values[1, 1, 1] = np.inf, np.nan
    cube = make_cube(values)
    overview = open_overview(cube.chunk({"y": 2}) if lazy else cube, folder)
    one = float(values[2, 2, 2])
    np.testing.assert_array_equal(overview.mean, np.full(6, one))
    np.testing.assert_array_equal(overview.maximum, np.full(6, one))
    np.testing.assert_allclose(overview.total, 6 * one)
    np.testing.assert_allclose(overview.window(0, 2).map, 2 * one)
    np.testing.assert_allclose(exact_window(cube, 0, 2).map, 2 * one)


def test_maps_whose_sum_overflows_are_added_up():
    """The sum of all pixels is infinite as float32, or even inf - inf; that of each is not."""
    one = np.full((40, 40), 1e38, np.float32)
    one[20:] *= -1
    np.testing.assert_array_equal(added([(one, 3), (one.copy(), 3)], (40, 40)), 2 * one)
    assert np.isnan(added([(one, 0)], (40, 40))).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 40), (5, 1, 1)])
def test_the_smallest_cubes_have_an_overview(tmp_path, folder, shape):
    values = np.arange(np.prod(shape), dtype=float).reshape(shape) + 1
    np.save(tmp_path / "a.npy", values)
    for cube in (spt.read(tmp_path / "a.npy", chunks="auto"), make_cube(values)):
        overview = open_overview(cube, folder)
        np.testing.assert_array_equal(overview.total, values.sum(axis=2))
        window = overview.window(0, shape[2])
        np.testing.assert_array_equal(window.map, values.sum(axis=2))


def test_a_cube_without_a_file_is_kept_as_well(folder):
    """Of a dask array that is computed: here one that doubles another."""
    values = counts("f4")
    cube = make_cube(values).chunk({"y": 4, "x": 9}) * 2
    overview = open_overview(cube, folder)
    np.testing.assert_array_equal(overview.total, 2 * values.sum(axis=2))


def test_windows_outside_are_refused(tmp_path):
    overview = open_overview(make_cube(counts()), tmp_path)
    for low, high in [(-1, 3), (3, 3), (0, 301), (300, 301)]:
        with pytest.raises(ValueError, match=r"low|high"):
            overview.window(low, high)
    with pytest.raises(ValueError, match="x must be"):
        overview.pixel(0, 17)


def test_the_second_time_nothing_is_read(tmp_path, folder, monkeypatch):
    cube = stored(tmp_path, counts(), (13, 17, 10))
    first = open_overview(cube, folder)
    monkeypatch.setattr("spectessera.viewer.boxes.Stored.read", None)
    again = open_overview(spt.read(tmp_path / "scan.h5", chunks={"y": 3, "x": 5}), folder)
    assert (again.path, again.note) == (first.path, "")
    np.testing.assert_array_equal(again.window(0, 9).map, first.window(0, 9).map)


def test_a_changed_file_has_a_new_overview_in_place_of_the_old_one(tmp_path, folder, caplog):
    open_overview(stored(tmp_path, counts(), (13, 17, 10)), folder)
    cube = stored(tmp_path, counts() + 1, (13, 17, 10))
    overview = open_overview(cube, folder)
    np.testing.assert_array_equal(overview.total, (counts() + 1).sum(axis=2))
    assert "older state" in overview.note
    assert "made anew" in caplog.text
    assert len(kept_overviews(folder)) == 1


def test_a_chunk_of_a_store_that_is_written_anew_is_noticed(tmp_path, folder):
    cube = stored(tmp_path, counts(), (13, 17, 100), "a.zarr")
    open_overview(cube, folder)
    zarr.open_array(tmp_path / "a.zarr")[:, :, :100] = 9
    overview = open_overview(spt.read(tmp_path / "a.zarr", chunks="auto"), folder)
    assert overview.mean[0] == 9


def test_a_chunk_that_is_overwritten_in_its_place_is_noticed(tmp_path, folder):
    """Some programs, and older versions of zarr, do so: the time of the folder stays."""
    cube = stored(tmp_path, counts(), (13, 17, 100), "a.zarr")
    stored(tmp_path, np.full(SHAPE, 9, "u2"), (13, 17, 100), "b.zarr")
    open_overview(cube, folder)
    before = os.stat(tmp_path / "a.zarr/c/0/0").st_mtime_ns
    (tmp_path / "a.zarr/c/0/0/0").write_bytes((tmp_path / "b.zarr/c/0/0/0").read_bytes())
    assert os.stat(tmp_path / "a.zarr/c/0/0").st_mtime_ns == before
    overview = open_overview(spt.read(tmp_path / "a.zarr", chunks="auto"), folder)
    assert overview.mean[0] == 9


def test_how_a_file_is_read_is_part_of_what_an_overview_is_of(tmp_path, folder):
    values, mask = counts(), np.zeros(SHAPE[:2], bool)
    mask[0] = True
    plain = open_overview(stored(tmp_path, values, (13, 17, 10)), folder)
    masked = open_overview(stored(tmp_path, values, (13, 17, 10), mask=mask), folder)
    other = spt.read(tmp_path / "scan.h5", chunks="auto", missing=5)
    missing = open_overview(other, folder)
    assert np.isnan(masked.total[0]).all()
    assert plain.total[0].sum() == values[0].sum()
    assert missing.mean[0] == pytest.approx(values[..., 0][values[..., 0] != 5].mean())


def damaged(path, how):
    if how == "cut short":
        os.truncate(path / "bins-0.npy", 1000)
    elif how == "no total":
        (path / "total.npy").unlink()
    elif how == "foreign":
        (path / ABOUT).write_text(json.dumps({"format": "of another program"}))
    elif how == "no words":
        (path / ABOUT).write_bytes(b"\xff" * 100)
    elif how == "deep":
        (path / ABOUT).write_text("[" * 10**5)
    else:  # a pickle instead of numbers, of the same size
        size = (path / "total.npy").stat().st_size
        np.save(path / "total.npy", np.array([{}], dtype=object), allow_pickle=True)
        os.truncate(path / "total.npy", size)


@pytest.mark.parametrize("how", ["cut short", "no total", "foreign", "no words", "deep", "pickle"])
def test_a_damaged_overview_is_made_anew_and_said(tmp_path, folder, how):
    cube = stored(tmp_path, counts(), (13, 17, 10))
    damaged(open_overview(cube, folder).path, how)
    overview = open_overview(cube, folder)
    assert "made anew" in overview.note
    np.testing.assert_array_equal(overview.total, counts().sum(axis=2))


def test_files_of_others_in_its_folder_are_not_removed(tmp_path, folder):
    cube = stored(tmp_path, counts(), (13, 17, 10))
    path = open_overview(cube, folder).path
    (path / ABOUT).unlink()
    (path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="thesis"):
        open_overview(cube, folder)
    assert (path / "thesis.txt").exists()


@pytest.mark.parametrize("how", [Stopped, KeyboardInterrupt])
def test_an_overview_that_is_stopped_leaves_nothing(tmp_path, folder, monkeypatch, how):
    monkeypatch.setattr("spectessera.viewer.boxes.BOX_BYTES", 2000)
    cube, asked = stored(tmp_path, counts(), (1, 17, 300)), []

    def stop():
        asked.append(1)
        if len(asked) == 5 and how is KeyboardInterrupt:
            raise KeyboardInterrupt
        return len(asked) == 5

    with pytest.raises(how):
        open_overview(cube, folder, stop=stop)
    assert not any(folder.iterdir())
    assert open_overview(cube, folder).total.sum() == counts().sum()


def test_progress_grows_to_the_size_of_the_cube(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("spectessera.viewer.overviewpass.MEGABYTE", 1000)
    seen = []
    cube = stored(tmp_path, counts(), (13, 17, 10))
    open_overview(cube, folder, progress=lambda *each: seen.append(each))
    assert seen[-1][1:] == (counts().nbytes // 1000, counts().nbytes // 1000)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_a_disk_without_space_is_said_before_the_work(tmp_path, folder, monkeypatch):
    cube = stored(tmp_path, counts(), (13, 17, 10))
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("spectessera.viewer.keeping.shutil.disk_usage", lambda _: usage)
    with pytest.raises(OSError, match="SPECTESSERA_CACHE"):
        open_overview(cube, folder)


def test_a_cache_that_cannot_be_made_says_what_to_do(tmp_path, folder):
    cube = stored(tmp_path, counts(), (13, 17, 10))
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="SPECTESSERA_CACHE"):
        open_overview(cube, tmp_path / "file" / "cache")


def test_overviews_are_listed_and_the_oldest_removed(tmp_path, folder):
    for number, name in enumerate(("a.h5", "b.h5", "c.h5")):
        kept = open_overview(stored(tmp_path, counts(), (13, 17, 10), name), folder)
        os.utime(kept.path / ABOUT, (number, number))
    listed = kept_overviews(folder)
    assert [os.path.basename(each.source) for each in listed] == ["c.h5", "b.h5", "a.h5"]
    assert listed[0].nbytes == kept.nbytes
    (tmp_path / "c.h5").unlink()  # nothing is left to look at
    (gone,) = remove_overviews(folder, most_bytes=2 * kept.nbytes)
    assert gone.source.endswith("c.h5")
    (old,) = remove_overviews(folder, most_bytes=kept.nbytes)
    assert old.source.endswith("a.h5")
    remove_overviews(folder)
    assert kept_overviews(folder) == []


def test_the_cache_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("SPECTESSERA_CACHE", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == tmp_path / "xdg" / "spectessera"
    monkeypatch.setenv("SPECTESSERA_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


@pytest.mark.parametrize(
    ("shape", "item"), [((1692, 1592, 4096), 2), ((1024, 1024, 4096), 2), ((6000, 6000, 2000), 4)]
)
def test_bins_are_bounded(shape, item):
    bins = len(bin_edges(shape, item)) - 1
    size = 4 * shape[0] * shape[1] * bins * (1 + 1 / 8 + 1 / 64)
    assert size < 2e9
    assert bins <= 32 or size <= np.prod(shape, dtype=float) * item / 16


def test_windows_are_of_few_maps():
    for first, last in [(0, 128), (1, 128), (7, 121), (100, 101), (120, 125), (0, 125)]:
        found = pieces(first, last, 125)
        whole = [
            range(number * 8**level, min((number + 1) * 8**level, 125)) for level, number in found
        ]
        last = min(last, 125)
        assert [each for part in whole for each in part] == list(range(first, last))
        assert len(found) <= 30


def test_exact_windows_can_be_stopped(tmp_path):
    with pytest.raises(Stopped):
        exact_window(make_cube(counts()), 0, 10, stop=lambda: True)
