"""Pigments of clusters: spectra of known pigments, and spectra of other materials."""

import numpy as np
import pytest

from spectessera.axis import Axis
from spectessera.naming.candidates import Candidate, Line, Naming, Peak
from spectessera.naming.pigments import match as pigmentmatch
from spectessera.naming.pigments.evidence import line_elements, own_lines
from spectessera.naming.pigments.match import Matching, inseparable, pigment_candidates
from spectessera.naming.pigments.templates import (
    coarsen,
    fit_mixture,
    shifted_templates,
    window_of,
)
from spectessera.synth.paint.modern import MODERN
from spectessera.synth.paint.palettes import Palette, assemble, load_palette
from spectessera.synth.paint.pigments import PIGMENTS
from spectessera.synth.xrf.templates import shipped

STORED = shipped()
AXIS = STORED.axis
# Pigments that X-ray fluorescence cannot separate (models.md), and the sulphides of arsenic.
INSEPARABLE = (
    {"parchment", "indigo", "carbon black"},
    {"lead white", "minium"},
    {"red ochre", "yellow ochre"},
    {"realgar", "orpiment"},
    {"azurite", "malachite", "verdigris"},
)


def expected(name: str, total: float, step: int = 4) -> np.ndarray:
    """Return the expected counts of a pigment."""
    spectrum = STORED.spectra[STORED.pigments.index(name), step]
    return spectrum / spectrum.sum() * total


def drawn(name: str, total: float, step: int = 4) -> np.ndarray:
    """Return counts of a pigment."""
    return np.random.default_rng(3).poisson(expected(name, total, step))


def peak(position: float) -> Peak:
    return Peak(position, 0.001, 0.15, 1e4, 100.0)


def naming_of(*elements: str) -> Naming:
    """Return a naming with these elements, each with one line."""
    candidates = [
        Candidate(name, "element", 1.0, (Line(f"{name} La", 10.0, peak(10.0)),), "")
        for name in elements
    ]
    return Naming(candidates=tuple(candidates))


@pytest.mark.parametrize("total", [4e4, 1e6])
@pytest.mark.parametrize("name", STORED.pigments)
def test_the_template_of_a_pigment_gets_its_name_first(name, total):
    best = pigment_candidates(drawn(name, total), 1, AXIS)[0]
    names = set(best.name.split(" or "))
    assert name in names
    assert best.kind == "pigment"
    assert 0.8 < best.score <= 1
    # No group contains pigments that X-ray fluorescence can separate.
    assert len(names) == 1 or any(names <= group for group in INSEPARABLE)


def test_pixels_of_several_thicknesses_and_of_a_neighbour_are_one_pigment():
    many = sum(expected("vermilion", 1e5, step) for step in (2, 4, 6)) / 3000
    few = expected("azurite", 2e4) / 3000
    best = pigment_candidates(many + few, 3000, AXIS)[0]
    assert best.name == "vermilion"
    assert "6 % of the counts are other pigments or background" in best.evidence


def test_another_axis_unit_and_calibration_change_nothing():
    energy = np.linspace(38.0, 0.2, 1500)  # falling, other channels
    counts = np.interp(energy, AXIS.values * 1.003 + 0.01, drawn("gold", 1e6))
    for axis in (Axis(energy, "keV"), Axis(energy * 1e3, "eV")):
        assert pigment_candidates(counts, 1, axis)[0].name == "gold"


def test_a_scan_that_ends_early_is_named_by_its_remaining_lines():
    short = AXIS.values < 16
    best = pigment_candidates(drawn("lead-tin yellow", 1e6)[short], 1, AXIS.take(short))[0]
    assert best.name == "lead-tin yellow"
    assert {line.name for line in best.lines if line.peak} == {"Pb La", "Sn La"}


def test_a_material_that_is_not_a_pigment_is_not_named():
    def lines(*elements):
        places = {"Fe": 6.4, "Cr": 5.41, "Ni": 7.47, "Mn": 5.9}
        shares = {"Fe": 0.7, "Cr": 0.2, "Ni": 0.08, "Mn": 0.02}
        shape = [
            shares[e] * np.exp(-0.5 * ((AXIS.values - places[e]) / 0.06) ** 2) for e in elements
        ]
        return np.sum(shape, axis=0) * 1e4 + 5.0

    assert pigment_candidates(lines("Fe", "Cr", "Ni", "Mn"), 10, AXIS) == ()  # steel


