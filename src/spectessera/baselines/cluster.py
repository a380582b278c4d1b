"""The methods that the paper compares with: another embedding, everything else the same.

Each turns network inputs (n, channel) into points (n, d), as the autoencoder does in
:class:`SpectralSegmenter`. The same code reads, screens and preprocesses a cube, chooses k and
numbers the clusters: only the embedding differs, or, of the Gaussian mixture, the clustering.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from sklearn.neighbors import NearestNeighbors

from spectessera._util.check import check_choice, check_number
from spectessera._util.text import counted
from spectessera.channels import bad_channels, bad_windows
from spectessera.cube import check_cube, integrate, spectral_axis
from spectessera.inference.corridor import BlockProgress, Corridor
from spectessera.inference.passes import BlockContext, ClusterSums, SampledPixels
from spectessera.inference.pixelstore import MEMORY, Pixels
from spectessera.inference.resultmaps import ResultMaps, check_store, make_result
from spectessera.kmeans import Clusters
from spectessera.kmeans.points import by_size
from spectessera.preprocess.intake import intake_of
from spectessera.preprocess.recipe import Preprocess
from spectessera.preprocess.spikes import despiked
from spectessera.preprocess.steps import why_unusable
from spectessera.preprocess.training_spectra import draw_rows
from spectessera.result import assemble, attributes_of, curves_of, kept_by, mean_spectra
from spectessera.settings import to_dict
from spectessera.variance import with_usable_variance

from .embeddings import METHODS, Embedding, embed
from .encoders import InputsAsLatents, default_for, drawn_for_evidence, held_out_by
from .mixture import NumberedClusters, k_means_clusters, mixtures

__all__ = ["METHODS", "Embedding", "cluster_cube", "embed", "linear"]

# Methods that are too slow for all pixels of a cube are fitted to a sample of this size.
FIT_PIXELS = {"umap": 10_000, "tsne": 5_000}
KEEP = kept_by("baselines")
# Pixels that are placed together, by methods that place each pixel independently.
_PLACED_TOGETHER = 16_384


class _Request(NamedTuple):
    """The arguments of :func:`cluster_cube`, checked."""

    method: str
    preprocess: Preprocess
    clusters: Clusters
    dimensions: int
    fit_pixels: int | None
    seed: int
    keep: tuple[str, ...]


class _Outcome(NamedTuple):
    """Clusters and points of the m usable pixels."""

    clusters: NumberedClusters  # labels (m,) of all of them
    points: np.ndarray  # (m, d), NaN for pixels without one
    placed: str  # how the other pixels were placed
    fitted: int
    seconds: dict[str, float]
    evidence: dict[str, str | float]  # attributes of what judged the clusters


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
    store: str | Path | None = None,
    memory: int = MEMORY,
    progress: BlockProgress | None = None,
) -> xr.Dataset:
    """Segment a cube with a baseline: embed its spectra, then cluster them as in `segment`.

    The cube is read block by block as in :func:`spectessera.segment`, on the workers of a
    ``distributed.Client`` if one is active. The inputs to which the method is fitted are in memory
    together, and so are the points of all pixels. (NMF and UMAP also need the inputs of all other
    pixels together.) A method that is fitted to a sample then places the other pixels by its own
    map, and all pixels are clustered. t-SNE has no such map: only its sample is clustered, and
    every other pixel gets the label of the sampled pixel with the nearest input. The attribute
    ``placed`` says which.

    Evidence judges the clusters of every method that can place new spectra; of t-SNE stability
    chooses k. "gmm" clusters principal components by Gaussian mixtures with full covariances, one
    for every k, each started at the clusters of k-means. The k whose labels have the best
    silhouette is chosen. A component can end without pixels.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        In memory or chunked; of a chunked cube each thread loads one block at a time.
    method : str
        One of ``METHODS``, see :func:`embed`.
    preprocess : Preprocess, optional
    clusters : Clusters, optional
        The range of k, and what chooses it; ``Clusters(4, 4)`` gives four clusters.
    dimensions : int
        Of the points.
    fit_pixels : int, optional
        Fit the method to a random sample of that many pixels; by default to 10,000 for UMAP, 5,000
        for t-SNE, and all pixels for the other methods.
    seed : int
        Of the sample, the embedding and the clustering: the same seed gives the same labels.
    keep : sequence of "latent"
        Also return the points, ``latent_cube (y, x, latent)``.
    store : str or Path, optional
        A ``.zarr`` folder to write the maps to; they are then read from there when they are used.
    memory : int
        Bytes of network inputs that stay in memory beside those of the fit, by default 64 MiB; the
        inputs of larger cubes are kept in a temporary file.
    progress : callable, optional
        Called with the name of the step, the number of parts that are done, and that of all.

    Returns
    -------
    Dataset
        With the names of :func:`spectessera.segment`: ``label (y, x)``, 0 masked or unusable, 1..K
        numbered by size; ``quality (y, x)``; ``mean_spectrum`` and
        ``std_spectrum (cluster, channel)``; ``input_mean (cluster, input_channel)``;
        ``center (cluster, latent)``, ``size (cluster)``; ``score (k)`` and ``score_error (k)``,
        and where evidence chose k, ``gain (k)`` and ``gain_error (k)``; ``integrated_input`` and
        ``integrated_latent (y, x)``. The attributes name the method, what chose k, the number of
        pixels that the method was fitted to, and ``seconds_fit``, ``seconds_transform``,
        ``seconds_cluster``.

    Raises
    ------
    ValueError, TypeError
        As :func:`embed`, or if too few spectra are usable.
    ImportError
        If UMAP is not installed and the method is "umap".

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> counts = np.random.default_rng(0).poisson(5, (8, 9, 40))
    >>> counts[:, :4, 10] += 60
    >>> cube = spt.make_cube(counts, energy=(1.0, 20.0))
    >>> result = spt.baselines.cluster_cube(cube, "pca", clusters=spt.Clusters(2, 2))
    >>> result.attrs["n_clusters"]
    2
    """
    _check_arguments(method, fit_pixels, seed, keep, store, memory)
    cube = with_usable_variance(check_cube(cube), compute=True)
    bad = bad_windows(spectral_axis(cube), bad_channels(cube))
    request = _Request(
        method, (preprocess or default_for(cube)).without(bad), clusters or Clusters(), dimensions,
        fit_pixels, seed, tuple(keep),
    )  # fmt: skip
    cube = despiked(cube, request.preprocess)
    intake = intake_of(cube, request.preprocess, spectral_axis(cube))

    def make(maps: ResultMaps) -> xr.Dataset:
        context = BlockContext(intake, InputsAsLatents())
        return _cluster_cube(request, Corridor(cube, context, maps, progress=progress), memory)

    return make_result(cube, store, make)


def linear(
    cube: xr.DataArray,
    clusters: Clusters | None = None,
    *,
    dimensions: int = 10,
    fit_pixels: int | None = None,
    seed: int = 0,
    keep: Sequence[str] = (),
    store: str | Path | None = None,
    memory: int = MEMORY,
    progress: BlockProgress | None = None,
) -> xr.Dataset:
    """Segment a cube without training, by the linear method, which needs no settings.

    Square root, division by the root sum of squares, whitened principal components, projected to
    the unit sphere, then k-means. For counts this is the best of the baselines, and the one that a
    network has to improve on. (For spectra with little noise, such as reflectance, whitening can
    make the clusters worse.)

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    clusters : Clusters, optional
    dimensions : int
        Of the principal components.
    fit_pixels : int, optional
        Fit the components to a random sample of that many pixels; by default to all pixels, whose
        inputs are then in memory together.
    seed : int
    keep : sequence of "latent"
    store : str or Path, optional
    memory : int
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

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> counts = np.random.default_rng(0).poisson(5, (8, 9, 40))
    >>> counts[:, :4, 10] += 60
    >>> cube = spt.make_cube(counts, energy=(1.0, 20.0))
    >>> spt.baselines.linear(cube, spt.Clusters(2, 3), dimensions=3)["label"].dims
    ('y', 'x')
    """
    return cluster_cube(
        cube, "linear", clusters=clusters, dimensions=dimensions, fit_pixels=fit_pixels, seed=seed,
        keep=keep, store=store, memory=memory, progress=progress,
    )  # fmt: skip


def _check_arguments(
    method: str,
    fit_pixels: int | None,
    seed: int,
    keep: Sequence[str],
    store: str | Path | None,
    memory: int,
) -> None:
    check_choice("method", method, METHODS)
    check_number("seed", seed, low=0, high=2**63 - 1, integer=True)
    check_number("memory", memory, low=0, integer=True)
    if fit_pixels is not None:
        check_number("fit_pixels", fit_pixels, low=3, integer=True)
    if isinstance(keep, str):
        raise TypeError(f"keep is a list, such as [{keep!r}]; got the string {keep!r}")
    for name in keep:
        check_choice("keep", name, KEEP)
    check_store(store)


def _cluster_cube(request: _Request, corridor: Corridor, memory: int) -> xr.Dataset:
    """Segment a cube; if the maps are in a store, the returned result is without them."""
    channels = len(request.preprocess.input_axis(spectral_axis(corridor.cube)))
    wanted = drawn_for_evidence(corridor.cube, request.method, request.clusters, request.seed)
    pixels, sample = corridor.encode(channels, memory=memory, wanted=wanted, step="read")
    total, k_min = len(pixels), request.clusters.k_min
    fitted = request.fit_pixels or FIT_PIXELS.get(request.method, total)
    rows = draw_rows(total, fitted, request.seed)
    if len(rows) <= max(2, k_min):
        raise ValueError(
            f"{counted(len(rows), 'usable spectrum', 'usable spectra')} of "
            f"{counted(pixels.quality.size, 'pixel')}: too few; at least "
            f"{max(3, k_min + 1)} are needed for {k_min} clusters{why_unusable(pixels.quality)}"
        )
    outcome = _embed_and_cluster(request, pixels, rows, corridor, sample)
    labels = pixels.label_map(outcome.clusters.labels)
    sums = corridor.describe(pixels, labels, len(outcome.clusters.centers)).sums
    _put_maps(request, pixels, labels, outcome.points, corridor.maps)
    return corridor.maps.join(_assemble(request, corridor.cube, pixels, outcome, sums))


def _embed_and_cluster(
    request: _Request,
    pixels: Pixels,
    rows: np.ndarray,
    corridor: Corridor,
    sample: SampledPixels | None,
) -> _Outcome:
    """Fit the method to some of the usable pixels, place the others, and cluster."""
    method, seed, total = request.method, request.seed, len(pixels)
    inputs = pixels.take(rows)
    embedding = embed(inputs, method, dimensions=request.dimensions, seed=seed)
    corridor.report("embed", 1, 1)
    others = np.delete(np.arange(total), rows)
    points = np.full((total, embedding.points.shape[1]), np.nan, dtype=np.float32)
    points[rows] = embedding.points
    placed = "all were fitted" if len(others) == 0 else "by the map of the method"
    start = time.perf_counter()
    if embedding.transform is not None:
        for part in _parts(others, _PLACED_TOGETHER if embedding.by_row else total):
            points[part] = embedding.transform(pixels.take(part))
    between = time.perf_counter()
    judge = held_out_by(embedding, method, corridor.cube, corridor.context, sample, seed=seed)
    evidence = judge.evidence
    alone = len(others) > 0 and embedding.transform is None
    known = embedding.points if alone else points
    if method == "gmm":
        clusters = mixtures(known, request.clusters, seed=seed)
    else:
        clusters = k_means_clusters(known, request.clusters, seed=seed, evidence=evidence)
    if alone:
        placed = "label of the nearest fitted input"
        clusters = _spread(clusters, inputs, rows, pixels)
    end = time.perf_counter()
    corridor.report("cluster", 1, 1)
    seconds = {"fit": embedding.seconds, "transform": between - start, "cluster": end - between}
    said: dict[str, str | float] = {}
    if evidence is not None:
        said = {"structure": evidence.structure, "judged_by": evidence.judged_by}
    return _Outcome(clusters, points, placed, len(rows), seconds, said)


def _parts(ranks: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield ``size`` ranks at a time."""
    for first in range(0, len(ranks), size):
        yield ranks[first : first + size]


