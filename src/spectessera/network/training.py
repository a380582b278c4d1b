"""Training: its settings, the one loop, and the history of what happened."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from spectessera._util.check import check_choice, check_number
from spectessera.kmeans import EXACT_POINTS, Clusters, choose_k

from .autoencoder import Autoencoder
from .batches import Batch, Held, Source, split
from .checkpoint import Checkpoint, History, Keeper, Run, fingerprint
from .losses import (
    RECONSTRUCTIONS,
    TOTALS,
    Schedule,
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

__all__ = [
    "Checkpoint",
    "History",
    "Progress",
    "Training",
    "loss_terms",
    "train",
    "train_on",
    "validate",
]

log = logging.getLogger(__name__)

Progress = Callable[[int, int, dict[str, Any]], None]


@dataclass(frozen=True)
class Training:
    """How the network is trained.

    Parameters
    ----------
    epochs : int, optional
        Passes over the training spectra; by default as many as make about 3,000 steps (10 to
        1,000 epochs), so that a small cube is not stopped short; 600 steps from a trained model or
        with a linear path, which start near their end.
    steps : int
        Steps of an epoch in training on simulated spectra, which have no end.
    batch_size : int
        Spectra per step; the silhouette is that of the batch, so at least a few per cluster.
    learning_rate : float, optional
        Of Adam at the start; by default 1e-3, and 1e-4 where the training starts from a trained
        model.
    decay : "plateau" or "cosine"
        How the learning rate falls: when the validation loss no longer does, or along half a cosine
        over all epochs, after a rise over the first tenth of them.
    gamma : float or Schedule
        Weight of the cluster term; 0 trains the reconstruction alone. Large weights pull
        overlapping groups together into few clusters (see benchmarks/RESULTS.md).
    beta : float or Schedule
        Weight of the maximum mean discrepancy between the latents and a standard normal
        distribution (InfoVAE); nothing is computed where it is 0.
    bandwidth : float, optional
        Of its Gaussian kernel; by default latent / sqrt(2), that of the published code.
    composition : float
        In training on simulated spectra: weight of the squared error of the shares of the known
        components, told by a linear head on the latent.
    contrastive : float
        In training on simulated spectra: weight of the contrast (InfoNCE) between two measurements
        of one composition and those of all others in the batch.
    loss : "squared", "variance", "poisson" or "multinomial"
        Reconstruction: mean squared error, squares over the cube's variance, or the negative
        log-likelihood of counts.
    thinning : bool, optional
        Split the counts of every spectrum at random into two halves, of which one is seen and the
        other decoded, see :class:`spectessera.network.batches.Thinned`; by default where the cubes
        hold counts and the training starts from a trained model.
    freeze : int
        First so many layers of the encoder that keep their weights.
    denoise : float, optional
        In training, Gaussian noise of this many standard deviations of the inputs (over all
        spectra and channels) is added to what the encoder sees; the aim stays the spectrum itself.
        None is what suits the noise of the spectra (:mod:`spectessera.preprocess.auto`).
    total : "normalised" or "sum"
        How the terms are joined, see :func:`spectessera.network.losses.total_loss`.
    lloyd_iter : int
        Lloyd iterations at most on a batch in training (one seeding).
    validation, test : float
        Shares of the spectra set apart, to choose the best weights and for a last judgement.
    plateau, factor : int, float
        After ``plateau`` epochs without a better validation loss the learning rate is multiplied
        by ``factor``.
    patience : int
        After so many epochs without a better validation loss the training stops.
    sampling : "random" or "signal"
        Which pixels of cubes are trained on: a random ``fraction`` of each cube, or all with
        signal and a random ``fraction`` of the others (0.05 in the paper's emission-line cubes),
        see :func:`spectessera.preprocess.training_spectra.signal_pixels`.
    fraction : float
        See ``sampling``.
    max_spectra : int
        Of larger cubes a random sample of so many spectra is used.
    seed : int
        Of the weights, the split, the batches and the seedings.
    """

    epochs: int | None = None
    steps: int = 100
    batch_size: int = 512
    learning_rate: float | None = None
    decay: str = "plateau"
    gamma: float | Schedule = 0.01
    beta: float | Schedule = 0.0
    bandwidth: float | None = None
    composition: float = 0.0
    contrastive: float = 0.0
    loss: str = "squared"
    thinning: bool | None = None
    freeze: int = 0
    denoise: float | None = 0.0
    total: str = "normalised"
    lloyd_iter: int = 10
    validation: float = 0.1
    test: float = 0.1
    plateau: int = 20
    factor: float = 0.5
    patience: int = 60
    sampling: str = "random"
    fraction: float = 1.0
    max_spectra: int = 100_000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs is not None:
            check_number("epochs", self.epochs, low=1, integer=True)
        check_number("steps", self.steps, low=1, high=1_000_000, integer=True)
        check_number("batch_size", self.batch_size, low=2, high=EXACT_POINTS, integer=True)
        if self.learning_rate is not None:
            check_number("learning_rate", self.learning_rate, low=0.0, open_low=True)
        check_choice("decay", self.decay, ("plateau", "cosine"))
        check_number("composition", self.composition, low=0.0)
        check_number("contrastive", self.contrastive, low=0.0)
        check_choice("thinning", self.thinning, (None, True, False))
        check_number("freeze", self.freeze, low=0, high=100, integer=True)
        as_schedule(self.gamma, "gamma")
        as_schedule(self.beta, "beta")
        if self.bandwidth is not None:
            check_number("bandwidth", self.bandwidth, low=0.0, open_low=True)
        check_choice("loss", self.loss, RECONSTRUCTIONS)
        if self.denoise is not None:
            check_number("denoise", self.denoise, low=0.0)
        check_choice("total", self.total, TOTALS)
        check_number("lloyd_iter", self.lloyd_iter, low=1, integer=True)
        check_number("validation", self.validation, low=0.0, high=0.5)
        check_number("test", self.test, low=0.0, high=0.4)
        check_number("plateau", self.plateau, low=1, integer=True)
        check_number("factor", self.factor, low=0.0, high=1.0, open_low=True)
        check_number("patience", self.patience, low=1, integer=True)
        check_choice("sampling", self.sampling, ("random", "signal"))
        check_number("fraction", self.fraction, low=0.0, high=1.0)
        check_number("max_spectra", self.max_spectra, low=10, integer=True)
        check_number("seed", self.seed, low=0, high=2**63 - 1, integer=True)


class Weights(NamedTuple):
    """Weights of the terms at one epoch."""

    beta: float
    gamma: float


def weights_at(training: Training, epoch: int | None) -> Weights:
    """Return the weights at an epoch; with None, those at the end."""
    beta, gamma = as_schedule(training.beta, "beta"), as_schedule(training.gamma, "gamma")
    if epoch is None:
        return Weights(beta.last, gamma.last)
    return Weights(beta.at(epoch), gamma.at(epoch))


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


def for_batches(clusters: Clusters, training: Training) -> Clusters:
    """Return how a batch is clustered: one plain seeding, few iterations, by the silhouette."""
    seeding = "k-means++" if clusters.seeding == "greedy" else clusters.seeding
    return replace(
        clusters,
        restarts=1,
        seeding=seeding,
        max_iter=training.lloyd_iter,
        criterion="silhouette",
    )


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
