"""The methods that the paper compares with: another embedding, everything else the same.

Each makes points (n, d) of network inputs (n, channel), where :class:`SpectralSegmenter` has its
autoencoder. How a cube is read, screened and preprocessed, how k is chosen and how clusters are
numbered is the segmenter's own code, so that only the embedding differs. One method, the Gaussian
mixture, differs in its clustering instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from sklearn.neighbors import NearestNeighbors

from spectessera._util.check import check_choice, check_number
from spectessera.axis import Axis
from spectessera.cube import blocks, check_cube, integrate, spectral_axis, to_map
from spectessera.kmeans import Clusters
from spectessera.kmeans.points import by_size
from spectessera.preprocess.intake import Intake, read_inputs
from spectessera.preprocess.recipe import Preprocess
from spectessera.preprocess.steps import QUALITY
from spectessera.preprocess.training_spectra import draw_rows
from spectessera.result import assemble, attributes_of, curves_of, kept_by, mean_spectra
from spectessera.settings import to_dict

from .embeddings import METHODS, Embedding, embed
from .mixture import NumberedClusters, k_means_clusters, mixtures

__all__ = ["METHODS", "Embedding", "cluster_cube", "embed", "linear"]

BlockProgress = Callable[[str, int, int], None]

# Methods that are too slow for every pixel of a cube are fitted to a sample of so many.
FIT_PIXELS = {"umap": 10_000, "tsne": 5_000}
KEEP = kept_by("baselines")


# --- cubes -------------------------------------------------------------------------------------


class _Pixels(NamedTuple):
    """What the first pass gathers, in the order of the image."""

    pixel: np.ndarray  # (n,) of all unmasked pixels
    quality: np.ndarray  # (n,)
    usable: np.ndarray  # (m,) flattened position of every usable pixel
    inputs: np.ndarray  # (m, input channel)


class _Found(NamedTuple):
    """What a method made of the usable pixels."""

    clustering: NumberedClusters  # labels (m,) of all of them
    points: np.ndarray  # (m, d), NaN for pixels without one
    placed: str  # how the pixels were placed that were not fitted
    fitted: int
    seconds: dict[str, float]


def cluster_cube(
    cube: xr.DataArray,
    method: str,
    *,
    preprocess: Preprocess | None = None,
    clusters: Clusters | None = None,
    dimensions: int = 3,
    fit_pixels: int | None = None,
    seed: int = 0,
    keep: Sequence[str] = (),
    progress: BlockProgress | None = None,
) -> xr.Dataset:
    """Segment a cube with a baseline: embed its spectra, then cluster them as `segment` does.

    The inputs of all usable pixels are held in memory. A method that is fitted to a sample places
    the other pixels afterwards: by its own map where it has one, and everything is clustered; but
    t-SNE has none, so that only its sample is clustered, and every other pixel gets the label of
    the sampled pixel whose input is nearest. The attribute ``placed`` tells.

    "gmm" clusters its principal components by Gaussian mixtures with full covariances, one for
    every k, each started at the clusters of k-means; the k is kept whose labels have the best
    silhouette, the same measure as for all other methods. A component may end without pixels.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        In memory or chunked; of a chunked cube one block at a time is loaded.
    method : str
        One of ``METHODS``, see :func:`embed`.
    preprocess : Preprocess, optional
    clusters : Clusters, optional
        The range of k; ``Clusters(4, 4)`` asks for four.
    dimensions : int
        Of the points.
    fit_pixels : int, optional
        Fit the method to a random sample of so many pixels; by default to 10,000 for UMAP, 5,000
        for t-SNE, and all of them for the others.
    seed : int
        Of the sample, the embedding and the clustering: the same seed gives the same labels.
    keep : sequence of "latent"
        Also return the points, ``latent_cube (y, x, latent)``.
    progress : callable, optional
        Called with the name of the step, what is done of it and its whole.

    Returns
    -------
    Dataset
        With the names that :func:`spectessera.segment` gives: ``label (y, x)``, 0 masked or
        unusable, 1..K numbered by size; ``quality (y, x)``; ``mean_spectrum`` and
        ``std_spectrum (cluster, channel)``; ``input_mean (cluster, input_channel)``;
        ``center (cluster, latent)``, ``size (cluster)``; ``score (k)`` and ``score_error (k)``;
        ``integrated_input`` and ``integrated_latent (y, x)``. The attributes tell the method, the
        number of pixels it was fitted to, and ``seconds_fit``, ``seconds_transform``,
        ``seconds_cluster``.

    Raises
    ------
    ValueError, TypeError
        As :func:`embed`, or if too few spectra are usable.
    ImportError
        If UMAP is asked for and not installed.
    """
    check_choice("method", method, METHODS)
    check_number("seed", seed, low=0, high=2**63 - 1, integer=True)
    if fit_pixels is not None:
        check_number("fit_pixels", fit_pixels, low=3, integer=True)
    if isinstance(keep, str):
        raise TypeError(f"keep is a list, such as [{keep!r}]; got the string {keep!r}")
    for name in keep:
        check_choice("keep", name, KEEP)
    cube = check_cube(cube)
    preprocess, clusters = preprocess or Preprocess(), clusters or Clusters()
    tell = progress or (lambda *_: None)
    pixels = _read(cube, preprocess, tell)
    total = len(pixels.inputs)
    rows = draw_rows(total, fit_pixels or FIT_PIXELS.get(method, total), seed)
    if len(rows) <= max(2, clusters.k_min):
        raise ValueError(
            f"{len(rows)} usable spectra of {cube.sizes['y'] * cube.sizes['x']} pixels are too "
            f"few; at least {max(3, clusters.k_min + 1)} are needed for {clusters.k_min} clusters"
        )
    embedding = embed(pixels.inputs[rows], method, dimensions=dimensions, seed=seed)
    tell("embed", 1, 1)
    found = _cluster(pixels.inputs, rows, embedding, method, clusters, seed)
    tell("cluster", 1, 1)
    asked = {"method": method, "dimensions": dimensions, "fit_pixels": fit_pixels, "seed": seed}
    settings = {"preprocess": to_dict(preprocess), "clusters": to_dict(clusters)}
    values = _values(cube, preprocess, pixels, found, tell)
    if "latent" in keep:
        values["latent_cube"] = _image(found.points, pixels, cube)
    attributes = _attributes(cube, pixels, found, asked, settings)
    input_axis = preprocess.input_axis(spectral_axis(cube))
    return assemble(cube, values, found.clustering.curves.k, input_axis, attributes)


def linear(
    cube: xr.DataArray,
    clusters: Clusters | None = None,
    *,
    dimensions: int = 10,
    seed: int = 0,
    keep: Sequence[str] = (),
    progress: BlockProgress | None = None,
) -> xr.Dataset:
    """Segment a cube without any training: the linear method, whose settings need no thought.

    Square root, division by the root sum of squares, principal components, whitened, projected to
    the unit sphere, then k-means. For counts it beats all other baselines; a network has to beat
    it. (Where spectra hardly have noise, as in reflectance, whitening can do harm.)

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    clusters : Clusters, optional
    dimensions : int
        Of the principal components.
    seed : int
    keep : sequence of "latent"
    progress : callable, optional
        See :func:`cluster_cube`.

    Returns
    -------
    Dataset
        As of :func:`cluster_cube`.

    Raises
    ------
    ValueError, TypeError
        As :func:`cluster_cube`.
    """
    return cluster_cube(
        cube, "linear", clusters=clusters, dimensions=dimensions, seed=seed, keep=keep,
        progress=progress,
    )  # fmt: skip


def _read(cube: xr.DataArray, preprocess: Preprocess, tell: BlockProgress) -> _Pixels:
    """Go through the cube once: quality and inputs."""
    axis, total = spectral_axis(cube), sum(1 for _ in blocks(cube))
    parts = []
    for done, block in enumerate(blocks(cube), start=1):
        read = read_inputs(cube, block, Intake(preprocess, axis))
        parts.append((read.pixel, read.quality, read.pixel[read.usable], read.inputs))
        tell("read", done, total)
    pixel, quality, usable, inputs = (np.concatenate(part) for part in zip(*parts, strict=True))
    whole, order = np.argsort(pixel), np.argsort(usable)
    return _Pixels(pixel[whole], quality[whole], usable[order], inputs[order])


def _cluster(
    inputs: np.ndarray,
    rows: np.ndarray,
    embedding: Embedding,
    method: str,
    clusters: Clusters,
    seed: int,
) -> _Found:
    """Place the pixels that were not fitted, and cluster."""
    work = mixtures if method == "gmm" else k_means_clusters
    others = np.delete(np.arange(len(inputs)), rows)
    points = np.full((len(inputs), embedding.points.shape[1]), np.nan, dtype=np.float32)
    points[rows] = embedding.points
    placed = "all were fitted" if len(others) == 0 else "by the map of the method"
    start = time.perf_counter()
    if len(others) and embedding.transform is not None:
        points[others] = embedding.transform(inputs[others])
    between = time.perf_counter()
    if len(others) and embedding.transform is None:
        placed = "label of the nearest fitted input"
        clustering = work(embedding.points, clusters, seed=seed)
        search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(inputs[rows])
        labels = np.empty(len(inputs), dtype=np.int64)
        labels[rows] = clustering.labels
        nearest = search.kneighbors(inputs[others], return_distance=False)[:, 0]
        labels[others] = clustering.labels[nearest]
        numbered = by_size(labels, clustering.centers)  # of all pixels
        clustering = NumberedClusters(*numbered, clustering.curves)
    else:
        clustering = work(points, clusters, seed=seed)
    end = time.perf_counter()
    seconds = {"fit": embedding.seconds, "transform": between - start, "cluster": end - between}
    return _Found(clustering, points, placed, len(rows), seconds)


def _image(
    values: np.ndarray, pixels: _Pixels, cube: xr.DataArray, fill: float = np.nan
) -> np.ndarray:
    """Return the values (m, ...) of the usable pixels as a map (y, x, ...)."""
    return to_map(values, pixels.usable, cube, fill=fill, dims=("d",) * (values.ndim - 1)).values


def _values(
    cube: xr.DataArray,
    preprocess: Preprocess,
    pixels: _Pixels,
    found: _Found,
    tell: BlockProgress,
) -> dict[str, np.ndarray]:
    """Return the variables of the result by name."""
    labels, centers, curves = found.clustering
    k = len(centers)
    size = np.bincount(labels, minlength=k)
    sums, squares = _sums(cube, preprocess, spectral_axis(cube), pixels, labels, k, tell)
    masked = QUALITY["masked"]
    return {
        "label": _image((labels + 1).astype(np.int32), pixels, cube, fill=0),
        "quality": to_map(pixels.quality, pixels.pixel, cube, fill=masked).values,
        **mean_spectra(size, sums, squares, _sum_by_label(pixels.inputs, labels, k)),
        "center": centers,
        "size": size,
        "integrated_input": _image(integrate(pixels.inputs), pixels, cube),
        "integrated_latent": _image(integrate(found.points), pixels, cube),
        **curves_of(curves),
    }


def _sums(
    cube: xr.DataArray,
    preprocess: Preprocess,
    axis: Axis,
    pixels: _Pixels,
    labels: np.ndarray,
    k: int,
    tell: BlockProgress,
) -> tuple[np.ndarray, np.ndarray]:
    """Go through the cube again: sums (k, channel) of measured spectra and of their squares."""
    label_of = np.full(cube.sizes["y"] * cube.sizes["x"], -1)
    label_of[pixels.usable] = labels
    sums, squares = np.zeros((2, k, cube.sizes["channel"]))
    total = sum(1 for _ in blocks(cube))
    for done, block in enumerate(blocks(cube), start=1):
        read = read_inputs(cube, block, Intake(preprocess, axis))
        values, mine = read.values.astype(np.float64), label_of[read.pixel[read.usable]]
        sums += _sum_by_label(values, mine, k)
        squares += _sum_by_label(np.square(values), mine, k)
        tell("describe", done, total)
    return sums, squares


def _sum_by_label(values: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Return the sums (k, channel), float64, of rows by label."""
    return np.stack([values[labels == each].sum(axis=0, dtype=np.float64) for each in range(k)])


def _attributes(
    cube: xr.DataArray,
    pixels: _Pixels,
    found: _Found,
    asked: dict[str, Any],
    settings: dict[str, Any],
) -> dict[str, str | int | float]:
    """Return strings and numbers only."""
    package = "umap-learn" if asked["method"] == "umap" else "scikit-learn"
    own = {
        "method": asked["method"],
        "n_clusters": len(found.clustering.centers),
        "fitted_pixels": found.fitted,
        "placed": found.placed,
        **{f"seconds_{name}": value for name, value in found.seconds.items()},
    }
    record = {package: version(package)} | asked | {"settings": settings}
    return attributes_of(cube, pixels.quality, own, record)
