"""The clusters of a result, as the search for artefacts sees them: label map and mean spectra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera.channels import bad_channels, hidden
from spectessera.cube import spectral_axis
from spectessera.preprocess.auto import CONTINUUM
from spectessera.preprocess.baseline import arpls_baseline

# Fewer pixels show neither the shape of a cluster in the image nor its noise.
FEWEST_PIXELS = 4
ADDED = ("wavenumber",)  # axes along which a background is added to the bands


class ClusterMap(NamedTuple):
    """The label map and how many pixels each cluster has in it."""

    label: np.ndarray  # (y, x), 0 masked, otherwise 1 + the position in numbers
    numbers: np.ndarray  # (k,) of the clusters in the result
    pixels: np.ndarray  # (k,)


class ClusterSpectra(NamedTuple):
    """Mean spectra and their noise; float64, channels that are finite in all clusters."""

    mean: np.ndarray  # (k, c)
    variance: np.ndarray  # (k, c) of single pixels
    size: np.ndarray  # (k,)
    channel: np.ndarray  # (c,) position in the cube
    bands: np.ndarray | None = None  # (k, c), mean without the background that was added to it


def map_of(result: xr.Dataset) -> ClusterMap:
    """Renumber the labels by position, so that any numbers will do."""
    numbers = result["cluster"].values
    label = result["label"].transpose("y", "x").values
    order = np.argsort(numbers)
    at = np.searchsorted(numbers[order], label).clip(max=len(numbers) - 1)
    known = (label > 0) & (numbers[order][at] == label)
    place = np.where(known, order[at] + 1, 0)
    return ClusterMap(place, numbers, np.bincount(place.ravel(), minlength=len(numbers) + 1)[1:])


def spectra_of(result: xr.Dataset) -> ClusterSpectra:
    mean = result["mean_spectrum"].transpose("cluster", "channel").values.astype(np.float64)
    spread = result["std_spectrum"].transpose("cluster", "channel").values.astype(np.float64)
    size = result["size"].values
    there = size > 0
    channel = np.flatnonzero(np.isfinite(hidden(mean, bad_channels(result))[there]).all(axis=0))
    mean = np.where(there[:, None], mean[:, channel], 0.0)
    variance = np.nan_to_num(spread[:, channel], posinf=0.0) ** 2
    return ClusterSpectra(mean, variance, size, channel, _bands(result, mean, channel))


def _bands(result: xr.Dataset, mean: np.ndarray, channel: np.ndarray) -> np.ndarray | None:
    """Return mean spectra (k, c) without their smooth background; None where it is not needed.

    In emitted light a background is added, such as fluorescence to Raman bands. Where it is most
    of the light, spectra of all materials have its shape.
    """
    axis = spectral_axis(result["mean_spectrum"])
    if axis.kind not in ADDED or not len(channel):
        return None
    largest = mean.max(axis=1)
    median = np.median(mean, axis=1)
    if not (median[largest > 0] > CONTINUUM * largest[largest > 0]).any():
        return None
    return mean - arpls_baseline(mean.astype(np.float32), axis.take(channel)).astype(np.float64)


def listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def cluster_list(numbers: Sequence[int]) -> str:
    """Return "cluster 3", or "clusters 1, 2 and 5"."""
    return ("cluster " if len(numbers) == 1 else "clusters ") + listed([str(n) for n in numbers])
