"""Rare groups in the whole program: found by their own pixels, and nothing where there are none."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import spectessera as spt
from spectessera import Clusters, SpectralSegmenter, Training, make_cube, segment
from spectessera.cli.app import app
from spectessera.evidence.rare import Distance
from spectessera.htmlreport.text import how_chosen
from spectessera.inference import pipeline, rare
from spectessera.inference.rare import NO_GROUPS, FarPixels, rare_groups
from spectessera.io import write
from spectessera.result import check_result
from spectessera.studies.degradation import noise_sweep

SHAPE, CHANNELS = (30, 53), 60


def made(seed: int, kind: str, rare: int = 10, groups: int = 2):
    """Return a cube of groups of columns, and which pixels (y, x) have a line of 60 sigma."""
    generator = np.random.default_rng(seed)
    expected = np.broadcast_to(30 + 10 * np.sin(np.arange(CHANNELS) / 5), (*SHAPE, CHANNELS)).copy()
    if groups == 2:
        expected[:, 26:, 10:16] += 25
    planted = np.zeros(SHAPE, bool)
    planted.ravel()[generator.choice(planted.size, rare, replace=False)] = True
    expected[planted, 40:43] += 60 / np.sqrt(3) * (5 if kind == "counts" else 1)
    if kind == "counts":
        return make_cube(generator.poisson(expected).astype(np.uint16), energy=(1.0, 20.0)), planted
    values = (expected + generator.standard_normal(expected.shape)).astype(np.float32)
    variance = np.ones_like(values) if kind == "variance" else None
    return make_cube(values, wavelength=(400.0, 900.0), unit="nm", variance=variance), planted


def trained(cube) -> SpectralSegmenter:
    return SpectralSegmenter(clusters=Clusters(2, 5), training=Training(gamma=0.0, epochs=3)).fit(
        cube
    )


@pytest.fixture(scope="module")
def found():
    cube, planted = made(1, "variance")
    segmenter = trained(cube)
    keep = ["alone", "silhouette", "latent"]
    return cube, planted, segmenter, segment(cube, segmenter, keep=keep)


@pytest.mark.parametrize("kind", ["counts", "variance"])
@pytest.mark.parametrize("groups", [1, 2])
def test_ten_pixels_of_sixty_sigma_are_a_cluster(kind, groups):
    cube, planted = made(2, kind, groups=groups)
    result = segment(cube, trained(cube))
    assert result.attrs["rare_clusters"] == 1
    assert result.attrs["n_clusters"] == groups + 1
    assert np.array_equal(result["label"].values == groups + 1, planted)
    assert result["rare"].values[-1] > 20
    assert np.isnan(result["rare"].values[:-1]).all()
    assert (result["confidence"].values[planted] > 0.99).all()


@pytest.mark.parametrize("kind", ["counts", "variance", "residual"])
def test_without_rare_pixels_or_a_known_noise_nothing_is_added(kind):
    cube, _ = made(3, kind, rare=10 if kind == "residual" else 0)
    result = segment(cube, trained(cube))
    assert result.attrs.get("rare_clusters", 0) == 0
    assert "rare" not in result


def test_a_number_that_is_given_and_one_reading_have_no_rare_groups(found):
    cube, _, segmenter, _ = found
    for result in (segment(cube, segmenter, 2), segment(cube, segmenter, "trained")):
        assert "rare_clusters" not in result.attrs
    once = segment(cube, segmenter, means=False)
    assert (once.attrs["rare_clusters"], "rare" in once) == (0, False)


def test_a_rare_cluster_is_described_as_any_other(found):
    cube, planted, _, result = found
    check_result(result)
    assert result["size"].values[-1] == planted.sum()
    mean = cube.values[planted].mean(axis=0)
    assert result["mean_spectrum"].values[-1] == pytest.approx(mean, rel=1e-5)
    latent = result["latent_cube"].values[planted].mean(axis=0)
    assert result["center"].values[-1] == pytest.approx(latent, rel=1e-4, abs=1e-5)
    assert (result["label_alone"].values[planted] == 3).all()
    assert np.isfinite(result["silhouette"].values).all()


def test_other_pixels_keep_their_cluster_and_confidence(found, monkeypatch):
    """What a rare group changes is that group alone."""
    cube, planted, segmenter, result = found
    monkeypatch.setattr(pipeline, "rare_groups", lambda *_: NO_GROUPS)
    without = segment(cube, segmenter)
    for name in ("label", "confidence"):
        np.testing.assert_array_equal(*(each[name].values[~planted] for each in (result, without)))
    for name in ("score", "stability", "gain", "k"):
        np.testing.assert_array_equal(result[name], without[name])
    assert result.attrs["seed_agreement"] == without.attrs["seed_agreement"]


@pytest.mark.parametrize("chunks", [(7, 11), (30, 53), (1, 53)])
def test_chunks_do_not_change_rare_groups(found, chunks):
    cube, _, segmenter, whole = found
    result = segment(cube.chunk({"y": chunks[0], "x": chunks[1]}), segmenter)
    for name in ("label", "confidence", "rare"):
        np.testing.assert_array_equal(result[name], whole[name])


def test_rare_groups_are_judged_without_neighbours():
    """What is compared are the measured spectra, not the averages."""
    cube, planted = made(4, "variance")
    result = segment(cube, trained(cube), neighbours=1.0)
    assert result.attrs["neighbours"] == 1
    assert np.array_equal(result["label"].values == result.attrs["n_clusters"], planted)


def test_a_group_that_is_a_cluster_already_is_not_added(found, monkeypatch):
    cube, planted, segmenter, _ = found

    def seen(model, far, labels, seed):
        return rare_groups(model, far, np.where(planted.ravel(), 3, labels), seed)

    monkeypatch.setattr(pipeline, "rare_groups", seen)
    assert segment(cube, segmenter).attrs["rare_clusters"] == 0


def test_the_end_of_a_common_tail_is_no_group(found, monkeypatch):
    """Half of the pixels that are alike are no farther than twice the tail."""
    cube, _, segmenter, _ = found
    distances = []

    def limit(histogram, noise):
        del histogram
        return Distance(np.median(distances[-1].whole), np.float64(1e9))

    def groups(self, limit):
        distances.append(self.distance)
        return beyond(self, limit)

    beyond = FarPixels.beyond
    monkeypatch.setattr(FarPixels, "beyond", groups)
    monkeypatch.setattr(rare, "limit_of", limit)
    assert segment(cube, segmenter).attrs["rare_clusters"] == 0


def test_a_group_that_is_not_predicted_is_none(found, monkeypatch):
    cube, _, segmenter, _ = found
    monkeypatch.setattr(rare, "predicted", lambda made, judged: 4.9)
    assert segment(cube, segmenter).attrs["rare_clusters"] == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_workers_find_the_same_groups(found):
    distributed = pytest.importorskip("distributed")
    cube, _, segmenter, whole = found
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as workers,
        distributed.Client(workers),
    ):
        result = segment(cube.chunk({"y": 8, "x": 20}), segmenter)
    for name in ("label", "confidence", "rare"):
        np.testing.assert_array_equal(result[name], whole[name])


def test_masked_pixels_are_in_no_group(found):
    cube, planted, segmenter, _ = found
    mask = np.zeros(SHAPE, bool)
    mask[:15] = True
    result = segment(cube.assign_coords(mask=(("y", "x"), mask)), segmenter)
    assert np.array_equal(result["label"].values == 3, planted & ~mask)


def test_report_table_and_file_say_so(found, tmp_path):
    cube, _, segmenter, result = found
    words = "cluster 3 (10 pixels, "
    assert words in how_chosen(result)
    write(cube, tmp_path / "cube.h5")
    segmenter.save(tmp_path / "model.safetensors")
    names = ["--model", str(tmp_path / "model.safetensors"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, ["segment", str(tmp_path / "cube.h5"), *names, "--report"])
    assert done.exit_code == 0, done.output
    assert words in " ".join(done.output.split())
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["rare"].startswith(words)
    assert words in (tmp_path / "out" / "report.html").read_text()
    stored = spt.io.read_result(tmp_path / "out" / "result.nc")
    np.testing.assert_array_equal(stored["rare"], result["rare"])


def test_studies_count_the_clusters_that_were_chosen(found):
    """Beside two groups there is a rare one, which no number of clusters was chosen for."""
    cube, planted, segmenter, result = found
    assert result.attrs["n_clusters"] == 3
    assert spt.stability(cube, segmenter, runs=2).k.tolist() == [2, 2]
    swept = noise_sweep(cube, segmenter, planted + 1, levels=(np.inf,))
    assert swept.k.tolist() == [2]


@pytest.mark.parametrize("bright", [1, 1e7])
def test_mean_spectra_are_those_of_the_labels(bright, monkeypatch):
    """Sums of the others are not lost in rounding, however bright the pixels of a group are."""
    cube, planted = made(5, "variance")
    segmenter = trained(cube)
    values = cube.values.copy()
    values[planted, 40:43] *= bright
    cube = cube.copy(data=values)
    monkeypatch.setattr(pipeline, "rare_groups", lambda *_: planted_group(planted))
    result = segment(cube, segmenter)
    for number in range(1, result.attrs["n_clusters"] + 1):
        own = cube.values[result["label"].values == number].astype(np.float64)
        for name, wanted in (("mean_spectrum", own.mean(0)), ("std_spectrum", own.std(0))):
            np.testing.assert_allclose(result[name].values[number - 1], wanted, rtol=1e-4)


def planted_group(planted):
    """Return the planted pixels (y, x) as the one rare group."""
    pixel = np.flatnonzero(planted)
    zeros = np.zeros(len(pixel))
    return rare.RareGroups(pixel, zeros.astype(int), zeros.astype(np.float32), np.array([9.0]))
