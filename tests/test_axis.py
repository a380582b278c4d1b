"""The spectral axis: units, order, gaps."""

import numpy as np
import pytest

from spectessera.axis import KINDS, UNITS, Axis, parse_unit


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("keV", "keV"), ("KEV", "keV"), ("kev", "keV"), ("MeV", "MeV"), ("meV", "meV"),
        ("MEV", "MeV"), (" nm ", "nm"), ("Angstrom", "angstrom"), ("Å", "angstrom"),
        ("\u212b", "angstrom"), ("µm", "um"), ("μm", "um"), ("micron", "um"), ("M", "m"),
        ("cm^-1", "cm-1"), ("1/cm", "cm-1"), ("HZ", "Hz"), ("MHz", "MHz"), ("MHZ", "MHz"),
        ("KM/S", "km/s"), ("m s-1", "m/s"), ("", ""), ("pixel", ""),
    ],
)  # fmt: skip
def test_units_are_understood_in_their_common_spellings(text, unit):
    assert parse_unit(text) == unit


@pytest.mark.parametrize("text", ["mHz", "Mm", "furlong", "keV/channel"])
def test_a_unit_that_is_not_known_is_refused_and_milli_is_never_mega(text):
    with pytest.raises(ValueError, match=f"unit '{text}' of the spectral axis is not known; known"):
        parse_unit(text)


@pytest.mark.parametrize(
    ("values", "unit", "other", "expected"),
    [
        ([6.4038], "keV", "eV", [6403.8]),
        ([5006.84], "angstrom", "nm", [500.684]),
        ([0.656282], "um", "angstrom", [6562.82]),
        ([1420.405752], "MHz", "GHz", [1.420405752]),
        ([300.0], "km/s", "m/s", [300_000.0]),
        ([1e-6], "keV", "meV", [1.0]),
        ([1000.0], "cm-1", "m-1", [100_000.0]),
    ],
)
def test_known_lines_in_another_unit(values, unit, other, expected):
    moved = Axis(np.array(values), unit).to(other)
    np.testing.assert_allclose(moved.values, expected, rtol=1e-14)
    np.testing.assert_allclose(moved.to(unit).values, values, rtol=1e-14)
    assert moved.kind == UNITS[unit][0]


def test_an_energy_is_not_converted_to_a_wavelength():
    with pytest.raises(ValueError, match="energy in 'keV' has no unit 'nm'"):
        Axis(np.arange(3.0), "keV").to("nm")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0, 1, 2, 1, 0], r"channel 3 \(2 then 1\)"),
        ([0, 1, 1, 2], r"channel 2 \(1 then 1\)"),
        ([3, 3, 2], r"channel 1 \(3 then 3\)"),
        ([5, 4, 6], r"channel 2 \(4 then 6\)"),
        ([0, np.nan], "not finite"),
        ([[0, 1], [2, 3]], r"got shape \(2, 2\)"),
        ([], r"got shape \(0,\)"),
    ],
)
def test_an_axis_that_does_not_run_one_way_is_refused_where_it_turns(values, words):
    with pytest.raises(ValueError, match=words):
        Axis(np.array(values, dtype=float), "keV")


def test_kind_and_unit_must_agree():
    assert Axis(np.arange(3), "eV", kind="energy_loss").kind == "energy_loss"
    with pytest.raises(ValueError, match="'nm' is not a unit of energy"):
        Axis(np.arange(3), "nm", kind="energy")
    with pytest.raises(ValueError, match="kind of the spectral axis must be one of"):
        Axis(np.arange(3), "nm", kind="colour")
    with pytest.raises(ValueError, match="medium must be one of"):
        Axis(np.arange(3), "nm", medium="water")


