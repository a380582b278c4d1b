"""Effect of each deep option on the maps: one change at a time, two draws, the true k."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from spectessera import Clusters, SpectralSegmenter
from spectessera.segmenter.defaults import DEFAULTS
from spectessera.segmenter.pretraining import recipe
from spectessera.synth.paint.pigments import PIGMENTS
from spectessera.synth.pairs import XrfSimulation
from spectessera.synth.xrf.tube import Tube

from .drawn import SETS, Drawn
from .quality import scored

SEEDS = (2000, 2001)
NAMES = ("8 mix, 400", "nebulae, S/N 10-30")
PIGMENTS_ONLY = ("8 load, 400", "8 mix, 400", "12 load, 400")
NETWORK, FIXED = DEFAULTS["network"], DEFAULTS["training"]
TRAINING = replace(FIXED, train_encoder=True)
VARIANTS = {
    "default: encoder not trained": (NETWORK, FIXED),
    "not trained, latent 3": (replace(NETWORK, latent=3), FIXED),
    "encoder trained": (NETWORK, TRAINING),
    "trained, joint, gamma 0.01": (NETWORK, replace(TRAINING, gamma=0.01)),
    "trained, joint, gamma 0.1 (the paper's weight)": (NETWORK, replace(TRAINING, gamma=0.1)),
    "trained, InfoVAE, beta 1": (replace(NETWORK, variational=True), replace(TRAINING, beta=1.0)),
    "trained, dropout 0.1": (replace(NETWORK, dropout=0.1), TRAINING),
    "trained, no noise added": (NETWORK, replace(TRAINING, denoise=0.0)),
    "trained, five times the steps": (NETWORK, replace(TRAINING, epochs=430)),
    "trained, no linear path": (replace(NETWORK, linear_path=False), TRAINING),
    "trained, latent 3": (replace(NETWORK, latent=3), TRAINING),
}


def from_scratch(drawn: Drawn, variant: str, seed: int) -> float:
    """Return the ARI of a network trained on the draw itself."""
    network, training = VARIANTS[variant]
    clusters = Clusters(drawn.k, drawn.k)
    model = SpectralSegmenter(None, network, clusters, replace(training, seed=seed))
    return scored(drawn, model.fit(drawn.spectra).labels_)["ari"]


def pretrained(source: XrfSimulation, epochs: int) -> dict[str, SpectralSegmenter]:
    """Return networks pretrained on simulated spectra, by the terms of their loss."""
    settings = recipe("xrf")
    base = replace(settings["training"], epochs=epochs, batch_size=256, composition=0.0)
    network = replace(settings["network"], components=len(source.components))
    losses = {
        "decoder alone": base,
        "decoder, composition head (shipped)": replace(base, composition=0.002),
        "decoder, contrast": replace(base, contrastive=0.001),
        "decoder, composition head, contrast": replace(base, composition=0.002, contrastive=0.001),
    }
    return {
        name: SpectralSegmenter(**(settings | {"network": network, "training": each})).pretrain(
            source
        )
        for name, each in losses.items()
    }


def row(name: str, cells: dict[str, list[float]]) -> str:
    """Return a row of the table: means over the draws."""
    return f"| {name} | " + " | ".join(f"{np.mean(each):.3f}" for each in cells.values()) + " |"


def main() -> list[str]:
    """Return the lines of the section."""
    torch.set_num_threads(1)
    lines = [
        "Adjusted Rand index, means of two draws, true k. `SpectralSegmenter()`, trained on the "
        "draw itself, and with changes; below *encoder trained*, one change at a time to it:",
        "",
        "| trained on the draw | " + " | ".join(NAMES) + " |",
        "|---" * (len(NAMES) + 1) + "|",
    ]
    draws = {name: [SETS[name](seed) for seed in SEEDS] for name in NAMES}
    for variant in VARIANTS:
        cells = {
            name: [from_scratch(d, variant, s) for d, s in zip(draws[name], SEEDS, strict=True)]
            for name in NAMES
        }
        lines.append(row(variant, cells))
    epochs = 12
    lines += [
        "",
        f"Terms of the loss of a pretraining: {epochs * 100:,} steps of 256 simulated spectra of "
        "the 24 pigments of manuscripts, one tube (the shipped models: 6,000 steps of 512 spectra, "
        "40 pigments and six tubes):",
        "",
        "| pretrained | " + " | ".join(PIGMENTS_ONLY) + " |",
        "|---" * (len(PIGMENTS_ONLY) + 1) + "|",
    ]
    source = XrfSimulation(tuple(PIGMENTS), (Tube(),))
    draws |= {name: [SETS[name](seed) for seed in SEEDS] for name in PIGMENTS_ONLY}
    for name, model in pretrained(source, epochs).items():
        cells = {}
        for each in PIGMENTS_ONLY:
            cells[each] = []
            for drawn, seed in zip(draws[each], SEEDS, strict=True):
                clusters = replace(model.config("clusters"), k_min=drawn.k, k_max=drawn.k)
                labels = model.cluster(model.transform(drawn.spectra), clusters, seed=seed).labels
                cells[each].append(scored(drawn, labels)["ari"])
        lines.append(row(name, cells))
    return lines


if __name__ == "__main__":
    print("\n".join(main()))
