"""`spectessera train`: a model from the spectra of cubes, or from simulated ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spectessera._util.files import alone, check_file_place
from spectessera._util.inputs import refuse_input

from .checkpoint import CheckpointOption, checkpoint_at, remove_completed
from .console import Bar, command, errors, output, print_json, progress
from .flags import (
    MODEL,
    TRAINING,
    AsJson,
    ConfigOption,
    FileOptions,
    Overwrite,
    Quiet,
    with_flag_groups,
)
from .options import Fields, base_settings, configurations, with_settings

if TYPE_CHECKING:
    from spectessera.network.checkpoint import Checkpoint
    from spectessera.segmenter import SpectralSegmenter


ModelFile = Annotated[
    Path, typer.Option(metavar="FILE", help="The model file to write (.safetensors).")
]
Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FILE...", help="Cubes to train on; none with --simulate."),
]
Start = Annotated[
    str | None,
    typer.Option(metavar=MODEL, help="Continue from a trained model."),
]
Simulate = Annotated[
    str | None,
    typer.Option(
        metavar="[xrf|nebulae|nebulae-wide]",
        help="Train on simulated spectra, each of them new.",
    ),
]
Half = Annotated[
    bool,
    typer.Option(
        "--half",
        help="Write the weights as float16, in half the space.",
        rich_help_panel=TRAINING,
    ),
]


@command
@with_settings
@with_flag_groups
def train_command(
    out: ModelFile,
    settings: Fields,
    reading: FileOptions,
    files: Files = None,
    start: Start = None,
    simulate: Simulate = None,
    half: Half = False,
    config: ConfigOption = None,
    checkpoint: CheckpointOption = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on the spectra of one or more cubes, or on simulated ones.

    The defaults of the settings are those of a new model; with --start, the settings of the trained
    model are the defaults.
    """
    from spectessera.segmenter import SpectralSegmenter, load

    _check(out, files, simulate, start, overwrite)
    inputs = (*(files or ()), *reading.files(), start, config)
    refuse_input(out, *inputs)
    state = checkpoint_at(checkpoint, out, inputs)
    trained = None if start is None else load(start)
    configs = configurations(settings, config, base_settings(trained, simulate))
    segmenter = SpectralSegmenter(**configs)
    with progress(quiet or as_json) as bar:
        if simulate is not None:
            _pretrain(segmenter, simulate, configs["training"].seed, state, bar)
        else:
            cubes = [reading.open(file) for file in files or ()]
            segmenter.fit(cubes, start=trained, checkpoint=state, progress=bar.epoch)
    with alone(out):
        segmenter.save(out, half=half)
    remove_completed(checkpoint, segmenter)
    if as_json:
        print_json(_summary(segmenter, out))
    elif not quiet:
        output.print(f"model written to {out}")
    if segmenter.history_.interrupted:
        errors.print(f"training was stopped by Ctrl-C; {out} holds the best weights so far")
        raise typer.Exit(130)


def _check(
    out: Path, files: list[Path] | None, simulate: str | None, start: str | None, overwrite: bool
) -> None:
    """Raise, before any work, if flags contradict each other or the model cannot be written."""
    if bool(files) == bool(simulate):
        raise ValueError("give either cubes to train on, or --simulate xrf or --simulate nebulae")
    if simulate and start:
        raise ValueError("--simulate trains a new model; leave out --start")
    if out.suffix != ".safetensors":
        raise ValueError(f"--out is a .safetensors file; got {out.name}")
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists; give another name, or --overwrite")
    check_file_place(out)


def _pretrain(
    segmenter: SpectralSegmenter, kind: str, seed: int, state: Checkpoint | None, bar: Bar
) -> None:
    """Train on simulated spectra."""
    from spectessera.segmenter.pretraining import simulation

    source = simulation(kind, seed=seed, progress=lambda done, total: bar("templates", done, total))
    segmenter.pretrain(source, checkpoint=state, progress=bar.epoch)


def _summary(segmenter: SpectralSegmenter, out: Path) -> dict[str, Any]:
    """Return what a training gave, as plain values."""
    history = segmenter.history_
    return {
        "model": str(out),
        "n_clusters": segmenter.n_clusters_,
        "epochs": len(history.rows),
        "best_epoch": history.best_epoch,
        "seconds": round(history.seconds, 2),
        "interrupted": history.interrupted,
        "test": history.test,
        "settings": segmenter.settings(),
    }
