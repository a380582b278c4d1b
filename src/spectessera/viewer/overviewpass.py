"""The one pass over a cube in which its overview is made and written."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.threads import release_memory
from spectessera.channels import bad_channels
from spectessera.cube import mask_of
from spectessera.scale import LARGEST

from .boxes import Box, Stored, Tile
from .cache import ABOUT
from .spectra import Progress, Stop, Stopped

SPECTRA, TOTAL, BINS = "spectra.npy", "total.npy", "bins-{}.npy"
# So many bins are added to one of the next level, of which there are two.
JOIN, LEVELS = 8, 3
# The step of the progress, whose numbers are of megabytes.
STEP, MEGABYTE = "overview, MB", 10**6
# Values that are processed together: float32 copies of 4 MiB.
_VALUES = 2**20
# Bytes of bins that are written at a time: pages of a file that is mapped count as memory.
_WRITTEN = 2**24
# Freed memory is returned to the system after so many boxes.
_RELEASE_AFTER = 8


class Sums:
    """What the pass adds up: spectra of the cube, and, tile by tile, maps.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    edges : array (bin + 1,)
        First channel of every bin, and the end.
    """

    def __init__(self, cube: xr.DataArray, edges: np.ndarray) -> None:
        self.edges, self.mask = edges, mask_of(cube)
        bad = bad_channels(cube)
        self.bad = np.zeros(cube.sizes["channel"], bool) if bad is None else bad
        self.used = np.add.reduceat(~self.bad, edges[:-1], dtype=np.int64)  # (bin,)
        self.sums = np.zeros(cube.sizes["channel"])
        self.counts = np.zeros(cube.sizes["channel"], np.int64)
        self.highest = np.full(cube.sizes["channel"], -np.inf)

    def spectra(self) -> np.ndarray:
        """Return mean and maximum (2, channel), float64; NaN in channels without a value."""
        known = self.counts > 0
        mean = np.where(known, self.sums / np.maximum(self.counts, 1), np.nan)
        return np.stack([mean, np.where(known, self.highest, np.nan)])

    def add(self, box: Box, values: np.ndarray, cuts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Add the values (y, x, channel) of a box to the spectra, and return the sums of pixels.

        Parameters
        ----------
        box : Box
        values : array (y, x, channel)
        cuts : array (part + 1,)
            Channels at which the sums begin, from that of the box to its end.

        Returns
        -------
        sums, counts : array (part, y * x), float32
            Over the channels that are not bad, of values that are not missing.
        """
        flat = values.reshape(-1, values.shape[2])
        inside = ~self.mask[box.y, box.x].ravel()
        sums = np.zeros((len(cuts) - 1, len(flat)), np.float32)
        counts = np.zeros((len(cuts) - 1, len(flat)), np.float32)
        most = max(1, _VALUES // values.shape[2])
        for first in range(0, len(flat), most):
            rows = slice(first, first + most)
            part, some = flat[rows], inside[rows]
            if some.any():
                part = part if some.all() else part[some]
                found = self._add(box.channel, part, cuts - box.channel.start)
                for whole, one in zip((sums, counts), found, strict=True):
                    whole[:, first : first + len(some)][:, some] = one
        return sums, counts

    def _add(
        self, channel: slice, part: np.ndarray, cuts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Add rows (n, channel), and return sums and counts (part, n) between cuts."""
        if part.dtype == np.float16:  # 1e30 is beyond its range
            part = part.astype(np.float32)
        highest = part.max(axis=0)
        there = None
        if part.dtype.kind == "f" and not _all_there(part, highest):
            there = np.abs(part) <= LARGEST  # False for NaN
            part = np.where(there, part, 0)
            highest = np.where(there, part, -np.inf).max(axis=0)
        small = part.dtype.kind != "f" and part.dtype.itemsize <= 4  # sums of 64 bits are exact
        self.sums[channel] += part.sum(axis=0, dtype=None if small else np.float64)
        self.counts[channel] += len(part) if there is None else there.sum(axis=0)
        np.maximum(self.highest[channel], highest, out=self.highest[channel])
        bad = self.bad[channel]
        values = np.array(part, np.float32)
        values[:, bad] = 0
        sums = _between(values, cuts)
        if there is None:
            used = np.add.reduceat(~bad, cuts[:-1], dtype=np.float32)
            return sums, np.broadcast_to(used[:, None], sums.shape)
        return sums, _between((there & ~bad).astype(np.float32), cuts)


def _all_there(part: np.ndarray, highest: np.ndarray) -> bool:
    """Whether no value of rows is missing; ``highest`` are the largest of the channels."""
    return bool((highest <= LARGEST).all() and part.min() >= -LARGEST)


def _between(values: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Return sums (part, n) of the channels of float32 values (n, channel) between cuts.

    Parts of one width are added together.
    """
    sums = np.empty((len(cuts) - 1, len(values)), np.float32)
    widths = np.diff(cuts)
    first = 0
    while first < len(widths):
        last = first
        while last + 1 < len(widths) and widths[last + 1] == widths[first]:
            last += 1
        some = values[:, cuts[first] : cuts[last + 1]]
        parts = some.reshape(len(values), last + 1 - first, widths[first])
        np.einsum("nbw->bn", parts, out=sums[first : last + 1])
        first = last + 1
    return sums


class Writer:
    """Writes the maps of bins of an overview, tile by tile."""

    def __init__(self, folder: Path, shape: tuple[int, int], sums: Sums) -> None:
        self.folder, self.sums = folder, sums
        self.total = np.full(shape, np.nan, np.float32)
        self.path = folder / BINS.format(0)
        create(self.path, (len(sums.used), *shape))

    def tile(self, tile: Tile, values: Iterator[np.ndarray]) -> None:
        """Take the values of the boxes of a tile, and write its maps."""
        edges, used = self.sums.edges, self.sums.used
        shape = tile.y.stop - tile.y.start, tile.x.stop - tile.x.start
        total, present = np.zeros((2, math.prod(shape)))
        before: tuple[np.ndarray, np.ndarray] | None = None  # of a bin that is not complete
        for box in tile.boxes():
            low, high = box.channel.start, box.channel.stop
            first, last = (int(np.searchsorted(edges, at, "right")) - 1 for at in (low, high - 1))
            cuts = np.array([low, *edges[first + 1 : last + 1], high])
            sums, counts = self.sums.add(box, next(values), cuts)
            total += sums.sum(axis=0)
            present += counts.sum(axis=0)
            if before is not None:
                sums[0] += before[0]
                counts = np.array(counts)
                counts[0] += before[1]
            complete = len(sums) if high == edges[last + 1] else len(sums) - 1
            before = None if complete == len(sums) else (sums[-1].copy(), counts[-1].copy())
            whole = slice(first, first + complete)
            maps = estimated(sums[:complete], counts[:complete], used[whole, None])
            self._write(whole, tile, maps.reshape(-1, *shape))
        all_used = float(used.sum())
        self.total[tile.y, tile.x] = estimated(total, present, all_used).reshape(shape)

    def _write(self, bins: slice, tile: Tile, maps: np.ndarray) -> None:
        """Write maps (bin, y, x) of a tile, a few at a time."""
        page = 4096 // 4  # the least that counts of a row
        row = max(page, maps.shape[2])
        most = max(1, _WRITTEN // (4 * row * max(1, maps.shape[1])))
        for first in range(0, len(maps), most):
            some = maps[first : first + most]
            stored = np.load(self.path, mmap_mode="r+", allow_pickle=False)
            start = bins.start + first
            stored[start : start + len(some), tile.y, tile.x] = some
            del stored


def estimated(sums: np.ndarray, counts: np.ndarray, used: Any) -> np.ndarray:
    """Return sums, float32, in which missing values count as the mean of those that are there.

    NaN where none is there.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(counts > 0, sums * (used / counts), np.nan).astype(np.float32)


def create(path: Path, shape: tuple[int, ...]) -> None:
    """Create a file for an array of float32."""
    np.lib.format.open_memmap(path, "w+", np.float32, shape)


def make(
    cube: xr.DataArray,
    stored: Stored,
    edges: np.ndarray,
    folder: Path,
    progress: Progress | None,
    stop: Stop | None,
) -> None:
    """Write the overview of a cube into a new folder, all but what it says about itself."""
    folder.mkdir()
    sums = Sums(cube, edges)
    writer = Writer(folder, stored.shape[:2], sums)
    total, done = math.prod(stored.shape) * stored.dtype.itemsize, 0
    boxes = (box for tile in stored.tiles() for box in tile.boxes())

    def watched() -> Generator[np.ndarray, None, None]:
        nonlocal done
        with closing(stored.read_ahead(boxes)) as read:
            for count, values in enumerate(read, start=1):
                if stop is not None and stop():
                    raise Stopped("the overview was stopped; nothing of it is kept")
                if progress is not None:
                    progress(STEP, done // MEGABYTE, total // MEGABYTE)
                yield values
                done += values.nbytes
                if count % _RELEASE_AFTER == 0:
                    release_memory()

    with closing(watched()) as values:
        for tile in stored.tiles():
            writer.tile(tile, values)
    np.save(folder / SPECTRA, sums.spectra(), allow_pickle=False)
    np.save(folder / TOTAL, writer.total, allow_pickle=False)
    used = sums.used
    for level in range(1, LEVELS):
        used = _join(folder, level, used, stop)
    release_memory()
    if progress is not None:
        progress(STEP, total // MEGABYTE, total // MEGABYTE)


def _join(folder: Path, level: int, used: np.ndarray, stop: Stop | None) -> np.ndarray:
    """Write a level, each bin of which is the sum of eight of the one before; return its widths."""
    finer = folder / BINS.format(level - 1)
    shape = np.load(finer, mmap_mode="r", allow_pickle=False).shape
    starts = np.arange(0, shape[0], JOIN)
    coarse = folder / BINS.format(level)
    create(coarse, (len(starts), *shape[1:]))
    for number, start in enumerate(starts.tolist()):
        if stop is not None and stop():
            raise Stopped("the overview was stopped; nothing of it is kept")
        joined = range(start, min(start + JOIN, shape[0]))
        maps = ((read_map(finer, one), int(used[one])) for one in joined)
        here = np.load(coarse, mmap_mode="r+", allow_pickle=False)
        here[number] = added(maps, (shape[1], shape[2]))
        del here
    return np.add.reduceat(used, starts)


def added(maps: Iterable[tuple[np.ndarray, int]], shape: tuple[int, int]) -> np.ndarray:
    """Return the sum, float32, of maps (y, x) of bins, each with its number of channels.

    NaN in a map counts as the mean of the others.
    """
    sums, whole = np.zeros(shape), 0
    absent: np.ndarray | None = None  # channels that a pixel lacks
    for one, channels in maps:
        whole += channels
        if not channels:
            continue
        with np.errstate(over="ignore", invalid="ignore"):  # then it is looked at more closely
            none_missing = not np.isnan(one.sum())
        if none_missing:
            sums += one
            continue
        missing = np.isnan(one)
        absent = np.zeros(shape, np.float32) if absent is None else absent
        absent[missing] += channels
        one[missing] = 0
        sums += one
    if absent is None and whole:
        return sums.astype(np.float32)
    present = np.broadcast_to(whole, shape) if absent is None else whole - absent
    return estimated(sums, present, float(whole))


def read_map(path: Path, number: int) -> np.ndarray:
    """Return one of the maps of a file, without mapping it: mapped pages count as memory."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0}.get(
            version, np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read_header(file)
        size = math.prod(shape[1:])
        file.seek(number * size * dtype.itemsize, 1)
        return np.fromfile(file, dtype, size).reshape(shape[1:])


def write_about(folder: Path, about: dict[str, Any]) -> None:
    """Write what an overview is of; the last file that is written."""
    text = json.dumps({**about, "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
    (folder / ABOUT).write_text(text, encoding="utf-8")
