"""What judges clusters of a map whose noise is not known: the neighbours of a pixel, and itself."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr

from spectessera.evidence import BEYOND, Gain
from spectessera.evidence.around import (
    explained,
    mean_of_neighbours,
    structure_of_blocks,
    structure_of_map,
)
from spectessera.kmeans.metric import fit_metric
from spectessera.kmeans.rule import Rule

from .passes import BlockContext
from .patches import Patches, patches_of

# Rows and columns without which a map is a list of spectra.
_LEAST_SIDE = 3
# Two sets of channels say the same of the spectra from so many standard errors on. (The largest of
# a hundred correlations, not of ten.)
_BEYOND_BLOCKS = 4.5
# With fewer pixels that have neighbours nothing is judged.
_LEAST_PIXELS = 32


def judged_by_neighbours(
    cube: xr.DataArray, context: BlockContext, seed: int
) -> NeighbourEvidence | None:
    """Return what judges clusters of a map whose noise is not known.

    None for lists of spectra, and where pixels are averages with their neighbours.
    """
    if min(cube.sizes["y"], cube.sizes["x"]) < _LEAST_SIDE or context.neighbours.window > 1:
        return None
    patches = patches_of(cube, context.intake, seed)
    around, count = mean_of_neighbours(patches.values, patches.usable)
    judged = patches.usable & (count > 0)
    if judged.sum() < _LEAST_PIXELS:
        return None
    return NeighbourEvidence(patches, around[judged], judged, context, seed)


class NeighbourEvidence:
    """Judges clusterings of a map by its pixels, from labels of their neighbours.

    The mean spectrum of the neighbours of a pixel is encoded and gets the label of a clustering;
    this is judged by how much of the pixel's own distance from the mean of all, in the metric of
    the clustering, the mean of the other pixels with this label explains. The noise of neighbouring
    pixels is taken to be independent. The pixels are the same for any chunks.

    Parameters
    ----------
    patches : Patches
    around : array (n, good channel)
        Means of the neighbours of the pixels that are judged.
    judged : array (piece, y, x), bool
        These pixels.
    context : BlockContext
    seed : int

    Attributes
    ----------
    structure : float
        See :func:`spectessera.evidence.around.structure_of_map`.
    judged_by : str
        "neighbours".
    silent : bool
        Whether the neighbours say nothing although there may be groups: detail is finer than a
        pixel and its neighbours.
    """

    judged_by = "neighbours"

    def __init__(
        self,
        patches: Patches,
        around: np.ndarray,
        judged: np.ndarray,
        context: BlockContext,
        seed: int,
    ) -> None:
        intake, usable, seed = context.intake, patches.usable, seed % 2**32
        inputs = intake.apply(patches.values[usable]).values
        self._around = context.encoder.encode(intake.apply(around).values)
        self._own = context.encoder.encode(inputs[judged[usable]])
        self.structure = structure_of_map(inputs, usable, seed=seed)
        self.silent = False
        if self.structure <= BEYOND:
            # Of values as they were measured: a norm is common to all channels.
            scaled = intake.preprocess.normalise is not None
            blocks = structure_of_blocks(patches.values[usable], seed=seed, scaled=scaled)
            self.silent = blocks is None or blocks > _BEYOND_BLOCKS

    def gain(self, rule: Rule) -> Gain:
        """Return the share of the variance of the pixels that the clusters of a rule explain."""
        # In the metric of these pixels: the last bits of that of the rule depend on the chunks.
        own = torch.from_numpy(self._own)
        points = fit_metric(own, rule.metric).move(own).numpy().astype(np.float64)
        return explained(points, rule.label(self._around), len(rule.centers))
