"""Elements of simulated paints are identified, others are not, and doubts are reported."""

import numpy as np
import pytest

from spectessera.axis import Axis
from spectessera.naming.candidates import Candidate, Naming
from spectessera.naming.xray.components import family_components, prepare
from spectessera.naming.xray.elements import XraySettings, name_xray
from spectessera.naming.xray.families import Response, columns, lines_at, table
from spectessera.naming.xray.solver import Solver
from spectessera.synth.xrf.detector import Detector, response
from spectessera.synth.xrf.templates import shipped

# Elements that must be identified in paint of nominal thickness, and those that may be: parchment
# and binder contain further elements.
MUST = {
    "parchment": "Ca Fe", "lead white": "Pb", "chalk": "Ca", "vermilion": "Hg", "minium": "Pb",
    "red ochre": "Fe Si Ca", "yellow ochre": "Fe Si Ca", "realgar": "As", "orpiment": "As",
    "lead-tin yellow": "Pb Sn", "gold": "Au", "mosaic gold": "Sn", "silver": "Ag Cu",
    "azurite": "Cu", "ultramarine": "Ca Si Fe", "smalt": "Co As Fe Bi Ni", "indigo": "Ca",
    "malachite": "Cu", "verdigris": "Cu", "green earth": "Fe K Si", "brazilwood lake": "Ca K",
    "iron gall ink": "Fe Cu Zn", "carbon black": "Ca", "bone black": "Ca P",
}  # fmt: skip
MAY = {
    "lead white": "", "vermilion": "S", "minium": "", "red ochre": "Al", "yellow ochre": "Al",
    "realgar": "S", "orpiment": "S", "gold": "Ag Cu", "mosaic gold": "S", "silver": "",
    "ultramarine": "Na Al Mg", "smalt": "Si", "green earth": "Mg Al", "brazilwood lake": "Al",
}  # fmt: skip
ALWAYS = {"Ca", "Cl", "K", "S", "Fe", "Si"}
LIKELY = 0.5


def counts_of(pigment: str, total: float, factor: int = 4, seed: int = 0) -> np.ndarray:
    known = shipped()
    expected = known.spectra[known.pigments.index(pigment), factor]
    generator = np.random.default_rng(seed)
    return generator.poisson(expected / expected.sum() * total).astype(float)


def named(counts: np.ndarray, gain: float = 1.0, settings: XraySettings | None = None) -> Naming:
    axis = Axis(shipped().axis.values * gain, "keV")
    return name_xray(counts, np.sqrt(counts), axis, settings)


def likely(naming: Naming) -> set[str]:
    return {each.name for each in naming.of_kind("element") if each.score >= LIKELY}


@pytest.mark.parametrize(
    ("pigment", "total"),
    [*((name, 4e4) for name in MUST), *((name, 1e9) for name in ("smalt", "minium", "gold"))],
)
def test_elements_of_a_pigment_are_identified_and_no_others(pigment, total):
    naming = named(counts_of(pigment, total))
    must, may = set(MUST[pigment].split()), set(MAY.get(pigment, "").split()) | ALWAYS
    found = likely(naming)
    assert naming.warnings == ()
    assert found <= must | may
    assert must <= found


def test_every_candidate_has_a_peak_of_the_spectrum():
    naming = named(counts_of("smalt", 1e7))
    assert naming.candidates
    for candidate in naming.candidates:
        seen = [line.peak for line in candidate.lines if line.peak is not None]
        assert seen
        assert set(seen) <= set(naming.peaks)
        assert candidate.evidence
        assert 0 <= candidate.score <= 1


@pytest.mark.parametrize("gain", [0.97, 1.03])
@pytest.mark.parametrize("pigment", ["azurite", "lead white"])
def test_a_wrong_calibration_is_reported_and_no_element_named(pigment, gain):
    naming = named(counts_of(pigment, 1e7), gain)
    (warning,) = naming.warnings
    assert warning.code == "W-NAME-CALIBRATION"
    factor = float(warning.text.split("multiplied by ")[1].split(":")[0])
    assert factor == pytest.approx(1 / gain, abs=0.006)
    assert naming.of_kind("element") == ()
    assert naming.unexplained == naming.peaks


def test_lead_is_distinguished_from_arsenic_by_its_other_lines():
    naming = named(counts_of("minium", 1e6))
    lead = next(each for each in naming.candidates if each.name == "Pb")
    assert "As" not in likely(naming)
    names = {line.name for line in lead.lines if line.peak is not None}
    assert names >= {"Pb La", "Pb Lb", "Pb Lg"}
    orpiment = named(counts_of("orpiment", 1e6))
    assert "As" in likely(orpiment)
    assert "Pb" not in likely(orpiment)


