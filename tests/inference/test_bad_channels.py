"""Channels that are marked as bad never have a say; a cube without them gives the same labels."""

import logging

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import spectessera as spt
from spectessera.axis import Axis
from spectessera.channels import across_bad, bad_channels, bad_windows, good_channels, marked, runs
from spectessera.cube import make_cube, read_block, to_spectra
from spectessera.diagnostics.artefacts import artefacts_of
from spectessera.diagnostics.warnings import channel_warnings
from spectessera.htmlreport.facts import cards
from spectessera.naming import name_clusters
from spectessera.naming.names import distinguishing_lines
from spectessera.preprocess.intake import intake_of

BAD = [0, 17, 50, 51, 95]
TRAINING = spt.Training(epochs=3, batch_size=64, seed=0)


def with_garbage(cube: xr.DataArray, value: float = np.nan) -> xr.DataArray:
    """Return a cube with garbage in bad channels: noise of every size, or one value."""
    values = cube.values.astype(np.float32)
    noise = np.random.default_rng(5).normal(0, 1e6, (*values.shape[:2], len(BAD)))
    values[..., BAD] = noise if np.isnan(value) else value
    values[:4, :4, BAD] = np.nan
    values[5:7, :4, BAD] = np.inf
    dirty = cube.copy(data=values)
    return marked(dirty, np.isin(np.arange(cube.sizes["channel"]), BAD))


@pytest.fixture
def cubes(line_cube) -> tuple[xr.DataArray, xr.DataArray]:
    """Return a cube with garbage in its bad channels, and the clean cube without them."""
    clean = line_cube.cube.astype(np.float32)
    return with_garbage(clean), clean.drop_isel(channel=BAD)


def segmented(cube: xr.DataArray, **settings) -> xr.Dataset:
    segmenter = spt.SpectralSegmenter(training=TRAINING, **settings).fit(cube)
    return spt.segment(cube, segmenter, 4, seed=0)


@pytest.mark.parametrize(
    "preprocess", [spt.Preprocess(stabilise="auto", normalise="auto"), spt.Preprocess(rebin_to=40)]
)
def test_labels_confidence_and_novelty_are_those_of_the_cube_without_the_channels(
    cubes, preprocess
):
    dirty, clean = (segmented(cube, preprocess=preprocess) for cube in cubes)
    for name in ("label", "confidence", "novelty", "quality", "input_mean", "decoded_mean"):
        np.testing.assert_array_equal(dirty[name].values, clean[name].values, err_msg=name)
    np.testing.assert_array_equal(dirty["input_axis"], clean["input_axis"])
    good = good_channels(dirty)["mean_spectrum"].values
    np.testing.assert_array_equal(good, clean["mean_spectrum"].values)
    assert np.isfinite(dirty["mean_spectrum"].values).all()


def test_chunks_do_not_change_a_label(cubes):
    dirty, _ = cubes
    chunked = dirty.chunk({"y": 4, "x": 5, "channel": -1})
    whole, parts = segmented(dirty), segmented(chunked)
    xr.testing.assert_equal(whole["label"], parts["label"])
    xr.testing.assert_equal(whole["confidence"], parts["confidence"])


def test_the_baseline_leaves_them_out(cubes):
    dirty, clean = (
        spt.baselines.cluster_cube(cube, "pca", clusters=spt.Clusters(4, 4)) for cube in cubes
    )
    np.testing.assert_array_equal(dirty["label"], clean["label"])
    assert dirty.sizes["input_channel"] == clean.sizes["channel"]


def test_a_result_keeps_all_channels_and_says_which_are_bad(cubes, tmp_path):
    dirty, _ = cubes
    result = segmented(dirty)
    assert result.sizes["channel"] == 96
    assert np.flatnonzero(result["bad_channel"]).tolist() == BAD
    for name in ("result.nc", "result.zarr"):
        spt.write(result, tmp_path / name)
        again = spt.read_result(tmp_path / name)
        assert np.flatnonzero(bad_channels(again)).tolist() == BAD
        assert again["bad_channel"].dtype == bool


def test_mean_spectra_of_bad_channels_are_as_measured(line_cube):
    dirty = with_garbage(line_cube.cube.astype(np.float32), value=7.0)
    result = segmented(dirty)
    inside = (result["label"] == 1).values
    inside[:4, :4] = inside[5:7, :4] = False
    assert np.allclose(dirty.values[inside][:, BAD], 7.0)
    means = result["mean_spectrum"].values[:, BAD]
    assert (np.abs(means - 7) < 7).all()  # 7, and neighbours where it is not finite


