"""How well unknown pigments are separated: every fourth pigment is left out of the training.

python tools/make_models.py maxrf --without fourth --output without.safetensors
python -m benchmarks.left_out without.safetensors
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import spectessera as spt
from spectessera.synth.paint.pigments import PIGMENTS

from ._timing import measured
from .quality import SEEDS, SETS, scored, write_page

METRICS = ("half-whitened", "whitened-sphere")


def main(path: str) -> list[str]:
    """Return the lines of the section."""
    torch.set_num_threads(1)
    models = [spt.load("maxrf"), spt.load(path)]
    missing = ", ".join(list(PIGMENTS)[3::4])
    heads = [f"{metric}: {word}" for metric in METRICS for word in ("shipped", "left out", "loss")]
    lines = [
        f"`maxrf` and a model trained in the same way, but without {missing}: adjusted Rand "
        f"index, true k, means of {len(SEEDS)} draws.",
        "",
        "| set | " + " | ".join(heads) + " |",
        "|---" * (len(heads) + 1) + "|",
    ]
    for name in list(SETS)[:7]:
        scores: dict[tuple[str, int], list[float]] = {}
        for seed in SEEDS:
            drawn = SETS[name](seed)
            for number, model in enumerate(models):
                latent = model.transform(drawn.spectra)
                for metric in METRICS:
                    clusters = replace(
                        models[0].config("clusters"), k_min=drawn.k, k_max=drawn.k, metric=metric
                    )
                    labels = model.cluster(latent, clusters, seed=seed).labels
                    scores.setdefault((metric, number), []).append(scored(drawn, labels)["ari"])
        cells = []
        for metric in METRICS:
            one, other = (float(np.mean(scores[metric, number])) for number in (0, 1))
            cells += [f"{one:.3f}", f"{other:.3f}", f"{one - other:+.3f}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    text = "\n".join(measured("Pigments left out of the training", main(sys.argv[1]))) + "\n"
    (Path(__file__).parent / "quality_left_out.md").write_text(text, encoding="utf-8")
    write_page()
