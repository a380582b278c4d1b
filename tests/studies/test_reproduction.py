"""Noise study, stability and the reproduction of the paper, on small data."""

import json

import numpy as np
import pytest

from spectessera import Clusters, Network, SpectralSegmenter, Training, make_cube, segment
from spectessera.studies import (
    Row,
    Sizes,
    astro,
    degrade,
    experiments,
    heritage,
    mean_rows,
    noise_sweep,
    reproduce,
    reproduction,
    stability,
)
from spectessera.studies.tables import markdown


@pytest.fixture(scope="module")
def stripes():
    """Two stripes of 12 x 17 pixels, a little noisy, and their labels."""
    generator = np.random.default_rng(0)
    truth = np.where(np.arange(17) < 7, 1, 2) * np.ones((12, 1), int)
    values = generator.normal(1, 0.05, (12, 17, 40)).astype(np.float32)
    values[truth == 1, 5:9] += 6
    values[truth == 2, 25:29] += 4
    return make_cube(values, energy=(1.0, 20.0)), truth


@pytest.fixture(scope="module")
def segmenter(stripes):
    return SpectralSegmenter(
        network=Network(latent=2, encoder=(16,)),
        clusters=Clusters(2, 4),
        training=Training(epochs=30, batch_size=64, gamma=0.0),
    ).fit(stripes[0])


@pytest.mark.parametrize("psnr", [40.0, 25.0, 10.0])
def test_a_degraded_cube_has_the_requested_psnr(stripes, psnr):
    cube, _ = stripes
    noisy = degrade(cube, psnr, seed=1)
    error = np.square(noisy.values.astype(float) - cube.values).mean()
    assert 10 * np.log10(float(cube.values.max()) ** 2 / error) == pytest.approx(psnr, abs=0.2)
    np.testing.assert_array_equal(noisy.values, degrade(cube, psnr, seed=1).values)
    assert (noisy.values != degrade(cube, psnr, seed=2).values).any()


def test_no_noise_changes_nothing_and_variances_add(stripes):
    cube, _ = stripes
    np.testing.assert_array_equal(degrade(cube, np.inf).values, cube.values)
    known = cube.assign_coords(variance=(cube.dims, np.full(cube.shape, 0.1, np.float32)))
    noisy = degrade(known, 20.0)
    expected = 0.1 + (float(cube.values.max()) / 10) ** 2
    np.testing.assert_allclose(noisy.coords["variance"].values, expected, rtol=1e-5)
    holes = cube.copy(data=np.where(np.arange(40) == 3, np.nan, cube.values))
    found = degrade(holes, 30.0).values
    assert np.isnan(found[..., 3]).all()
    assert np.isfinite(found[..., 4:]).all()


def test_psnr_nan_and_cubes_without_positive_values_are_refused(stripes):
    with pytest.raises(ValueError, match="psnr"):
        degrade(stripes[0], float("nan"))
    with pytest.raises(ValueError, match="no positive value"):
        degrade(make_cube(np.zeros((2, 3, 4), np.float32)), 20.0)


def test_scores_fall_with_the_noise(stripes, segmenter):
    cube, truth = stripes
    found = noise_sweep(cube, segmenter, truth, levels=(np.inf, 0.0), seed=0)
    agreement = found.column("agreement")
    assert agreement[0] > 0.95
    assert agreement[1] < agreement[0]
    clean = segment(cube, segmenter, seed=0)["label"].values
    np.testing.assert_array_equal(found.label[0], clean)
    assert found.label.shape == (2, 12, 17)


@pytest.mark.parametrize("retrain", [False, True])
def test_equal_segmentations_have_an_index_of_1(stripes, segmenter, retrain):
    found = stability(stripes[0], segmenter, 3, retrain=retrain, clusters=2)
    assert found.mean == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(found.ari, found.ari.T)
    assert (np.diag(found.ari) == 1).all()
    assert found.label.shape == (3, 12, 17)


