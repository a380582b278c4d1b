"""Novelty is high for spectra unlike those of the training, and for no others."""

import numpy as np
import pytest

import spectessera as spt
from spectessera import Clusters, Network, SpectralSegmenter, Training
from spectessera.segmenter.novelty import (
    LEVELS,
    NOVEL,
    LatentGroups,
    TrainingQuantiles,
    check_quantiles,
    latent_distance,
    novelty_of,
    reconstruction_error,
    training_quantiles,
)


def test_of_the_training_itself_one_in_twenty_is_novel():
    generator = np.random.default_rng(0)
    distance, error = generator.normal(size=(2, 20_000))
    typical = training_quantiles(distance, error)
    novelty = novelty_of(typical, distance, error)
    assert novelty.dtype == np.float32
    assert ((novelty >= 0) & (novelty <= 1)).all()
    assert abs((novelty > NOVEL).mean() - (1 - NOVEL)) < 0.005


@pytest.mark.parametrize(("distance", "error"), [(9.0, 0.0), (0.0, 9.0)])
def test_either_number_is_enough(distance, error):
    generator = np.random.default_rng(0)
    typical = training_quantiles(*generator.normal(size=(2, 5000)))
    assert novelty_of(typical, np.array([distance]), np.array([error]))[0] == 1


def test_distance_grows_away_from_the_clusters_and_minds_their_shape():
    root = np.stack([np.diag([2.0, 0.1]), np.eye(2)])
    groups = LatentGroups(np.array([0.5, 0.5]), np.array([[0.0, 0.0], [10.0, 0.0]]), root)
    along, across, far = latent_distance(
        np.array([[1.0, 0.0], [0.0, 1.0], [50.0, 50.0]], np.float32), groups
    )
    assert along < across < far
    none = groups._replace(weight=np.array([1.0, 0.0]))
    assert np.isfinite(latent_distance(np.zeros((3, 2), np.float32), none)).all()


def test_error_is_the_mean_square_over_channels():
    found = reconstruction_error(np.array([[1.0, 3.0]], np.float32), np.zeros((1, 2), np.float32))
    assert found == pytest.approx([5.0])


@pytest.mark.parametrize("bad", [np.full(len(LEVELS), np.nan), -LEVELS, LEVELS[:-1]])
def test_quantiles_of_a_file_are_checked(bad):
    with pytest.raises(ValueError, match="quantiles"):
        check_quantiles(TrainingQuantiles(LEVELS, bad))
    check_quantiles(TrainingQuantiles(LEVELS, LEVELS))


def test_spectra_of_another_kind_are_flagged_in_the_map(tmp_path):
    """Trained on two lines; a third, elsewhere, is new to it, and stays so when it is loaded."""
    generator = np.random.default_rng(1)
    x = np.arange(40)
    lines = np.exp(-0.5 * ((x - np.array([[8], [20], [33]])) / 1.5) ** 2)
    known = lines[generator.integers(0, 2, 600)] * 400
    model = SpectralSegmenter(
        network=Network(latent=2, encoder=(16,)),
        clusters=Clusters(2, 4),
        training=Training(epochs=15, batch_size=64, seed=0),
    ).fit(generator.poisson(known + 2).astype(np.float32))
    model.save(tmp_path / "model.safetensors")
    scene = np.repeat(lines[[0, 1, 2]], 60, axis=0).reshape(9, 20, 40) * 400
    cube = spt.make_cube(generator.poisson(scene + 2).astype(np.float32))
    result = spt.segment(cube, spt.load(tmp_path / "model.safetensors"))
    novel = result["novelty"].values > NOVEL
    assert novel[6:].mean() > 0.95
    assert novel[:6].mean() < 0.15
    assert result["novelty"].dims == ("y", "x")
