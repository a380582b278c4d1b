"""What a graphics processor gives: a training, latents, clusters and exact silhouettes.

Every part runs on the processor and on the device, and the results are compared: the latents by
their largest difference, labels by the adjusted Rand index and the share that agrees. Random
numbers of a device are its own, so a trained decoder is not the same bit for bit; the latents and
the labels of given clusters are compared from the same model. Written to gpu.md; nothing is
claimed before it has been run on such a machine.

python -m benchmarks.gpu                                       # CUDA; about ten minutes
python -m benchmarks.gpu --device cpu --pixels 400 --channels 64 --epochs 1     # a try
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score

import spectessera as spt
from spectessera.kmeans.points import exact_silhouettes
from spectessera.network.codec import Codec

from ._timing import measured

TITLE = "On a graphics processor"
SEED, GROUPS, COUNTS, LATENT = 0, 8, 400, 10
# Exact silhouettes of more points take a time that grows with their square.
MOST_SILHOUETTES = 65_536


class Size(NamedTuple):
    """How many spectra, channels and epochs."""

    pixels: int = 262_144
    channels: int = 1024
    epochs: int = 10


class Part(NamedTuple):
    """Seconds of a part on the processor and on the device, and how their results compare."""

    name: str
    cpu: float
    device: float
    compared: str


def spectra_of(size: Size) -> np.ndarray:
    """Return spectra (pixel, channel), float32, of counts of groups with lines of their own."""
    generator = np.random.default_rng(SEED)
    channel = np.arange(size.channels)
    places = generator.uniform(0, size.channels, (GROUPS, 4))
    width = size.channels / 60
    lines = np.exp(-0.5 * ((channel - places[..., None]) / width) ** 2).sum(1) + 0.05
    expected = COUNTS * lines / lines.sum(1, keepdims=True)
    group = generator.integers(GROUPS, size=size.pixels)
    counted = np.empty((size.pixels, size.channels), np.float32)
    for first in range(0, size.pixels, 8192):
        some = slice(first, first + 8192)
        counted[some] = generator.poisson(expected[group[some]])
    return counted


def timed(function: Callable[[], Any], device: str) -> tuple[Any, float]:
    """Return the result of a function and its seconds; the device has finished by then."""
    start = time.perf_counter()
    result = function()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return result, time.perf_counter() - start


def trained(spectra: np.ndarray, size: Size, device: str) -> spt.SpectralSegmenter:
    """Return a segmenter that was trained, its encoder too, on a device."""
    return spt.SpectralSegmenter(
        network=spt.Network(latent=LATENT, depth=2, linear_path=True),
        preprocess=spt.Preprocess(stabilise="sqrt", normalise="l2"),
        clusters=spt.Clusters(2, GROUPS + 4, metric="half-whitened"),
        training=spt.Training(epochs=size.epochs, gamma=0.01, seed=SEED),
        device=device,
    ).fit(spectra)


def agreement(one: np.ndarray, other: np.ndarray) -> str:
    """Return how labels (n,) of two devices compare, in words."""
    index = adjusted_rand_score(one, other)
    return f"adjusted Rand index {index:.4f}; {(one != other).sum():,} of {len(one):,} differ"


def compare(size: Size, device: str) -> list[Part]:
    """Measure every part on the processor and on the device."""
    spectra = spectra_of(size)
    on_cpu, cpu_seconds = timed(lambda: trained(spectra, size, "cpu"), "cpu")
    on_device, seconds = timed(lambda: trained(spectra, size, device), device)
    index = adjusted_rand_score(on_cpu.labels_, on_device.labels_)
    clusters = f"{on_cpu.n_clusters_} and {on_device.n_clusters_} clusters"
    parts = [Part("training", cpu_seconds, seconds, f"{clusters}, adjusted Rand index {index:.4f}")]

    # From here on, one model on both: the same weights, only the device is another.
    inputs = on_cpu.config("preprocess").apply(spectra, on_cpu.axis_).values
    network = on_cpu.model_
    latent, cpu_seconds = timed(lambda: Codec(network).encode(inputs), "cpu")
    network.to(device)
    other, seconds = timed(lambda: Codec(network).encode(inputs), device)
    network.to("cpu")
    largest = np.abs(latent - other).max() / latent.std()
    parts.append(Part("latents", cpu_seconds, seconds, f"differ by {largest:.1e} of their spread"))

    labels, cpu_seconds = timed(lambda: on_cpu.rule_.label(latent, "cpu"), "cpu")
    other, seconds = timed(lambda: on_cpu.rule_.label(latent, device), device)
    parts.append(Part("labels of given clusters", cpu_seconds, seconds, agreement(labels, other)))
    return [*parts, *_clusters_and_silhouettes(latent, on_cpu, device)]


def _clusters_and_silhouettes(
    latent: np.ndarray, model: spt.SpectralSegmenter, device: str
) -> list[Part]:
    """Measure clusters with a choice of k, and exact silhouettes of the labels."""
    cluster = [
        timed(lambda where=where: model.set_params(device=where).cluster(latent, seed=SEED), where)
        for where in ("cpu", device)
    ]
    model.set_params(device=None)
    (one, cpu_seconds), (other, seconds) = cluster
    parts = [Part("choice of k", cpu_seconds, seconds, agreement(one.labels, other.labels))]
    some, labels = latent[:MOST_SILHOUETTES], one.labels[:MOST_SILHOUETTES].astype(np.int64)
    silhouettes = [
        timed(lambda where=where: exact_silhouettes(some, labels, device=where), where)
        for where in ("cpu", device)
    ]
    (one, cpu_seconds), (other, seconds) = silhouettes
    largest = np.abs(one - other).max()
    return [
        *parts,
        Part("exact silhouettes", cpu_seconds, seconds, f"differ by {largest:.1e} at most"),
    ]


def lines_of(parts: Sequence[Part], size: Size, device: str) -> list[str]:
    """Return the table, which names the device."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "the processor"
    return [
        f"{size.pixels:,} spectra of {size.channels:,} channels and {COUNTS} counts, {GROUPS} "
        f"groups, {size.epochs} epochs; the device is {name}.",
        "",
        "| part | processor, s | device, s | ratio | results |",
        "|---|---|---|---|---|",
        *(
            f"| {each.name} | {each.cpu:.2f} | {each.device:.2f} | {each.cpu / each.device:.1f} | "
            f"{each.compared} |"
            for each in parts
        ),
    ]


def main(words: list[str] | None = None) -> list[str]:
    """Measure, and write the page if the device is not the processor."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda")
    for name, value in Size()._asdict().items():
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args(words)
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error(
            "no CUDA device is available here; give --device cpu to try the script, or install "
            "a torch with CUDA"
        )
    size = Size(given.pixels, given.channels, given.epochs)
    lines = measured(TITLE, lines_of(compare(size, given.device), size, given.device))
    print("\n".join(lines))
    if given.device != "cpu":
        target = Path(__file__).with_name("gpu.md")
        target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lines


if __name__ == "__main__":
    main()
