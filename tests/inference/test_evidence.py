"""The number of clusters by evidence, in the whole program."""

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import uniform_filter1d
from typer.testing import CliRunner

import spectessera as spt
from spectessera import Clusters, SpectralSegmenter, Training, make_cube, segment
from spectessera.cli.app import app
from spectessera.evidence import BEYOND
from spectessera.htmlreport.text import how_chosen
from spectessera.io import write
from spectessera.network.modelfile import MODELS
from spectessera.segmenter.pretraining import recipe

EVIDENCE = Clusters(2, 6, criterion="evidence")


def cube_of(expected: np.ndarray, seed: int, kind: str):
    """Return a cube (24, 24, 40) of pixels with the expectation (24, 24, 40), by kind of noise."""
    generator = np.random.default_rng(seed)
    if kind == "counts":
        return make_cube(generator.poisson(expected).astype(np.uint16), energy=(1.0, 20.0))
    values = (expected + generator.standard_normal(expected.shape)).astype(np.float32)
    if kind == "variance":
        return make_cube(values, variance=np.ones_like(values))
    return make_cube(values)


def flat() -> np.ndarray:
    return np.broadcast_to(9 + 5 * np.sin(np.arange(40.0) / 5), (24, 24, 40))


def halves() -> np.ndarray:
    expected = flat().copy()
    expected[:, 12:, 10:14] += 12
    return expected


def trained(cube, **settings) -> SpectralSegmenter:
    return SpectralSegmenter(
        clusters=replace(EVIDENCE, **settings), training=Training(gamma=0.0, epochs=3)
    ).fit(cube)


@pytest.mark.parametrize("kind", ["counts", "variance"])
def test_noise_is_one_cluster_and_two_groups_are_two(kind):
    noise, groups = cube_of(flat(), 1, kind), cube_of(halves(), 2, kind)
    nothing = segment(noise, trained(noise))
    assert (nothing.attrs["n_clusters"], nothing.attrs["structure"] <= BEYOND) == (1, True)
    assert (nothing["label"].values == 1).all()
    found = segment(groups, trained(groups))
    assert (found.attrs["n_clusters"], found.attrs["structure"] > BEYOND) == (2, True)
    agree = (found["label"].values[:, 12:] == found["label"].values[0, 23]).mean()
    assert agree > 0.95
    assert found["gain"].values[0] > 10 * found["gain_error"].values[0]
    assert found["k"].values.tolist() == nothing["k"].values.tolist() == [2, 3, 4, 5, 6]


def test_a_faint_group_in_noise_of_mean_zero_is_not_one_cluster():
    """An eighth of the map at a distance of 3, which neighbours show."""
    values = np.random.default_rng(0).standard_normal((32, 32, 60)).astype(np.float32)
    values[:, :4, :25] += 0.6
    cube = make_cube(values, variance=np.ones_like(values))
    found = segment(cube, trained(cube), means=False)
    assert (found.attrs["neighbours"], found.attrs["n_clusters"] > 1) == (1, True)


def correlated(expected: np.ndarray, seed: int, axes: tuple[int, ...]):
    """Return a cube (24, 24, 40) of variance 1 whose noise is averaged over three neighbours."""
    noise = np.random.default_rng([seed, 3]).standard_normal(expected.shape)
    for axis in axes:
        noise = uniform_filter1d(noise, 3, axis=axis, mode="wrap") * np.sqrt(3)
    values = (expected + noise).astype(np.float32)
    return make_cube(values, variance=np.ones_like(values))


@pytest.mark.parametrize("axes", [(2,), (0, 1), (0, 1, 2)])
def test_correlated_noise_is_one_cluster_and_two_groups_in_it_are_two(axes):
    groups = flat() + 3 * (halves() - flat()) / 4
    noise, groups = correlated(flat(), 1, axes), correlated(groups, 2, axes)
    assert segment(noise, trained(noise)).attrs["n_clusters"] == 1
    found = segment(groups, trained(groups))
    assert found.attrs["n_clusters"] == 2
    assert (found["label"].values[:, 12:] == found["label"].values[0, 23]).mean() > 0.95


def test_chunks_change_nothing_where_noise_is_correlated():
    cube = correlated(halves(), 3, (0, 1, 2))
    segmenter = trained(cube)
    whole, parts = (segment(each, segmenter) for each in (cube, cube.chunk({"y": 7, "x": 5})))
    for name in ("label", "gain", "gain_error", "confidence"):
        np.testing.assert_array_equal(whole[name].values, parts[name].values)


def test_a_bin_of_pixels_is_one_measurement():
    """Sixteen pixels with one spectrum: noise of 36 bins, not structure of 576 pixels."""
    small = np.random.default_rng(4).standard_normal((6, 6, 40)) + flat()[:6, :6]
    values = np.repeat(np.repeat(small, 4, axis=0), 4, axis=1).astype(np.float32)
    cube = make_cube(values, variance=np.ones_like(values))
    result = segment(cube, trained(cube))
    assert (result.attrs["n_clusters"], result.attrs["neighbours"]) == (1, 0)


