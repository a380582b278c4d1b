"""Segment a cube: encode, cluster and label every pixel, and describe every cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from . import __version__
from ._check import check_choice, check_number
from .clustering import Choices, Clustering
from .confidence import (
    NOISE_PIXELS,
    REDRAWS,
    describe,
    draw_again,
    noise_covariance,
    same_label_probability,
)
from .cube import blocks, check_cube, integrate, noise_of, spectral_axis, to_map
from .kmeans import STABLE, Clusters
from .novelty import latent_distance, novelty_of, reconstruction_error
from .reading import Intake, read_inputs
from .resultparts import origin_and_quality, quality_map, with_axes
from .segmenter import SpectralSegmenter

KEEP = ("latent", "decoded")
BlockProgress = Callable[[str, int, int], None]


class _Pixels(NamedTuple):
    """What the first pass gathers: all pixels that are not masked, in the order of the image."""

    pixel: np.ndarray  # (n,) of all unmasked pixels
    quality: np.ndarray  # (n,)
    usable: np.ndarray  # (m,) flattened position of every usable pixel
    latent: np.ndarray  # (m, latent)
    input_sum: np.ndarray  # (m,)


class _Means(NamedTuple):
    """What the second pass gathers, per cluster; float64."""

    measured: np.ndarray  # (k, channel)
    deviation: np.ndarray  # (k, channel)
    inputs: np.ndarray  # (k, input channel)
    reconstructed: np.ndarray  # (k, input channel)
    decoded_sum: np.ndarray  # (m,) of every usable pixel, over channels
    error: np.ndarray  # (m,) of its reconstruction


class _Sample(NamedTuple):
    """Pixels that are measured again to learn the noise."""

    row: np.ndarray  # (s,) positions among the usable pixels
    latents: np.ndarray  # (s, redraws, latent)
    noise: str


def segment(
    cube: xr.DataArray,
    segmenter: SpectralSegmenter,
    clusters: str | int = "cube",
    *,
    seed: int = 0,
    keep: Sequence[str] = (),
    progress: BlockProgress | None = None,
) -> xr.Dataset:
    """Segment a cube with a trained segmenter.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        In memory or chunked; of a chunked cube one block at a time is loaded.
    segmenter : SpectralSegmenter
        A cube on another axis than that of its training is resampled by energy or wavelength for
        the network; mean spectra are told on the cube's own axis.
    clusters : "cube", "trained" or int
        "cube": cluster this cube's own latents, with the k of the best silhouette, numbered by
        size. "trained": the centers of the training with their numbers, empty ones included, so
        that labels agree across cubes. A number: cluster the cube into so many.
    seed : int
        Of the clustering and of the noise draws.
    keep : sequence of "latent", "decoded"
        Also return ``latent_cube (y, x, latent)``, ``decoded_cube (y, x, input_channel)``.
    progress : callable, optional
        Called with the name of the step, the blocks done and the blocks in all.

    Returns
    -------
    Dataset
        ``label (y, x)``: 0 masked or unusable, 1..K clusters; ``confidence (y, x)``: the
        probability that a new measurement of that pixel gets the same label; ``novelty (y, x)``:
        how unlike the training spectra it is, above 0.95 for one in twenty of those
        (:mod:`spectessera.novelty`); ``quality (y, x)`` bits; ``mean_spectrum`` and
        ``std_spectrum (cluster, channel)`` in the cube's axis and unit; ``input_mean`` (eq. 9 of
        the paper), ``reconstructed_mean`` (eq. 8) and ``decoded_mean`` (eq. 10)
        ``(cluster, input_channel)`` in network-input units;
        ``center (cluster, latent)``, ``size (cluster)``; ``score (k)`` and ``score_error (k)``,
        the silhouettes; ``stability``, ``stability_error`` and ``agreement (k)``, see
        :class:`spectessera.clustering.Choices`; ``integrated_input``, ``integrated_decoded`` and
        ``integrated_latent (y, x)``. Attributes are strings and numbers, among them
        ``seed_agreement``: how alike the clusters of other seeds are (adjusted Rand index).

    Raises
    ------
    ValueError
        If the axis is of another kind than that of the training or covers too little of it, or
        too few spectra are usable.
    """
    _check_arguments(clusters, seed, keep)
    cube = check_cube(cube)
    intake = segmenter.intake(cube)
    tell = progress or _silent
    pixels = _encode(cube, segmenter, tell)
    found = _cluster(pixels.latent, segmenter, clusters, seed, cube)
    means, sample = _describe(cube, segmenter, intake, pixels, found, seed, tell)
    confidence = _confidence(pixels, found, sample, seed)
    result = _assemble(
        cube, segmenter, pixels, found, means, confidence, sample, clusters, seed, keep
    )
    if clusters != "trained":
        result.attrs["seed_agreement"] = segmenter.seed_agreement(pixels.latent, found, seed=seed)
    return result


def _silent(_step: str, _done: int, _total: int) -> None:
    """Tell nobody."""


def _check_arguments(clusters: str | int, seed: int, keep: Sequence[str]) -> None:
    if isinstance(clusters, str):
        check_choice("clusters", clusters, ("cube", "trained"))
    else:
        check_number("clusters", clusters, low=2, high=1000, integer=True)
    check_number("seed", seed, low=0, high=2**63 - 1, integer=True)
    if isinstance(keep, str):
        raise TypeError(f"keep is a list, such as [{keep!r}]; got the string {keep!r}")
    for name in keep:
        check_choice("keep", name, KEEP)


def _encode(cube: xr.DataArray, segmenter: SpectralSegmenter, tell: BlockProgress) -> _Pixels:
    """Go through the cube once: quality, latents and integrated images."""
    total = sum(1 for _ in blocks(cube))
    parts = []
    for done, part in enumerate(segmenter.encode_blocks(cube), start=1):
        usable = part.pixel[part.usable]
        parts.append((part.pixel, part.quality, usable, part.latent, integrate(part.inputs)))
        tell("encode", done, total)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    whole, usable = np.argsort(columns[0]), np.argsort(columns[2])
    orders = (whole, whole, usable, usable, usable)
    return _Pixels(*(column[order] for column, order in zip(columns, orders, strict=True)))


def _cluster(
    latent: np.ndarray,
    segmenter: SpectralSegmenter,
    clusters: str | int,
    seed: int,
    cube: xr.DataArray,
) -> Clustering:
    """Label the usable pixels; labels count from 0."""
    if clusters == "trained":
        rule, centers = segmenter.rule_, segmenter.cluster_centers_
        return Clustering(rule.label(latent, segmenter.device), centers, segmenter.choices_, rule)
    settings: Clusters = segmenter.config("clusters")
    if not isinstance(clusters, str):
        settings = replace(settings, k_min=int(clusters), k_max=int(clusters))
    if len(latent) <= settings.k_min:
        raise ValueError(
            f"the cube has {len(latent)} usable spectra of {cube.sizes['y'] * cube.sizes['x']}; "
            f"at least {settings.k_min + 1} are needed for {settings.k_min} clusters"
        )
    return segmenter.cluster(latent, settings, seed=seed)


# --- the second pass ---------------------------------------------------------------------------


def _describe(
    cube: xr.DataArray,
    segmenter: SpectralSegmenter,
    intake: Intake,
    pixels: _Pixels,
    found: Clustering,
    seed: int,
    tell: BlockProgress,
) -> tuple[_Means, _Sample]:
    """Go through the cube again: sums per cluster, and the pixels to measure again."""
    k = len(found.centers)
    total = sum(1 for _ in blocks(cube))
    row_of = np.full(cube.sizes["y"] * cube.sizes["x"], -1)
    row_of[pixels.usable] = np.arange(len(pixels.usable))
    sampled = np.zeros(len(pixels.usable), dtype=bool)
    sampled[_sample_rows(found.labels, k, seed)] = True
    sums: list[np.ndarray] | None = None
    decoded_sum = np.empty(len(pixels.usable), dtype=np.float32)
    error = np.empty(len(pixels.usable))
    kept = []
    for done, block in enumerate(blocks(cube), start=1):
        read = read_inputs(cube, block, intake)
        row = row_of[read.pixel[read.usable]]
        labels = found.labels[row]
        decoded = segmenter._decode(pixels.latent[row])
        decoded_sum[row] = integrate(decoded)
        error[row] = reconstruction_error(read.inputs, decoded)
        arrays = (read.values, read.inputs, decoded)
        part = [_sum_by_label(each, labels, k) for each in arrays]
        part.append(_sum_by_label(np.square(read.values, dtype=np.float64), labels, k))
        sums = part if sums is None else [a + b for a, b in zip(sums, part, strict=True)]
        mine = sampled[row]
        variance = None if read.variance is None else read.variance[mine]
        kept.append((row[mine], read.values[mine], variance, read.inputs[mine], decoded[mine]))
        tell("describe", done, total)
    assert sums is not None  # a cube has at least one block
    counts = np.maximum(1, np.bincount(found.labels, minlength=k))[:, None]
    measured, inputs, decoded_mean, squares = (each / counts for each in sums)
    deviation = np.sqrt(np.maximum(squares - measured**2, 0))
    means = _Means(measured, deviation, inputs, decoded_mean, decoded_sum, error)
    return means, _measure_again(cube, segmenter, intake, kept, seed)


def _sum_by_label(values: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Return the sums (k, channel), float64, of rows by label."""
    found = np.zeros((k, values.shape[1]))
    for label in np.unique(labels):
        found[label] = values[labels == label].sum(axis=0, dtype=np.float64)
    return found


