"""Calibration of the confidence of too many clusters, of maps of few counts and of noise alone.

    python -m benchmarks.confidence_maps [--seeds 9130 9131 9132 9133 9134] [--only alike]

Two or three groups of smooth outline, of 11 counts a pixel, and small maps of pixels that are all
alike; a network of principal components; the neighbours that evidence chooses (none where all are
alike); and numbers of clusters that are given, more than there are groups. The map is measured
again three times and labelled by the same network, clusters and groups of neighbours. "Before" is
the calibration by halves and quarters alone, "after" with the share of the agreement that is kept
where the noise is new (:mod:`spectessera.inference.refits`). The seeds 9000 to 9005 and 9110 to
9122 were used while this was built, and 2100 to 2102 for maps of noise.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from scipy.ndimage import gaussian_filter

import spectessera as spt
from spectessera import SpectralSegmenter
from spectessera.inference import (
    Neighbours,
    averaged_spectra,
    choose_neighbours,
    intake_before_training,
    refits,
)
from spectessera.segmenter.defaults import DEFAULTS

from .calibration import binned
from .confidence_file import keep_clusters

SEEDS, REPEATS = (9130, 9131, 9132, 9133, 9134), 3


class Scene(NamedTuple):
    """Groups of spectra on a map: ``alike`` is their distance, ``faint`` that of the third.

    ``known``: noise of a known variance, that of the counts, in place of counts.
    """

    name: str
    ks: tuple[int, ...]
    groups: int = 2
    alike: float = 1.0
    faint: float = 1.0
    shape: tuple[int, int] = (60, 80)
    channels: int = 512
    counts: float = 11.0
    known: bool = False

    def expected(self, seed: int) -> np.ndarray:
        """Return the expected counts (y, x, channel)."""
        generator = np.random.default_rng(seed)
        smooth = generator.standard_normal((self.groups, *self.shape))
        label = gaussian_filter(smooth, (0, 6, 6)).argmax(axis=0)
        axis = np.linspace(0, 1, self.channels)
        place, height = generator.uniform((0.05, 0.3), (0.95, 4), (self.groups, 6, 2)).T
        peaks = np.exp(-np.square((axis - place.T[..., None]) / 0.012) / 2)
        spectra = np.exp(-3 * axis) + 0.1 + (height.T[..., None] * peaks).sum(axis=1)
        spectra /= spectra.sum(axis=1, keepdims=True)
        spectra = spectra.mean(axis=0) + self.alike * (spectra - spectra.mean(axis=0))
        if self.groups > 2:
            spectra[2] = spectra[1] + self.faint * (spectra[2] - spectra[1])
        bright = np.exp(0.8 * gaussian_filter(generator.standard_normal(self.shape), 8))
        return self.counts * bright[..., None] * spectra[label]

    def measured(self, seed: int, number: int) -> xr.DataArray:
        """Return one of many measurements."""
        expected, generator = self.expected(seed), np.random.default_rng([seed, number])
        if not self.known:
            counts = generator.poisson(expected)
            return spt.make_cube(counts.astype(np.uint16), energy=(1.0, 20.0))
        values = expected + np.sqrt(expected) * generator.standard_normal(expected.shape)
        return spt.make_cube(values.astype(np.float32), energy=(1.0, 20.0), variance=expected)


SCENES = (
    Scene("two groups", (2, 3, 6)),
    Scene("two, half as far apart", (3, 6), alike=0.5, channels=1024),
    Scene("a third that is faint", (3,), groups=3, faint=0.2),
    Scene("two groups, a larger map", (6,), shape=(128, 128)),
    Scene("alike, few pixels", (2, 6), 1, shape=(11, 11), counts=20_000),
    Scene("alike, more pixels", (6,), 1, shape=(30, 30), counts=1_000),
    Scene("alike, few pixels, a variance", (2, 6), 1, shape=(11, 11), counts=20_000, known=True),
    Scene("alike, more pixels, a variance", (6,), 1, shape=(30, 30), counts=20_000, known=True),
)


def measure(scene: Scene, seed: int) -> list[tuple[float, float]]:
    """Print a row for each number of clusters; return the errors before and after."""
    first = scene.measured(seed, 0)
    intake = intake_before_training(first, DEFAULTS["preprocess"])
    neighbours = choose_neighbours(first, intake)
    spectra = averaged_spectra(first, neighbours, intake)
    training = replace(DEFAULTS["training"], epochs=1)
    model = SpectralSegmenter(training=training).fit(spectra)
    errors = []
    for k in scene.ks:
        same, sure = agreement(scene, seed, model, neighbours, k)
        found = [binned(each, same, same).error for each in sure]
        print(
            f"| {scene.name} | {seed} | {neighbours.window // 2} | {k} | {same.mean():.3f} "
            f"| {sure[0].mean():.3f} | {sure[1].mean():.3f} | {found[0]:.3f} | {found[1]:.3f} |",
            flush=True,
        )
        errors.append((found[0], found[1]))
    return errors


def agreement(
    scene: Scene, seed: int, model: SpectralSegmenter, neighbours: Neighbours, k: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return how often pixels (n,) get the same label again, and both confidences of that."""
    first, sure = scene.measured(seed, 0), []
    known = refits.Agreement.kept
    for rule in (lambda self, _: np.ones(len(self.pixels)), known):
        refits.Agreement.kept = rule
        try:
            result = spt.segment(first, model, k, neighbours=neighbours, keep=["latent"])
        finally:
            refits.Agreement.kept = known
        sure.append(result["confidence"].values.ravel().astype(float))
    label = result["label"].values.ravel()
    keep_clusters(model, result, k)
    again = np.stack(
        [
            spt.segment(scene.measured(seed, 1 + each), model, "trained", neighbours=neighbours)[
                "label"
            ].values.ravel()
            for each in range(REPEATS)
        ]
    )
    seen = (label > 0) & (again > 0).all(axis=0)
    return (again == label)[:, seen].mean(axis=0), [each[seen] for each in sure]


def main() -> None:
    """Measure every scene and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    parser.add_argument("--only", default="", help="scenes whose names contain this")
    arguments = parser.parse_args()
    seeds, scenes = arguments.seeds, [each for each in SCENES if arguments.only in each.name]
    torch.set_num_threads(1)
    print(
        "| scene | seed | neighbours up to | k | same label | confidence before | after "
        "| error before | after |\n|---|---|---|---|---|---|---|---|---|"
    )
    errors = np.array([each for scene in scenes for seed in seeds for each in measure(scene, seed)])
    before, after = (f"{each.mean():.3f}, {each.max():.3f}" for each in errors.T)
    print(f"\nMean and largest error of {len(errors)}: {before} before; {after} after.")


if __name__ == "__main__":
    main()
