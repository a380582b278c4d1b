"""Parts that the layouts of several programs have."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._tree import Entry, Tree

TIMES = {
    "live_time": ("live_time", "livetime", "live_times", "livetimes", "elapsed_livetime",
                  "trigger_live_time", "preset_live_time"),
    "real_time": ("real_time", "realtime", "elapsed_time", "elapsed_realtime", "realtimes"),
    "dead_time": ("dead_time", "deadtime", "dead_times"),
}  # fmt: skip


def times_in(tree: Tree, *groups: str) -> dict[str, Entry]:
    """Return the arrays of live, real and dead time of the first groups that have them."""
    times: dict[str, Entry] = {}
    for group in groups:
        for role, names in TIMES.items():
            entry = tree.named(group, *names)
            if entry is not None and entry.has_numbers and entry.array.ndim and role not in times:
                times[role] = entry
    return times


def multiscale(attrs: dict[str, Any]) -> dict[str, Any]:
    """Return the first pyramid that the attributes of an OME-Zarr group describe, or nothing."""
    newer = attrs.get("ome")  # since version 0.5
    listed = attrs.get("multiscales") or (
        newer.get("multiscales") if isinstance(newer, dict) else None
    )
    first = listed[0] if isinstance(listed, list) and listed else None
    return first if isinstance(first, dict) else {}


def scalar(tree: Tree, name: str) -> Any:
    """Return a text or a number that a file has as an array of one element."""
    entry = tree.get(name)
    if entry is None or int(np.prod(entry.shape)) != 1:
        return ""
    value = entry.array.fetch(
        entry.array.path, entry.array.key, tuple(slice(None) for _ in entry.shape)
    )
    return np.asarray(value).reshape(()).item()