def test_an_equal_mixture_of_two_pigments_is_named_as_both():
    mixture = expected("azurite", 5.5e4) + expected("vermilion", 4.5e4)
    best, *_ = pigment_candidates(mixture, 1, AXIS)
    first, second = best.name.split(" with ")
    assert (set(first.split(" or ")), second) == (INSEPARABLE[4], "vermilion")
    assert best.score > 0.9
    assert {"Cu Ka", "Hg La"} <= {line.name for line in best.lines}
    assert "55 % of the counts are azurite" in best.evidence


def test_a_mixture_of_three_pigments_is_not_named():
    mixture = sum(expected(name, 4e4) for name in ("azurite", "vermilion", "green earth"))
    assert pigment_candidates(mixture, 1, AXIS) == ()


def test_paint_on_a_third_of_bare_parchment_is_not_a_pure_pigment():
    """It looked like lead-tin yellow, with a tenth of other materials."""
    names = ("parchment", "lead white", "lead-tin yellow")
    mixture = sum(expected(name, 4e4) for name in names)
    best, *others = pigment_candidates(mixture, 1, AXIS)
    assert best.name.endswith(" with parchment")
    assert all(each.score < 0.1 for each in others)


def test_lead_tin_yellow_is_not_named_without_tin():
    counts = drawn("lead-tin yellow", 1e6)
    with_tin, without = naming_of("Pb", "Sn"), naming_of("Pb")
    assert pigment_candidates(counts, 1, AXIS, naming=with_tin)[0].name == "lead-tin yellow"
    named = [each.name for each in pigment_candidates(counts, 1, AXIS, naming=without)]
    assert not any("lead-tin yellow" in each for each in named)


@pytest.mark.parametrize("name", ["vermilion", "lead white", "azurite"])
def test_with_a_calibration_wrong_by_three_per_cent_no_pigment_is_named(name):
    stretched = Axis(AXIS.values * 1.03, "keV")
    assert pigment_candidates(drawn(name, 1e5), 1, stretched) == ()


def test_a_pigment_has_its_detected_lines():
    best = pigment_candidates(drawn("vermilion", 1e6), 1, AXIS)[0]
    assert {line.name for line in best.lines if line.peak} == {"Hg La", "S Ka"}
    assert best.evidence.startswith("Hg La, S Ka detected")


def test_a_pigment_without_its_main_element_is_not_a_candidate():
    counts = drawn("vermilion", 1e6)
    assert pigment_candidates(counts, 1, AXIS, naming=naming_of("Pb")) == ()
    best = pigment_candidates(counts, 1, AXIS, naming=naming_of("Hg"))[0]
    assert best.name == "vermilion"
    assert [line.name for line in best.lines if line.peak] == ["Hg La"]
    assert "S Ka not detected" in best.evidence


def test_pigments_without_lines_say_so():
    best = pigment_candidates(drawn("carbon black", 1e6), 1, AXIS)[0]
    assert "carbon black" in best.evidence
    assert "no characteristic lines, only those of parchment" in best.evidence


def test_scores_are_probabilities_and_the_best_is_first():
    found = pigment_candidates(
        drawn("realgar", 400), 1, AXIS, settings=Matching(least_score=0.0, worst_misfit=1.0)
    )
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) <= 1 + 1e-9


def test_fewer_effective_counts_make_larger_groups():
    counts = drawn("verdigris", 1e6)
    exact = pigment_candidates(counts, 1, AXIS, settings=Matching(most_counts=np.inf))
    usual = pigment_candidates(counts, 1, AXIS)
    assert exact[0].name == "verdigris"
    assert set(usual[0].name.split(" or ")) == INSEPARABLE[4]


def test_a_palette_is_given_as_such_or_by_name():
    counts = drawn("gold", 1e5)
    assert pigment_candidates(counts, 1, AXIS, palette="choirbook")[0].name == "gold"
    assert pigment_candidates(counts, 1, AXIS, palette=load_palette("icon"))[0].name == "gold"
    assert pigment_candidates(counts, 1, AXIS, palette="baroque-canvas") == ()


def test_a_palette_of_plain_spectra_has_no_known_lines():
    two = load_palette("choirbook")
    plain = Palette("plain", ("a", "b"), two.rgb[:2], AXIS, np.ones(1), two.nominal[2:4, None])
    best = pigment_candidates(drawn("vermilion", 1e5), 1, AXIS, palette=plain)[0]
    assert (best.name, best.lines) == ("a", ())
    assert "formula unknown" in best.evidence


