"""Numbers of mean spectra, against spectra whose numbers are known."""

import numpy as np
import pytest

from spectessera.axis import Axis
from spectessera.naming.candidates import Candidate, Line, Naming, Peak
from spectessera.naming.numbers import (
    BALMER_DECREMENT,
    MEANINGS,
    electron_density,
    integrated_unit,
    quantities_of,
)
from spectessera.synth.nebulae.lines import extinction

ENERGY = Axis(np.linspace(1, 20, 400), unit="keV", kind="energy")
WAVE = Axis(np.arange(4700.0, 7200.0, 1.25), unit="angstrom", kind="wavelength", medium="air")


def peak(area, significance=50.0, position=5.0):
    return Peak(position, 0.01, 0.1, area, significance)


def nebula(reddening=0.0, density_ratio=1.0, significance=50.0, **more):
    """Return the naming of a nebula of known fluxes (Hb = 100) behind dust of known E(B-V)."""
    fluxes = {"Hb 4861": 100.0, "[OIII] 5007": 300.0, "Ha 6563": 100 * BALMER_DECREMENT,
              "[NII] 6583": 90.0, "[SII] 6716": 30.0 * density_ratio, "[SII] 6731": 30.0,
              **more}  # fmt: skip
    lines = []
    for name, flux in fluxes.items():
        place = float(name.split()[-1])
        seen = flux * 10 ** (-0.4 * reddening * float(extinction(place)))
        lines.append(Line(name, place, peak(seen / 1.25, significance, place)))
    return Naming((), (Candidate("gas", "line", 1.0, tuple(lines), ""),))


def by_name(naming, axis=WAVE, unit=""):
    return {each.name: each for each in quantities_of(naming, axis, unit)}


@pytest.mark.parametrize("reddening", [0.0, 0.3, 1.2])
def test_reddening_and_corrected_fluxes_are_those_of_the_nebula(reddening):
    found = by_name(nebula(reddening))
    assert found["E(B-V)"].value == pytest.approx(reddening, abs=1e-6)
    assert found["[OIII] 5007 / Hb"].value == pytest.approx(300, rel=1e-4)
    assert found["[NII] 6583 / Hb"].value == pytest.approx(90, rel=1e-4)
    assert found["Ha 6563 / Hb"].value == pytest.approx(286.3, rel=1e-4)
    assert found["log [NII]/Ha"].value == pytest.approx(np.log10(90 / 286.3), abs=0.01)


def test_errors_are_those_of_noisy_fluxes():
    """The scatter of what comes out of noisy lines is the error that is said."""
    generator = np.random.default_rng(0)
    naming = nebula(0.5, significance=25.0)
    told = by_name(naming)
    drawn = {name: [] for name in ("E(B-V)", "[NII] 6583 / Hb", "log [SII]/Ha", "Ha 6563 / Hb")}
    for _ in range(1500):
        lines = tuple(
            Line(e.name, e.position, peak(e.peak.area * (1 + generator.normal() / 25), 25.0))
            for e in naming.candidates[0].lines
        )
        own = by_name(Naming((), (Candidate("gas", "line", 1.0, lines, ""),)))
        for name, values in drawn.items():
            values.append(own[name].value)
    for name, values in drawn.items():
        assert np.std(values) == pytest.approx(told[name].error, rel=0.12, abs=1e-9), name


def test_without_dust_nothing_is_corrected():
    naming = nebula(0.0, **{"Ha 6563": 250.0})
    found = by_name(naming)
    assert found["E(B-V)"].value < 0
    assert "negative" in found["E(B-V)"].note
    assert found["[OIII] 5007 / Hb"].value == pytest.approx(300, rel=1e-6)


@pytest.mark.parametrize(
    ("ratio", "note"), [(1.0, ""), (0.45, "lower limit"), (1.6, "upper limit")]
)
def test_a_density_outside_of_the_range_is_a_limit(ratio, note):
    found = by_name(nebula(0.0, ratio, significance=100.0))
    assert found["n_e"].note == note
    if not note:
        assert found["n_e"].value == pytest.approx(electron_density(1.0), rel=1e-3)


def test_a_flux_is_an_integral_in_its_unit():
    found = by_name(nebula(), unit="1e-20 erg/s/cm2/angstrom")
    assert found["Hb 4861"].value == pytest.approx(100, rel=1e-6)
    assert found["Hb 4861"].unit == "1e-20 erg/s/cm2"
    assert integrated_unit("counts", "angstrom") == "counts angstrom"


def test_lines_that_are_not_resolved_count_once_and_shared_ones_only_alone():
    shared, own = peak(10.0, 5.0), peak(100.0, 50.0)
    copper = Candidate("Cu", "element", 1.0, (
        Line("Cu Ka", 8.0, own), Line("Cu La", 0.93, shared, "also Rh"),
        Line("Cu Lb", 0.95, shared, "also Rh"), Line("Cu Kb", 8.9, None)), "")  # fmt: skip
    lead = Candidate("Pb", "element", 1.0, (Line("Pb La", 10.5, peak(400.0, 40.0)),), "")
    found = by_name(Naming((), (copper, lead)), ENERGY)
    assert set(found) == {"Cu Ka", "Cu La", "Pb La", "Cu / Pb"}
    assert found["Cu La"].note == "also Rh; with Cu Lb"
    assert found["Cu / Pb"].value == pytest.approx(0.25)
    assert found["Cu / Pb"].error == pytest.approx(0.25 * np.hypot(1 / 50, 1 / 40))


def test_absorption_and_other_axes_have_no_numbers():
    dark = Naming((), (Candidate("H", "line", 1.0, (Line("Hb 4861", 4861.0, peak(-9.0)),), ""),))
    assert quantities_of(dark, WAVE) == []
    raman = Axis(np.arange(400.0, 500.0), unit="1/cm", kind="wavenumber")
    assert quantities_of(nebula(), raman) == []


def test_every_kind_says_what_it_is():
    kinds = {each.kind for each in quantities_of(nebula(), WAVE)}
    assert kinds <= set(MEANINGS)
    assert {"flux", "log ratio", "reddening", "relative flux", "density"} <= kinds
