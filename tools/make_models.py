#!/usr/bin/env python
"""Make the pretrained models that ship with the package.

    python tools/make_models.py maxrf --output src/spectessera/data/models/maxrf.safetensors
    python tools/make_models.py nebulae --output src/spectessera/data/models/nebulae.safetensors

"maxrf" needs xraylib (``pip install "spectessera[synth]"``). Settings are those of
``spectessera train --simulate``. The weights are written as float16; what that changes is told: the
share of labels that agree with those of the unrounded model, on fresh simulated spectra clustered
into as many groups as the model has components. With ``--without`` the pigments named are left out
of the training, to see how well strangers are told apart. With ``--weights`` nothing is trained:
the clusters of a model that there is are made again, as when a default of clustering has changed.
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

KINDS = {"maxrf": "xrf", "nebulae": "nebulae"}
FRESH, SPECTRA = 2**41, 16_384  # a block that training never sees


def told(done: int, total: int, row: dict) -> None:
    """Show how far the training has come."""
    if done % 5 == 0 or done == total:
        print(f"epoch {done} of {total}: loss {row['validation_total']:.6f}", flush=True)


def agreement(one: SpectralSegmenter, other: SpectralSegmenter, source: object) -> dict[str, float]:
    """Return how alike two models label fresh spectra, each clustering them on its own."""
    spectra = source.pairs(FRESH, SPECTRA).spectra
    trained = [model.predict(spectra) for model in (one, other)]
    k = len(source.components)
    found = []
    for model in (one, other):
        clusters = replace(model.config("clusters"), k_min=k, k_max=k)
        found.append(model.cluster(model.transform(spectra), clusters).labels)
    return {
        "labels of the trained clusters alike": float(np.mean(trained[0] == trained[1])),
        f"labels alike, each clustering on its own with k = {k}": compare(
            found[0] + 1, found[1] + 1
        ).agreement,
    }


def clustered_again(path: Path, settings: dict[str, Any], source: Simulation) -> SpectralSegmenter:
    """Return a model with the clusters that its training would have ended with by today's rules."""
    segmenter = load(path)
    segmenter.set_params(clusters=settings["clusters"])
    return segmenter.recluster(source)


def main() -> int:
    """Train, write, compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", choices=tuple(KINDS))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--without", nargs="*", default=[], help="pigments to leave out")
    parser.add_argument("--weights", type=Path, help="a model whose clusters are made again")
    parser.add_argument("--epochs", type=int, help="fewer, to try")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    kind = KINDS[arguments.model]
    settings = recipe(kind)
    if arguments.without == ["fourth"]:
        arguments.without = list(PIGMENTS)[3::4]
    if arguments.without:
        kept = [name for name in KNOWN if name not in arguments.without]
        source = XrfSimulation(kept)
        settings["network"] = replace(settings["network"], components=len(kept))
    else:
        source = simulation(kind)
    if arguments.epochs:
        settings["training"] = replace(settings["training"], epochs=arguments.epochs)
    if arguments.weights is not None:
        clustered_again(arguments.weights, settings, source).save(arguments.output, half=True)
        return 0
    segmenter = SpectralSegmenter(**settings)
    start = time.perf_counter()
    segmenter.pretrain(source, progress=told)
    segmenter.save(arguments.output, half=True)
    size = arguments.output.stat().st_size / 1e6
    print(f"{time.perf_counter() - start:.0f} s on one thread; {size:.2f} MB")
    print("rounded against unrounded:", agreement(segmenter, load(arguments.output), source))
    return 0


if __name__ == "__main__":
    sys.exit(main())
