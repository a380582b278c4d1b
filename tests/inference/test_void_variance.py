"""Channels without a variance beside channels with one judge nothing."""

import logging

import numpy as np
import pytest

import spectessera as spt
from spectessera import Clusters, SpectralSegmenter, Training, make_cube, segment
from spectessera.baselines import cluster_cube
from spectessera.inference import choose_neighbours

CHANNELS = [20, 21, 30]
TRUTH = np.where(np.arange(24) < 12, 1, 2) * np.ones((24, 1), int)


def cube_of(number: float, seed: int, groups: float = 0.0, level: float = 10.0):
    """Return a cube of noise in which some channels are noisier and have a void variance."""
    generator, sigma = np.random.default_rng(seed), np.ones(40)
    sigma[CHANNELS] = level
    values = 9 + 5 * np.sin(np.arange(40) / 5) + sigma * generator.standard_normal((24, 24, 40))
    values[:, 12:, 2:6] += groups
    variance = np.ones(values.shape)
    variance[..., CHANNELS] = number
    return make_cube(values, wavelength=(400, 900), unit="nm", variance=variance)


def fitted(cube):
    clusters = Clusters(2, 6, restarts=2)
    return SpectralSegmenter(clusters=clusters, training=Training(gamma=0.0, epochs=1)).fit(cube)


@pytest.mark.parametrize("number", [0.0, np.nan, np.inf, -1.0])
def test_noise_in_a_channel_without_a_variance_is_no_evidence(number):
    """It was the same in both parts: noise alone had up to six clusters."""
    for level in (1.0, 10.0):
        cube = cube_of(number, 1, level=level)
        result = segment(cube, fitted(cube))
        assert (result.attrs["n_clusters"], result.attrs["judged_by"]) == (1, "noise")
        assert result["bad_channel"].values.sum() == 3


def test_groups_beside_such_channels_are_found_and_sure():
    cube = cube_of(0.0, 2, groups=4.0)
    result = segment(cube, fitted(cube))
    assert result.attrs["n_clusters"] == 2
    assert spt.compare(result["label"].values, TRUTH).ari > 0.95
    assert result["confidence"].values.mean() > 0.95


def test_the_noise_of_such_channels_does_not_choose_neighbours():
    assert choose_neighbours(cube_of(0.0, 3)).window == 1
    assert choose_neighbours(cube_of(0.0, 3, groups=3.0)).window > 1


def test_a_model_that_was_trained_with_them_sees_straight_lines(caplog):
    model = fitted(make_cube(cube_of(1.0, 4, groups=4.0).values, wavelength=(400, 900), unit="nm"))
    with caplog.at_level(logging.WARNING):
        result = segment(cube_of(0.0, 4, groups=4.0), model)
    assert "3 of 3 channels marked as bad" in caplog.text
    assert result.attrs["n_clusters"] == 2
    assert spt.compare(result["label"].values, TRUTH).ari > 0.95


def test_baselines_leave_them_out_too():
    cube = cube_of(np.nan, 5)
    by_hand = cube.drop_vars("bad_channel")
    result = cluster_cube(by_hand, "pca", clusters=Clusters(2, 5, criterion="evidence"))
    assert result.attrs["n_clusters"] == 1


def test_a_computed_cube_has_the_labels_of_one_in_memory():
    """Nothing of it is known before it is computed; training and segmentation look for it."""
    cube = cube_of(0.0, 6, groups=3.0)
    lazy = cube.drop_vars("bad_channel").chunk({"y": 7, "x": 24, "channel": -1})
    whole, parts = (segment(each, fitted(each)) for each in (cube, lazy))
    for name in ("label", "confidence", "gain"):
        np.testing.assert_array_equal(whole[name].values, parts[name].values)


@pytest.mark.parametrize("number", [0.0, np.nan, -1.0])
def test_single_values_without_a_variance_have_the_noise_of_their_channel(number):
    """A tenth of the values, whose noise is that of the others."""
    generator = np.random.default_rng(7)
    values = 9 + generator.standard_normal((24, 24, 40))
    variance = np.where(generator.random(values.shape) < 0.1, number, 1.0)
    cube = make_cube(values, wavelength=(400, 900), unit="nm", variance=variance)
    assert segment(cube, fitted(cube)).attrs["n_clusters"] == 1
