"""Overviews in the cache: whether one is usable, making one, and opening it."""

from __future__ import annotations

import logging
import math
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.files import atomic_folder
from spectessera.channels import bad_channels

from .boxes import Stored
from .cache import ABOUT, MOST_BYTES, read_about, remove_overviews
from .overviewpass import (
    BINS,
    JOIN,
    LEVELS,
    SPECTRA,
    TOTAL,
    added,
    make,
    read_map,
    write_about,
)
from .spectra import Progress, Stop
from .windows import Overview

log = logging.getLogger(__name__)

FORMAT = {"format": "spectessera overview", "version": 1}
# Bins take at most this part of the cube, and so many bytes; but there are this many, or one for
# each channel, where the second limit allows it.
PART, BIN_BYTES, LEAST_BINS = 16, 18 * 10**8, 32


def bin_edges(shape: tuple[int, int, int], itemsize: int) -> np.ndarray:
    """Return the edges (bin + 1,) of the bins of a cube: all of one width but the last.

    Examples
    --------
    >>> edges = bin_edges((1692, 1592, 4096), 2)
    >>> len(edges) - 1, edges[:3].tolist()
    (111, [0, 37, 74])
    """
    one = 4 * shape[0] * shape[1] * sum(JOIN**-level for level in range(LEVELS))
    part = math.prod(shape) * itemsize / PART
    bins = min(max(part / one, LEAST_BINS), BIN_BYTES / one, shape[2])
    width = math.ceil(shape[2] / max(1, int(bins)))
    return np.array([*range(0, shape[2], width), shape[2]])


def used_in(cube: xr.DataArray, edges: np.ndarray) -> np.ndarray:
    """Return how many channels of every bin are not marked as bad, (bin,) int64."""
    bad = bad_channels(cube)
    good = np.ones(cube.sizes["channel"], bool) if bad is None else ~bad
    return np.add.reduceat(good, edges[:-1], dtype=np.int64)


def fault_of(path: Path, about: dict[str, Any], edges: np.ndarray) -> str:
    """Return why a kept overview cannot be used, in words; "" if it can."""
    kept = read_about(path)
    if kept is None:
        return "is damaged"
    if any(kept.get(name) != value for name, value in FORMAT.items()):
        return "is of another version"
    if any(kept.get(name) != value for name, value in about.items()):
        return "is of an older state of the file"
    sizes = kept.get("sizes")
    there = {each.name: each.stat().st_size for each in path.iterdir() if each.name != ABOUT}
    if sizes != there or kept.get("edges") != edges.tolist():
        return "is damaged"
    try:
        spectra, total = _small_arrays(path)
    except (OSError, ValueError, EOFError):
        return "is damaged"
    shape = tuple(about["shape"])
    whole = spectra.shape == (2, shape[2]) and total.shape == shape[:2]
    return "" if whole else "is damaged"


def _small_arrays(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the spectra (2, channel) and the total map (y, x) of an overview."""
    return (
        np.load(path / SPECTRA, allow_pickle=False),
        np.load(path / TOTAL, allow_pickle=False),
    )


def make_kept(
    cube: xr.DataArray,
    stored: Stored,
    edges: np.ndarray,
    path: Path,
    about: dict[str, Any],
    progress: Progress | None,
    stop: Stop | None,
) -> None:
    """Make an overview and put it into the cache, completely or not at all."""
    _make_folder(path.parent)
    pixels = stored.shape[0] * stored.shape[1]
    needed = int(4 * pixels * (2 + len(edges) * sum(JOIN**-level for level in range(LEVELS))))
    remove_overviews(path.parent, most_bytes=max(0, MOST_BYTES - needed), keep=path)
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise OSError(
            f"the overview needs {needed / 1e6:,.0f} MB in {path.parent}, where {free / 1e6:,.0f} "
            "MB are free; name another folder by the environment variable SPECTESSERA_CACHE"
        )
    log.info("the overview takes %.0f MB in %s", needed / 1e6, path)
    with atomic_folder(path, _check_ours) as temporary:
        make(cube, stored, edges, temporary, progress, stop)
        sizes = {each.name: each.stat().st_size for each in temporary.iterdir()}
        source = about["path"]
        write_about(
            temporary,
            {**FORMAT, **about, "source": source, "edges": edges.tolist(), "sizes": sizes},
        )


def _make_folder(folder: Path) -> None:
    """Make the cache folder, if it is not there."""
    advice = "name another folder for overviews by the environment variable SPECTESSERA_CACHE"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(error.errno, f"{error.strerror}; {advice}", str(folder)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"no permission to write into the folder {folder}; {advice}")


def _check_ours(path: Path) -> None:
    """Raise ValueError unless a folder holds nothing but files of an overview."""
    ours = {ABOUT, SPECTRA, TOTAL, *(BINS.format(level) for level in range(LEVELS))}
    others = [each.name for each in path.iterdir() if each.name not in ours]
    if others:
        raise ValueError(f"{path} holds files that are not of an overview ({others[0]}); remove it")


def open_kept(path: Path, cube: xr.DataArray, edges: np.ndarray) -> Overview:
    """Return a kept overview."""
    spectra, total = _small_arrays(path)
    shape, used = total.shape, used_in(cube, edges)
    widths = [used]
    for _ in range(1, LEVELS):
        widths.append(np.add.reduceat(widths[-1], np.arange(0, len(widths[-1]), JOIN)))

    def window_of(first: int, last: int) -> np.ndarray:
        return added(
            (
                (read_map(path / BINS.format(level), number), int(widths[level][number]))
                for level, number in pieces(first, last, len(used))
            ),
            shape,
        )

    def bins_at(y: int, x: int) -> np.ndarray:
        bins = np.load(path / BINS.format(0), mmap_mode="r", allow_pickle=False)
        return _per_channel(np.array(bins[:, y, x], np.float64), used)

    overview = Overview(spectra, total, edges, window_of, bins_at)
    overview.path = path
    overview.nbytes = sum(each.stat().st_size for each in path.iterdir())
    return overview


def _per_channel(sums: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Return sums (bin,) as values in a channel; NaN where all channels of a bin are bad."""
    return np.where(used > 0, sums / np.maximum(used, 1), np.nan)


def pieces(first: int, last: int, count: int) -> list[tuple[int, int]]:
    """Return the fewest maps (level, number) whose sum is that of bins first to last.

    Parameters
    ----------
    first, last : int
        Bins, without ``last``.
    count : int
        Number of all bins: the last map of a level may be of fewer than eight.

    Examples
    --------
    >>> pieces(7, 17, 40)
    [(0, 7), (1, 1), (0, 16)]
    """
    found = []
    while first < last:
        level = LEVELS - 1
        while level and (first % JOIN**level or min(first + JOIN**level, count) > last):
            level -= 1
        found.append((level, first // JOIN**level))
        first += JOIN**level
    return found
