"""The default settings of a segmenter, and those that it chooses for the spectra.

Settings that are open are chosen by the rules of :mod:`spectessera.preprocess.auto`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from spectessera.channels import BAD
from spectessera.kmeans import Clusters
from spectessera.network.settings import Training
from spectessera.network.shape import Network
from spectessera.preprocess.auto import (
    OF_COUNTS,
    are_reflectances,
    denoising_for,
    metric_for,
    noise_share,
    stabilisation_for,
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
    "training": Training(gamma=0.0, learning_rate=3e-4, denoise=None, train_encoder=None),
}
# Configuration, setting, and the value that leaves it open.
_OPEN = (
    ("preprocess", "stabilise", AUTO),
    ("preprocess", "normalise", AUTO),
    ("clusters", "metric", AUTO),
    ("clusters", "restarts", None),
    ("training", "denoise", None),
    ("training", "train_encoder", None),
)
# Seedings of latents that are principal components: of four clusters of Jasper Ridge, one in eight
# seedings ends in the clusters of the least inertia.
_RESTARTS = 30
Chosen = dict[str, dict[str, Any]]


def check_param(name: str, known: Sequence[str]) -> None:
    """Raise ValueError unless a name is a parameter, or a field such as ``network__latent``."""
    outer, nested, _ = name.partition("__")
    if outer not in known or (nested and outer not in CONFIGS):
        raise ValueError(
            f"{name!r} is not a parameter of SpectralSegmenter; known are {', '.join(known)}, "
            "and fields as in network__latent"
        )


def field_params(configs: Mapping[str, Any]) -> dict[str, Any]:
    """Return every field of configurations by its name, such as ``network__latent``."""
    return {
        f"{name}__{each.name}": getattr(config, each.name)
        for name, config in configs.items()
        for each in fields(config)
    }


def with_field(config: Any, name: str, value: Any) -> Any:
    """Return a configuration with another value of one field.

    Raises
    ------
    ValueError
        If it has no such field, or the value is not allowed.
    """
    if name not in {each.name for each in fields(config)}:
        raise ValueError(f"{name!r} is not a setting of {type(config).__name__}")
    return replace(config, **{name: value})


def open_settings(name: str, config: Any) -> list[str]:
    """Return the names of the open settings of a configuration."""
    return [
        field for owner, field, value in _OPEN if owner == name and getattr(config, field) == value
    ]


def filled(name: str, config: Any, chosen: Chosen) -> Any:
    """Return a configuration whose open settings have the values chosen for them, if any.

    The windows of bad channels are excluded beside those that are given.
    """
    values = dict(chosen.get(name, {}))
    if BAD in values:
        config = config.without(values.pop(BAD))
    values = {field: values[field] for field in open_settings(name, config) if field in values}
    return replace(config, **values) if values else config


def choose_settings(
    plain: np.ndarray, configs: Mapping[str, Any], *, noise: str = "residual", kind: str = "channel"
) -> Chosen:
    """Return a value for every setting that may be open.

    Parameters
    ----------
    plain : array (n, channel)
        Spectra, preprocessed without stabilisation and normalisation.
    configs : mapping
        Configurations by their names; settings that are not open are respected.
    noise : str
        What is known of their noise, see :func:`spectessera.cube.noise_of`.
    kind : str
        Of their axis.
    """
    trained, alone = _trains_encoder(configs), plain.shape[1] == 1
    if noise == "residual" and are_reflectances(plain, kind) and not alone:
        return _for_reflectances(trained)
    preprocess = configs["preprocess"]
    # The brightness is all that there is of a spectrum of one channel.
    normalise = None if alone else "l2"
    # Around a baseline that was subtracted, noise is as often negative: a root would bias it.
    root = None if preprocess.baseline else stabilisation_for(plain)
    chosen: dict[str, Any] = {"stabilise": root, "normalise": normalise}
    settled = filled("preprocess", preprocess, {"preprocess": chosen})
    values = stabilise(plain, settled.stabilise, settled.softening)
    share = noise_share(values / scale_of(values, settled.normalise)[:, None])
    # As many dimensions as the latents of untrained components can have.
    metric = metric_for(share, min(configs["network"].latent, plain.shape[1]))
    if noise == "counts" and not trained:
        metric = OF_COUNTS
    return {
        "preprocess": chosen,
        "clusters": {"metric": metric, "restarts": None if trained else _RESTARTS},
        "training": {"denoise": denoising_for(share) if trained else 0.0, "train_encoder": trained},
    }


def _trains_encoder(configs: Mapping[str, Any]) -> bool:
    """Return whether the encoder is trained: where the loss has a term for it, or must be.

    Its training moves the latents away from principal components, by chance: other seeds give
    other clusters, and on average no better ones (docs/design/0019-fixed-encoder.md).
    """
    network, training = configs["network"], configs["training"]
    if training.train_encoder is not None:
        return bool(training.train_encoder)
    linear = network.linear_path and not (network.variational or network.latent_activation)
    # Of the terms of the loss, these two are for the encoder.
    return bool(not linear or training.gamma or training.beta)


def _for_reflectances(trained: bool) -> Chosen:
    """Return half-whitened principal components of normalised spectra, where a network can."""
    return {
        "preprocess": {"stabilise": None, "normalise": "l2"},
        "clusters": {"metric": "half-whitened", "restarts": None if trained else _RESTARTS},
        "training": {"denoise": 0.0, "train_encoder": trained},
    }


def chosen_of_trained(metric: str) -> Chosen:
    """Return the values of the open settings of a trained model."""
    return {"clusters": {"metric": metric}, "training": {"denoise": 0.0, "train_encoder": True}}


def fine_tuning(loss: str) -> Training:
    """Return the settings to continue from a trained model: its loss, without a cluster term."""
    return Training(loss=loss, gamma=0.0)


def continued(given: Mapping[str, Any], origin: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a training that continues from a trained model.

    Parameters
    ----------
    given : mapping
        Configurations by their names; None where none is given.
    origin : mapping
        Those of the trained model.

    Raises
    ------
    ValueError
        If another network or preprocessing is given.
    """
    for name in ("network", "preprocess"):
        if given[name] not in (None, origin[name]):
            raise ValueError(
                f"the {name} is that of the model to start from; leave {name} out, or train "
                "without start"
            )
    return {
        "network": origin["network"],
        "preprocess": origin["preprocess"],
        "clusters": origin["clusters"] if given["clusters"] is None else given["clusters"],
        "training": fine_tuning(origin["training"].loss)
        if given["training"] is None
        else given["training"],
    }
