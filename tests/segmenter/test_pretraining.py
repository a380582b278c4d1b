"""Models of simulated spectra: those that ship, how they are trained, and fine-tuning."""

import json

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

import spectessera as spt
from spectessera import Clusters, SpectralSegmenter, Training
from spectessera.network.modelfile import MODELS, model_path, read_model
from spectessera.segmenter.pretraining import recipe, simulation
from spectessera.synth import cube_from_rgb, load_palette, miniature, nebular_spectra, xrf_spectra
from spectessera.synth.pairs import NebularSimulation


@pytest.fixture(scope="module")
def maxrf():
    return spt.load("maxrf")


@pytest.fixture(scope="module")
def page():
    """A page in pure pigments, no two colours of which are the same pigment; and its truth."""
    palette = load_palette("choirbook")
    picture = miniature(4, (40, 52), palette=palette).astype(int)
    nearest = np.square(picture[:, :, None] - palette.rgb.astype(int)).sum(axis=3).argmin(axis=2)
    few = len(np.unique(nearest))
    assert few >= 5
    clusters = Clusters(few, few)
    return cube_from_rgb(
        palette.rgb[nearest], palette, counts=600, threshold=1.0, clusters=clusters, seed=3
    )


@pytest.mark.parametrize("name", MODELS)
def test_models_ship_small_and_half(name):
    path = model_path(name)
    assert path.stat().st_size < 3_000_000
    tensors, metadata = read_model(path)
    assert tensors["model.encoder.0.weight"].dtype == np.float16
    assert metadata["settings"]["clusters"]["metric"] == "half-whitened"
    model = spt.load(name)
    assert all(each.dtype == np.float32 for each in model.weights().values())
    assert len(model.components_) == {"maxrf": 40}.get(name, 4)


def test_pigments_are_separated_by_a_model_not_trained_on_them(maxrf):
    block = xrf_spectra(2000, "choirbook", "load", 400, seed=77).collect()
    spectra = block.spectra.reshape(2000, 512, 2).sum(axis=2).astype(np.float32)
    clusters = Clusters(8, 8, metric="half-whitened")
    found = maxrf.cluster(maxrf.transform(spectra), clusters)
    assert adjusted_rand_score(block.label, found.labels) > 0.95


def test_a_page_on_its_own_axis_is_segmented_out_of_the_box(maxrf, page):
    """1024 channels are resampled onto the 512 of the model, and means are told on the cube's."""
    cube, truth = page
    result = spt.segment(cube, maxrf, int(truth["label"].max()))
    assert result.sizes["channel"] == 1024
    assert result.sizes["input_channel"] == 512
    assert result.attrs["metric"] == "half-whitened"
    scores = spt.compare(result["label"], truth["label"])
    assert scores.agreement > 0.85
    # Half the channels, and another unit: the same map.
    again = spt.make_cube(
        cube.values.reshape(40, 52, 512, 2).sum(axis=3),
        energy=cube["energy"].values.reshape(512, 2).mean(axis=1) * 1000,
        unit="eV",
    )
    other = spt.segment(again, maxrf, int(truth["label"].max()))
    assert adjusted_rand_score(result["label"].values.ravel(), other["label"].values.ravel()) > 0.99


def test_nebulae_are_separated_and_noise_is_a_separate_group():
    model = spt.load("nebulae")
    stream = nebular_spectra(2000, (15.0, 40.0), background=0.25, seed=78, axis=model.axis_)
    block = stream.collect()
    found = model.cluster(model.transform(block.spectra), Clusters(4, 4, metric="half-whitened"))
    assert adjusted_rand_score(block.label, found.labels) > 0.8
    noise = np.bincount(found.labels[block.label == 0], minlength=4)
    assert noise.max() > 0.95 * noise.sum()


def test_trained_clusters_of_a_shipped_model_keep_their_numbers(maxrf, page):
    cube, _ = page
    whole = spt.segment(cube, maxrf, "trained")
    part = spt.segment(cube.isel(y=slice(0, 20)), maxrf, "trained")
    assert whole.sizes["cluster"] == maxrf.n_clusters_
    assert np.array_equal(whole["label"].values[:20], part["label"].values)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(FileNotFoundError, match="maxrf, nebulae"):
        spt.load("mamxrf")


