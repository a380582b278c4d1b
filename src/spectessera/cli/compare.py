"""`spectessera compare` and `spectessera reproduce`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .console import command, output, progress

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif")
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, and only that.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")]


@command
def compare_command(
    labels: Annotated[Path, typer.Argument(help="A result, its folder, or a label map.")],
    reference: Annotated[
        Path,
        typer.Argument(
            help="True labels: a label map, a synthetic or labelled cube; or a picture, whose "
            "clustered colours are taken."
        ),
    ],
    seed: Annotated[int, typer.Option(min=0, help="Of the clustering of a picture.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Compare a segmentation with reference labels."""
    from spectessera.evaluate import compare
    from spectessera.io.labels import read_labels

    found = compare(read_labels(labels), _reference(reference, seed))
    if as_json:
        sys.stdout.write(found.to_json() + "\n")
    else:
        output.print(str(found), markup=False)


def _reference(path: Path, seed: int) -> Any:
    """Return reference labels (y, x): of a file, or the clustered colours of a picture."""
    from spectessera.io.labels import read_labels

    if path.suffix.lower() not in PICTURES:
        return read_labels(path)
    from spectessera.synth.paint.rgb import few_colours, read_image

    return few_colours(read_image(path), seed=seed).colour + 1


@command
def reproduce_command(
    experiment: Annotated[str, typer.Argument(help="astro or heritage.")],
    out: Annotated[Path, typer.Option(help="A folder; a run that was stopped there goes on.")],
    quick: Annotated[bool, typer.Option("--quick", help="A small version, for a look.")] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Runs with as many seeds.")] = 1,
    pictures: Annotated[
        Path | None,
        typer.Option(help="A folder of pictures that the heritage experiment trains on too."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Reproduce an experiment of arXiv 2401.17695: data, training, baselines, figures, scores."""
    from spectessera.studies.reproduction import mean_rows, reproduce

    if pictures is not None and experiment == "astro":
        raise ValueError("--pictures are of the heritage experiment; astro draws its own")
    with progress(quiet or as_json) as bar:

        def tell(step: str, done: int, total: int) -> None:
            bar("reproduce", done, total, step)

        found = reproduce(
            experiment, out, quick=quick, seeds=seeds, pictures=pictures, progress=tell
        )
    if as_json:
        sys.stdout.write(json.dumps(mean_rows(found.rows), indent=2) + "\n")
    elif not quiet:
        output.print((found.folder / "scores.md").read_text(encoding="utf-8"), markup=False)
        output.print(f"figures in {found.folder / 'figures'}", markup=False)
