"""What a fit with a fixed encoder costs: the decoder from random weights, and from the linear one.

    python -m benchmarks fixed                                        write both sections
    FIT_FILES="map.bcf other.h5" python -m benchmarks "on files"      the whole command on own files

Both sides in one run, in seconds of the processor. The stop rule was chosen on seed 41; the seeds
here are others.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr

import spectessera as spt
from spectessera import SpectralSegmenter
from spectessera.io import read_result
from spectessera.kmeans.points import cluster_points
from spectessera.network.autoencoder import Autoencoder
from spectessera.segmenter.defaults import DEFAULTS

from . import quality

TITLE = "A fit with a fixed encoder"
TITLE_OF_FILES = "A fit with a fixed encoder: the whole command on files"
SEEDS = (42,)
# Of few dimensions, spectra are curved: the training has to go on.
SETS = (
    ("8 mix, 1000", 10), ("24 load, 1000", 10), ("nebulae, S/N 5-10", 10), ("raman", 10),
    ("reflectance", 10), ("gauss", 10), ("8 mix, 1000", 3), ("reflectance", 3),
)  # fmt: skip

# A process whose decoders start at random weights and are trained as long as they were.
COMMAND = """
import sys
if sys.argv.pop(1) == "random":
    from spectessera.network.autoencoder import Autoencoder
    Autoencoder.decodes_linearly = lambda self: False
