"""What is in a folder before a run writes into it, and what of that may be replaced."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from spectessera._util.inputs import refuse_inputs_in

from ._moves import signature
from .manifest import (
    ABUNDANCES,
    BAND_MAPS,
    EDITS,
    HISTORY,
    MANIFEST,
    MAPS,
    MODEL,
    NAMES,
    REPORT,
    RESULTS,
    Manifest,
    differences,
    read_manifest,
    top_of,
)

# In every summary that the package has written since its first version.
_OF_A_SUMMARY = {"spectessera", "created", "n_clusters", "clusters", "scores"}
_MOST_BYTES = 2**26  # of such a summary
_ADDED = (*MAPS, *ABUNDANCES, BAND_MAPS)  # later than manifests
_OF_A_REPORT = b'<meta name="generator" content="spectessera'


class Older(NamedTuple):
    """The files of the package in a folder.

    Attributes
    ----------
    manifest : Manifest, optional
        None if there is none: the folder is new, or older than manifests.
    names : list of str
        All of them, the manifest included.
    replaced : list of str
        Those that a run replaces or removes.
    carried : list of str
        Those that it takes over as they are: the model that it uses.
    signatures : dict of str to list of int
        Of ``names``: by these it is noticed that one is changed during the work.
    aside : str, optional
        The name of a folder into which the replaced ones are moved, in place of being removed.
    edits : str, optional
        The new name of the edits of the user, which belong to the older result.
    """

    manifest: Manifest | None
    names: list[str]
    replaced: list[str]
    carried: list[str]
    signatures: dict[str, list[int]]
    aside: str | None
    edits: str | None = None


def older_result(
    target: Path, planned: Sequence[str], inputs: Sequence[Path], overwrite: bool, add: bool
) -> Older:
    """Return the files of the package in a folder.

    A folder that was written before there were manifests is known by its summary. The names alone
    do not say that the other files are ours, so none of them is removed: they are moved aside.

    Raises
    ------
    FileExistsError
        If there are results and ``overwrite`` is false, or a planned name is that of a file of the
        user, or of a file that was changed after it was written.
    ValueError
        If an input would be replaced, or the manifest cannot be read.
    """
    if not target.exists():
        return Older(None, [], [], [], {}, None)
    manifest = read_manifest(target)
    aside = None
    now = f"{datetime.datetime.now():%Y%m%d-%H%M%S}"
    if manifest is not None:
        owned = [n for n in dict.fromkeys((*manifest.names, EDITS)) if os.path.lexists(target / n)]
    elif _has_our_summary(target) and not add:
        owned = [n for n in NAMES if n not in _ADDED and os.path.lexists(target / n)]
        aside = f"earlier-{now}"
    else:
        owned = [REPORT] if REPORT in planned and _is_report(target / REPORT) else []
    if EDITS in owned and (target / EDITS).is_dir():
        raise FileExistsError(f"{target / EDITS} is a folder; move it away")
    carried = [] if add else _carried(target, owned, planned, inputs)
    replaced = [n for n in owned if n not in carried and (n in planned or not add)]
    refuse_inputs_in(target, dict.fromkeys((*planned, *replaced)), inputs)
    _refuse_results(target, replaced, overwrite)
    _refuse_foreign(target, planned if add else (*planned, *RESULTS, EDITS), owned)
    if manifest is not None:
        _refuse_changed(target, manifest, [name for name in replaced if name != EDITS])
        owned, replaced = [*owned, MANIFEST], [*replaced, MANIFEST]
    signatures = {name: signature(target / name) for name in owned}
    edits = f"edits-{now}.toml" if manifest and not add and EDITS in replaced else None
    return Older(manifest, owned, replaced, carried, signatures, aside, edits)


def _carried(
    target: Path, owned: Sequence[str], planned: Sequence[str], inputs: Sequence[Path]
) -> list[str]:
    """Return the files of the model in the folder, if it is the one that the run uses."""
    model = target / MODEL
    if MODEL in planned or MODEL not in owned:
        return []
    if not any(each.exists() and os.path.samefile(each, model) for each in inputs):
        return []
    return [name for name in (MODEL, HISTORY) if name in owned]


def _refuse_results(target: Path, replaced: Sequence[str], overwrite: bool) -> None:
    if replaced and not overwrite:
        what = "results" if any(name in RESULTS for name in replaced) else replaced[0]
        raise FileExistsError(f"{target} holds {what} already; give another --out, or --overwrite")


def _refuse_foreign(target: Path, names: Sequence[str], owned: Sequence[str]) -> None:
    taken = [n for n in names if n not in owned and os.path.lexists(target / n)]
    if taken:
        raise FileExistsError(
            f"{target / taken[0]} is not a file that a run has recorded there, so it is never "
            "replaced; move it away, or give another --out"
        )


def _refuse_changed(target: Path, manifest: Manifest, replaced: Sequence[str]) -> None:
    recorded = {n: r for n, r in manifest.files.items() if top_of(n) in replaced}
    found = differences(target, recorded)
    inside = [name for name in found.foreign if top_of(name) in replaced]
    for name in (*found.changed, *inside):
        raise FileExistsError(
            f"{target / name} is not as a run has written it, so it is not replaced; move it away, "
            "or give another --out"
        )


def _has_our_summary(target: Path) -> bool:
    """Whether the summary of a result of ours is in a folder, beside that result."""
    path = target / "summary.json"
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_BYTES:
        return False
    if not any((target / name).exists() for name in RESULTS):
        return False
    try:
        summary = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(summary, dict) and summary.keys() >= _OF_A_SUMMARY


def _is_report(path: Path) -> bool:
    """Whether a file is a report of this package."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return _OF_A_REPORT in file.read(10_000)
