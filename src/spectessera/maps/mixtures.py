"""Abundances: how much of each cluster is in every pixel, with errors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.positions import positions_of
from spectessera.channels import bad_channels
from spectessera.cube import check_cube, noise_of, spectral_axis, with_axis

from ._endspectra import Ends, end_spectra
from ._given import check_given
from ._mixing import BEYOND, LEAST, OTHERS, mix_pixels, mixing_of
from ._sampling import sample_pixels
from .clustertree import tree_of
from .families import NothingToMap
from .stream import Progress, map_pixels

PURPOSE = "a map of mixtures"
TOTALS = {
    "counts": "counts of the pixel that the end spectra explain",
    "variance": "sum of the amounts of the end spectra; 1: as much as a typical pixel",
    "residual": "sum of the amounts of the end spectra; 1: as much as a typical pixel",
}
RESIDUALS = {
    "counts": "squares of what is left over, over those expected of counts; noise alone: about 1",
    "variance": "squares of what is left over, over the variance; noise alone: about 1",
    "residual": "root mean square of what is left over",
}
ERRORS = {
    "counts": "Errors are those of counts.",
    "variance": "Errors are those of the given variance, independent between channels.",
    "residual": "The noise is not known: errors are from what is left over in the spectrum of the "
    "pixel, as if it were independent between channels.",
}
WHAT = {
    "counts": "share of the counts of the pixel",
    "variance": "share of the sum of the amounts, the amount of a typical pixel being 1",
    "residual": "share of the sum of the amounts, the amount of a typical pixel being 1",
}


def abundances(
    cube: xr.DataArray, result: xr.Dataset, *, progress: Progress | None = None
) -> xr.Dataset:
    """Return how much of the end spectrum of each cluster is in every pixel of a cube.

    The mean spectrum of a cluster of mixed pixels is itself a mixture. So the end spectra are
    fitted to a sample of the pixels, beginning at the means. A cluster whose mean is a mixture of
    other clusters has no end spectrum. With these spectra every pixel is fitted linearly, none of
    the amounts being negative, weighted by the noise that is expected in its cluster.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        Of any axis, in memory or chunked; read twice, block by block, on the workers of a
        ``distributed.Client`` where one is active.
    result : Dataset
        Of :func:`spectessera.segment` or a baseline, for this cube.
    progress : callable, optional
        Called with the name of the step, the number of blocks that are done, and that of all.

    Returns
    -------
    Dataset
        ``abundance``, ``abundance_error (cluster, y, x)``, float32: shares that sum to 1 (of the
        counts; otherwise of the amounts), NaN where a pixel has no label. ``end_spectrum (cluster,
        channel)``; NaN in bad channels. ``components (y, x)``: how many abundances are beyond three
        errors and at least 0.05; two or more: the pixel is a mixture. ``total``, ``residual (y,
        x)``: see their ``long_name``. ``composition (label, cluster)``: mean abundances in the
        pixels of every cluster. The coordinate ``cluster`` has only those with an end spectrum.
        The tree of clusters is included: see :func:`spectessera.maps.tree`.

    Raises
    ------
    TypeError, ValueError
        If it is no cube, or no result of this cube.
    NothingToMap
        A ValueError: there are fewer than two clusters, or fewer than two of them have an end
        spectrum.

    Notes
    -----
    Non-negative least squares as in the maps of elements (Kim & Park 2011, SIAM J. Sci. Comput.
    33, 3261); end spectra by alternating least squares (Paatero & Tapper 1994, Environmetrics 5,
    111), stopped early.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> share = np.clip(np.linspace(-0.5, 1.5, 24), 0, 1)[:, None]
    >>> ends = np.array([[9.0] * 20 + [1.0] * 20, [1.0] * 20 + [9.0] * 20])
    >>> rates = share * ends[0] + (1 - share) * ends[1]
    >>> counts = np.random.default_rng(0).poisson(np.tile(rates, (10, 1, 1)))
    >>> cube = spt.make_cube(counts, energy=(1.0, 20.0))
    >>> result = spt.baselines.cluster_cube(cube, "pca", clusters=spt.Clusters(2, 2))
    >>> maps = spt.maps.abundances(cube, result)
    >>> maps.abundance.dims, bool(abs(maps.abundance.sum("cluster") - 1).max() < 1e-5)
    (('cluster', 'y', 'x'), True)
    """
    cube = check_cube(cube)
    labels, numbers = check_given(cube, result, PURPOSE)
    sample = sample_pixels(cube, labels, max(numbers))
    noise = noise_of(cube, sample.values)
    ends = end_spectra(sample, noise)
    if len(ends.clusters) < 2:
        raise NothingToMap(
            "the mean spectra of the clusters differ by no more than their brightness or their "
            f"noise, and {PURPOSE} needs two spectra that differ"
        )
    mixing = mixing_of(ends, noise)
    outputs = 2 * len(ends.clusters) + len(OTHERS)
    maps = map_pixels(
        mix_pixels, mixing, cube, labels, outputs, step="abundances", progress=progress
    )
    if len(ends.dark):
        maps, ends = _with_dark(maps, ends)
    return _dataset(cube, labels, maps, ends, noise).merge(
        tree_of(sample, noise), combine_attrs="drop_conflicts"
    )


# --- the workers assume checked input ----------------------------------------------------------


def _with_dark(maps: np.ndarray, ends: Ends) -> tuple[np.ndarray, Ends]:
    """Return maps with those of the cluster that holds nothing: what is missing to 1."""
    count = len(ends.clusters)
    share, error = maps[:count], maps[count : 2 * count]
    rest = np.clip(1 - np.add.reduce(share), 0, 1)
    # An upper limit: the amounts are hardly correlated where there is little of any.
    rest_error = np.sqrt(np.add.reduce(np.square(error)))
    components = maps[-1] + ((rest > BEYOND * rest_error) & (rest >= LEAST))
    nothing = np.zeros((1, ends.spectra.shape[1]))
    grown = Ends(
        np.append(ends.clusters, ends.dark[0]),
        np.concatenate([ends.spectra, nothing]),
        ends.noise,
        ends.dark,
    )
    parts = [share, rest[None], error, rest_error[None], maps[2 * count : -1], components[None]]
    return np.concatenate(parts).astype(np.float32), grown


def _dataset(
    cube: xr.DataArray, labels: np.ndarray, maps: np.ndarray, ends: Ends, noise: str
) -> xr.Dataset:
    """Return the maps with their names and what they mean."""
    count, order = len(ends.clusters), np.argsort(ends.clusters)
    share, error = maps[:count][order], maps[count : 2 * count][order]
    total, residual, components = maps[2 * count :]
    bad = bad_channels(cube)
    good = np.ones(cube.sizes["channel"], bool) if bad is None else ~bad
    spectra = np.full((count, len(good)), np.nan)
    spectra[:, good] = ends.spectra[order]
    numbers = (ends.clusters[order] + 1).astype(np.int64)
    present = np.unique(labels[labels > 0]).astype(np.int64)
    composition = np.full((len(present), count), np.nan)
    for row, number in enumerate(present):
        own = share[:, labels == number]
        known = np.isfinite(own[0])
        composition[row] = own[:, known].mean(axis=1, dtype=np.float64) if known.any() else np.nan
    unit = str(cube.attrs.get("unit", ""))
    units = {"units": unit} if unit else {}
    image, one = ("y", "x"), {"units": "1"}
    left = units if noise == "residual" else one
    data = {
        "abundance": (("cluster", *image), share, one | {"long_name": WHAT[noise]}),
        "abundance_error": (("cluster", *image), error, one),
        "end_spectrum": (("cluster", "channel"), spectra.astype(np.float32), units),
        "total": (image, total, {"long_name": TOTALS[noise]}),
        "residual": (image, residual, left | {"long_name": RESIDUALS[noise]}),
        "components": (image, np.nan_to_num(components).astype(np.uint8)),
        "composition": (("label", "cluster"), composition, one),
    }
    coords: dict[str, Any] = {"cluster": numbers, "label": present}
    coords |= positions_of(cube)
    made = with_axis(xr.Dataset(data, coords=coords), spectral_axis(cube))
    made.attrs = _attributes(made, noise)
    made.attrs |= {name: cube.attrs[name] for name in ("source", "wcs") if name in cube.attrs}
    return made


def _attributes(made: xr.Dataset, noise: str) -> dict[str, str | float | int]:
    """Return what is known of the maps as strings and numbers."""
    share = made["abundance"].values
    known = np.isfinite(share[0])
    mixed = known & (made["components"].values > 1)
    pairs: dict[str, int] = {}
    if mixed.any():
        largest = np.sort(np.argsort(-share[:, mixed], axis=0, kind="stable")[:2], axis=0)
        numbers = made["cluster"].values[largest]
        found, sizes = np.unique(numbers, axis=1, return_counts=True)
        names = [f"{one} and {other}" for one, other in found.T.tolist()]
        ranked = sorted(zip(names, sizes.tolist(), strict=True), key=lambda each: -each[1])
        pairs = dict(ranked[:10])
    has = set(made["cluster"].values.tolist())
    of_others = {
        str(label): {
            str(number): round(float(value), 3)
            for number, value in zip(made["cluster"].values, row, strict=True)
            if value >= LEAST
        }
        for label, row in zip(
            made["label"].values.tolist(), made["composition"].values, strict=True
        )
        if label not in has
    }
    return {
        "content": "abundance maps",
        "meaning": f"Abundances are shares of end spectra: each the {WHAT[noise]}. {ERRORS[noise]} "
        "They do not include that end spectra are not known exactly, nor that the spectrum of a "
        "material varies.",
        "noise": noise,
        "usable_pixels": int(known.sum()),
        "mixtures": int(mixed.sum()),
        "pairs": json.dumps(pairs),
        "mixed_clusters": json.dumps(of_others),
    }
