"""Simulated pairs: targets and twins, simulated instruments."""

import numpy as np
import pytest

from spectessera.synth.pairs import KNOWN, TELLING, NebularSimulation, XrfSimulation
from spectessera.synth.xrf.instrument import CHANNELS, Instrument, broaden, measure, model_axis
from spectessera.synth.xrf.templates import shipped
from spectessera.synth.xrf.tube import Tube

xraylib = pytest.importorskip("xraylib")


@pytest.fixture(scope="module")
def xrf():
    return XrfSimulation(("vermilion", "azurite", "lead white"), (Tube(), Tube("Mo", 40)))


@pytest.fixture(scope="module", params=["xrf", "nebulae"])
def simulation(request, xrf):
    return xrf if request.param == "xrf" else NebularSimulation()


def test_equal_numbers_give_equal_pairs_and_different_numbers_different_ones(simulation):
    one, again, other = (simulation.pairs(number, 70) for number in (5, 5, 6))
    for each, same, different in zip(one[:3], again[:3], other[:3], strict=True):
        assert np.array_equal(each, same)
        assert not np.array_equal(each, different)


def test_targets_and_shares_sum_to_one_and_spectra_are_finite(simulation):
    found = simulation.pairs(0, 100)
    assert found.spectra.shape == found.target.shape == (100, len(simulation.axis))
    assert np.isfinite(found.spectra).all()
    assert (found.target >= 0).all()
    np.testing.assert_allclose(found.target.sum(axis=1), 1, rtol=1e-4)
    np.testing.assert_allclose(found.weight.sum(axis=1), 1, rtol=1e-5)
    assert found.twin is None


def test_twins_are_other_measurements_of_the_same_materials(simulation):
    found = simulation.pairs(0, 100, twins=True)
    assert found.twin.shape == found.spectra.shape
    assert not np.array_equal(found.twin, found.spectra)


def test_the_target_of_a_pigment_has_its_lines_and_does_not_depend_on_the_instrument(xrf):
    """Hg La at 9.99, Cu Ka at 8.05, Pb La at 10.55 keV."""
    found, energy = xrf.pairs(1, 400), xrf.axis.values
    for column, line in enumerate((9.99, 8.05, 10.55)):
        pure = found.weight[:, column] == 1
        assert pure.sum() > 20
        target = found.target[pure]
        assert np.ptp(target, axis=0).max() == 0
        around = (energy > 7.5) & (energy < 11)
        assert energy[around][target[0, around].argmax()] == pytest.approx(line, abs=0.08)


def test_counts_are_integers_in_the_range(xrf):
    totals = xrf.pairs(2, 500).spectra.sum(axis=1)
    assert np.array_equal(totals, np.rint(totals))
    assert 70 < totals.min() < 300
    assert 3000 < totals.max() < 5400


def test_an_instrument_shifts_and_broadens_lines_and_conserves_counts():
    sharp = np.zeros((1, 1024))
    sharp[0, 400] = 100.0
    energy = model_axis().values
    at = shipped().axis.values[400]
    plain, moved = (broaden(sharp, each)[0] for each in (Instrument(), Instrument(1.01, 0.02, 0.2)))
    assert plain.sum() == pytest.approx(100)
    assert moved.sum() == pytest.approx(100, rel=1e-6)
    assert np.average(energy, weights=plain) == pytest.approx(at, abs=0.04)
    assert np.average(energy, weights=moved) == pytest.approx(1.01 * at + 0.02, abs=0.04)
    spread = np.sqrt(np.average((energy - 1.01 * at - 0.02) ** 2, weights=moved))
    assert spread == pytest.approx(0.2 / 2.3548, rel=0.1)


def test_pile_up_has_twice_the_energy():
    line = np.zeros((1, 1024))
    line[0, np.argmin(abs(shipped().axis.values - 8.05))] = 1.0
    found = measure(line, Instrument(piled=0.5), np.random.default_rng(0))[0]
    energy = model_axis().values
    above = np.where(energy > 12, found, 0)
    assert 0 < above.sum() < 0.5
    assert energy[above.argmax()] == pytest.approx(16.1, abs=0.16)


def test_beyond_its_end_an_instrument_records_no_counts():
    found = measure(np.ones((2, 1024)), Instrument(end=20.0), np.random.default_rng(0))
    assert (found[:, model_axis().values > 20] == 0).all()
    assert (found[:, model_axis().values < 19.9] > 0).all()


def test_lines_of_nebulae_are_shifted_and_those_of_their_targets_are_not():
    simulation = NebularSimulation()
    found, wavelength = simulation.pairs(3, 300), simulation.axis.values
    around = (wavelength > 6500) & (wavelength < 6620)
    peaks = wavelength[around][found.target[:, around].argmax(axis=1)]
    step = np.diff(wavelength[around]).max()
    assert all(min(abs(peak - 6562.8), abs(peak - 6583.5)) <= step for peak in peaks)
    assert (found.spectra < 0).any()


def test_an_instrument_sees_one_part_of_the_range_and_a_telling_line_in_it():
    simulation = NebularSimulation(wide=True)
    wavelength, seen = simulation.axis.values, simulation.pairs(4, 400).spectra != 0
    shares = np.ptp(np.array([wavelength[row][[0, -1]] for row in seen]), axis=1) / 6400
    assert (seen.sum(axis=1) == [np.ptp(np.flatnonzero(row)) + 1 for row in seen]).all()
    assert shares.min() > simulation.expects.least
    assert (seen[:, [np.searchsorted(wavelength, at) for at in TELLING]].any(axis=1)).all()
    assert (shares > 0.7).any()


@pytest.mark.parametrize("pigments", [("vermilion",), ("vermilion", "vermilion")])
def test_fewer_than_two_pigments_are_refused(pigments):
    with pytest.raises(ValueError, match="two or more different pigments"):
        XrfSimulation(pigments)


def test_an_unknown_pigment_or_class_is_refused():
    with pytest.raises(ValueError, match="pigment must be one of"):
        XrfSimulation(("vermilion", "unobtainium"))
    with pytest.raises(ValueError, match="class of nebula must be one of"):
        NebularSimulation(("hii", "galaxy"))


def test_all_pigments_of_manuscripts_and_more_are_known():
    assert len(KNOWN) == 40
    assert len(model_axis()) == CHANNELS
