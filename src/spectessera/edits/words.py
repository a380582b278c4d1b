"""What acts did, in words."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from spectessera._util.text import counted
from spectessera.result import cluster_names


def cluster_in_words(result: xr.Dataset, cluster: int) -> str:
    """Return a cluster with its name and its pixels, as in "2 (robe, 310 pixels)"."""
    name = cluster_names(result).get(cluster)
    size = counted(int(result["size"].values[cluster - 1]), "pixel")
    return f"{cluster} ({name}, {size})" if name else f"{cluster} ({size})"


def listed(parts: Sequence[str]) -> str:
    """Return some words as a list: "a, b and c"."""
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]


def renumbered(numbers: dict[int, int]) -> str:
    """Return which clusters have other numbers now, as a sentence with a space before it."""
    moved = [(old, new) for old, new in sorted(numbers.items()) if old != new]
    runs: list[list[tuple[int, int]]] = []
    for old, new in moved:
        if runs and (old, new) == (runs[-1][-1][0] + 1, runs[-1][-1][1] + 1):
            runs[-1].append((old, new))
        else:
            runs.append([(old, new)])
    words = []
    for run in runs:
        (old, new), (last, end) = run[0], run[-1]
        joint = "and" if len(run) == 2 else "to"
        words.append(
            f"cluster {old} is now {new}"
            if len(run) == 1
            else f"clusters {old} {joint} {last} are now {new} {joint} {end}"
        )
    text = listed(words) if words else ""
    return f" {text[0].upper()}{text[1:]}." if text else ""
