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
from .batches import Batch, Held, Source, split
from .checkpoint import Checkpoint, History, Keeper, Run, fingerprint
from .losses import (
    as_schedule,
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
from .settings import Training, Weights, for_batches, weights_at

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
    """Train a model in place; it ends with its best weights.

    Parameters
    ----------
    model : Autoencoder
    spectra : tensor (n, channel), float32
        On the device of the model.
    clusters : Clusters
        The range of k of the cluster term.
    training : Training
    variance : tensor (n, channel), optional
        Of the spectra; the loss "variance" needs it, the others do not look at it.
    trained : bool
        See :func:`train_on`.
    checkpoint : Checkpoint, optional
        Where the state of the training is kept. If it is there already, the training goes on from
        it, and ends with the same weights, bit for bit, as one that was never interrupted.
    progress : callable, optional
        Called after every epoch with the epochs done, the epochs in all and the row of history.

    Returns
    -------
    History
        After Ctrl-C too, once an epoch is done: with the best weights until then.

    Raises
    ------
    ValueError
        If the loss stops being finite, there are too few spectra to be clustered, the loss
        "variance" has no variance, or the checkpoint is of another training.
    """
    _check_batch(training, clusters)
    if training.loss == "variance" and variance is None:
        raise ValueError('the loss "variance" needs a cube with a variance; this has none')
    data = Batch(spectra, variance if training.loss == "variance" else None)
    if data.variance is not None and not (data.variance > 0).any():
        raise ValueError(
            'the loss "variance" needs a variance; that of these spectra is nowhere above 0'
        )
    shuffle = torch.Generator().manual_seed(training.seed)
    shares = training.validation, training.test
    parts = split(len(spectra), shares, 2 * clusters.k_max, shuffle)
    source = Held(data, parts, training.batch_size)
    return train_on(
        model, source, clusters, training, shuffle=shuffle, trained=trained, checkpoint=checkpoint,
        progress=progress,
    )  # fmt: skip


def train_on(
    model: Autoencoder,
    source: Source,
    clusters: Clusters,
    training: Training,
    *,
    shuffle: torch.Generator | None = None,
    trained: bool = False,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> History:
    """Train a model in place on whatever gives batches; it ends with its best weights.

    Parameters
    ----------
    model : Autoencoder
    source : Source
    clusters : Clusters
    training : Training
        See :func:`train`.
    shuffle : torch.Generator, optional
        Of the order of the spectra; by default one of the seed of the training.
    trained : bool
        Whether the model has been trained already: then it keeps its weights, and the learning
        rate is 1e-4 unless told.
    checkpoint : Checkpoint, optional
    progress : callable, optional
        See :func:`train`.

    Returns
    -------
    History

    Raises
    ------
    ValueError
        As :func:`train`; or if more layers are to be frozen than there are.
    """
    _check_batch(training, clusters)
    device = source.start.device
    with _own_randomness(training.seed, device):
        identity = (*source.identity, *(model.parameters() if trained else ()))
        _freeze(model, training.freeze)
        run = Run(
            model,
            learning_rate=training.learning_rate or (1e-4 if trained else 1e-3),
            factor=training.factor,
            plateau=training.plateau,
            seed=training.seed,
        )
        if shuffle is not None:
            run.shuffle = shuffle
        if not trained:
            model.start_from(source.start)
        keeper = None
        if checkpoint is not None:
            told = fingerprint(identity, model.output, model.network, clusters, training)
            keeper = Keeper(checkpoint, run, told)
        try:
            steps = 600 if trained or model.linear is not None else 3000
            _loop(run, source, clusters, training, steps, keeper, progress)
        except KeyboardInterrupt:
            if not run.history.rows:
                raise
            run.history.interrupted = True
            log.warning("training was interrupted; the best weights so far are kept")
            run.best.offer(float("inf"), run.history.rows[-1]["epoch"], model)
        model.load_state_dict(run.best.weights)
        model.eval()
        run.history.best_epoch = run.best.epoch
        if len(source.test.spectra) > clusters.k_min:
            run.history.test = validate(model, source.test, clusters, training)
    return run.history


def _check_batch(training: Training, clusters: Clusters) -> None:
    if training.batch_size <= 2 * clusters.k_min:
        raise ValueError(
            f"batch_size={training.batch_size} is too small for {clusters.k_min} or more clusters "
            f"in a batch; take at least {2 * clusters.k_min + 1}"
        )


def _freeze(model: Autoencoder, layers: int) -> None:
    """Let the first layers of the encoder keep their weights.

    Raises
    ------
    ValueError
        If there are fewer.
    """
    linear = [each for each in model.encoder if isinstance(each, torch.nn.Linear)]
    if layers > len(linear):
        raise ValueError(f"freeze={layers}, but the encoder has {len(linear)} hidden layers")
    frozen = 0
    for each in model.encoder:
        frozen += isinstance(each, torch.nn.Linear)
        each.requires_grad_(frozen > layers)


def _loop(
    run: Run,
    source: Source,
    clusters: Clusters,
    training: Training,
    steps: int,
    keeper: Keeper | None,
    progress: Progress | None,
) -> None:
    """Run the epochs that are left; assumes checked input."""
    epochs = training.epochs or min(1000, max(10, round(steps / source.steps)))
    # Losses of different weights cannot be compared: the choice of the best weights begins when
    # the schedules have ended, at the last epoch at the latest.
    ends = (as_schedule(training.beta, "beta").end, as_schedule(training.gamma, "gamma").end)
    settled = min(max(ends), epochs - 1)
    if max(ends) > epochs:
        log.warning(
            "a schedule ends at epoch %d, after the %d epochs of the training", max(ends), epochs
        )
    for epoch in range(len(run.history.rows), epochs):
        if epoch > settled and epoch - 1 - run.best.epoch >= training.patience:
            break
        started = time.perf_counter()
        if training.decay == "cosine":
            first = run.optimiser.defaults["lr"]
            run.optimiser.param_groups[0]["lr"] = first * _cosine(epoch, epochs)
        row = _epoch(run, source, clusters, training, epoch)
        checked = validate(run.model, source.validation, clusters, training)
        row |= {f"validation_{name}": value for name, value in checked.items()}
        run.history.rows.append(row)
        run.history.seconds += time.perf_counter() - started
        if epoch >= settled:
            run.best.offer(checked["total"], epoch, run.model)
            if training.decay == "plateau":
                run.plateau.step(checked["total"])
        if keeper is not None:
            keeper.keep()
        if progress is not None:
            progress(epoch + 1, epochs, row)


def _cosine(epoch: int, epochs: int) -> float:
    """Return the factor of the learning rate: up over a tenth of the epochs, then down to 0."""
    rise = max(1, epochs // 10)
    if epoch < rise:
        return (epoch + 1) / (rise + 1)
    return 0.5 * (1 + math.cos(math.pi * (epoch - rise) / (epochs - rise)))


def _epoch(
    run: Run, source: Source, clusters: Clusters, training: Training, epoch: int
) -> dict[str, Any]:
    """Take all steps of one epoch and return its row of history."""
    weights = weights_at(training, epoch)
    learning_rate = float(run.optimiser.param_groups[0]["lr"])
    fast = for_batches(clusters, training)
    run.model.train()
    steps = []
    for batch in source.batches(epoch, run.shuffle):
        run.optimiser.zero_grad()
        terms = loss_terms(run.model, batch, fast, training, weights, run.seeding)
        terms["total"].backward()
        run.optimiser.step()
        steps.append({name: value.detach() for name, value in terms.items()})
    row = {"epoch": epoch, "learning_rate": learning_rate, **weights._asdict()}
    return row | _mean_terms(steps)


def loss_terms(
    model: Autoencoder,
    batch: Batch,
    clusters: Clusters,
    training: Training,
    weights: Weights,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Return the named terms of the loss of a batch, all tensors.

    ``total`` is what is to be differentiated, ``k`` the number of clusters chosen. A term without
    a weight is not computed.
    """
    seen = batch.spectra
    if model.training and training.denoise:
        seen = seen + training.denoise * model.scale * torch.randn_like(seen)
    output, latent, drawn = model(seen)
    base = reconstruction(output, batch, training.loss, model.output)
    _check_finite(base.detach())
    terms = {"reconstruction": base}
    if training.composition > 0 and batch.weight is not None:
        assert model.composition is not None  # the segmenter has seen to it
        terms["composition"] = composition_error(model.composition(latent), batch.weight)
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
        found = choose_k(latent, clusters, generator=generator)
        terms |= {"cluster": cluster_term(found.score), "silhouette": found.score}
        terms["k"] = torch.tensor(found.k)
        base = total_loss(base, terms["cluster"], weights.gamma, training.total)
    return {"total": base, **terms}


def reconstruction(output: Tensor, batch: Batch, loss: str, kind: str) -> Tensor:
    """Return the reconstruction term of an output (n, channel) of the kind of the network."""
    target = batch.spectra if batch.target is None else batch.target
    if loss == "variance":
        assert batch.variance is not None  # train() has seen to it
        return weighted_squares(output, target, batch.variance)
    counts = multinomial_of_roots if kind == "root-softmax" else multinomial
    plain = {"squared": squared_error, "poisson": poisson, "multinomial": counts}
    return plain[loss](output, target)


@torch.no_grad()
def validate(
    model: Autoencoder, data: Batch, clusters: Clusters, training: Training
) -> dict[str, float]:
    """Return the terms of the loss on spectra, at the final weight of each term.

    The seedings are the same at every call, so that two epochs differ by their weights alone.
    """
    model.eval()
    fast = for_batches(clusters, training)
    generator = torch.Generator(data.spectra.device).manual_seed(training.seed)
    batches = math.ceil(len(data.spectra) / training.batch_size)
    steps = [
        loss_terms(model, data.take(rows), fast, training, weights_at(training, None), generator)
        for rows in torch.arange(len(data.spectra)).tensor_split(batches)
    ]
    terms = _mean_terms(steps)
    terms.pop("k", None)
    return terms


def _mean_terms(steps: list[dict[str, Tensor]]) -> dict[str, Any]:
    """Return the mean of every term over the steps (of ``k``, the list); ends on the CPU."""
    found: dict[str, Any] = {}
    for name in steps[0]:
        values = torch.stack([step[name] for step in steps])
        found[name] = values.tolist() if name == "k" else float(values.double().mean())
    return found


def _check_finite(loss: Tensor) -> None:
    if not torch.isfinite(loss):
        raise ValueError(
            f"the loss is not finite ({float(loss)}): lower the learning rate, or normalise the "
            "spectra (Preprocess(normalise=...))"
        )


@contextmanager
def _own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Seed dropout and the variational draws, and leave the caller's global generator alone."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield
