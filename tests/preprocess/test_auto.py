"""Settings that are not given are chosen by the noise of the spectra and by nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from spectessera import Clusters, Network, Preprocess, SpectralSegmenter, Training, make_cube
from spectessera.preprocess.auto import (
    are_reflectances,
    metric_for,
    noise_share,
    stabilisation_for,
)

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


def reflected(n=400, channels=60, noise=0.002, seed=0):
    """Spectra of three materials of varying brightness: continua with one band each."""
    generator = np.random.default_rng(seed)
    x, truth = np.arange(channels), np.arange(n) % 3
    bands = 1 - 0.3 * np.exp(-0.5 * ((x - 15 * (truth[:, None] + 1)) / 4) ** 2)
    values = generator.uniform(0.2, 0.8, (n, 1)) * bands
    return (values + noise * generator.standard_normal(values.shape)).astype(np.float32)


def test_reflectances_are_continua_without_negative_values_and_with_little_noise():
    assert are_reflectances(reflected(), "wavelength")
    assert are_reflectances(reflected(), "channel")
    assert not are_reflectances(reflected(), "wavenumber")  # light is emitted, on a background
    assert not are_reflectances(reflected() - 0.5, "wavelength")
    assert not are_reflectances(reflected(noise=0.05).clip(0), "wavelength")
    assert not are_reflectances(counted(1000.0), "channel")  # lines


def test_reflectances_are_clustered_in_half_whitened_components_of_their_own_values():
    values = reflected().reshape(20, 20, 60)
    segmenter = SpectralSegmenter(training=replace(TRAINING, train_encoder=None))
    segmenter.fit(make_cube(values, wavelength=(4000, 9000)))
    assert segmenter.config("preprocess").stabilise is None
    assert segmenter.config("clusters").metric == "half-whitened"
    assert segmenter.config("training").train_encoder is False
    spectra = values.reshape(400, 60)
    inputs = spectra / np.linalg.norm(spectra, axis=1, keepdims=True)
    latent = segmenter.transform(spectra).astype(np.float64)
    scores = np.linalg.svd(inputs - inputs.mean(0), full_matrices=False)
    spread = scores.S[:3] / scores.S[0]  # without whitening
    np.testing.assert_allclose(latent.std(0)[:3] / latent.std(0)[0], spread, rtol=0.15)
    labels = segmenter.cluster(latent.astype(np.float32), Clusters(3, 3, metric="half-whitened"))
    assert adjusted_rand_score(np.arange(400) % 3, labels.labels) > 0.99


@pytest.mark.parametrize("known", ["variance", "counts"])
def test_where_the_noise_is_known_roots_are_as_before(known):
    values = np.rint(1e4 * reflected()).reshape(20, 20, 60)
    noise = {"variance": values} if known == "variance" else {"attrs": {"noise": "counts"}}
    segmenter = SpectralSegmenter(training=TRAINING).fit(make_cube(values, **noise))
    assert segmenter.config("preprocess").stabilise == "sqrt"
    assert segmenter.config("clusters").metric == "half-whitened-sphere"


def test_an_encoder_that_moves_is_trained_and_one_that_is_not_needs_components():
    values = reflected()
    joint = Training(epochs=1, gamma=0.1, denoise=None, train_encoder=None)
    assert SpectralSegmenter(training=joint).fit(values).config("training").train_encoder is True
    fixed = Training(epochs=1, gamma=0.0, train_encoder=False)
    with pytest.raises(ValueError, match="linear_path=True"):
        SpectralSegmenter(network=Network(latent=2), training=fixed).fit(values)


def test_the_seed_of_a_training_does_not_move_an_encoder_without_a_loss_of_its_own():
    """Principal components of all spectra: not of those that a seed leaves for the training."""
    values = counted(5.0)
    left_open = replace(TRAINING, train_encoder=None)
    first, second = (
        SpectralSegmenter(training=replace(left_open, seed=seed)).fit(values) for seed in (1, 2)
    )
    assert first.config("training").train_encoder is False
    assert first.config("training").denoise == 0
    assert first.config("clusters").restarts == 30
    np.testing.assert_array_equal(first.transform(values), second.transform(values))
    assert not np.array_equal(first.inverse_transform(first.transform(values)),
                              second.inverse_transform(second.transform(values)))  # fmt: skip
    trained = [
        SpectralSegmenter(training=replace(TRAINING, seed=seed)).fit(values) for seed in (1, 2)
    ]
    assert not np.array_equal(*(each.transform(values) for each in trained))


@pytest.mark.parametrize(
    ("noise", "metric"),
    [
        ({"attrs": {"noise": "counts"}}, "half-whitened"),
        ({"attrs": {"noise": "residual", "averaged_noise": "counts"}}, "half-whitened"),
        ({"variance": 1.0}, "half-whitened-sphere"),
    ],
)
def test_principal_components_of_counts_and_their_averages_are_half_whitened(noise, metric):
    values = counted(50.0).reshape(20, 20, 60)
    if "variance" in noise:
        noise = {"variance": np.full(values.shape, 50.0)}
    cube = make_cube(values, **noise)
    segmenter = SpectralSegmenter(training=replace(TRAINING, train_encoder=None)).fit(cube)
    assert segmenter.config("clusters").metric == metric
    trained = SpectralSegmenter(training=TRAINING).fit(cube)
    assert trained.config("clusters").metric == "half-whitened-sphere"
