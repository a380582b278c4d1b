"""From measured spectra to network inputs: every step against its analytic truth."""

import warnings

import numpy as np
import pytest

from spectessera.axis import Axis
from spectessera.preprocess.rebinning import rebin_weights
from spectessera.preprocess.recipe import Preprocess
from spectessera.preprocess.steps import (
    NORMALISE,
    QUALITY,
    STABILISE,
    UNUSABLE,
    channel_mask,
    deep_negatives,
    log_quantile,
    median_continuum,
    rest_frame,
    scale_of,
    screen,
    smooth_weights,
    stabilise,
)

PLAIN = Preprocess(normalise=None)


def axis_of(channels, unit="keV"):
    return Axis(np.linspace(1.0, 20.0, channels), unit)


def gapped():
    """Return an axis of two windows, of 50 and of 47 channels, 6 steps apart."""
    return Axis(np.concatenate([np.arange(50.0), 55.0 + np.arange(47.0)]), "keV")


def counts(n, channels, mean=20.0, seed=0):
    return np.random.default_rng(seed).poisson(mean, (n, channels)).astype(np.float32)


def plain(**settings):
    return Preprocess(**({"normalise": None} | settings))


# --- screening ---------------------------------------------------------------------------------


def test_few_missing_values_are_interpolated_and_reported():
    """A straight line with holes (at the ends too, where the nearest value is taken)."""
    row = np.arange(20, dtype=np.float32)
    holes = row.copy()
    holes[[5, 6, 12]] = np.nan, np.inf, -np.inf
    ends = row.copy()
    ends[[0, 19]] = np.nan
    found = screen(np.stack([row, holes, ends]))
    np.testing.assert_array_equal(found.values[:2], np.stack([row, row]))
    assert found.values[2].tolist() == [1, *range(1, 19), 18]
    assert found.quality.tolist() == [0, QUALITY["repaired"], QUALITY["repaired"]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -3.4028235e38, 9.969e36, -1e37])
def test_a_spectrum_of_too_many_bad_values_is_lost_and_fill_values_are_bad(bad):
    """Fill values of ENVI (3.4e38) and NetCDF (9.97e36) are finite but no measurement."""
    values = np.ones((3, 10), dtype=np.float32)
    values[1, :2] = bad
    values[2, :3] = bad
    found = screen(values, max_missing=0.2)
    assert found.quality.tolist() == [0, QUALITY["repaired"], QUALITY["not_finite"]]
    np.testing.assert_array_equal(found.values, [[1] * 10, [1] * 10, [0] * 10])


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_share_that_is_mended_may_be_none_or_all_but_everything_missing_is_lost(share):
    values = np.full((3, 4), np.nan, dtype=np.float32)
    values[0] = 2.0
    values[1, 3] = 5.0
    found = screen(values, max_missing=share)
    lost, mended = QUALITY["not_finite"], QUALITY["repaired"]
    assert found.quality.tolist() == [0, lost if share == 0 else mended, lost]
    assert found.values[1].tolist() == ([0] * 4 if share == 0 else [5] * 4)


def test_empty_and_saturated_spectra_are_unusable_and_negative_ones_are_data():
    values = np.array([[0, 0, 0], [0, 0, 255], [-1, -2, -3], [1, 254, 0]], dtype=np.float32)
    found = screen(values, saturation=255.0)
    assert found.quality.tolist() == [QUALITY["empty"], QUALITY["saturated"], 0, 0]
    np.testing.assert_array_equal(found.values, values)
    assert screen(values).quality.tolist() == [QUALITY["empty"], 0, 0, 0]


def test_bits_are_distinct():
    assert sorted(QUALITY.values()) == [1, 2, 4, 8, 16, 32]
    unusable = sum(QUALITY[each] for each in ("masked", "not_finite", "empty", "saturated"))
    assert unusable == UNUSABLE


def test_clean_spectra_are_not_copied_and_the_callers_array_is_not_changed():
    clean = np.ones((2, 5), dtype=np.float32)
    assert screen(clean).values is clean
    dirty = clean.copy()
    dirty[0, 1] = np.nan
    screen(dirty)
    assert np.isnan(dirty[0, 1])


