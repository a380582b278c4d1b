"""The state of a training, how it is saved in a checkpoint, and how it is restored."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spectessera._util.files import remove_leftovers
from spectessera._util.locks import locked_beside
from spectessera._util.reading import reading_safely
from spectessera.settings import to_dict

from .autoencoder import Autoencoder
from .modelfile import read_model, write_model


@dataclass
class History:
    """What happened in training.

    Attributes
    ----------
    rows : list of dict
        One per epoch: epoch, learning_rate, beta, gamma; the means over the batches of total,
        reconstruction, discrepancy (MMD), cluster (L_s) and silhouette, as far as these terms have
        a weight; the same on the validation spectra (``validation_total`` ...); k, the list of the
        numbers of clusters chosen in the batches.
    best_epoch : int
        Epoch of the weights that the network has at the end; -1 for those of the start.
    test : dict
        The terms on the test spectra with these weights; empty without a test share.
    interrupted : bool
        Whether the training was stopped by Ctrl-C; the network has the best weights until then.
    seconds : float
        Wall time.
    start : dict
        The terms on the validation spectra before the first step, where the decoder starts at the
        best linear one (:mod:`spectessera.network.start`); else empty.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = -1
    test: dict[str, float] = field(default_factory=dict)
    interrupted: bool = False
    seconds: float = 0.0
    start: dict[str, float] = field(default_factory=dict)

    def best(self) -> dict[str, float]:
        """Return the terms on the validation spectra with the weights of the end."""
        if self.best_epoch < 0 and self.start:
            return self.start
        row, prefix = self.rows[self.best_epoch], "validation_"
        return {n.removeprefix(prefix): each for n, each in row.items() if n.startswith(prefix)}


class BestWeights:
    """The best weights so far, their loss and their epoch."""

    def __init__(self) -> None:
        self.loss = float("inf")
        self.epoch = -1
        self.weights: dict[str, Tensor] = {}

    def offer(self, loss: float, epoch: int, model: Autoencoder) -> None:
        """Store the weights of the model if its loss is the smallest, or if it is the first."""
        if loss < self.loss or not self.weights:
            self.loss, self.epoch = loss, epoch
            self.weights = {name: each.clone() for name, each in model.state_dict().items()}


class TrainingState:
    """Everything that changes in the course of a training.

    Attributes
    ----------
    model : Autoencoder
    device : torch.device
    optimiser : torch.optim.Adam
    plateau : torch.optim.lr_scheduler.ReduceLROnPlateau
    shuffle, seeding : torch.Generator
        Of the order of the spectra, and of k-means and the prior of the discrepancy.
    best : BestWeights
    history : History
    """

    def __init__(
        self, model: Autoencoder, *, learning_rate: float, factor: float, plateau: int, seed: int
    ) -> None:
        self.model = model
        self.device = model.center.device
        free = [each for each in model.parameters() if each.requires_grad]
        self.optimiser = torch.optim.Adam(free, learning_rate, fused=True)
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser, factor=factor, patience=plateau
        )
        self.shuffle = torch.Generator().manual_seed(seed)
        self.seeding = torch.Generator(self.device).manual_seed(seed)
        self.best = BestWeights()
        self.history = History()


@dataclass(frozen=True)
class Checkpoint:
    """Where and how often the state of a training is saved.

    Parameters
    ----------
    path : Path
        A safetensors file; replaced in one step, so that it is always complete.
    seconds : float
        Shortest time between two writes; with 0 the state is written after every epoch.
    """

    path: Path
    seconds: float = 10.0


@contextmanager
def locked_checkpoint(checkpoint: Checkpoint | None) -> Iterator[None]:
    """Lock the file of a checkpoint, if there is one, while a training uses it.

    Raises
    ------
    BlockingIOError
        If another training uses it.
    """
    if checkpoint is None:
        yield
        return
    path = checkpoint.path.resolve()
    with locked_beside(path, f"the checkpoint {path}"):
        yield


