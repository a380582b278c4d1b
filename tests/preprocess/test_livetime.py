"""Counts scaled to one live time: their scale, their noise and what cannot be scaled."""

import numpy as np
import pytest
import xarray as xr

import spectessera as spt
from spectessera.cube import make_cube, noise_of, to_spectra
from spectessera.preprocess import with_live_time

TIMES = np.array([[1.0, 2.0, 4.0], [2.0, 2.0, 0.5]])


def timed(values, times=TIMES, **coords) -> xr.DataArray:
    cube = make_cube(values, energy=(1.0, 5.0), **coords)
    return cube.assign_coords(live_time=(("y", "x"), times, {"units": "s"}))


@pytest.fixture
def counts():
    return np.arange(30, dtype=np.uint32).reshape(2, 3, 5)


def test_a_uniform_source_becomes_uniform_and_keeps_the_median_counts():
    values = (100 * TIMES[..., None] * np.arange(1, 6)).astype(np.uint32)
    scaled = with_live_time(timed(values))
    np.testing.assert_allclose(scaled, np.broadcast_to(200 * np.arange(1, 6), (2, 3, 5)))
    assert scaled.attrs["live_time_median"] == 2.0


def test_the_variance_is_that_of_the_counts_times_the_square_of_the_factor(counts):
    scaled = with_live_time(timed(counts))
    factor = 2.0 / TIMES[..., None]
    np.testing.assert_allclose(scaled["variance"], np.maximum(counts, 1) * factor**2)
    assert noise_of(scaled, to_spectra(scaled).values) == "variance"


def test_counts_stored_as_floats_are_counts_too_and_reflectance_has_no_variance(counts):
    assert "variance" in with_live_time(timed(counts.astype(np.float32))).coords
    fractions = timed(counts / np.float32(7.3))
    assert "variance" not in with_live_time(fractions).coords


def test_a_variance_of_the_cube_is_scaled(counts):
    scaled = with_live_time(timed(counts, variance=np.full((2, 3, 5), 3.0)))
    np.testing.assert_allclose(scaled["variance"][0, 2], 3 * 0.5**2)


def test_the_noise_of_scaled_counts_is_the_scatter_of_repeated_measurements():
    generator = np.random.default_rng(0)
    times = np.where(np.arange(4000) % 2, 1.0, 4.0).reshape(40, 100)
    values = generator.poisson(np.broadcast_to(20 * times[..., None], (40, 100, 5)))
    scaled = with_live_time(timed(values.astype(np.uint32), times))
    for time in (1.0, 4.0):
        inside = times == time
        measured = scaled.values[inside].var(axis=0)
        np.testing.assert_allclose(
            scaled["variance"].values[inside].mean(axis=0), measured, rtol=0.1
        )


def test_chunks_stay_lazy_and_give_the_same(counts):
    whole, lazy = timed(counts), timed(counts).chunk({"y": 1, "x": 2, "channel": -1})
    scaled = with_live_time(lazy)
    assert scaled.chunks == lazy.chunks
    assert scaled["variance"].chunks == lazy.chunks
    xr.testing.assert_identical(scaled.compute(), with_live_time(whole))


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_a_pixel_without_live_time_is_masked(counts, bad):
    times = TIMES.copy()
    times[1, 1] = bad
    scaled = with_live_time(timed(counts, times))
    assert np.argwhere(scaled["mask"].values).tolist() == [[1, 1]]
    assert np.isfinite(scaled.values).all()


def test_masked_pixels_have_no_say_in_the_median(counts):
    mask = np.zeros((2, 3), bool)
    mask[0, 2] = mask[0, 1] = mask[1, 0] = mask[1, 1] = True
    assert with_live_time(timed(counts, mask=mask)).attrs["live_time_median"] == 0.75


def test_equal_live_times_leave_counts_as_they_are(counts):
    scaled = with_live_time(timed(counts, np.full((2, 3), 0.1)))
    np.testing.assert_array_equal(scaled, counts)
    assert noise_of(scaled, to_spectra(scaled).values) == "counts"
    assert scaled.attrs["live_time_median"] == 0.1