HOSTILE = {
    "nan": np.nan, "inf": np.inf, "fill": -3.4028235e38, "huge": 9e29, "tiny": 1e-38,
    "denormal": 1e-45, "zero": 0.0, "negative": -5.0, "one": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("how", STABILISE)
@pytest.mark.parametrize("normalise", NORMALISE)
def test_inputs_are_finite_for_any_values(how, normalise):
    """All pairs of hostile values, alone among ones and zeros or filling a whole spectrum."""
    kinds = list(HOSTILE.values())
    rows = [[a, b, a, 1.0, b, a, 0.0, b] for a in kinds for b in kinds]
    rows += [[a] * 8 for a in kinds] + [[a] + [1.0] * 7 for a in kinds]
    screened = screen(np.array(rows, dtype=np.float32))
    assert np.isfinite(screened.values).all()
    usable = screened.values[screened.quality & UNUSABLE == 0]
    assert len(usable) > 40
    for more in ({}, {"rebin_to": 3}, {"smooth": 3}, {"continuum": "median"}):
        made = Preprocess(stabilise=how, normalise=normalise, **more).apply(usable, axis_of(8))
        assert np.isfinite(made.values).all(), more
        assert np.isfinite(made.scale).all()
        assert (made.scale > 0).all()


# --- the axis ----------------------------------------------------------------------------------


def test_windows_keep_and_exclude_channels_by_their_value_ends_included():
    axis = Axis([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "keV")
    for words, index in (
        ({"keep": ((2, 3), (5, 9))}, [1, 2, 4, 5]),
        ({"exclude": ((2.5, 4.5),)}, [0, 1, 4, 5]),
        ({"keep": ((2, 5),), "exclude": ((3, 4),)}, [1, 4]),
        ({}, [0, 1, 2, 3, 4, 5]),
    ):
        np.testing.assert_array_equal(np.flatnonzero(channel_mask(axis, **words)), index)
    down = Axis(axis.values[::-1], "keV")
    np.testing.assert_array_equal(
        channel_mask(down, keep=((2, 3),)), channel_mask(axis, keep=((2, 3),))[::-1]
    )
    with pytest.raises(ValueError, match=r"no channel is left.*runs from 1 to 6 keV"):
        channel_mask(down, keep=((7, 8),))


def test_selected_channels_are_the_inputs():
    values = counts(3, 20)
    axis = Axis(np.arange(20.0), "keV")
    step = plain(keep=((3, 8), (12, 15)), exclude=((5, 6),))
    index = [3, 4, 7, 8, 12, 13, 14, 15]
    np.testing.assert_array_equal(step.apply(values, axis).values, values[:, index])
    np.testing.assert_array_equal(step.input_axis(axis).values, index)


def test_rest_frame_of_halpha_at_z_0_1():
    """6562.82 A emitted is 7219.102 A observed; energies go the other way."""
    observed = Axis([7000.0, 7219.102, 7300.0], "angstrom", medium="air")
    found = rest_frame(observed, 0.1)
    assert abs(found.values[1] - 6562.82) < 1e-9
    assert (found.unit, found.medium) == ("angstrom", "air")
    np.testing.assert_allclose(rest_frame(Axis([6.0, 7.0], "keV"), 0.5).values, [9.0, 10.5])
    assert rest_frame(Axis([1.0, 2.0]), 0.0) == Axis([1.0, 2.0])
    with pytest.raises(ValueError, match="axis of channel has no redshift"):
        rest_frame(Axis([1.0, 2.0]), 0.1)


# --- rebinning and smoothing -------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "bins"), [(3000, 1024), (97, 31), (97, 96), (7, 2), (5, 1)])
def test_rebinning_counts_every_channel_once_the_last_ones_too(channels, bins):
    """The published code drops what does not fill a bin: 31.7 % of 3000 -> 1024."""
    axis = axis_of(channels)
    found = rebin_weights(axis, bins)
    assert found.weights.shape == (bins, channels)
    np.testing.assert_allclose(found.weights.sum(axis=0), 1.0, rtol=1e-6)
    np.testing.assert_allclose(found.weights.sum(axis=1), channels / bins, rtol=1e-6)
    values = counts(4, channels)
    made = plain(rebin_to=bins).apply(values, axis).values
    np.testing.assert_allclose(made.sum(axis=1), values.sum(axis=1), rtol=1e-6)
    last = np.zeros((1, channels), dtype=np.float32)
    last[0, -1] = 7.0
    assert abs(plain(rebin_to=bins).apply(last, axis).values[0, -1] - 7) < 1e-5


def test_whole_channels_give_whole_counts_exactly():
    values = counts(6, 96)
    made = plain(rebin_to=24).apply(values, axis_of(96)).values
    np.testing.assert_array_equal(made, values.reshape(6, 24, 4).sum(axis=2))


def test_bins_are_at_the_centre_of_gravity_of_their_channels():
    axis = Axis(np.arange(10.0), "keV")
    np.testing.assert_allclose(rebin_weights(axis, 5).axis.values, [0.5, 2.5, 4.5, 6.5, 8.5])
    # 10 channels in 4 bins: 0, 1, half of 2 | half of 2, 3, 4 | ...
    np.testing.assert_allclose(rebin_weights(axis, 4).axis.values, [0.8, 3.2, 5.8, 8.2])
    down = Axis(axis.values[::-1], "keV")
    np.testing.assert_allclose(rebin_weights(down, 5).axis.values, [8.5, 6.5, 4.5, 2.5, 0.5])


@pytest.mark.parametrize("bins", [2, 3, 10, 19, 60, 96, 97])
def test_rebinning_never_crosses_a_gap(bins):
    axis = gapped()
    found = rebin_weights(axis, bins)
    weights = found.weights.toarray()
    first, second = weights[:, :50].any(axis=1), weights[:, 50:].any(axis=1)
    assert not (first & second).any()
    assert (first | second).all()
    assert found.windows == [slice(0, first.sum()), slice(first.sum(), bins)]
    sizes = weights.sum(axis=1)
    assert sizes.max() / sizes.min() < 2
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, rtol=1e-6)


@pytest.mark.parametrize("bins", [1, 98])
def test_bins_that_cannot_be_made_are_refused_with_what_can(bins):
    with pytest.raises(ValueError, match=rf"97 channels in 2 window.*to {bins}; choose between 2"):
        plain(rebin_to=bins).apply(counts(1, 97), gapped())


def test_smoothing_of_a_spike_is_a_box_and_a_constant_stays_constant_at_the_ends():
    axis = axis_of(11)
    spike = np.zeros((1, 11), dtype=np.float32)
    spike[0, 5] = 3.0
    np.testing.assert_allclose(
        plain(smooth=3).apply(spike, axis).values[0], [0] * 4 + [1] * 3 + [0] * 4, atol=1e-6
    )
    flat = np.full((1, 11), 4.0, dtype=np.float32)
    np.testing.assert_allclose(plain(smooth=7).apply(flat, axis).values, flat, rtol=1e-6)
    edge = smooth_weights([slice(0, 5)], 3).toarray()
    np.testing.assert_allclose(edge[0], [0.5, 0.5, 0, 0, 0])
    np.testing.assert_allclose(edge[1], [1 / 3, 1 / 3, 1 / 3, 0, 0])


@pytest.mark.parametrize("settings", [{}, {"rebin_to": 10}, {"rebin_to": 33}])
def test_smoothing_never_crosses_a_gap_not_even_of_bins(settings):
    """Once rebinned, the gap is hardly wider than a bin: it must be remembered from before."""
    values = np.zeros((1, 97), dtype=np.float32)
    values[0, :50] = 1.0
    made = plain(smooth=5, **settings).apply(values, gapped()).values[0]
    bins = plain(**settings).apply(values, gapped()).values[0]
    cut = int((bins > 0).sum())
    assert 0 < cut < len(bins)
    np.testing.assert_allclose(made, bins, rtol=1e-5)


def test_continuum_is_the_running_median_and_a_narrow_line_stays():
    axis = axis_of(101)
    slope = np.linspace(10, 20, 101, dtype=np.float32)
    line = np.zeros(101, dtype=np.float32)
    line[50:53] = 8.0
    made = plain(continuum="median", continuum_width=31).apply((slope + line)[None], axis).values[0]
    np.testing.assert_allclose(made[20:81], line[20:81], atol=0.35)
    assert np.abs(made).max() <= 8.35
    flat = np.full((2, 101), 5.0, dtype=np.float32)
    np.testing.assert_array_equal(median_continuum(flat, axis, 31), flat)


def test_continuum_is_taken_in_each_window_on_its_own():
    values = np.where(np.arange(97) < 50, 1.0, 9.0)[None].astype(np.float32)
    made = plain(continuum="median", continuum_width=151).apply(values, gapped()).values
    np.testing.assert_array_equal(made, np.zeros((1, 97)))


# --- stabilising -------------------------------------------------------------------------------


def test_each_way_to_stabilise_is_its_formula():
    x = np.array([[-3.0, -0.5, 0.0, 0.25, 1.0, 100.0]], dtype=np.float32)
    up = np.maximum(x.astype(float), 0)
    expected = {
        None: x,
        "log": np.sign(x) * np.log(1 + np.abs(x)),
        "sqrt": np.sqrt(up),
        "anscombe": 2 * np.sqrt(up + 3 / 8),
        "asinh": np.log(x / 2.0 + np.sqrt((x / 2.0) ** 2 + 1)),
    }
    for how, formula in expected.items():
        np.testing.assert_allclose(stabilise(x, how, 2.0), formula, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("how", "sigma"), [("anscombe", 1.0), ("sqrt", 0.5)])
@pytest.mark.parametrize("mean", [10, 40, 200])
def test_noise_of_counts_is_alike_at_every_rate(how, sigma, mean):
    drawn = counts(1, 40_000, mean=mean)
    assert abs(stabilise(drawn, how).std() / sigma - 1) < 0.04


def test_log_quantile_puts_the_quartiles_at_tanh_of_one():
    spectrum = np.random.default_rng(0).gamma(2.0, 3.0, (5, 401)).astype(np.float32)
    found = log_quantile(spectrum)
    low, high = np.quantile(found, (0.25, 0.75), axis=1)
    np.testing.assert_allclose(low, -np.tanh(1), atol=1e-5)
    np.testing.assert_allclose(high, np.tanh(1), atol=1e-5)
    assert (np.argsort(found, axis=1) == np.argsort(spectrum, axis=1)).all()
    np.testing.assert_allclose(log_quantile(1000 * spectrum), found, atol=1e-5)


@pytest.mark.parametrize(
    "spectrum",
    [
        [0, 0, 0, 0, 0, 0, 0, 5],
        [0] * 8,
        [3] * 8,
        [0, 0, 0, 0, 0, 1, 2, 3],
        [-1, -2, 0, 0, 0, 0, 1, 4],
    ],
)
def test_log_quantile_of_sparse_and_constant_spectra_is_finite_and_keeps_order(spectrum):
    values = np.array([spectrum], dtype=np.float32)
    found = log_quantile(values)[0]
    assert np.isfinite(found).all()
    assert (np.abs(found) <= 1).all()
    assert (np.diff(found[np.argsort(values[0], kind="stable")]) >= 0).all()


# --- normalising -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "expected"), [(None, 1.0), ("max", 4.0), ("l2", np.sqrt(26)), ("total", 8.0)]
)
def test_scale_of_a_spectrum_worked_by_hand(how, expected):
    assert abs(scale_of(np.array([[3, -1, 4]], dtype=np.float32), how)[0] - expected) < 1e-6


