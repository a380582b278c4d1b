"""`spectessera reproduce`: the experiments of the paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spectessera._util.inputs import refuse_input

from .console import command, output, print_json, print_lines, progress
from .flags import AsJson, Quiet


@command
def reproduce_command(
    experiment: Annotated[str, typer.Argument(help="astro or heritage.")],
    out: Annotated[
        Path,
        typer.Option(help="The folder to write to. A run that was stopped there continues."),
    ],
    quick: Annotated[
        bool, typer.Option("--quick", help="A smaller version, to see whether everything runs.")
    ] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Number of runs, each with its own seed.")] = 1,
    pictures: Annotated[
        Path | None,
        typer.Option(help="A folder of pictures that the heritage experiment trains on as well."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Reproduce an experiment of arXiv 2401.17695: data, training, baselines, figures, scores."""
    from spectessera.studies import mean_rows, reproduce

    if pictures is not None and experiment == "astro":
        raise ValueError("--pictures is for the heritage experiment; astro draws its own")
    refuse_input(out, pictures)
    with progress(quiet or as_json) as bar:

        def show(step: str, done: int, total: int) -> None:
            bar("reproduce", done, total, step)

        reproduction = reproduce(
            experiment, out, quick=quick, seeds=seeds, pictures=pictures, progress=show
        )
    if as_json:
        print_json(mean_rows(reproduction.rows))
    elif not quiet:
        scores = reproduction.folder / "scores.md"
        print_lines(scores.read_text(encoding="utf-8"))
        output.print(f"figures in {reproduction.folder / 'figures'}")
