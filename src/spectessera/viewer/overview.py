"""What a viewer shows of a cube at once: spectra, total map and maps of windows of channels.

Of a cube in a file that is made in one pass, and kept in a cache folder, so that the cube opens at
once the next time. Sums over neighbouring channels (bins) are kept for every pixel.
"""

from __future__ import annotations

import logging
import math
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import xarray as xr

from spectessera.cube import check_cube
from spectessera.scale import LARGEST

from .boxes import Stored
from .cache import ABOUT, cache_folder, folder_name, identity
from .keeping import bin_edges, fault_of, make_kept, open_kept
from .overviewpass import MEGABYTE, STEP, Sums, estimated
from .spectra import Progress, Stop, Stopped
from .windows import Overview, Window, exact_window, map_in_memory

__all__ = ["SMALL_BYTES", "Overview", "Window", "exact_window", "open_overview"]

log = logging.getLogger(__name__)

# A cube in a file of at most so many bytes is taken into memory.
SMALL_BYTES = 2**26


def open_overview(
    cube: xr.DataArray,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Overview:
    """Return the overview of a cube: from the cache, or made in one pass.

    A cube in memory, or in a file of at most 64 MiB, has one in memory, with a bin for every
    channel. Any other is read once, and what is kept takes at most a sixteenth of the cube (but 32
    bins where they fit) and 2 GB. It depends on the size and the times of the file and on how it
    was read; one that is out of date, damaged or of another version is made anew.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    folder : str or Path, optional
        The cache, by default :func:`spectessera.viewer.cache.cache_folder`.
    progress : callable, optional
        Called with a step, the megabytes that are read and those of the cube.
    stop : callable, optional
        Asked between blocks: if it returns True, :class:`Stopped` is raised. After that, and after
        an interruption, nothing incomplete is left.

    Raises
    ------
    OSError
        If the cache cannot be written, or there is too little space.
    BlockingIOError
        If another process is making the same overview.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.cube import make_cube
    >>> overview = open_overview(make_cube(np.arange(24).reshape(2, 3, 4)))
    >>> overview.mean.tolist(), overview.window(0, 2).map[0].tolist()
    ([10.0, 11.0, 12.0, 13.0], [1.0, 9.0, 17.0])
    """
    cube = check_cube(cube)
    stored = Stored(cube)
    if not stored.lazy or math.prod(stored.shape) * stored.dtype.itemsize <= SMALL_BYTES:
        return _in_memory(cube, stored, progress, stop)
    about = identity(cube, stored)
    edges = bin_edges(stored.shape, stored.dtype.itemsize)
    root = cache_folder() if folder is None else Path(folder)
    path = root / folder_name(about)
    note = ""
    if path.exists():
        fault = fault_of(path, about, edges)
        if not fault:
            with suppress(PermissionError):  # of a cache that others share
                os.utime(path / ABOUT)  # it is used
            return open_kept(path, cube, edges)
        note = f"the overview of {about['path'] or 'this cube'} {fault}: it is made anew"
        log.warning("%s", note)
    make_kept(cube, stored, edges, path, about, progress, stop)
    opened = open_kept(path, cube, edges)
    opened.note = note
    return opened


def _in_memory(
    cube: xr.DataArray, stored: Stored, progress: Progress | None, stop: Stop | None
) -> Overview:
    """Return the overview of a cube that is in memory, or small enough for it."""
    values = np.asarray(stored.data) if not stored.lazy else np.empty(stored.shape, stored.dtype)
    channels = stored.shape[2]
    sums = Sums(cube, np.arange(channels + 1))
    total, present = np.zeros((2, *stored.shape[:2]))
    done = 0
    for tile in stored.tiles():
        for box in tile.boxes():
            if stop is not None and stop():
                raise Stopped("the overview was stopped")
            part = stored.read(box)
            if stored.lazy:
                values[tuple(box)] = part
            found = sums.add(box, part, np.array([box.channel.start, box.channel.stop]))
            for image, one in zip((total, present), found, strict=True):
                image[box.y, box.x] += one[0].reshape(part.shape[:2])
            done += part.nbytes
            if progress is not None:
                progress(STEP, done // MEGABYTE, values.nbytes // MEGABYTE)
    good, outside = ~sums.bad, sums.mask

    def window_of(first: int, last: int) -> np.ndarray:
        return map_in_memory(values, np.flatnonzero(good[first:last]) + first, outside)

    def bins_at(y: int, x: int) -> np.ndarray:
        spectrum = values[y, x].astype(np.float64)
        spectrum[~(np.abs(spectrum) <= LARGEST) | ~good | outside[y, x]] = np.nan
        return spectrum

    whole = estimated(total, present, float(good.sum()))
    return Overview(sums.spectra(), whole, np.arange(channels + 1), window_of, bins_at)