@pytest.mark.parametrize("how", NORMALISE)
def test_zeros_are_divided_by_one_and_nothing_positive_by_the_largest(how):
    zero = Preprocess(normalise=how).apply(np.zeros((2, 5), np.float32), axis_of(5))
    np.testing.assert_array_equal(zero.values, np.zeros((2, 5)))
    np.testing.assert_array_equal(zero.scale, [1, 1])
    negative = np.array([[-1, -4, 0]], dtype=np.float32)
    if how == "max":
        assert scale_of(negative, how)[0] == 4


def test_rounding_above_zero_is_nothing_to_divide_by():
    """Absorption below a continuum: the largest value is 1e-5 by rounding, the smallest -100."""
    values = np.array([[-100.0, 1e-5, 0.0]], dtype=np.float32)
    assert np.abs(Preprocess().apply(values, axis_of(3)).values).max() == 1


@pytest.mark.parametrize(("how", "order"), [("max", np.inf), ("l2", 2), ("total", 1)])
def test_normalised_spectra_have_norm_one(how, order):
    made = Preprocess(normalise=how).apply(counts(6, 50), axis_of(50))
    np.testing.assert_allclose(np.linalg.norm(made.values, ord=order, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(made.values * made.scale[:, None], counts(6, 50), rtol=1e-5)


# --- variance ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rebin_to": 24},
        {"rebin_to": 31},
        {"smooth": 5},
        {"rebin_to": 24, "smooth": 3},
        {"rebin_to": 63, "smooth": 3},
        {"keep": ((3.0, 15.0),), "rebin_to": 17},
        {"stabilise": "sqrt"},
        {"stabilise": "anscombe"},
        {"stabilise": "log"},
        {"stabilise": "asinh", "softening": 30.0},
        {"rebin_to": 31, "smooth": 3, "stabilise": "sqrt"},
    ],
)
def test_variance_is_that_of_many_measurements(settings):
    """Gaussian noise of known, unlike variances; 12,000 drawings tell a variance to 1.3 %."""
    axis = axis_of(96)
    rng = np.random.default_rng(1)
    truth = (200 + 150 * np.sin(np.arange(96) / 7)).astype(np.float32)
    variance = rng.uniform(5, 50, 96).astype(np.float32)
    drawn = truth + np.sqrt(variance) * rng.standard_normal((12_000, 96), dtype=np.float32)
    step = plain(**settings)
    told = step.apply(truth[None], axis, variance[None]).variance[0]
    measured = step.apply(drawn, axis).values.var(axis=0, dtype=np.float64)
    np.testing.assert_allclose(told, measured, rtol=0.08)
    assert abs(np.mean(told / measured) - 1) < 0.02


