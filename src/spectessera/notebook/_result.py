"""A result in a notebook: its map, its clusters, its warnings."""

from __future__ import annotations

import numpy as np
import xarray as xr

from spectessera._util.text import counted, per_cent, shown
from spectessera.colours import MASKED, as_hex
from spectessera.diagnostics import warnings_of
from spectessera.htmlreport.text import heading, how_chosen, safe
from spectessera.naming.candidates import Naming
from spectessera.plots.drawing import origin
from spectessera.result import cluster_colours, cluster_names, number_of_clusters

from ._page import beside, block, picture, swatch, table

MOST_CLUSTERS = 40  # in the table
MOST_WARNINGS = 12


def result_words(result: xr.Dataset) -> str:
    """Return a result in a few words."""
    height, width = result.sizes["y"], result.sizes["x"]
    number = counted(number_of_clusters(result), "cluster")
    return f"result of {number}, {height} x {width} pixels (y, x), of {shown(heading(result), 160)}"


def result_html(result: xr.Dataset) -> str:
    """Return a result as HTML: map, table of clusters, how they were chosen, warnings."""
    label = result["label"].transpose("y", "x")
    values = np.asarray(label.values)
    colours = np.concatenate([MASKED[None], cluster_colours(result)])
    upright = origin(result) == "lower"
    image = colours[values[::-1] if upright else values]
    drawn = picture(image, f"Map of {counted(number_of_clusters(result), 'cluster')}")
    chosen = f"The number of clusters was chosen {how_chosen(result)}."
    return block(
        result_words(result)[0].upper() + result_words(result)[1:],
        beside(drawn, _clusters(result, values)),
        f'<div style="margin:.5em 0">{safe(chosen)}</div>',
        _warnings(result),
    )


def _clusters(result: xr.Dataset, label: np.ndarray) -> str:
    """Return the table of clusters; a name is that of a person."""
    numbers = [int(each) for each in result["cluster"].values]
    names, colours = cluster_names(result), cluster_colours(result)
    most = max([*numbers, int(label.max(initial=0))])
    sizes = np.bincount(label.ravel(), minlength=most + 1)
    total = max(1, int(sizes[1:].sum()))
    sure = result["confidence"].values if "confidence" in result else None
    heads = ["cluster", "pixels", "share", *(["confidence"] * (sure is not None))]
    heads += ["name"] * bool(names)
    rows = []
    for number in numbers[:MOST_CLUSTERS]:
        size = int(sizes[number])
        row = [f"{swatch(as_hex(colours[number - 1]))} {number}", f"{size:,}",
               per_cent(size / total, 1)]  # fmt: skip
        if sure is not None:
            row.append(f"{np.nanmean(sure[label == number]):.2f}" if size else "-")
        rows.append([*row, *([safe(names.get(number, ""))] * bool(names))])
    left = len(numbers) - MOST_CLUSTERS
    more = f"<div>and {counted(left, 'smaller one')}</div>" if left > 0 else ""
    return table(rows, heads, numeric=len(heads) - bool(names)) + more


def _warnings(result: xr.Dataset) -> str:
    """Return the warnings about a result, except those about names."""
    found = warnings_of(result, [Naming() for _ in range(result.sizes["cluster"])])
    if not found:
        return ""
    items = "".join(f"<li>{safe(each.text)} [{safe(each.code)}]</li>" for each in
                    found[:MOST_WARNINGS])  # fmt: skip
    if len(found) > MOST_WARNINGS:
        items += f"<li>and {len(found) - MOST_WARNINGS} more</li>"
    side = "border-left:3px solid #e0a030;padding:.2em 0 .2em .8em"
    return f'<div style="{side}">Warnings<ul style="margin:.2em 0">{items}</ul></div>'
