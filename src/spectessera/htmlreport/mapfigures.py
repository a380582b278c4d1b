"""The section of a report with the maps of clusters, confidence and novelty."""

from __future__ import annotations

import xarray as xr

from . import stills, text
from .facts import Card

WIDE = 2.2  # width over height of a map that has a row of its own


def map_figures(result: xr.Dataset, made: list[Card], step: int) -> str:
    """Return the maps of a result, as stills and places for the live ones, and their legend.

    ``step``: how many pixels apart those of the live maps are.
    """
    where = "the first row is at the bottom, as on the sky" if "wcs" in result.attrs else ""
    where = where or "the first row is at the top"
    hint = f"Rows and columns count from 0; {where}. Grey pixels have no cluster."
    live = _of_live_maps(step)
    left = text.figure(
        "map-label",
        stills.uri(stills.label_map(result)),
        f"Map of the {len(made)} clusters; their shares are in the list below the maps",
        hint + live,
        "Clusters",
    )
    right = text.figure(
        "map-confidence",
        stills.uri(stills.share_map(result, "confidence")),
        "Map of the confidence of every pixel",
        "The probability that a repeated measurement of the pixel gives the same cluster."
        + _colour_bar(),
        "Confidence",
    )
    drawn = left + right
    if "label_alone" in result:
        drawn += _map_alone(result)
    if "novelty" in result:
        drawn += text.figure(
            "map-novelty",
            stills.uri(stills.share_map(result, "novelty")),
            "Map of the novelty of every pixel",
            "How unlike the training spectra: 5 % of those are above 95 %." + _colour_bar(),
            "Novelty",
        )
    height, width = result["label"].shape
    number = 2 + ("label_alone" in result) + ("novelty" in result)
    shape = " wide" if width > WIDE * height else " three" if number == 3 else ""
    return f'<div class="maps{shape}">{drawn}</div>{text.legend(made)}'


def _of_live_maps(step: int) -> str:
    """Return what is said of the live maps, which have one pixel of each ``step x step``."""
    words = " Point at a pixel to read its values; the maps zoom together."
    if step > 1:
        words += (
            f" To keep this file small, they have one pixel of each {step} x {step}; the result "
            "has all."
        )
    return f'<span class="screen">{words}</span>'


def _map_alone(result: xr.Dataset) -> str:
    """Return the map that shows what neighbours changed."""
    return text.figure(
        "map-alone",
        stills.uri(stills.label_map(result, "label_alone")),
        "Map of the clusters by the spectrum of each pixel alone",
        "The cluster of each pixel if its neighbours are not used.",
        "Without neighbours",
    )


def _colour_bar() -> str:
    """Return the scale of the confidence."""
    from bokeh.palettes import Cividis256

    stops = ", ".join(Cividis256[at] for at in range(0, 256, 15))
    return (
        f'<div class="bar" aria-hidden="true" style="background:linear-gradient(90deg, {stops})">'
        '</div><div class="ends"><span>50 % or less</span><span>100 %</span></div>'
    )
