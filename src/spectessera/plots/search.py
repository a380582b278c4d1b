"""The figure of a hyperparameter search: finished values in, a matplotlib Figure out."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

MAX_COLUMNS = 3
MAX_LETTERS = 18  # of a tick label


def objective_by_setting(
    settings: Mapping[str, Sequence[Any]],
    objective: np.ndarray,
    *,
    best: int,
    label: str,
    log: Collection[str] = (),
) -> Figure:
    """Draw the objective of every trial against each setting that varied, one panel each.

    Parameters
    ----------
    settings : mapping of str to sequence (trial,)
        Values of each setting: numbers are drawn to scale, other values at equal distances.
    objective : array (trial,)
        NaN where a trial failed; failed trials are crosses at the bottom of the panel.
    best : int
        Position of the best trial.
    label : str
        Name of the objective.
    log : collection of str
        Settings on a logarithmic axis. Positive numbers whose ratio is 100 or more also are.
    """
    columns = min(MAX_COLUMNS, len(settings))
    rows = math.ceil(len(settings) / columns)
    figure = Figure(figsize=(max(4.5, 3.8 * columns), 3.4 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for position, (axes, (name, values)) in enumerate(zip(panels, settings.items(), strict=False)):
        x = _positions(axes, values)
        if name in log or _is_wide(values):
            axes.set_xscale("log")
        _draw_trials(axes, x, objective, best)
        axes.set(xlabel=name, ylabel="" if position % columns else label)
    for axes in panels[len(settings) :]:
        axes.remove()
    if not np.isfinite(objective).all():  # room for failed trials at the bottom of all panels
        low, high = panels[0].get_ylim()
        panels[0].set_ylim(low - 0.12 * (high - low), high)
    handles, words = panels[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside upper right", ncols=len(words), frameon=False)
    return figure


def _is_wide(values: Sequence[Any]) -> bool:
    return _are_numbers(values) and min(values) > 0 and max(values) >= 100 * min(values)


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in values)


def _positions(axes: Axes, values: Sequence[Any]) -> np.ndarray:
    """Return the positions of values on the x axis, with tick labels unless they are numbers."""
    if _are_numbers(values):
        if all(isinstance(each, int) for each in values):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return np.array(values, dtype=float)
    words = [str(each) for each in values]
    known = sorted(set(words))
    shown = [w if len(w) <= MAX_LETTERS else w[: MAX_LETTERS - 1] + "…" for w in known]
    crowded = sum(map(len, shown)) > 2 * MAX_LETTERS
    axes.set_xticks(range(len(known)), shown, rotation=30 if crowded else 0)
    if crowded:
        for tick in axes.get_xticklabels():
            tick.set(ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.5, len(known) - 0.5)
    return np.array([known.index(each) for each in words], dtype=float)


def _draw_trials(axes: Axes, x: np.ndarray, objective: np.ndarray, best: int) -> None:
    done = np.isfinite(objective)
    axes.plot(x[done], objective[done], "o", ms=4, color="0.35", alpha=0.7, label="trial")
    if not done.all():
        bottom = np.full((~done).sum(), 0.03)
        # In this transform y is 0 at the bottom of the panel and 1 at the top.
        frame = axes.get_xaxis_transform()
        axes.plot(x[~done], bottom, "x", ms=5, color="0.6", transform=frame, label="failed")
    axes.plot(x[best], objective[best], "o", ms=9, mfc="none", mec="C3", mew=1.8, label="best")
