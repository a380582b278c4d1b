"""Settings as plain dictionaries and back."""

import json
import tomllib

import numpy as np
import pytest
import tomli_w

from spectessera.kmeans import Clusters
from spectessera.network.checkpoint import History
from spectessera.network.schedule import Schedule
from spectessera.network.settings import Training
from spectessera.network.shape import Network
from spectessera.preprocess.recipe import Preprocess
from spectessera.settings import from_dict, to_dict

EXAMPLES = [
    Preprocess(),
    Preprocess(normalise=None),
    Preprocess(
        keep=((1.0, 5.5), (7.0, 9.0)), exclude=[(2, 3)], continuum="median", redshift=0.1,
        rebin_to=64, smooth=3, stabilise="log-quantile", normalise="l2",
    ),
    Network(),
    Network(encoder=(512, 256, 32), decoder=[128, 256], variational=True),
    Network(encoder=(), latent_activation="tanh", block="snn"),
    Network(encoding_activation="tanh"),
    Clusters(3, 7, restarts=4, seeding="random"),
    Training(),
    Training(epochs=7, gamma=Schedule(0.5, 0.0, 2, 5), seed=2**40),
    Training(gamma=0, total="sum"),
    Training(cluster_gradient=False),
    Schedule(1.0, 0.0, 3, 9),
]  # fmt: skip


@pytest.mark.parametrize("settings", EXAMPLES, ids=repr)
def test_what_is_written_as_json_or_toml_is_read_back_equal(settings):
    plain = to_dict(settings)
    assert from_dict(type(settings), plain) == settings
    assert from_dict(type(settings), json.loads(json.dumps(plain))) == settings
    assert from_dict(type(settings), tomllib.loads(tomli_w.dumps(plain))) == settings


def test_none_that_is_not_the_default_is_a_word_and_the_default_is_left_out():
    assert to_dict(Preprocess(normalise=None))["normalise"] == "none"
    assert from_dict(Preprocess, {"normalise": "none"}).normalise is None
    assert from_dict(Preprocess, {"stabilise": "none"}).stabilise is None
    assert "rebin_to" not in to_dict(Preprocess())
    assert from_dict(Preprocess, {}).normalise == "max"


def test_a_schedule_is_a_table_of_its_own():
    plain = to_dict(Training(gamma=Schedule(0.0, 0.2, 1, 4)))
    assert plain["gamma"] == {"first": 0.0, "last": 0.2, "start": 1, "end": 4}
    assert from_dict(Training, {"gamma": {"first": 1, "last": 0.5}}).gamma == Schedule(1.0, 0.5)


def test_lists_become_tuples_all_the_way_down():
    found = from_dict(Preprocess, {"keep": [[1, 2], [3, 4.5]]})
    assert found.keep == ((1.0, 2.0), (3.0, 4.5))
    assert from_dict(Network, {"encoder": [8, 4]}).encoder == (8, 4)


def test_numbers_of_numpy_are_written_as_plain_ones():
    """A latent size out of np.arange must not be what stops a model from being saved."""
    network = Network(latent=np.int64(4), dropout=np.float32(0.25))
    assert json.loads(json.dumps(to_dict(network)))["latent"] == 4
    assert from_dict(Network, json.loads(json.dumps(to_dict(network)))) == network


def test_a_history_is_restored_with_its_lists():
    history = History(rows=[{"epoch": 0, "k": [2, 3]}], best_epoch=0, test={"total": 0.5})
    back = from_dict(History, json.loads(json.dumps(to_dict(history))))
    assert back == history
    assert isinstance(back.rows, list)


@pytest.mark.parametrize(
    ("kind", "data", "error", "words"),
    [
        (Network, {"latnt": 3, "deep": 1}, ValueError, "model: deep, latnt is not a setting; know"),
        (Network, {"latent": 0}, ValueError, "model: latent must be at least 1"),
        (Network, {"latent": "three"}, TypeError, "model: latent must be an integer"),
        (Network, {"latent": True}, TypeError, "model: latent must be an integer"),
        (Network, {"variational": "no"}, ValueError, "model: variational must be one of True, F"),
        (Network, {"encoder": 512}, TypeError, r"model: encoder is a list of widths.*got 512"),
        (Preprocess, {"keep": [1, 2]}, ValueError, r"model: keep is a list of windows"),
        (Training, {"gamma": {"first": 1, "lst": 2}}, ValueError, "model: .*lst is not a setting"),
        (Schedule, {"first": 1.0}, TypeError, "model: .*last"),
        (Clusters, [1, 2], TypeError, r"model: expected a table of settings, got \[1, 2\]"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(kind, data, error, words):
    with pytest.raises(error, match=words):
        from_dict(kind, data, "model")


@pytest.mark.parametrize("kind", [Preprocess, Network, Clusters, Training])
def test_settings_cannot_be_changed_in_place(kind):
    settings = kind()
    with pytest.raises(AttributeError):
        settings.seed = 3
