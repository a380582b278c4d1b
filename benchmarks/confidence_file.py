"""Calibration of the confidence on a real map of counts: one half of its photons against the other.

    python -m benchmarks.confidence_file FILE [--seeds 0 1 2] [--k 3 6]

The photons of a map are sent to one of two halves, which are two measurements of the same sample.
A network is trained on the first half, the first half is segmented, and the second one is labelled
by the same network, clusters and groups of neighbours. The confidence of the first half is
calibrated if it equals the share of pixels with the same label in the second. Nothing was settled
with such files.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import xarray as xr

import spectessera as spt
from spectessera import SpectralSegmenter
from spectessera.inference import (
    Neighbours,
    averaged_spectra,
    choose_neighbours,
    intake_before_training,
)
from spectessera.segmenter.defaults import DEFAULTS

from .calibration import binned, by_chance

EPOCHS, KS, SEEDS = 20, (3, 6), (0, 1, 2)


def halves_of(cube: xr.DataArray, seed: int) -> tuple[xr.DataArray, xr.DataArray]:
    """Return two halves of the photons of a map of counts."""
    counts = cube.values.astype(np.int64)
    one = np.random.default_rng(seed).binomial(counts, 0.5)
    return tuple(cube.copy(data=each.astype(np.uint16)) for each in (one, counts - one))


def keep_clusters(model: SpectralSegmenter, result: xr.Dataset, k: int) -> None:
    """Let the trained clusters of a model be those of a result with its latents."""
    label = result["label"].values.ravel()
    latent = result["latent_cube"].values.reshape(label.size, -1)[label > 0]
    settings = replace(model.config("clusters"), k_min=k, k_max=k)
    found = model.cluster(latent, settings, seed=0)
    if not np.array_equal(found.labels + 1, label[label > 0]):
        raise RuntimeError("labels of the rule differ from those of the segmentation")
    model.rule_, model.cluster_centers_ = found.rule, found.centers


def measure(
    halves: tuple[xr.DataArray, xr.DataArray], neighbours: Neighbours, ks: tuple[int, ...]
) -> list[str]:
    """Return a row for each k of the first half, labelled again in the second."""
    first, second = halves
    intake = intake_before_training(first, DEFAULTS["preprocess"])
    alone = neighbours.window == 1
    spectra = first if alone else averaged_spectra(first, neighbours, intake)
    model = SpectralSegmenter(training=replace(DEFAULTS["training"], epochs=EPOCHS)).fit(spectra)
    rows = []
    for k in ks:
        result = spt.segment(first, model, k, neighbours=neighbours, keep=["latent"])
        label = result["label"].values.ravel()
        keep_clusters(model, result, k)
        again = spt.segment(second, model, "trained", neighbours=neighbours)["label"].values.ravel()
        seen = (label > 0) & (again > 0)
        same = (label == again)[seen].astype(float)
        sure = result["confidence"].values.ravel()[seen].astype(float)
        error = binned(sure, same, same).error
        rows.append(
            f"{neighbours.window // 2} | {k} | {sure.mean():.3f} | {same.mean():.3f} "
            f"| {error:.3f} | {by_chance(sure):.3f} |"
        )
    return rows


def main() -> None:
    """Measure a file and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    parser.add_argument("--k", nargs="*", type=int, default=list(KS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cube = spt.read(arguments.file)
    print("| seed | neighbours up to | k | confidence | same label | ECE | by chance |")
    print("|---|---|---|---|---|---|---|")
    for seed in arguments.seeds:
        halves = halves_of(cube, seed)
        intake = intake_before_training(halves[0], DEFAULTS["preprocess"])
        chosen = choose_neighbours(halves[0], intake)
        for neighbours in (Neighbours(), *([chosen] if chosen.window > 1 else [])):
            for row in measure(halves, neighbours, tuple(arguments.k)):
                print(f"| {seed} | {row}", flush=True)


if __name__ == "__main__":
    main()