def test_one_cluster_has_a_silhouette_of_zero():
    noise = cube_of(flat(), 1, "counts")
    result = segment(noise, trained(noise), keep=["silhouette"])
    assert result.attrs["n_clusters"] == 1
    assert (result["silhouette"].values == 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_evidence_is_the_default_of_new_networks_and_of_the_models_that_ship(name):
    shipped = spt.load(name).config("clusters")
    kind = {"maxrf": "xrf"}.get(name, name)
    assert shipped.criterion == recipe(kind)["clusters"].criterion == "evidence"
    assert SpectralSegmenter().config("clusters").criterion == "evidence"


def test_the_answer_does_not_depend_on_the_chunks():
    cube = cube_of(halves(), 3, "counts")
    segmenter = trained(cube)
    whole, parts = segment(cube, segmenter), segment(cube.chunk({"y": 7, "x": 5}), segmenter)
    for name in ("label", "gain", "gain_error"):
        np.testing.assert_array_equal(whole[name].values, parts[name].values)
    assert whole.attrs["structure"] == parts.attrs["structure"]


def test_one_cluster_is_no_answer_where_more_are_wanted():
    noise = cube_of(flat(), 4, "counts")
    assert segment(noise, trained(noise, k_min=3)).attrs["n_clusters"] >= 3
    assert segment(noise, trained(noise), 4).attrs["n_clusters"] == 4


def test_other_criteria_write_no_gain():
    cube = cube_of(halves(), 5, "counts")
    result = segment(cube, trained(cube, criterion="stability"))
    assert "gain" not in result
    assert "structure" not in result.attrs


@pytest.mark.parametrize("what", ["noise not known", "few pixels", "variance too large"])
def test_without_evidence_the_result_is_that_of_stability_and_says_so(what):
    """Nothing is lost: neither the comparison of clusters with noise nor the words."""
    if what == "noise not known":  # of a list of spectra, which have no neighbours
        cube = make_cube(cube_of(halves(), 9, "residual").values.reshape(576, 1, 40))
    elif what == "few pixels":
        cube = cube_of(halves(), 6, "counts")[:5, 10:14]
    else:
        values = cube_of(flat(), 10, "residual")
        cube = make_cube(values.values, variance=np.full(values.shape, 4.0))
    by_evidence = trained(cube, k_max=3)
    by_stability = trained(cube, k_max=3, criterion="stability")
    default, stability = segment(cube, by_evidence), segment(cube, by_stability)
    assert default.attrs["criterion"] == stability.attrs["criterion"] == "stability"
    assert ("excess" in default) == (what != "noise not known")
    assert set(default.attrs) == set(stability.attrs)
    assert how_chosen(default) == how_chosen(stability)
    drawn = ("confidence", "excess")  # other pixels are drawn to learn the noise
    names = sorted(set(default.data_vars) - set(drawn))
    xr.testing.assert_equal(default[names], stability[names])


def test_the_criterion_of_a_result_is_what_chose():
    cube = cube_of(halves(), 5, "counts")
    segmenter = trained(cube)
    chosen = {what: segment(cube, segmenter, what).attrs["criterion"] for what in ("cube", 3)}
    assert chosen == {"cube": "evidence", 3: "given"}
    assert segment(cube, segmenter, "trained").attrs["criterion"] == "stability"
    assert "chosen by evidence" in title_of(segment(cube, segmenter))
    assert title_of(segment(cube, segmenter, 3)) == "3 clusters, given"


def title_of(result) -> str:
    return spt.plots.scores(result).axes[0].get_title()


# UMAP is compiled for each process that uses it: tests/baselines has this test of it.
@pytest.mark.parametrize("method", [each for each in spt.baselines.METHODS if each != "umap"])
def test_baselines_are_judged_by_evidence_too(method):
    # Groups that every method separates wholly: halves of those that overlap predict more.
    noise, groups = cube_of(flat(), 1, "counts"), cube_of(4 * halves(), 2, "counts")
    found = [
        spt.baselines.cluster_cube(each, method, clusters=EVIDENCE) for each in (noise, groups)
    ]
    if method in ("tsne", "gmm"):
        assert all("gain" not in each for each in found)
        return
    assert [each.attrs["n_clusters"] for each in found] == [1, 2]
    assert found[0].attrs["structure"] <= BEYOND < found[1].attrs["structure"]


@pytest.mark.parametrize("method", ["sqrt", "nmf"])
def test_noise_that_makes_values_negative_is_no_error_of_a_baseline(method):
    values = np.abs(cube_of(halves() / 9, 2, "residual").values)
    cube = make_cube(values, variance=np.ones_like(values))
    result = spt.baselines.cluster_cube(cube, method, clusters=EVIDENCE)
    assert result.attrs["criterion"] == "evidence"


def test_brightness_counts_where_spectra_are_not_normalised():
    expected = flat() * np.where(np.arange(24) < 12, 1.0, 4.0)[:, None]
    cube = cube_of(expected, 7, "counts")
    plain = SpectralSegmenter(
        preprocess=spt.Preprocess(normalise=None),
        clusters=replace(EVIDENCE, metric="euclidean"),
        training=Training(gamma=0.0, epochs=3),
    ).fit(cube)
    assert segment(cube, plain).attrs["n_clusters"] >= 2


def test_the_command_and_the_report_say_that_there_is_one(tmp_path):
    path = tmp_path / "noise.h5"
    write(cube_of(flat(), 8, "counts"), path)
    out = tmp_path / "out"
    arguments = ["--fit", "--k-max", "5", "--epochs", "2", "--also", "silhouette"]
    arguments += ["--out", str(out)]
    done = CliRunner().invoke(app, ["segment", str(path), *arguments])
    assert done.exit_code == 0, done.stderr
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["n_clusters"], summary["criterion"]) == (1, "evidence")
    assert "gain" in summary["scores"]["2"]
    done = CliRunner().invoke(app, ["report", str(out)])
    assert done.exit_code == 0, done.stderr
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "no groups beyond the noise" in page
    assert "differ by no more than noise" in page
    assert "W-K-UNSUPPORTED" not in {each["code"] for each in summary["warnings"]}
