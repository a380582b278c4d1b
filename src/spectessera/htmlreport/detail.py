"""How much of a result a report shows, so that the file stays small: pixels, spectra, thumbnails.

A report is made with the first of these, and with the next one while it is larger than 10 MB. It
says what was left out.
"""

from __future__ import annotations

from typing import NamedTuple

import xarray as xr

MOST_BYTES = 10_000_000  # of the file
SKY_BYTES = 8  # of a pixel with sky coordinates


class Detail(NamedTuple):
    """How much a report shows.

    Attributes
    ----------
    pixels : int
        Most bytes of the live maps: of larger ones, every second, third ... pixel is shown.
    spectra : int
        Most clusters whose spectra are drawn.
    thumbnail : int
        Most points of the longer side of a small map.
    """

    pixels: int
    spectra: int
    thumbnail: int


LEVELS = (
    Detail(2**22, 40, 400),
    Detail(2**21, 24, 250),
    Detail(2**20, 12, 150),
    Detail(2**18, 4, 80),
)


def step_of(result: xr.Dataset, detail: Detail, per_pixel: int) -> int:
    """Return how many pixels apart those of the live maps are, along a row and along a column.

    Parameters
    ----------
    result : Dataset
    detail : Detail
    per_pixel : int
        Bytes of one pixel.
    """
    height, width = result.sizes["y"], result.sizes["x"]
    step = 1
    while -(-height // step) * -(-width // step) * per_pixel > detail.pixels:
        step += 1
    return step
