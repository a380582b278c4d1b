"""Names of clusters, from spectra of known composition."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import spectessera as spt
from spectessera.axis import Axis
from spectessera.cube import spectral_axis, with_axis
from spectessera.naming.candidates import Candidate, Line, Naming, Peak
from spectessera.naming.names import (
    distinguishing_lines,
    lines_of,
    name_clusters,
    naming_warnings,
    title_of,
)
from spectessera.optical.redshift import fit_redshift
from spectessera.synth import load_palette
from spectessera.warning import make_warning

EXAMPLE = Path(__file__).parents[2] / "examples" / "data" / "abell478.fits.gz"


def result_of(spectra, axis, sizes, noise="counts"):
    """Return the variables of a result that naming needs; spectra is a list of (n, channel)."""
    means = np.stack([each.mean(axis=0) for each in spectra])
    spreads = np.stack([each.std(axis=0) for each in spectra])
    dims = ("cluster", "channel")
    result = xr.Dataset(
        {
            "mean_spectrum": (dims, means),
            "std_spectrum": (dims, spreads),
            "size": ("cluster", np.asarray(sizes)),
        },
        coords={"cluster": np.arange(1, len(spectra) + 1)},
        attrs={"confidence_noise": noise},
    )
    result["mean_spectrum"] = with_axis(result["mean_spectrum"], axis)
    return result


def painted(names, *, gain=1.0, pixels=300, counts=600.0, seed=0):
    """Return a result whose clusters are pigments; energies are multiplied by the gain."""
    palette = load_palette("choirbook")
    generator = np.random.default_rng(seed)
    spectra = []
    for name in names:
        at = palette.pigments.index(name)
        nominal = palette.spectra[at, np.abs(palette.factors - 1).argmin()]
        spectra.append(generator.poisson(counts * nominal / nominal.sum(), (pixels, nominal.size)))
    axis = Axis(palette.axis.values * gain, "keV")
    return result_of([each.astype(float) for each in spectra], axis, [pixels] * len(names))


def test_pigments_are_named_and_have_their_lines():
    result = painted(["vermilion", "azurite", "lead-tin yellow"])
    namings = name_clusters(result)
    assert "vermilion" in title_of(namings[0])
    assert "azurite" in title_of(namings[1])
    assert "lead-tin yellow" in title_of(namings[2])
    assert {"Hg", "Cu", "Sn"} <= {
        row["of"] for naming in namings for row in lines_of(naming) if row["significance"] > 5
    }
    for naming in namings:
        for candidate in naming.of_kind("pigment", "element"):
            assert any(line.peak is not None for line in candidate.lines)


def test_energies_that_are_wrong_by_three_per_cent_are_reported_and_nothing_is_named():
    result = painted(["azurite", "lead-tin yellow"], gain=1.03, pixels=3000)
    namings = name_clusters(result)
    assert [title_of(naming) for naming in namings] == ["", ""]
    assert any(each.code == "W-NAME-CALIBRATION" for each in naming_warnings(namings))


def miscalibrated(names, gains, sizes, pixels=1500):
    """Return a result whose clusters are pigments, each with its own error of the energies.

    A name of None is a cluster of a flat spectrum, without a peak.
    """
    palette = load_palette("choirbook")
    energy = palette.axis.values
    generator = np.random.default_rng(0)
    spectra = []
    for name, gain in zip(names, gains, strict=True):
        rate = np.ones(energy.size)
        if name is not None:
            nominal = palette.spectra[palette.pigments.index(name)]
            rate = nominal[np.abs(palette.factors - 1).argmin()]
        rate = np.interp(energy, energy * gain, rate)
        counts = generator.poisson(600 * rate / rate.sum(), (pixels, rate.size))
        spectra.append(counts.astype(float))
    return result_of(spectra, Axis(energy, "keV"), sizes)


@pytest.mark.parametrize(
    ("sizes", "named"),
    [((200, 100), True), ((100, 100), True), ((100, 150), False), ((100, 200), False)],
)
def test_names_are_withdrawn_where_the_energies_are_off_for_more_than_half_of_the_pixels(
    sizes, named
):
    """All pixels share one axis. It is right for vermilion and off by 3 per cent for azurite."""
    good, off = name_clusters(miscalibrated(["vermilion", "azurite"], [1.0, 1.03], sizes))
    assert title_of(off) == ""
    assert [each.code for each in off.warnings] == ["W-NAME-CALIBRATION"]
    if named:
        assert title_of(good) == "vermilion"
        assert good.warnings == ()
    else:
        assert good.candidates == ()
        assert good.unexplained == good.peaks
        assert len(good.peaks) > 3
        assert [each.code for each in good.warnings] == ["W-NAME-CALIBRATION-ELSEWHERE"]


def test_clusters_without_a_peak_have_no_part_in_the_majority():
    """Off for 200 pixels, right for 100; the 1000 pixels of a flat spectrum do not count."""
    result = miscalibrated(["vermilion", "azurite", None], [1.0, 1.03, 1.0], (100, 200, 1000))
    good, off, flat = name_clusters(result)
    assert [title_of(each) for each in (good, off, flat)] == ["", "", ""]
    assert [each.code for each in good.warnings] == ["W-NAME-CALIBRATION-ELSEWHERE"]
    assert flat.peaks == ()


def test_a_galaxy_cluster_has_its_lines_and_its_redshift():
    cube = spt.read(EXAMPLE).load()
    axis = spectral_axis(cube)
    values = cube.values.reshape(-1, len(axis)).astype(float)
    near = np.abs(axis.values - 7125.5) < 4
    flux = values[:, near].mean(axis=1) - np.median(values, axis=1)
    order = np.argsort(np.where(np.isfinite(values).all(axis=1), flux, -np.inf))
    bright = values[order[-120:]]
    result = result_of([bright[60:], bright[:60]], axis, [60, 60], noise="variance")
    for naming in name_clusters(result):
        assert abs(naming.redshift - 0.0857) < 0.0005
        seen = {row["line"] for row in lines_of(naming)}
        assert {"Ha 6563", "[NII] 6548", "[NII] 6583", "[SII] 6716", "[SII] 6731"} <= seen


def test_the_redshift_of_the_preprocessing_is_used():
    axis = Axis(np.linspace(6900, 7500, 480), "angstrom", medium="air")
    flat = np.random.default_rng(0).normal(10, 1, (50, 480))
    result = result_of([flat], axis, [50], noise="variance")
    result.attrs["provenance"] = '{"settings": {"preprocess": {"redshift": 0.0857}}}'
    (naming,) = name_clusters(result)
    assert not naming.of_kind("line", "class")


@pytest.mark.parametrize(
    "axis",
    [Axis(np.linspace(600, 1800, 200), "cm-1"), Axis(np.arange(200)), Axis([1.0, 2.0], "keV")],
    ids=["raman", "plain channels", "two channels"],
)
def test_clusters_on_other_axes_have_no_names(axis):
    spectra = np.random.default_rng(0).poisson(50, (30, len(axis))).astype(float)
    assert name_clusters(result_of([spectra], axis, [30])) == [Naming()]


def test_empty_clusters_have_no_name_and_single_pixels_have_one():
    result = painted(["vermilion", "azurite"])
    result["mean_spectrum"][1] = 0.0
    result["std_spectrum"][1] = 0.0
    result["size"][1] = 0
    named, empty = name_clusters(result)
    assert title_of(named)
    assert not empty.candidates
    alone = painted(["vermilion"], pixels=1, counts=1e5)
    assert "vermilion" in title_of(name_clusters(alone)[0])


def test_a_wrong_anode_and_a_result_without_spectra_are_refused():
    with pytest.raises(ValueError, match="anode"):
        name_clusters(painted(["vermilion"]), anode="Xx")
    with pytest.raises(ValueError, match="mean_spectrum"):
        name_clusters(xr.Dataset())


def test_two_clusters_are_distinguished_by_their_own_lines():
    result = painted(["vermilion", "azurite"])
    namings = name_clusters(result)
    found = distinguishing_lines(result, 1, 2, namings)
    strong = {line.name: sigma for line, sigma in found[:6]}
    assert any(name.startswith("Hg") and sigma > 5 for name, sigma in strong.items())
    assert any(name.startswith("Cu") and sigma < -5 for name, sigma in strong.items())
    assert distinguishing_lines(result, 1, 1, namings) == ()
    with pytest.raises(ValueError, match="no cluster 9"):
        distinguishing_lines(result, 1, 9)


def test_a_warning_is_reported_once_with_its_clusters():
    medium, unknown = make_warning("W-NAME-MEDIUM"), make_warning("W-NAME-REDSHIFT-UNKNOWN")
    one, other = Naming(warnings=(medium, unknown)), Naming(warnings=(medium,))
    of_all, of_one = naming_warnings([one, other], [4, 7])
    assert of_all == medium
    assert of_one.text == f"cluster 4: {unknown.text}"
    assert of_one.clusters == (4,)


def test_a_name_is_the_likely_pigment_else_elements():
    peak = Peak(1.0, 0.1, 0.1, 5.0, 9.0)
    lines = (Line("Fe Ka", 6.4, peak),)
    iron = Candidate("Fe", "element", 0.9, lines, "")
    ochre = Candidate("red ochre", "pigment", 0.3, lines, "")
    assert title_of(Naming(candidates=(ochre, iron))) == "Fe"
    assert title_of(Naming()) == ""


def test_a_title_has_only_candidates_of_a_score_of_one_half_or_more():
    """This holds for elements, ions, pigments and classes; at most four elements are given."""

    def candidate(name, kind, score):
        line = Line(f"{name} Ka", 6.4, Peak(6.4, 0.1, 0.1, 5.0, 9.0))
        return Candidate(name, kind, score, (line,), "")

    def titled(*rows):
        return title_of(Naming(candidates=tuple(candidate(*row) for row in rows)))

    elements = [("Fe", "element", 0.9), ("Cu", "element", 0.5), ("Zn", "element", 0.49)]
    assert titled(*elements) == "Fe, Cu"
    assert titled(("Zn", "element", 0.49)) == ""
    assert titled(("[NII]", "line", 0.7), ("[OI]", "line", 0.2)) == "[NII]"
    assert titled(("azurite", "pigment", 0.5), *elements) == "azurite"
    assert titled(("azurite", "pigment", 0.49), *elements) == "Fe, Cu"
    assert titled(("HII region", "class", 0.49), ("H", "line", 0.8)) == "H"
    assert titled(*((name, "element", 0.8) for name in ("Fe", "Cu", "Pb", "Hg", "Ca"))) == (
        "Fe, Cu, Pb, Hg"
    )
    assert titled(("night sky", "instrument", 0.9)) == ""


def test_of_many_elements_the_strongest_are_in_the_title():
    """Aluminium explains its peak better, but a silicate without silicon is no answer."""

    def element(name, score, significance):
        line = Line(f"{name} Ka", 1.7, Peak(1.7, 0.1, 0.1, 5.0, significance))
        missing = Line(f"{name} Kb", 1.8, None)
        return Candidate(name, "element", score, (line, missing), "")

    rows = [("O", 0.99, 79), ("Al", 0.98, 57), ("K", 0.97, 45), ("Na", 0.96, 26), ("Si", 0.95, 141)]
    candidates = tuple(element(*row) for row in rows)
    assert title_of(Naming(candidates=candidates)) == "Si, O, Al, K"
    assert title_of(Naming(candidates=candidates[1:])) == "Si, Al, K, Na"


def test_a_baseline_is_named_and_reported_too(tmp_path):
    """Its result has neither stability nor novelty."""
    palette = load_palette("choirbook")
    generator = np.random.default_rng(0)
    rates = palette.spectra[[2, 3], np.abs(palette.factors - 1).argmin()]
    rates = 500 * rates / rates.sum(axis=1, keepdims=True)
    values = generator.poisson(np.repeat(rates, 40, axis=0).reshape(8, 10, -1))
    cube = spt.make_cube(values.astype(np.uint16), energy=tuple(palette.axis.values[[0, -1]]))
    result = spt.baselines.cluster_cube(cube, "pca", clusters=spt.Clusters(2, 2))
    assert {"Hg", "Cu"} <= {row["of"] for each in name_clusters(result) for row in lines_of(each)}
    assert spt.report(result, tmp_path / "report.html").stat().st_size > 1e5


def test_two_residual_lines_of_the_night_sky_are_no_redshift():
    """OH at 8778 and 8827 angstrom, 1 : 3, look like the doublet of [NII] at z = 0.3408.

    Both lines lie on lines of the night sky, so neither is named as [NII]; a redshift without a
    line must not be claimed either.
    """
    axis = Axis(np.linspace(8600, 9000, 320), "angstrom", medium="air")
    generator = np.random.default_rng(0)
    spectra = []
    for height in (1.0, 0.6):
        left = sum(
            share * height * np.exp(-0.5 * ((axis.values - place) / 1.3) ** 2)
            for place, share in ((8778.33, 1), (8827.10, 3))
        )
        spectra.append(generator.normal(10 + left, 1.0, (7 * 9, 320)))
    result = result_of(spectra, axis, [63, 63], noise="variance")
    means = result["mean_spectrum"].values
    alike = fit_redshift(means, result["std_spectrum"].values / np.sqrt(63), axis)
    assert abs(alike.z - 0.3408) < 1e-4
    for naming in name_clusters(result):
        assert naming.redshift is None
        assert [each.name for each in naming.candidates] == ["night sky"]
        assert any(each.code == "W-NAME-REDSHIFT-UNKNOWN" for each in naming.warnings)


def test_smooth_reflectance_has_no_redshift():
    axis = Axis(np.linspace(400, 1000, 300), "nm")
    generator = np.random.default_rng(0)
    shapes = [1 / (1 + np.exp((at - axis.values) / 40)) for at in (520, 600)]
    spectra = [each * generator.normal(1, 0.005, (200, 300)) for each in shapes]
    for naming in name_clusters(result_of(spectra, axis, [200, 200], noise="residual")):
        assert naming.redshift is None
        assert not naming.of_kind("line", "class")


def test_the_anode_of_the_result_is_used():
    result = painted(["vermilion"], pixels=3000)
    result.attrs["anode"] = "Xx"
    with pytest.raises(ValueError, match="anode"):
        name_clusters(result)


@pytest.mark.parametrize("level", [0.0, 100.0])
def test_there_is_no_absorption_without_a_continuum(level):
    axis = Axis(np.arange(5500.0, 7000.0, 1.25), "angstrom", medium="air")
    generator = np.random.default_rng(0)

    def line(place, height, sigma=2.5):
        return height * np.exp(-0.5 * ((axis.values - place) / sigma) ** 2)

    lines = line(6562.8, 60) + line(6583.4, 30) + line(6548.0, 10)
    lines -= line(5889.95, 15) + line(5895.92, 15)
    spectra = generator.normal(level + lines, 2.0, (100, len(axis)))
    (naming,) = name_clusters(result_of([spectra], axis, [100], noise="variance"), redshift=0.0)
    assert "H" in {each.name for each in naming.candidates}
    assert any(each.name == "Na (stars)" for each in naming.candidates) == (level > 0)


def test_reflectance_of_coarse_channels_has_no_remarks_on_redshift_air_or_sky():
    """Steps of an edge look like lines, 5 nm apart."""
    axis = Axis(np.linspace(400, 1000, 120), "nm")
    generator = np.random.default_rng(0)
    bands = 0.05 * np.exp(-0.5 * ((axis.values - 557.7) / 5) ** 2)
    spectra = [0.3 + sign * bands + generator.normal(0, 0.003, (200, 120)) for sign in (1, -1)]
    bright, dark = name_clusters(result_of(spectra, axis, [200, 200], noise="residual"))
    assert bright == Naming()
    assert [(each.kind, round(each.position)) for each in dark.bands] == [("absorption", 558)]
    assert replace(dark, bands=()) == Naming()


def test_smooth_light_of_fine_channels_has_no_remarks_on_redshift_and_air():
    axis = Axis(np.linspace(500, 700, 500), "nm")
    spectra = [np.random.default_rng(k).normal(10 + k, 0.5, (100, 500)) for k in range(2)]
    for naming in name_clusters(result_of(spectra, axis, [100, 100], noise="variance")):
        assert naming.warnings == ()


def test_an_undecided_class_of_gas_is_no_name():
    line = Line("Ha 6563", 6563.0, Peak(6563.0, 0.1, 3.0, 100.0, 30.0))
    candidates = (
        Candidate("shock or LINER", "class", 0.55, (line,), ""),
        Candidate("H", "line", 0.9, (line,), ""),
    )
    undecided = make_warning("W-NAME-GAS-UNDECIDED", {"why": ""})
    assert title_of(Naming((), candidates)) == "shock or LINER"
    assert title_of(Naming((), candidates, warnings=(undecided,))) == "H"
