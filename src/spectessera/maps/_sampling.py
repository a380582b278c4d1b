"""Some pixels of every cluster of a cube, the same ones whatever its chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera.cube import Spectra, blocks, in_image, to_spectra
from spectessera.inference.blockwork import Shared, Task, process_blocks
from spectessera.preprocess.steps import UNUSABLE, screen

MOST = 8192  # pixels
VALUES = 2**24  # most values of all of them
FEWEST = 512


class Sample(NamedTuple):
    """Spectra of some pixels.

    Attributes
    ----------
    values : array (n, good channel), float32
    variance : array (n, good channel), or None
        NaN where there is none.
    labels : array (n,)
        From 0.
    share : array (k,), float64
        Of all pixels with a label that are in each cluster.
    """

    values: np.ndarray
    variance: np.ndarray | None
    labels: np.ndarray
    share: np.ndarray


def sample_pixels(cube: xr.DataArray, labels: np.ndarray, k: int) -> Sample:
    """Draw pixels of every cluster: half of them as many of each, half in proportion.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    labels : array (y, x)
        From 1; 0 where a pixel has none.
    k : int
    """
    chosen = _chosen(labels, k, min(MOST, max(FEWEST, VALUES // cube.sizes["channel"])))

    def tasks() -> Iterator[Task]:
        for block in blocks(cube):
            wanted = chosen[block.y, block.x]
            if wanted.any():
                yield Task(block, (wanted,))

    parts = [
        found._replace(pixel=in_image(cube, task.block, found.pixel))
        for task, found in process_blocks(spectra_of_block, Shared(None), cube, tasks())
    ]
    if not sum(len(part.pixel) for part in parts):
        raise ValueError("no pixel with a cluster has a usable spectrum; give the segmented cube")
    pixel = np.concatenate([part.pixel for part in parts])
    order = np.argsort(pixel)
    values = np.concatenate([part.values for part in parts])[order]
    noise = [part.variance for part in parts if part.variance is not None]
    variance = np.concatenate(noise)[order] if len(noise) == len(parts) else None
    sizes = np.bincount(labels.ravel(), minlength=k + 1)[1:]
    return Sample(values, variance, labels.ravel()[pixel[order]] - 1, sizes / sizes.sum())


def _chosen(labels: np.ndarray, k: int, most: int) -> np.ndarray:
    """Return which pixels (y, x) are drawn."""
    generator = np.random.default_rng(0)
    flat = labels.ravel()
    chosen = np.zeros(flat.size, dtype=bool)
    total = max(int((flat > 0).sum()), 1)
    for number in range(1, k + 1):
        own = np.flatnonzero(flat == number)
        count = min(len(own), round(most * (0.5 / k + 0.5 * len(own) / total)))
        chosen[generator.choice(own, count, replace=False)] = True
    return chosen.reshape(labels.shape)


def spectra_of_block(_: None, part: xr.DataArray, wanted: np.ndarray) -> Spectra:
    """Return the usable spectra of a block among those that are wanted (y, x)."""
    spectra = to_spectra(part)
    some = wanted.ravel()[spectra.pixel]
    values, quality = screen(spectra.values[some])
    usable = quality & UNUSABLE == 0
    variance = None if spectra.variance is None else spectra.variance[some][usable]
    return Spectra(values[usable], variance, spectra.pixel[some][usable])