class CheckpointFile:
    """Writes the state of a training to a file, after restoring it from there if it exists.

    The file holds everything: weights, moments of the optimiser, the plateau, the best weights, the
    generators (which determine the order of the next epoch) and the history.
    """

    def __init__(self, checkpoint: Checkpoint, state: TrainingState, identity: str) -> None:
        self.checkpoint = checkpoint
        self.state = state
        self.identity = identity
        self.written = float("-inf")  # the first epoch is always written
        if checkpoint.path.exists():
            with reading_safely(checkpoint.path, "a checkpoint"):
                self._restore()
        remove_leftovers(checkpoint.path)

    def write_if_due(self) -> None:
        """Write the state, unless the last write was too recent."""
        if time.monotonic() - self.written < self.checkpoint.seconds:
            return
        state = self.state
        tensors = {f"model.{name}": each for name, each in state.model.state_dict().items()}
        tensors |= {f"best.{name}": each for name, each in state.best.weights.items()}
        for index, moments in state.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": each for name, each in moments.items()}
        tensors |= {
            "random.shuffle": state.shuffle.get_state(),
            "random.seeding": state.seeding.get_state(),
            "random.cpu": torch.get_rng_state(),
        }
        if state.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(state.device)
        metadata = {
            "kind": "checkpoint",
            "identity": self.identity,
            "best": [state.best.loss, state.best.epoch],
            "plateau": state.plateau.state_dict(),
            "learning_rate": state.optimiser.param_groups[0]["lr"],
            "rows": state.history.rows,
            "seconds": state.history.seconds,
        }
        arrays = {name: each.detach().cpu().numpy() for name, each in tensors.items()}
        write_model(
            self.checkpoint.path, arrays, metadata | {"checksum": _checksum(arrays, metadata)}
        )
        self.written = time.monotonic()

    def _read(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return arrays and metadata of the checkpoint, if it is intact and of this training."""
        path = self.checkpoint.path
        remedy = "give another name, or remove it to start again"
        try:
            arrays, metadata = read_model(path)
        except ValueError as error:
            raise ValueError(f"the checkpoint cannot be read: {error}; {remedy}") from error
        if metadata.get("identity") != self.identity:
            raise ValueError(
                f"{path} is the checkpoint of another training (other spectra or settings); "
                "give another name, or remove it"
            )
        written = {
            name: each for name, each in metadata.items() if name not in ("format", "checksum")
        }
        if metadata.get("checksum") != _checksum(arrays, written):
            raise ValueError(f"the checkpoint {path} is damaged: its checksum is wrong; {remedy}")
        return arrays, metadata

    def _restore(self) -> None:
        arrays, metadata = self._read()
        try:
            self._take(arrays, metadata)
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            text = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(
                f"{self.checkpoint.path} is not a complete checkpoint ({text}); give another "
                "name, or remove it to start again"
            ) from error

    def _take(self, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
        """Set the state; raises errors of many kinds if the checkpoint is not complete."""
        state = self.state
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        groups: dict[str, dict[str, Tensor]] = {}
        for name, each in tensors.items():
            group, _, inner = name.partition(".")
            groups.setdefault(group, {})[inner] = each
        state.model.load_state_dict(groups["model"])
        best = groups.get("best", {})
        state.best.weights = {name: each.to(state.device) for name, each in best.items()}
        state.best.loss, state.best.epoch = metadata["best"]
        moments: dict[int, dict[str, Tensor]] = {}
        for name, each in groups["adam"].items():
            index, _, inner = name.partition(".")
            moments.setdefault(int(index), {})[inner] = each
        groups_of_parameters = state.optimiser.state_dict()["param_groups"]
        state.optimiser.load_state_dict({"state": moments, "param_groups": groups_of_parameters})
        state.optimiser.param_groups[0]["lr"] = metadata["learning_rate"]
        state.plateau.load_state_dict(metadata["plateau"])
        state.shuffle.set_state(groups["random"]["shuffle"])
        state.seeding.set_state(groups["random"]["seeding"])
        torch.set_rng_state(groups["random"]["cpu"])
        if "cuda" in groups["random"]:
            torch.cuda.set_rng_state(groups["random"]["cuda"], state.device)
        rows, seconds = metadata["rows"], float(metadata["seconds"])
        if not isinstance(rows, list) or not all("epoch" in each for each in rows):
            raise ValueError("its history is not a list of epochs")
        state.history.rows, state.history.seconds = rows, seconds


def _checksum(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> str:
    """Return a checksum of a checkpoint, by which a damaged weight is noticed."""
    digest = hashlib.sha256(json.dumps(metadata).encode())
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()


def training_fingerprint(tensors: Sequence[Tensor], output: str, *settings: Any) -> str:
    """Return a fingerprint of everything that a training depends on.

    Parameters
    ----------
    tensors : sequence of tensor
        Spectra, their variance if the loss uses it, and the weights of a trained model to start
        from.
    output : str
        The output activation of the network.
    settings : dataclass
        Any number of them.
    """
    shapes = [list(each.shape) for each in tensors]
    described = [output, shapes, *(to_dict(each) for each in settings)]
    digest = hashlib.sha256(json.dumps(described).encode())
    for each in tensors:
        digest.update(each.detach().cpu().numpy().tobytes())
    return digest.hexdigest()
