"""Where a training takes its batches from: spectra in memory, halves of counts, a simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from spectessera.cube import LEAST_COUNTED, are_counts

# Batches of a simulation are numbered; those to validate and test with are far from all others.
_APART = 2**40


class Batch(NamedTuple):
    """Spectra and what is known of them.

    Attributes
    ----------
    spectra : tensor (n, channel)
        What the encoder sees.
    variance : tensor (n, channel) or None
        For the loss that needs it.
    target : tensor (n, channel) or None
        What is to be decoded; None is the spectra themselves.
    weight : tensor (n, component) or None
        Shares of known components.
    twin : tensor (n, channel) or None
        Other measurements of the same compositions.
    """

    spectra: Tensor
    variance: Tensor | None = None
    target: Tensor | None = None
    weight: Tensor | None = None
    twin: Tensor | None = None

    def take(self, rows: Tensor) -> Batch:
        """Return some rows."""
        rows = rows.to(self.spectra.device)
        return Batch(*(None if each is None else each[rows] for each in self))  # type: ignore[arg-type]


class Source(Protocol):
    """What a training needs of its data.

    Attributes
    ----------
    start : tensor (n, channel)
        Spectra that the network is centred on before the first step.
    validation, test : Batch
    steps : int
        Of one epoch.
    identity : tuple of tensors
        What the training depends on, for the fingerprint of its checkpoint.
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
    """Share out n spectra at random.

    A validation part of fewer than ``smallest`` spectra could not be clustered: then the training
    spectra themselves are used to validate, and nothing is set apart.

    Parameters
    ----------
    n : int
    shares : (float, float)
        Of the validation and of the test spectra.
    smallest : int
    generator : torch.Generator
    """
    order = torch.randperm(n, generator=generator)
    held, tested = (round(n * share) for share in shares)
    if held < smallest or n - held - tested < smallest:
        return Split(order, order, order[:0])
    return Split(order[held + tested :], order[:held], order[held : held + tested])


class Held:
    """Spectra in memory, in another order every epoch."""

    def __init__(self, data: Batch, parts: Split, batch_size: int) -> None:
        self.data, self.parts = data, parts
        self.start = data.spectra[parts.train.to(data.spectra.device)]
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


class Thinned:
    """Measured counts, split anew at every step into two halves: one predicts the other.

    Binomial thinning of Poisson counts gives two independent measurements of one expectation
    (Neufeld et al. 2024, J. Mach. Learn. Res. 25, 57): the noise of the half that is seen tells
    nothing about that of the half that is decoded, which stands in for a target without noise.

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
        seen, target = (self.prepare(each.astype(np.float32)) for each in (half, whole - half))
        return Batch(_on(seen, self.device), target=_on(target, self.device))

    def batches(self, epoch: int, shuffle: torch.Generator) -> Iterator[Batch]:
        """Return the batches of one epoch, the next one made beside the training."""
        rows = self.parts.train
        order = rows[torch.randperm(len(rows), generator=shuffle)].tensor_split(self.steps)
        tasks = [(part.numpy(), [self.seed, 2, epoch, i]) for i, part in enumerate(order)]
        return _ahead(lambda task: self._halves(*task), tasks)


class Simulated:
    """Spectra of a simulation, no two alike.

    Parameters
    ----------
    pairs : callable (number, m)
        Gives spectra, targets and weights, and twins where ``twins`` is set.
    prepare : callable
        From spectra to network inputs.
    steps, batch_size : int
    held : int
        Spectra to validate with; to test with, there are as many others.
    twins : bool
    device : torch.device
    """

    def __init__(
        self,
        pairs: Callable[..., tuple[Any, ...]],
        prepare: Prepare,
        steps: int,
        batch_size: int,
        held: int,
        twins: bool,
        device: torch.device,
    ) -> None:
        self.pairs, self.prepare, self.twins, self.device = pairs, prepare, twins, device
        self.steps, self.batch_size = steps, batch_size
        self.validation, self.test = self._make((_APART, held)), self._make((_APART + 1, held))
        self.start = self.validation.spectra
        self.identity: tuple[Tensor, ...] = (self.validation.spectra,)

    def _make(self, task: tuple[int, int]) -> Batch:
        spectra, target, weight, twin = self.pairs(*task, twins=self.twins)
        return Batch(
            self._inputs(spectra),
            target=self._inputs(target),
            weight=_on(weight, self.device),
            twin=None if twin is None else self._inputs(twin),
        )

    def _inputs(self, spectra: np.ndarray) -> Tensor:
        return _on(self.prepare(spectra), self.device)

    def batches(self, epoch: int, shuffle: torch.Generator) -> Iterator[Batch]:  # noqa: ARG002
        """Return the batches of one epoch, the next one made beside the training."""
        first = epoch * self.steps
        return _ahead(self._make, [(first + i, self.batch_size) for i in range(self.steps)])


def _on(array: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device)


def _ahead(make: Callable[[Any], Batch], tasks: Sequence[Any]) -> Iterator[Batch]:
    """Make one batch of each task, in order, always one ahead of its use."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(make, tasks[0])
        for task in tasks[1:]:
            found = coming.result()
            coming = pool.submit(make, task)
            yield found
        yield coming.result()
