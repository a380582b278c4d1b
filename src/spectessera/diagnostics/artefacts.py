"""Clusters that may be artefacts: of brightness, of the detector, of the edge, of noise.

Clustering always gives an answer. Brightness, a bad row of a detector, hot pixels, the edge of a
mosaic or noise form clusters as well as pigments or gases do; each leaves a trace in the label map
or in the mean spectra. A warning is a question to the person who knows the object, not a verdict:
every one of these traces can also be real.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import ndimage

from spectessera._util.text import per_cent
from spectessera.result import preprocessing, require
from spectessera.settings import NONE
from spectessera.warning import ResultWarning, make_warning

from ._brightness import boxes, brightness_only
from ._clusters import (
    FEWEST_PIXELS,
    ClusterMap,
    ClusterSpectra,
    cluster_list,
    listed,
    map_of,
    spectra_of,
)
from ._pattern import patterns

# --- lines and edges of the image
# Share of a cluster that lies in the line or along the edge ...
MOSTLY = 0.9
# ... which holds at most this share of the image: no row of an image of nine rows is reported.
NARROW = 0.1
# A line is this many times longer than wide: two by two pixels are a grain.
ELONGATED = 4
# A cluster with a smaller share of the edge is a small area that happens to be there.
MUCH_EDGE = 0.1

# --- scattered pixels
# Of randomly scattered pixels, a share f of the image, (1 - f)^8 have no neighbour: 85 % at 2 %.
# Real areas are connected; at larger shares random pixels have neighbours, too.
RARE = 0.02
ALONE = 0.8
# In an image this narrow every small area is a single pixel.
THIN = 4
# This share of a spectrum's difference to all others in one or two channels is a spike ...
SPIKE = 0.5
# ... where spectra have enough channels for lines to be wider.
SPIKE_CHANNELS = 30

UNSURE = 0.6


def artefacts_of(result: xr.Dataset) -> list[ResultWarning]:
    """Return warnings about clusters that may be artefacts.

    Reported are clusters of one spectral shape that differ in brightness (by the angle between the
    spectra, Kruse et al. 1993, Remote Sensing of Environment 44, 145, and by separate lines);
    clusters along one row or column, or two, or along the edge of what is measured; rare single
    scattered pixels, more so with a spike of one or two channels; clusters whose map
    repeats every few pixels; clusters of low confidence.
    Thresholds are the constants of this module.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment` or a baseline: ``label (y, x)`` with 0 for masked pixels,
        ``mean_spectrum`` and ``std_spectrum (cluster, channel)``, ``size (cluster)`` and, if it is
        there, ``confidence (y, x)``. Empty clusters are passed over.

    Returns
    -------
    list of ResultWarning
        Clusters have their numbers in the result; rows, columns and channels count from 0.

    Raises
    ------
    ValueError
        If the result lacks labels or spectra.
    """
    needed = ("label", "mean_spectrum", "std_spectrum", "size")
    require(result, *needed, purpose="the search for artefacts")
    image, spectra = map_of(result), spectra_of(result)
    found = brightness_only(image, spectra, _normalised(result))
    lines = _lines(image)
    edges = {k: warning for k, warning in _edges(image).items() if k not in lines}
    placed = lines | edges
    scattered = _scattered(image, spectra).items()
    single = {k: warning for k, warning in scattered if k not in placed}
    found += [warning for _, warning in sorted((placed | single).items())]
    found += patterns(image)
    if "confidence" in result:
        found += _unsure(image, result["confidence"].transpose("y", "x").values)
    return found


def _normalised(result: xr.Dataset) -> str | None:
    """Return how the spectra were normalised; None where they were not or nothing tells."""
    found = preprocessing(result).get("normalise")
    return None if found in (None, NONE) else str(found)


# --- lines and edges of the image --------------------------------------------------------------


def _lines(image: ClusterMap) -> dict[int, ResultWarning]:
    """Return warnings, by position, about clusters along a row or a column."""
    found = {}
    for label, name in ((image.label, "row"), (image.label.T, "column")):
        length, k = len(label), len(image.numbers)
        flat = label.astype(np.int64) * length + np.arange(length)[:, None]
        table = np.bincount(flat.ravel(), minlength=(k + 1) * length)  # by cluster and row
        rows = table.reshape(k + 1, length)[1:]  # (k, length)
        valid = rows.sum(axis=0)
        for cluster in np.flatnonzero(image.pixels >= FEWEST_PIXELS):
            lines = _line(rows[cluster], valid)
            if lines is None or not _is_long(label[lines] == cluster + 1, lines):
                continue
            start, *rest = range(lines.start, lines.stop)
            where = f"{name} {start}" if not rest else f"{name}s {start} and {rest[0]}"
            which = int(image.numbers[cluster])
            words = make_warning("W-CLUSTER-LINE", {"cluster": which, "where": where}, (which,))
            found[int(cluster)] = words
    return found


def _line(count: np.ndarray, valid: np.ndarray) -> slice | None:
    """Return the one row, or two, with nearly all of a cluster; None if it lies in more.

    ``count (length,)`` of the cluster's pixels and ``valid`` of all labelled pixels by row.
    """
    for width in (1, 2):
        if width > len(count):
            break
        inside = boxes(count, width)
        start = int(np.argmax(inside))
        lines = slice(start, start + width)
        if inside[start] >= MOSTLY * count.sum():
            narrow = valid[lines].sum() <= NARROW * valid.sum()
            return lines if narrow and width <= NARROW * (valid > 0).sum() else None
    return None


def _is_long(inside: np.ndarray, lines: slice) -> bool:
    at = np.flatnonzero(inside.any(axis=0))
    return bool(at[-1] - at[0] + 1 >= ELONGATED * (lines.stop - lines.start))


def _edges(image: ClusterMap) -> dict[int, ResultWarning]:
    """Return warnings, by position, about clusters along the edge of the measured area."""
    outside = np.pad(image.label == 0, 1, constant_values=True)
    parts, _ = ndimage.label(outside)
    outside = parts == parts[0, 0]  # not the holes inside the image
    edge = ndimage.binary_dilation(outside, np.ones((3, 3)))[1:-1, 1:-1] & (image.label > 0)
    if not edge.any() or edge.sum() > NARROW * (image.label > 0).sum():
        return {}
    inside = np.bincount(image.label[edge], minlength=len(image.pixels) + 1)[1:]
    there = (inside >= MOSTLY * image.pixels) & (inside >= MUCH_EDGE * edge.sum())
    return {
        int(cluster): make_warning("W-CLUSTER-EDGE", {"cluster": number}, (number,))
        for cluster in np.flatnonzero(there)
        for number in [int(image.numbers[cluster])]
    }


# --- scattered pixels --------------------------------------------------------------------------


def _scattered(image: ClusterMap, spectra: ClusterSpectra) -> dict[int, ResultWarning]:
    """Return warnings, by position, about clusters of rare pixels without neighbours."""
    alone = np.bincount(image.label[_is_alone(image.label)], minlength=len(image.pixels) + 1)[1:]
    rare = (image.pixels > 0) & (image.pixels <= RARE * image.pixels.sum())
    found = {}
    for cluster in np.flatnonzero(rare & (alone >= ALONE * image.pixels)).tolist():
        number, count = int(image.numbers[cluster]), int(image.pixels[cluster])
        spike = _spike(spectra, cluster)
        if len(spike):
            pixels = "a single pixel" if count == 1 else f"{count} pixels, nearly all scattered"
            channels = "channel " if len(spike) == 1 else "channels "
            channels += listed([str(each) for each in spike])
            values = {"cluster": number, "pixels": pixels, "channels": channels}
            found[cluster] = make_warning("W-CLUSTER-SPIKE", values, (number,))
        elif count >= FEWEST_PIXELS and min(image.label.shape) >= THIN:
            values = {"cluster": number, "alone": alone[cluster], "count": count}
            found[cluster] = make_warning("W-CLUSTER-SCATTERED", values, (number,))
    return found


def _is_alone(label: np.ndarray) -> np.ndarray:
    """Return for every pixel (y, x) whether none of its eight neighbours has its label."""
    height, width = label.shape
    padded = np.pad(label, 1, constant_values=-1)
    alone = label > 0
    for dy in range(3):
        for dx in range(3):
            if (dy, dx) != (1, 1):
                alone &= padded[dy : dy + height, dx : dx + width] != label
    return alone


def _spike(spectra: ClusterSpectra, cluster: int) -> np.ndarray:
    """Return the one or two channels with most of a cluster's difference to all others.

    Differences within two standard errors do not count; the errors are those of the other pixels,
    since one pixel has no scatter, and noise in many channels adds up to more than a spike.
    """
    rest = np.where(np.arange(len(spectra.size)) == cluster, 0, spectra.size).astype(np.float64)
    if len(spectra.channel) < SPIKE_CHANNELS or rest.sum() == 0:
        return np.empty(0, dtype=np.int64)
    weight = rest / rest.sum()
    error = np.sqrt(weight @ spectra.variance / max(1, spectra.size[cluster]))
    excess = np.maximum(np.abs(spectra.mean[cluster] - weight @ spectra.mean) - 2 * error, 0)
    total, first = excess.sum(), np.argsort(-excess, kind="stable")
    for count in (1, 2):
        if excess[first[:count]].sum() > SPIKE * total:
            return np.sort(spectra.channel[first[:count]])
    return np.empty(0, dtype=np.int64)


# --- confidence --------------------------------------------------------------------------------


def _unsure(image: ClusterMap, confidence: np.ndarray) -> list[ResultWarning]:
    known = np.isfinite(confidence)
    label, most = image.label[known], len(image.pixels) + 1
    count = np.bincount(label, minlength=most)[1:]
    total = np.bincount(label, confidence[known].astype(np.float64), minlength=most)[1:]
    mean = total / np.maximum(count, 1)
    which = np.flatnonzero((count > 0) & (mean < UNSURE))
    if not len(which):
        return []
    numbers = image.numbers[which].tolist()
    values = {
        "clusters": cluster_list(numbers),
        "means": listed([f"{mean[k]:.2f}" for k in which]),
        "share": listed([per_cent(1 - mean[k]) for k in which]),
    }
    return [make_warning("W-CLUSTER-UNSURE", values, tuple(numbers))]