def test_pure_noise_is_not_stable():
    cube = make_cube(np.random.default_rng(0).normal(5, 1, (12, 17, 20)).astype(np.float32))
    noise = SpectralSegmenter(
        network=Network(latent=2, encoder=(8,)),
        clusters=Clusters(4, 4, restarts=1),
        training=Training(epochs=2, batch_size=64, gamma=0.0),
    ).fit(cube)
    assert stability(cube, noise, 3, retrain=True).mean < 0.6
    with pytest.raises(ValueError, match="runs"):
        stability(cube, noise, 1)


TINY = Sizes(600, (32, 33), 2, (np.inf, 10.0), 300)


def test_the_astronomical_experiment_never_trains_on_its_background():
    experiment = astro(3, TINY)
    assert experiment.background == 4
    assert (experiment.truth == 4).any()
    assert experiment.cube.shape[:2] == (32, 33) == experiment.truth.shape
    (train,) = experiment.train
    assert train.shape == (600, 1, 3681)
    assert (np.abs(train.values).max(axis=2) > 0.05).all()  # every spectrum has lines
    paper = experiment.variants[0].network
    assert paper.encoder_widths(1024) == (512, 256, 32)
    assert paper.decoder_widths(1024) == (128, 256)
    assert (paper.latent, paper.block) == (3, "snn")


def test_the_heritage_experiment_holds_one_of_17_pages_out():
    experiment = heritage(0, TINY, 0.2, (np.full((40, 50, 3), 90, np.uint8),))
    assert len(experiment.train) == 16
    assert experiment.train[0].shape[:2] == (40, 50)
    paper = experiment.variants[0]
    assert paper.network.variational
    assert len(paper.network.encoder_widths(1024)) == 4
    assert paper.training.beta.last == 1.0
    low = heritage(0, TINY, 0.2).cube.values
    high = heritage(0, TINY, 0.8).cube.values
    assert (low != high).any()


@pytest.mark.parametrize("name", ["astro"])
def test_a_stopped_reproduction_resumes_with_the_same_end(name, tmp_path, monkeypatch):
    """Finished methods are not repeated; all tables and figures are written."""
    monkeypatch.setattr(reproduction, "QUICK", TINY)
    monkeypatch.setattr(reproduction, "BASELINES", ("pca", "asinh", "sqrt"))
    folder = tmp_path / "run"

    def stop(step, _done, _total):
        if "pca" in step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reproduce(name, folder, scale="quick", progress=stop)
    before = (folder / "seed-0" / "astro" / "paper.json").read_bytes()
    found = reproduce(name, folder, scale="quick")
    assert (folder / "seed-0" / "astro" / "paper.json").read_bytes() == before
    assert [row.method for row in found.rows] == ["paper", "joint", "best", "pca", "asinh"]
    figures = {path.stem for path in (folder / "figures" / "astro").iterdir()}
    assert {"01-network", "05-masks", "06-confusion", "09-degradation", "14-weights"} <= figures
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["seeds"] == 1
    lines = (folder / "scores.csv").read_text().splitlines()
    assert len(lines) == 6
    text = (folder / "scores.md").read_text()
    assert "background F1" in text
    with pytest.raises(ValueError, match="other settings"):
        reproduce(name, folder)
    with pytest.raises(FileExistsError, match="other files"):
        reproduce(name, tmp_path)
    with pytest.raises(ValueError, match="astro"):
        reproduce("music", tmp_path / "x")
    with pytest.raises(ValueError, match="published"):
        reproduce(name, tmp_path / "x", scale="huge")


def test_means_are_over_the_seeds_and_the_best_is_bold():
    def row(method, seed, ari):
        values = dict.fromkeys(Row._fields, 0.5) | {
            "experiment": "e", "method": method, "words": method, "seed": seed, "k": 3, "ari": ari,
        }  # fmt: skip
        return Row(**values)

    rows = [row("a", 0, 0.2), row("a", 1, 0.4), row("b", 0, 0.6), row("b", 1, 0.8)]
    means = mean_rows(rows)
    assert [each["ari"] for each in means] == pytest.approx([0.3, 0.7])
    assert means[0]["ari_sd"] == pytest.approx(0.1)
    text = "\n".join(markdown(means, 2, "e"))
    assert "**0.700** (0.100)" in text
    assert "| 3, 3 |" in text


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no picture"):
        experiments.makers("heritage", 0, TINY, tmp_path)