def _spread(
    clusters: NumberedClusters, inputs: np.ndarray, rows: np.ndarray, pixels: Pixels
) -> NumberedClusters:
    """Label all usable pixels by the nearest of the fitted inputs (n, channel) at ``rows (n,)``."""
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(inputs)
    labels = np.empty(len(pixels), dtype=np.int64)
    labels[rows] = clusters.labels
    for part in _parts(np.delete(np.arange(len(pixels)), rows), _PLACED_TOGETHER):
        nearest = search.kneighbors(pixels.take(part), return_distance=False)[:, 0]
        labels[part] = clusters.labels[nearest]
    labels, centers = by_size(labels, clusters.centers)
    return clusters._replace(labels=labels, centers=centers)


# --- the result --------------------------------------------------------------------------------


def _put_maps(
    request: _Request, pixels: Pixels, labels: np.ndarray, points: np.ndarray, maps: ResultMaps
) -> None:
    """Make the maps of labels and of points (m, d) of the usable pixels."""
    maps.add("label")
    maps.put_image("label", labels.reshape(pixels.quality.shape))
    maps.add("integrated_latent")
    maps.put_image("integrated_latent", pixels.image(integrate(points)))
    if "latent" in request.keep:
        maps.add("latent_cube", points.shape[1])
        maps.put_image("latent_cube", pixels.image(points))


