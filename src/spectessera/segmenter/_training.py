"""How a model is trained, on spectra or on a simulation, and how it gets its clusters."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import xarray as xr

from spectessera.axis import Axis
from spectessera.kmeans.points import Clustering, Tried, cluster_points
from spectessera.network.autoencoder import Autoencoder, check_loss, resolve_output
from spectessera.network.batches import SimulatedSpectra, ThinnedCounts, split, whole_counts
from spectessera.network.checkpoint import Checkpoint, History
from spectessera.network.codec import Codec
from spectessera.network.settings import Training
from spectessera.network.training import Progress, train, train_on
from spectessera.preprocess.frame import Expects

from ._model import TrainedModel
from ._training_inputs import TrainingInputs, gather
from .defaults import Chosen
from .novelty import reference_of

if TYPE_CHECKING:
    from spectessera.synth.pairs import Simulation

# Simulated spectra to validate a pretraining with.
HELD_OUT = 4096


class Fit(NamedTuple):
    """A trained model, and what it was trained on.

    Attributes
    ----------
    model : TrainedModel
    chosen : dict
        Settings that were chosen for the spectra.
    labels : array (n,), int64
        Of every row of the array or every pixel of the cubes; -1 where it was not trained on.
    tried : Tried or None
        The clusterings with every k.
    """

    model: TrainedModel
    chosen: Chosen
    labels: np.ndarray
    tried: Tried | None


def fit_model(
    data: np.ndarray | list[xr.DataArray],
    configs: Mapping[str, Any],
    origin: TrainedModel | None,
    device: str,
    checkpoint: Checkpoint | None,
    progress: Progress | None,
) -> Fit:
    """Train on an array or cubes.

    Parameters
    ----------
    data : array (n, channel), float32, or list of DataArray (y, x, channel)
        Checked.
    configs : mapping
        Settings by their names; some may be open.
    origin : TrainedModel or None
        The model that the training starts from; it is not changed.
    device : str
    checkpoint, progress
        See :func:`spectessera.network.training.train`.

    Raises
    ------
    ValueError
        See :func:`spectessera.segmenter._training_inputs.gather`.
    """
    expects = Expects() if origin is None else origin.expects
    inputs = gather(data, configs, None if origin is None else origin.axis, expects)
    network, history = _trained(inputs, origin, device, checkpoint, progress)
    model, clustering = _with_clusters(
        inputs.configs, inputs.axis, () if origin is None else origin.components,
        network, history, inputs.spectra.inputs, device=device, expects=expects,
    )  # fmt: skip
    labels = np.full(inputs.pixels, -1, dtype=np.int64)
    labels[inputs.spectra.rows] = clustering.labels
    return Fit(model, inputs.chosen, labels, clustering.tried)


def _trained(
    data: TrainingInputs,
    origin: TrainedModel | None,
    device: str,
    checkpoint: Checkpoint | None,
    progress: Progress | None,
) -> tuple[Autoencoder, History]:
    """Train a new network, or a copy of the one to start from."""
    configs, spectra = data.configs, data.spectra
    training: Training = configs["training"]
    if origin is None:
        network = _new_network(configs, spectra.inputs, device)
    else:
        network = copy.deepcopy(origin.network).to(device)
        check_loss(training.loss, network.output, float(spectra.inputs.min()))
    arguments: dict[str, Any] = {
        "trained": origin is not None, "checkpoint": checkpoint, "progress": progress
    }  # fmt: skip
    if spectra.values is not None:
        shuffle = torch.Generator().manual_seed(training.seed)
        source = _thinned(data, spectra.values, shuffle, device)
        history = train_on(
            network, source, configs["clusters"], training, shuffle=shuffle, **arguments
        )
    else:
        inputs = torch.from_numpy(spectra.inputs).to(device)
        known = spectra.variance
        variance = None if known is None else torch.from_numpy(known).to(device)
        history = train(
            network, inputs, configs["clusters"], training, variance=variance, **arguments
        )
    return network, history


def _new_network(configs: Mapping[str, Any], inputs: np.ndarray, device: str) -> Autoencoder:
    """Return a new network for inputs (n, input channel), with random weights."""
    training: Training = configs["training"]
    if training.train_encoder is False and not configs["network"].linear_path:
        raise ValueError(
            "an encoder that is not trained needs principal components to start from: "
            "Network(linear_path=True)"
        )
    output = resolve_output(
        configs["network"],
        float(inputs.min()),
        float(inputs.max()),
        configs["preprocess"].normalise,
        training.loss,
    )
    generator = torch.Generator().manual_seed(training.seed)
    network = Autoencoder(configs["network"], inputs.shape[1], output, generator=generator)
    return network.to(device)


def _thinned(
    data: TrainingInputs, values: np.ndarray, shuffle: torch.Generator, device: str
) -> ThinnedCounts:
    """Return halves of measured counts (n, channel) to train on."""
    training: Training = data.configs["training"]
    shares = training.validation, training.test
    return ThinnedCounts(
        whole_counts(values),
        lambda counts: data.intake.apply(counts).values,
        split(len(values), shares, 2 * data.configs["clusters"].k_max, shuffle),
        training.batch_size,
        training.seed,
        torch.device(device),
    )


def pretrain_model(
    simulation: Simulation,
    configs: dict[str, Any],
    device: str,
    checkpoint: Checkpoint | None,
    progress: Progress | None,
) -> TrainedModel:
    """Train on simulated spectra; the clusters are those of the spectra to validate with.

    Parameters
    ----------
    simulation : XrfSimulation or NebularSimulation
    configs : dict
        Settings by their names, none of them open.
    device : str
    checkpoint, progress
        See :func:`spectessera.network.training.train`.

    Raises
    ------
    ValueError
        If the settings do not go together.
    """
    components = configs["network"].components
    if components not in (0, len(simulation.components)):
        raise ValueError(
            f"components={components}, but the simulation has {len(simulation.components)}"
        )
    if configs["training"].composition > 0 and components == 0:
        raise ValueError("composition needs a network with components, but this one has none")
    source = _simulated(simulation, configs, device)
    inputs = source.start.numpy(force=True)
    network = _new_network(configs, inputs, device)
    history = train_on(
        network, source, configs["clusters"], configs["training"],
        checkpoint=checkpoint, progress=progress,
    )  # fmt: skip
    names = simulation.components if components else ()
    model, _ = _with_clusters(
        configs,
        simulation.axis,
        names,
        network,
        history,
        inputs,
        device=device,
        expects=simulation.expects,
    )
    return model


def _simulated(simulation: Simulation, configs: Mapping[str, Any], device: str) -> SimulatedSpectra:
    """Return what a pretraining draws from; its ``start`` are the inputs to validate with."""
    training: Training = configs["training"]
    return SimulatedSpectra(
        simulation.pairs,
        lambda spectra: configs["preprocess"].apply(spectra, simulation.axis).values,
        training.steps,
        training.batch_size,
        HELD_OUT,
        training.contrastive > 0,
        torch.device(device),
    )


def recluster_model(model: TrainedModel, simulation: Simulation, device: str) -> TrainedModel:
    """Return a pretrained model with clusters of its simulation by its present settings."""
    inputs = _simulated(simulation, model.configs, device).start.numpy(force=True)
    return _with_clusters(*model[:5], inputs, device=device, expects=model.expects)[0]


def _with_clusters(
    configs: dict[str, Any],
    axis: Axis,
    components: tuple[str, ...],
    network: Autoencoder,
    history: History,
    inputs: np.ndarray,
    *,
    device: str,
    expects: Expects,
) -> tuple[TrainedModel, Clustering]:
    """Return a model with the clusters of inputs (n, input channel), and these."""
    codec, seed = Codec(network), configs["training"].seed
    latent = codec.encode(inputs)
    clustering = cluster_points(latent, configs["clusters"], seed=seed, device=device)
    reference = reference_of(
        inputs, latent, clustering.labels, clustering.centers, codec.decode, parts=expects.parts
    )
    model = TrainedModel(
        configs, axis, components, network, history,
        clustering.centers, clustering.curves, clustering.rule, reference, expects,
    )  # fmt: skip
    return model, clustering