@pytest.mark.parametrize("level", [0.0, 0.25, 0.5, 1.0])
def test_variance_of_the_root_of_less_than_one_count_is_that_of_many_measurements(level):
    """The slope of the root is infinite at 0, so below one count that at one count is used.

    Noise of variance 1 gives the roots of a dark cube a variance between 0.23 and 0.28; the slope
    at one count gives 0.25.
    """
    dark = np.full((4 * 7, 9), level, dtype=np.float32)
    step = plain(stabilise="sqrt")
    propagated = step.apply(dark, axis_of(9), np.ones_like(dark)).variance
    np.testing.assert_allclose(propagated, 0.25, rtol=1e-6)
    rng = np.random.default_rng(0)
    drawn = level + rng.standard_normal((20_000, 9), dtype=np.float32)
    measured = step.apply(drawn, axis_of(9)).values.var(dtype=np.float64)
    np.testing.assert_allclose(propagated, measured, rtol=0.15)


def test_variance_of_the_root_is_constant_up_to_one_count_and_falls_beyond():
    """Worked by hand: the variance over 4, and beyond one count over 4 times the count."""
    values = np.array([[-400.0, -1.0, 0.0, 1.0, 4.0, 100.0]], dtype=np.float32)
    made = plain(stabilise="sqrt").apply(values, axis_of(6), np.full_like(values, 8.0))
    np.testing.assert_allclose(made.variance, [[2, 2, 2, 2, 0.5, 0.02]], rtol=1e-6)


