"""What is not told: the settings that a segmenter begins with, and what it chooses by itself.

The rule itself is :mod:`spectessera.preprocess.auto`; here is which setting of which configuration
it fills.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from spectessera.kmeans import Clusters
from spectessera.network.autoencoder import Network
from spectessera.network.training import Training
from spectessera.preprocess.auto import (
    noise_share,
    suited_denoising,
    suited_metric,
    suited_stabilisation,
)
from spectessera.preprocess.recipe import Preprocess
from spectessera.preprocess.steps import AUTO, scale_of, stabilise

CONFIGS: dict[str, type] = {
    "preprocess": Preprocess,
    "network": Network,
    "clusters": Clusters,
    "training": Training,
}
DEFAULTS: dict[str, Any] = {
    "preprocess": Preprocess(stabilise="auto", normalise="auto"),
    "network": Network(latent=10, depth=2, linear_path=True),
    "clusters": Clusters(),
    "training": Training(gamma=0.0, learning_rate=3e-4, denoise=None),
}
# Configuration, setting, and the value by which it is left open.
_OPEN = (
    ("preprocess", "stabilise", AUTO),
    ("preprocess", "normalise", AUTO),
    ("clusters", "metric", AUTO),
    ("training", "denoise", None),
)
Chosen = dict[str, dict[str, Any]]


def open_settings(name: str, config: Any) -> list[str]:
    """Return the settings of a configuration that are left open."""
    return [
        field for owner, field, word in _OPEN if owner == name and getattr(config, field) == word
    ]


def suited(plain: np.ndarray, configs: Mapping[str, Any]) -> Chosen:
    """Return a value for every setting that may be left open.

    Parameters
    ----------
    plain : array (n, channel)
        Spectra, preprocessed but for the stabilisation and the normalisation.
    configs : mapping
        Configurations by their names; what they tell is what the rest has to suit.
    """
    preprocess = configs["preprocess"]
    chosen = {"stabilise": suited_stabilisation(plain), "normalise": "l2"}
    told = {field: getattr(preprocess, field) for field in chosen}
    taken = told | {field: chosen[field] for field in open_settings("preprocess", preprocess)}
    values = stabilise(plain, taken["stabilise"], preprocess.softening)
    noise = noise_share(values / scale_of(values, taken["normalise"])[:, None])
    return {
        "preprocess": chosen,
        "clusters": {"metric": suited_metric(noise, configs["network"].latent)},
        "training": {"denoise": suited_denoising(noise)},
    }


def of_trained(metric: str) -> Chosen:
    """Return what fills the open settings of a model that is trained already."""
    return {"clusters": {"metric": metric}, "training": {"denoise": 0.0}}


def fine_tuning(loss: str) -> Training:
    """Return the settings to go on from a trained model with: its loss, reconstruction alone."""
    return Training(loss=loss, gamma=0.0)
