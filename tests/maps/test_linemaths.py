"""The mathematics below the maps of lines, part by part."""

import numpy as np
import pytest

from linecases import RED
from spectessera.maps._gasmaps import CLASSES, RATIOS, gas_class, log_ratios, ratio_names
from spectessera.maps._kinematics import fit_kinematics, inverse_of, state_at
from spectessera.maps._lineblocks import PROMISED, QUALITY, RADIUS
from spectessera.maps._linefluxes import fluxes
from spectessera.maps._linegroups import columns_of, grid_of
from spectessera.maps._linemodel import Kept, profiles
from spectessera.maps._lineplan import make_setup, resolution_of
from spectessera.maps._linepools import OFF_CENTRE, add_gradients, withdraw_pools
from spectessera.naming.optical.gasclass import AGN, HII
from spectessera.synth.nebulae.lines import nebular_axis

NAMES = ("Ha 6563", "[NII] 6583", "[SII] 6716", "[SII] 6731")


@pytest.fixture(scope="module")
def plan():
    setup = make_setup(
        RED, np.ones(len(RED), bool), NAMES, 0.0, reach=700.0,
        resolution=resolution_of("MUSE", RED), false_alarm=1e-4,
    )  # fmt: skip
    return setup.plan, setup.least_gain


def kept_of(plan, velocity, square, flux, seed=None):
    """Return spectra in the windows with given lines, with noise 1 or without."""
    shape = len(velocity), plan.windows[-1].stored.stop
    values = np.zeros(shape)
    for window in plan.windows:
        made = profiles(plan, window, velocity, square).value
        values[:, window.stored] = (made * flux[list(window.columns)]).sum(axis=2)
    if seed is not None:
        values = values + np.random.default_rng(seed).standard_normal(shape)
    return Kept(values, np.ones(shape), np.full(shape, 10.0))


def test_a_profile_has_the_sum_1_and_a_doublet_its_ratio(plan):
    plan = plan[0]
    for window in plan.windows:
        made = profiles(plan, window, np.array([-500.0, 300.0]), np.array([0.0, 80.0**2]))
        total = (made.value * window.width[:, None]).sum(axis=1)
        expected = [sum(plan.columns[at].share) for at in window.columns]
        np.testing.assert_allclose(total, [expected, expected], rtol=1e-4)
    assert plan.columns[1].share == (1.0, 1 / 3.05)


def test_derivatives_of_profiles_are_those_of_finite_differences(plan):
    plan, window = plan[0], plan[0].windows[0]
    v, q = np.array([120.0]), np.array([60.0**2])
    made = profiles(plan, window, v, q)
    for name, step in (("by_velocity", (0.1, 0.0)), ("by_square", (0.0, 5.0))):
        two, one = (profiles(plan, window, v + s * step[0], q + s * step[1]).value for s in (1, -1))
        slope = (two - one) / (2 * sum(step))
        np.testing.assert_allclose(getattr(made, name), slope, rtol=5e-3, atol=1e-9)


def test_without_noise_velocity_dispersion_and_fluxes_are_exact(plan):
    plan = plan[0]
    v, q = np.array([-640.0, -3.0, 410.0]), np.array([20.0, 75.0, 240.0]) ** 2
    flux = np.array([100.0, 40.0, 20.0, 15.0])
    kept = kept_of(plan, v, q, flux)
    found = fit_kinematics(plan, kept)
    np.testing.assert_allclose(found.velocity, v, atol=0.1)
    np.testing.assert_allclose(found.square, q, rtol=1e-2, atol=20)
    np.testing.assert_allclose(fluxes(plan, kept, found).flux, [flux] * 3, rtol=2e-3)


def test_the_gradient_is_that_of_chi_squared(plan):
    """Fluxes follow the velocity: by the variable projection they do not change the gradient."""
    plan = plan[0]
    kept = kept_of(plan, np.array([50.0]), np.array([60.0**2]), np.full(4, 60.0), seed=1)
    v, q = np.array([70.0]), np.array([90.0**2])
    state = state_at(plan, kept, v, q)
    for at, step in enumerate(((0.1, 0.0), (0.0, 10.0))):
        two, one = (state_at(plan, kept, v + s * step[0], q + s * step[1]).misfit for s in (1, -1))
        slope = -0.5 * (two - one) / (2 * sum(step))
        np.testing.assert_allclose(state.gradient[:, at], slope, rtol=2e-3)


def test_noise_alone_rarely_exceeds_the_least_gain(plan):
    plan, least = plan
    none = np.zeros(600)
    found = fit_kinematics(plan, kept_of(plan, none, none, np.zeros(4), seed=2))
    assert (found.gain > least).sum() <= 1
    assert np.percentile(found.gain, 99.5) > 0.5 * least  # the limit is not far beyond noise


