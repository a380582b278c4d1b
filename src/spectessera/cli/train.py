"""`spectessera train`: a model from the spectra of cubes, or from simulated ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from spectessera._util.files import check_file_place

from .console import command, errors, output, progress
from .flags import (
    AsJson,
    AxisOption,
    CheckpointOption,
    Config,
    Energy,
    Key,
    Missing,
    Quiet,
    Unit,
    Wavelength,
    open_cube,
)
from .options import build, with_settings


@command
@with_settings
def train(
    out: Annotated[Path, typer.Option(help="The model file to write (.safetensors).")],
    settings: dict[str, dict[str, Any]],
    files: Annotated[
        list[Path] | None, typer.Argument(help="Cubes to train on; none with --simulate.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="Go on from a trained model: a file, or maxrf or nebulae."),
    ] = None,
    simulate: Annotated[
        str | None,
        typer.Option(help='Train on simulated spectra, no two alike: "xrf" or "nebulae".'),
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Write the weights as float16, in half the space.")
    ] = False,
    key: Key = None,
    energy: Energy = None,
    wavelength: Wavelength = None,
    axis: AxisOption = None,
    unit: Unit = None,
    missing: Missing = None,
    config: Config = None,
    checkpoint: CheckpointOption = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing model file.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on the spectra of one or more cubes, or on simulated ones."""
    from spectessera.segmenter.estimator import SpectralSegmenter, load

    if bool(files) == bool(simulate):
        raise ValueError("give either cubes to train on, or --simulate xrf or --simulate nebulae")
    if simulate and start:
        raise ValueError("--simulate trains a new model; leave out --start")
    if out.suffix != ".safetensors":
        raise ValueError(f"--out is a .safetensors file; got {out.name}")
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists; give another name, or --overwrite")
    check_file_place(out)
    kept = keep_at(checkpoint, out)
    begun = None if start is None else load(start)
    configs = build(settings, config, base_of(begun, simulate))
    segmenter = SpectralSegmenter(**configs)
    with progress(quiet or as_json) as bar:
        if simulate:
            from spectessera.segmenter.pretraining import simulation

            source = simulation(
                simulate,
                seed=configs["training"].seed,
                progress=lambda done, total: bar("templates", done, total),
            )
            segmenter.pretrain(source, checkpoint=kept, progress=bar.epoch)
        else:
            cubes = [
                open_cube(f, key, energy, wavelength, axis, unit, missing) for f in files or ()
            ]
            segmenter.fit(cubes, start=begun, checkpoint=kept, progress=bar.epoch)
    segmenter.save(out, half=half)
    _forget(checkpoint, segmenter)
    told = {
        "model": str(out),
        "n_clusters": segmenter.n_clusters_,
        "epochs": len(segmenter.history_.rows),
        "best_epoch": segmenter.history_.best_epoch,
        "seconds": round(segmenter.history_.seconds, 2),
        "interrupted": segmenter.history_.interrupted,
        "test": segmenter.history_.test,
        "settings": segmenter.settings(),
    }
    if as_json:
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    elif not quiet:
        output.print(f"model written to {out}", markup=False)
    if segmenter.history_.interrupted:
        errors.print(f"training was stopped by Ctrl-C; {out} holds the best weights until then")
        raise typer.Exit(130)


def base_of(begun: Any, simulate: str | None) -> dict[str, Any]:
    """Return what flags change: the settings of a model, of a pretraining, or the defaults."""
    from spectessera.segmenter.defaults import CONFIGS, DEFAULTS, fine_tuning
    from spectessera.segmenter.pretraining import recipe

    if simulate is not None:
        return recipe(simulate)
    if begun is not None:
        return {name: begun.config(name) for name in CONFIGS} | {
            "training": fine_tuning(begun.config("training").loss)
        }
    return dict(DEFAULTS)


def keep_at(path: Path | None, model: Path) -> Any:
    """Return the checkpoint of a path, after a look whether it can be written.

    The checkpoint is removed when the training is done: it must not be the model.
    """
    from spectessera.network.training import Checkpoint

    if path is None:
        return None
    if path.resolve() == model.resolve():
        raise ValueError(f"--checkpoint {path} is where the model will be; give it another name")
    if path.suffix != ".safetensors":
        raise ValueError(f"--checkpoint is a .safetensors file; got {path.name}")
    check_file_place(path)
    return Checkpoint(path)


def _forget(checkpoint: Path | None, segmenter: Any) -> None:
    """Remove the checkpoint of a training that is done."""
    if checkpoint is not None and not segmenter.history_.interrupted:
        checkpoint.unlink(missing_ok=True)
