"""Diagnostic ratios and curves against values computed by hand."""

import numpy as np
import pytest

from spectessera.synth.nebulae.bpt import bpt_ratios, kauffmann, kewley_nii, kewley_oi, kewley_sii
from spectessera.synth.nebulae.lines import line_labels


def models(**fluxes):
    flux = np.zeros((1, 47))
    for name, value in {"Hb 4861": 1.0, "Ha 6563": 2.86}.items():
        flux[0, line_labels().index(name)] = value
    for name, value in fluxes.items():
        flux[0, line_labels().index(name)] = value
    return flux


def test_ratios_are_decimal_logarithms_of_the_right_lines():
    flux = models(
        **{"[NII] 6583": 0.286, "[NII] 6548": 9.0, "[SII] 6716": 1.0, "[SII] 6731": 1.86,
           "[OI] 6300": 0.0286, "[OI] 6364": 9.0, "[OIII] 5007": 100.0, "[OIII] 4959": 9.0}
    )  # fmt: skip
    found = bpt_ratios(flux)
    np.testing.assert_allclose([each[0] for each in found], [-1, 0, -2, 2], atol=1e-6)


def test_a_line_that_is_absent_is_minus_infinity_and_below_every_curve():
    found = bpt_ratios(models(**{"[NII] 6583": 0.286}))
    assert found.oiii[0] == found.oi[0] == -np.inf
    assert found.oiii[0] < kauffmann(found.nii)[0]


def test_fewer_lines_in_another_order_are_accepted():
    names = ("[OIII] 5007", "Ha 6563", "Hb 4861", "[NII] 6583", "[SII] 6731", "[SII] 6716",
             "[OI] 6300")  # fmt: skip
    found = bpt_ratios([[20.0, 2.0, 2.0, 0.2, 1.0, 1.0, 0.02]], names)
    np.testing.assert_allclose([each[0] for each in found], [-1, 0, -2, 1], atol=1e-6)


def test_the_curves_pass_through_points_computed_by_hand():
    assert kauffmann(-0.56) == pytest.approx(0.3)  # 0.61 / -0.61 + 1.3
    assert kewley_nii(-0.14) == pytest.approx(0.19)  # 0.61 / -0.61 + 1.19
    assert kewley_sii(-0.40) == pytest.approx(0.3)  # 0.72 / -0.72 + 1.3
    assert kewley_oi(-1.32) == pytest.approx(0.33)  # 0.73 / -0.73 + 1.33


@pytest.mark.parametrize(
    ("curve", "asymptote"),
    [(kauffmann, 0.05), (kewley_nii, 0.47), (kewley_sii, 0.32), (kewley_oi, -0.59)],
)
def test_every_point_right_of_the_asymptote_is_above_the_curve(curve, asymptote):
    x = asymptote + np.array([-1.0, -1e-9, 0.0, 1e-9, 3.0])
    found = curve(x)
    assert np.isfinite(found[:2]).all()
    assert (np.diff(found[:2]) < 0).all()
    assert (found[2:] == -np.inf).all()


def test_the_curve_of_kauffmann_is_below_that_of_kewley_except_at_low_nitrogen():
    """The published curves cross near log [NII]/Ha = -1.3."""
    assert kauffmann(-2.0) > kewley_nii(-2.0)
    x = np.linspace(-1.2, 0, 50)
    assert (kauffmann(x) < kewley_nii(x)).all()


@pytest.mark.parametrize(
    ("flux", "labels", "words"),
    [
        (np.ones(47), None, r"2 axes \(n, line\)"),
        (np.ones((2, 30)), None, "shape"),
        (np.zeros((2, 47)), None, "above 0"),
        (np.ones((2, 2)), ("Ha 6563", "Hb 4861"), r"the ratios need \[NII\] 6583"),
    ],
)
def test_fluxes_without_ratios_are_refused(flux, labels, words):
    with pytest.raises(ValueError, match=words):
        bpt_ratios(flux, labels)
