"""How many pixels of a kind that was never trained on are flagged, and how many others.

    python -m benchmarks.novelty

Nebulae (HII regions, planetary nebulae, shocks) with noise alone in a quarter of the spectra, as
the background of an astronomer's cube: by the model that ships, and by one trained on other draws
of the nebulae alone. Flagged is what has a novelty above 0.95.
"""

from __future__ import annotations

import numpy as np
import torch

import spectessera as spt
from spectessera import SpectralSegmenter
from spectessera.segmenter.novelty import NOVEL

from .quality import Drawn, nebulae

RANGES = ((5, 10), (10, 30), (30, 100))
SEEDS = (4000, 4001, 4002)


def flagged(drawn: Drawn, model: SpectralSegmenter) -> tuple[float, float, float]:
    """Return the shares of nebulae and noise that are flagged, and of noise at 5 % false alarms."""
    result = spt.segment(drawn.cube(), model)
    novelty = result["novelty"].values.ravel()
    noise = drawn.label == 1
    usual = novelty > np.quantile(novelty[~noise], 0.95)
    shares = (novelty[~noise] > NOVEL, novelty[noise] > NOVEL, usual[noise])
    return tuple(float(each.mean()) for each in shares)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(
        "| S/N | model | nebulae flagged | noise flagged | noise at 5 % false alarms |\n"
        "|---|---|---|---|---|"
    )
    for low, high in RANGES:
        found: dict[str, list[tuple[float, float, float]]] = {}
        for seed in SEEDS:
            drawn = nebulae(low, high, 0.25, seed)
            clean = nebulae(low, high, 0.0, seed + 100)
            models = {
                "ships": spt.load("nebulae"),
                "trained on nebulae alone": SpectralSegmenter().fit(clean.cube()),
            }
            for name, model in models.items():
                found.setdefault(name, []).append(flagged(drawn, model))
        for name, rows in found.items():
            cells = " | ".join(f"{share:.3f}" for share in np.mean(rows, axis=0))
            print(f"| {low}-{high} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
