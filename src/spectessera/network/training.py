"""Training: the one loop over epochs and batches."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from spectessera.kmeans import Clusters, choose_k

from .autoencoder import Autoencoder
from .balance import balanced_weight, clusters_of_epoch
from .batches import Batch, BatchSource, SpectraInMemory, split
from .checkpoint import (
    Checkpoint,
    CheckpointFile,
    History,
    TrainingState,
    locked_checkpoint,
    training_fingerprint,
)
from .losses import (
    cluster_term,
    composition_error,
    contrast,
    maximum_mean_discrepancy,
    multinomial,
    multinomial_of_roots,
    poisson,
    squared_error,
    total_loss,
    weighted_squares,
)
from .schedule import as_schedule
from .settings import TermWeights, Training, batch_clusters, weights_at
from .start import first_state, has_ended, starts_linear

log = logging.getLogger(__name__)

Progress = Callable[[int, int, dict[str, Any]], None]


def train(
    model: Autoencoder,
    spectra: Tensor,
    clusters: Clusters,
    training: Training,
    *,
    variance: Tensor | None = None,
    trained: bool = False,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> History:
    """Train a model in place; at the end it has its best weights.

    Parameters
    ----------
    model : Autoencoder
    spectra : tensor (n, channel), float32
        On the device of the model.
    clusters : Clusters
        The range of k of the cluster term.
    training : Training
    variance : tensor (n, channel), optional
        Of the spectra; used by the loss "variance" only, which needs it.
    trained : bool
        See :func:`train_on`.
    checkpoint : Checkpoint, optional
        Where the state of the training is saved. If it exists, the training continues from it and
        ends with exactly the weights of a training that was not interrupted.
    progress : callable, optional
        Called after every epoch with the number of epochs done, that of all epochs (of those that
        were done if it was the last) and the row of the history.

    Returns
    -------
    History
        Also after Ctrl-C, if an epoch was complete; the model then has the best weights until then.

    Raises
    ------
    ValueError
        If the loss becomes infinite or NaN, there are too few spectra to be clustered, the loss
        "variance" has no variance, or the checkpoint is that of another training.
    """
    _check_batch(training, clusters)
    if training.loss == "variance" and variance is None:
        raise ValueError('the loss "variance" needs spectra with a variance; these have none')
    data = Batch(spectra, variance if training.loss == "variance" else None)
    if data.variance is not None and not (data.variance > 0).any():
        raise ValueError('the loss "variance" needs variances above 0; these spectra have none')
    shuffle = torch.Generator().manual_seed(training.seed)
    shares = training.validation, training.test
    parts = split(len(spectra), shares, 2 * clusters.k_max, shuffle)
    source = SpectraInMemory(data, parts, training.batch_size, training.train_encoder is False)
    return train_on(
        model, source, clusters, training, shuffle=shuffle, trained=trained, checkpoint=checkpoint,
        progress=progress,
    )  # fmt: skip


def train_on(
    model: Autoencoder,
    source: BatchSource,
    clusters: Clusters,
    training: Training,
    *,
    shuffle: torch.Generator | None = None,
    trained: bool = False,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> History:
    """Train a model in place on batches of any source; at the end it has its best weights.

    Parameters
    ----------
    model : Autoencoder
    source : BatchSource
    clusters : Clusters
    training : Training
        See :func:`train`.
    shuffle : torch.Generator, optional
        Of the order of the spectra; by default seeded by the training.
    trained : bool
        Whether the model is trained: then its weights are the start, and the default learning rate
        is 1e-4.
    checkpoint : Checkpoint, optional
    progress : callable, optional
        See :func:`train`.

    Returns
    -------
    History

    Raises
    ------
    ValueError
        As :func:`train`; or if ``freeze`` is larger than the number of layers.
    """
    _check_batch(training, clusters)
    device = source.start.device
    with locked_checkpoint(checkpoint), _isolated_random_state(training.seed, device):
        state = first_state(model, source, training, trained)
        if not trained and starts_linear(model, training):
            state.history.start = validate(model, source.validation, clusters, training)
            state.best.offer(state.history.start["total"], -1, model)
        if shuffle is not None:
            state.shuffle = shuffle
        file = None
        if checkpoint is not None:
            data = (*source.identity, *(model.parameters() if trained else ()))
            identity = training_fingerprint(data, model.output, model.network, clusters, training)
            file = CheckpointFile(checkpoint, state, identity)
        try:
            steps = 600 if trained or model.linear is not None else 3000
            _train_epochs(state, source, clusters, training, steps, file, progress)
        except KeyboardInterrupt:
            if not state.history.rows:
                raise
            state.history.interrupted = True
            log.warning("training was interrupted; the model has the best weights so far")
            state.best.offer(float("inf"), state.history.rows[-1]["epoch"], model)
        model.load_state_dict(state.best.weights)
        model.eval()
        state.history.best_epoch = state.best.epoch
        if len(source.test.spectra) > clusters.k_min:
            state.history.test = validate(model, source.test, clusters, training)
    return state.history


def _check_batch(training: Training, clusters: Clusters) -> None:
    if training.batch_size <= 2 * clusters.k_min:
        raise ValueError(
            f"batch_size={training.batch_size} is too small for {clusters.k_min} or more clusters "
            f"in a batch; take at least {2 * clusters.k_min + 1}"
        )


def _train_epochs(
    state: TrainingState,
    source: BatchSource,
    clusters: Clusters,
    training: Training,
    steps: int,
    file: CheckpointFile | None,
    progress: Progress | None,
) -> None:
    """Train the remaining epochs; assumes checked input."""
    epochs = training.epochs or min(1000, max(10, round(steps / source.steps)))
    # Losses with different weights of the terms cannot be compared: the best weights are chosen
    # after the schedules have ended, or else at the last epoch.
    ends = (as_schedule(training.beta, "beta").end, as_schedule(training.gamma, "gamma").end)
    settled = min(max(ends), epochs - 1)
    if max(ends) > epochs:
        log.warning(
            "a schedule ends at epoch %d, after the %d epochs of the training", max(ends), epochs
        )
    for epoch in range(len(state.history.rows), epochs):
        if has_ended(state, training, settled):
            break
        started = time.perf_counter()
        if training.decay == "cosine":
            first = state.optimiser.defaults["lr"]
            state.optimiser.param_groups[0]["lr"] = first * _cosine(epoch, epochs)
        row = _train_epoch(state, source, clusters, training, epoch)
        checked = validate(state.model, source.validation, clusters, training)
        row |= {f"validation_{name}": value for name, value in checked.items()}
        state.history.rows.append(row)
        state.history.seconds += time.perf_counter() - started
        if epoch >= settled:
            state.best.offer(checked["total"], epoch, state.model)
            if training.decay == "plateau":
                state.plateau.step(checked["total"])
        if file is not None:
            file.write_if_due()
        if progress is not None:
            last = has_ended(state, training, settled)
            progress(epoch + 1, epoch + 1 if last else epochs, row)


def _cosine(epoch: int, epochs: int) -> float:
    """Return the factor of the learning rate: a rise for a tenth of the epochs, then a fall."""
    rise = max(1, epochs // 10)
    if epoch < rise:
        return (epoch + 1) / (rise + 1)
    return 0.5 * (1 + math.cos(math.pi * (epoch - rise) / (epochs - rise)))


def _train_epoch(
    state: TrainingState, source: BatchSource, clusters: Clusters, training: Training, epoch: int
) -> dict[str, Any]:
    """Take all steps of one epoch and return its row of the history."""
    weights = weights_at(training, epoch)
    learning_rate = float(state.optimiser.param_groups[0]["lr"])
    of_batch = clusters_of_epoch(
        state.history.rows, state.model, source.start, clusters, training, weights
    )
    state.model.train()
    steps = []
    for batch in source.batches(epoch, state.shuffle):
        state.optimiser.zero_grad()
        terms = loss_terms(state.model, batch, of_batch, training, weights, state.seeding)
        terms["total"].backward()
        state.optimiser.step()
        steps.append({name: value.detach() for name, value in terms.items()})
    row = {"epoch": epoch, "learning_rate": learning_rate, **weights._asdict()}
    return row | _mean_terms(steps)


def loss_terms(
    model: Autoencoder,
    batch: Batch,
    clusters: Clusters,
    training: Training,
    weights: TermWeights,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Return the named terms of the loss of a batch, all tensors.

    ``total`` is the one to differentiate, ``k`` the number of clusters chosen. A term of weight 0
    is not computed.
    """
    inputs = batch.spectra
    if model.training and training.denoise:
        inputs = inputs + training.denoise * model.scale * torch.randn_like(inputs)
    output, latent, drawn = model(inputs)
    base = reconstruction(output, batch, training.loss, model.output)
    _check_finite(base.detach())
    terms = {"reconstruction": base}
    if training.composition > 0 and batch.shares is not None:
        assert model.composition is not None  # checked by the segmenter
        terms["composition"] = composition_error(model.composition(latent), batch.shares)
        base = base + training.composition * terms["composition"]
    if training.contrastive > 0 and batch.twin is not None:
        terms["contrast"] = contrast(latent, model.encode(batch.twin)[0])
        base = base + training.contrastive * terms["contrast"]
    if weights.beta > 0:
        bandwidth = training.bandwidth or drawn.shape[1] / 2**0.5
        prior = torch.randn(
            drawn.shape, generator=generator, device=drawn.device, dtype=drawn.dtype
        )
        terms["discrepancy"] = maximum_mean_discrepancy(drawn, prior, bandwidth)
        base = base + weights.beta * terms["discrepancy"]
    if weights.gamma > 0:
        points = latent if training.cluster_gradient else latent.detach()
        choice = choose_k(points, clusters, generator=generator)
        terms |= {"cluster": cluster_term(choice.score), "silhouette": choice.score}
        terms["k"] = torch.tensor(choice.k)
        gamma: float | Tensor = weights.gamma
        if training.total == "balanced":
            gamma = balanced_weight(weights.gamma, base, terms["cluster"], latent)
        base = total_loss(base, terms["cluster"], gamma, training.total)
    return {"total": base, **terms}


