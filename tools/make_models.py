#!/usr/bin/env python
"""Train the pretrained models that ship with the package.

    python tools/make_models.py maxrf --output src/spectessera/data/models/maxrf.safetensors
    python tools/make_models.py nebulae --output src/spectessera/data/models/nebulae.safetensors
    (nebulae-wide likewise)

"maxrf" needs xraylib (``pip install "spectessera[synth]"``). Settings are those of
``spectessera train --simulate``. The weights are written as float16; the effect of the rounding is
printed: the share of labels that agree with those of the unrounded model, on new simulated spectra
in as many clusters as the model has components. With ``--without`` the training leaves out the
given pigments, to measure how well the model separates unknown pigments. With ``--weights`` an
existing model is clustered again without training, after a change of a default of clustering.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spectessera import SpectralSegmenter, load
from spectessera.evaluate import compare
from spectessera.segmenter.pretraining import recipe, simulation
from spectessera.synth.paint.pigments import PIGMENTS
from spectessera.synth.pairs import KNOWN, Simulation, XrfSimulation

KINDS = {"maxrf": "xrf", "nebulae": "nebulae", "nebulae-wide": "nebulae-wide"}
NEW_BLOCK, SPECTRA = 2**41, 16_384  # a block that the training does not use


def show(done: int, total: int, row: dict) -> None:
    """Print the progress of the training."""
    if done % 5 == 0 or done == total:
        print(f"epoch {done} of {total}: loss {row['validation_total']:.6f}", flush=True)


def agreement(one: SpectralSegmenter, other: SpectralSegmenter, source: object) -> dict[str, float]:
    """Return how often two models agree: with their trained clusters, and clustering anew."""
    spectra = source.pairs(NEW_BLOCK, SPECTRA).spectra
    trained = [model.predict(spectra) for model in (one, other)]
    k = len(source.components)
    labels = []
    for model in (one, other):
        clusters = replace(model.config("clusters"), k_min=k, k_max=k)
        labels.append(model.cluster(model.transform(spectra), clusters).labels)
    return {
        "agreement of the trained clusters": float(np.mean(trained[0] == trained[1])),
        f"agreement of new clusters, k = {k}": compare(labels[0] + 1, labels[1] + 1).agreement,
    }


def clustered_again(path: Path, settings: dict[str, Any], source: Simulation) -> SpectralSegmenter:
    """Return a model with the clusters that its training would give with the present settings."""
    segmenter = load(path)
    segmenter.set_params(clusters=settings["clusters"])
    return segmenter.recluster(source)


def main() -> int:
    """Train, write, compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", choices=tuple(KINDS))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--without", nargs="*", default=[], help="pigments to leave out")
    parser.add_argument("--weights", type=Path, help="a model to cluster again")
    parser.add_argument("--epochs", type=int, help="fewer epochs, for a trial")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    kind = KINDS[arguments.model]
    settings = recipe(kind)
    if arguments.without == ["fourth"]:
        arguments.without = list(PIGMENTS)[3::4]
    if arguments.without:
        pigments = [name for name in KNOWN if name not in arguments.without]
        source = XrfSimulation(pigments)
        settings["network"] = replace(settings["network"], components=len(pigments))
    else:
        source = simulation(kind)
    if arguments.epochs:
        settings["training"] = replace(settings["training"], epochs=arguments.epochs)
    if arguments.weights is not None:
        clustered_again(arguments.weights, settings, source).save(arguments.output, half=True)
        return 0
    segmenter = SpectralSegmenter(**settings)
    start = time.perf_counter()
    segmenter.pretrain(source, progress=show)
    segmenter.save(arguments.output, half=True)
    size = arguments.output.stat().st_size / 1e6
    print(f"{time.perf_counter() - start:.0f} s on one thread; {size:.2f} MB")
    print("rounded and unrounded model:", agreement(segmenter, load(arguments.output), source))
    return 0


if __name__ == "__main__":
    sys.exit(main())
