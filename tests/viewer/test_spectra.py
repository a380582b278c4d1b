"""Spectra of pixels and regions are those of numpy, and no more is read than is needed."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import zarr

import spectessera as spt
from spectessera.cube import make_cube
from spectessera.io._lazy import LazyArray
from spectessera.viewer.boxes import Box, Stored
from spectessera.viewer.spectra import (
    PixelSpectra,
    Stopped,
    channels_between,
    difference,
    pixel_spectrum,
    region_spectrum,
)

SHAPE = (20, 30, 16)


def counts():
    return np.random.default_rng(0).poisson(50.0, SHAPE).astype(np.float32)


@pytest.fixture
def read(monkeypatch):
    """Give the list of the shapes of all parts that are read from files."""
    shapes, whole = [], LazyArray.__getitem__

    def counting(self, index):
        part = whole(self, index)
        shapes.append(part.shape)
        return part

    monkeypatch.setattr(LazyArray, "__getitem__", counting)
    return shapes


def stored(tmp_path, chunks=(5, 6, 16), name="a.h5", **arguments):
    path = tmp_path / name
    if name.endswith(".h5"):
        with h5py.File(path, "w") as file:
            file.create_dataset("img", data=counts(), chunks=chunks)
    elif name.endswith(".zarr"):
        zarr.create_array(path, data=counts(), chunks=chunks)
    else:
        np.save(path, counts())
    return spt.read(path, chunks="auto", **arguments)


@pytest.mark.parametrize(
    ("name", "shape"), [("a.h5", (5, 6, 16)), ("a.zarr", (5, 6, 16)), ("a.npy", (1, 1, 16))]
)
def test_one_pixel_reads_one_pixel_or_its_piece_once(tmp_path, read, name, shape):
    spectra = PixelSpectra(stored(tmp_path, name=name))
    read.clear()
    np.testing.assert_array_equal(spectra.read(13, 29), counts()[13, 29])
    assert read == [shape]
    np.testing.assert_array_equal(spectra.read(14, 24), counts()[14, 24])
    assert len(read) == (2 if name == "a.npy" else 1)


def test_pieces_are_kept_up_to_a_limit(tmp_path, read, monkeypatch):
    """Each has 1920 bytes here; a spectrum that needs more than the limit is read alone."""
    cube = stored(tmp_path)
    monkeypatch.setattr("spectessera.viewer.spectra.KEPT_BYTES", 4000)
    spectra = PixelSpectra(cube)
    read.clear()
    for x in (0, 6, 0, 12, 0, 6):  # the third one displaces that of column 6
        np.testing.assert_array_equal(spectra.read(0, x), counts()[0, x])
    assert len(read) == 4
    monkeypatch.setattr("spectessera.viewer.spectra.KEPT_BYTES", 1000)
    read.clear()
    np.testing.assert_array_equal(PixelSpectra(cube).read(0, 0), counts()[0, 0])
    assert read == [(1, 1, 16)]


def test_a_pixel_of_computed_values_reads_its_chunk_once(tmp_path, read):
    """Values that a user marks as missing are computed from those of the file."""
    path = tmp_path / "a.h5"
    stored(tmp_path)
    cube = spt.read(path, chunks={"y": 5, "x": 6}, missing=50)
    spectra = PixelSpectra(cube)
    read.clear()
    want = counts()[13, 29]
    want[want == 50] = np.nan
    np.testing.assert_array_equal(spectra.read(13, 29), want)
    assert read == [(5, 6, 16)]
    spectra.read(14, 24)
    assert len(read) == 1
    spectra.read(14, 23)
    assert len(read) == 2


def test_a_pixel_of_a_scaled_cube_is_that_of_the_cube(tmp_path):
    np.save(tmp_path / "a.npy", counts() * 1e-20)
    cube = spt.read(tmp_path / "a.npy", chunks={"y": 7, "x": 7})
    assert cube.attrs["value_scale"] == 1e-20
    np.testing.assert_array_equal(pixel_spectrum(cube, 19, 0), cube.values[19, 0])


def test_a_cube_in_memory_gives_a_copy():
    values = counts()
    pixel_spectrum(make_cube(values), 0, 0)[:] = -1
    assert (values[0, 0] >= 0).all()


@pytest.mark.parametrize(("y", "x"), [(-1, 0), (20, 0), (0, 30), (1.5, 0)])
def test_pixels_outside_are_refused(y, x):
    with pytest.raises((ValueError, TypeError), match=r"^[yx] must be"):
        pixel_spectrum(make_cube(counts()), y, x)


def test_files_in_which_a_spectrum_is_slow_say_so(tmp_path, monkeypatch):
    fast, slow = stored(tmp_path), stored(tmp_path, (20, 30, 1), "b.h5")
    monkeypatch.setattr("spectessera.viewer.spectra.SLOW_BYTES", 10**4)
    assert PixelSpectra(fast).slow == ""
    assert PixelSpectra(stored(tmp_path, name="c.npy")).slow == ""
    assert PixelSpectra(make_cube(counts())).slow == ""
    assert "20 x 30 x 1" in PixelSpectra(slow).slow
    assert "convert" in PixelSpectra(slow).slow


# --- regions ---------------------------------------------------------------------------------


def region():
    mask = np.zeros(SHAPE[:2], bool)
    mask[6:9, 7:11], mask[7, 8] = True, False
    return mask


def test_a_region_has_mean_and_spread_of_numpy_and_reads_its_blocks_only(tmp_path, read):
    cube = stored(tmp_path)
    read.clear()
    found = region_spectrum(cube, region())
    inside = counts()[region()].astype(np.float64)
    np.testing.assert_allclose(found.mean, inside.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.std, inside.std(axis=0), rtol=1e-13)
    assert found.n == 11
    assert sum(np.prod(shape) for shape in read) == 3 * 4 * 16


def test_blocks_without_a_pixel_of_the_region_are_not_read(tmp_path, read, monkeypatch):
    monkeypatch.setattr("spectessera.viewer.boxes.BOX_BYTES", 2000)
    monkeypatch.setattr("spectessera.viewer.boxes.PIECE_BYTES", 6000)
    cube, mask = stored(tmp_path), np.zeros(SHAPE[:2], bool)
    mask[0, 0] = mask[19, 29] = True
    read.clear()
    found = region_spectrum(cube, mask)
    assert read == [(1, 1, 16), (1, 1, 16)]
    np.testing.assert_array_equal(found.mean, counts()[mask].mean(axis=0, dtype=np.float64))


def test_the_spread_of_large_values_is_not_lost():
    """A thousand million, plus or minus one: sums of squares in float64 would give noise."""
    values = np.full(SHAPE, 1e9) + np.resize([-1.0, 1.0], SHAPE[:2])[..., None]
    found = region_spectrum(make_cube(values), np.ones(SHAPE[:2], bool))
    np.testing.assert_allclose(found.std, 1.0, rtol=1e-6)
    np.testing.assert_allclose(found.mean, 1e9, rtol=1e-12)


def test_weights_are_those_of_numpy():
    weights = np.random.default_rng(1).random(SHAPE[:2])
    inside, some = counts()[region()].astype(np.float64), weights[region()]
    found = region_spectrum(make_cube(counts()), region(), weights=weights)
    mean = np.average(inside, axis=0, weights=some)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-13)
    want = np.sqrt(np.average((inside - mean) ** 2, axis=0, weights=some))
    np.testing.assert_allclose(found.std, want, rtol=1e-12)


def test_missing_and_masked_values_are_left_out():
    values, masked = counts(), np.zeros(SHAPE[:2], bool)
    values[6, 7] = np.nan
    values[6, 8, 3], values[8, 9, 4] = np.inf, 9.97e36
    values[:, :, 5] = np.nan
    masked[8, 10] = True
    found = region_spectrum(make_cube(values, mask=masked), region())
    inside = values[region() & ~masked].astype(np.float64)
    inside[~(np.abs(inside) < 1e30)] = np.nan
    good = np.arange(16) != 5
    np.testing.assert_allclose(found.mean[good], np.nanmean(inside[:, good], axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.std[good], np.nanstd(inside[:, good], axis=0), rtol=1e-12)
    assert np.isnan([found.mean[5], found.std[5]]).all()
    assert (found.n, found.counts[0], found.counts[3], found.counts[5]) == (10, 9, 8, 0)


@pytest.mark.parametrize(
    ("mask", "weights", "match"),
    [
        (np.zeros(SHAPE[:2], bool), None, "no pixel"),
        (np.ones(SHAPE[:2]), None, "of bool"),
        (np.ones((3, 3), bool), None, "shape"),
        (np.ones(SHAPE[:2], bool), np.zeros(SHAPE[:2]), "weights"),
        (np.ones(SHAPE[:2], bool), np.full(SHAPE[:2], np.nan), "weights"),
        (np.ones(SHAPE[:2], bool), np.ones(3), "weights"),
    ],
)
def test_what_is_no_region_is_refused(mask, weights, match):
    with pytest.raises((ValueError, TypeError), match=match):
        region_spectrum(make_cube(counts()), mask, weights=weights)


def test_a_region_of_masked_pixels_is_refused():
    with pytest.raises(ValueError, match="masked in the cube"):
        region_spectrum(make_cube(counts(), mask=region()), region())


def test_a_region_can_be_stopped():
    with pytest.raises(Stopped):
        region_spectrum(make_cube(counts()), region(), stop=lambda: True)


def test_a_difference_has_the_error_of_two_means():
    parts = [region_spectrum(make_cube(counts()), mask) for mask in (region(), ~region())]
    found = difference(*parts)
    inside, outside = counts()[region()].astype(float), counts()[~region()].astype(float)
    np.testing.assert_allclose(found.values, inside.mean(axis=0) - outside.mean(axis=0))
    want = inside.var(axis=0) / len(inside) + outside.var(axis=0) / len(outside)
    np.testing.assert_allclose(found.error, np.sqrt(want))


@pytest.mark.parametrize(
    ("ends", "want"),
    [
        ((1.5, 4), (1, 4)), ((4, 1.5), (1, 4)), ((0, 99), (0, 5)), ((2.1, 2.4), (1, 2)),
        ((9, 9), (4, 5)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("falls", [False, True])
def test_a_range_of_the_axis_is_a_range_of_channels(ends, want, falls):
    axis = np.arange(1.0, 6.0)
    cube = make_cube(np.ones((1, 1, 5)), energy=axis[::-1] if falls else axis)
    assert channels_between(cube, *ends) == ((5 - want[1], 5 - want[0]) if falls else want)


# --- boxes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [None, (1, 30, 16), (20, 30, 1), (3, 4, 5), (20, 30, 16)])
@pytest.mark.parametrize("budget", [100, 2000, 10**6])
def test_boxes_cover_every_value_once_and_cut_no_piece(monkeypatch, tmp_path, pieces, budget):
    """But those that are larger than three times the memory for a box."""
    monkeypatch.setattr("spectessera.viewer.boxes.BOX_BYTES", budget)
    monkeypatch.setattr("spectessera.viewer.boxes.PIECE_BYTES", 3 * budget)
    cube = Stored(stored(tmp_path))
    cube.source = replace(cube.source, chunks=pieces)
    cube.in_pieces = True
    cube.edges = cube._edges()
    seen = np.zeros(SHAPE, int)
    for tile in cube.tiles():
        for box in tile.boxes():
            seen[tuple(box)] += 1
            whole = 4 * np.prod(pieces or (1, 30, 16)) <= 3 * budget
            for side, edges in zip(box, cube.edges, strict=True):
                assert not whole or {side.start, side.stop} <= set(edges)
            assert 4 * np.prod(box.shape) <= max(
                3 * budget, 4 * np.prod((pieces or (1, 30, 16))[1:])
            )
    assert (seen == 1).all()


def test_a_few_channels_are_read_from_few_pieces_at_a_time(monkeypatch, tmp_path):
    """Each piece is unpacked as a whole, so their number at a time follows from its size."""
    monkeypatch.setattr("spectessera.viewer.boxes.BOX_BYTES", 4000)
    cube = Stored(stored(tmp_path))  # a piece has 1920 bytes
    boxes = [box for tile in cube.tiles(3, 5) for box in tile.boxes()]
    assert all(box.channel == slice(3, 5) for box in boxes)
    assert {box.shape[:2] for box in boxes} == {(5, 12), (5, 6)}


def test_a_box_of_a_chunked_cube_is_that_of_the_cube():
    values = counts()
    cube = Stored(make_cube(values).chunk({"y": 7, "x": 8, "channel": 3}) + 1)
    box = Box(slice(3, 9), slice(7, 9), slice(2, 11))
    np.testing.assert_array_equal(cube.read(box), values[tuple(box)] + 1)