def test_the_evidence_names_rejected_elements_and_blended_lines():
    sulfur = next(
        each for each in named(counts_of("parchment", 1e7)).candidates if each.name == "S"
    )
    assert "S Ka (2.31) rather than Pb Ma" in sulfur.evidence
    vermilion = named(counts_of("vermilion", 1e7))
    hidden = [each for each in vermilion.candidates if each.name == "S"]
    assert all(each.score < LIKELY and "together with Hg" in each.evidence for each in hidden)


def test_tube_lines_and_escape_peaks_belong_to_the_instrument():
    naming = named(counts_of("chalk", 1e7))
    instrument = {each.name: each for each in naming.of_kind("instrument")}
    assert {"Rh", "Rh Compton", "escape peaks"} <= set(instrument)
    assert any(line.name == "escape of Ca Ka" for line in instrument["escape peaks"].lines)
    assert naming.unexplained == ()


def test_a_given_anode_is_not_part_of_the_sample():
    counts = counts_of("azurite", 1e6)
    assert "Cu" in likely(named(counts))
    with_anode = named(counts, settings=XraySettings(anode="Cu"))
    assert "Cu" not in {each.name for each in with_anode.of_kind("element")}
    assert "Cu" in {each.name for each in with_anode.of_kind("instrument")}


def synthetic(parts: dict[tuple[str, str], float], level: float = 50.0) -> tuple[np.ndarray, Axis]:
    """Lines of families (symbol, shell) with these counts, on a falling background."""
    at = np.linspace(0.2, 20.0, 1500)
    found = level * np.exp(-at / 10)
    for family in table().families:
        if (family.symbol, family.shell) in parts:
            shapes, _ = columns(family, at, Response())
            found = found + parts[family.symbol, family.shell] * shapes.mean(axis=0)
    return np.random.default_rng(3).poisson(found).astype(float), Axis(at, "keV")


def test_sum_peaks_are_not_elements():
    at = np.linspace(0.2, 20.0, 1500)
    counts, axis = synthetic({("Fe", "K"): 1e6})
    (iron,) = [f for f in table().families if f.symbol == "Fe" and f.shell == "K"]
    shapes, _ = columns(iron, at, Response())
    folded = np.convolve(shapes.mean(axis=0), shapes.mean(axis=0))
    start = round(at[0] / (at[1] - at[0]))
    sums = np.zeros(len(at))
    sums[start:] = folded[: len(at) - start]
    counts = counts + np.random.default_rng(4).poisson(np.maximum(5e3 * sums, 0))
    naming = name_xray(counts, np.sqrt(counts), axis)
    assert likely(naming) == {"Fe"}
    (piled,) = [each for each in naming.of_kind("instrument") if each.name == "sum peaks"]
    assert "Fe Ka + Fe Ka" in {line.name for line in piled.lines}


def test_light_elements_and_families_of_two_shells_as_excited_by_electrons():
    parts = {("C", "K"): 5e3, ("O", "K"): 2e4, ("Al", "K"): 3e4, ("Cu", "K"): 4e3, ("Cu", "L"): 9e3}
    counts, axis = synthetic(parts)
    naming = name_xray(counts, np.sqrt(counts), axis)
    assert likely(naming) == {"C", "O", "Al", "Cu"}
    copper = next(each for each in naming.candidates if each.name == "Cu")
    assert {"Cu Ka", "Cu La"} <= {line.name for line in copper.lines if line.peak is not None}


@pytest.mark.parametrize("symbol", ["Ge", "Y", "Nb"])
def test_an_uncommon_element_alone_is_named_and_is_not_a_wrong_calibration(symbol):
    parts = {(symbol, "K"): 1e5, (symbol, "L"): 2e4}
    counts, axis = synthetic(parts)
    naming = name_xray(counts, np.sqrt(counts), axis)
    assert naming.warnings == ()
    assert symbol in {each.name for each in naming.candidates}


def measured(
    parts: dict[tuple[str, str], float],
    others: tuple[tuple[float, float], ...] = (),
    *,
    last: float = 10.0,
    noise: float = 0.1,
    offset: float = 0.0,
) -> tuple[np.ndarray, Axis]:
    """Families and other lines (energy, counts) in a detector with tails, and a wrong zero."""
    detector = Detector(
        noise=noise, tail=0.03, tail_length=0.3, escape=False, first=0.2, last=last,
        channels=round(100 * (last - 0.2)) + 1,
    )  # fmt: skip
    at = detector.axis.values
    expected = 30 * np.exp(-at / 3)
    for family in table().families:
        if (family.symbol, family.shell) in parts:
            area = parts[family.symbol, family.shell]
            expected = expected + area * (family.share @ response(detector, family.energy))
    for energy, area in others:
        expected = expected + area * response(detector, np.array([energy]))[0]
    expected += 1e-4 * np.cumsum((expected / at)[::-1])[::-1]  # a shelf below every count
    counts = np.random.default_rng(5).poisson(expected).astype(float)
    return counts, Axis(at + offset, "keV")


