"""The zero peak of an X-ray detector: where it is, and that it is no part of the sample."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import spectessera as spt
from spectessera.axis import Axis
from spectessera.channels import zero_peak
from spectessera.cube import with_axis
from spectessera.htmlreport.facts import cards
from spectessera.htmlreport.figures import Scale, is_cut, zero_channels
from spectessera.htmlreport.stills import spectrum
from spectessera.naming.names import distinguishing_lines
from spectessera.plots.meanspectra import ZERO_PEAK

KEV = np.linspace(-0.47, 20.0, 2048)


def peak(position, height, width=0.02, energy=KEV):
    return height * np.exp(-0.5 * ((energy - position) / width) ** 2)


def sample(iron=300.0, zero=0.0, energy=KEV):
    """Return a spectrum of carbon, iron and a background above the threshold of the detector."""
    lines = peak(0.277, 40, 0.03, energy) + peak(6.4, iron, 0.06, energy)
    return lines + peak(0.0, zero, 0.022, energy) + 2.0 * (energy > 0.13)


# --- where it is --------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1, 1000])
@pytest.mark.parametrize("shift", [-0.03, 0.0, 0.03])
def test_a_peak_at_an_energy_of_0_is_held_with_all_below_it(factor, shift):
    unit = "keV" if factor == 1 else "eV"
    spectrum = sample() + peak(shift, 4000, 0.022)
    held = zero_peak(Axis(KEV * factor, unit=unit), spectrum)
    assert held[: np.searchsorted(KEV, 0.05 + shift)].all()
    assert not held[KEV > 0.2].any()  # carbon begins above
    reverse = zero_peak(Axis(KEV[::-1] * factor, unit=unit), spectrum[::-1])
    np.testing.assert_array_equal(reverse, held[::-1])


def test_a_peak_at_the_start_of_an_axis_from_0_and_one_of_wide_channels_are_held():
    whole = np.linspace(0, 20, 2001)
    assert zero_peak(Axis(whole, unit="keV"), sample(zero=4000, energy=whole)) is not None
    wide = np.arange(-3, 400) * 0.05
    assert zero_peak(Axis(wide, unit="keV"), sample(zero=4000, energy=wide)) is not None


def test_few_counts_are_enough():
    random = np.random.default_rng(0)
    counts = random.poisson(np.repeat(sample(zero=4000)[None] / 4000, 500, axis=0))
    held = zero_peak(Axis(KEV, unit="keV"), counts)
    assert held[np.abs(KEV) < 0.05].all()
    assert not held[KEV > 0.2].any()


@pytest.mark.parametrize(
    ("spectrum", "axis"),
    [
        (sample(), Axis(KEV, unit="keV")),
        (np.ones(2048), Axis(KEV, unit="keV")),
        (np.random.default_rng(1).poisson(0.02, (900, 2048)), Axis(KEV, unit="keV")),
        (np.zeros(2048), Axis(KEV, unit="keV")),
        (np.full(2048, np.nan), Axis(KEV, unit="keV")),
        # beryllium of a detector without a window
        (sample() + peak(0.108, 4000, 0.02), Axis(KEV, unit="keV")),
        # an axis that does not contain 0
        (sample(zero=4000, energy=KEV + 0.6), Axis(KEV + 0.6, unit="keV")),
        # the zero-loss peak is a signal; so is an elastic line of a scattered beam, in meV
        (sample(zero=4000), Axis(KEV * 100, unit="eV", kind="energy_loss")),
        (sample(zero=4000), Axis(KEV, unit="eV")),
        (sample(zero=4000), Axis(np.linspace(400, 700, 2048), unit="nm")),
        (sample(zero=4000), Axis(np.arange(2048.0))),
    ],
    ids=["none", "flat", "noise", "zeros", "missing", "beryllium", "above 0", "loss", "scattered",
         "light", "channels"],
)  # fmt: skip
def test_there_is_none_where_no_peak_is_or_no_detector_makes_one(spectrum, axis):
    assert zero_peak(axis, spectrum) is None


# --- figures and lists --------------------------------------------------------------------------


def result_of(*spectra, unit="keV", energy=KEV):
    """Return a result with the mean spectra of clusters, each of ten pixels of counts."""
    mean = np.array(spectra, dtype=np.float32)
    k = len(mean)
    result = xr.Dataset(
        {
            "label": (("y", "x"), np.repeat(np.arange(1, k + 1), 10).reshape(k, 10)),
            "confidence": (("y", "x"), np.ones((k, 10), np.float32)),
            "mean_spectrum": (("cluster", "channel"), mean),
            "std_spectrum": (("cluster", "channel"), np.sqrt(mean)),
            "size": ("cluster", np.full(k, 10)),
        },
        coords={"cluster": np.arange(1, k + 1)},
        attrs={"unit": "counts"},
    )
    result["mean_spectrum"] = with_axis(result["mean_spectrum"], Axis(energy, unit=unit))
    return result


def top_of(axes):
    return axes.get_ylim()[1]


def test_the_figure_of_spectra_scales_to_what_is_outside_and_says_so():
    result = result_of(sample(), sample(iron=20, zero=9000))
    (axes,) = spt.plots.spectra(result).axes
    assert 300 < top_of(axes) < 350
    assert [each.get_text() for each in axes.texts] == [ZERO_PEAK]
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), result.mean_spectrum.values[1])


def test_the_figure_of_spectra_is_as_before_where_another_peak_is_taller():
    (axes,) = spt.plots.spectra(result_of(sample(iron=9000), sample(zero=500))).axes
    assert not list(axes.texts)
    assert top_of(axes) > 9000


def test_end_spectra_are_over_the_largest_value_outside():
    end = result_of(sample(zero=9000), sample(iron=20, zero=9000)).mean_spectrum
    maps = {"abundance": (("cluster", "y", "x"), np.full((2, 3, 4), 0.5)),
            "components": (("y", "x"), np.full((3, 4), 2)),
            "end_spectrum": end.assign_coords(cluster=[1, 2])}  # fmt: skip
    axes = spt.plots.abundances(xr.Dataset(maps)).axes[-1]
    for line in axes.lines:
        assert line.get_ydata()[KEV > 0.2].max() == pytest.approx(1.0)
    assert top_of(axes) < 1.1
    assert [each.get_text() for each in axes.texts] == [ZERO_PEAK]


def test_differences_of_clusters_leave_it_out():
    result = result_of(sample(zero=9000), sample(iron=20, zero=3000), sample(iron=24, zero=9000))
    made = cards(result, None, {})
    assert [card.nearest for card in made] == [3, 3, 2]  # by iron; by the zero peak 3, 1, 1
    for card in made[:2]:
        assert card.differences
        assert all(each.position > 0.2 for each in card.differences)
    without = cards(result_of(sample(), sample(iron=20)), None, {})
    assert without[0].zero == ()


def test_lines_that_distinguish_clusters_leave_it_out():
    result = result_of(sample(zero=9000), sample(iron=20, zero=3000))
    found = distinguishing_lines(result, 1, 2)
    assert found
    assert all(line.position > 0.2 for line, _ in found)


@pytest.mark.parametrize("iron", [300.0, 90_000.0])
def test_the_spectrum_in_a_report_scales_to_what_is_outside_and_says_so(iron):
    result = result_of(sample(iron, zero=9000), sample(zero=9000))
    card, axis = cards(result, None, {})[0], Axis(KEV, unit="keV")
    held = zero_channels(card, axis)
    scale = Scale(card.mean, card.deviation, [], held)
    cut = iron < 9000
    assert (scale.high < 9000) == cut
    assert is_cut(card, scale, held) == cut
    still = spectrum(card, axis, "counts")
    assert isinstance(still, Figure)
    assert any(ZERO_PEAK in each.get_text() for each in still.axes[0].texts) == cut
