"""What takes the place of a network, and how its clusters are judged by evidence."""

from __future__ import annotations

import numpy as np
import xarray as xr

from spectessera.channels import bad_channels
from spectessera.inference import choose_neighbours
from spectessera.inference.evidence import Judge, evidence_pixels, judge_of
from spectessera.inference.noise import draw_pixels
from spectessera.inference.passes import BlockContext, SampledPixels
from spectessera.kmeans import Clusters
from spectessera.preprocess.recipe import Preprocess

from .embeddings import Embedding, Rows

# Of "gmm" the silhouette chooses; "tsne" cannot place a part of a measurement.
_NOT_JUDGED = ("gmm", "tsne")
# Methods that need values from 0; what splits a measurement can make small ones negative.
_FROM_ZERO = ("sqrt", "nmf")


def default_for(cube: xr.DataArray) -> Preprocess:
    """Return the preprocessing of spectra; of one channel, whose brightness is all there is, none.

    Bad channels do not count.
    """
    bad = bad_channels(cube)
    used = cube.sizes["channel"] - (0 if bad is None else int(bad.sum()))
    return Preprocess() if used > 1 else Preprocess(normalise=None)


class InputsAsLatents:
    """The latents are the network inputs themselves."""

    def encode(self, inputs: np.ndarray) -> np.ndarray:
        """Return the inputs (n, input channel)."""
        return inputs


class PlacedSpectra:
    """The latents are the points of an embedding."""

    def __init__(self, transform: Rows, method: str) -> None:
        self._transform, self._from_zero = transform, method in _FROM_ZERO

    def encode(self, inputs: np.ndarray) -> np.ndarray:
        """Return the points (n, d) of inputs (n, input channel)."""
        return self._transform(np.maximum(inputs, 0) if self._from_zero else inputs)


def drawn_for_evidence(
    cube: xr.DataArray, method: str, clusters: Clusters, seed: int
) -> np.ndarray | None:
    """Return the pixels by which clusters are judged; None where evidence does not choose k."""
    several = clusters.k_max > clusters.k_min
    if not several or clusters.criterion != "evidence" or method in _NOT_JUDGED:
        return None
    return draw_pixels(cube, seed, most=evidence_pixels(cube))


def held_out_by(
    embedding: Embedding,
    method: str,
    cube: xr.DataArray,
    context: BlockContext,
    sample: SampledPixels | None,
    *,
    seed: int,
) -> Judge:
    """Return what judges the clusters of an embedding; nothing as in `judge_of`."""
    if sample is None or embedding.transform is None:
        return Judge(None)
    placed = context._replace(
        encoder=PlacedSpectra(embedding.transform, method),
        neighbours=choose_neighbours(cube, context.intake, 0, seed=seed),
    )
    return judge_of(cube, placed, sample, seed=seed)
