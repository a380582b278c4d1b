"""Sources of training batches: spectra in memory, halves of counts, or a simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from spectessera.countnoise import LEAST_COUNTED
from spectessera.cube import are_counts

# Batches of a simulation are numbered; those to validate and to test with from here on.
_HELD_OUT = 2**40


class Batch(NamedTuple):
    """Spectra and what is known of them.

    Attributes
    ----------
    spectra : tensor (n, channel)
        Inputs of the encoder.
    variance : tensor (n, channel) or None
        For the loss "variance".
    target : tensor (n, channel) or None
        What is to be decoded; None for the spectra themselves.
    shares : tensor (n, component) or None
        Of known components.
    twin : tensor (n, channel) or None
        Other measurements of the same compositions.
    """

    spectra: Tensor
    variance: Tensor | None = None
    target: Tensor | None = None
    shares: Tensor | None = None
    twin: Tensor | None = None

    def take(self, rows: Tensor) -> Batch:
        """Return some rows."""
        rows = rows.to(self.spectra.device)
        return Batch(*(None if each is None else each[rows] for each in self))  # type: ignore[arg-type]


class BatchSource(Protocol):
    """What a training needs of its data.

    Attributes
    ----------
    start : tensor (n, channel)
        Spectra by which the network is centred and scaled before the first step.
    validation, test : Batch
    steps : int
        Of one epoch.
    identity : tuple of tensors
        The data of the training, for the fingerprint of its checkpoint.
    """

    start: Tensor
    validation: Batch
    test: Batch
    steps: int
    identity: tuple[Tensor, ...]

    def batches(self, epoch: int, shuffle: torch.Generator) -> Iterator[Batch]:
        """Return the batches of one epoch."""
        ...


@dataclass(frozen=True)
class Split:
    """Positions of the training, validation and test spectra."""

    train: Tensor
    validation: Tensor
    test: Tensor


def split(n: int, shares: tuple[float, float], smallest: int, generator: torch.Generator) -> Split:
    """Split n spectra at random.

    A validation part of fewer than ``smallest`` spectra could not be clustered: then nothing is
    held out, and the training spectra are also used to validate.

    Parameters
    ----------
    n : int
    shares : (float, float)
        Of the validation and of the test spectra among all.
    smallest : int
        Number of spectra that can be clustered.
    generator : torch.Generator
    """
    order = torch.randperm(n, generator=generator)
    validation, test = (round(n * share) for share in shares)
    if validation < smallest or n - validation - test < smallest:
        return Split(order, order, order[:0])
    held_out = validation + test
    return Split(order[held_out:], order[:validation], order[validation:held_out])


class SpectraInMemory:
    """Spectra in memory, in another order in every epoch.

    Parameters
    ----------
    data : Batch
    parts : Split
    batch_size : int
    start_from_all : bool
        Whether the network starts from all spectra, those held out included, in their order: then
        the start does not depend on the seed that splits them.
    """

    def __init__(
        self, data: Batch, parts: Split, batch_size: int, start_from_all: bool = False
    ) -> None:
        self.data, self.parts = data, parts
        spectra = data.spectra
        self.start = spectra if start_from_all else spectra[parts.train.to(spectra.device)]
        self.validation, self.test = data.take(parts.validation), data.take(parts.test)
        self.steps = math.ceil(len(parts.train) / batch_size)
        self.identity: tuple[Tensor, ...] = tuple(
            each for each in (data.spectra, data.variance) if each is not None
        )

    def batches(self, epoch: int, shuffle: torch.Generator) -> Iterator[Batch]:  # noqa: ARG002
        """Return the batches of one epoch; the order is drawn from ``shuffle``."""
        rows = self.parts.train
        order = rows[torch.randperm(len(rows), generator=shuffle)]
        return (self.data.take(index) for index in order.tensor_split(self.steps))


Prepare = Callable[[np.ndarray], np.ndarray]


def whole_counts(values: np.ndarray) -> np.ndarray:
    """Return spectra (n, channel) of counts as integers.

    Up to one spectrum in ten may hold other numbers, interpolated where counts were missing; they
    are rounded.

    Raises
    ------
    ValueError
        If more spectra hold a negative value or one with a fraction.
    """
    counted = are_counts(values)
    if counted.mean() < LEAST_COUNTED:
        others = values[~counted]
        raise ValueError(
            "thinning halves counts, which are non-negative integers; these spectra have values "
            f"such as {others[(np.rint(others) != others) | (others < 0)][0]:g}"
        )
    return np.maximum(np.rint(values), 0).astype(np.int64)


class ThinnedCounts:
    """Measured counts, split into two halves at every step: one predicts the other.

    Binomial thinning of Poisson counts gives two independent measurements of one expectation
    (Neufeld et al. 2024, J. Mach. Learn. Res. 25, 57): the noise of the half that is encoded says
    nothing about that of the half to be decoded, which replaces a target without noise.

    Parameters
    ----------
    counts : array (n, channel)
        Non-negative integers.
    prepare : callable
        From counts to network inputs.
    parts : Split
    batch_size : int
    seed : int
    device : torch.device
    """

    def __init__(
        self,
        counts: np.ndarray,
        prepare: Prepare,
        parts: Split,
        batch_size: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.counts, self.prepare, self.parts = counts, prepare, parts
        self.seed, self.device = seed, device
        self.steps = math.ceil(len(parts.train) / batch_size)
        self.validation = self._halves(parts.validation.numpy(), [seed, 0])
        self.test = self._halves(parts.test.numpy(), [seed, 1])
        self.start = self.validation.spectra
        self.identity: tuple[Tensor, ...] = (torch.from_numpy(counts.astype(np.float32)),)

    def _halves(self, rows: np.ndarray, key: list[int]) -> Batch:
        generator = np.random.default_rng([60, *key])
        whole = self.counts[rows]
        half = generator.binomial(whole, 0.5)
        inputs, target = (self.prepare(each.astype(np.float32)) for each in (half, whole - half))
        return Batch(_on(inputs, self.device), target=_on(target, self.device))

    def batches(self, epoch: int, shuffle: torch.Generator) -> Iterator[Batch]:
        """Return the batches of one epoch; the next one is prepared during a step."""
        rows = self.parts.train
        order = rows[torch.randperm(len(rows), generator=shuffle)].tensor_split(self.steps)
        tasks = [(part.numpy(), [self.seed, 2, epoch, i]) for i, part in enumerate(order)]
        return _prefetched(lambda task: self._halves(*task), tasks)


class SimulatedSpectra:
    """Spectra of a simulation, each used once.

    Parameters
    ----------
    pairs : callable (number, m)
        Returns spectra, targets, shares and twins (None unless ``twins``) of batch ``number``.
    prepare : callable
        From spectra to network inputs.
    steps, batch_size : int
    held_out : int
        Number of spectra to validate with, and of others to test with.
    twins : bool
    device : torch.device
    """

    def __init__(
        self,
        pairs: Callable[..., tuple[Any, ...]],
        prepare: Prepare,
        steps: int,
        batch_size: int,
        held_out: int,
        twins: bool,
        device: torch.device,
    ) -> None:
        self.pairs, self.prepare, self.twins, self.device = pairs, prepare, twins, device
        self.steps, self.batch_size = steps, batch_size
        self.validation, self.test = (
            self._batch((_HELD_OUT, held_out)),
            self._batch((_HELD_OUT + 1, held_out)),
        )
        self.start = self.validation.spectra
        self.identity: tuple[Tensor, ...] = (self.validation.spectra,)

    def _batch(self, task: tuple[int, int]) -> Batch:
        spectra, target, shares, twin = self.pairs(*task, twins=self.twins)
        return Batch(
            self._inputs(spectra),
            target=self._inputs(target),
            shares=_on(shares, self.device),
            twin=None if twin is None else self._inputs(twin),
        )

    def _inputs(self, spectra: np.ndarray) -> Tensor:
        return _on(self.prepare(spectra), self.device)

    def batches(self, epoch: int, shuffle: torch.Generator) -> Iterator[Batch]:  # noqa: ARG002
        """Return the batches of one epoch; the next one is prepared during a step."""
        first = epoch * self.steps
        return _prefetched(self._batch, [(first + i, self.batch_size) for i in range(self.steps)])


def _on(array: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device)


def _prefetched(make: Callable[[Any], Batch], tasks: Sequence[Any]) -> Iterator[Batch]:
    """Yield a batch of each task, in order; the next one is prepared in a thread meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(make, tasks[0])
        for task in tasks[1:]:
            batch = future.result()
            future = pool.submit(make, task)
            yield batch
        yield future.result()
