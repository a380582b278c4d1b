"""`spectessera reproduce`: the experiments of the paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spectessera._util.inputs import refuse_input

from .console import command, errors, output, print_json, print_lines, progress
from .flags import AsJson, Quiet

Out = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER", help="The folder to write to. A run that was stopped there continues."
    ),
]
Scale = Annotated[
    str,
    typer.Option(
        metavar="[quick|middle|published]",
        help="Size; published: the sizes and settings that the authors released.",
    ),
]
Quick = Annotated[
    bool, typer.Option("--quick", help="As --scale quick: small, to check that everything runs.")
]
Seeds = Annotated[int, typer.Option(min=1, help="Number of runs, each with its own seed.")]
Pictures = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="A folder of pictures that the heritage experiment trains on as well.",
    ),
]
Methods = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,NAME,...",
        help="Networks and baselines to run, such as paper,umap; by default all.",
    ),
]


@command
def reproduce_command(
    experiment: Annotated[
        str, typer.Argument(metavar="astro|heritage", help="Nebulae, or painted pages.")
    ],
    out: Out,
    scale: Scale = "middle",
    quick: Quick = False,
    seeds: Seeds = 1,
    pictures: Pictures = None,
    methods: Methods = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Reproduce an experiment of arXiv 2401.17695: data, training, baselines, figures, scores."""
    from spectessera.studies import mean_rows, reproduce

    if pictures is not None and experiment == "astro":
        raise ValueError("--pictures is for the heritage experiment; astro draws its own")
    if quick and scale == "published":
        raise ValueError("--quick is the scale quick; leave it out for --scale published")
    refuse_input(out, pictures)
    with progress(quiet or as_json) as bar:

        def show(step: str, done: int, total: int) -> None:
            bar("reproduce", done, total, step)

        reproduction = reproduce(
            experiment,
            out,
            scale="quick" if quick else scale,
            seeds=seeds,
            pictures=pictures,
            methods=None if methods is None else _names(methods),
            progress=show,
            announce=None if quiet or as_json else _announce,
        )
    if as_json:
        print_json(mean_rows(reproduction.rows))
    elif not quiet:
        scores = reproduction.folder / "scores.md"
        print_lines(scores.read_text(encoding="utf-8"))
        output.print(f"figures in {reproduction.folder / 'figures'}")


def _names(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _announce(text: str) -> None:
    errors.print(text)