def test_variance_is_divided_by_the_scale_squared_and_log_quantile_has_none():
    values, variance = counts(3, 40), counts(3, 40, seed=1)
    made = Preprocess(normalise="total").apply(values, axis_of(40), variance)
    np.testing.assert_allclose(
        made.variance, variance / values.sum(axis=1, keepdims=True) ** 2, rtol=1e-5
    )
    assert plain(stabilise="log-quantile").apply(values, axis_of(40), variance).variance is None
    assert PLAIN.apply(values, axis_of(40)).variance is None


# --- the composition ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", STABILISE)
@pytest.mark.parametrize("normalise", NORMALISE)
def test_a_spectrum_has_the_same_input_bit_for_bit_whatever_it_is_processed_with(how, normalise):
    values = np.random.default_rng(0).gamma(1, 1, (28, 97)).astype(np.float32)
    for more in (
        {},
        {"keep": ((3, 40), (60, 80))},
        {"rebin_to": 31},
        {"smooth": 5},
        {"rebin_to": 40, "smooth": 3, "exclude": ((7, 9),)},
        {"continuum": "median", "continuum_width": 9},
    ):
        step = Preprocess(stabilise=how, normalise=normalise, **more)
        whole = step.apply(values, gapped())
        for size in (1, 7):
            parts = [step.apply(values[i : i + size], gapped()) for i in range(0, 28, size)]
            np.testing.assert_array_equal(np.concatenate([p.values for p in parts]), whole.values)
            np.testing.assert_array_equal(np.concatenate([p.scale for p in parts]), whole.scale)