def _assemble(
    request: _Request, cube: xr.DataArray, pixels: Pixels, outcome: _Outcome, sums: ClusterSums
) -> xr.Dataset:
    """Put everything but the maps into a Dataset."""
    labels, centers, curves, _, gains = outcome.clusters
    size = np.bincount(labels, minlength=len(centers))
    values = {
        **mean_spectra(size, *sums),
        "center": centers,
        "size": size,
        **curves_of(curves, gains=gains),
    }
    input_axis = request.preprocess.input_axis(spectral_axis(cube))
    return assemble(cube, values, curves.k, input_axis, _attributes(request, cube, pixels, outcome))


def _attributes(
    request: _Request, cube: xr.DataArray, pixels: Pixels, outcome: _Outcome
) -> dict[str, str | int | float]:
    """Return strings and numbers only."""
    package = "umap-learn" if request.method == "umap" else "scikit-learn"
    own: dict[str, str | int | float] = {
        "method": request.method,
        "n_clusters": len(outcome.clusters.centers),
        "criterion": outcome.clusters.criterion,
        "fitted_pixels": outcome.fitted,
        "placed": outcome.placed,
        **{f"seconds_{name}": value for name, value in outcome.seconds.items()},
    }
    own |= outcome.evidence
    record = {
        package: version(package),
        "method": request.method,
        "dimensions": request.dimensions,
        "fit_pixels": request.fit_pixels,
        "seed": request.seed,
        "settings": {
            "preprocess": to_dict(request.preprocess),
            "clusters": to_dict(request.clusters),
        },
    }
    return attributes_of(cube, pixels.quality, own, record)
