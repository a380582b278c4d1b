"""Spectra on another axis: counts stay, and go where their energy belongs."""

import numpy as np
import pytest

from spectessera.axis import Axis, air_wavelengths, channel_edges, resample_weights
from spectessera.preprocess.steps import combine


def energies(low, high, channels):
    return Axis(np.linspace(low, high, channels), "keV")


def moved(values, axis, wanted):
    return combine(np.asarray(values, dtype=np.float32), resample_weights(axis, wanted))


def test_what_lies_inside_is_conserved():
    fine, coarse = energies(0, 20, 801), energies(2, 18, 161)
    values = np.random.default_rng(0).poisson(5, (3, 801)).astype(np.float32)
    values[:, :90] = values[:, -90:] = 0
    np.testing.assert_allclose(
        moved(values, fine, coarse).sum(axis=1), values.sum(axis=1), rtol=1e-5
    )


@pytest.mark.parametrize("channels", [300, 1000, 4096])
def test_a_line_stays_at_its_energy(channels):
    axis, wanted = energies(0.3, 30, channels), energies(0.5, 25, 400)
    line = np.exp(-0.5 * ((axis.values - 6.4) / 0.3) ** 2)[None]
    found = moved(line, axis, wanted)[0]
    assert np.average(wanted.values, weights=found) == pytest.approx(6.4, abs=0.01)


def test_direction_and_unit_do_not_matter():
    axis, wanted = energies(1, 20, 200), energies(2, 15, 50)
    values = np.random.default_rng(1).random((4, 200)).astype(np.float32)
    expected = moved(values, axis, wanted)
    turned = Axis(axis.values[::-1], "keV")
    np.testing.assert_allclose(moved(values[:, ::-1], turned, wanted), expected, rtol=1e-5)
    electronvolts = Axis(axis.values * 1000, "eV")
    np.testing.assert_allclose(moved(values, electronvolts, wanted), expected, rtol=1e-5)


def test_nothing_is_invented_in_a_gap():
    axis = Axis(np.concatenate([np.arange(1, 5, 0.1), np.arange(8, 12, 0.1)]), "keV")
    wanted = energies(1, 12, 111)
    found = moved(np.ones((1, len(axis))), axis, wanted)[0]
    assert found[(wanted.values > 5.1) & (wanted.values < 7.8)].max() == 0
    assert found.sum() == pytest.approx(len(axis), rel=0.01)


def test_edges_lie_midway():
    low, high = channel_edges(Axis(np.array([1.0, 2.0, 4.0]), "keV"))
    assert low.tolist() == [0.5, 1.5, 3.0]
    assert high.tolist() == [1.5, 3.0, 5.0]


def test_vacuum_becomes_air():
    """Morton 2000: H alpha is at 6564.61 in vacuum and 6562.8 in air."""
    assert air_wavelengths(np.array([6564.61]))[0] == pytest.approx(6562.80, abs=0.02)
    vacuum = Axis(np.linspace(6000, 7000, 1001), "angstrom", medium="vacuum")
    wanted = Axis(np.linspace(6100, 6900, 401), "angstrom", medium="air")
    line = np.exp(-0.5 * ((vacuum.values - 6564.61) / 3) ** 2)[None]
    found = moved(line, vacuum, wanted)[0]
    assert np.average(wanted.values, weights=found) == pytest.approx(6562.8, abs=0.1)


def test_little_in_common_is_refused_and_a_missing_part_is_reported(caplog):
    wanted = energies(0.5, 38, 512)
    with pytest.raises(
        ValueError, match=r"0.5 to 38 keV; the cube goes from 50 to 90 keV.*nothing"
    ):
        resample_weights(energies(50, 90, 100), wanted)
    with pytest.raises(ValueError, match="covers only"):
        resample_weights(energies(0.5, 9, 100), wanted)
    resample_weights(energies(0.5, 20, 100), wanted)
    assert "covers 52 %" in caplog.text


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        (Axis(np.arange(100)), "plain channels: give its axis"),
        (Axis(np.linspace(400, 800, 100), "nm"), "wavelength in nm"),
    ],
)
def test_another_kind_of_axis_is_refused(axis, message):
    with pytest.raises(ValueError, match=message):
        resample_weights(axis, energies(0.5, 38, 512))
