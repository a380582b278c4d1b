"""Figures of arXiv 2401.17695 that compare clusters with a reference or show effects of noise.

One function each; finished arrays in, a matplotlib Figure out. Label maps whose attributes hold a
``wcs`` are drawn with y upwards.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from spectessera._util.text import per_cent
from spectessera.evaluate import Scores

from .drawing import (
    GREY,
    colour,
    draw_labels,
    draw_pixels,
    draw_table,
    image_grid,
    keep_outer_labels,
    panel_size,
    rim,
    shades_of,
)

# Errors of a class: not the colour of any cluster, and of different lightness for all eyes.
FALSE_POSITIVE, FALSE_NEGATIVE = (1.0, 0.0, 0.75), (0.2, 0.2, 0.2)
WHITE = (1.0, 1.0, 1.0)
NO_CLUSTER = (0.4, 0.4, 0.4)  # of a class without a cluster


def class_masks(label: Any, reference: Any, scores: Scores) -> Figure:
    """Draw, for every class, its cluster, the reference, the errors and the 2 x 2 confusion.

    Figures 6 and 13 of arXiv 2401.17695. A class without a cluster has an empty first mask.

    Parameters
    ----------
    label : array (y, x) of integers
        Clusters; 0 = masked.
    reference : array (y, x) of integers
        Classes; 0 = unlabelled.
    scores : Scores
        Of :func:`spectessera.evaluate.compare` of these two.
    """
    labels, truth = np.asarray(label), np.asarray(reference)
    left_out = (labels == 0) | (truth == 0)
    count, shades = len(scores.classes), shades_of(label)
    wide, high = panel_size(labels.shape, 2.2 if count < 7 else 1.7)
    figure = Figure(
        figsize=(3 * wide + 3.4, (max(high, 1.2) + 0.6) * count + 0.8), layout="constrained"
    )
    panels = figure.subplots(count, 4, squeeze=False, width_ratios=(wide, wide, wide, 1.9))
    rows = zip(panels, scores.classes, scores.cluster_of, scores.names, strict=True)
    for row, (line, number, cluster, name) in enumerate(rows):
        inside, wanted = (labels == cluster) & (cluster > 0), truth == number
        shade = colour(int(cluster), shades) if cluster else NO_CLUSTER
        for axes, mask in zip(line, (inside, wanted), strict=False):
            _draw_kinds(axes, np.where(left_out, 0, 1 + mask), (GREY, WHITE, shade), label)
        kinds = np.where(left_out, 0, 1 + wanted + 2 * inside)
        pale = tuple(1 - 0.35 * (1 - each) for each in shade)
        _draw_kinds(line[2], kinds, (GREY, WHITE, FALSE_NEGATIVE, FALSE_POSITIVE, pale), label)
        counts = (int(getattr(scores, each)[row]) for each in ("tp", "fp", "fn", "tn"))
        _draw_confusion(line[3], *counts)
        for place, axes in enumerate(line[:3]):
            keep_outer_labels(axes, place + 3 * row, 3, 3 * count)
        word = f"cluster {cluster}" if cluster else "no cluster"
        long = textwrap.fill(f"class {name}", int(wide * 13))
        for axes, title in zip(line, (word, long, "errors", "pixels"), strict=True):
            axes.set_title(title, size=9)
    words = {"false positive": FALSE_POSITIVE, "false negative": FALSE_NEGATIVE, "left out": GREY}
    keys = [Patch(facecolor=each, ec="0.35", lw=0.5, label=word) for word, each in words.items()]
    keys.append(Patch(color="none", label="pale: correct"))
    figure.legend(handles=keys, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _draw_kinds(axes: Axes, kinds: np.ndarray, shades: Sequence[Any], like: Any) -> None:
    """Draw a map of the kinds 0, 1, 2 ... of pixels, each in its shade."""
    norm = BoundaryNorm(np.arange(len(shades) + 1) - 0.5, len(shades))
    draw_pixels(axes, kinds, like, cmap=ListedColormap(list(shades)), norm=norm)


def _draw_confusion(axes: Axes, tp: int, fp: int, fn: int, tn: int) -> None:
    """Draw the 2 x 2 confusion of one class: reference in rows, cluster in columns."""
    counts = np.array([[tp, fn], [fp, tn]])
    share = counts / max(1, counts.sum())
    words = [
        [f"{n:,}\n{per_cent(s, 1)}" for n, s in zip(*line, strict=True)]
        for line in zip(counts, share, strict=True)
    ]
    draw_table(axes, share, words, size=8)
    axes.set_xticks([0, 1], ["inside", "outside"], fontsize=8)
    axes.set_yticks([0, 1], ["class", "others"], fontsize=8, rotation=90, va="center")


def confusion(scores: Scores) -> Figure:
    """Draw the confusion of all classes, in per cent of all pixels, with the weighted means.

    Figures 7 and 14 of arXiv 2401.17695. Columns are the clusters matched to the classes; the last
    column has the clusters that are not matched to a class.

    Parameters
    ----------
    scores : Scores
        Of :func:`spectessera.evaluate.compare`.
    """
    share, count = scores.confusion, len(scores.classes)
    wide = max(len(name) for name in scores.names) / 14
    figure = Figure(
        figsize=(0.72 * (count + 1) + 3.0 + wide, 0.6 * count + 2.2 + wide), layout="constrained"
    )
    axes = figure.add_subplot()
    words = [[f"{100 * each:.2f}" if each else "0" for each in line] for line in share]
    draw_table(axes, share / max(share.max(), 1e-12), words, size=9)
    axes.set_yticks(range(count), scores.names)
    below = [f"{each}" if each else "none" for each in scores.cluster_of]
    axes.set_xticks(range(count + 1), [*below, "other"])
    for tick, cluster in zip(axes.get_xticklabels(), scores.cluster_of, strict=False):
        if cluster:
            shade = colour(int(cluster))
            tick.set(path_effects=rim(shade, 1.0), color=shade, weight="bold")
    axes.axvline(count - 0.5, color="0.2", lw=1)
    axes.set(xlabel="cluster", ylabel="reference class")
    means = {"accuracy": "accuracy", "F1": "f1", "Tversky": "tversky"}
    values = [f"{word} {getattr(scores, f'weighted_{name}'):.3f}" for word, name in means.items()]
    axes.set_title("share of all pixels (%)\nweighted " + ", ".join(values), size=9)
    return figure


def degradation(
    maps: Any, psnr: Sequence[float], weighted: Mapping[str, Any], n_clusters: int
) -> Figure:
    """Draw the label maps of a cube with increasing noise, and the scores against the noise.

    Figures 19 and 20 of arXiv 2401.17695.

    Parameters
    ----------
    maps : array (level, y, x) of integers
        Of one seed; the clusters must have the same numbers at all levels.
    psnr : sequence of float
        Peak signal-to-noise ratio of every level, in dB; infinite: no noise was added.
    weighted : mapping of str to array (seed, level)
        Scores by name, such as "accuracy" and "F1"; drawn are their mean and range over the seeds.
    n_clusters : int
    """
    levels = len(psnr)
    shape = np.shape(maps)[1:]
    columns, wide, high = image_grid(shape, levels, side=2.4)
    lines = math.ceil(levels / columns)
    heights = [high + 0.4] * lines + [3.0]
    figure = Figure(
        figsize=(max(6.0, (wide + 0.3) * columns + 0.6), sum(heights) + 0.6), layout="constrained"
    )
    grid = figure.add_gridspec(lines + 1, columns, height_ratios=heights)
    words = [f"{each:g} dB" if np.isfinite(each) else "no noise" for each in psnr]
    for place, word in enumerate(words):
        axes = figure.add_subplot(grid[place // columns, place % columns])
        draw_labels(axes, maps[place], n_clusters)
        axes.set_title(word, size=10)
        keep_outer_labels(axes, place, columns, levels)
    below = figure.add_subplot(grid[lines, :])
    order = np.argsort(-np.asarray(psnr, dtype=float), kind="stable")
    for (name, values), shade, dash, mark in zip(
        weighted.items(), ("0.1", "0.5", "0.3", "0.7"), ("-", "--", "-.", ":"), "osD^", strict=False
    ):
        runs = np.atleast_2d(values)[:, order]
        below.plot(runs.mean(axis=0), color=shade, ls=dash, marker=mark, ms=5, label=name)
        if len(runs) > 1:
            below.fill_between(
                range(levels), runs.min(axis=0), runs.max(axis=0), color=shade, alpha=0.2, lw=0
            )
    below.set_xticks(range(levels), [words[each].removesuffix(" dB") for each in order])
    below.set(xlabel="PSNR (dB)", ylabel="score", ylim=(0, 1.03))
    below.legend(frameon=False, loc="lower left")
    return figure
