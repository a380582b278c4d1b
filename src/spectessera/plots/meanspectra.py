"""Mean spectra in a panel: which part of the axis is drawn, the zero peak, names of lines."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from spectessera._util.text import in_figure
from spectessera.axis import Axis
from spectessera.channels import outside, zero_peak

from .drawing import colour, fit_channels, rim, shades_of, with_gaps

ZERO_PEAK = "zero peak, cut off"
ROOM = 14.0  # points beside the zero peak, for these words
# Of the end of an axis of energies that is not drawn.
WINDOW = 0.1  # keV, over which a mean spectrum is averaged
RISES = 5.0  # standard errors of that average
SEEN = 0.005  # of the height: less than the width of a line
MARGIN = 0.05  # of what is drawn, beyond the last signal
LEAST = 0.2  # of the axis: a shorter empty end is drawn
# Of names of lines.
MOST_LABELS, LONGEST_LABEL = 14, 14
APART = 0.022  # of the axis: labels of lines that are nearer would cover each other
LETTER = 0.023  # of the height of a panel


def spaced(places: Sequence[float], low: float, high: float) -> list[int]:
    """Return which of the places of labels, the first before others, can be read beside each other.

    Examples
    --------
    >>> spaced([5.0, 5.1, 2.0, 12.0], 0.0, 10.0)
    [0, 2]
    """
    apart, chosen = APART * (high - low), list[int]()
    for at, x in enumerate(places):
        inside = low + apart / 2 <= x <= high - apart / 2
        if inside and all(abs(x - places[each]) >= apart for each in chosen):
            chosen.append(at)
    return chosen[:MOST_LABELS]


def draw_spectra(
    axes: Axes,
    spectra: xr.DataArray,
    axis: Axis,
    errors: np.ndarray | None = None,
    lines: Mapping[str, float] | None = None,
) -> None:
    """Draw one line per cluster, spectra (cluster, channel), each in the colour of its label.

    Their attributes say which colours people have given.

    Parameters
    ----------
    axes : Axes
    spectra : DataArray (cluster, channel)
    axis : Axis
    errors : array (cluster, channel), optional
        Standard errors; with them an empty upper end of energies is not drawn.
    lines : mapping of str to float, optional
        Positions of lines that are named, the most important first.
    """
    labels = [int(each) for each in spectra["cluster"].values]
    shades = shades_of(spectra, max(labels, default=0))
    values = spectra.transpose("cluster", ...).values
    for label, spectrum in zip(labels, values, strict=True):
        x, y = with_gaps(axis, spectrum)
        shade = colour(label, shades)
        axes.plot(
            x,
            y,
            color=shade,
            lw=1.2,
            marker="o" if len(axis) == 1 else None,
            path_effects=rim(shade, 1.2),
        )
    axes.set_xlabel(axis.label())
    fit_channels(axes, axis)
    end = None if errors is None else signal_end(axis, values, errors, (lines or {}).values())
    if end is not None:
        axes.set_xlim(axis.values.min(), end)
        words = f"{axis.label()}; nothing to be seen from {end:.3g} to {axis.values.max():.3g}"
        axes.set_xlabel(words)
    named = readable(lines or {}, *axes.get_xlim())
    room = LETTER * max(map(len, named), default=0)
    cut_zero_peak(axes, axis, values, room)
    if named:
        name_lines(axes, axis, values, named, room)


def cut_zero_peak(axes: Axes, axis: Axis, values: Any, room: float = 0.0) -> None:
    """Scale a panel of spectra to what is outside of the zero peak, if that is the tallest.

    The peak is cut off and called by its name. Assumes that nothing else sets the limits.

    Parameters
    ----------
    axes : Axes
    axis : Axis
    values : array (..., channel)
        As they are drawn, and as the peak is looked for in.
    room : float
        The part of the height that names of lines will have above.
    """
    held = zero_peak(axis, values)
    if held is None:
        return
    seen = outside(np.asarray(values, dtype=float), held)
    seen = seen[np.isfinite(seen)]
    height = np.nanmax(np.asarray(values, dtype=float)[..., held])
    if not seen.size or height <= seen.max():
        return
    margin = 0.05 * ((seen.max() - seen.min()) or abs(seen.max()) or 1.0)
    low, high = min(seen.min() - margin, 0.0), seen.max() + margin
    axes.set_ylim(low, high)
    if height <= low + (high - low) / (1 - room):
        return
    places = axis.values[held]
    place = places[np.abs(places).argmin()]
    # At its left, where no lines are, if there is room for the words.
    low, high = axes.get_xlim()
    figure: Any = axes.get_figure(root=True)
    wide = axes.get_window_extent().width * 72 / figure.dpi  # points
    left = (place - low) / (high - low) * wide > ROOM
    axes.annotate(
        ZERO_PEAK, (place, 0.985), xycoords=("data", "axes fraction"),
        xytext=(-4 if left else 4, 0), textcoords="offset points", rotation=90, va="top",
        ha="right" if left else "left", fontsize=7, color="0.35", gid="zero-peak",
    )  # fmt: skip


def signal_end(
    axis: Axis, means: np.ndarray, errors: np.ndarray, lines: Collection[float] = ()
) -> float | None:
    """Return where an axis of energies can end in a figure; None if it is drawn as a whole.

    Above this energy no mean spectrum rises above 0, by its errors and so far that it would be seen
    in a figure of all of them. Axes of other kinds are drawn as a whole: there a value of 0 may be
    a result.

    Parameters
    ----------
    axis : Axis
    means, errors : array (cluster, channel)
        Mean spectra, and their standard errors.
    lines : collection of float
        Positions of lines that are to be in the figure.
    """
    if axis.kind != "energy" or len(axis) < 3 or not len(means):
        return None
    order = np.argsort(axis.values, kind="stable")
    energy = axis.values[order]
    held = zero_peak(axis, means)
    seen = outside(np.nan_to_num(means), held)
    tallest = seen.max() if seen.size else 0.0
    width = max(1, round(WINDOW / float(np.median(np.diff(axis.to("keV").values[order])))))
    mean, error = (
        np.apply_along_axis(np.convolve, 1, np.nan_to_num(each)[:, order], np.ones(width), "same")
        for each in (means, errors**2)
    )
    rises = (mean > RISES * np.sqrt(error)) & (mean > SEEN * tallest * width)
    found = np.flatnonzero(rises.any(axis=0))
    if not found.size:
        return None
    last = max(energy[found[-1]], *lines, energy[0])
    end = float(last + MARGIN * (last - energy[0]))
    return end if end < energy[-1] - LEAST * (energy[-1] - energy[0]) else None


def readable(lines: Mapping[str, float], low: float, high: float) -> dict[str, float]:
    """Return the lines between two values whose names can be read beside each other, shortened."""
    names, places = list(lines), list(lines.values())
    return {names[at][:LONGEST_LABEL]: places[at] for at in spaced(places, low, high)}


def name_lines(
    axes: Axes, axis: Axis, values: np.ndarray, lines: Mapping[str, float], room: float
) -> None:
    """Write names of lines above the spectra, with a dotted line down to the tallest of them.

    ``room`` is the part of the height that they take.
    """
    low, high = axes.get_ylim()
    axes.set_ylim(low, low + (high - low) / (1 - room))
    for name, place in lines.items():
        at = int(np.abs(axis.values - place).argmin())
        around = values[:, max(0, at - 1) : at + 2]
        if np.isfinite(around).any():
            axes.plot([place] * 2, [np.nanmax(around), high], ":", color="0.6", lw=0.8)
            axes.text(
                place, high, in_figure(name), rotation=90, fontsize=8, ha="center", va="bottom",
                gid="line-name",
            )  # fmt: skip
