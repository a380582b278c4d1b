"""Nebulae: where the classes lie in the diagnostic planes, and properties of their spectra."""

import pickle
import tracemalloc

import numpy as np
import pytest

from spectessera.axis import Axis
from spectessera.synth.nebulae.bpt import bpt_ratios, kauffmann, kewley_nii, kewley_oi, kewley_sii
from spectessera.synth.nebulae.lines import extinction, line_labels, line_wavelengths, nebular_axis
from spectessera.synth.nebulae.nebula import CLASSES, draw_models, nebular_spectra
from spectessera.synth.nebulae.zones import Zone, zone_flux
from spectessera.synth.stream import BLOCK

SMALL = nebular_axis(6500, 6800)  # H alpha, [NII] and [SII]: 241 channels, for speed


def drawn(kind, n=20_000, seed=0, low_excitation=0.0):
    return draw_models(
        kind, n, generator=np.random.default_rng(seed), low_excitation=low_excitation
    )


def line(flux, label):
    return flux[:, line_labels().index(label)]


# --- the models --------------------------------------------------------------------------------


def test_a_zone_model_is_the_sum_of_its_zones():
    """Half of H beta from gas with O++ / H+ = 1e-4, half from gas without."""
    half, t, ne = np.full(1, 0.5), np.full(1, 1e4), np.full(1, 100.0)
    both = zone_flux([Zone(half, t, ne, {"O++": np.full(1, 1e-4)}), Zone(half, t, ne, {})])
    alone = zone_flux([Zone(2 * half, t, ne, {"O++": np.full(1, 1e-4)})])
    assert line(both, "Hb 4861")[0] == pytest.approx(1)
    assert line(both, "Ha 6563")[0] == pytest.approx(2.863, rel=0.002)
    assert line(both, "[OIII] 5007")[0] == pytest.approx(line(alone, "[OIII] 5007")[0] / 2)
    assert not line(both, "[NII] 6583").any()


@pytest.mark.parametrize("kind", CLASSES)
def test_all_fluxes_are_finite_and_relative_to_h_beta(kind):
    found = drawn(kind)
    assert found.flux.shape == (20_000, 47)
    assert found.flux.dtype == np.float32
    assert (np.isfinite(found.flux) & (found.flux >= 0)).all()
    np.testing.assert_allclose(line(found.flux, "Hb 4861"), 1, rtol=1e-5)
    alpha = line(found.flux, "Ha 6563")
    assert 2.68 < alpha.min() < alpha.max() < 3.05
    np.testing.assert_allclose(
        line(found.flux, "[OIII] 5007"), 2.984 * line(found.flux, "[OIII] 4959"), rtol=2e-3
    )
    for name, values in found.parameters.items():
        assert values.shape == (20_000,), name
        assert np.isfinite(values).all(), name


def test_parameters_are_drawn_as_documented():
    hii, pn, shock = (drawn(kind).parameters for kind in ("hii", "pn", "shock"))
    for values, low, high in (
        (hii["log_oh"], 8.0, 8.75),
        (pn["log_oh"], 8.1, 8.8),
        (shock["log_oh"], 8.2, 8.8),
        (np.log10(hii["density"]), 1.3, 2.6),
        (np.log10(pn["density"]), 2.7, 4.3),
        (np.log10(shock["density"]), 2.0, 3.4),
        (pn["temperature_high"], 8500, 17000),
        (pn["helium"], 0.09, 0.15),
        (shock["speed"], 80, 500),
        (shock["neutral_share"], 0.08, 0.25),
    ):
        span = high - low
        assert low <= values.min() < low + 0.01 * span
        assert high - 0.01 * span < values.max() <= high
        assert values.mean() == pytest.approx(low + span / 2, abs=0.01 * span)  # uniform
        assert values.std() == pytest.approx(span / np.sqrt(12), rel=0.02)
    assert -3.9 <= hii["log_u"].min() < -3.85
    assert -2.25 < hii["log_u"].max() <= -2.2
    assert np.polyfit(hii["log_oh"], hii["log_u"], 1)[0] == pytest.approx(-0.6, abs=0.1)
    assert (pn["doubly_ionised"] == 0).mean() == pytest.approx(0.25, abs=0.01)
    assert pn["log_no"].mean() == pytest.approx(-0.45, abs=0.01)
    assert pn["log_no"].std() == pytest.approx(0.3, abs=0.01)
    poor, rich = hii["log_oh"] < 8.02, hii["log_oh"] > 8.73  # Nicholls et al. 2017
    assert hii["log_no"][poor].mean() == pytest.approx(-1.47, abs=0.02)
    assert hii["log_no"][rich].mean() == pytest.approx(-0.98, abs=0.02)


