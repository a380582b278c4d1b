"""Names of lines in the spectrum of a region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from spectessera.axis import Axis
from spectessera.cube import hold_counts, with_axis
from spectessera.htmlreport.facts import Card
from spectessera.htmlreport.figures import labelled_lines, without_math
from spectessera.naming.candidates import Naming
from spectessera.naming.names import lines_of, name_clusters, title_of

from .session import Region
from .state import State

# Of the full width at half maximum: to either side of a line, its window holds most of it.
HALF_WIDTH = 0.75


def names_of(region: Region, state: State) -> Naming | None:
    """Return what is in the spectrum of a region, named as the spectra of clusters are."""
    assert state.axis is not None
    cube = state.cube
    made = xr.Dataset(
        {
            "mean_spectrum": (("cluster", "channel"), region.mean[None]),
            "std_spectrum": (("cluster", "channel"), region.std[None]),
            "size": (("cluster",), np.array([region.n])),
        },
        coords={"cluster": [1]},
    )
    made["mean_spectrum"] = with_axis(made["mean_spectrum"], state.axis)
    if cube is not None and "bad_channel" in cube.coords:
        made = made.assign_coords(bad_channel=("channel", cube.coords["bad_channel"].values))
    if state.result is not None:
        made.attrs = dict(state.result.attrs)
    elif cube is not None:
        made.attrs = {k: v for k, v in cube.attrs.items() if k == "anode"}
        if _is_counts(region):
            made.attrs["confidence_noise"] = "counts"
    return name_clusters(made)[0]


def _is_counts(region: Region) -> bool:
    """Return whether the sums of the pixels are whole numbers, as those of counts are."""
    sums = np.round(region.mean * region.n, 3)
    return bool(np.isfinite(sums).all()) and hold_counts(sums[None].astype(np.float32))


def marks_of(
    region: Region, naming: Naming | None, axis: Axis
) -> tuple[list[tuple[float, float, str]], dict[str, Any]]:
    """Return the names to write into the figure, and those to list."""
    if naming is None:
        return [], {}
    card = Card(
        0, "", False, region.n, 1.0, None, region.mean, region.std, naming, None, ()
    )  # fmt: skip
    said = {"name": without_math(title_of(naming)), "lines": list(lines_of(naming))}
    return labelled_lines(card, axis), said


def lines_named(namings: Sequence[Naming]) -> list[dict[str, Any]]:
    """Return the detected lines of all clusters, each once: name, low and high end, by position."""
    found: dict[str, dict[str, Any]] = {}
    for naming in namings:
        for candidate in naming.of_kind("element", "line", "instrument"):
            for line in candidate.lines:
                if line.peak is not None and line.name not in found:
                    half = line.peak.width * HALF_WIDTH
                    ends = {"low": line.position - half, "high": line.position + half}
                    found[line.name] = {"name": without_math(line.name), **ends}
    return sorted(found.values(), key=lambda each: each["low"])
