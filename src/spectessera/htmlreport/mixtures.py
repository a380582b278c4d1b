"""The section of a report about mixtures: small maps of abundances, and the tree of clusters."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from spectessera._util.text import per_cent

from . import stills
from .chips import chips
from .elementmaps import LARGEST, reduced, thumbnail
from .lengths import each_map_is
from .text import DASH, safe, share, table, with_error

MOST_PAIRS = 3
SMALL = 0.005  # abundances below are not shown
ALIKE = 0.9  # mean abundance of another cluster, of which a cluster has the end spectrum


def mixture_section(maps: xr.Dataset, most: int = LARGEST) -> str:
    """Return the section of the report of a result.

    Parameters
    ----------
    maps : Dataset
        Of :func:`spectessera.maps.abundances`, for the same result.
    most : int
        Points of the longer side of a small map.
    """
    images = maps["abundance"].transpose("cluster", "y", "x").values
    drawn = "".join(
        thumbnail(image, f"cluster {int(number)}", 1.0, upright="wcs" in maps.attrs, most=most)
        for number, image in zip(maps["cluster"].values, images, strict=True)
    )
    still = stills.uri(stills.tree(maps))
    merges = zip(
        *(maps[name].values.tolist() for name in ("first", "second", "cost", "cost_error")),
        strict=True,
    )
    rows = [
        [*chips(maps, (one, other)), with_error(cost, error)] for one, other, cost, error in merges
    ]
    caption = "Merges in their order; the group goes on under the smaller number"
    return (
        f"<p>{safe(in_words(maps))}</p>"
        '<p class="note">How much of the end spectrum of each cluster is in every pixel, from 0 to '
        "1. Click on a map to enlarge it. A pixel is a mixture where two abundances or more are "
        f"beyond three standard errors and at least 5 %. {each_map_is(maps)} "
        f"{reduced(maps, most)}</p>"
        f'<div class="elements">{drawn}</div>{_composition(maps)}'
        "<h3>Tree of clusters</h3>"
        f'<figure><img class="small" src="{still}" alt="Tree of clusters; the costs are in the '
        'table below"><figcaption>Which clusters would be merged first: the height is the evidence '
        "that a merge costs, a natural logarithm of a likelihood ratio per pixel of the image, "
        f"judged by {safe(maps.attrs.get('judged_by'))}. Bars are two standard errors."
        "</figcaption></figure>"
        "<details><summary>Values</summary>"
        f"{table(caption, ['cluster', 'and', 'costs'], rows, numeric=range(2, 3))}</details>"
        f"<details><summary>What the numbers mean</summary><p>{safe(maps.attrs.get('meaning'))}</p>"
        "</details>"
    )


def in_words(maps: xr.Dataset) -> str:
    """Return what the maps show, in a few sentences.

    >>> maps = xr.Dataset(attrs={"usable_pixels": 200, "mixtures": 24,
    ...     "pairs": '{"2 and 4": 20, "1 and 2": 4}', "mixed_clusters": '{"3": {"1": 0.95}}'})
    >>> in_words(maps)
    '12 % of the pixels are mixtures, mostly of 2 and 4. Cluster 3 has the end spectrum of 1.'
    """
    mixed, usable = int(maps.attrs["mixtures"]), int(maps.attrs["usable_pixels"])
    pairs = json.loads(str(maps.attrs.get("pairs", "{}")))
    words = "No pixel is a mixture beyond its errors."
    if mixed:
        ranked = sorted(pairs.items(), key=lambda each: -each[1])
        shown = [name for name, pixels in ranked[:MOST_PAIRS] if pixels >= 0.2 * mixed]
        shown = shown or [name for name, _ in ranked[:1]]
        words = f"{per_cent(mixed / max(usable, 1))} of the pixels are mixtures, "
        words += f"mostly of {', '.join(shown)}."
    parts = [words]
    for number, of in json.loads(str(maps.attrs.get("mixed_clusters", "{}"))).items():
        parts.append(f"Cluster {number} {_of_others(of)}.")
    return " ".join(parts)


def _of_others(of: dict[str, float]) -> str:
    """Return what a cluster without an end spectrum is, by its mean abundances of others."""
    if not of:
        return "has no spectrum of its own"
    most = max(of, key=lambda each: of[each])
    if of[most] >= ALIKE:
        return f"has the end spectrum of {most}"
    listed = sorted(of.items(), key=lambda each: -each[1])
    return "is a mixture of " + ", ".join(f"{one} ({per_cent(value)})" for one, value in listed)


def _composition(maps: xr.Dataset) -> str:
    """Return the mean abundances in the pixels of every cluster."""
    numbers = [int(each) for each in maps["cluster"].values]
    rows = []
    labels = chips(maps, maps["label"].values.tolist())
    for label, row in zip(labels, maps["composition"].values, strict=True):
        cells = [share(v) if np.isfinite(v) and v >= SMALL else DASH for v in row.tolist()]
        rows.append([label, *cells])
    heads = ["pixels of", *chips(maps, numbers)]
    caption = "Mean abundances in the pixels of each cluster"
    return table(caption, heads, rows, numeric=range(1, len(numbers) + 1))