def test_hii_regions_are_below_the_curve_of_kauffmann():
    ratios = bpt_ratios(drawn("hii").flux)
    assert (ratios.oiii < kauffmann(ratios.nii)).mean() > 0.96
    assert (ratios.oiii < kewley_nii(ratios.nii)).mean() > 0.995
    assert (ratios.oiii < kewley_sii(ratios.sii)).mean() > 0.995
    assert (ratios.oiii < kewley_oi(ratios.oi)).mean() > 0.99


def test_shocks_have_strong_sulphur_and_are_above_the_curve_of_kewley_in_oxygen():
    ratios = bpt_ratios(drawn("shock").flux)
    assert (10**ratios.sii > 0.4).mean() > 0.95
    assert (ratios.oiii > kewley_oi(ratios.oi)).mean() > 0.9
    assert ratios.sii.max() < 0.8


def test_shocks_below_100_km_s_have_no_doubly_ionised_oxygen():
    found = drawn("shock")
    ratios, speed = bpt_ratios(found.flux), found.parameters["speed"]
    assert np.median(ratios.oiii[speed < 85]) < np.median(ratios.oiii[speed > 150]) - 0.7


def test_planetary_nebulae_have_strong_doubly_ionised_oxygen():
    ratios = bpt_ratios(drawn("pn").flux)
    assert (ratios.oiii > 0.5).mean() > 0.98
    assert np.median(ratios.oiii) > 1
    assert np.quantile(ratios.oiii, 0.99) < 1.6
    hii = bpt_ratios(drawn("hii").flux)
    assert (ratios.oiii > np.quantile(hii.oiii, 0.99)).mean() > 0.9


def test_only_planetary_nebulae_and_fast_shocks_have_ionised_helium():
    assert not line(drawn("hii").flux, "HeII 5411").any()
    assert not line(drawn("dig").flux, "HeII 5411").any()
    assert (line(drawn("pn").flux, "HeII 5411") > 0.01).mean() > 0.5
    shocks = drawn("shock")
    assert not line(shocks.flux, "HeII 5411")[shocks.parameters["speed"] < 120].any()


def test_diffuse_gas_has_low_ionisation_lines_enhanced():
    dig, hii = bpt_ratios(drawn("dig").flux), bpt_ratios(drawn("hii").flux)
    for name, more in (("nii", 0.2), ("sii", 0.4), ("oi", 0.4)):
        assert np.median(getattr(dig, name)) > np.median(getattr(hii, name)) + more, name
    assert np.median(dig.oiii) < np.median(hii.oiii)
    helium = line(drawn("dig").flux, "HeI 5876") / line(drawn("dig").flux, "Ha 6563")
    assert 0.009 < helium.min() < helium.max() < 0.045


def test_density_sensitive_ratios_follow_the_density():
    for kind in CLASSES:
        found = drawn(kind)
        ratio = line(found.flux, "[SII] 6716") / line(found.flux, "[SII] 6731")
        density = found.parameters["density"]
        assert np.corrcoef(np.log10(density), ratio)[0, 1] < -0.9, kind
        assert 0.43 < ratio.min() < ratio.max() < 1.5, kind


