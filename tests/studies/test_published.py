"""The experiments at the published settings: what they are made of, on small data."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from spectessera.network.batches import split
from spectessera.studies import (
    Row,
    Sizes,
    expected,
    mean_rows,
    noise_sweep,
    reproduce,
    reproduction,
)
from spectessera.studies.choices import ASTRO, HERITAGE, Choice
from spectessera.studies.published import (
    PUBLISHED,
    TRAINED,
    VALIDATED,
    astro,
    heritage,
    makers,
    streamed_cube,
)
from spectessera.studies.tables import markdown
from spectessera.synth.nebulae.lines import nebular_axis
from spectessera.synth.nebulae.nebula import nebular_spectra

TINY = Sizes(600, (32, 33), 2, (np.inf, 10.0), 300)


def test_the_astronomical_network_is_the_released_one():
    """Widths, dropout, batch, patience, gamma, k: as in the released notebook."""
    experiment = astro(0, TINY, 100.0, 0.0)
    paper, joint, _ = experiment.variants
    network, training = paper.network, paper.training
    assert network.encoder_widths(1024) == (512, 256, 32)
    assert network.decoder_widths(1024) == (128, 256)
    assert (network.block, network.dropout, network.latent) == ("snn", 0.1, 3)
    assert (network.encoding_activation, network.latent_activation) == ("tanh", None)
    assert network.output == "sigmoid"
    assert (training.batch_size, training.patience, training.learning_rate) == (512, 25, 1e-3)
    assert (training.gamma, training.total, training.cluster_gradient) == (0.002, "sum", False)
    assert (training.lloyd_iter, training.plateau, training.factor) == (10, 5, 0.1)
    assert joint.training == replace(training, cluster_gradient=True)
    assert (paper.clusters.k_min, paper.clusters.k_max) == (2, 3)
    assert (experiment.clusters.k_min, experiment.clusters.k_max) == (3, 5)
    assert experiment.clusters.max_iter == 15


def test_161_001_spectra_train_and_46_001_validate():
    training = astro(0, TINY, 100.0, 0.0).variants[0].training
    parts = split(PUBLISHED.spectra, (training.validation, training.test), 10, torch.Generator())
    assert (len(parts.train), len(parts.validation)) == (TRAINED, VALIDATED) == (161_001, 46_001)
    assert (PUBLISHED.epochs, training.test) == (100, 0.0)


def test_the_training_spectra_are_lazy_have_1024_channels_and_no_negative_value():
    axis = nebular_axis(4752.0, 9350.0, 46.0)
    stream = nebular_spectra(5000, 10.0, seed=3, axis=axis)
    cube = streamed_cube(stream)
    assert cube.chunks is not None
    assert cube.shape == (5000, 1, len(axis))
    np.testing.assert_array_equal(cube.values[4096:, 0], np.maximum(stream.block(1).spectra, 0))
    experiment = astro(0, TINY, 30.0, 0.05)
    assert experiment.cube.sizes["channel"] == 1024 == experiment.train[0].sizes["channel"]
    assert experiment.cube.values.min() == 0
    assert (experiment.truth == experiment.background).any()


def test_the_heritage_network_is_variational_with_4_layers_and_a_rising_discrepancy():
    picture = np.full((40, 50, 3), 90, np.uint8)
    experiment = heritage(0, TINY, 0.8, (picture,) * 18)
    assert len(experiment.train) == 18  # all pictures, however many
    paper = experiment.variants[0]
    assert paper.network.variational
    assert paper.network.block == "snn"
    assert len(paper.network.decoder_widths(1024)) == 4
    assert paper.training.beta.first == 0 < paper.training.beta.last
    assert paper.training.gamma > 0
    assert not paper.training.cluster_gradient
    assert experiment.colours.max() == experiment.truth.max() == 4


def test_a_share_of_the_training_spectra_is_noise_alone():
    experiment = astro(0, replace(TINY, spectra=4000), 100.0, 0.05)
    spectra = experiment.train[0].values[:, 0]
    weak = spectra.max(axis=1) < 0.3  # H alpha of a nebula is brighter
    assert weak.mean() == pytest.approx(0.05, abs=0.02)
    assert experiment.name == "astro-100-5"


def test_every_choice_says_why_and_what_it_changes():
    for choice in (*ASTRO.values(), *HERITAGE.values()):
        assert isinstance(choice, Choice)
        assert choice.why
        assert choice.varies


def test_the_heritage_networks_differ_in_one_setting_each():
    paper, joint, plain, _ = heritage(0, TINY, 0.8).variants
    assert plain.training == replace(paper.training, beta=0.0)
    assert plain.network == paper.network
    assert joint.training == replace(paper.training, cluster_gradient=True)


def test_there_is_one_run_per_signal_to_noise_ratio_and_per_threshold():
    assert len(makers("astro", 0, TINY)) == len(ASTRO["runs"].value)
    assert len(makers("heritage", 0, TINY)) == len(HERITAGE["threshold"].value)


def test_the_announced_time_is_that_of_the_trainings_that_are_left(monkeypatch):
    monkeypatch.setattr(expected, "seconds_per_spectrum", lambda *_: 1e-3)
    experiment = astro(0, Sizes(10**6, (32, 33), 10), 100.0, 0.0)
    left = {"paper": 8, "joint": 4, "best": 0}
    # 12 trainings, 10 epochs; a millisecond for 0.778 of the spectra, a third of it for 0.222.
    words = expected.expected_time(experiment, left)
    assert words.startswith(
        "12 trainings of 1,000,000 spectra and all epochs would take about 28.4"
    )
    small = expected.expected_time(astro(0, TINY, 100.0, 0.0), dict.fromkeys(left, 0) | {"best": 1})
    assert small.startswith("1 training of")
    assert "about 1 min" in small
    done = expected.expected_time(experiment, dict.fromkeys(left, 0))
    assert done == "All trainings are finished."


def test_the_time_of_a_step_is_measured():
    joint = astro(0, TINY, 100.0, 0.0).variants[1]
    small = replace(joint.network, encoder=(16,), decoder=(16,))
    fast = joint._replace(network=small, training=replace(joint.training, batch_size=64))
    assert 0 < expected.seconds_per_spectrum(fast, joint.clusters) < 0.1


def test_a_training_that_was_stopped_continues_from_its_checkpoint(tmp_path):
    """Ctrl-C after the first epoch: the others are trained, to the weights of a whole training."""
    experiment = astro(0, replace(TINY, epochs=3), 100.0, 0.0)
    variant = experiment.variants[0]
    done = []

    def stop(epoch, _epochs, _row):
        done.append(epoch)
        raise KeyboardInterrupt

    def run(home, progress=lambda *_: None):
        home.mkdir(exist_ok=True)
        return reproduction._trained(experiment, variant, home, progress)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop)
    assert (tmp_path / "paper.checkpoint").exists()
    assert not (tmp_path / "paper.safetensors").exists()
    segmenter = run(tmp_path, lambda epoch, *_: done.append(epoch))
    assert done == [1, 2, 3]
    assert not (tmp_path / "paper.checkpoint").exists()
    assert run(tmp_path, stop).fingerprint() == segmenter.fingerprint()  # reads the file
    assert run(tmp_path / "whole").fingerprint() == segmenter.fingerprint()


def test_only_the_named_methods_are_run_and_always_the_network_of_the_paper():
    experiment = astro(0, TINY, 100.0, 0.0)
    chosen = reproduction._chosen(experiment, ["best", "umap"])
    assert [each.name for each in chosen.variants] == ["paper", "best"]
    assert reproduction._chosen(experiment, None) is experiment
    with pytest.raises(ValueError, match="umap"):
        reproduction._chosen(experiment, ["magic"])


@pytest.fixture
def tiny(monkeypatch):
    """Make the published scale small: one run for each seed, on few spectra."""
    monkeypatch.setattr(reproduction, "PUBLISHED", TINY)
    monkeypatch.setitem(ASTRO, "runs", ASTRO["runs"]._replace(value=((100.0, 0.0),)))
    monkeypatch.setattr(reproduction, "write_figures", lambda *_: None)


def test_methods_of_an_earlier_run_stay_in_the_tables(tiny, tmp_path):
    first = reproduce("astro", tmp_path / "run", scale="published", methods=["pca"])
    assert [row.method for row in first.rows] == ["paper", "pca"]
    again = reproduce("astro", tmp_path / "run", scale="published", methods=["raw"])
    assert [row.method for row in again.rows] == ["paper", "raw", "pca"]
    assert again.rows[0] == first.rows[0]
    assert "pca, fitted" in (tmp_path / "run" / "scores.md").read_text(encoding="utf-8")


def test_k_of_a_baseline_is_chosen_in_both_ranges(tiny, tmp_path, monkeypatch):
    ranges = []
    plain = reproduction.cluster_cube

    def watched(*arguments, clusters, **others):
        ranges.append((clusters.k_min, clusters.k_max))
        return plain(*arguments, clusters=clusters, **others)

    monkeypatch.setattr(reproduction, "cluster_cube", watched)
    reproduce("astro", tmp_path / "run", scale="published", methods=["pca"])
    assert ranges == [(3, 5), (4, 4), (2, 10)]


def test_results_of_other_settings_are_not_mixed(tiny, tmp_path, monkeypatch):
    reproduce("astro", tmp_path / "run", scale="published", methods=["paper"])
    slower = reproduction.published._training
    monkeypatch.setattr(
        reproduction.published,
        "_training",
        lambda *each: replace(slower(*each), learning_rate=1e-4),
    )
    with pytest.raises(ValueError, match="other settings"):
        reproduce("astro", tmp_path / "run", scale="published", methods=["paper"])
    with pytest.raises(ValueError, match="other settings"):
        reproduce("astro", tmp_path / "run", scale="quick")


def test_results_without_their_settings_are_not_used(tiny, tmp_path):
    reproduce("astro", tmp_path / "run", scale="published", methods=["paper"])
    (tmp_path / "run" / "seed-0" / "astro-100-0" / "settings.json").unlink()
    with pytest.raises(ValueError, match=r"no settings\.json"):
        reproduce("astro", tmp_path / "run", scale="published", methods=["paper"])


@pytest.mark.parametrize("wrong", [{"methods": ["magic"]}, {"pictures": "nowhere"}])
def test_what_is_refused_leaves_no_folder(tiny, tmp_path, wrong):
    if "pictures" in wrong:
        wrong = {"pictures": tmp_path / "empty"}
        (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"magic|no picture"):
        reproduce("heritage", tmp_path / "run", scale="published", **wrong)
    assert not (tmp_path / "run").exists()


def test_noise_is_added_before_negative_values_become_0():
    experiment = astro(0, TINY, 100.0, 0.0)
    seen = []

    def look(cube, *_others, **_settings):
        seen.append(float(cube.values.min()))
        raise StopIteration

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spectessera.studies.degradation.segment", look)
        for floor in (experiment.floor, None):
            with pytest.raises(StopIteration):
                noise_sweep(experiment.cube, None, experiment.truth, levels=(20.0,), floor=floor)
    assert seen[0] == 0 > seen[1]


def test_progress_names_network_and_epoch():
    seen = []
    show = reproduction._epochs_of(lambda *step: seen.append(step), "astro: paper", 2, 9)
    show(3, 100, {"validation_total": 0.000463})
    assert seen == [("astro: paper: epoch 3 of 100, loss 0.000463", 2, 9)]


def test_pictures_of_a_folder_are_all_used_at_the_published_scale(tmp_path):
    for number in range(18):
        Image.fromarray(np.full((40, 50, 3), number, np.uint8)).save(tmp_path / f"{number}.png")
    (_, make), *_ = reproduction._runs("heritage", "published", TINY, 1, tmp_path)
    assert len(make().train) == 18


def test_a_second_column_of_k_appears_where_the_range_did_not_start_at_2():
    values = dict.fromkeys(Row._fields, 0.5) | {
        "experiment": "e", "method": "a", "words": "a", "seed": 0, "k": 4, "k_open": 2,
    }  # fmt: skip
    rows = [Row(**values)]
    assert "| k | k from 2 |" in "\n".join(markdown(mean_rows(rows), 1, "e"))
    same = [rows[0]._replace(k_open=4)]
    assert "k from 2" not in "\n".join(markdown(mean_rows(same), 1, "e"))