def test_tails_of_common_elements_are_not_rare_elements():
    """A feldspar in silver: Rb L 1.69 lies at the tail of Si K 1.74, Cd L at that of Ag L."""
    parts = {("Na", "K"): 1e4, ("Al", "K"): 3e4, ("Si", "K"): 1e5, ("Ag", "L"): 2e4}
    counts, axis = measured(parts, offset=-0.008)
    naming = name_xray(counts, np.sqrt(np.maximum(counts, 1)), axis)
    assert {each.name for each in naming.of_kind("element")} == {"Na", "Al", "Si", "Ag"}
    assert "also Rb" not in str(naming)


def test_rubidium_is_named_by_its_k_lines_beside_silicon():
    parts = {("Si", "K"): 1e5, ("Rb", "L"): 2e3, ("Rb", "K"): 2e4}
    counts, axis = measured(parts, last=18.0)
    naming = name_xray(counts, np.sqrt(np.maximum(counts, 1)), axis)
    assert likely(naming) == {"Si", "Rb"}


def test_lines_that_are_not_in_the_table_of_a_present_element_are_not_another_one():
    """M lines of barium at 0.78 keV are too soft for the table; Co L is there."""
    counts, axis = measured({("Ba", "L"): 1e6, ("S", "K"): 2e5}, ((0.78, 3e4),), noise=0.0625)
    naming = name_xray(counts, np.sqrt(np.maximum(counts, 1)), axis)
    assert likely(naming) == {"Ba", "S"}
    cobalt = [each.evidence for each in naming.of_kind("element") if each.name == "Co"]
    assert all("Ba has a line there, too" in each for each in cobalt)


def test_unit_and_direction_of_the_axis_do_not_change_the_naming():
    counts = counts_of("azurite", 1e6)
    one = named(counts)
    energy = shipped().axis.values
    other = name_xray(
        counts[::-1], np.sqrt(counts[::-1]), Axis(1000 * energy[::-1], "eV"), XraySettings()
    )
    assert [each.name for each in other.candidates] == [each.name for each in one.candidates]
    assert other.peaks[-1].position == pytest.approx(1000 * one.peaks[0].position, rel=1e-9)
    assert named(counts) == one  # deterministic


def test_a_mean_spectrum_has_the_same_elements_as_its_sum():
    counts = counts_of("smalt", 1e6)
    mean = name_xray(counts / 1000, np.sqrt(counts) / 1000, shipped().axis)
    assert likely(mean) == likely(named(counts))


def test_spectra_without_lines_have_no_names():
    axis = shipped().axis
    zero = np.zeros(len(axis))
    assert name_xray(zero, zero, axis) == Naming()
    for seed in range(5):
        flat = np.random.default_rng(seed).poisson(50.0, len(axis)).astype(float)
        assert likely(name_xray(flat, np.sqrt(flat), axis)) == set()
    one = Axis([3.0], "keV")
    assert name_xray(np.ones(1), np.ones(1), one) == Naming()


def test_invalid_spectra_and_axes_are_refused():
    axis = shipped().axis
    bad = np.ones(len(axis))
    bad[7] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        name_xray(bad, np.ones(len(axis)), axis)
    with pytest.raises(ValueError, match="energy"):
        name_xray(np.ones(9), np.ones(9), Axis(np.arange(9.0), "nm"))
    with pytest.raises(ValueError, match="calibrate"):
        name_xray(np.ones(9), np.ones(9), Axis(np.arange(9.0)))
    with pytest.raises(ValueError, match="negative"):
        name_xray(np.ones(len(axis)), -np.ones(len(axis)), axis)
    with pytest.raises(ValueError, match="anode"):
        XraySettings(anode="Unobtainium")
    with pytest.raises(ValueError, match="beam"):
        XraySettings(beam=-1.0)


def test_the_table_has_the_published_energies():
    """Bearden 1967 (Rev. Mod. Phys. 39, 78), in keV."""
    known = {
        ("Fe", "K", "Ka"): 6.40, ("Cu", "K", "Kb"): 8.905, ("Pb", "L", "La"): 10.54,
        ("Hg", "L", "La"): 9.98, ("Pb", "M", "Ma"): 2.345, ("C", "K", "Ka"): 0.277,
    }  # fmt: skip
    found = {
        (family.symbol, family.shell, group.name): group.energy
        for family in table().families
        for group in family.groups
    }
    for key, energy in known.items():
        assert found[key] == pytest.approx(energy, abs=0.015)