def test_rows_do_not_depend_on_each_other(plan):
    plan = plan[0]
    rng = np.random.default_rng(3)
    kept = kept_of(plan, rng.uniform(-300, 300, 300), np.full(300, 50.0**2), np.full(4, 15.0), 4)
    whole = fit_kinematics(plan, kept)
    for rows in (np.arange(7), np.array([299]), np.arange(100, 281)):
        part = fit_kinematics(plan, kept.take(rows))
        for one, other in zip(whole.take(rows), part, strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_inverse_of_a_singular_matrix_is_infinite():
    inverse = inverse_of(np.array([[[4.0, 0.0], [0.0, 2.0]], [[1.0, 1.0], [1.0, 1.0]]]))
    np.testing.assert_allclose(inverse[0], [[0.25, 0.0], [0.0, 0.5]])
    assert np.isinf(inverse[1][0, 0])


def test_lines_that_are_not_resolved_are_one_column():
    grid = grid_of(nebular_axis(4750.0, 5000.0))
    near = columns_of(("[OII] 3726", "[OII] 3729"), grid, 0.3, 120.0, 700.0)
    assert [each.name for each in near] == ["[OII] 3726+3729"]
    apart = columns_of(("[OII] 3726", "[OII] 3729"), grid, 0.3, 30.0, 700.0)
    assert [each.name for each in apart] == ["[OII] 3726", "[OII] 3729"]


def test_lines_at_the_bright_sky_and_at_the_ends_are_left_out():
    grid = grid_of(nebular_axis(6250.0, 6570.0))
    assert columns_of(("[OI] 6300", "Ha 6563"), grid, 0.0, 80.0, 700.0) == ()


# --- ratios and classes -------------------------------------------------------------------------


def test_the_error_of_a_ratio_counts_what_both_fluxes_share():
    names = ("Ha 6563", "[NII] 6583")
    assert ratio_names(names) == ("[NII] 6583 / Ha 6563",)
    flux = np.array([[100.0, 50.0], [100.0, 1.0]])
    alone = np.array([np.diag([100.0, 25.0])] * 2)
    value, error = log_ratios(flux, alone, names)
    np.testing.assert_allclose(value[0], np.log10(0.5))
    np.testing.assert_allclose(error[0], np.hypot(0.1, 0.1) / np.log(10))
    assert np.isnan(value[1]).all()  # [NII] is not detected
    shared = alone + np.array([[0.0, 25.0], [25.0, 0.0]])
    assert log_ratios(flux, shared, names)[1][0] < error[0]


def test_the_class_is_that_of_the_ratios_and_undecided_between_two():
    names = ("Hb 4861", "[OIII] 5007", "Ha 6563", "[NII] 6583", "[SII] 6716", "[SII] 6731")
    assert len(ratio_names(names)) == len(RATIOS) - 1  # without [OI]
    flux = np.array(
        [[100, 60, 290, 60, 30, 22], [100, 1000, 290, 300, 90, 70], [100, 60, 290, 60, 30, 22],
         [0, 0, 1, 0, 0, 0]], float,
    )  # fmt: skip
    error = np.full(flux.shape, 2.0)
    error[2] = 30.0
    found = gas_class(flux, error, names)
    assert [CLASSES[at - 1] for at in found.number[:2]] == [HII, AGN]
    assert found.share[2] < found.share[0]
    assert found.number[3] == 0
    assert np.isnan(found.share[3])


# --- pools --------------------------------------------------------------------------------------


def pooled_maps(gain):
    shape = (1, 1, 6)
    names = ("velocity", "velocity_error", "dispersion", "dispersion_error")
    maps = {name: np.full(shape, 5.0, np.float32) for name in names}
    maps["velocity"][0, 0] = [0, 10, 20, 30, 40, 50]
    maps["quality"] = np.full(shape, float(QUALITY["pooled"]), np.float32)
    maps["quality"][0, 0, 0] = 0
    maps["flux"] = np.zeros((4, 1, 6), np.float32)
    maps["signal_to_noise"] = np.full(shape, np.sqrt(gain), np.float32)
    maps[PROMISED], maps[RADIUS] = np.full(shape, 8.0, np.float32), np.full(shape, 2.0, np.float32)
    return maps


@pytest.mark.parametrize(("gain", "kept"), [(2.0, False), (7.0, True), (30.0, True)])
def test_pools_that_the_pixels_do_not_confirm_are_withdrawn(gain, kept):
    """Noise has a gain of 2 with four lines."""
    maps = pooled_maps(gain)
    withdraw_pools(maps, np.ones((1, 6), int))
    assert np.isfinite(maps["velocity"][0, 0, 1:]).all() == kept
    assert np.isfinite(maps["velocity"][0, 0, 0])
    assert (maps["quality"][0, 0, 1:] == QUALITY["pooled"] + (0 if kept else 2)).all()


def test_the_error_of_a_pooled_velocity_counts_how_velocities_change():
    maps = pooled_maps(30.0)
    add_gradients(maps)
    expected = np.hypot(5.0, OFF_CENTRE * 10.0 * 2.0)
    np.testing.assert_allclose(maps["velocity_error"][0, 0], [5.0, *[expected] * 5], rtol=1e-6)