from spectessera.cli import main
main()
"""


class Side(NamedTuple):
    """A fit: the segmenter, and the seconds of the processor that it took."""

    segmenter: SpectralSegmenter
    seconds: float


@contextmanager
def random_decoders() -> Iterator[None]:
    """Let decoders start at random weights."""
    linear = Autoencoder.decodes_linearly
    Autoencoder.decodes_linearly = lambda self: False  # noqa: ARG005
    try:
        yield
    finally:
        Autoencoder.decodes_linearly = linear


def fit(cube: object, latent: int, seed: int, *, random: bool) -> Side:
    """Fit with the defaults, but so many latent dimensions."""
    network = replace(DEFAULTS["network"], latent=latent)
    training = replace(DEFAULTS["training"], seed=seed)
    segmenter = SpectralSegmenter(network=network, training=training)
    start = time.process_time()
    if random:
        with random_decoders():
            segmenter.fit(cube)
    else:
        segmenter.fit(cube)
    return Side(segmenter, time.process_time() - start)


def center_error(segmenter: SpectralSegmenter, cube: object) -> float:
    """Return how far decoded centers are from the mean inputs of their clusters.

    The root of the mean of squares over the clusters, each in units of the distance of the mean
    input from that of all spectra.
    """
    intake = segmenter.intake(cube, warn=False)
    values = np.asarray(cube.values, np.float32).reshape(-1, cube.sizes["channel"])
    inputs = intake.apply(values).values
    labels = segmenter.labels_
    means = np.stack([inputs[labels == k].mean(0) for k in range(labels.max() + 1)])
    decoded = segmenter.inverse_transform(segmenter.cluster_centers_)
    far = np.square(means - inputs.mean(0)).sum(1)
    return float(np.sqrt(np.mean(np.square(decoded - means).sum(1) / far)))


def compared(name: str, draw: Callable[[int], quality.Drawn], latent: int, seed: int) -> list:
    """Return the cells of a line of the table."""
    cube = draw(seed).cube()
    before, after = (fit(cube, latent, seed, random=random) for random in (True, False))
    losses = [side.segmenter.history_.best()["total"] for side in (before, after)]
    errors = [center_error(side.segmenter, cube) for side in (before, after)]
    same = np.array_equal(before.segmenter.labels_, after.segmenter.labels_)
    return [
        name, latent, seed, *(len(side.segmenter.history_.rows) for side in (before, after)),
        *(f"{side.seconds:.1f}" for side in (before, after)),
        f"{before.seconds / after.seconds:.1f}", f"{losses[1] / losses[0]:.4f}",
        *(f"{each:.3f}" for each in errors), "yes" if same else "no",
    ]  # fmt: skip


def choices(names: list[str], seed: int) -> list[str]:
    """Return lines of a table: both choices of k, of `fit` and `segment`, each anew or shared."""
    lines = [
        "| set | seed | both choices of k, s | the second from the clusterings of the first "
        "| ratio | labels equal |",
        "|---|---|---|---|---|---|",
    ]
    sets = quality.sets_of(None, None)
    for name in names:
        cube = sets[name](seed).cube()
        segmenter = SpectralSegmenter().fit(cube)
        latent, settings = segmenter.transform(cube), segmenter.config("clusters")
        times, found = [], []
        for shares in (False, False, True):
            start = time.process_time()
            tried = segmenter._tried if shares else None
            found.append(cluster_points(latent, settings, seed=0, tried=tried))
            times.append(time.process_time() - start)
        before, after = times[0] + times[1], times[0] + times[2]
        same = all(np.array_equal(each.labels, found[0].labels) for each in found)
        cells = [name, seed, f"{before:.2f}", f"{after:.2f}", f"{before / after:.2f}",
                 "yes" if same else "no"]  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def whole_command(path: Path, folder: Path, side: str) -> tuple[float, Path]:
    """Run ``segment --fit`` in a process of its own; return its seconds and its folder."""
    out = folder / side
    arguments = [side, "segment", str(path), "--fit", "--quiet", "--out", str(out)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", COMMAND, *arguments], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, out


def decoded_errors(result: xr.Dataset) -> np.ndarray:
    """Return the error of every decoded center, in the unit of :func:`center_error`."""
    means, sizes = result["input_mean"].values, result["size"].values
    middle = np.average(means, axis=0, weights=sizes)
    off = np.square(result["decoded_mean"].values - means).sum(1)
    return np.sqrt(off / np.square(means - middle).sum(1))


def of_files() -> list[str]:
    """Return lines of a table: ``segment --fit`` on the cubes of FIT_FILES, both ways."""
    paths = [Path(each) for each in os.environ.get("FIT_FILES", "").split()]
    if not paths:
        return []
    lines = [
        "`segment --fit`, user and system, with every import and file; one thread.",
        "",
        "| cube | shape | processor s, random start | linear start | labels equal "
        "| decoded centers off, random start | linear start |",
        "|---|---|---|---|---|---|---|",
    ]
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            sides = [whole_command(path, Path(folder), side) for side in ("random", "linear")]
            results = [read_result(out / "result.nc") for _, out in sides]
            same = np.array_equal(*(each["label"].values for each in results))
            errors = [np.round(decoded_errors(each), 3).tolist() for each in results]
        shape = " x ".join(map(str, spt.read(path).shape))
        cells = [
            path.stem, shape, *(f"{seconds:.1f}" for seconds, _ in sides),
            "yes" if same else "no", *(", ".join(map(str, each)) for each in errors),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main() -> list[str]:
    """Measure and return lines of a table."""
    torch.set_num_threads(1)
    sets = quality.sets_of(None, None)
    lines = [
        "4,000 spectra a set, one thread. Epochs, and seconds of the processor, of `fit`; the loss",
        "of the validation spectra with a linear start over that with a random one; how far",
        "decoded centers are from the mean inputs of their clusters, over the distance of these",
        "from the mean of all.",
        "",
        "| set | latents | seed | epochs, random start | linear start | s, random start "
        "| linear start | ratio | loss over loss | centers off, random start | linear start "
        "| labels equal |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, latent in SETS:
        for seed in SEEDS:
            cells = compared(name, sets[name], latent, seed)
            lines.append("| " + " | ".join(map(str, cells)) + " |")
            print(lines[-1], file=sys.stderr, flush=True)
    names = list(dict.fromkeys(name for name, _ in SETS))
    return [*lines, "", *choices(names, SEEDS[0])]