def test_lines_are_the_sum_of_their_gaussians_added_one_by_one_bit_by_bit():
    energy = np.array([3.0, 3.05, 6.4, 6.41, 19.99, 40.0, -1.0])
    share = np.array([0.3, 0.2, 1.0, 0.1, 0.7, 0.5, 0.5])
    at, response = np.linspace(0.5, 20.0, 700), Response(noise=0.09, gain=1.002, offset=0.01)
    expected, step = np.zeros(700), (at[-1] - at[0]) / 699
    for place, sigma, part in zip(
        response.observed(energy), response.width(energy) / (2 * np.sqrt(2 * np.log(2))), share,
        strict=True,
    ):  # fmt: skip
        near = slice(*np.searchsorted(at, [place - 5 * sigma, place + 5 * sigma]))
        height = part * step / (np.sqrt(2 * np.pi) * sigma)
        expected[near] += height * np.exp(-(((at[near] - place) / sigma) ** 2) / 2)
    drawn = lines_at(energy, share, at, response)
    assert np.count_nonzero(drawn) > 50
    np.testing.assert_array_equal(drawn, expected)


def test_a_solver_gives_the_same_fit_again_and_another_for_other_components():
    at, response = np.linspace(0.5, 15.0, 500), Response()
    families = [each for each in table().families if each.symbol in ("Fe", "Cu")]
    components = [each for each in family_components(families, at, response) if each.columns.any()]
    counts = 5.0 + 300 * sum(each.columns[0] / each.columns.max() for each in components)
    solver = Solver(prepare(at, counts, np.sqrt(counts), response), components)
    everything = list(range(len(components)))
    chi2, value = solver.solve(everything)
    again, same = solver.solve(everything)
    assert (again, same.tolist()) == (chi2, value.tolist())
    assert solver.solve(everything[1:])[0] > chi2
    with pytest.raises(ValueError, match="read-only"):
        value[0] = 1.0


def test_lead_has_the_line_that_bismuth_could_be_taken_for():
    """L3-O4,5 (L beta 5), 13.0146 keV in Bearden 1967 (Rev. Mod. Phys. 39, 78)."""
    (lead,) = [f for f in table().families if f.symbol == "Pb" and f.shell == "L"]
    (near,) = np.flatnonzero(np.abs(lead.energy - 13.0146) < 0.004)
    main = lead.share[np.abs(lead.energy - 10.551) < 0.002].sum()
    assert 0.02 < lead.share[near] / main < 0.03


def lines_of(symbols: dict[str, float], noise: float, total: float, shares=None) -> np.ndarray:
    """Return counts of K lines on an axis to 20 keV; ``shares`` leaves lines of them out."""
    energy, response_of = np.arange(-47, 2000) * 0.01, Response(noise=noise)
    expected = np.full(len(energy), 1e-4)
    for symbol, amount in symbols.items():
        family = next(f for f in table().families if f.symbol == symbol and f.shell == "K")
        kept = np.array([shares is None or each in shares for each in family.group])
        expected += amount * lines_at(family.energy[kept], family.share[kept], energy, response_of)
    return np.random.default_rng(0).poisson(expected / expected.sum() * total).astype(float)


def one_of(counts: np.ndarray, name: str) -> Candidate:
    axis = Axis(np.arange(-47, 2000) * 0.01, "keV")
    naming = name_xray(counts, np.sqrt(counts), axis, None)
    return next(each for each in naming.candidates if each.name == name)


@pytest.mark.parametrize("total", [1e5, 1e7])
@pytest.mark.parametrize("noise", [0.04, 0.06])
def test_a_line_that_is_lost_in_a_stronger_one_of_its_element_is_not_missing(noise, total):
    silicon = one_of(lines_of({"Si": 1.0, "O": 0.5}, noise, total), "Si")
    (beta,) = (line for line in silicon.lines if line.name == "Si Kb")
    assert beta.peak is None
    assert beta.note == "hidden by the peak at 1.74 keV"
    assert silicon.score > 0.999


def test_a_line_of_its_own_that_is_not_there_is_missing():
    whole = one_of(lines_of({"Fe": 1.0}, 0.06, 1e5), "Fe")
    assert [line.name for line in whole.lines if line.peak is not None] == ["Fe Ka", "Fe Kb"]
    counts = lines_of({"Fe": 1.0}, 0.06, 1e5, ("Ka",))
    alone = name_xray(counts, np.sqrt(counts), Axis(np.arange(-47, 2000) * 0.01, "keV"), None)
    assert "Fe" not in likely(alone)
