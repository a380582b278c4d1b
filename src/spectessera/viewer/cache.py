"""The folder in which overviews of cubes are kept, and which cube and file one is of.

``SPECTESSERA_CACHE`` names the folder; by default it is that of the system for such files
(``XDG_CACHE_HOME`` or ``~/.cache`` on Linux, ``~/Library/Caches`` on macOS, ``LOCALAPPDATA`` on
Windows), in it ``spectessera``.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from spectessera.channels import bad_channels
from spectessera.cube import mask_of, spectral_axis

from .boxes import Stored

ENVIRONMENT = "SPECTESSERA_CACHE"
PREFIX, ABOUT = "overview-", "overview.json"
# All overviews together; those that were not used for the longest time are removed first.
MOST_BYTES = 20 * 10**9
# Bytes of the file that says what an overview is of.
_MOST_WORDS = 2**22
# Files and folders of a store that are looked at.
_MOST_ENTRIES = 10**6
# Chunks of a store that are looked at one by one.
_MOST_CHUNKS = 10**4
_METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")


class KeptOverview(NamedTuple):
    """An overview in the cache.

    Attributes
    ----------
    path : Path
        Its folder.
    source : str
        The file that it is of; "" if that is not known.
    nbytes : int
    used : float
        When it was last opened, in seconds since 1970.
    """

    path: Path
    source: str
    nbytes: int
    used: float


def cache_folder() -> Path:
    """Return the folder in which overviews are kept; it may not exist yet."""
    given = os.environ.get(ENVIRONMENT)
    if given:
        return Path(given).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "spectessera"


def kept_overviews(folder: str | Path | None = None) -> list[KeptOverview]:
    """Return the overviews in a cache folder, the one used last first.

    Parameters
    ----------
    folder : str or Path, optional
        By default :func:`cache_folder`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept_overviews(folder)
    []
    """
    root = cache_folder() if folder is None else Path(folder)
    found = []
    for path in root.glob(f"{PREFIX}*") if root.is_dir() else ():
        if path.is_dir() and not path.is_symlink() and (path / ABOUT).is_file():
            about = read_about(path) or {}
            source = about.get("source", "")
            files = [each.stat() for each in path.iterdir()]
            size, used = sum(each.st_size for each in files), (path / ABOUT).stat().st_mtime
            found.append(KeptOverview(path, source if isinstance(source, str) else "", size, used))
    return sorted(found, key=lambda each: -each.used)


def remove_overviews(
    folder: str | Path | None = None, *, most_bytes: int = 0, keep: Path | None = None
) -> list[KeptOverview]:
    """Remove overviews until the others have at most so many bytes together; return the removed.

    They are made anew when they are needed. Those of files that are no longer there go first, then
    those that were not used for the longest time.

    Parameters
    ----------
    folder : str or Path, optional
        By default :func:`cache_folder`.
    most_bytes : int
        By default all are removed.
    keep : Path, optional
        The folder of an overview that is in use.
    """
    kept = kept_overviews(folder)
    total = sum(each.nbytes for each in kept)
    gone = [each for each in kept if each.source and not Path(each.source).exists()]
    removed = []
    for each in [*reversed(gone), *(one for one in reversed(kept) if one not in gone)]:
        if each.path != keep and total > most_bytes:
            shutil.rmtree(each.path)
            removed.append(each)
            total -= each.nbytes
    return removed


def read_about(path: Path) -> dict[str, Any] | None:
    """Return what an overview says about itself; None if that cannot be read."""
    file = path / ABOUT
    try:
        if file.stat().st_size > _MOST_WORDS:
            return None
        about = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return about if isinstance(about, dict) else None


def identity(cube: xr.DataArray, stored: Stored) -> dict[str, Any]:
    """Return what an overview depends on: the file, its size and times, and how it was read.

    (Not noticed: a change in another file that an HDF5 file links to.)
    """
    path = stored.path
    axis, bad = spectral_axis(cube), bad_channels(cube)
    parts = {
        "mask": sha256(mask_of(cube).tobytes()).hexdigest(),
        "bad": None if bad is None else sha256(bad.tobytes()).hexdigest(),
        "axis": [axis.kind, axis.unit, axis.medium, sha256(axis.values.tobytes()).hexdigest()],
        "read": stored.reading(),
        "scale": str(cube.attrs.get("value_scale", "")),
    }
    return {
        "path": "" if path is None else str(path),
        "file": [] if path is None else _state(path),
        "shape": list(stored.shape),
        "dtype": stored.dtype.str,
        **parts,
    }


def folder_name(about: dict[str, Any]) -> str:
    """Return the name of the folder of the overview of a file.

    A file that has changed has the same name, so that the old overview is replaced.
    """
    fixed = {name: about[name] for name in ("path", "read", "mask", "bad", "axis", "scale")}
    if not about["path"]:
        fixed = about
    return PREFIX + sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()[:24]


def _state(path: Path) -> list[Any]:
    """Return what changes with a file or a folder: sizes and times."""
    status = path.stat()
    if not path.is_dir():
        return [status.st_size, status.st_mtime_ns]
    digest, count = sha256(), 0
    for words in _entries(path):
        digest.update(words.encode("utf-8", "surrogateescape"))
        count += 1
    return [count, digest.hexdigest()]


def _entries(folder: Path) -> Iterator[str]:
    """Yield a line for each folder below one and for each file; of a store, for its first chunks.

    Of more chunks, only the folders: many programs write a chunk under another name first, which
    changes the time of its folder, but not all do.
    """
    store = any((folder / name).is_file() for name in _METADATA)
    count = 0
    for place, folders, files in os.walk(folder):
        folders.sort()
        files.sort()
        first = max(0, _MOST_CHUNKS - count) if store else len(files)
        named = [*files[:first], *(name for name in files[first:] if name in _METADATA)]
        for name in ["", *named]:
            full = os.path.join(place, name) if name else place
            status = os.stat(full)
            size = status.st_size if name else len(files)
            yield f"{os.path.relpath(full, folder)}\0{size}\0{status.st_mtime_ns}\n"
        count += 1 + len(files)
        if count > _MOST_ENTRIES:
            return
