"""Emission lines: atomic physics, reddening, widths and fluxes against published numbers."""

import numpy as np
import pytest

from spectessera.axis import Axis
from spectessera.synth.nebulae.lines import (
    SPEED_OF_LIGHT,
    about_emissivities,
    emissivities,
    extinction,
    line_ions,
    line_labels,
    line_spread,
    line_wavelengths,
    nebular_axis,
    paint_lines,
)


def ratio(one, two, temperature=1e4, density=100.0):
    values = emissivities([temperature], [density])[0]
    return values[line_labels().index(one)] / values[line_labels().index(two)]


@pytest.mark.parametrize(
    ("one", "two", "temperature", "density", "known", "within"),
    [
        # case B: Osterbrock & Ferland 2006, table 4.4
        ("Ha 6563", "Hb 4861", 1e4, 100, 2.863, 0.002),
        ("Ha 6563", "Hb 4861", 5e3, 100, 3.041, 0.002),
        ("Ha 6563", "Hb 4861", 2e4, 100, 2.747, 0.002),
        ("Pa9 9229", "Hb 4861", 1e4, 100, 0.0254, 0.02),
        # from one upper level: transition probabilities alone
        ("[OIII] 5007", "[OIII] 4959", 1e4, 100, 2.98, 0.005),
        ("[OIII] 5007", "[OIII] 4959", 2e4, 1e5, 2.98, 0.005),
        ("[NII] 6583", "[NII] 6548", 1e4, 100, 2.94, 0.005),
        ("[OI] 6300", "[OI] 6364", 1e4, 100, 3.13, 0.005),
        # limits of low density, where the ratio is that of the statistical weights, and of high
        ("[SII] 6716", "[SII] 6731", 1e4, 3, 1.45, 0.02),
        ("[SII] 6716", "[SII] 6731", 1e4, 2.9e5, 0.44, 0.03),
        ("[ClIII] 5518", "[ClIII] 5538", 1e4, 100, 1.42, 0.02),
    ],
)
def test_line_ratios_are_those_of_atomic_physics(one, two, temperature, density, known, within):
    assert ratio(one, two, temperature, density) == pytest.approx(known, rel=within)


def test_collisionally_excited_lines_need_heat_and_recombination_lines_do_not():
    """exp(-E / kT): [OIII] 5007 is at 29,170 K above the ground, [OI] 6300 at 22,830 K."""
    labels = line_labels()
    cold, hot = emissivities([6000.0, 12000.0], [30.0, 30.0])
    growth = dict(zip(labels, hot / cold, strict=True))
    assert growth["[OIII] 5007"] == pytest.approx(np.exp(29170 / 12000) * 2**0.4, rel=0.25)
    assert growth["[OI] 6300"] > 5
    assert 0.9 < growth["Ha 6563"] < 1


@pytest.mark.parametrize("t", [0.8, 1.0, 1.5])  # 10,000 K
@pytest.mark.parametrize(
    ("labels", "a", "b", "c", "d", "critical"),
    [
        (("[OIII] 4959", "[OIII] 5007"), 6.200, 1.251, 0.55, 0.014, 0.0),
        (("[NII] 6548", "[NII] 6583"), 6.234, 0.950, 0.42, 0.027, 0.116),
        (("[SII] 6716", "[SII] 6731"), 5.439, 0.929, 0.28, 0.018, 1.39),
        (("[ArIII] 7136",), 6.174, 0.799, 0.48, 0.013, 0.22),
    ],
)
def test_emissivities_give_the_abundances_of_a_formula_in_wide_use(t, labels, a, b, c, d, critical):
    """Izotov et al. 2006, A&A 448, 955, from older atomic data: within 13 per cent.

    12 + log X/H+ = log(flux / H beta) + a + b/t - c log t - d t + log(1 + critical x).
    """
    x = 1e-4 * 100.0 / np.sqrt(t)
    log_x = a + b / t - c * np.log10(t) - d * t + np.log10(1 + critical * x) - 12
    values = emissivities([1e4 * t], [100.0])[0]
    flux = sum(values[line_labels().index(label)] for label in labels)
    assert flux * 10**log_x == pytest.approx(1, rel=0.13)


def test_interpolation_is_within_one_per_cent_of_the_exact_values():
    """The file contains exact values at forty random points between the nodes."""
    exact = about_emissivities()["exact"]
    found = emissivities(exact["temperature"], exact["density"])
    assert found.shape == (40, 47)
    np.testing.assert_allclose(found, 10 ** np.array(exact["log_ratio"]), rtol=0.01)