def test_a_cube_of_unknown_noise_does_not_become_one_of_counts(counts):
    cube = timed(counts).assign_attrs(noise="residual")
    scaled = with_live_time(cube)
    assert "variance" not in scaled.coords
    assert noise_of(scaled, to_spectra(scaled).values) == "residual"


def test_missing_values_stay_missing(counts):
    values = counts.astype(np.float32)
    values[0, 0, 0] = np.nan
    scaled = with_live_time(timed(values).assign_attrs(saturation=100.0))
    assert np.argwhere(np.isnan(scaled.values)).tolist() == [[0, 0, 0]]


def test_saturated_pixels_stay_saturated_and_no_others():
    values = np.full((2, 3, 5), 60_000, np.uint16)
    values[0, 2, 3] = 65_535
    scaled = with_live_time(timed(values))
    level = scaled.attrs["saturation"]
    assert np.argwhere((scaled.values >= level).any(axis=2)).tolist() == [[0, 2]]


def test_other_coordinates_stay(counts):
    cube = timed(counts, bad_channel=np.arange(5) == 1)
    scaled = with_live_time(cube.assign_coords(y=[3.0, 4.0]))
    assert scaled["bad_channel"].values.tolist() == [False, True, False, False, False]
    assert scaled["y"].values.tolist() == [3.0, 4.0]
    np.testing.assert_array_equal(scaled["live_time"], TIMES)


def test_what_cannot_be_scaled_is_refused(counts):
    with pytest.raises(ValueError, match=r"no live times.*it has real_time"):
        with_live_time(timed(counts).rename(live_time="real_time"))
    with pytest.raises(ValueError, match="scaled to one live time already"):
        with_live_time(with_live_time(timed(counts)))
    with pytest.raises(ValueError, match="no pixel has a live time above 0"):
        with_live_time(timed(counts, np.zeros((2, 3))))


def test_read_scales_only_where_asked(counts, tmp_path):
    path = tmp_path / "scan.h5"
    spt.write(timed(counts), path)
    raw = spt.read(path)
    np.testing.assert_array_equal(raw, counts)
    np.testing.assert_array_equal(raw["live_time"], TIMES)
    for chunks in (None, 1):
        scaled = spt.read(path, live_time=True, chunks=chunks)
        np.testing.assert_allclose(scaled[0, 0], 2.0 * counts[0, 0])
    spt.write(make_cube(counts), tmp_path / "plain.h5")
    with pytest.raises(ValueError, match=r"plain\.h5: the cube has no live times"):
        spt.read(tmp_path / "plain.h5", live_time=True)


def test_the_same_paint_under_uneven_live_times_is_one_cluster(line_cube):
    """Unless spectra are normalised, times would make clusters of their own."""
    generator = np.random.default_rng(3)
    times = np.where(np.arange(14) < 7, 1.0, 3.0) * np.ones((11, 1))
    values = generator.poisson(line_cube.expected[line_cube.label] * times[..., None])
    cube = make_cube(values.astype(np.uint32), energy=(1.0, 20.0))
    cube = cube.assign_coords(live_time=(("y", "x"), times))
    steps = spt.Preprocess(normalise=None, stabilise="sqrt")
    training = spt.Training(epochs=5, batch_size=64, seed=0)
    scaled = with_live_time(cube)
    segmenter = spt.SpectralSegmenter(preprocess=steps, training=training).fit(scaled)
    result = spt.segment(scaled, segmenter, 4)
    truth = xr.DataArray(line_cube.label + 1, dims=("y", "x"))
    assert spt.compare(result["label"], truth).tversky > 0.9


@pytest.mark.parametrize("lost", [slice(0, 1), slice(0, 2)])
def test_pixels_with_values_say_whether_a_cube_holds_counts_wherever_they_are(counts, lost):
    """Rows without any value say nothing; a cube without a whole spectrum has no known noise."""
    values = counts.astype(np.float32)
    values[lost, :, 0] = np.nan
    scaled = with_live_time(timed(values).chunk({"y": 1}))
    assert ("variance" in scaled.coords) == (lost.stop == 1)
