"""Panels of mean spectra: which part of an axis is drawn, and which lines are named."""

import numpy as np
import pytest
import xarray as xr

import spectessera as spt
from spectessera.axis import Axis
from spectessera.cube import with_axis
from spectessera.plots.meanspectra import MARGIN, ZERO_PEAK, signal_end

KEV = np.arange(-50, 2000) * 0.01  # -0.5 to 19.99 keV
PIXELS = 400


def peak(at, height, width=0.05):
    return height * np.exp(-0.5 * ((KEV - at) / width) ** 2)


def means_of(*expected, seed=0):
    """Return mean spectra of pixels with Poisson counts, and their standard errors."""
    counts = np.random.default_rng(seed).poisson(PIXELS * np.array(expected)) / PIXELS
    return counts, np.sqrt(counts / PIXELS)


def silicate():
    """Return expected counts: oxygen, silicon, iron, nothing above."""
    return peak(0.525, 0.4) + peak(1.74, 1.0) + peak(6.4, 0.1) + 0.004 * np.exp(-KEV / 2)


def result_of(expected, axis, unit="counts"):
    mean, error = means_of(*expected)
    k = len(mean)
    result = xr.Dataset(
        {
            "label": (("y", "x"), np.repeat(np.arange(1, k + 1), PIXELS).reshape(k, PIXELS)),
            "mean_spectrum": (("cluster", "channel"), mean),
            "std_spectrum": (("cluster", "channel"), error * np.sqrt(PIXELS)),
            "size": ("cluster", np.full(k, PIXELS)),
        },
        coords={"cluster": np.arange(1, k + 1)},
        attrs={"unit": unit},
    )
    result["mean_spectrum"] = with_axis(result["mean_spectrum"], axis)
    return result


def test_the_empty_upper_end_of_energies_is_not_drawn_and_the_label_says_so():
    axis = Axis(KEV, unit="keV")
    (axes,) = spt.plots.spectra(result_of([silicate(), 0.5 * silicate()], axis)).axes
    low, high = axes.get_xlim()
    assert low == KEV[0]
    assert 6.5 < high < 7.3
    assert f"nothing to be seen from {high:.3g} to 20" in axes.get_xlabel()
    whole = axes.lines[0].get_xdata()
    assert whole[-1] == KEV[-1]  # the values are there all the same


@pytest.mark.parametrize("seed", range(5))
def test_the_end_is_beyond_every_line_that_can_be_seen(seed):
    axis = Axis(KEV, unit="keV")
    faint = silicate() + peak(14.1, 0.02)  # 2 % of the tallest
    end = signal_end(axis, *means_of(silicate(), faint, seed=seed))
    assert end is None or end > 14.1 + 0.1
    end = signal_end(axis, *means_of(silicate(), silicate(), seed=seed), [11.0])
    assert end == pytest.approx(11.0 + MARGIN * (11.0 - KEV[0]))


def test_axes_that_do_not_end_empty_and_those_of_other_kinds_are_drawn_as_they_are():
    axis = Axis(KEV, unit="keV")
    assert signal_end(axis, *means_of(silicate() + 0.1)) is None  # a constant background
    assert signal_end(axis, *means_of(peak(17.0, 1.0))) is None
    assert signal_end(axis, *means_of(0 * KEV)) is None
    wavelength = Axis(4800 + 100 * (KEV + 0.5), unit="angstrom")
    assert signal_end(wavelength, *means_of(silicate())) is None
    loss = Axis(KEV, unit="keV", kind="energy_loss")
    assert signal_end(loss, *means_of(silicate())) is None
    (axes,) = spt.plots.spectra(result_of([silicate()], wavelength)).axes
    assert axes.get_xlim() == (wavelength.values[0], wavelength.values[-1])


def test_a_falling_axis_and_electronvolts_end_alike():
    means, errors = means_of(silicate())
    end = signal_end(Axis(KEV, unit="keV"), means, errors)
    falling = signal_end(Axis(KEV[::-1].copy(), unit="keV"), means[:, ::-1], errors[:, ::-1])
    assert falling == pytest.approx(end, abs=0.02)
    volts = signal_end(Axis(1000 * KEV, unit="eV"), means, errors)
    assert volts == pytest.approx(1000 * end)


def labels_in(axes):
    return {each.get_text(): each for each in axes.texts if each.get_gid() == "line-name"}


def test_lines_are_named_where_their_names_can_be_read():
    axis = Axis(KEV, unit="keV")
    lines = {"Si Ka": 1.74, "O Ka": 0.525, "Fe Ka": 6.4, "Si Kb": 1.84, "Pb La": 10.5}
    result = result_of([silicate(), 0.5 * silicate()], axis)
    figure = spt.plots.spectra(result, lines=lines)
    (axes,) = figure.axes
    drawn = labels_in(axes)
    assert drawn.keys() == {"Si Ka", "O Ka", "Fe Ka", "Pb La"}  # the beta line is too near
    assert axes.get_xlim()[1] > 10.5
    figure.draw_without_rendering()
    boxes = [each.get_window_extent() for each in drawn.values()]
    frame = axes.get_window_extent()
    for number, box in enumerate(boxes):
        assert frame.y0 < box.y0 < box.y1 < frame.y1
        assert not any(box.overlaps(other) for other in boxes[:number])
    tallest = result["mean_spectrum"].values.max()
    assert min(each.get_position()[1] for each in drawn.values()) > tallest


def test_the_words_at_the_zero_peak_cover_no_line():
    axis = Axis(KEV, unit="keV")
    tall = silicate() + peak(0.0, 30.0, 0.02)
    figure = spt.plots.spectra(result_of([tall], axis), lines={"O Ka": 0.525, "Si Ka": 1.74})
    (axes,) = figure.axes
    (words,) = (each for each in axes.texts if each.get_text() == ZERO_PEAK)
    figure.draw_without_rendering()
    box = words.get_window_extent()
    (zero,) = axes.transData.transform([(0.0, 0.0)])[:, 0]
    assert axes.get_window_extent().x0 < box.x0
    assert box.x1 < zero
    begins_at_zero = result_of([tall], axis).isel(channel=slice(50, None))
    figure = spt.plots.spectra(begins_at_zero)
    (words,) = figure.axes[0].texts
    figure.draw_without_rendering()
    assert words.get_window_extent().x0 > figure.axes[0].transData.transform((0.0, 0.0))[0]


def test_a_zero_peak_that_fits_below_the_names_is_not_called_cut():
    axis = Axis(KEV, unit="keV")
    result = result_of([silicate() + peak(0.0, 1.04, 0.02)], axis)
    tallest = result["mean_spectrum"].values.max()
    assert tallest > result["mean_spectrum"].values[:, KEV > 0.2].max()
    (axes,) = spt.plots.spectra(result, lines={"Si Ka": 1.74}).axes
    assert axes.get_ylim()[1] > tallest
    assert not [each for each in axes.texts if each.get_text() == ZERO_PEAK]
