"""`spectessera search`: try many settings and keep the best."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spectessera._util.inputs import refuse_inputs_in
from spectessera._util.text import counted

from .console import command, errors, output, print_json, progress
from .flags import AsJson, FileOptions, Quiet, with_flag_groups

if TYPE_CHECKING:
    from rich.table import Table

    from spectessera.studies import Study, Trial

MOST_ROWS = 20


Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Cubes to train on, all on one axis.")
]
SpaceFile = Annotated[
    Path,
    typer.Option(
        metavar="FILE", help="A TOML file of settings, in which lists and ranges are what is tried."
    ),
]
Folder = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER",
        help="The folder of the search. A search that was stopped there continues.",
    ),
]
Objective = Annotated[
    str,
    typer.Option(
        metavar="[validation|silhouette|ari|f1]",
        help="What the best settings are best at: validation (loss) or silhouette; ari or f1 if "
        "the cubes have reference labels.",
    ),
]
Sampler = Annotated[
    str,
    typer.Option(
        metavar="[grid|tpe]",
        help="grid: all combinations; tpe: guided by earlier trials, also over ranges.",
    ),
]
Trials = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of trials, including earlier ones; by default the whole grid, or 50 with tpe.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed for the order or the choice of the trials.")]


@command
@with_flag_groups
def search_command(
    files: Files,
    space: SpaceFile,
    out: Folder,
    reading: FileOptions,
    objective: Objective = "validation",
    sampler: Sampler = "grid",
    trials: Trials = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train with many settings and find the best of them.

    The best settings are written as best.toml, for the flag --config of train and segment.
    """
    from spectessera.studies import OUTPUTS, search_settings

    refuse_inputs_in(out, OUTPUTS, [*files, space, *reading.files()])
    cubes = [reading.open(file) for file in files]
    with progress(quiet or as_json) as bar:
        study = search_settings(
            cubes, space, out, objective=objective, sampler=sampler, trials=trials, seed=seed,
            progress=bar,
        )  # fmt: skip
    if as_json:
        print_json(_summary(study))
    elif not quiet:
        _print_study(study)
    if study.interrupted:
        done = sum(trial.state != "interrupted" for trial in study.trials)
        errors.print(
            f"stopped by Ctrl-C after {counted(done, 'trial')}, kept in {out}; the same command "
            "continues from there",
        )
        raise typer.Exit(130)


def _summary(study: Study) -> dict[str, Any]:
    """Return all trials and the best of them, as plain values."""
    best = study.best
    return {
        "folder": str(study.folder),
        "objective": study.objective,
        "varied": list(study.space.varied),
        "trials": study.rows(),
        "best": None
        if best is None
        else {
            "number": best.number,
            "objective": best.objective,
            "values": best.values,
            "settings": study.settings(best),
        },
        "interrupted": study.interrupted,
        "notes": study.notes(),
    }


def _print_study(study: Study) -> None:
    """Print the trials, the best first."""
    from spectessera.studies import BEST

    ranked = study.ranked()
    title = f"{counted(len(study.trials), 'trial')}, best first"
    if len(ranked) > MOST_ROWS:
        title += f" (the first {MOST_ROWS} of them)"
    output.print(_table(study, ranked[:MOST_ROWS], title))
    failed: dict[str, list[int]] = {}
    for trial in study.trials:
        if trial.state == "failed":
            failed.setdefault(trial.error, []).append(trial.number)
    for error, numbers in failed.items():
        output.print(f"failed: {', '.join(map(str, numbers))}: {error}")
    for note in study.notes():
        output.print(f"note: {note}")
    if ranked:
        output.print(f"best settings in {study.folder / BEST}: use them with --config")


def _table(study: Study, trials: list[Trial], title: str) -> Table:
    """Return the settings and scores of trials as a table."""
    from rich.table import Table
    from rich.text import Text

    from spectessera.studies import table_cell

    table = Table(title=title, box=None)
    table.add_column("trial", justify="right")
    for name in study.space.varied:  # no two tables of settings share the name of a field
        field = Text(name.partition(".")[2].replace("_", "\n"))
        table.add_column(field, justify="right", overflow="fold")
    for name in dict.fromkeys((study.objective, "silhouette", "k")):
        table.add_column(name, justify="right", no_wrap=True)
    for trial in trials:
        values = (table_cell(trial.values[name]) for name in study.space.varied)
        scores = {study.objective: trial.objective, "silhouette": trial.silhouette}
        ks = " ".join(str(k) for k in trial.k)
        cells = (str(trial.number), *map(_short, values), *map(_short, scores.values()), ks)
        table.add_row(*cells, style="bold" if trial is study.best else None)
    return table


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
