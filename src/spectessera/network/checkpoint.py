"""The state of a training: what changes in its course, and how it is kept and taken up again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spectessera._util.files import remove_leftovers
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
        reconstruction, discrepancy (MMD), cluster (L_s) and silhouette, as far as they have a
        weight; the same on the validation spectra (``validation_total`` ...); k, the list of the
        k chosen in each batch.
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


class Best:
    """The best weights so far and when they were found."""

    def __init__(self) -> None:
        self.loss = float("inf")
        self.epoch = -1
        self.weights: dict[str, Tensor] = {}

    def offer(self, loss: float, epoch: int, model: Autoencoder) -> None:
        """Take the weights of the model if its loss is smaller, or if there are none yet."""
        if loss < self.loss or not self.weights:
            self.loss, self.epoch = loss, epoch
            self.weights = {name: each.clone() for name, each in model.state_dict().items()}


class Run:
    """All that changes in the course of one training.

    Attributes
    ----------
    model : Autoencoder
    device : torch.device
    optimiser : torch.optim.Adam
    plateau : torch.optim.lr_scheduler.ReduceLROnPlateau
    shuffle, seeding : torch.Generator
        Of the order of the spectra, and of k-means and the prior of the discrepancy.
    best : Best
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
        self.best = Best()
        self.history = History()


@dataclass(frozen=True)
class Checkpoint:
    """Where and how often the state of a training is kept.

    Parameters
    ----------
    path : Path
        A safetensors file, replaced whole.
    seconds : float
        At least so long between two writings; 0 is after every epoch.
    """

    path: Path
    seconds: float = 10.0


class Keeper:
    """Writes the state of a run to its checkpoint, and takes it from there.

    Everything is in it: weights, moments of the optimiser, the plateau, the best weights, the
    generators (the order of the next epoch follows from them) and the history.
    """

    def __init__(self, checkpoint: Checkpoint, run: Run, identity: str) -> None:
        self.checkpoint = checkpoint
        self.run = run
        self.identity = identity
        self.last = float("-inf")  # the first epoch is kept in any case
        if checkpoint.path.exists():
            self._resume()
        remove_leftovers(checkpoint.path)

    def keep(self) -> None:
        """Write the state, unless that was done a moment ago."""
        if time.monotonic() - self.last < self.checkpoint.seconds:
            return
        run = self.run
        tensors = {f"model.{name}": each for name, each in run.model.state_dict().items()}
        tensors |= {f"best.{name}": each for name, each in run.best.weights.items()}
        for index, moments in run.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": each for name, each in moments.items()}
        tensors |= {
            "random.shuffle": run.shuffle.get_state(),
            "random.seeding": run.seeding.get_state(),
            "random.cpu": torch.get_rng_state(),
        }
        if self.run.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.run.device)
        told = {
            "kind": "checkpoint",
            "identity": self.identity,
            "best": [run.best.loss, run.best.epoch],
            "plateau": run.plateau.state_dict(),
            "learning_rate": run.optimiser.param_groups[0]["lr"],
            "rows": run.history.rows,
            "seconds": run.history.seconds,
        }
        arrays = {name: each.detach().cpu().numpy() for name, each in tensors.items()}
        write_model(self.checkpoint.path, arrays, told | {"checksum": _checksum(arrays, told)})
        self.last = time.monotonic()

    def _read(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return arrays and metadata of the checkpoint, if it is whole and of this training."""
        path = self.checkpoint.path
        remedy = "give another name, or remove it to begin anew"
        try:
            arrays, told = read_model(path)
        except ValueError as error:
            raise ValueError(f"the checkpoint cannot be read: {error}; {remedy}") from error
        if told.get("identity") != self.identity:
            raise ValueError(
                f"{path} is the checkpoint of another training (other spectra or settings); "
                "give another name, or remove it"
            )
        written = {name: each for name, each in told.items() if name not in ("format", "checksum")}
        if told.get("checksum") != _checksum(arrays, written):
            raise ValueError(f"the checkpoint {path} is damaged: its checksum is wrong; {remedy}")
        return arrays, told

    def _resume(self) -> None:
        arrays, told = self._read()
        run = self.run
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        groups: dict[str, dict[str, Tensor]] = {}
        for name, each in tensors.items():
            group, _, inner = name.partition(".")
            groups.setdefault(group, {})[inner] = each
        run.model.load_state_dict(groups["model"])
        run.best.weights = {
            n: each.to(self.run.device) for n, each in groups.get("best", {}).items()
        }
        run.best.loss, run.best.epoch = told["best"]
        moments: dict[int, dict[str, Tensor]] = {}
        for name, each in groups["adam"].items():
            index, _, inner = name.partition(".")
            moments.setdefault(int(index), {})[inner] = each
        state = run.optimiser.state_dict()
        run.optimiser.load_state_dict({"state": moments, "param_groups": state["param_groups"]})
        run.optimiser.param_groups[0]["lr"] = told["learning_rate"]
        run.plateau.load_state_dict(told["plateau"])
        run.shuffle.set_state(groups["random"]["shuffle"])
        run.seeding.set_state(groups["random"]["seeding"])
        torch.set_rng_state(groups["random"]["cpu"])
        if "cuda" in groups["random"]:
            torch.cuda.set_rng_state(groups["random"]["cuda"], self.run.device)
        run.history.rows = told["rows"]
        run.history.seconds = told["seconds"]


def _checksum(arrays: Mapping[str, np.ndarray], told: Mapping[str, Any]) -> str:
    """Return the checksum of a checkpoint, in which a changed weight would go unseen otherwise."""
    found = hashlib.sha256(json.dumps(told).encode())
    for name in sorted(arrays):
        found.update(name.encode())
        found.update(arrays[name].tobytes())
    return found.hexdigest()


def fingerprint(tensors: Sequence[Tensor], output: str, *settings: Any) -> str:
    """Return a fingerprint of all that a training depends on.

    Parameters
    ----------
    tensors : sequence of tensor
        Spectra, their variance as far as the loss looks at it, weights that it starts from.
    output : str
        The output activation of the network.
    settings : dataclass
        Any number of them.
    """
    shapes = [list(each.shape) for each in tensors]
    told = [output, shapes, *(to_dict(each) for each in settings)]
    found = hashlib.sha256(json.dumps(told).encode())
    for each in tensors:
        found.update(each.detach().cpu().numpy().tobytes())
    return found.hexdigest()