def test_the_table_records_its_origin():
    about = about_emissivities()
    assert about["made_by"] == "tools/make_emissivities.py"
    assert about["pyneb"]
    assert about["interpolation_error"]["max"] < 1  # per cent
    emitters = {line["pyneb_atom"] for line in about["lines"]}
    assert emitters == set(about["atoms"])
    assert all(atom["files"] and atom["sources"] for atom in about["atoms"].values())


def test_beyond_the_table_the_value_at_its_edge_is_used():
    inside = emissivities([4000.0, 29900.0], [3.0, 3e5])
    np.testing.assert_allclose(emissivities([1000.0, 1e6], [0.1, 1e8]), inside, rtol=1e-6)


@pytest.mark.parametrize(
    ("t", "ne", "words"),
    [([0.0], [1.0], "above 0"), ([np.nan], [1.0], "finite"), ([1e4], [1.0, 2.0], "shape")],
)
def test_invalid_temperatures_and_densities_are_refused(t, ne, words):
    with pytest.raises(ValueError, match=words):
        emissivities(t, ne)


def test_lines_have_names_ions_and_rising_wavelengths():
    assert len(line_labels()) == len(set(line_labels())) == len(line_ions()) == 47
    for part in (slice(31), slice(31, None)):  # in the range of MUSE, and beyond it
        assert (np.diff(line_wavelengths()[part]) > 0).all()
    for label, wavelength in zip(line_labels(), line_wavelengths(), strict=True):
        assert abs(float(label.split()[1]) - wavelength) <= 0.6


def test_the_table_is_read_only():
    with pytest.raises(ValueError, match="read-only"):
        line_wavelengths()[0] = 0


# --- the axis, the reddening, the width --------------------------------------------------------


def test_the_axis_is_that_of_the_instrument():
    axis = nebular_axis()
    assert len(axis) == 3681
    assert (axis.values[0], axis.values[-1]) == (4750.0, 9350.0)
    assert (axis.unit, axis.kind, axis.medium) == ("angstrom", "wavelength", "air")
    np.testing.assert_allclose(nebular_axis(5000, 5001, 0.3).values, [5000, 5000.3, 5000.6, 5000.9])


@pytest.mark.parametrize(
    ("given", "error"),
    [((5000, 4000), ValueError), ((5000, 6000, 0), ValueError), ((5000, 6000, -1), ValueError),
     ((5000, 6000, 1e-9), ValueError), ((np.nan, 6000), ValueError), (("a", 6000), TypeError)],
)  # fmt: skip
def test_an_invalid_axis_is_refused(given, error):
    with pytest.raises(error):
        nebular_axis(*given)


def test_reddening_is_that_of_cardelli_clayton_and_mathis():
    """k = A / E(B-V): R_V at V by definition; others from an independent code (PyNeb's RedCorr)."""
    found = extinction([1e4 / 1.82, 4861.33, 6562.82, 9068.62, 9229.01])
    np.testing.assert_allclose(found, [3.1, 3.60890, 2.53510, 1.46656, 1.42509], rtol=1e-5)
    # E(B-V) = 0.4 makes the Balmer decrement 10^(0.16 (3.609 - 2.535)) = 1.485 times as steep
    decrement = 10 ** (-0.4 * 0.4 * (found[2] - found[1]))
    assert decrement == pytest.approx(1.4855, rel=1e-3)


def test_reddening_is_continuous_between_optical_and_infrared():
    low, high = extinction([9090.0, 9092.0])
    assert low == pytest.approx(high, rel=2e-3)


def test_reddening_beyond_its_range_is_refused():
    with pytest.raises(ValueError, match="3030 to 33300"):
        extinction([2000.0])


def moments(spectra, axis):
    """Return the mean wavelength and the standard deviation of each spectrum."""
    weight = spectra.astype(np.float64) / spectra.sum(axis=1, keepdims=True, dtype=np.float64)
    mean = weight @ axis.values
    return mean, np.sqrt((weight * (axis.values - mean[:, None]) ** 2).sum(axis=1))


@pytest.mark.parametrize("width", [0.0, 80.0])
@pytest.mark.parametrize("line", [4861.33, 7000.0, 9068.62])
def test_the_width_of_a_line_is_that_of_instrument_and_gas_in_quadrature(line, width):
    """FWHM 2.96 angstrom at 4861, 2.48 at 7000, 2.53 at 9069; a channel adds its width^2 / 12."""
    axis = nebular_axis()
    spectra = paint_lines(np.ones((1, 1)), axis, width=width, wavelength=np.array([line]))
    mean, sd = moments(spectra, axis)
    instrument = {4861.33: 2.960, 7000.0: 2.483, 9068.62: 2.533}[line] / 2.3548
    gas = line * width / 299_792.458
    assert mean[0] == pytest.approx(line, abs=0.01)
    assert sd[0] == pytest.approx(np.sqrt(instrument**2 + gas**2 + 1.25**2 / 12), rel=1e-3)


