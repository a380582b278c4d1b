"""The trials of a search, and the files that list them."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from spectessera._util.files import atomic, atomic_text
from spectessera._version import __version__
from spectessera.plots.search import objective_by_setting
from spectessera.settings import to_dict

from .space import Range, Space, table_cell

# Objective -> whether larger values are better.
OBJECTIVES = {"validation": False, "silhouette": True, "ari": True, "f1": True}
TABLE, BEST, FIGURE = "study.csv", "best.toml", "search.png"
# Settings that define the validation loss: losses for different values are not comparable.
_OF_THE_LOSS = ("beta", "bandwidth", "gamma", "loss", "total")


@dataclass(frozen=True)
class Trial:
    """One trial of a combination of settings.

    Parameters
    ----------
    number : int
        From 0, in the order of the search.
    state : "complete", "failed" or "interrupted"
    values : dict
        Varied fields: name, such as "network.latent" -> plain value.
    objective : float, optional
        Value of the objective; None unless complete, like the next two.
    reconstruction : float, optional
        Reconstruction loss on the validation spectra at the best epoch.
    silhouette : float, optional
        Largest silhouette of the latents of each cube over all k, mean over the cubes.
    k : tuple of int
        Number of clusters of each cube.
    seconds : float
        Wall time; 0 if an equal combination was trained before.
    seed : int
        Of the training.
    error : str
        Error message of a failed trial.
    """

    number: int
    state: str
    values: dict[str, Any]
    objective: float | None = None
    reconstruction: float | None = None
    silhouette: float | None = None
    k: tuple[int, ...] = ()
    seconds: float = 0.0
    seed: int = 0
    error: str = ""


@dataclass(frozen=True)
class Study:
    """The result of a search.

    Parameters
    ----------
    objective : str
    space : Space
    trials : tuple of Trial
        Ordered by number.
    folder : Path
        Folder of its files.
    interrupted : bool
        Whether it was stopped by Ctrl-C; the same call resumes it.
    """

    objective: str
    space: Space
    trials: tuple[Trial, ...]
    folder: Path
    interrupted: bool = False

    def ranked(self) -> list[Trial]:
        """Return the complete trials, the best first; of equal trials, the earlier one first."""
        sign = -1 if OBJECTIVES[self.objective] else 1
        complete = [
            (sign * t.objective, t.number, t) for t in self.trials if t.objective is not None
        ]
        return [trial for _, _, trial in sorted(complete)]

    @property
    def best(self) -> Trial | None:
        """The trial with the best objective; None if no trial is complete."""
        return next(iter(self.ranked()), None)

    def settings(self, trial: Trial) -> dict[str, dict[str, Any]]:
        """Return all settings of a trial as plain tables."""
        return {name: to_dict(each) for name, each in self.space.configs(trial.values).items()}

    def rows(self) -> list[dict[str, Any]]:
        """Return one plain row per trial, as in the table."""
        return [
            {"number": trial.number, "state": trial.state}
            | trial.values
            | {
                "objective": trial.objective,
                "reconstruction": trial.reconstruction,
                "silhouette": trial.silhouette,
                "k": list(trial.k),
                "seconds": round(trial.seconds, 3),
                "seed": trial.seed,
                "error": trial.error,
            }
            for trial in self.trials
        ]

    def notes(self) -> list[str]:
        """Return notes on the comparison of the trials."""
        varied = [
            name
            for name in self.space.varied
            if name.startswith("preprocess.") or name.removeprefix("training.") in _OF_THE_LOSS
        ]
        if self.objective != "validation" or not varied:
            return []
        return [
            f"validation losses for different values of {', '.join(varied)} are not comparable: "
            'the smallest need not be the best; "silhouette" and "ari" are comparable'
        ]


def write_tables(study: Study) -> None:
    """Write the table of the trials and, if a trial is complete, the settings of the best one."""
    if not study.trials:
        return
    rows = study.rows()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        cells = {name: table_cell(value) for name, value in row.items()}
        writer.writerow(cells | {"k": " ".join(str(k) for k in row["k"])})
    atomic_text(study.folder / TABLE, text.getvalue())
    best = study.best
    if best is not None:
        run = {
            "spectessera": __version__,
            "objective": study.objective,
            "value": best.objective,
            "trial": best.number,
        }
        atomic_text(study.folder / BEST, tomli_w.dumps({"run": run, **study.settings(best)}))


def write_figure(study: Study) -> None:
    """Draw the objective against every varied setting, if a trial is complete."""
    best = study.best
    if best is None:
        return
    trials = [trial for trial in study.trials if trial.state != "interrupted"]
    varied = study.space.varied.items()
    figure = objective_by_setting(
        {name: [table_cell(trial.values[name]) for trial in trials] for name, _ in varied},
        np.array([np.nan if t.objective is None else t.objective for t in trials]),
        best=trials.index(best),
        label={"validation": "validation loss", "ari": "ARI", "f1": "F1"}.get(
            study.objective, study.objective
        ),
        log=[name for name, each in varied if isinstance(each, Range) and each.log],
    )
    with atomic(study.folder / FIGURE) as temporary:
        figure.savefig(temporary, dpi=110)
