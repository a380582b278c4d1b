"""The folder of maps of bands: numbers, a figure, and an image of each band."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from spectessera.io import write
from spectessera.plots.bandmaps import bands as figure_of
from spectessera.plots.drawing import save_png

from ._images import save_image
from .manifest import BAND_MAPS

NUMBERS, FIGURE = "bands.nc", "bands.png"


def write_band_maps(maps: xr.Dataset, folder: Path) -> None:
    """Write maps of bands into a folder of their own in a new folder.

    Parameters
    ----------
    maps : Dataset
        Of :func:`spectessera.maps.bands`.
    folder : Path
    """
    place = folder / BAND_MAPS
    place.mkdir()
    write(maps, place / NUMBERS)
    save_png(figure_of(maps), place / FIGURE, dpi=110)
    ends = zip(maps["low"].values.tolist(), maps["high"].values.tolist(), strict=True)
    for (low, high), name, image in zip(
        ends, maps["band"].values.tolist(), maps["band_sum"], strict=True
    ):
        save_image(image, maps, name, place / f"{low:.10g}-{high:.10g}.tif")
