"""What a segmentation is asked for."""

from __future__ import annotations

from typing import NamedTuple

import xarray as xr

from spectessera.kmeans import Clusters
from spectessera.segmenter.estimator import SpectralSegmenter


class Job(NamedTuple):
    """The arguments of :func:`spectessera.segment`, checked.

    Attributes
    ----------
    cube : DataArray (y, x, channel)
    segmenter : SpectralSegmenter
    clusters : str or int
    seed : int
    keep : tuple of str
    means : bool
    """

    cube: xr.DataArray
    segmenter: SpectralSegmenter
    clusters: str | int
    seed: int
    keep: tuple[str, ...]
    means: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.cube.sizes["y"], self.cube.sizes["x"]

    @property
    def criterion(self) -> str:
        """What chooses k; "" where it is given."""
        settings: Clusters = self.segmenter.config("clusters")
        several = self.clusters == "cube" and settings.k_max > settings.k_min
        return settings.criterion if several else ""
