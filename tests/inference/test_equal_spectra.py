"""Small degenerate cubes: a few groups of exactly equal spectra, of many channels or of one."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import spectessera as spt
from spectessera import Clusters, Preprocess, SpectralSegmenter, Training, make_cube, segment
from spectessera.baselines import cluster_cube
from spectessera.cli.app import app
from spectessera.diagnostics.warnings import choice_warnings
from spectessera.htmlreport.text import how_chosen
from spectessera.kmeans.points import cluster_points

SHAPE = (10, 12, 24)


def groups_of(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return whole numbers (10, 12, 24), and to which group every pixel belongs, from 1."""
    group = np.ones(SHAPE[:2], int)
    if kind == "two halves":
        group[:, 6:] = 2
    if kind == "two, scattered":
        group[np.random.default_rng(0).random(SHAPE[:2]) < 0.3] = 2
    if kind == "three":
        group[:, 6:], group[:, 9:] = 2, 3
    if kind == "one pixel":
        group[3, 4] = 2
    spectra = np.round(30 + 10 * np.sin(np.arange(SHAPE[2]) / 5)) * np.ones((3, 1))
    spectra[1, 8:12] += 20
    spectra[2, 14:17] += 9
    return spectra[group - 1], group


def made(values: np.ndarray, axis: str):
    given = {axis: (1.0, 20.0)} if axis and values.shape[2] > 1 else {}
    return make_cube(values.astype(np.float32), **given)


def fitted(cube):
    settings = {"clusters": Clusters(2, 6, restarts=2), "training": Training(gamma=0.0, epochs=1)}
    return SpectralSegmenter(**settings).fit(cube)


KINDS = ["two halves", "two, scattered", "three", "one pixel"]


@pytest.mark.parametrize("channels", [slice(None), slice(8, 9), slice(7, 9)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_few_groups_of_equal_spectra_are_the_clusters(kind, channels):
    """Neighbours say nothing of scattered ones, and of one channel all were normalised to 1."""
    values, group = groups_of("two halves" if kind == "three" and channels.start else kind)
    cube = made(values[..., channels], "")
    for result in (segment(cube, fitted(cube)), cluster_cube(cube, "pca")):
        assert (result.attrs["criterion"], result.attrs["n_clusters"]) == ("equal", group.max())
        assert spt.compare(result["label"].values, group).ari == 1
        assert "exactly equal" in how_chosen(result)
        assert choice_warnings(result) == []


@pytest.mark.parametrize("shape", [SHAPE, (1, 120, 24), (10, 12, 1), (10, 12, 2)])
def test_all_equal_spectra_are_one_cluster(shape):
    """A list of them, and spectra of one channel, were two."""
    cube = make_cube(np.full(shape, 7.0) + np.arange(shape[2]))
    result = cluster_cube(cube, "pca")
    assert (result.attrs["criterion"], result.attrs["n_clusters"]) == ("equal", 1)


def test_equal_counts_are_one_cluster_by_a_shipped_model_and_cannot_be_trained_on():
    values, _ = groups_of("equal")
    cube = make_cube(values.astype(np.uint16), energy=(1.0, 20.0))
    result = segment(cube, spt.load("maxrf"))
    assert (result.attrs["criterion"], result.attrs["n_clusters"]) == ("equal", 1)
    assert (result["label"].values == 1).all()
    with pytest.raises(ValueError, match="all 120 spectra are the same"):
        fitted(cube)


def test_few_different_counts_are_noise_not_groups():
    """Of two counts a spectrum of one channel, a few values are all that noise makes."""
    counts = np.random.default_rng(0).poisson(2.0, (20, 22, 1)).astype(np.uint16)
    assert len(np.unique(counts)) <= 10
    cube = make_cube(counts, axis=[5.0], kind="energy", unit="keV")
    result = segment(cube, fitted(cube))
    assert result.attrs["criterion"] != "equal"


def test_equal_spectra_do_not_overrule_what_is_asked_for():
    cube = made(groups_of("two halves")[0], "")
    model = fitted(cube)
    assert segment(cube, model, 3).attrs["criterion"] == "given"
    points = np.repeat(np.eye(2, dtype=np.float32), 40, axis=0)
    assert cluster_points(points, Clusters(3, 6)).criterion != "equal"
    assert cluster_points(points, Clusters(2, 6, criterion="silhouette")).criterion == "silhouette"
    assert cluster_points(points, Clusters(2, 6)).criterion == "equal"


def test_a_few_different_points_are_no_groups():
    points = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    assert cluster_points(points, Clusters(2, 5)).criterion == "stability"


def test_the_command_line_gives_the_same_answer(tmp_path):
    values, group = groups_of("one pixel")
    np.save(tmp_path / "cube.npy", values.astype(np.uint16))
    arguments = ["segment", str(tmp_path / "cube.npy"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*arguments, "--epochs", "1", "--fit", "--json"])
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["clusters"]) == group.max()


@pytest.mark.parametrize("metric", ["whitened", "half-whitened-sphere"])
def test_one_outlier_does_not_make_all_others_equal(metric):
    points = np.random.default_rng(0).normal(size=(90, 2)).astype(np.float32)
    points[0] = 1e7
    assert cluster_points(points, Clusters(2, 4, metric=metric)).criterion == "stability"


def test_what_all_spectra_have_in_common_makes_none_equal():
    """With ten million added to every value, noise became one cluster of equal spectra."""
    noise = np.random.default_rng(0).normal(0, 4, (10, 12, 6))
    cube = make_cube(1e7 + noise, wavelength=(400.0, 900.0), unit="nm")
    clusters = Clusters(2, 4, criterion="stability", restarts=2)
    result = cluster_cube(cube, "raw", clusters=clusters, preprocess=Preprocess(normalise=None))
    assert result.attrs["criterion"] == "stability"


@pytest.mark.parametrize("offset", [0, 1e7])
def test_equal_points_are_equal_whatever_they_have_in_common(offset):
    """And whatever single precision has lost of it."""
    points = np.repeat(np.random.default_rng(0).normal(0, 99, (3, 5)), 30, axis=0) + offset
    points = np.nextafter(points.astype(np.float32), np.float32(np.inf) * (-1) ** np.arange(5))
    assert cluster_points(points, Clusters(2, 4, restarts=2)).criterion == "equal"


def test_groups_that_are_one_point_of_the_sphere_are_one_cluster():
    """Four clusters were reported, and two of them had no points."""
    points = np.repeat(np.array([[1, 0], [2, 0], [3, 0], [-1, 0]], np.float32), 30, axis=0)
    clusters = cluster_points(points, Clusters(2, 6, metric="whitened-sphere"))
    assert len(clusters.centers) == len(np.unique(clusters.labels)) == 2
