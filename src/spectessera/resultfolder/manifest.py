"""The manifest of a result folder: which files are of the package, and what they are."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from spectessera.io import EDITED, EDITS, RESULT, RESULT_STORE

__all__ = [
    "ABUNDANCES", "BAND_MAPS", "CLUSTER_TABLE", "EDITED", "EDITS", "MANIFEST", "MAPS", "MODEL",
    "NAMES", "REPORT", "RESULT", "RESULTS", "RESULT_STORE", "SCANS", "Differences",
    "Manifest", "Record", "differences", "read_manifest", "record_file", "record_files", "top_of",
]  # fmt: skip

MANIFEST = "manifest.json"

# Maps: the numbers, their figure, and a folder of images, of elements or of lines.
MAPS = ("maps.nc", "maps.png", "element-maps", "line-maps")
CLUSTER_TABLE = "clusters.csv"
SCANS = "scans"  # a folder for each of several scans
# Mixtures of clusters: the numbers, their figure, a folder of images, and the tree of clusters.
ABUNDANCES = ("abundances.nc", "abundances.png", "abundance-maps", "tree.png")
BAND_MAPS = "band-maps"  # a folder of numbers, a figure and images of bands
MODEL, HISTORY, REPORT = "model.safetensors", "history.png", "report.html"
BANDS = "bands.csv"
RESULTS = (RESULT, RESULT_STORE)
# All names that the package gives to files of a result folder. A manifest that names any other file
# is not believed: it may come from strangers, and what it names may be removed.
NAMES = (
    *RESULTS, "labels.png", "labels.fits", "clusters.png", "integrated.png", "scores.png",
    HISTORY, REPORT, BANDS, "summary.json", "settings.toml", MODEL, EDITS, *MAPS, *ABUNDANCES,
    SCANS, CLUSTER_TABLE, EDITED, BAND_MAPS,
)  # fmt: skip
HIDDEN = ".spectessera"  # begins the names of locks and of staging folders inside a folder
FORMAT = 1
MOST_BYTES = 2**28  # of a manifest; it lists every chunk of a store
_REMEDY = "move it away, or give another folder"


class Record(NamedTuple):
    """Size in bytes and SHA-256 of a file."""

    size: int
    sha256: str


class Differences(NamedTuple):
    """How a folder differs from its manifest: names relative to the folder."""

    changed: list[str]
    missing: list[str]
    foreign: list[str]


@dataclass(frozen=True)
class Manifest:
    """What a manifest says.

    Parameters
    ----------
    id : str
        Of the run.
    files : dict of str to Record
        Every file of the package in the folder, by its name relative to it.
    facts : dict
        Everything else: command, seed, inputs, versions, machine.
    """

    id: str
    files: dict[str, Record]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Names in the folder itself: files and stores."""
        return list(dict.fromkeys(map(top_of, self.files)))

    def text(self) -> str:
        """Return the manifest as JSON."""
        files = {name: record._asdict() for name, record in sorted(self.files.items())}
        head = {"program": "spectessera", "format": FORMAT, "id": self.id}
        return json.dumps({**head, **self.facts, "files": files}, indent=1) + "\n"


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a folder, or None if there is none.

    Raises
    ------
    ValueError
        If it is damaged, of another program or of a later version.
    """
    path = folder / MANIFEST
    if not os.path.lexists(path):
        return None
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} is not a manifest of spectessera; {_REMEDY}")
    try:
        stored = json.loads(path.read_bytes())
        if stored.get("program") != "spectessera":
            raise ValueError("it is of another program")
        if stored["format"] != FORMAT:
            raise ValueError(f"it has format {stored['format']!r}, this version reads {FORMAT}")
        files = {_safe(n): Record(int(r["size"]), str(r["sha256"])) for n, r in
                 stored["files"].items()}  # fmt: skip
        facts = {n: v for n, v in stored.items() if n not in ("program", "format", "id", "files")}
        return Manifest(str(stored["id"]), files, facts)
    except (
        ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError,
    ) as error:  # fmt: skip
        raise ValueError(f"{path} cannot be read as a manifest ({error}); {_REMEDY}") from error


def top_of(name: str) -> str:
    """Return the name in the folder itself of a file, or of the store in which it is."""
    return name.partition("/")[0]


def _safe(name: str) -> str:
    """Return a name of a manifest, if it is one that the package gives."""
    first, *rest = name.split("/")
    if first not in NAMES or (rest and not first.endswith((".zarr", "-maps", SCANS))):
        raise ValueError(f"it names {name!r}, which is not a file of spectessera")
    if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in rest):
        raise ValueError(f"it names {name!r}, which is outside its store")
    return name


def record_files(folder: Path) -> dict[str, Record]:
    """Return size and checksum of every file in a folder that has a name of the package."""
    return {
        name: record_file(folder / name)
        for first in NAMES
        if os.path.lexists(folder / first)
        for name in _below(folder, first)
    }


def record_file(path: Path) -> Record:
    """Return size and checksum of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return Record(file.tell(), digest.hexdigest())


def differences(folder: Path, files: Mapping[str, Record]) -> Differences:
    """Return how a folder differs from what is recorded of it.

    Links are changed files: a run writes none. Files of the user in the folder, and in stores, are
    foreign; those in other folders are not listed one by one.
    """
    firsts = set(map(top_of, files))
    there = sorted(each.name for each in folder.iterdir() if not each.name.startswith(HIDDEN))
    found = {name for first in there if first in firsts for name in _below(folder, first)}
    changed = [n for n in sorted(found & set(files)) if not _is_as(folder / n, files[n])]
    foreign = [each for each in there if each not in firsts and each != MANIFEST]
    return Differences(changed, sorted(set(files) - found), foreign + sorted(found - set(files)))


def _is_as(path: Path, record: Record) -> bool:
    """Whether a file is as recorded."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size != record.size:
        return False
    return record_file(path) == record


def _below(folder: Path, first: str) -> Iterator[str]:
    """Yield a name in a folder if it is a file or a link, else those of all files below it."""
    path = folder / first
    if path.is_symlink() or not path.is_dir():
        yield first
        return
    for above, folders, names in os.walk(path):
        links = [name for name in folders if Path(above, name).is_symlink()]
        for name in (*names, *links):
            yield Path(above, name).relative_to(folder).as_posix()
