"""A trained model in a file: how it is written, read and checked."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spectessera._version import __version__
from spectessera.axis import Axis
from spectessera.kmeans.rule import Rule
from spectessera.network.autoencoder import Autoencoder
from spectessera.network.checkpoint import History
from spectessera.network.modelfile import read_model, write_model
from spectessera.preprocess.frame import Expects
from spectessera.result import KCurves
from spectessera.settings import from_dict, to_dict

from ._model import TrainedModel, weights_of
from .defaults import CONFIGS
from .novelty import LatentGroups, Reference, TrainingQuantiles, check_quantiles

_RULE_ARRAYS = ("mean", "matrix", "centers")
# Arrays of the network that stay float32 in a file of half the size.
_WHOLE = ("center", "scale")


def write_trained(path: str | Path, model: TrainedModel, *, half: bool) -> None:
    """Write a model to a file.

    Parameters
    ----------
    path : str or Path
    model : TrainedModel
    half : bool
        Write the weights of the layers as float16.

    Raises
    ------
    OSError
        If the file cannot be written.
    ValueError
        If a weight is too large for float16.
    """
    weights = weights_of(model.network)
    if half:
        weights = {
            name: each if name in _WHOLE else _halved(name, each) for name, each in weights.items()
        }
    tensors = {f"model.{name}": each for name, each in weights.items()}
    tensors["cluster_centers"] = model.centers
    tensors |= _named("choices", model.curves)
    tensors |= _named("latent_groups", model.reference.groups)
    tensors |= _named("typical", model.reference.typical)
    tensors |= {f"rule.{name}": getattr(model.rule, name) for name in _RULE_ARRAYS}
    metadata = {
        "version": __version__,
        "settings": {name: to_dict(config) for name, config in model.configs.items()},
        "axis": model.axis.to_dict(),
        "expects": to_dict(model.expects),
        "output": model.network.output,
        "components": list(model.components),
        "history": {each.name: getattr(model.history, each.name) for each in fields(model.history)},
    }
    write_model(path, tensors, metadata)


def _named(
    prefix: str, arrays: KCurves | LatentGroups | TrainingQuantiles
) -> dict[str, np.ndarray]:
    return {f"{prefix}.{name}": each for name, each in arrays._asdict().items()}


def _halved(name: str, weights: np.ndarray) -> np.ndarray:
    """Return weights as float16."""
    if np.abs(weights).max(initial=0) > np.finfo(np.float16).max:
        raise ValueError(f"{name} has weights too large for float16; save the model without half")
    return weights.astype(np.float16)


def read_trained(path: str | Path) -> TrainedModel:
    """Read a model that :func:`write_trained` wrote.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is not a model, or is incomplete, or of a format that this version does not read.
    """
    tensors, metadata = read_model(path, unmeasured="choices.")
    try:
        return _restored(tensors, metadata)
    except Exception as error:  # whatever a description that makes no sense leads to
        raise ValueError(f"{path} does not hold a complete model: {error}") from error


def _restored(tensors: dict[str, np.ndarray], metadata: dict[str, Any]) -> TrainedModel:
    """Return the model of arrays and metadata, all of them checked."""
    configs: dict[str, Any] = {
        name: from_dict(kind, metadata["settings"][name], name) for name, kind in CONFIGS.items()
    }
    axis = Axis.from_dict(metadata["axis"])
    history = from_dict(History, metadata["history"], "history")
    # A file without it is of a model of spectra as they are measured.
    expects: Expects = from_dict(Expects, metadata.get("expects", {}), "expects")
    channels = len(configs["preprocess"].input_axis(axis))
    with torch.device("meta"):  # without memory
        network = Autoencoder(configs["network"], channels, str(metadata["output"]), generator=None)
    _take_weights(network, tensors)
    centers = tensors["cluster_centers"].astype(np.float32)
    if centers.ndim != 2 or len(centers) == 0 or centers.shape[1] != configs["network"].latent:
        raise ValueError(f"cluster centers have shape {centers.shape}")
    rule = (tensors[f"rule.{name}"].astype(np.float32) for name in _RULE_ARRAYS)
    model = TrainedModel(
        configs,
        axis,
        tuple(str(name) for name in metadata["components"]),
        network,
        history,
        centers,
        KCurves(*(tensors[f"choices.{name}"] for name in KCurves._fields)),
        Rule(configs["clusters"].metric, *rule),
        Reference(
            LatentGroups(*(tensors[f"latent_groups.{name}"] for name in LatentGroups._fields)),
            check_quantiles(
                TrainingQuantiles(
                    *(tensors[f"typical.{name}"] for name in TrainingQuantiles._fields)
                )
            ),
            expects.parts,
        ),
        expects,
    )
    k, d = centers.shape
    shapes = tuple(getattr(model.rule, name).shape for name in _RULE_ARRAYS)
    if shapes != ((d,), (d, d), (k, d)):
        raise ValueError(f"the rule that labels follow has arrays of shapes {shapes}")
    return model


def _take_weights(network: Autoencoder, tensors: dict[str, np.ndarray]) -> None:
    """Give a network without memory the weights of a file, if names and shapes agree.

    A hostile file could name layers of any width: nothing is allocated but what the file holds.
    """
    weights = {
        name.removeprefix("model."): torch.from_numpy(array.astype(np.float32))
        for name, array in tensors.items()
        if name.startswith("model.")
    }
    for name, known in network.state_dict().items():
        # older versions of torch take the first of several numbers where one is expected
        if name in weights and weights[name].numel() != known.numel():
            raise ValueError(
                f"model.{name} must have {known.numel()} numbers; got {weights[name].numel()}"
            )
    network.load_state_dict(weights, assign=True)
    network.eval()
