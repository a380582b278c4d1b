"""Whether one cluster is the answer of noise, and never that of two faint groups.

    python -m benchmarks.faint_groups run    append what is not measured yet
    python -m benchmarks.faint_groups        only print it (docs/evidence.md has it)

Noise: 100 draws of a kind, maps of 32 x 32 spectra of 60 channels. Groups: five maps of 64 x 64
spectra, in which a tenth of the pixels differs from the others by a distance of three standard
deviations of the noise, spread over all channels; in random places, or at one side of the map. The
noise is that of counts, or known by its variance. A network is trained for one epoch: whether there
is anything is judged without it. No setting was chosen by these seeds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

import spectessera as spt
from spectessera import SpectralSegmenter, Training

from ._rows import append, as_table, rows_of

HERE = Path(__file__).parent
ROWS = HERE / "faint_groups.csv"
FIELDS = ("maps", "channels", "more than one cluster")
DISTANCE, SHARE = 3.0, 0.1
LEVEL = {"counts": 4.0, "variance": 20.0, "variance, mean 0": 0.0}


def noise(kind: str, seed: int, side: int, channels: int) -> np.ndarray:
    """Return a map of noise (y, x, channel), float32: of counts, or of variance 1."""
    generator = np.random.default_rng([seed, 31])
    shape = (side, side, channels)
    if kind == "counts":
        return generator.poisson(LEVEL["counts"], shape).astype(np.float32)
    white = generator.standard_normal(shape, dtype=np.float32)
    if kind == "correlated":
        white = gaussian_filter1d(white, 1.0, axis=2)
        white /= white.std()
    return white


def groups(kind: str, place: str, seed: int, channels: int, side: int = 64) -> np.ndarray:
    """Return a map (y, x, channel) of two groups: "scattered", or "at one side"."""
    generator = np.random.default_rng([seed, 32])
    level, sigma = LEVEL[kind], np.sqrt(LEVEL["counts"]) if kind == "counts" else 1.0
    direction = generator.standard_normal(channels)
    apart = direction * sigma * DISTANCE / np.linalg.norm(direction)
    member = np.arange(side**2) < SHARE * side**2
    if place == "scattered":
        generator.shuffle(member)
    expected = level + np.where(member[:, None], apart, 0)  # (pixel, channel)
    if kind == "counts":
        spectra = generator.poisson(np.maximum(expected, 0))
    else:
        spectra = expected + generator.standard_normal(expected.shape)
    return spectra.astype(np.float32).reshape(side, side, channels)


def clusters_of(spectra: np.ndarray, counts: bool) -> int:
    """Return how many clusters a map has by default."""
    if counts:
        cube = spt.make_cube(spectra.astype(np.uint16), energy=(1.0, 20.0))
    else:
        cube = spt.make_cube(spectra, variance=np.ones_like(spectra))
    segmenter = SpectralSegmenter(training=Training(epochs=1)).fit(cube)
    return spt.segment(cube, segmenter, means=False).attrs["n_clusters"]


def run() -> None:
    """Measure what is not measured yet."""
    torch.set_num_threads(1)
    done = {(row["maps"], row["channels"]) for row in rows_of(ROWS)}
    jobs = [
        (f"noise, {kind}", 60, 100, lambda seed, n, kind=kind: noise(kind, seed, 32, n), kind)
        for kind in ("counts", "variance", "correlated")
    ]
    jobs += [
        (f"groups {place}, {kind}", n, 5,
         lambda seed, n, kind=kind, place=place: groups(kind, place, seed, n), kind)
        for n in (100, 1000) for kind in LEVEL for place in ("scattered", "at one side")
    ]  # fmt: skip
    for name, channels, draws, make, kind in jobs:
        if (name, str(channels)) in done:
            continue
        found = [
            clusters_of(make(seed, channels), kind == "counts")
            for seed in range(7000, 7000 + draws)
        ]
        more = f"{sum(k > 1 for k in found)} of {draws}"
        append(ROWS, FIELDS, dict(zip(FIELDS, (name, channels, more), strict=True)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run()
    print(as_table(ROWS))