def small(**changes):
    settings = recipe("nebulae")
    settings["network"] = settings["network"].__class__(
        latent=6, encoder=(32,), block="normed", components=4
    )
    told = {"epochs": 3, "steps": 5, "batch_size": 64, "gamma": 0.0, "loss": "multinomial"}
    settings["training"] = Training(decay="cosine", **(told | changes))
    settings["clusters"] = Clusters(2, 4, restarts=2)
    return SpectralSegmenter(**settings)


def test_the_same_seed_pretrains_the_same_model_and_learns():
    one, again = (small(composition=0.01).pretrain(NebularSimulation()) for _ in range(2))
    assert one.fingerprint() == again.fingerprint()
    losses = [row["validation_total"] for row in one.history_.rows]
    assert losses[-1] < losses[0]
    assert "validation_composition" in one.history_.rows[0]
    rates = [row["learning_rate"] for row in one.history_.rows]
    assert rates[0] < rates[1] > rates[2]


def test_a_killed_pretraining_goes_on_to_the_same_weights(tmp_path):
    from spectessera.network.checkpoint import Checkpoint

    class Stop(Exception):
        pass

    def stop(done, total, row):
        if done == 2:
            raise Stop

    whole = small(contrastive=0.01).pretrain(NebularSimulation())
    kept = Checkpoint(tmp_path / "kept.safetensors", seconds=0)
    with pytest.raises(Stop):
        small(contrastive=0.01).pretrain(NebularSimulation(), checkpoint=kept, progress=stop)
    resumed = small(contrastive=0.01).pretrain(NebularSimulation(), checkpoint=kept)
    assert resumed.fingerprint() == whole.fingerprint()
    other = simulation("nebulae", seed=1)
    with pytest.raises(ValueError, match="another training"):
        small(contrastive=0.01).pretrain(other, checkpoint=kept)


def test_a_head_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="components=4, but the simulation has 2"):
        small().pretrain(NebularSimulation(("hii", "pn")))
    bare = small(composition=0.1).set_params(network__components=0)
    with pytest.raises(ValueError, match="composition needs a network with components"):
        bare.pretrain(NebularSimulation())


# --- continuing from a model ---------------------------------------------------------------------


def test_fine_tuning_halves_counts_and_keeps_frozen_layers(maxrf, page):
    cube, _ = page
    training = Training(epochs=2, gamma=0.0, loss="multinomial", freeze=1)
    tuned = SpectralSegmenter(clusters=Clusters(4, 8), training=training).fit(cube, start="maxrf")
    before, after = maxrf.weights(), tuned.weights()
    assert np.array_equal(before["encoder.0.weight"], after["encoder.0.weight"])
    assert np.array_equal(before["encoder.1.weight"], after["encoder.1.weight"])
    assert not np.array_equal(before["encoder.3.weight"], after["encoder.3.weight"])
    assert tuned.history_.rows[0]["learning_rate"] == 1e-4
    assert tuned.axis_ == maxrf.axis_
    assert tuned.rule_.metric == "half-whitened"
    assert maxrf.weights()["encoder.3.weight"].tobytes() == before["encoder.3.weight"].tobytes()


def test_the_model_to_start_from_brings_its_own_network(page):
    with pytest.raises(ValueError, match="the network is that of the model to start from"):
        SpectralSegmenter(network=spt.Network(latent=3)).fit(page[0], start="maxrf")
    with pytest.raises(ValueError, match="freeze=9, but the encoder has 2 hidden layers"):
        SpectralSegmenter(training=Training(epochs=1, loss="multinomial", gamma=0.0, freeze=9)).fit(
            page[0], start="maxrf"
        )


def test_only_counts_are_halved(page):
    cube, _ = page
    signed = spt.make_cube(cube.values / 3.0, energy=cube["energy"].values)
    training = Training(epochs=1, thinning=True, loss="multinomial", gamma=0.0)
    with pytest.raises(ValueError, match="thinning halves counts"):
        SpectralSegmenter(training=training).fit(signed, start="maxrf")


def test_rounded_weights_say_the_same(tmp_path):
    model = small().pretrain(NebularSimulation())
    model.save(tmp_path / "half.safetensors", half=True)
    model.save(tmp_path / "whole.safetensors")
    half, whole = (spt.load(tmp_path / f"{name}.safetensors") for name in ("half", "whole"))
    spectra = NebularSimulation().pairs(99, 300).spectra
    assert np.array_equal(whole.predict(spectra), model.predict(spectra))
    assert np.mean(half.predict(spectra) == model.predict(spectra)) > 0.97
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("half", "whole")]
    assert sizes[0] < 0.6 * sizes[1]
    assert json.dumps(half.settings()) == json.dumps(whole.settings())
