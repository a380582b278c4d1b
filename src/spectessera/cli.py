"""The command line: arguments in, the public functions do the work, one clear line for an error."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from . import __version__, cli_report, cli_search, cli_studies, cli_synth
from ._files import check_file_place, folder_to_fill
from .cli_options import build, with_settings
from .cli_reading import AxisOption, Energy, Key, Missing, Unit, Wavelength, open_cube
from .cli_scheduler import Scheduler, scheduler
from .cli_shared import command, errors, output, progress

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Cut spectral datacubes into regions of like spectra.",
)
app.add_typer(cli_synth.app, name="synth")
app.command("search")(cli_search.search_command)
app.command("report")(cli_report.report_command)
app.command("compare")(cli_studies.compare_command)
app.command("reproduce")(cli_studies.reproduce_command)

# --- arguments that several commands share -----------------------------------------------------

Config = Annotated[
    Path | None,
    typer.Option(help="A TOML file of settings, such as settings.toml of a run; flags go before."),
]
CheckpointOption = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        help="Keep the state of the training in this file (.safetensors); if it is there, go on "
        "from it. It is removed when the training is done.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, and only that.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")]


# --- commands ----------------------------------------------------------------------------------


def _version(wanted: bool) -> None:
    if wanted:
        output.print(f"spectessera {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Tell the version.")
    ] = False,
) -> None:
    """Cut spectral datacubes into regions of like spectra."""


@app.command()
@command
def info(
    file: Path,
    key: Key = None,
    energy: Energy = None,
    wavelength: Wavelength = None,
    axis: AxisOption = None,
    unit: Unit = None,
    missing: Missing = None,
    as_json: AsJson = False,
) -> None:
    """Tell what is in a file."""
    from .overview import describe_cube

    cube = open_cube(file, key, energy, wavelength, axis, unit, missing)
    found = {"file": str(file), **describe_cube(cube)}
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    table = Table(show_header=False, box=None)
    for name, value in found.items():
        shown = json.dumps(value) if isinstance(value, (dict, list)) else str(value)
        table.add_row(f"[bold]{name.replace('_', ' ')}[/]", shown)
    output.print(table)


@app.command()
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
    from .segmenter import SpectralSegmenter, load

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
            from .pretraining import simulation

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


@app.command()
@command
@with_settings
def segment(
    file: Path,
    out: Annotated[Path, typer.Option(help="The folder to write the results to.")],
    settings: dict[str, dict[str, Any]],
    model: Annotated[
        str | None,
        typer.Option(help="A trained model: a file (.safetensors), or maxrf or nebulae."),
    ] = None,
    fit: Annotated[bool, typer.Option("--fit", help="Train a model on this cube itself.")] = False,
    start: Annotated[
        str | None,
        typer.Option(help="With --fit: go on from a trained model, a file, or maxrf or nebulae."),
    ] = None,
    how: Annotated[
        str, typer.Option("--clusters", help='"cube", "trained" or a number of clusters.')
    ] = "cube",
    also: Annotated[
        list[str] | None,
        typer.Option(help="Also write the cube: latent, decoded; or the map: silhouette."),
    ] = None,
    key: Key = None,
    energy: Energy = None,
    wavelength: Wavelength = None,
    axis: AxisOption = None,
    unit: Unit = None,
    missing: Missing = None,
    config: Config = None,
    checkpoint: CheckpointOption = None,
    with_report: Annotated[
        bool, typer.Option("--report", help="Also write report.html: one file, to send.")
    ] = False,
    anode: Annotated[
        str | None, typer.Option(help="Of the X-ray tube (Rh, Mo, W, ...), for the names of lines.")
    ] = None,
    to_zarr: Annotated[
        bool,
        typer.Option(
            "--zarr", help="Write result.zarr, block by block, not result.nc: for large images."
        ),
    ] = False,
    where: Scheduler = None,
    overwrite: Annotated[
        bool, typer.Option(help="Replace results that are in the folder already.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Segment a cube with a trained model, or with one trained on the cube itself."""
    from ._files import readable
    from .htmlreport import check_bokeh
    from .inference import segment as segment_cube
    from .io import RESULT_STORE
    from .outputs import check_folder, write_folder
    from .segmenter import SpectralSegmenter, load
    from .xraylines import XraySettings

    if (model is None) == (not fit):
        raise ValueError("give either --model FILE or --fit")
    if start is not None and not fit:
        raise ValueError("--start is a model to train on from, with --fit; to use it, --model")
    if model is not None:
        _refuse_training(settings, config, checkpoint)
    begun = None if model is None and start is None else load(model or start or "")
    configs = build(settings, config, base_of(begun, None))
    seed = configs["training"].seed
    clusters: str | int = int(how) if how.isdecimal() else how
    check_folder(out, overwrite=overwrite)
    XraySettings(anode=anode)  # complain before any work
    if with_report:
        check_bokeh()
    kept = keep_at(checkpoint, out / "model.safetensors")
    cube = open_cube(file, key, energy, wavelength, axis, unit, missing)
    if anode is not None:
        cube.attrs["anode"] = anode
    segmenter = SpectralSegmenter(**configs)
    if model is not None:
        assert begun is not None
        segmenter = begun.set_params(clusters=configs["clusters"])
    stored = to_zarr or where is not None
    with scheduler(where), progress(quiet or as_json) as bar:
        if fit:
            segmenter.fit(cube, start=begun, checkpoint=kept, progress=bar.epoch)
            out.mkdir(parents=True, exist_ok=True)
            segmenter.save(out / "model.safetensors")
            _forget(checkpoint, segmenter)
            if segmenter.history_.interrupted:
                errors.print(
                    f"training was stopped by Ctrl-C; the best weights until then are kept in "
                    f"{out / 'model.safetensors'}: use them with --model",
                    markup=False,
                )
                raise typer.Exit(130)
        with folder_to_fill(out) if stored else nullcontext():
            result = segment_cube(
                cube, segmenter, clusters, seed=seed, keep=tuple(also or ()), progress=bar,
                store=out / RESULT_STORE if stored else None,
            )  # fmt: skip
    run = {
        "file": readable(str(file)),
        "model": model,
        "start": start,
        "seed": seed,
        "clusters": clusters,
        "anode": anode,
    }
    summary = write_folder(
        result, segmenter, out, run, fitted=fit, with_report=with_report, stored=stored
    )
    if as_json:
        sys.stdout.write(json.dumps(summary, indent=2) + "\n")
    elif not quiet:
        _print_summary(summary, out)


