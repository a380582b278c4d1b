"""Training: its settings, the one loop, and the history of what happened."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ._check import check_choice, check_number
from .kmeans import EXACT_POINTS, Clusters, choose_k
from .losses import TOTALS, Schedule, as_schedule, cluster_term, squared_error, total_loss
from .networks import Autoencoder

log = logging.getLogger(__name__)

Progress = Callable[[int, int, dict[str, Any]], None]


@dataclass(frozen=True)
class Training:
    """How the network is trained.

    Parameters
    ----------
    epochs : int, optional
        Passes over the training spectra; by default as many as make about 3,000 steps (10 to
        1,000 epochs), so that a small cube is not stopped short.
    batch_size : int
        Spectra per step; the silhouette is that of the batch, so at least a few per cluster.
    learning_rate : float
        Of Adam at the start.
    gamma : float or Schedule
        Weight of the cluster term; 0 trains the reconstruction alone.
    total : "normalised" or "sum"
        How the terms are joined, see :func:`spectessera.losses.total_loss`.
    lloyd_iter : int
        Lloyd iterations at most on a batch in training (one seeding).
    validation, test : float
        Shares of the spectra set apart, to choose the best weights and for a last judgement.
    plateau, factor : int, float
        After ``plateau`` epochs without a better validation loss the learning rate is multiplied
        by ``factor``.
    patience : int
        After so many epochs without a better validation loss the training stops.
    max_spectra : int
        Of larger cubes a random sample of so many spectra is used.
    seed : int
        Of the weights, the split, the batches and the seedings.
    """

    epochs: int | None = None
    batch_size: int = 512
    learning_rate: float = 1e-3
    gamma: float | Schedule = 0.1
    total: str = "normalised"
    lloyd_iter: int = 10
    validation: float = 0.1
    test: float = 0.1
    plateau: int = 20
    factor: float = 0.5
    patience: int = 60
    max_spectra: int = 200_000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs is not None:
            check_number("epochs", self.epochs, low=1, integer=True)
        check_number("batch_size", self.batch_size, low=2, high=EXACT_POINTS, integer=True)
        check_number("learning_rate", self.learning_rate, low=0.0, open_low=True)
        as_schedule(self.gamma, "gamma")
        check_choice("total", self.total, TOTALS)
        check_number("lloyd_iter", self.lloyd_iter, low=1, integer=True)
        check_number("validation", self.validation, low=0.0, high=0.5)
        check_number("test", self.test, low=0.0, high=0.4)
        check_number("plateau", self.plateau, low=1, integer=True)
        check_number("factor", self.factor, low=0.0, high=1.0, open_low=True)
        check_number("patience", self.patience, low=1, integer=True)
        check_number("max_spectra", self.max_spectra, low=10, integer=True)
        check_number("seed", self.seed, low=0, high=2**63 - 1, integer=True)


@dataclass
class History:
    """What happened in training.

    Attributes
    ----------
    rows : list of dict
        One per epoch: epoch, learning_rate, gamma; the means over the batches of total,
        reconstruction, cluster (L_s) and silhouette; the same on the validation spectra
        (``validation_total`` ...); k, the list of the k chosen in each batch.
    best_epoch : int
        The epoch whose weights were kept.
    test : dict
        The terms on the test spectra with the weights that were kept; empty without a test share.
    interrupted : bool
        Whether it was stopped by Ctrl-C; the best weights until then were kept.
    seconds : float
        Wall time.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = -1
    test: dict[str, float] = field(default_factory=dict)
    interrupted: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Split:
    """Positions of the training, validation and test spectra."""

    train: Tensor
    validation: Tensor
    test: Tensor


def split(n: int, training: Training, smallest: int, generator: torch.Generator) -> Split:
    """Share out n spectra at random.

    A validation part of fewer than ``smallest`` spectra could not be clustered: then the training
    spectra themselves are used to validate, and nothing is set apart.
    """
    order = torch.randperm(n, generator=generator)
    held = round(n * training.validation)
    tested = round(n * training.test)
    if held < smallest or n - held - tested < smallest:
        return Split(order, order, order[:0])
    return Split(order[held + tested :], order[:held], order[held : held + tested])


class _Best:
    """The best weights so far and when they were found."""

    def __init__(self) -> None:
        self.loss = float("inf")
        self.epoch = -1
        self.weights: dict[str, Tensor] = {}

    def offer(self, loss: float, epoch: int, model: Autoencoder) -> None:
        if loss < self.loss or not self.weights:
            self.loss, self.epoch = loss, epoch
            self.weights = {name: each.clone() for name, each in model.state_dict().items()}


class _Run:
    """All that changes in the course of one training."""

    def __init__(self, model: Autoencoder, spectra: Tensor, training: Training) -> None:
        self.model = model
        self.optimiser = torch.optim.Adam(model.parameters(), training.learning_rate, fused=True)
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser, factor=training.factor, patience=training.plateau
        )
        self.shuffle = torch.Generator().manual_seed(training.seed)
        self.seeding = torch.Generator(spectra.device).manual_seed(training.seed)
        self.best = _Best()
        self.history = History()


