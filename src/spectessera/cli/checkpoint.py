"""The checkpoint of a training on the command line: its flag, and the file that it names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spectessera._util.files import check_file_place
from spectessera._util.inputs import refuse_input

from .flags import TRAINING

if TYPE_CHECKING:
    from spectessera.network.checkpoint import Checkpoint
    from spectessera.segmenter import SpectralSegmenter

CheckpointOption = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="FILE",
        rich_help_panel=TRAINING,
        help="Save the state of the training in this file (.safetensors). If the file exists, "
        "training continues from it. It is removed when the training is complete.",
    ),
]


def checkpoint_at(
    path: Path | None, model: Path, inputs: Iterable[str | Path | None]
) -> Checkpoint | None:
    """Return the checkpoint of a path, or None without one.

    Parameters
    ----------
    path : Path, optional
    model : Path
        The file of the model that is trained.
    inputs : iterable of str, Path or None
        Everything that the training reads.

    Raises
    ------
    ValueError
        If the path is that of the model, which would be removed with the checkpoint, or of an
        input, or has another suffix.
    OSError
        If no file can be written there.
    """
    from spectessera.network.checkpoint import Checkpoint

    if path is None:
        return None
    if path.resolve() == model.resolve():
        raise ValueError(
            f"--checkpoint {path} is the file of the model itself; give it another name"
        )
    if path.suffix != ".safetensors":
        raise ValueError(f"--checkpoint is a .safetensors file; got {path.name}")
    check_file_place(path)
    refuse_input(path, *inputs)
    return Checkpoint(path)


def remove_completed(path: Path | None, segmenter: SpectralSegmenter) -> None:
    """Remove the checkpoint of a training that is complete, if there is one."""
    if path is not None and not segmenter.history_.interrupted:
        path.unlink(missing_ok=True)