def test_the_trained_model_in_a_file_still_ignores_them(cubes, tmp_path):
    dirty, clean = cubes
    segmenter = spt.SpectralSegmenter(training=TRAINING).fit(dirty)
    segmenter.save(tmp_path / "model.safetensors")
    again = spt.load(tmp_path / "model.safetensors")
    one, other = spt.segment(dirty, segmenter, 4), spt.segment(dirty, again, 4)
    np.testing.assert_array_equal(one["label"], other["label"])
    windows = again.config("preprocess").exclude
    assert len(windows) == 4  # 50 and 51 are one
    assert len(again.input_axis_) == clean.sizes["channel"]


def test_a_second_training_forgets_the_bad_channels_of_the_first(cubes, line_cube):
    segmenter = spt.SpectralSegmenter(training=TRAINING).fit(cubes[0])
    segmenter.fit(line_cube.cube)
    assert len(segmenter.input_axis_) == 96


def test_a_model_trained_with_the_channels_sees_a_line_across_them_and_says_so(line_cube, caplog):
    segmenter = spt.SpectralSegmenter(training=TRAINING).fit(line_cube.cube)
    dirty = with_garbage(line_cube.cube.astype(np.float32))
    intake = segmenter.intake(dirty)
    assert "5 of 5 channels marked as bad" in caplog.text
    spectra = to_spectra(dirty).values
    inputs = intake.apply(spectra).values
    by_hand = line_cube.cube.values.reshape(-1, 96).astype(np.float32)
    good = np.setdiff1d(np.arange(96), BAD)
    lines = np.stack([np.interp(BAD, good, row[good]) for row in by_hand])
    by_hand[:, BAD] = lines
    expected = segmenter.config("preprocess").apply(by_hand, segmenter.axis_).values
    np.testing.assert_allclose(inputs, expected, rtol=1e-4, atol=1e-6)
    result = spt.segment(dirty, segmenter, "trained")
    (warning,) = channel_warnings(result)
    assert "with 5 of 5 channels" in warning.text
    labels = result["label"].values
    clean = spt.segment(line_cube.cube, segmenter, "trained")["label"].values
    assert (labels == clean).mean() > 0.9


def test_nothing_is_said_where_the_model_does_not_use_the_bad_channels(cubes, caplog):
    dirty, _ = cubes
    segmenter = spt.SpectralSegmenter(training=TRAINING).fit(dirty)
    with caplog.at_level(logging.WARNING):
        result = spt.segment(dirty, segmenter, 4)
    assert "marked as bad" not in caplog.text
    assert channel_warnings(result) == []


def test_a_channel_that_is_bad_in_one_of_several_cubes_is_left_out_of_all(line_cube):
    one = marked(line_cube.cube, np.arange(96) == 3)
    other = marked(line_cube.cube, np.arange(96) == 8)
    segmenter = spt.SpectralSegmenter(training=TRAINING).fit([one, other, line_cube.cube])
    left_out = np.setdiff1d(
        np.arange(96), np.searchsorted(segmenter.axis_.values, segmenter.input_axis_.values)
    )
    assert left_out.tolist() == [3, 8]


def test_thinning_halves_the_good_channels_alone(cubes):
    dirty, clean = cubes
    training = spt.Training(epochs=2, batch_size=64, seed=0, thinning=True)
    one, other = (spt.SpectralSegmenter(training=training).fit(cube) for cube in (dirty, clean))
    np.testing.assert_array_equal(one.labels_, other.labels_)


def test_a_variance_that_is_garbage_in_bad_channels_has_no_influence(line_cube):
    clean = line_cube.cube.astype(np.float32)
    variance = np.maximum(clean.values, 1)
    wrong = variance.copy()
    wrong[..., BAD] = np.inf
    dirty = with_garbage(clean).assign_coords(variance=(clean.dims, wrong))
    other = clean.assign_coords(variance=(clean.dims, variance)).drop_isel(channel=BAD)
    settings = {"loss": "variance", "epochs": 2, "seed": 0, "gamma": 0.0}
    results = []
    for cube in (dirty, other):
        segmenter = spt.SpectralSegmenter(training=spt.Training(**settings)).fit(cube)
        results.append(spt.segment(cube, segmenter, 4))
    np.testing.assert_array_equal(results[0]["label"], results[1]["label"])
    np.testing.assert_array_equal(results[0]["confidence"], results[1]["confidence"])


