"""How a repeated result differs from the recorded one: its numbers, and what they depend on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera.io import open_result, read_result, result_in

from .manifest import RESULT_STORE, RESULTS, Manifest, differences, top_of

VALUES = 2**24  # that are compared at once
IMAGE = ("y", "x")
# Attributes of a result that say how it was made: these are compared in the manifests.
_OF_ITS_MAKING = {"provenance", "source", "created", "findings", "scans"}


class Difference(NamedTuple):
    """How one variable of a result differs.

    Attributes
    ----------
    name : str
    differing, total : int
        Pixels that differ and all of them; of a variable without pixels, its values.
    largest : float or None
        Largest absolute difference of two finite numbers.
    words : str
        What else: the variable is missing, or has another size or type.
    """

    name: str
    differing: int
    total: int
    largest: float | None = None
    words: str = ""


def recorded_result(folder: Path, manifest: Manifest) -> tuple[xr.Dataset, list[str]]:
    """Return the result of a folder, and which of its files are not as they were written.

    Raises
    ------
    FileNotFoundError
        If the manifest has no result: the run was stopped in its training.
    ValueError
        If the result cannot be read.
    """
    name = next((name for name in manifest.names if name in RESULTS), None)
    if name is None:
        raise FileNotFoundError(
            f"{folder} has no result that could be compared: its training was stopped"
        )
    files = {n: record for n, record in manifest.files.items() if top_of(n) == name}
    found = differences(folder, files)
    inside = [each for each in found.foreign if top_of(each) == name]
    return _open(folder), [*found.changed, *found.missing, *inside]


def compare_results(recorded: xr.Dataset, folder: Path) -> list[Difference]:
    """Return all variables in which a repeated result, in a folder, is not the same bit for bit.

    What only the repeated one has, which another version may have added, is no difference.
    """
    repeated = _open(folder)
    found = [_difference(str(name), recorded, repeated) for name in recorded.variables]
    both = recorded.attrs.keys() & repeated.attrs.keys() - _OF_ITS_MAKING
    attributes = {name: (recorded.attrs[name], repeated.attrs[name]) for name in sorted(both)}
    differ = [f"{n}: {one} -> {two}" for n, (one, two) in attributes.items() if one != two]
    if differ:
        found.append(
            Difference("attributes", len(differ), len(attributes), None, "; ".join(differ))
        )
    return [each for each in found if each is not None]


def _open(folder: Path) -> xr.Dataset:
    """Return the result of a folder; the maps of a store stay there."""
    path = result_in(folder, recorded=True)
    return open_result(path) if path.name == RESULT_STORE else read_result(path)


def _difference(name: str, recorded: xr.Dataset, repeated: xr.Dataset) -> Difference | None:
    """Return how a variable differs; None if it is the same bit for bit."""
    if name not in repeated.variables:
        return Difference(name, 0, 0, None, "not repeated")
    one, other = recorded[name].variable, repeated[name].variable
    if one.dims != other.dims or one.shape != other.shape or one.dtype != other.dtype:
        words = " -> ".join(f"{dict(each.sizes)} of {each.dtype}" for each in (one, other))
        return Difference(name, 0, 0, None, words)
    of_pixels = one.dims[:2] == IMAGE
    count, largest = 0, 0.0
    for part in _parts(one):
        before, after = np.asarray(one[part].values), np.asarray(other[part].values)
        unequal = _bits(before) != _bits(after)
        if not unequal.any():
            continue
        where = unequal.any(axis=-1)
        count += int(
            where.any(axis=tuple(range(2, where.ndim))).sum() if of_pixels else where.sum()
        )
        largest = max(largest, _largest(before[where], after[where]))
    total = int(np.prod(one.shape[:2] if of_pixels else one.shape))
    return Difference(name, count, total, largest) if count else None


def _parts(variable: xr.Variable) -> Iterator[Any]:
    """Yield slices of the first axis of a variable, of a limited number of values."""
    if not variable.ndim:
        yield ...
        return
    step = max(1, VALUES // max(1, variable.size // max(1, variable.shape[0])))
    for first in range(0, variable.shape[0], step):
        yield slice(first, first + step)


def _bits(values: np.ndarray) -> np.ndarray:
    """Return the bytes of every value, (..., bytes): NaN equals NaN, and 0 is not -0."""
    if values.dtype.hasobject:
        values = values.astype(str).astype("U1000")
    whole = np.ascontiguousarray(values)
    return whole.reshape((*values.shape, 1)).view(np.uint8)


def _largest(before: np.ndarray, after: np.ndarray) -> float:
    """Return the largest absolute difference of numbers."""
    if before.dtype.kind not in "biuf":
        return 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.abs(before.astype(np.float64) - after.astype(np.float64))
    return float(gap[np.isfinite(gap)].max(initial=0.0))


# --- what the numbers depend on ----------------------------------------------------------------


def circumstances(recorded: Mapping[str, Any], repeated: Mapping[str, Any]) -> list[str]:
    """Return in words what is not as it was: inputs, versions and machine of two manifests.

    Parameters
    ----------
    recorded, repeated : mapping
        Facts of the manifests. The first may come from strangers: anything may be missing in it.
    """
    return [
        *_inputs(as_table(recorded.get("inputs")), as_table(repeated.get("inputs"))),
        *_changed("spectessera", recorded.get("spectessera"), repeated.get("spectessera")),
        *_tables("", recorded.get("versions"), repeated.get("versions")),
        *_tables("machine, ", recorded.get("machine"), repeated.get("machine")),
    ]


def as_table(value: Any) -> dict[str, Any]:
    """Return a table of a manifest, empty if it is none."""
    return value if isinstance(value, dict) else {}


def _tables(what: str, recorded: Any, repeated: Any) -> Iterator[str]:
    before, after = as_table(recorded), as_table(repeated)
    for name in dict.fromkeys([*before, *after]):
        yield from _changed(f"{what}{name}", before.get(name), after.get(name))


def _changed(what: str, before: Any, after: Any) -> Iterator[str]:
    if before != after:
        words = ("not recorded" if each is None else str(each) for each in (before, after))
        yield f"{what}: {' -> '.join(words)}"


def _inputs(recorded: dict[str, Any], repeated: dict[str, Any]) -> Iterator[str]:
    """Yield how inputs differ."""
    for name, now in repeated.items():
        about = as_table(recorded.get(name))
        before = about.get("sha256")
        if before is None:
            yield f"input {name}: its checksum was not recorded"
            yield from _changed(f"input {name}, time of its last change",
                                about.get("mtime"), now["mtime"])  # fmt: skip
        elif before != now["sha256"]:
            sums = " -> ".join(f"{str(each)[:12]}..." for each in (before, now["sha256"]))
            yield f"input {name} has changed: SHA-256 {sums}"
        yield from _changed(f"input {name}, bytes", about.get("size"), now["size"])
        yield from _changed(f"input {name}, path", about.get("path"), now["path"])
