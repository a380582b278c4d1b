"""What is done with a damaged file, in a process that may end in it."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import spectessera as spt

FINGERPRINT = "of a training"
# How a cube is opened, by the number of the input.
WAYS = ("whole", "blocks", "whole", "blocks", "info")


def open_cube(path: Path, number: int, isolate: bool = False) -> None:
    """Read a cube whole, or one block of it, or show what is in its file."""
    way = WAYS[number // 3 % len(WAYS)]
    options: dict[str, Any] = {"isolate": True} if isolate else {}
    if way == "info":
        command("info", str(path), *(["--isolate"] if isolate else []))
    elif way == "whole":
        spt.read(path, **options)
    else:
        cube = spt.read(path, chunks="auto", **options)
        cube[:4, :4].compute(scheduler="synchronous")


class Refused(ValueError):
    """A command that ended with one line and status 2."""


def command(*arguments: str) -> None:
    """Run a command in this process; an expected error is :class:`Refused`."""
    from spectessera.cli.app import app

    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        status = app(list(arguments), standalone_mode=False)
    if status:
        raise Refused(said.getvalue())


def open_model(path: Path, number: int) -> None:
    """Load a model and, every third time, encode a few spectra with it."""
    segmenter = spt.load(path)
    if number % 3 == 0:
        import numpy as np

        segmenter.transform(np.ones((2, 24), np.float32))


def open_checkpoint(path: Path, number: int) -> None:
    """Restore a training from a checkpoint and, every fiftieth time, continue it.

    Every second one gets the checksum and the fingerprint that fit.
    """
    import torch

    from spectessera.network.autoencoder import Autoencoder
    from spectessera.network.checkpoint import Checkpoint, CheckpointFile, TrainingState

    from .seeds import NETWORK, SHAPE, segmenter

    if number % 2:
        sign(path)
    checkpoint = Checkpoint(path, seconds=1e9)
    if number % 50 == 0:
        segmenter(checkpoint=checkpoint)
        return
    generator = torch.Generator().manual_seed(0)
    model = Autoencoder(NETWORK, SHAPE[2], "identity", generator=generator)
    state = TrainingState(model, learning_rate=1e-3, factor=0.5, plateau=5, seed=0)
    CheckpointFile(checkpoint, state, FINGERPRINT)


def sign(path: Path) -> None:
    """Give a checkpoint that can be read our fingerprint, and the checksum of what it holds."""
    from spectessera.network import checkpoint, modelfile

    try:
        arrays, metadata = modelfile.read_model(path)
    except (ValueError, OSError):
        return
    written = {key: each for key, each in metadata.items() if key not in ("format", "checksum")}
    written["identity"] = FINGERPRINT
    written["checksum"] = checkpoint._checksum(arrays, written)
    modelfile.write_model(path, arrays, written)


def open_result(path: Path, number: int) -> None:
    """Read a result and, every hundredth time, write its report."""
    result = spt.read_result(path)
    if number // 2 % 100 == 0:
        spt.report(result, path.parent / "report.html")


def open_settings(path: Path, _number: int) -> None:
    """Read the settings of a TOML file, as ``--config`` does."""
    from spectessera.cli.options import CONFIGS, configurations

    configurations({name: {} for name in CONFIGS}, path)


def open_manifest(path: Path, _number: int) -> None:
    """Verify a folder by its manifest."""
    from spectessera.resultfolder import verify

    verify(path)


OTHERS: dict[str, Callable[[Path, int], None]] = {
    "model": open_model,
    "checkpoint": open_checkpoint,
    "result": open_result,
    "settings": open_settings,
    "manifest": open_manifest,
}


def open_it(format_name: str, path: Path, number: int, isolate: bool = False) -> None:
    """Do what a user does with a file of this format."""
    os.environ["COLUMNS"] = "200"
    if format_name in OTHERS:
        OTHERS[format_name](path, number)
    else:
        open_cube(path, number, isolate)