def test_values_are_a_copy_that_cannot_be_changed():
    source = np.arange(4.0)
    axis = Axis(source, "keV")
    source[0] = -1
    assert axis.values[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        axis.values[0] = 7


@pytest.mark.parametrize("sign", [1, -1])
def test_windows_of_a_detector_are_parted_at_their_gaps(sign):
    """Windows of 40, 25 and 12 channels of step 0.1, with gaps of 3 and of 50 steps."""
    values = 0.1 * np.concatenate([np.arange(40), 42 + np.arange(25), 116 + np.arange(12)])
    found = Axis(sign * values, "keV").segments()
    assert found == [slice(0, 40), slice(40, 65), slice(65, 77)]


def test_a_step_below_three_is_no_gap():
    values = np.concatenate([np.arange(30), 31.9 + np.arange(30)])
    assert Axis(values, "nm").segments() == [slice(0, 60)]
    assert Axis([0, 1, 2, 5, 6, 7]).segments() == [slice(0, 3), slice(3, 6)]


@pytest.mark.parametrize(
    "values",
    [
        np.geomspace(0.3, 3.0, 256),  # steps grow tenfold
        1e4 / np.linspace(0.4, 2.5, 256),  # a grating in wavenumbers: steps shrink 39-fold
        np.cumsum(np.linspace(1, 40, 200)),
    ],
)
def test_steps_that_grow_along_the_axis_are_no_gaps(values):
    assert Axis(values, "um" if values[0] < 1 else "cm-1").segments() == [slice(0, len(values))]


def test_two_detectors_of_unlike_resolution_have_no_gap_between():
    values = np.concatenate([0.1 * np.arange(100), 10.4 + 0.5 * np.arange(30)])
    assert Axis(values, "nm").segments() == [slice(0, 130)]


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_channels_have_no_gap(n):
    assert Axis(np.array([1.0, 900.0])[:n]).segments() == [slice(0, n)]


def test_axes_match_across_units_and_small_differences_only():
    axis = Axis(np.linspace(1, 20, 96), "keV")
    assert axis.matches(axis.to("eV"))
    assert axis.matches(Axis(axis.values + 0.04 * 0.2, "keV"))
    assert not axis.matches(Axis(axis.values + 0.2, "keV"))
    assert not axis.matches(Axis(axis.values[::-1], "keV"))
    assert not axis.matches(Axis(axis.values[:-1], "keV"))
    assert not axis.matches(Axis(axis.values, "nm"))
    assert not axis.matches(Axis(axis.values, "keV", kind="energy_loss"))


def test_axes_in_air_and_in_vacuum_do_not_match():
    values = np.linspace(4750, 9350, 100)
    air, vacuum = (Axis(values, "angstrom", medium=each) for each in ("air", "vacuum"))
    assert not air.matches(vacuum)
    assert air.matches(Axis(values, "angstrom"))


def test_counted_channels_in_unlike_units_do_not_match():
    first, second = (Axis([1.0, 2.0], unit, kind="channel") for unit in ("keV", "nm"))
    assert not first.matches(second)


def test_dictionary_and_back_is_the_same_axis():
    axis = Axis(np.geomspace(1, 7, 11), "nm", medium="vacuum")
    back = Axis.from_dict(axis.to_dict())
    assert back == axis
    assert hash(back) == hash(axis)
    assert Axis.from_dict(axis.to_dict() | {"medium": ""}) != axis
    with pytest.raises(ValueError, match="rise or fall"):
        Axis.from_dict(axis.to_dict() | {"values": [1, 1]})


def test_taken_channels_and_labels_for_figures():
    axis = Axis(np.arange(5) * 10.0, "angstrom", medium="air")
    np.testing.assert_array_equal(axis.take([1, 3]).values, [10, 30])
    assert axis.take(axis.values > 15).medium == "air"
    assert axis.label() == "air wavelength (angstrom)"
    assert Axis(np.arange(5), "eV", kind="energy_loss").label() == "energy loss (eV)"
    assert Axis(np.arange(5)).label() == "channel"
    assert {kind for kind, _ in UNITS.values()} | {"energy_loss"} == set(KINDS)