def test_a_resampled_cube_is_bridged_before_it_is_resampled(line_cube):
    axis = Axis(np.linspace(1, 20, 48), unit="keV")
    cube = make_cube(np.ones((2, 3, 96), np.float32), energy=(1.0, 20.0))
    dirty = with_garbage(cube)
    inputs = intake_of(dirty, spt.Preprocess(normalise=None), axis).apply(to_spectra(dirty).values)
    plain = intake_of(cube, spt.Preprocess(normalise=None), axis).apply(to_spectra(cube).values)
    np.testing.assert_allclose(inputs.values, plain.values, rtol=1e-5)


# --- the door and the marks ---------------------------------------------------------------------


def test_spectra_come_without_bad_channels_unless_all_are_wanted(cubes):
    dirty, clean = cubes
    np.testing.assert_array_equal(to_spectra(dirty).values, to_spectra(clean).values)
    assert to_spectra(dirty, all_channels=True).values.shape[1] == 96
    lazy = dirty.copy(data=da.from_array(dirty.values, chunks=(4, 5, 96)))
    block = next(iter(spt.cube.blocks(lazy)))
    assert read_block(lazy, block).values.shape[1] == clean.sizes["channel"]


def test_marks_of_the_wrong_length_or_of_all_channels_are_refused():
    with pytest.raises(ValueError, match="bad_channel"):
        make_cube(np.ones((2, 3, 4)), bad_channel=[True, False])
    with pytest.raises(ValueError, match="all channels are marked as bad"):
        make_cube(np.ones((2, 3, 4)), bad_channel=[True] * 4)


def test_marks_that_are_given_replace_those_of_a_cube():
    cube = make_cube(np.ones((2, 3, 4)), bad_channel=[True, False, False, False])
    assert bad_channels(make_cube(cube)).tolist() == [True, False, False, False]
    again = make_cube(cube.transpose("channel", "y", "x"), bad_channel=[False, True, False, False])
    assert bad_channels(again).tolist() == [False, True, False, False]


def test_zeros_and_ones_of_formats_without_booleans_are_marks():
    cube = make_cube(np.ones((2, 3, 4)))
    cube = cube.assign_coords(bad_channel=("channel", np.array([0, 1, 0, 0], np.int8)))
    assert bad_channels(cube).tolist() == [False, True, False, False]
    assert good_channels(cube).shape == (2, 3, 3)
    assert bad_channels(cube.assign_coords(bad_channel=("channel", np.zeros(4)))) is None


def test_lines_across_gaps_and_beyond_the_ends():
    bad = np.array([True, False, True, True, False, True])
    values = across_bad(np.array([[3, 9]], np.float32), bad)
    np.testing.assert_allclose(values, [[3, 3, 5, 7, 9, 9]])


def test_windows_hold_the_bad_channels_and_no_others():
    axis = Axis([900, 700, 500, 480, 400], unit="nm")
    bad = np.array([True, False, False, True, True])
    mask = np.zeros(5, bool)
    for low, high in bad_windows(axis, bad):
        mask |= (axis.values >= low) & (axis.values <= high)
    assert mask.tolist() == bad.tolist()
    assert [slice(0, 1), slice(3, 5)] == runs(bad)


# --- figures, names and the report --------------------------------------------------------------


def test_figures_show_a_gap_on_grey(cubes):
    result = segmented(cubes[0])
    (axes,) = (each for each in spt.plots.clusters(result).axes if "spectrum" in each.get_title())
    x, y = axes.lines[0].get_data()
    keV = cubes[0]["energy"].values[BAD]
    assert np.isnan(y[np.isin(x, keV)]).all()
    assert np.isfinite(y[~np.isin(x, keV) & np.isfinite(x)]).all()
    assert axes.get_ylim()[1] < 1e4  # garbage is 1e6
    assert len(axes.patches) == 4


def test_names_and_warnings_are_those_of_the_cube_without_the_channels(cubes):
    dirty, clean = (segmented(cube) for cube in cubes)
    assert name_clusters(dirty) == name_clusters(clean)
    assert distinguishing_lines(dirty, 1, 2) == distinguishing_lines(clean, 1, 2)
    assert artefacts_of(dirty) == artefacts_of(clean)


def test_the_report_counts_them_and_draws_no_garbage(cubes, tmp_path):
    pytest.importorskip("bokeh")
    result = segmented(cubes[0])
    made = cards(result, None, {})
    assert np.flatnonzero(np.isnan(made[0].mean)).tolist() == BAD
    assert len(made[0].bad) == 4
    page = spt.report(result, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "96 channels, 5 of them marked as bad" in page
    assert "Channels on grey" in page
    assert page.count("BoxAnnotation") >= 4 * len(made)
