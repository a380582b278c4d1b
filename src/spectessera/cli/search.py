"""`spectessera search`: try many settings and keep the best."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from .console import command, errors, output, progress
from .flags import AxisOption, Energy, Key, Missing, Unit, Wavelength, open_cube

MOST_ROWS = 20


@command
def search_command(
    files: list[Path],
    space: Annotated[
        Path, typer.Option(help="A TOML file: settings, of which lists and ranges vary.")
    ],
    out: Annotated[
        Path, typer.Option(help="The folder of the study; one that is there already goes on.")
    ],
    objective: Annotated[
        str,
        typer.Option(help='"validation", "silhouette", or "ari" or "f1" where labels are known.'),
    ] = "validation",
    sampler: Annotated[
        str, typer.Option(help='"grid": all combinations; "tpe": guided, also over ranges.')
    ] = "grid",
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="In all, earlier ones counted; by default the whole grid, or 50."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order or the draws of trials.")] = 0,
    key: Key = None,
    energy: Energy = None,
    wavelength: Wavelength = None,
    axis: AxisOption = None,
    unit: Unit = None,
    missing: Missing = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answer as JSON, and only that.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Train with many settings and find the best of them.

    The best settings are written as best.toml: use them with --config.
    """
    from spectessera.studies.search import search_settings

    cubes = [open_cube(file, key, energy, wavelength, axis, unit, missing) for file in files]
    with progress(quiet or as_json) as bar:
        study = search_settings(
            cubes,
            space,
            out,
            objective=objective,
            sampler=sampler,
            trials=trials,
            seed=seed,
            progress=bar,
        )
    if as_json:
        sys.stdout.write(json.dumps(_told(study), indent=2) + "\n")
    elif not quiet:
        _print_study(study)
    if study.interrupted:
        done = sum(trial.state != "interrupted" for trial in study.trials)
        errors.print(
            f"stopped by Ctrl-C after {done} trials, which are kept in {out}; the same command "
            "goes on from there",
            markup=False,
        )
        raise typer.Exit(130)


def _told(study: Any) -> dict[str, Any]:
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


def _print_study(study: Any) -> None:
    """Print the trials, the best first."""
    from spectessera.studies.trials import BEST

    ranked = study.ranked()
    title = f"{len(study.trials)} trials, best first"
    if len(ranked) > MOST_ROWS:
        title += f" (the first {MOST_ROWS} of them)"
    output.print(_table(study, ranked[:MOST_ROWS], title))
    failed: dict[str, list[int]] = {}
    for trial in study.trials:
        if trial.state == "failed":
            failed.setdefault(trial.error, []).append(trial.number)
    for error, numbers in failed.items():
        output.print(f"failed: {', '.join(map(str, numbers))}: {error}", markup=False)
    for note in study.notes():
        output.print(f"note: {note}", markup=False)
    if ranked:
        output.print(
            f"best settings in {study.folder / BEST}: use them with --config", markup=False
        )


def _table(study: Any, trials: list[Any], title: str) -> Table:
    from spectessera.studies.space import word

    table = Table(title=title, box=None)
    table.add_column("trial", justify="right")
    for name in study.space.varied:  # no two tables of settings share the name of a field
        field = name.partition(".")[2].replace("_", "\n")
        table.add_column(field, justify="right", overflow="fold")
    for name in dict.fromkeys((study.objective, "silhouette", "k")):
        table.add_column(name, justify="right", no_wrap=True)
    for trial in trials:
        values = (word(trial.values[name]) for name in study.space.varied)
        judged = {study.objective: trial.objective, "silhouette": trial.silhouette}
        ks = " ".join(str(k) for k in trial.k)
        cells = (str(trial.number), *map(_short, values), *map(_short, judged.values()), ks)
        # Text, not markup: widths such as [16, 8] stand in brackets.
        table.add_row(*map(Text, cells), style="bold" if trial is study.best else None)
    return table


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
