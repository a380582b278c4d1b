"""`spectessera segment`: the map of a cube."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from spectessera._util.files import folder_to_fill

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
from .scheduler import Scheduler, scheduler
from .train import _forget, base_of, keep_at


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
    from spectessera._util.files import readable
    from spectessera.htmlreport.page import check_bokeh
    from spectessera.inference.pipeline import segment as segment_cube
    from spectessera.io import RESULT_STORE
    from spectessera.naming.xray.elements import XraySettings
    from spectessera.resultfolder import check_folder, write_folder
    from spectessera.segmenter.estimator import SpectralSegmenter, load

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


def _print_summary(summary: dict[str, Any], out: Path) -> None:
    from spectessera.colours import colours
    from spectessera.resultfolder import REPORT

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
    for warning in summary["warnings"]:
        output.print(f"warning: {warning['text']} [{warning['code']}]", markup=False)
    output.print(f"results in {out}", markup=False)
    if (out / REPORT).exists():
        output.print(f"open {out / REPORT} in a browser", markup=False)