def reconstruction(output: Tensor, batch: Batch, loss: str, activation: str) -> Tensor:
    """Return the reconstruction term of an output (n, channel) of the network.

    Parameters
    ----------
    output : tensor (n, channel)
    batch : Batch
    loss : str
        One of :data:`spectessera.network.schedule.RECONSTRUCTIONS`.
    activation : str
        Output activation of the network.
    """
    target = batch.spectra if batch.target is None else batch.target
    if loss == "variance":
        assert batch.variance is not None  # checked by train()
        return weighted_squares(output, target, batch.variance)
    counts = multinomial_of_roots if activation == "root-softmax" else multinomial
    plain = {"squared": squared_error, "poisson": poisson, "multinomial": counts}
    return plain[loss](output, target)


@torch.no_grad()
def validate(
    model: Autoencoder, data: Batch, clusters: Clusters, training: Training
) -> dict[str, float]:
    """Return the terms of the loss on spectra, with the weights of the terms at the end.

    The seedings are the same at every call, so that two epochs differ by the network alone.
    """
    model.eval()
    of_batch = batch_clusters(clusters, training)
    generator = torch.Generator(data.spectra.device).manual_seed(training.seed)
    batches = math.ceil(len(data.spectra) / training.batch_size)
    steps = [
        loss_terms(
            model, data.take(rows), of_batch, training, weights_at(training, None), generator
        )
        for rows in torch.arange(len(data.spectra)).tensor_split(batches)
    ]
    terms = _mean_terms(steps)
    terms.pop("k", None)
    return terms


def _mean_terms(steps: list[dict[str, Tensor]]) -> dict[str, Any]:
    """Return the mean of every term over the steps as numbers; for ``k`` the list."""
    means: dict[str, Any] = {}
    for name in steps[0]:
        values = torch.stack([step[name] for step in steps])
        means[name] = values.tolist() if name == "k" else float(values.double().mean())
    return means


def _check_finite(loss: Tensor) -> None:
    if not torch.isfinite(loss):
        raise ValueError(
            f"the loss is not finite ({float(loss)}): lower the learning rate, or normalise the "
            "spectra (Preprocess(normalise=...))"
        )


@contextmanager
def _isolated_random_state(seed: int, device: torch.device) -> Iterator[None]:
    """Seed dropout and variational draws; restore the global generator of the caller at the end."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield
