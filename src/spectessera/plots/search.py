"""The figure of a search: finished values in, a matplotlib Figure out."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

COLUMNS = 3
LONGEST_WORD = 18  # letters of a tick label


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
        Values of each setting: numbers are drawn to scale, anything else side by side.
    objective : array (trial,)
        NaN where a trial failed: those are crosses at the foot of the panel.
    best : int
        Position of the best trial.
    label : str
        Name of the objective.
    log : collection of str
        Settings on a logarithmic axis; so are positive numbers a hundredfold apart.
    """
    columns = min(COLUMNS, len(settings))
    rows = math.ceil(len(settings) / columns)
    figure = Figure(figsize=(max(4.5, 3.8 * columns), 3.4 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for position, (axes, (name, values)) in enumerate(zip(panels, settings.items(), strict=False)):
        x = _place(axes, values)
        if name in log or _is_wide(values):
            axes.set_xscale("log")
        _draw_trials(axes, x, objective, best)
        axes.set(xlabel=name, ylabel="" if position % columns else label)
    for axes in panels[len(settings) :]:
        axes.remove()
    if not np.isfinite(objective).all():  # room for them at the foot of all panels
        low, high = panels[0].get_ylim()
        panels[0].set_ylim(low - 0.12 * (high - low), high)
    handles, words = panels[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside upper right", ncols=len(words), frameon=False)
    return figure


def _is_wide(values: Sequence[Any]) -> bool:
    return _are_numbers(values) and min(values) > 0 and max(values) >= 100 * min(values)


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in values)


def _place(axes: Axes, values: Sequence[Any]) -> np.ndarray:
    """Return where each value stands on the x axis, and label it there where it is no number."""
    if _are_numbers(values):
        if all(isinstance(each, int) for each in values):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return np.array(values, dtype=float)
    words = [str(each) for each in values]
    known = sorted(set(words))
    shown = [w if len(w) <= LONGEST_WORD else w[: LONGEST_WORD - 1] + "…" for w in known]
    crowded = sum(map(len, shown)) > 2 * LONGEST_WORD
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
        foot = np.full((~done).sum(), 0.03)
        # In the direction of y the panel counts from 0 to 1, whatever the objective.
        frame = axes.get_xaxis_transform()
        axes.plot(x[~done], foot, "x", ms=5, color="0.6", transform=frame, label="failed")
    axes.plot(x[best], objective[best], "o", ms=9, mfc="none", mec="C3", mew=1.8, label="best")
