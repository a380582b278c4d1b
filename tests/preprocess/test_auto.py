"""Settings that are not given are chosen by the noise of the spectra and by nothing else."""

import numpy as np
import pytest

from spectessera import Clusters, Network, Preprocess, SpectralSegmenter, Training, make_cube
from spectessera.preprocess.auto import metric_for, noise_share, stabilisation_for

TRAINING = Training(epochs=2, gamma=0.0, denoise=None)


def counted(mean, n=400, channels=60, seed=0):
    """Spectra of three groups, each with a line at a place of its own, as Poisson counts."""
    generator = np.random.default_rng(seed)
    x = np.arange(channels)
    truth = np.arange(n) % 3
    lines = 1 + 20 * np.exp(-0.5 * ((x - 15 * (truth[:, None] + 1)) / 2) ** 2)
    return generator.poisson(mean * lines).astype(np.float32)


def test_the_share_of_noise_is_that_outside_ten_components():
    generator = np.random.default_rng(0)
    signal = generator.normal(size=(500, 5)) @ generator.normal(size=(5, 80))
    assert noise_share(signal) < 1e-9
    assert noise_share(generator.normal(size=(500, 80))) > 0.7
    assert noise_share(np.ones((50, 80))) == 0


@pytest.mark.parametrize(
    ("noise", "latent", "metric"),
    [
        (0.9, 10, "whitened-sphere"),
        (0.01, 10, "half-whitened-sphere"),
        (0.9, 2, "whitened"),
        (0.01, 3, "half-whitened"),
    ],
)
def test_noise_and_dimensions_choose_the_metric(noise, latent, metric):
    assert metric_for(noise, latent) == metric


def test_roots_are_taken_where_there_is_nothing_below_zero_or_much_noise():
    generator = np.random.default_rng(1)
    assert stabilisation_for(counted(1.0)) == "sqrt"
    assert stabilisation_for(generator.normal(size=(300, 80))) == "sqrt"
    signed = generator.normal(size=(300, 3)) @ generator.normal(size=(3, 80))
    assert stabilisation_for(signed) is None


@pytest.mark.parametrize(
    ("mean", "metric", "denoise"),
    [(0.05, "whitened-sphere", 1.0), (1000.0, "half-whitened-sphere", 0.0)],
)
def test_settings_that_are_not_given_are_chosen_when_trained(mean, metric, denoise):
    segmenter = SpectralSegmenter(training=TRAINING).fit(counted(mean))
    assert segmenter.config("clusters").metric == segmenter.rule_.metric == metric
    assert segmenter.config("training").denoise == denoise
    assert segmenter.config("preprocess").stabilise == "sqrt"
    assert segmenter.config("preprocess").normalise == "l2"
    assert segmenter.get_params()["clusters__metric"] == "auto"


def test_settings_that_are_given_are_not_changed():
    told = SpectralSegmenter(
        Preprocess(), Network(latent=3), Clusters(2, 4, metric="euclidean"), Training(epochs=2)
    )
    found = told.fit(counted(0.2))
    for name in ("preprocess", "network", "clusters", "training"):
        assert found.config(name) == getattr(told, name)


def test_the_choice_does_not_depend_on_chunks():
    cube = make_cube(counted(0.2).reshape(20, 20, 60), energy=(1, 10))
    whole = SpectralSegmenter(training=TRAINING).fit(cube)
    parts = SpectralSegmenter(training=TRAINING).fit(cube.chunk({"y": 7, "x": 6}))
    assert whole.chosen_ == parts.chosen_
    assert np.array_equal(whole.labels_, parts.labels_)