def test_inputs_have_the_type_and_the_length_of_the_input_axis():
    axis = gapped()
    step = Preprocess(
        keep=((3.0, 90.0),), rebin_to=20, smooth=3, stabilise="log", normalise="l2", redshift=0.2
    )
    made = step.apply(counts(4, 97), axis)
    assert made.values.dtype == made.scale.dtype == np.float32
    assert made.values.flags.c_contiguous
    assert made.values.shape == (4, len(step.input_axis(axis)))
    low, high = 3 * 1.2, 90 * 1.2
    assert low < step.input_axis(axis).values.min() < step.input_axis(axis).values.max() < high


def test_the_spectra_that_are_handed_in_are_not_changed():
    values, variance = counts(3, 97) - 10, counts(3, 97)
    before = values.copy(), variance.copy()
    for how in STABILISE:
        step = Preprocess(stabilise=how, continuum="median", rebin_to=40, smooth=3)
        step.apply(values, gapped(), variance)
    np.testing.assert_array_equal(values, before[0])
    np.testing.assert_array_equal(variance, before[1])


def test_spectra_that_had_negative_values_clipped_are_reported():
    values = np.array([[1, 2, 3], [1, -2, 3]], dtype=np.float32)
    for how, expected in (("sqrt", True), ("anscombe", True), ("log", False), (None, False)):
        assert plain(stabilise=how).apply(values, axis_of(3)).clipped.tolist() == [False, expected]


@pytest.mark.parametrize("how", [each for each in STABILISE if each != "log-quantile"])
@pytest.mark.parametrize("normalise", NORMALISE)
def test_undo_brings_the_spectrum_back(how, normalise):
    values = counts(5, 40)
    if how in (None, "log", "asinh"):
        values = values - 20
    step = Preprocess(stabilise=how, normalise=normalise, softening=3.0)
    made = step.apply(values, axis_of(40))
    undone = step.undo(made.values, made.scale)
    np.testing.assert_allclose(undone.values, values, rtol=1e-4, atol=1e-4)
    assert undone.not_undone == ()


def test_undo_names_what_cannot_be_undone():
    step = Preprocess(
        keep=((1, 9),), continuum="median", rebin_to=8, smooth=3, stabilise="log-quantile"
    )
    left = step.undo(np.zeros((1, 8))).not_undone
    for word in ("keep", "continuum", "rebin_to=8", "smooth=3", "log-quantile", "normalise='max'"):
        assert any(word in each for each in left), word


@pytest.mark.parametrize("how", ["sqrt", "anscombe"])
def test_undo_of_an_output_below_zero_is_no_more_than_that_of_zero(how):
    """A decoder's output may dip below 0; its square must not come back as counts."""
    step = plain(stabilise=how)
    below, zero = step.undo(np.array([[-2.0, 0.0]])).values[0]
    assert below == zero


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"keep": (1, 20)}, ValueError, r"keep is a list of windows \(low, high\).*got \(1, 20\)"),
        ({"exclude": [(5, 3)]}, ValueError, r"exclude is a list of windows"),
        ({"keep": [(0, np.inf)]}, ValueError, "keep is a list of windows"),
        ({"smooth": 4}, ValueError, "smooth must be odd; got 4"),
        ({"smooth": 3.5}, TypeError, "smooth must be an integer"),
        ({"continuum_width": 0}, ValueError, "continuum_width must be at least 1"),
        ({"continuum": "mean"}, ValueError, "continuum must be one of None, 'median'"),
        ({"rebin_to": 0}, ValueError, "rebin_to must be at least 1"),
        ({"rebin_to": 10.5}, TypeError, "rebin_to must be an integer"),
        ({"stabilise": "ln"}, ValueError, "stabilise must be one of"),
        ({"normalise": "sum"}, ValueError, "normalise must be one of"),
        ({"softening": 0.0}, ValueError, "softening must be above 0"),
        ({"redshift": -1.0}, ValueError, "redshift must be above -1"),
        ({"max_missing": 1.5}, ValueError, "max_missing must be at most 1"),
        ({"max_missing": -0.5}, ValueError, "max_missing must be at least 0"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings, error, words):
    with pytest.raises(error, match=words):
        Preprocess(**settings)