def _refuse_training(
    settings: dict[str, dict[str, Any]], config: Path | None, checkpoint: Path | None
) -> None:
    """Say which flags a trained model has no use for; how it is clustered may be changed."""
    given = [
        f"--{name.replace('_', '-')}"
        for group in ("preprocess", "network", "training")
        for name in settings[group]
        if name != "seed"
    ]
    given += [f"--{name}" for name, v in (("config", config), ("checkpoint", checkpoint)) if v]
    if given:
        raise ValueError(
            f"{', '.join(given)} would have no effect on a trained model; "
            "leave it out, or train anew with --fit"
        )


def base_of(begun: Any, simulate: str | None) -> dict[str, Any]:
    """Return what flags change: the settings of a model, of a pretraining, or the defaults."""
    from .defaults import CONFIGS, DEFAULTS, fine_tuning
    from .pretraining import recipe

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
    from .training import Checkpoint

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


@app.command()
@command
def encode(
    file: Path,
    model: Annotated[
        str, typer.Option(help="A trained model: a file (.safetensors), or maxrf or nebulae.")
    ],
    out: Annotated[Path, typer.Option(help="The latent cube to write (.nc, .h5 or .zarr).")],
    key: Key = None,
    energy: Energy = None,
    wavelength: Wavelength = None,
    axis: AxisOption = None,
    unit: Unit = None,
    missing: Missing = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compress a cube to its latents; tells the ratio and the error."""
    from .compression import encode_cube
    from .io import check_destination, write
    from .segmenter import load

    check_destination(out, overwrite=overwrite)
    segmenter = load(model)
    cube = open_cube(file, key, energy, wavelength, axis, unit, missing)
    with progress(quiet or as_json) as bar:
        latent, told = encode_cube(cube, segmenter, progress=bar)
    write(latent, out, overwrite=overwrite)
    told = {"file": str(file), "out": str(out), **told}
    if as_json:
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    elif not quiet:
        output.print(
            f"{told['channels']} channels to {told['latent']} latents: {told['ratio']:.1f} times "
            f"smaller ({told['ratio_with_model']:.1f} with the weights of the model)"
        )
        output.print(f"error {100 * told['relative_error']:.2f} % (rms, network-input units)")
        output.print(f"latent cube in {out}", markup=False)


@app.command()
@command
def decode(
    file: Path,
    model: Annotated[str, typer.Option(help="The model that encoded it (file or name).")],
    out: Annotated[Path, typer.Option(help="The cube to write (.nc, .h5 or .zarr).")],
    overwrite: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
    quiet: Quiet = False,
) -> None:
    """Decode a latent cube to spectra, in network-input units."""
    from .compression import decode_cube
    from .io import check_destination, read, write
    from .segmenter import load

    check_destination(out, overwrite=overwrite)
    decoded = decode_cube(read(file, chunks="auto"), load(model))
    write(decoded, out, overwrite=overwrite)
    if not quiet:
        output.print(f"decoded cube in {out}", markup=False)


def _print_summary(summary: dict[str, Any], out: Path) -> None:
    from .outputs import REPORT
    from .palette import colours

    table = Table(title=f"{summary['n_clusters']} clusters", box=None)
    for heading in ("cluster", "pixels", "share", "confidence"):
        table.add_column(heading, justify="right")
    table.add_column("what it may be")
    for row in summary["clusters"]:
        red, green, blue = colours(row["cluster"])[-1].tolist()
        sure = row["confidence"]
        table.add_row(
            f"[rgb({red},{green},{blue})]██[/] {row['cluster']}",
            str(row["size"]),
            f"{100 * row['share']:.1f} %",
            "-" if sure is None else f"{sure:.2f}",
            Text(row["name"] or "-"),
        )
    output.print(table)
    for warning in summary["notes"]:
        output.print(f"note: {warning}", markup=False)
    output.print(f"results in {out}", markup=False)
    if (out / REPORT).exists():
        output.print(f"open {out / REPORT} in a browser", markup=False)


def main() -> None:
    """Run the command line."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        app()
    except KeyboardInterrupt:  # outside a command: while a module was being loaded
        errors.print("stopped by Ctrl-C")
        sys.exit(130)


if __name__ == "__main__":
    main()
