"""The tree of clusters: which two would be merged first, and what evidence that costs."""

from __future__ import annotations

import numpy as np
import xarray as xr

from spectessera._util.check import check_number
from spectessera.cube import check_cube, noise_of
from spectessera.evidence import (
    Parts,
    cut,
    finite_variance,
    merge_clusters,
    split_noise,
    thin_counts,
)

from ._endspectra import cluster_means, expected_noise
from ._given import check_given
from ._sampling import Sample, sample_pixels

WORDS = {
    "counts": "a held-out part of the counts",
    "variance": "a held-out part of the measurement, of independent noise of the given variance",
    "residual": "other pixels, with the scatter within the clusters as the noise, as if it were "
    "independent between channels",
}


def tree(cube: xr.DataArray, result: xr.Dataset) -> xr.Dataset:
    """Return the tree of clusters: in every step, the two that cost least evidence are merged.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        In memory or chunked; up to 8,192 of its pixels are used.
    result : Dataset
        Of :func:`spectessera.segment` or a baseline, for this cube.

    Returns
    -------
    Dataset
        ``first``, ``second (merge)``: numbers of clusters, in the order of the merges; the group
        of both goes on under the smaller number. ``cost``, ``cost_error (merge)``: the gain that
        is lost (natural logarithm of a likelihood ratio per pixel of the image), and its standard
        error. The attribute ``judged_by`` says by what.

    Raises
    ------
    TypeError, ValueError
        If it is no cube or no result of this cube, or if there are fewer than two clusters.

    Notes
    -----
    The gain is that of :mod:`spectessera.evidence`: mean spectra from one part of a measurement,
    judged by another. Where a cost is not above 0, the two are one cluster, split by noise.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> counts = np.random.default_rng(0).poisson(5, (9, 12, 40))
    >>> counts[:, :4, 10] += 60
    >>> counts[:, 4:8, 10] += 40
    >>> cube = spt.make_cube(counts, energy=(1.0, 20.0))
    >>> result = spt.baselines.cluster_cube(cube, "pca", clusters=spt.Clusters(3, 3))
    >>> tree = spt.maps.tree(cube, result)
    >>> tree.sizes["merge"], bool(tree.cost[0] < tree.cost[1])
    (2, True)
    """
    cube = check_cube(cube)
    labels, numbers = check_given(cube, result, "a tree of clusters")
    sample = sample_pixels(cube, labels, max(numbers))
    return tree_of(sample, noise_of(cube, sample.values))


def cut_tree(tree: xr.Dataset, result: xr.Dataset, k: int) -> xr.DataArray:
    """Return the label map with fewer clusters: the first merges of a tree are made.

    Parameters
    ----------
    tree : Dataset
        Of :func:`tree` or :func:`spectessera.maps.abundances`.
    result : Dataset
        With the ``label (y, x)`` that the tree is of.
    k : int
        Number of clusters that are left. For more clusters than the result has, segment with a
        larger number and cut the tree of that.

    Returns
    -------
    DataArray (y, x)
        Every cluster has the smallest number of those that were merged; 0 stays 0.

    Raises
    ------
    ValueError
        If k is larger than the number of clusters or below 1, or the tree is of another result.

    Examples
    --------
    >>> import xarray as xr
    >>> result = xr.Dataset({"label": (("y", "x"), [[0, 1, 2, 3]])})
    >>> steps = {"first": ("merge", [1, 1]), "second": ("merge", [3, 2])}
    >>> cut_tree(xr.Dataset(steps), result, 2).values.tolist()
    [[0, 1, 2, 1]]
    """
    check_number("k", k, low=1, integer=True)
    if "first" not in tree or "second" not in tree or "label" not in result:
        raise ValueError(
            "cut_tree needs a tree with first and second (merge), as spectessera.maps.tree "
            "returns it, and a result with label (y, x)"
        )
    pairs = list(zip(tree["first"].values.tolist(), tree["second"].values.tolist(), strict=True))
    label = result["label"]
    present = {int(each) for each in np.unique(label.values)} - {0}
    numbers = sorted({each for pair in pairs for each in pair})
    if not present <= set(numbers):
        raise ValueError(
            f"the tree is of the clusters {numbers}, the result has {sorted(present)}: give the "
            "tree of this result"
        )
    table = np.arange(max(numbers) + 1)
    for group, members in cut(pairs, numbers, k).items():
        table[members] = group
    return label.copy(data=table[label.values].astype(label.dtype))


def tree_of(sample: Sample, noise: str) -> xr.Dataset:
    """Return the tree of the clusters of a sample; ``noise`` as of the cube."""
    parts, fold = _parts(sample, noise)
    steps = merge_clusters(parts, sample.labels, sample.share, fold)
    unit = {"units": "1"}
    meaning = "natural logarithm of a likelihood ratio per pixel of the image that a merge costs"
    data = {
        "first": ("merge", np.array([each.first + 1 for each in steps], np.int64)),
        "second": ("merge", np.array([each.second + 1 for each in steps], np.int64)),
        "cost": ("merge", np.array([each.cost for each in steps]), unit | {"long_name": meaning}),
        "cost_error": ("merge", np.array([each.error for each in steps]), unit),
    }
    return xr.Dataset(data, attrs={"judged_by": WORDS[noise]})


def _parts(sample: Sample, noise: str) -> tuple[Parts, np.ndarray | None]:
    """Return two parts of the spectra, and the folds if both are the same measurement."""
    generator = np.random.default_rng(0)
    if noise == "counts":
        counts = np.rint(np.maximum(sample.values, 0))  # a few may be interpolated
        return thin_counts(counts, generator), None
    expected = expected_noise(sample, cluster_means(sample), noise)
    scale = (1 / np.sqrt(sample.share @ expected)).astype(np.float32)
    values = sample.values * scale
    if noise == "variance":
        assert sample.variance is not None
        sigma = np.sqrt(np.maximum(finite_variance(sample.variance), 0)) * scale
        drawn = (sigma * generator.standard_normal(values.shape)).astype(np.float32)
        return split_noise(values, drawn), None
    fold = np.zeros(len(values), int)
    for number in np.unique(sample.labels):
        own = np.flatnonzero(sample.labels == number)
        fold[own] = np.arange(len(own)) % 2
    return Parts(values, values, 0.5, np.ones(len(values))), fold
