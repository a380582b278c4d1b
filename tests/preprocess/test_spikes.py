"""Spikes that were put into a cube are removed and counted; lines of minerals stay."""

import numpy as np
import pytest

import spectessera as spt
from spectessera import Preprocess
from spectessera.axis import Axis
from spectessera.preprocess.baseline import arpls_baseline
from spectessera.preprocess.spikes import share_with_spikes, spike_warnings, without_spikes

AXIS = Axis(np.linspace(200, 1800, 160), "cm-1")


def scene(seed=0, spikes=20):
    """Return values (12, 15, 160) of two minerals with lines, and where spikes were added.

    The second mineral is one pixel: its lines of a full width of 2.8 channels are nowhere else.
    """
    rng = np.random.default_rng(seed)
    channel = np.arange(160)

    def line(at, width):
        return np.exp(-0.5 * ((channel - at) / width) ** 2)

    values = np.full((12, 15, 160), 100.0) + 300 * line(50, 0.6) + 200 * line(90, 4)
    values[7, 8] = 100 + 600 * line(30, 1.2) + 400 * line(120, 1.2)
    values = rng.normal(values, 4.0)
    marks = np.zeros(values.shape, bool)
    for number in range(spikes):
        y, x, at = number % 7, 2 + number % 13, 8 + 7 * number % 150
        values[y, x, at] += 300
        marks[y, x, at] = True
    return values, marks


def test_spikes_are_removed_and_counted_and_lines_stay():
    values, marks = scene()
    cube = spt.make_cube(values, axis=AXIS)
    found = without_spikes(cube)
    changed = found.values != cube.values
    assert (changed == marks).mean() > 0.9995
    assert found.attrs["spikes_removed"] == pytest.approx(marks.sum(), abs=1)
    assert not changed[7, 8].any()  # narrow lines of a single pixel
    assert not changed[..., 48:53].any(axis=-1)[~marks.any(axis=-1)].any()  # a usual line


def test_a_cube_without_spikes_is_not_changed():
    values, _ = scene(seed=5, spikes=0)
    found = without_spikes(spt.make_cube(values, axis=AXIS))
    assert found.attrs["spikes_removed"] == 0
    assert (found.values == spt.make_cube(values).values).all()


def test_chunks_do_not_change_what_is_removed():
    values, _ = scene(seed=1)
    cube = spt.make_cube(values, axis=AXIS)
    whole, parts = without_spikes(cube), without_spikes(cube.chunk(y=5, x=4, channel=60))
    assert parts.chunks is not None
    assert (whole.values == parts.values).all()
    assert whole.attrs == parts.attrs


def test_counts_stay_whole_numbers_and_missing_values_stay_missing():
    values, _ = scene(seed=2)
    counts = np.rint(values.clip(0)).astype(np.int32)
    found = without_spikes(spt.make_cube(counts, axis=AXIS))
    assert found.dtype == np.int32
    assert found.attrs["spikes_removed"] > 15
    values[3, 3, 70:74] = np.nan
    missing = without_spikes(spt.make_cube(values, axis=AXIS)).values
    assert np.isnan(missing[3, 3, 70:74]).all()
    assert np.isnan(missing).sum() == 4


def test_spikes_of_a_raman_cube_are_reported_and_removed_from_the_means():
    values, _ = scene(seed=3, spikes=40)
    cube = spt.make_cube(values, axis=AXIS)
    assert share_with_spikes(cube)[1] > 20
    assert [each.code for each in spike_warnings(cube)] == ["W-DATA-SPIKES"]
    assert spike_warnings(without_spikes(cube)) == []
    assert spike_warnings(spt.make_cube(values, energy=(1, 20))) == []
    result = spt.baselines.cluster_cube(
        cube, "pca", preprocess=Preprocess(despike=True), clusters=spt.Clusters(2, 2)
    )
    assert result.attrs["spikes_removed"] > 30
    mean = result["mean_spectrum"].values
    assert (np.abs(mean[:, 60:70] - 100) < 10).all()


def test_workers_of_a_cluster_remove_the_same_spikes(client):
    cube = spt.make_cube(scene(seed=3, spikes=40)[0], axis=AXIS)
    settings = {"preprocess": Preprocess(despike=True), "clusters": spt.Clusters(2, 2)}
    whole = spt.baselines.cluster_cube(cube, "pca", **settings)
    parts = spt.baselines.cluster_cube(cube.chunk(y=5, x=4), "pca", **settings)
    assert whole.attrs["spikes_removed"] == parts.attrs["spikes_removed"] > 30
    for name in ("label", "mean_spectrum", "integrated_input"):
        np.testing.assert_array_equal(whole[name], parts[name])


def test_baselines_are_removed_and_bands_stay():
    channel = np.arange(500)
    smooth = 300 * np.exp(-(((channel - 100) / 300) ** 2)) + 0.2 * channel
    band = 80 * np.exp(-0.5 * ((channel - 250) / 6) ** 2)
    spectra = np.random.default_rng(0).normal(smooth + band, 3.0, (40, 500)).astype(np.float32)
    base = arpls_baseline(spectra, Axis(channel))
    assert np.abs(base.mean(axis=0) - smooth)[10:-10].max() < 6
    inputs = Preprocess(baseline="arpls", normalise=None).apply(spectra, Axis(channel)).values
    assert inputs.mean(axis=0)[250] == pytest.approx(80, abs=5)
    assert abs(inputs.mean(axis=0)[20:220].mean()) < 2


def test_a_baseline_does_not_depend_on_other_spectra():
    spectra = np.random.default_rng(0).normal(50, 9, (30, 200)).astype(np.float32).cumsum(axis=1)
    axis = Axis(np.r_[0:120, 300:380])
    whole = arpls_baseline(spectra, axis)
    assert (whole[7:9] == arpls_baseline(spectra[7:9], axis)).all()


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="baseline"):
        Preprocess(baseline="snip")
    with pytest.raises(TypeError, match="despike is True or False"):
        Preprocess(despike="yes")
    with pytest.raises(ValueError, match="baseline_width"):
        Preprocess(baseline_width=5)