def test_a_cube_of_lines_is_prepared_without_a_warning(line_cube):
    values = line_cube.cube.values.reshape(-1, 96)
    axis = Axis(line_cube.cube.energy.values, "keV")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = Preprocess(rebin_to=48, stabilise="sqrt").apply(screen(values).values, axis)
    label = line_cube.label.ravel()
    means = np.stack([made.values[label == each].mean(axis=0) for each in range(4)])
    nearest = ((made.values[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == label).mean() > 0.99


def test_the_continuum_of_a_window_narrower_than_the_median_is_mirrored_once():
    """Of 0, 10, 1, mirrored to 1, 10, 0, 10, 1, 10, 0, the medians of five are 1, 10, 1."""
    spectrum = np.array([[0.0, 10.0, 1.0]])
    assert median_continuum(spectrum, axis_of(3), 151).tolist() == [[1.0, 10.0, 1.0]]


def test_a_signed_spectrum_is_divided_by_its_maximum_unless_that_is_rounding():
    """A positive value of a millionth or less of the largest absolute one is no maximum."""
    assert scale_of(np.array([[1.0, -2.0]]), "max").tolist() == [1.0]
    assert scale_of(np.array([[1e-9, -2.0]]), "max").tolist() == [2.0]


# --- negative values that are more than noise ----------------------------------------------------


def noisy(seed=0, shape=(400, 300)):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("correlated", [1, 3])
def test_noise_around_a_continuum_that_was_subtracted_is_no_negative_signal(correlated):
    """Half of the channels are below 0; nothing that was measured is lost by the square root."""
    stars = 50 + 2 * np.sin(np.linspace(0, 3, 300)) + noisy()
    stars[:, 120:124] += 40  # an emission line
    steps = plain(stabilise="sqrt", continuum="median", continuum_width=101, smooth=correlated)
    assert not steps.apply(stars.astype(np.float32), axis_of(300)).clipped.any()


def test_absorption_and_too_much_background_are_negative_signals():
    absorbed, below, above = noisy(1), noisy(2) - 15, noisy(3) + 15
    absorbed[:, 120:124] -= 15
    for values, expected in ((absorbed, True), (below, True), (above, False)):
        found = plain(stabilise="sqrt").apply(values, axis_of(300)).clipped
        assert (found == expected).all()


def test_of_spectra_without_noise_or_of_few_channels_every_negative_value_counts():
    values = np.zeros((2, 40), dtype=np.float32)
    values[1, 3] = -1
    assert deep_negatives(values).tolist() == [False, True]
    assert deep_negatives(noisy(shape=(5, 8))).tolist() == (noisy(shape=(5, 8)) < 0).any(1).tolist()


@pytest.mark.parametrize("channels", [17, 40, 100, 513, 1030])
def test_deep_negatives_are_those_of_the_medians_of_all_differences(channels):
    """Most spectra are left out by counting; which ones must not depend on it."""
    generator = np.random.default_rng(channels)
    values = generator.normal(size=(400, channels)).astype(np.float32)
    values[::4] = np.cumsum(values[::4], axis=1)
    values[1::4] *= generator.uniform(size=(100, channels)) ** 4
    spread = np.zeros(len(values))
    for apart in (1, 2, 4, 8):
        places = np.arange(0, channels - apart, max(1, (channels - apart) // 512))
        differences = np.abs(values[:, places + apart] - values[:, places])
        spread = np.maximum(spread, np.median(differences, axis=1))
    factor = 6 * 1.482602218505602 / np.sqrt(2)
    # Some are made nearly as deep as it takes, a little more or less.
    near = np.arange(2, 400, 4)
    values[near, 3] = -factor * spread[near] * (1 + generator.normal(size=100) * 0.01)
    spread[near] = 0
    for apart in (1, 2, 4, 8):
        places = np.arange(0, channels - apart, max(1, (channels - apart) // 512))
        differences = np.abs(values[near][:, places + apart] - values[near][:, places])
        spread[near] = np.maximum(spread[near], np.median(differences, axis=1))
    lowest = values.min(axis=1)
    expected = (lowest < 0) & (lowest < -factor * spread)
    assert 10 < expected[near].sum() < 90
    assert deep_negatives(values).tolist() == expected.tolist()