def train(
    model: Autoencoder,
    spectra: Tensor,
    clusters: Clusters,
    training: Training,
    *,
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
    progress : callable, optional
        Called after every epoch with the epochs done, the epochs in all and the row of history.

    Returns
    -------
    History
        After Ctrl-C too, once an epoch is done: with the best weights until then.

    Raises
    ------
    ValueError
        If the loss stops being finite, or there are too few spectra to be clustered.
    """
    started = time.perf_counter()
    with _own_randomness(training.seed, spectra.device):
        run = _Run(model, spectra, training)
        parts = split(len(spectra), training, 2 * clusters.k_max, run.shuffle)
        model.start_from(spectra[parts.train])
        try:
            _loop(run, spectra, parts, clusters, training, progress)
        except KeyboardInterrupt:
            if not run.history.rows:
                raise
            run.history.interrupted = True
            log.warning("training was interrupted; the best weights so far are kept")
            run.best.offer(float("inf"), run.history.rows[-1]["epoch"], model)
        model.load_state_dict(run.best.weights)
        model.eval()
        run.history.best_epoch = run.best.epoch
        if len(parts.test) > clusters.k_min:
            run.history.test = evaluate(model, spectra[parts.test], clusters, training)
    run.history.seconds = time.perf_counter() - started
    return run.history


def _loop(
    run: _Run,
    spectra: Tensor,
    parts: Split,
    clusters: Clusters,
    training: Training,
    progress: Progress | None,
) -> None:
    """Run the epochs; assumes checked input."""
    batches = max(1, len(parts.train) // training.batch_size)
    epochs = training.epochs or min(1000, max(10, round(3000 / batches)))
    # Losses of different weights cannot be compared: the choice of the best weights begins when
    # the schedule has ended, at the last epoch at the latest.
    settled = min(as_schedule(training.gamma, "gamma").end, epochs - 1)
    validation = spectra[parts.validation]
    for epoch in range(epochs):
        row = _epoch(run, spectra, parts.train, batches, clusters, training, epoch)
        checked = evaluate(run.model, validation, clusters, training)
        row |= {f"validation_{name}": value for name, value in checked.items()}
        run.history.rows.append(row)
        if epoch >= settled:
            run.best.offer(checked["total"], epoch, run.model)
            run.plateau.step(checked["total"])
        if progress is not None:
            progress(epoch + 1, epochs, row)
        if epoch >= settled and epoch - run.best.epoch >= training.patience:
            break


def _epoch(
    run: _Run,
    spectra: Tensor,
    rows: Tensor,
    batches: int,
    clusters: Clusters,
    training: Training,
    epoch: int,
) -> dict[str, Any]:
    """Take all steps of one epoch and return its row of history."""
    gamma = as_schedule(training.gamma, "gamma").at(epoch)
    learning_rate = float(run.optimiser.param_groups[0]["lr"])
    fast = replace(clusters, restarts=1, max_iter=training.lloyd_iter)
    run.model.train()
    steps = []
    order = rows[torch.randperm(len(rows), generator=run.shuffle)]
    for index in order.tensor_split(batches):
        run.optimiser.zero_grad()
        terms = loss_terms(
            run.model, spectra[index.to(spectra.device)], fast, gamma, training.total, run.seeding
        )
        terms["total"].backward()
        run.optimiser.step()
        steps.append({name: value.detach() for name, value in terms.items()})
    row = {"epoch": epoch, "learning_rate": learning_rate, "gamma": gamma}
    return row | _mean_terms(steps)


def loss_terms(
    model: Autoencoder,
    batch: Tensor,
    clusters: Clusters,
    gamma: float,
    total: str,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Return the named terms of the loss of a batch (n, channel), all tensors.

    ``total`` is the sum that is to be differentiated, ``k`` the number of clusters chosen. Without
    a weight there is no cluster term, and nothing is clustered.
    """
    output, latent, _ = model(batch)
    base = squared_error(output, batch)
    _check_finite(base.detach())
    if gamma == 0:
        return {"total": base, "reconstruction": base}
    found = choose_k(latent, clusters, generator=generator)
    cluster = cluster_term(found.score)
    return {
        "total": total_loss(base, cluster, gamma, total),
        "reconstruction": base,
        "cluster": cluster,
        "silhouette": found.score,
        "k": torch.tensor(found.k),
    }


@torch.no_grad()
def evaluate(
    model: Autoencoder, spectra: Tensor, clusters: Clusters, training: Training
) -> dict[str, float]:
    """Return the terms of the loss on spectra (n, channel), at the final weight of each term.

    The seedings are the same at every call, so that two epochs differ by their weights alone.
    """
    model.eval()
    gamma = as_schedule(training.gamma, "gamma").last
    fast = replace(clusters, restarts=1, max_iter=training.lloyd_iter)
    generator = torch.Generator(spectra.device).manual_seed(training.seed)
    batches = max(1, len(spectra) // training.batch_size)
    steps = [
        loss_terms(model, batch, fast, gamma, training.total, generator)
        for batch in spectra.tensor_split(batches)
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
