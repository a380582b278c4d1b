"""The noise study: segmentation of increasingly noisy cubes without retraining.

Appendix B of arXiv 2401.17695.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.check import check_number
from spectessera.cube import blocks, check_cube, read_block
from spectessera.evaluate import Scores, compare
from spectessera.inference.pipeline import segment
from spectessera.result import number_chosen
from spectessera.segmenter.estimator import SpectralSegmenter

LEVELS = (np.inf, 40.0, 35.0, 30.0, 25.0, 20.0, 15.0, 10.0)  # dB


def degrade(cube: xr.DataArray, psnr: float, seed: int = 0) -> xr.DataArray:
    """Add Gaussian noise to a cube so that it has a given peak signal-to-noise ratio.

    PSNR = 10 log10(max(s)^2 / MSE), with the maximum and the mean squared error over the whole
    cube, before preprocessing (appendix B of arXiv 2401.17695).

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        Values that are NaN or infinite remain, and are ignored for the maximum.
    psnr : float
        In dB; infinity adds nothing.
    seed : int

    Returns
    -------
    DataArray (y, x, channel), float32
        In memory, with the coordinates of the cube; the variance of the noise is added to the
        coordinate ``variance``, if there is one.

    Raises
    ------
    ValueError
        If ``psnr`` is NaN, or the cube has no positive value.

    Examples
    --------
    >>> import numpy as np, spectessera as spt
    >>> cube = spt.make_cube(np.ones((4, 5, 8), np.float32), energy=(1.0, 8.0))
    >>> noisy = spt.degrade(cube, psnr=20.0, seed=0)
    >>> noisy.shape, noisy.attrs["noise"]
    ((4, 5, 8), 'residual')
    """
    cube = check_cube(cube)
    check_number("seed", seed, low=0, integer=True)
    values = np.array(cube.values, dtype=np.float32)
    attrs = {name: value for name, value in cube.attrs.items() if name != "saturation"}
    if psnr == np.inf:
        return cube.copy(data=values).assign_attrs(attrs)
    check_number("psnr", psnr)
    largest = peak(cube)
    deviation = largest * 10 ** (-psnr / 20)
    noise = np.random.default_rng(seed).standard_normal(values.shape, dtype=np.float32)
    noise *= np.float32(deviation)
    values += noise
    noisy = cube.copy(data=values)
    noisy.attrs = attrs | {"noise": "residual"}  # no longer counts
    if "variance" in cube.coords:
        variance = np.asarray(cube.coords["variance"].transpose(*cube.dims).values)
        noisy = noisy.assign_coords(variance=(cube.dims, variance + np.float32(deviation**2)))
        del noisy.attrs["noise"]
    return noisy


def peak(cube: xr.DataArray) -> float:
    """Return the largest finite value of a cube, block by block.

    Raises
    ------
    ValueError
        If no value is positive.
    """
    largest = 0.0
    for block in blocks(cube):
        values = read_block(cube, block).values
        largest = max(largest, float(values.max(initial=0.0, where=np.isfinite(values))))
    if largest <= 0:
        raise ValueError("the cube has no positive value, as a peak signal-to-noise ratio needs")
    return largest


@dataclass(frozen=True, eq=False)
class Degradation:
    """Segmentations of one cube at several levels of noise, and their scores.

    Attributes
    ----------
    psnr : array (level,)
        In dB.
    label : array (level, y, x), int32
    k : array (level,), int64
        Chosen numbers of clusters, without rare groups.
    scores : tuple of Scores
        Against the reference, one per level.
    """

    psnr: np.ndarray
    label: np.ndarray
    k: np.ndarray
    scores: tuple[Scores, ...]

    def column(self, name: str) -> np.ndarray:
        """Return one score (level,), such as "weighted_accuracy"."""
        return np.array([getattr(each, name) for each in self.scores])


def noise_sweep(
    cube: xr.DataArray,
    segmenter: SpectralSegmenter,
    reference: Any,
    *,
    levels: Sequence[float] = LEVELS,
    clusters: str | int = "cube",
    seed: int = 0,
    floor: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Degradation:
    """Segment a cube at several levels of noise with the same trained segmenter.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    segmenter : SpectralSegmenter
        Trained on spectra without this noise.
    reference : array (y, x) of integers
        0 = unlabelled.
    levels : sequence of float
        PSNR in dB.
    clusters : "cube", "trained" or int
        See :func:`spectessera.segment`.
    seed : int
    floor : float, optional
        Smaller values are raised to it, after the noise is added.
    progress : callable, optional
        Called with the number of finished levels and of all levels.

    Returns
    -------
    Degradation
    """
    labels, chosen, scores = [], [], []
    for done, level in enumerate(levels, start=1):
        noisy = degrade(cube, level, seed)
        if floor is not None:
            noisy = noisy.copy(data=np.maximum(noisy.values, np.float32(floor)))
        result = segment(noisy, segmenter, clusters, seed=seed, neighbours=0)
        labels.append(result["label"].values)
        chosen.append(number_chosen(result))
        scores.append(compare(labels[-1], reference))
        if progress is not None:
            progress(done, len(levels))
    return Degradation(
        np.array(levels, dtype=float), np.stack(labels), np.array(chosen), tuple(scores)
    )