def test_low_excitation_is_a_share_of_hii_regions():
    usual, tail = drawn("hii"), drawn("hii", low_excitation=1.0)
    assert (tail.parameters["log_u"] >= -4).all()
    assert (tail.parameters["log_u"] <= -3.4).all()
    assert bpt_ratios(tail.flux).oiii.max() < 0.3
    some = drawn("hii", low_excitation=0.3).parameters["log_u"]
    share = (some < -3.9).mean()  # which only the tail reaches: a sixth of it
    assert share == pytest.approx(0.3 / 6, abs=0.01)
    assert (usual.parameters["log_u"] >= -3.9).all()


def test_the_same_seed_gives_the_same_models_and_zero_models_are_accepted():
    for kind in CLASSES:
        np.testing.assert_array_equal(drawn(kind, 10).flux, drawn(kind, 10).flux)
        assert (drawn(kind, 10).flux != drawn(kind, 10, seed=1).flux).any()
        assert drawn(kind, 0).flux.shape == (0, 47)


@pytest.mark.parametrize(
    ("kind", "n", "low", "words"),
    [
        ("agn", 1, 0.0, "one of 'hii', 'pn', 'shock', 'dig'; got 'agn'"),
        ("hii", -1, 0.0, "at least 0"),
        ("hii", 1, 1.5, "at most 1"),
        ("pn", 1, 0.5, 'got class "pn"'),
    ],
)
def test_models_that_cannot_be_drawn_are_refused(kind, n, low, words):
    with pytest.raises(ValueError, match=words):
        drawn(kind, n, low_excitation=low)


# --- the spectra -------------------------------------------------------------------------------


def test_a_block_is_the_same_alone_in_an_iteration_and_after_pickling():
    stream = nebular_spectra(2 * BLOCK + 5, axis=SMALL, seed=3)
    assert (stream.n, len(stream), stream.axis) == (2 * BLOCK + 5, 3, SMALL)
    sent = pickle.loads(pickle.dumps(stream))
    for number, block in enumerate(stream):
        for one, two in zip(block, sent.block(number), strict=True):
            np.testing.assert_array_equal(one, two)
    assert block.spectra.shape == (5, 241)


def test_a_spectrum_does_not_depend_on_the_number_of_spectra():
    few = nebular_spectra(7, axis=SMALL, background=0.2, cross=0.3, seed=1).block(0)
    many = nebular_spectra(BLOCK, axis=SMALL, background=0.2, cross=0.3, seed=1).block(0)
    for one, two in zip(few, many, strict=True):
        np.testing.assert_array_equal(one, two[:7])


def test_seeds_and_blocks_are_independent():
    stream = nebular_spectra(2 * BLOCK, axis=SMALL, seed=0)
    first, second = stream.block(0), stream.block(1)
    other = nebular_spectra(2 * BLOCK, axis=SMALL, seed=1).block(0)
    for block in (second, other):
        assert (block.label != first.label).mean() > 0.6
        noise = [(each.spectra - each.expectation)[:500] for each in (first, block)]
        assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.02


def test_a_block_has_the_documented_shapes_and_types():
    block = nebular_spectra(10).block(0)
    assert block.spectra.shape == block.expectation.shape == (10, 3681)
    assert block.spectra.dtype == block.expectation.dtype == np.float32
    assert block.label.shape == block.sigma.shape == (10,)
    assert block.label.dtype == np.int64
    assert block.weight.shape == (10, 3)


@pytest.mark.parametrize("snr", [20, 5.0, (10, 100)])
def test_the_noise_is_gaussian_with_the_requested_snr(snr):
    """Measured on the spectra: the standard deviation about the expectation, the H alpha peak."""
    block = nebular_spectra(2000, snr, axis=SMALL).block(0)
    noise = block.spectra - block.expectation
    measured = noise.std(axis=1, ddof=1)  # of 241 channels: known within 4.6 %
    np.testing.assert_allclose(measured / block.sigma, 1, atol=0.25)
    assert (measured / block.sigma).mean() == pytest.approx(1, abs=0.005)
    scaled = noise / block.sigma[:, None]
    assert abs(scaled.mean()) < 0.01
    assert (np.abs(scaled) < 1).mean() == pytest.approx(0.6827, abs=0.005)
    near = np.abs(SMALL.values - 6562.82) < 4
    ratio = block.expectation[:, near].max(axis=1) / block.sigma
    low, high = snr if isinstance(snr, tuple) else (snr, snr)
    assert (ratio > low * 0.9999).all()
    assert (ratio < high * 1.0001).all()
    if low < high:
        assert np.log10(ratio).mean() == pytest.approx(1.5, abs=0.03)  # log-uniform in 10-100
        assert (ratio < 10**1.25).mean() == pytest.approx(0.25, abs=0.03)


