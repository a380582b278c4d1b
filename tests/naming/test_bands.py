"""Bands and edges at known places are found where they are, and none in noise."""

import numpy as np
import pytest

from spectessera.axis import Axis
from spectessera.naming.bands import find_bands
from spectessera.naming.candidates import Band, Naming
from spectessera.naming.edges import elements_at, find_edges
from spectessera.naming.shapes import bands_in_words, kind_of_bands

SHIFT = Axis(np.linspace(200, 1800, 600), "cm-1")
LOSS = Axis(np.arange(400.0, 1000.0, 2.0), "eV", "energy_loss")


def smooth():
    return 100 + 60 * np.exp(-(((SHIFT.values - 600) / 700) ** 2))


def test_bands_of_different_widths_are_measured():
    spectrum = smooth() + np.random.default_rng(0).normal(0, 1, 600)
    for at, wide in ((464, 5), (800, 20), (1085, 9)):
        spectrum += 30 * np.exp(-0.5 * ((SHIFT.values - at) / wide) ** 2)
    bands = find_bands(spectrum, np.ones(600), SHIFT)
    assert [round(each.position) for each in bands] == pytest.approx([464, 800, 1085], abs=2)
    assert [each.width for each in bands] == pytest.approx([12, 47, 21], rel=0.25)
    assert all(each.height == pytest.approx(30, abs=4) for each in bands)
    assert all(
        abs(b.position - at) < 5 * b.error for b, at in zip(bands, (464, 800, 1085), strict=True)
    )


def test_absorption_is_found_on_a_falling_axis():
    axis = Axis(SHIFT.values[::-1], "cm-1")
    spectrum = smooth()[::-1] - 15 * np.exp(-0.5 * ((axis.values - 900) / 12) ** 2)
    spectrum = spectrum + np.random.default_rng(1).normal(0, 0.5, 600)
    (band,) = find_bands(spectrum, np.full(600, 0.5), axis, kind="absorption")
    assert band.position == pytest.approx(900, abs=2)
    assert band.height < 0


def test_noise_has_hardly_ever_a_band():
    """One spectrum in a hundred by the rule; of 60 at most two."""
    noise = np.random.default_rng(2).normal(0, 2, (60, 600))
    found = [bool(find_bands(smooth() + one, np.full(600, 2.0), SHIFT)) for one in noise]
    assert sum(found) <= 2


def test_an_error_that_all_channels_share_hides_no_band():
    spectrum = smooth() + 10 * np.exp(-0.5 * ((SHIFT.values - 900) / 10) ** 2)
    spectrum = spectrum + np.random.default_rng(3).normal(0, 0.3, 600)
    assert len(find_bands(spectrum, np.full(600, 25.0), SHIFT)) == 1
    assert len(find_bands(spectrum, np.full(600, np.nan), SHIFT)) == 1


def test_the_edge_of_oxygen_is_found_and_named():
    counts = 2e4 * (LOSS.values / 400) ** -3 + 1500 * (LOSS.values >= 532)
    counts = np.random.default_rng(0).poisson(counts).astype(float)
    (edge,) = find_edges(counts, np.sqrt(counts), LOSS)
    assert edge.position == pytest.approx(532, abs=4)
    assert "O K" in edge.elements
    axis = Axis(LOSS.values / 1000, "keV", "energy_loss")
    (edge,) = find_edges(counts, np.sqrt(counts), axis)
    assert edge.position == pytest.approx(0.532, abs=0.004)


def test_a_power_law_has_no_edges():
    rng = np.random.default_rng(1)
    for _ in range(20):
        counts = rng.poisson(1e4 * (LOSS.values / 400) ** -rng.uniform(2, 4)).astype(float)
        assert find_edges(counts, np.sqrt(np.maximum(counts, 1)), LOSS) == ()


def test_edges_are_listed_by_their_distance():
    assert elements_at(931.0, 1.0)[:2] == ("Pr M5", "Cu L3")
    assert elements_at(3500.0, 1.0) == ()


def test_the_axis_and_the_spectra_decide_what_is_looked_for():
    wave = Axis(np.linspace(400, 2400, 50), "nm")
    light = np.zeros((1, 50))
    light[0, 20:23] = 5
    assert kind_of_bands(wave, np.full((1, 50), 0.3)) == "absorption"
    assert kind_of_bands(wave, light) == "band"
    assert kind_of_bands(wave, light, optical=True) == ""
    assert kind_of_bands(SHIFT, light) == "band"
    assert kind_of_bands(LOSS, light) == "edge"
    assert kind_of_bands(Axis(np.arange(50.0), "keV"), light) == ""


def test_the_strongest_bands_are_put_into_words():
    bands = tuple(Band("band", 100.0 * n, 1.0, 5.0, 1.0, float(n)) for n in range(1, 9))
    words = bands_in_words(Naming(bands=bands), "cm-1")
    assert words == "bands at 300, 400, 500, 600, 700, 800 cm-1 and 2 weaker ones"
    words = bands_in_words(Naming(bands=bands[1:]), "cm-1")
    assert words.endswith("and 1 weaker one")
    assert bands_in_words(Naming(), "cm-1") == ""
