"""All figures of a result, as SVG, PDF or PNG."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import xarray as xr

from spectessera.plots import elementmaps, linemaps, mixtures
from spectessera.plots import result as plots

from .contents import Contents

DPI = 200  # of images in figures


def figures_of(
    contents: Contents, maps: xr.Dataset | None = None, abundances: xr.Dataset | None = None
) -> dict[str, Callable[[], Any]]:
    """Return what draws the figures that a result has, by their names; ``clusters`` is first.

    Parameters
    ----------
    contents : Contents
    maps : Dataset, optional
        Of elements or of lines, made with this result.
    abundances : Dataset, optional
        Of :func:`spectessera.maps.abundances`.
    """
    result = contents.result
    names = {each.number: each.name for each in contents.clusters if each.named_by != "number"}
    found: dict[str, Callable[[], Any]] = {}
    if _has(result, "mean_spectrum", "confidence", "size", "cluster"):
        found["clusters"] = lambda: plots.clusters(result, names)
    if _has(result, "integrated_input", "integrated_decoded", "integrated_latent"):
        found["integrated"] = lambda: plots.integrated(result)
    if _has(result, "score", "score_error", "k") and result.sizes["k"]:
        found["scores"] = lambda: plots.scores(result)
    if maps is not None:
        of_elements = "net_counts" in maps
        draw = elementmaps.elements if of_elements else linemaps.lines
        found["elements" if of_elements else "lines"] = lambda: draw(maps)
    if abundances is not None:
        found["abundances"] = lambda: mixtures.abundances(abundances)
        found["tree"] = lambda: mixtures.tree(abundances)
    return found


def write_figure(draw: Callable[[], Any], path: Path) -> None:
    """Write one figure in the format of the suffix; the same figure gives the same bytes."""
    kind = path.suffix.lower()[1:]
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with matplotlib.rc_context({"svg.hashsalt": "spectessera", "svg.fonttype": "none"}):
        draw().savefig(path, dpi=DPI, metadata=undated)


def _has(result: xr.Dataset, *names: str) -> bool:
    """Whether a result has all of these variables."""
    return all(name in result for name in names)