def _sample_rows(labels: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Draw the pixels that are measured again: as many of each cluster."""
    generator = np.random.default_rng([seed, 1])
    rows = []
    for label in range(k):
        members = np.flatnonzero(labels == label)
        count = min(len(members), max(2, NOISE_PIXELS // k))
        rows.append(generator.choice(members, count, replace=False))
    return np.concatenate(rows)


def _measure_again(
    cube: xr.DataArray, segmenter: SpectralSegmenter, intake: Intake, kept: list[Any], seed: int
) -> _Sample:
    """Measure the sampled pixels anew, several times each, and encode that."""
    noise = noise_of(cube)
    row = np.concatenate([part[0] for part in kept])
    order = np.argsort(row)
    values, inputs, decoded = (
        np.concatenate([part[column] for part in kept])[order] for column in (1, 3, 4)
    )
    variance = None
    if noise == "variance":
        variance = np.concatenate([part[2] for part in kept])[order]
    generator = np.random.default_rng([seed, 2])
    latents = []
    residual = np.sqrt(np.square(inputs - decoded, dtype=np.float64).mean(axis=1, keepdims=True))
    for _ in range(REDRAWS):
        if noise == "residual":
            again = draw_again(inputs, np.broadcast_to(residual**2, inputs.shape), generator)
        else:
            again = intake.apply(draw_again(values, variance, generator)).values
        latents.append(segmenter._encode(again))
    return _Sample(row[order], np.stack(latents, axis=1), noise)


def _confidence(pixels: _Pixels, found: Clustering, sample: _Sample, seed: int) -> np.ndarray:
    """Return the probability of the same label for every usable pixel."""
    rule, latent = found.rule, found.rule.move(pixels.latent)
    rows, repeats, d = sample.latents.shape
    again = rule.move(sample.latents.reshape(-1, d)).reshape(rows, repeats, d)
    noise = noise_covariance(again.astype(np.float64), found.labels[sample.row], len(found.centers))
    mixture = describe(latent, found.labels, noise)
    generator = np.random.default_rng([seed, 3])
    return same_label_probability(latent, found.labels, rule.centers, mixture, generator)


# --- the result --------------------------------------------------------------------------------


def _assemble(
    cube: xr.DataArray,
    segmenter: SpectralSegmenter,
    pixels: _Pixels,
    found: Clustering,
    means: _Means,
    confidence: np.ndarray,
    sample: _Sample,
    clusters: str | int,
    seed: int,
    keep: Sequence[str],
) -> xr.Dataset:
    """Put everything into the Dataset."""

    def image(values: np.ndarray, **kwargs: Any) -> xr.DataArray:
        return to_map(values, pixels.usable, cube, **kwargs)

    k = len(found.centers)
    distance = latent_distance(pixels.latent, segmenter.latent_groups_)
    ours = ("cluster", "channel")
    inner = ("cluster", "input_channel")
    decoded_centers = segmenter._decode(found.centers)
    data = {
        "label": image((found.labels + 1).astype(np.int32), fill=0),
        "confidence": image(confidence),
        "novelty": image(novelty_of(segmenter.typical_, distance, means.error)),
        "quality": quality_map(cube, pixels.pixel, pixels.quality),
        "mean_spectrum": (ours, means.measured.astype(np.float32)),
        "std_spectrum": (ours, means.deviation.astype(np.float32)),
        "input_mean": (inner, means.inputs.astype(np.float32)),
        "reconstructed_mean": (inner, means.reconstructed.astype(np.float32)),
        "decoded_mean": (inner, decoded_centers),
        "center": (("cluster", "latent"), found.centers),
        "size": (("cluster",), np.bincount(found.labels, minlength=k)),
        "integrated_input": image(pixels.input_sum),
        "integrated_decoded": image(means.decoded_sum),
        "integrated_latent": image(integrate(pixels.latent)),
    } | _scores(found.choices)
    if "latent" in keep:
        data["latent_cube"] = image(pixels.latent, dims=("latent",))
    if "decoded" in keep:
        data["decoded_cube"] = image(segmenter._decode(pixels.latent), dims=("input_channel",))
    result = xr.Dataset(data, coords={"cluster": np.arange(1, k + 1), "k": found.choices.k})
    result = with_axes(result, spectral_axis(cube), segmenter.input_axis_)
    result.attrs = _attributes(cube, segmenter, pixels, found, sample, clusters, seed)
    return result


def _scores(choices: Choices) -> dict[str, Any]:
    names = ("score", "score_error", "stability", "stability_error", "agreement")
    return {name: (("k",), values) for name, values in zip(names, choices[1:], strict=True)}


def _attributes(
    cube: xr.DataArray,
    segmenter: SpectralSegmenter,
    pixels: _Pixels,
    found: Clustering,
    sample: _Sample,
    clusters: str | int,
    seed: int,
) -> dict[str, str | int | float]:
    """Return strings and numbers only; provenance is one JSON string."""
    provenance = {
        "spectessera": __version__,
        "clusters": clusters,
        "seed": seed,
        "settings": segmenter.settings(),
    }
    return origin_and_quality(cube, pixels.quality, len(pixels.usable)) | {
        "n_clusters": len(found.centers),
        "metric": found.rule.metric,
        "criterion": segmenter.config("clusters").criterion,
        "stable_from": STABLE,
        "confidence_noise": sample.noise,
        "provenance": json.dumps(provenance),
    }