def test_the_line_spread_is_narrowest_in_the_red():
    wavelengths = nebular_axis().values
    assert line_spread(7000.0) == pytest.approx(2.483, abs=1e-3)
    assert 7700 < wavelengths[line_spread(wavelengths).argmin()] < 7900


def test_positive_velocities_shift_lines_to_the_red():
    axis = nebular_axis()
    spectra = paint_lines(
        np.ones((3, 1)), axis, velocity=[-30.0, 0.0, 30.0], wavelength=np.array([6562.82])
    )
    mean, _ = moments(spectra, axis)
    np.testing.assert_allclose(
        mean, 6562.82 * (1 + np.array([-30, 0, 30]) / 299_792.458), rtol=1e-6
    )


def test_flux_is_conserved():
    generator = np.random.default_rng(0)
    flux = generator.uniform(0, 3, (50, 47))
    velocity, width = generator.uniform(-30, 30, 50), generator.uniform(10, 80, 50)
    spectra = paint_lines(flux, nebular_axis(3650.0, 9600.0), velocity=velocity, width=width)
    assert spectra.dtype == np.float32
    np.testing.assert_allclose(spectra.sum(axis=1, dtype=np.float64), flux.sum(axis=1), rtol=2e-6)
    assert spectra.min() > -1e-6


def test_a_channel_contains_the_integral_over_its_width():
    """Against a fine numerical integral of the Gaussian, next to the centre and in the wing."""
    axis = nebular_axis()
    spectra = paint_lines(np.full((1, 1), 5.0), axis, width=40.0, wavelength=np.array([6562.82]))
    sigma = np.hypot(line_spread(6562.82) / 2.3548200450309493, 6562.82 * 40 / SPEED_OF_LIGHT)
    for channel in (1450, 1452, 1454):
        fine = axis.values[channel] + 1.25 * (np.arange(1000) + 0.5) / 1000 - 0.625
        density = np.exp(-0.5 * ((fine - 6562.82) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
        assert spectra[0, channel] == pytest.approx(5 * density.mean() * 1.25, rel=1e-4)


def test_a_falling_axis_other_units_and_gaps_give_the_same_channels():
    rising = nebular_axis()
    flux = np.random.default_rng(0).uniform(0, 3, (5, 47))
    wanted = paint_lines(flux, rising, velocity=20.0, width=50.0)
    falling = Axis(rising.values[::-1], "angstrom", medium="air")
    np.testing.assert_allclose(
        paint_lines(flux, falling, velocity=20.0, width=50.0)[:, ::-1], wanted, atol=1e-6
    )
    nanometres = Axis(rising.values / 10, "nm", medium="air")
    np.testing.assert_allclose(
        paint_lines(flux, nanometres, velocity=20.0, width=50.0), wanted, atol=1e-6
    )
    outside = np.flatnonzero((rising.values < 5500) | (rising.values > 6000))
    np.testing.assert_allclose(
        paint_lines(flux, rising.take(outside), velocity=20.0, width=50.0),
        wanted[:, outside],
        atol=1e-6,
    )


def test_a_line_beyond_the_axis_contributes_nothing_and_one_at_its_end_half():
    axis = nebular_axis(6000, 6562.82, 0.01)
    flux = np.ones((2, 1))
    assert not paint_lines(flux, axis, wavelength=np.array([7000.0])).any()
    half = paint_lines(flux, axis, wavelength=np.array([6562.82])).sum(axis=1, dtype=np.float64)
    np.testing.assert_allclose(half, 0.5, atol=3e-3)


def test_no_fluxes_give_no_spectra():
    assert paint_lines(np.empty((0, 47)), nebular_axis()).shape == (0, 3681)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"axis": Axis(np.arange(10.0), "keV")}, "axis of wavelengths; got kind energy"),
        ({"axis": Axis(5000 + np.arange(10.0), "angstrom", medium="vacuum")}, "in vacuum"),
        ({"axis": Axis(np.array([5000.0]), "angstrom")}, "one channel"),
        ({"flux": np.ones((2, 30))}, "shape"),
        ({"flux": np.ones(47)}, r"\(n, line\)"),
        ({"flux": np.full((2, 47), np.nan)}, "finite"),
        ({"velocity": 4e5}, "below that of light"),
        ({"velocity": np.nan}, "below that of light"),
        ({"width": -1.0}, "widths from 0"),
        ({"width": 1e5}, "widths from 0"),
    ],
)
def test_invalid_lines_are_refused(change, words):
    given = {"flux": np.ones((2, 47)), "axis": nebular_axis()} | change
    with pytest.raises(ValueError, match=words):
        paint_lines(given.pop("flux"), given.pop("axis"), **given)