def test_modern_pigments_are_known_with_xraylib(monkeypatch):
    pytest.importorskip("xraylib")
    monkeypatch.setattr(pigmentmatch, "MODERN", MODERN[:1])  # one pigment only, as all take seconds
    pigmentmatch._built_in.cache_clear()
    assert MODERN[0].name == "zinc white"
    spectrum = assemble("zinc", [MODERN[0]]).nominal[0]
    assert pigment_candidates(spectrum * 100, 1, AXIS) == ()  # not among the 24
    assert pigment_candidates(spectrum * 100, 1, AXIS, palette="known")[0].name == "zinc white"
    pigmentmatch._built_in.cache_clear()


def test_groups_shrink_with_counts_and_cover_the_palette():
    few, many = inseparable("all", 400), inseparable("all", 1e6)
    for groups in (few, many):
        assert sorted(name for group in groups for name in group) == sorted(PIGMENTS)
    assert {frozenset(group) for group in few if len(group) > 1} == set(map(frozenset, INSEPARABLE))
    assert [group for group in many if len(group) > 1] == [("azurite", "malachite")]


def test_a_limit_of_the_effective_counts_keeps_the_groups():
    groups = inseparable("all", 1e9, most_counts=3000)
    assert {frozenset(group) for group in groups if len(group) > 1} == set(
        map(frozenset, INSEPARABLE)
    )


def test_a_template_classifier_is_wrong_in_five_per_cent_at_the_threshold():
    """Counts times divergence at the threshold: the other template wins in 5 % of the draws."""
    one, other = (expected(name, 1.0) for name in ("lead white", "minium"))
    ratio = np.log(one / other)
    total = 5.41 / (one @ ratio)
    wins = np.random.default_rng(0).poisson(one * total, (4000, len(one))) @ ratio
    wins -= total * (one.sum() - other.sum())
    assert 0.035 < np.mean(wins < 0) < 0.065


def test_admixtures_stay_below_their_bound():
    mixture = expected("lead white", 7e4) + expected("azurite", 3e4)
    loose = Matching(admixture=0.4)
    best = pigment_candidates(mixture, 1, AXIS, settings=loose)[0]
    assert set(best.name.split(" or ")) <= INSEPARABLE[1]
    assert " with " in pigment_candidates(mixture, 1, AXIS)[0].name


def test_a_mixture_is_fitted_with_its_shares():
    window = coarsen(window_of(np.ones(len(AXIS)), AXIS, AXIS))
    columns = shifted_templates(window, load_palette("choirbook")).pigments[2:4, 4]
    fit = fit_mixture(np.array([0.7, 0.3]) @ columns, columns, 1e-9)
    np.testing.assert_allclose(fit.shares, [0.7, 0.3], rtol=1e-6)
    assert abs(fit.divergence) < 1e-9


def test_characteristic_lines_exclude_those_of_the_support():
    palette = load_palette("gothic-book")

    def elements(name):
        lines = own_lines(palette, palette.pigments.index(name), 38.0)
        return {line.name.split()[0] for line in lines}

    assert elements("minium") == {"Pb"}
    assert elements("mosaic gold") == {"Sn", "S"}
    assert elements("indigo") == set()  # the calcium is that of the parchment
    assert line_elements(PIGMENTS["orpiment"]) == ("As", "S")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spectrum": np.ones(7)}, "has shape"),
        ({"spectrum": np.ones((2, 1024))}, "axes"),
        ({"spectrum": np.full(1024, np.nan)}, "finite"),
        ({"spectrum": np.full(1024, -1.0)}, "0 or more"),
        ({"spectrum": np.zeros(1024)}, "at least 100 counts"),
        ({"spectrum": np.full(1024, 1e-3)}, "at least 100 counts"),
        ({"pixels": 0}, "above 0"),
        ({"axis": Axis(np.arange(1024.0))}, "plain channels"),
        ({"axis": Axis(np.linspace(100, 200, 1024), "keV")}, "0 channels"),
        ({"palette": "no such"}, "unknown palette"),
    ],
)
def test_wrong_input_is_refused_with_a_clear_message(change, words):
    given = {"spectrum": drawn("gold", 1e4), "pixels": 1, "axis": AXIS, "palette": "all"} | change
    with pytest.raises(ValueError, match=words):
        pigment_candidates(**given)


def test_wrong_settings_are_refused_with_a_clear_message():
    with pytest.raises(ValueError, match="admixture"):
        Matching(admixture=0.9)
    with pytest.raises(ValueError, match="total_counts"):
        inseparable("all", 0)
    with pytest.raises(TypeError, match="real numbers"):
        pigment_candidates(np.array(["a"] * 1024), 1, AXIS)
