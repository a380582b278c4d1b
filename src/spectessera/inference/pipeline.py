"""Segment a cube: encode, cluster and label every pixel, and describe every cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from spectessera._util.check import check_choice, check_number
from spectessera._util.threads import release_memory
from spectessera.cube import Block, blocks, check_cube, in_image
from spectessera.io import ResultStore, open_result, result_store
from spectessera.kmeans import STABLE_FROM, Clusters
from spectessera.kmeans.points import Clustering, agreement_of_seeds, exact_silhouettes
from spectessera.preprocess.intake import saturation_of
from spectessera.result import assemble, attributes_of, curves_of, kept_by, mean_spectra
from spectessera.segmenter.estimator import SpectralSegmenter

from .blockwork import Shared, Task, over_blocks
from .confidence import normal_draws
from .job import BlockProgress, Job, Maps, silent
from .noise import (
    Sample,
    SeparationOverNoise,
    any_pixels,
    inside,
    measure_again,
    mixture_of,
    pixels_of_clusters,
    separation_in,
    sizes_of,
)
from .passes import (
    Decoded,
    Judge,
    Kept,
    Means,
    Reader,
    add_means,
    describe_block,
    encode_block,
    judge_block,
)
from .pixelstore import MEMORY, Pixels, is_usable

KEEP = kept_by("segment")


def segment(
    cube: xr.DataArray,
    segmenter: SpectralSegmenter,
    clusters: str | int = "cube",
    *,
    seed: int = 0,
    keep: Sequence[str] = (),
    means: bool = True,
    store: str | Path | None = None,
    memory: int = MEMORY,
    progress: BlockProgress | None = None,
) -> xr.Dataset:
    """Segment a cube with a trained segmenter.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        In memory or chunked; of a chunked cube, for each thread one block at a time is loaded,
        or, where a ``distributed.Client`` is active, on each thread of its workers.
    segmenter : SpectralSegmenter
        A cube on another axis than that of its training is resampled by energy or wavelength for
        the network; mean spectra are told on the cube's own axis.
    clusters : "cube", "trained" or int
        "cube": cluster this cube's own latents, with the best k, numbered by size. "trained": the
        centers of the training with their numbers, empty ones included, so that labels agree
        across cubes. A number: cluster the cube into so many.
    seed : int
        Of the clustering and of the noise draws.
    keep : sequence of "latent", "decoded", "silhouette"
        Also return ``latent_cube (y, x, latent)``, ``decoded_cube (y, x, input_channel)``, or
        ``silhouette (y, x)``: the exact silhouette of every pixel, whose time grows with the
        square of their number.
    means : bool
        False: read the cube once and leave out what needs a second reading, the spectra
        ``mean_spectrum``, ``std_spectrum``, ``input_mean`` and ``reconstructed_mean``.
    store : str or Path, optional
        A ``.zarr`` folder to write the maps to block by block, so that no map is in memory as a
        whole; the answer is then read from there as it is asked for.
    memory : int
        Bytes of latents that stay in memory, by default 64 MiB; more go into a temporary file.
    progress : callable, optional
        Called with the name of the step, the blocks done and the blocks in all.

    Returns
    -------
    Dataset
        ``label (y, x)``: 0 masked or unusable, 1..K clusters; ``confidence (y, x)``: the
        probability that a new measurement of that pixel gets the same label; ``novelty (y, x)``:
        how unlike the training spectra it is, above 0.95 for one in twenty of those
        (:mod:`spectessera.segmenter.novelty`); ``quality (y, x)`` bits; ``mean_spectrum`` and
        ``std_spectrum (cluster, channel)`` in the cube's axis and unit; ``input_mean`` (eq. 9 of
        the paper), ``reconstructed_mean`` (eq. 8) and ``decoded_mean`` (eq. 10)
        ``(cluster, input_channel)`` in network-input units;
        ``center (cluster, latent)``, ``size (cluster)``; ``score (k)`` and ``score_error (k)``,
        the silhouettes, exact or estimated, as the attribute ``silhouette`` says; ``stability``,
        ``stability_error`` and ``agreement (k)``, see
        :class:`spectessera.result.KCurves`; where stability chooses and the noise is known,
        ``excess (k)``, see :class:`spectessera.inference.noise.SeparationOverNoise`, NaN where it
        was not computed; ``integrated_input``, ``integrated_decoded`` and
        ``integrated_latent (y, x)``. Attributes are strings and numbers, among them
        ``seed_agreement``: how alike the clusters of other seeds are (adjusted Rand index).

    Raises
    ------
    ValueError
        If the axis is of another kind than that of the training or covers too little of it, or
        too few spectra are usable.
    OSError
        If the store cannot be written, or a scheduler is lost.
    MemoryError
        If a block was the death of one worker of a cluster after the other.
    """
    _check_arguments(clusters, seed, keep, memory, store)
    cube = check_cube(cube)
    reader = reader_of(cube, segmenter)
    job = Job(cube, segmenter, clusters, seed, tuple(keep), means, progress or silent)
    if store is None:
        return _segment(job, reader, memory, None)
    first = next(blocks(cube))
    tile = first.y.stop - first.y.start, first.x.stop - first.x.start
    with result_store(store, job.shape, tile) as zarr:
        _segment(job, reader, memory, zarr)
    return open_result(store)


def reader_of(cube: xr.DataArray, segmenter: SpectralSegmenter) -> Reader:
    """Return what all blocks of a cube are worked on with."""
    return Reader(segmenter.codec, segmenter.reference, segmenter.intake(cube), saturation_of(cube))


def _segment(job: Job, reader: Reader, memory: int, zarr: ResultStore | None) -> xr.Dataset:
    """Segment a cube; what goes into a store is not in the answer."""
    maps, shared = Maps(job, zarr), Shared(reader)
    pixels, kept = _encode(job, shared, memory, maps)
    job.tell("cluster", 0, 1)
    found = _cluster(pixels, job, separation_in(job, reader.intake, kept))
    release_memory()
    job.tell("cluster", 1, 1)
    labels = pixels.label_map(found.labels)
    sums: Means | None = None
    if job.means:
        sums, kept = _describe(job, shared, pixels, labels, len(found.centers), maps)
    sample = measure_again(job, reader.intake, kept, labels)
    _judge(job, pixels, labels, found, sample, maps)
    if "silhouette" in job.keep:
        _silhouettes(job, pixels, labels, found, maps)
    result = _assemble(job, pixels, found, labels, sums, sample)
    if job.clusters != "trained":
        settings, device = job.segmenter.config("clusters"), job.segmenter.device
        result.attrs["seed_agreement"] = agreement_of_seeds(
            pixels, found, settings, seed=job.seed, device=device
        )
    return maps.joined(result)


def _check_arguments(
    clusters: str | int, seed: int, keep: Sequence[str], memory: int, store: str | Path | None
) -> None:
    if isinstance(clusters, str):
        check_choice("clusters", clusters, ("cube", "trained"))
    else:
        check_number("clusters", clusters, low=2, high=1000, integer=True)
    check_number("seed", seed, low=0, high=2**63 - 1, integer=True)
    check_number("memory", memory, low=0, integer=True)
    if isinstance(keep, str):
        raise TypeError(f"keep is a list, such as [{keep!r}]; got the string {keep!r}")
    for name in keep:
        check_choice("keep", name, KEEP)
    if store is not None and Path(store).suffix != ".zarr":
        raise ValueError(f"store is a .zarr folder; got {Path(store).name!r}")


# --- the first pass ----------------------------------------------------------------------------


def _encode(
    job: Job, shared: Shared, memory: int, maps: Maps
) -> tuple[Pixels, list[tuple[np.ndarray, Kept]]]:
    """Go through the cube once: quality, latents, and, if there is no second pass, the decoder."""
    size = job.segmenter.cluster_centers_.shape[1]
    pixels = Pixels(job.shape, size, memory)
    chosen = any_pixels(job) if job.minds_noise or not job.means else None
    for name in ("integrated_input", "integrated_latent"):
        maps.add(name)
    if not job.means:
        _add_decoded(job, maps)
    if "latent" in job.keep:
        maps.add("latent_cube", size)
    maps.add("quality")
    whole = "decoded" in job.keep and not job.means

    def tasks() -> Iterator[Task]:
        for block in blocks(job.cube):
            wanted = None if chosen is None else inside(chosen, block, job.shape[1])
            yield Task(block, (wanted, not job.means, whole))

    kept = []
    for task, found in job.told("encode", over_blocks(encode_block, shared, job.cube, tasks())):
        block, usable = task.block, is_usable(found.quality)
        height, width = (side.stop - side.start for side in (block.y, block.x))
        pixels.quality[block.y, block.x] = found.quality.reshape(height, width)
        pixels.latents.put(block, usable, found.latent)
        maps.put_whole("quality", block, found.quality)
        maps.put("integrated_input", block, usable, found.input_sum)
        maps.put("integrated_latent", block, usable, found.latent_sum)
        if "latent" in job.keep:
            maps.put("latent_cube", block, usable, found.latent)
        if found.decoded is not None:
            _put_decoded(block, usable, found.decoded, maps)
        if found.kept is not None:
            kept.append((in_image(job.cube, block, found.kept.pixel), found.kept))
    return pixels, kept


def _add_decoded(job: Job, maps: Maps) -> None:
    """Make room for what the decoder tells."""
    for name in ("integrated_decoded", "novelty"):
        maps.add(name)
    if "decoded" in job.keep:
        maps.add("decoded_cube", len(job.segmenter.input_axis_))


def _put_decoded(block: Block, usable: np.ndarray, decoded: Decoded, maps: Maps) -> None:
    """Put what the decoder tells of a block."""
    maps.put("integrated_decoded", block, usable, decoded.sum)
    maps.put("novelty", block, usable, decoded.novelty)
    if decoded.spectra is not None:
        maps.put("decoded_cube", block, usable, decoded.spectra)


# --- clusters ----------------------------------------------------------------------------------


def _cluster(pixels: Pixels, job: Job, split_check: SeparationOverNoise | None) -> Clustering:
    """Label the usable pixels; labels count from 0."""
    segmenter, clusters = job.segmenter, job.clusters
    if clusters == "trained":
        rule, centers = segmenter.rule_, segmenter.cluster_centers_
        parts = [rule.label(part, segmenter.device).astype(np.int16) for part in pixels.parts()]
        return Clustering(np.concatenate(parts), centers, segmenter.choices_, rule)
    settings: Clusters = segmenter.config("clusters")
    if not isinstance(clusters, str):
        settings = replace(settings, k_min=int(clusters), k_max=int(clusters))
    if len(pixels) <= settings.k_min:
        raise ValueError(
            f"the cube has {len(pixels)} usable spectra of {job.shape[0] * job.shape[1]}; "
            f"at least {settings.k_min + 1} are needed for {settings.k_min} clusters"
        )
    return segmenter.cluster(pixels, settings, seed=job.seed, split_check=split_check)


def _silhouettes(
    job: Job, pixels: Pixels, labels: np.ndarray, found: Clustering, maps: Maps
) -> None:
    """Put the exact silhouette of every pixel."""
    moved = np.concatenate([found.rule.move(part) for part in pixels.parts()])
    told = exact_silhouettes(
        moved,
        found.labels,
        device=job.segmenter.device,
        progress=lambda done, total: job.tell("silhouette", done, total),
    )
    flat = np.full(len(labels), np.nan, np.float32)
    flat[labels > 0] = told
    image = flat.reshape(job.shape)
    maps.add("silhouette")
    for block in blocks(job.cube):
        maps.put_whole("silhouette", block, image[block.y, block.x])


# --- the second pass ---------------------------------------------------------------------------


def _describe(
    job: Job, shared: Shared, pixels: Pixels, labels: np.ndarray, k: int, maps: Maps
) -> tuple[Means | None, list[tuple[np.ndarray, Kept]]]:
    """Go through the cube again: sums per cluster, and the pixels to measure again."""
    _add_decoded(job, maps)
    chosen = pixels_of_clusters(labels, k, job.seed)
    image = labels.reshape(job.shape)
    whole = "decoded" in job.keep

    def tasks() -> Iterator[Task]:
        for block in blocks(job.cube):
            latent = pixels.latents.take(block, pixels.usable(block))
            wanted = inside(chosen, block, job.shape[1])
            mine = image[block.y, block.x].ravel()
            yield Task(block, (latent, mine, wanted, whole, k))

    sums, kept = None, []
    answers = over_blocks(describe_block, shared, job.cube, tasks())
    for task, found in job.told("describe", answers):
        usable = pixels.usable(task.block)
        _put_decoded(task.block, usable, found, maps)
        kept.append((in_image(job.cube, task.block, found.kept.pixel), found.kept))
        sums = add_means(sums, found.means)
    return sums, kept


# --- confidence --------------------------------------------------------------------------------


def _judge(
    job: Job,
    pixels: Pixels,
    labels: np.ndarray,
    found: Clustering,
    sample: Sample,
    maps: Maps,
) -> None:
    """Put labels, and the probability of the same label for every usable pixel."""
    maps.add("label")
    maps.add("confidence")
    generator = np.random.default_rng([job.seed, 3])
    draws = normal_draws(found.rule.centers.shape[1], generator)
    judge = Judge(found.rule, mixture_of(pixels, found, sample), draws)
    image = labels.reshape(job.shape)

    def tasks() -> Iterator[Task]:
        for block in blocks(job.cube):
            usable = pixels.usable(block)
            mine = image[block.y, block.x].ravel()[usable].astype(np.int64) - 1
            yield Task(block, (pixels.latents.take(block, usable), mine))

    for task, sure in job.told(
        "confidence", over_blocks(judge_block, Shared(judge), None, tasks())
    ):
        block = task.block
        maps.put_whole("label", block, image[block.y, block.x].astype(np.int32))
        maps.put("confidence", block, pixels.usable(block), sure)


# --- the result --------------------------------------------------------------------------------


def _assemble(
    job: Job,
    pixels: Pixels,
    found: Clustering,
    labels: np.ndarray,
    sums: Means | None,
    sample: Sample,
) -> xr.Dataset:
    """Put everything but the maps into a Dataset."""
    segmenter, size = job.segmenter, sizes_of(labels, len(found.centers))
    values = {
        "decoded_mean": segmenter.codec.decode(found.centers),
        "center": found.centers,
        "size": size,
        **curves_of(found.curves, found.excess),
    }
    if sums is not None:
        values |= mean_spectra(size, *sums)
    attributes = _attributes(job, pixels, found, sample)
    return assemble(job.cube, values, found.curves.k, segmenter.input_axis_, attributes)


def _attributes(
    job: Job, pixels: Pixels, found: Clustering, sample: Sample
) -> dict[str, str | int | float]:
    """Return strings and numbers only."""
    settings: Clusters = job.segmenter.config("clusters")
    own: dict[str, str | int | float] = {
        "n_clusters": len(found.centers),
        "metric": found.rule.metric,
        "criterion": settings.criterion,
        "stable_from": STABLE_FROM,
        "silhouette": "exact" if not found.curves.error.any() else "estimate",
        "clustered_pixels": min(len(found.labels), settings.max_points),
        "confidence_noise": sample.noise,
    }
    record = {
        "clusters": job.clusters,
        "seed": job.seed,
        "settings": job.segmenter.settings(),
    }
    return attributes_of(job.cube, pixels.quality, own, record)