def test_classes_are_equally_likely_and_labels_count_from_one_in_the_order_given():
    label = nebular_spectra(BLOCK, axis=SMALL, classes=("shock", "hii")).block(0).label
    assert set(label) == {1, 2}
    assert (label == 1).mean() == pytest.approx(0.5, abs=0.03)
    block = nebular_spectra(BLOCK, axis=SMALL, classes=("shock", "hii")).block(0)
    sulphur = block.expectation[:, np.abs(SMALL.values - 6724) < 15].sum(axis=1)
    alpha = block.expectation[:, np.abs(SMALL.values - 6562.82) < 6].sum(axis=1)
    shocks = (sulphur / alpha)[block.label == 1]
    assert (shocks > 0.4).mean() > 0.95  # as reddening leaves the ratio
    assert np.median((sulphur / alpha)[block.label == 2]) < 0.25
    assert set(nebular_spectra(50, axis=SMALL, classes="pn").block(0).label) == {1}


def test_without_cross_every_spectrum_is_of_one_class():
    block = nebular_spectra(500, axis=SMALL).block(0)
    np.testing.assert_array_equal(np.sort(block.weight, axis=1)[:, -1], 1)
    np.testing.assert_array_equal(block.weight.argmax(axis=1) + 1, block.label)


@pytest.mark.parametrize("cross", [0.3, 1.0])
def test_cross_is_the_share_of_spectra_of_two_classes_labelled_by_the_larger(cross):
    block = nebular_spectra(BLOCK, axis=SMALL, classes=CLASSES, cross=cross).block(0)
    mixed = (block.weight > 0).sum(axis=1) == 2
    assert mixed.mean() == pytest.approx(cross, abs=0.03)
    np.testing.assert_allclose(block.weight.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(block.weight.argmax(axis=1) + 1, block.label)
    larger = block.weight.max(axis=1)[mixed]
    assert larger.min() >= 0.5
    assert larger.mean() == pytest.approx(0.75, abs=0.02)  # a is uniform
    pairs = {tuple(np.flatnonzero(row)) for row in block.weight[mixed]}
    assert len(pairs) == 6


@pytest.mark.parametrize("background", [0.25, 1.0])
def test_background_is_the_share_of_spectra_of_noise_alone(background):
    block = nebular_spectra(BLOCK, axis=SMALL, background=background).block(0)
    empty = block.label == 0
    assert empty.mean() == pytest.approx(background, abs=0.025)
    assert not block.expectation[empty].any()
    assert not block.weight[empty].any()
    assert block.expectation[~empty].any(axis=1).all()
    measured = block.spectra[empty].std(axis=1)
    np.testing.assert_allclose(measured / block.sigma[empty], 1, atol=0.25)
    if background < 1:  # as strong as that of the others
        spread = np.log(block.sigma)
        assert spread[empty].mean() == pytest.approx(spread[~empty].mean(), abs=0.1)


def test_lines_are_reddened_shifted_and_broadened_within_the_documented_ranges():
    axis = nebular_axis()
    block = nebular_spectra(BLOCK, 50, classes=("hii",)).block(0)
    alpha, beta = (
        block.expectation[:, np.abs(axis.values - at) < 6].sum(axis=1) for at in (6562.82, 4861.33)
    )
    # a decrement of 2.75-3.0 before, and up to 1.485 times that after E(B-V) = 0.4
    assert 2.7 < (alpha / beta).min() < 2.95
    assert 4.1 < (alpha / beta).max() < 3.05 * 1.4855
    k = extinction(line_wavelengths()[line_labels().index("Hb 4861")])
    assert beta.max() == pytest.approx(1, abs=0.01)  # the unit is H beta before reddening
    assert beta.min() == pytest.approx(10 ** (-0.4 * 0.4 * k), abs=0.01)

    near = np.abs(axis.values - 4861.33) < 12
    weight = block.expectation[:, near].astype(np.float64) / beta[:, None]
    mean = weight @ axis.values[near] / weight.sum(axis=1)
    velocity = (mean / 4861.33 - 1) * 299_792.458
    assert np.abs(velocity).max() == pytest.approx(30, abs=0.5)
    assert abs(velocity.mean()) < 1
    sd = np.sqrt(
        (weight * (axis.values[near] - mean[:, None]) ** 2).sum(axis=1) / weight.sum(axis=1)
    )
    instrument = np.hypot(2.960 / 2.3548, 1.25 / np.sqrt(12))
    assert sd.min() == pytest.approx(np.hypot(instrument, 4861.33 * 10 / 299_792.458), rel=0.01)
    assert sd.max() == pytest.approx(np.hypot(instrument, 4861.33 * 80 / 299_792.458), rel=0.01)


def test_low_excitation_weakens_doubly_ionised_oxygen():
    axis = nebular_axis(4800, 6600)
    found = []
    for share in (0.0, 1.0):
        block = nebular_spectra(1000, 50, classes=("hii",), axis=axis, low_excitation=share).block(
            0
        )
        oiii = block.expectation[:, np.abs(axis.values - 5006.84) < 6].sum(axis=1)
        beta = block.expectation[:, np.abs(axis.values - 4861.33) < 6].sum(axis=1)
        found.append(np.median(oiii / beta))
    assert found[1] < found[0] / 4


def test_the_memory_is_that_of_a_few_blocks():
    tracemalloc.start()
    try:
        for _ in nebular_spectra(6 * BLOCK, axis=SMALL):
            pass
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 10 * BLOCK * len(SMALL) * 4


def test_ten_million_spectra_need_no_time_to_set_up():
    stream = nebular_spectra(10**7, axis=SMALL)
    assert len(stream) == 2442
    assert stream.block(2441).spectra.shape == (10**7 - 2441 * BLOCK, 241)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"n": -1}, ValueError, "number of spectra"),
        ({"snr": 0}, ValueError, "snr must be above 0"),
        ({"snr": (100, 10)}, ValueError, "a number or"),
        ({"snr": (1, 2, 3)}, TypeError, "snr must be a number"),
        ({"snr": np.nan}, ValueError, "finite"),
        ({"snr": "much"}, TypeError, "snr must be a number"),
        ({"classes": ()}, ValueError, "one or more different names"),
        ({"classes": ("hii", "hii")}, ValueError, "different"),
        ({"classes": ("hii", "agn")}, ValueError, "must be one of 'hii', 'pn', 'shock', 'dig'"),
        ({"cross": 1.5}, ValueError, "cross must be at most 1"),
        ({"cross": 0.5, "classes": ("hii",)}, ValueError, "mixes two classes"),
        ({"background": -0.1}, ValueError, "background must be at least 0"),
        ({"low_excitation": 2}, ValueError, "low_excitation must be at most 1"),
        ({"low_excitation": 0.1, "classes": ("pn", "dig")}, ValueError, "which is not used here"),
        ({"seed": -1}, ValueError, "seed"),
        ({"seed": 0.5}, TypeError, "seed"),
        ({"axis": nebular_axis(4800, 5000)}, ValueError, "does not contain"),
        ({"axis": Axis(np.arange(10.0), "keV")}, ValueError, "axis of wavelengths"),
    ],
)
def test_invalid_arguments_are_refused_before_any_spectrum_is_computed(change, error, words):
    given = {"n": 10} | change
    with pytest.raises(error, match=words):
        nebular_spectra(**given)
