"""What a segmentation is asked for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera.cube import noise_of
from spectessera.kmeans import Clusters
from spectessera.preprocess.frame import Frame
from spectessera.segmenter.estimator import SpectralSegmenter

from .neighbours import Neighbours


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
    neighbours : Neighbours
    frame : Frame
    """

    cube: xr.DataArray
    segmenter: SpectralSegmenter
    clusters: str | int
    seed: int
    keep: tuple[str, ...]
    means: bool
    neighbours: Neighbours = Neighbours()
    frame: Frame = Frame()

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

    def noise(self, values: np.ndarray) -> str:
        """Return what is known of the noise of some spectra (n, channel) of the cube.

        See :func:`spectessera.cube.noise_of`. (Averages of counts are no whole numbers.)
        """
        if self.neighbours.window > 1:
            return self.neighbours.noise
        return noise_of(self.cube, values)
