"""What a viewer shows of a cube at once: spectra, total map and maps of windows of channels."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.check import check_number
from spectessera.channels import used_channels
from spectessera.cube import check_cube, mask_of

from .spectra import Progress, Stop


class Window(NamedTuple):
    """The map of a window of channels.

    Attributes
    ----------
    map : array (y, x), float32
        Sum over the channels; NaN where a pixel is masked or has no value.
    low, high : int
        The channels that it is of: from ``low`` up to but without ``high``.
    """

    map: np.ndarray
    low: int
    high: int


class Overview:
    """Spectra and maps of a whole cube.

    Attributes
    ----------
    mean, maximum : array (channel,), float64
        Over all pixels that are not masked; missing values are left out.
    total : array (y, x), float32
        Sum over the channels that are not marked as bad.
    edges : array (bin + 1,), int64
        First channel of every bin, and the end.
    """

    def __init__(self, cube: xr.DataArray) -> None:
        values = np.where(mask_of(cube)[..., None], np.nan, cube.values.astype(np.float64))
        self._values = values
        self.edges = np.arange(values.shape[2] + 1)
        self.mean, self.maximum = np.nanmean(values, axis=(0, 1)), np.nanmax(values, axis=(0, 1))
        used = used_channels(cube)
        self._used = np.ones(values.shape[2], bool) if used is None else used
        self.total = self.window(0, values.shape[2]).map

    def window(self, low: int, high: int) -> Window:
        """Return the map of channels low to high (without high), by whole bins."""
        channels = len(self.edges) - 1
        check_number("low", low, low=0, high=channels - 1, integer=True)
        check_number("high", high, low=low + 1, high=channels, integer=True)
        part = self._values[..., low:high][..., self._used[low:high]]
        return Window(part.sum(axis=2).astype(np.float32), low, high)

    def exact_window(
        self,
        cube: xr.DataArray,
        low: int,
        high: int,
        progress: Progress | None = None,
        stop: Stop | None = None,
    ) -> Window:
        """Return the map of exactly these channels, read from the cube."""
        del cube, progress, stop
        return self.window(low, high)


def open_overview(
    cube: xr.DataArray,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Overview:
    """Return the overview of a cube."""
    del folder, progress, stop
    return Overview(check_cube(cube))
